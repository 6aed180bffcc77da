"""What was found while a report was read: kept by the readers, handed out when the last row is through."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import polars as pl


@dataclass(frozen=True)
class PartFacts:
    """One file or archive member of a source: its name, and the first of its rows (null where it has none)."""

    name: str
    rows: int
    first_row: int | None


@dataclass(frozen=True)
class ReportFacts:
    """What was found while a source was read; complete after its last batch."""

    rows: int = 0
    total_rows: int = 0
    ragged_rows: int = 0
    preamble_lines: int = 0
    footer_lines: int = 0
    blank_lines: int = 0
    format: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    header: tuple[str, ...] = ()
    parts: tuple[PartFacts, ...] = ()


@dataclass
class Tally:
    """The facts while they are still being counted."""

    rows: int = 0
    total_rows: int = 0
    ragged_rows: int = 0
    preamble_lines: int = 0
    footer_lines: int = 0
    blank_lines: int = 0
    format: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    header: tuple[str, ...] = ()
    schema: dict[str, pl.DataType] = field(default_factory=dict)  # of files that have types
    parts: list[PartFacts] = field(default_factory=list)

    def facts(self) -> ReportFacts:
        """The facts as they stand now."""
        found = {one.name: getattr(self, one.name) for one in fields(ReportFacts)}
        return ReportFacts(**{**found, "parts": tuple(self.parts)})
