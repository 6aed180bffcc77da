"""A report's first rows as text, and how its file is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

import polars as pl

from rmn_pipeline.feeds import FeedError, FileFormat, ReportFormat, ReportSource, report_sources
from rmn_pipeline.rmis.errors import HarmonizeError

SAMPLE_ROWS = 1000
_ADDED_BY_READERS = ("source_file", "source_row", "source_line", "source_total", "source_problem")
_CODE_PAGE = "cp1252"
_DETECTED = "auto"
_FORMATS: dict[str, FileFormat] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json_array",
    ".jsonl": "json_lines",
    ".parquet": "parquet",
}


@dataclass(frozen=True)
class Sample:
    """The rows that a proposal looks at, and what reading them showed about the file."""

    frame: pl.DataFrame
    file_name: str | None = None
    format: str | None = None
    encoding: str | None = None
    encoding_is_guessed: bool = False
    delimiter: str | None = None
    other_sources: tuple[str, ...] = ()


def report_glob(file_name: str) -> str:
    """The glob that fits a report's later files too: dates and numbers change, an edition like 'v2' does not."""
    return re.sub(r"(?<![A-Za-z\d])\d+(?:[_-]?\d+)*", "*", file_name)


def sample_of(report: pl.DataFrame | Path | str) -> Sample:
    """The sample of a report file or of a frame."""
    sample = Sample(_as_text(report)) if isinstance(report, pl.DataFrame) else _sample_file(Path(report))
    if not sample.frame.columns:
        raise HarmonizeError("a mapping cannot be proposed for a report without columns")
    return sample


def _as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Nested columns have no place in a fact; of the others the text is looked at, as a file would hold it."""
    flat = [
        name for name, kind in frame.schema.items() if not kind.is_nested() and name not in _ADDED_BY_READERS
    ]
    return frame.select(pl.col(flat).cast(pl.String, strict=False)).head(SAMPLE_ROWS)


def _sample_file(path: Path) -> Sample:
    file_format = _format_of(path)
    try:
        return _read(path, ReportFormat(file_format), guessed=False)
    except FeedError as error:
        # Older exports are mostly in the Windows code page; the draft says that this is a guess.
        guess = _read_in_code_page(path, file_format)
        if guess is None:
            raise error
        return guess


def _read_in_code_page(path: Path, file_format: FileFormat) -> Sample | None:
    """The report read as Windows text; None where that makes no sense of it either."""
    try:
        sample = _read(path, ReportFormat(file_format, encoding=_CODE_PAGE), guessed=True)
    except FeedError:
        return None
    return sample if all(name.isprintable() for name in sample.frame.columns) else None


def _format_of(path: Path) -> FileFormat:
    if _DETECTED in get_args(FileFormat):
        return cast(FileFormat, _DETECTED)
    suffixes = [suffix for suffix in path.suffixes if suffix in _FORMATS]
    if not suffixes:
        raise HarmonizeError(f"{path}: the format cannot be told from the name; known: {', '.join(_FORMATS)}")
    return _FORMATS[suffixes[-1]]


def _read(path: Path, spec: ReportFormat, *, guessed: bool) -> Sample:
    sources: list[ReportSource] = report_sources([path], spec)
    source = sources[0]
    batch = next(iter(source.batches(SAMPLE_ROWS)))
    rows = batch.filter(~pl.col("source_total")) if "source_total" in batch.columns else batch
    facts = source.facts
    return Sample(
        _as_text(rows),
        file_name=path.name,
        format=getattr(facts, "format", None) or spec.format,
        encoding=spec.encoding if guessed else facts.encoding,
        encoding_is_guessed=guessed,
        delimiter=facts.delimiter,
        other_sources=tuple(other.name for other in sources[1:]),
    )
