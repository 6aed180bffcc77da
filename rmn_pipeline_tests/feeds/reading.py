"""What the reader tests share: writing one small file and reading it as one source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from rmn_pipeline.feeds import ReportFormat, ReportSource, report_sources

OWN_COLUMNS = ("source_file", "source_row", "source_line", "source_total", "source_problem")


def written(folder: Path, content: bytes | str, name: str = "report.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def source_of(path: Path, spec: ReportFormat | None = None, **declared: Any) -> ReportSource:
    (source,) = report_sources([path], spec or ReportFormat(**{"format": "auto", **declared}))
    return source


def frame_of(source: ReportSource, batch_rows: int = 250_000) -> pl.DataFrame:
    return pl.concat(source.batches(batch_rows))


def rows_of(source: ReportSource) -> list[tuple[Any, ...]]:
    frame = frame_of(source)
    return frame.select(pl.exclude(OWN_COLUMNS)).rows()
