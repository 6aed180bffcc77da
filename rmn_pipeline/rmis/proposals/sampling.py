"""A report's first rows as text, and how its file is written."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from rmn_pipeline.feeds import FeedError, ReportFacts, ReportFormat, report_sources
from rmn_pipeline.rmis.errors import HarmonizeError

SAMPLE_ROWS = 1000
_ADDED_BY_READERS = ("source_file", "source_row", "source_line", "source_total", "source_problem")
_CODE_PAGE = "cp1252"
_READ_TO_THE_END_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Sample:
    """The rows that a proposal looks at, and what reading them showed about the file."""

    frame: pl.DataFrame
    file_name: str | None = None
    format: str | None = None
    encoding: str | None = None
    encoding_is_guessed: bool = False
    delimiter: str | None = None
    found: str | None = None
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
    try:
        return _read(path, ReportFormat("auto"))
    except FeedError as error:
        # Older exports are mostly in the Windows code page; the draft says that this is a guess.
        guess = _read_in_code_page(path)
        if guess is None:
            raise error
        return guess


def _read_in_code_page(path: Path) -> Sample | None:
    """The report read as Windows text; None where that makes no sense of it either."""
    try:
        sample = _read(path, ReportFormat("auto", encoding=_CODE_PAGE))
    except FeedError:
        return None
    readable = all(name.isprintable() for name in sample.frame.columns)
    return replace(sample, encoding=_CODE_PAGE, encoding_is_guessed=True) if readable else None


def _read(path: Path, spec: ReportFormat) -> Sample:
    sources = report_sources([path], spec)
    batches = sources[0].batches(SAMPLE_ROWS)
    first = next(batches)
    if path.stat().st_size <= _READ_TO_THE_END_BYTES:
        # What readers find out about a file is complete after its last batch only.
        for _ in batches:
            pass
    facts = sources[0].facts
    return Sample(
        _as_text(first.filter(~pl.col("source_total"))),
        file_name=path.name,
        format=facts.format or spec.format,
        encoding=facts.encoding,
        delimiter=facts.delimiter,
        found=_found(facts),
        other_sources=tuple(other.name for other in sources[1:]),
    )


def _found(facts: ReportFacts) -> str | None:
    """What the readers skipped or marked, for people."""
    counts = {
        "preamble lines": facts.preamble_lines,
        "footer lines": facts.footer_lines,
        "total rows": facts.total_rows,
        "ragged rows": facts.ragged_rows,
    }
    told = [f"{count} {what}" for what, count in counts.items() if count]
    return ", ".join(told) or None
