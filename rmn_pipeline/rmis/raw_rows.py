"""A report as it was sent: its columns, found without regard to case and blanks, and its rows as text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from rmn_pipeline.rmis.errors import HarmonizeError, did_you_mean

# What the readers add to the columns of a report.
SOURCE_COLUMNS = ("source_file", "source_row", "source_line", "source_total", "source_problem")


def fold_header(name: str) -> str:
    """Headers are compared without case and with blanks squeezed: networks send ' advertised_asin'."""
    return " ".join(name.replace("\ufeff", "").split()).casefold()


class Headers:
    """Finds a report's columns by folded name, and remembers which were wanted."""

    def __init__(self, path: Path | str, columns: Sequence[str]) -> None:
        self.path = path
        self.columns = [name for name in columns if name not in SOURCE_COLUMNS]
        self._by_folded: dict[str, list[str]] = {}
        for name in self.columns:
            self._by_folded.setdefault(fold_header(name), []).append(name)
        self.used: set[str] = set()

    def find(self, name: str) -> str | None:
        """The report's own spelling of a name; None where it has no such column."""
        found = self._by_folded.get(fold_header(name), [])
        if len(found) > 1:
            raise HarmonizeError(f"{self.path}: the columns {found} are the same name but for case or blanks")
        self.used.update(found)
        return found[0] if found else None

    def demand(self, names: Sequence[str], purpose: str) -> str:
        """The report's own spelling of the first of `names` that it has; HarmonizeError where it has none."""
        for name in names:
            found = self.find(name)
            if found is not None:
                return found
        raise HarmonizeError(f"{self.path}: {self.missing(names, purpose)}")

    def missing(self, names: Sequence[str], purpose: str) -> str:
        """What to say where none of `names` is there."""
        wanted = " or ".join(map(repr, names))
        return f"no column {wanted} for {purpose}; {did_you_mean(names[0], self.columns)}"

    @property
    def unused(self) -> tuple[str, ...]:
        """Columns that nobody asked for."""
        return tuple(name for name in self.columns if name not in self.used)


def raw_row_json(batch: pl.DataFrame) -> pl.Series:
    """Every row of a batch as JSON text, as it was sent."""
    sent = batch.drop(SOURCE_COLUMNS, strict=False)
    return sent.select(pl.struct(pl.all()).struct.json_encode()).to_series()
