"""Sources: what one harmonization reads as one report, batch by batch, whatever files it lies in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from rmn_pipeline.feeds.readers import ReportFormat, read_report

DEFAULT_BATCH_ROWS = 250_000
SOURCE_COLUMNS = ("source_file", "source_row", "source_line", "source_total")


@dataclass(frozen=True)
class ReportFacts:
    """What was found while a source was read; complete after its last batch."""

    rows: int = 0
    total_rows: int = 0
    preamble_lines: int = 0
    footer_lines: int = 0
    blank_lines: int = 0
    encoding: str | None = None
    delimiter: str | None = None
    header: tuple[str, ...] = ()


class ReportSource:
    """One report: a file, a member of an archive, or one file that was sent in parts."""

    def __init__(
        self, name: str, paths: tuple[Path, ...], spec: ReportFormat, name_fields: dict[str, str]
    ) -> None:
        self.name = name
        self.paths = paths
        self.spec = spec
        self.name_fields = name_fields
        self._facts = ReportFacts()

    @property
    def facts(self) -> ReportFacts:
        """What was found while reading: complete after the last batch."""
        return self._facts

    def batches(self, batch_rows: int = DEFAULT_BATCH_ROWS) -> Iterator[pl.DataFrame]:
        """The rows as sent, at most `batch_rows` at a time, all with the same columns; one empty batch if none."""
        frame = read_report(self.paths[0], self.spec).with_columns(
            pl.lit(self.name).alias("source_file"),
            pl.lit(None, pl.Int64).alias("source_line"),
            pl.lit(False).alias("source_total"),
        )
        header = tuple(name for name in frame.columns if name not in SOURCE_COLUMNS)
        frame = frame.select(*header, *SOURCE_COLUMNS)
        self._facts = ReportFacts(rows=frame.height, header=header, encoding=self.spec.encoding)
        for start in range(0, max(frame.height, 1), batch_rows):
            yield frame.slice(start, batch_rows)


def _name_fields(path: Path, pattern: str | None) -> dict[str, str]:
    found = re.search(pattern, path.name) if pattern else None
    return {} if found is None else {key: value for key, value in found.groupdict().items() if value}


def report_sources(paths: Sequence[Path | str], spec: ReportFormat) -> list[ReportSource]:
    """The sources that `paths` hold, by name and path."""
    files = sorted({Path(path) for path in paths}, key=lambda path: (path.name, str(path)))
    return [ReportSource(path.name, (path,), spec, _name_fields(path, spec.name_pattern)) for path in files]
