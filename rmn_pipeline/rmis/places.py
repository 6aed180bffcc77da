"""Where the text of a value stands: in a column of the report, in a side file, or in the report's file name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from rmn_pipeline.feeds import ReportSource
from rmn_pipeline.rmis.cells import Cells, encode
from rmn_pipeline.rmis.errors import HarmonizeError
from rmn_pipeline.rmis.mapping import Join, Mapping
from rmn_pipeline.rmis.raw_rows import Headers
from rmn_pipeline.rmis.side_files import SideFile, SideFiles

FILE_PREFIX = "file."


@dataclass(frozen=True)
class ColumnPlace:
    """A column of the report, by its own spelling."""

    column: str


@dataclass(frozen=True)
class SidePlace:
    """A column of a side file."""

    join: str
    column: str


@dataclass(frozen=True)
class FixedPlace:
    """The same text for every row: from the file name, or nothing where an optional column is absent."""

    text: str | None


Place = ColumnPlace | SidePlace | FixedPlace


@dataclass(frozen=True)
class BoundJoin:
    """A side file, and the report's columns that hold its keys."""

    join: Join
    side: SideFile
    key_columns: tuple[str, ...]


def name_groups(mapping: Mapping) -> tuple[str, ...]:
    """The named groups that a mapping finds in file names."""
    pattern = mapping.source.name_pattern
    return () if pattern is None else tuple(re.compile(pattern).groupindex)


class Places:
    """Finds the places of one report; what is missing is collected, so that all of it can be told at once."""

    def __init__(
        self, mapping: Mapping, source: ReportSource, columns: Sequence[str], sides: SideFiles
    ) -> None:
        self._mapping = mapping
        self._source = source
        self._groups = name_groups(mapping)
        self.headers = Headers(source.paths[0], columns)
        self.problems: list[str] = []
        self.joins = {name: self._bound(name, join, sides) for name, join in mapping.joins.items()}

    def find(self, sources: Sequence[str], purpose: str, optional: bool = False) -> Place:
        """The first of `sources` that is there."""
        for source in sources:
            place = self._find(source)
            if place is not None:
                return place
        if not optional:
            self.problems.append(self.headers.missing(sources, purpose))
        return FixedPlace(None)

    def refuse_missing(self) -> None:
        """HarmonizeError with everything that was not found."""
        if self.problems:
            raise HarmonizeError(
                "\n".join(f"{self._source.paths[0]}: {problem}" for problem in self.problems)
            )

    def _find(self, source: str) -> Place | None:
        first, _, rest = source.partition(".")
        if first in self._mapping.joins:
            return SidePlace(first, rest)
        if source.startswith(FILE_PREFIX) and rest in self._groups:
            text = self._source.name_fields.get(rest)
            return None if text is None else FixedPlace(text)
        column = self.headers.find(source)
        return None if column is None else ColumnPlace(column)

    def _bound(self, name: str, join: Join, sides: SideFiles) -> BoundJoin:
        keys = tuple(self.headers.demand([key], f"the join '{name}'") for key in join.key)
        return BoundJoin(join, sides.get(name, join, self._source.paths[0]), keys)


class BatchCells:
    """The cells of one batch by place, each column coded at most once."""

    def __init__(self, batch: pl.DataFrame, joins: dict[str, BoundJoin]) -> None:
        self._batch = batch
        self._joins = joins
        self._coded: dict[str, Cells] = {}
        self._side_rows: dict[str, pl.Series] = {}

    def at(self, place: Place) -> Cells:
        """The cells of a place, each distinct text once."""
        match place:
            case ColumnPlace():
                return self._column(place.column)
            case SidePlace():
                return Cells(self._joins[place.join].side.columns[place.column], self.side_rows(place.join))
            case FixedPlace():
                everywhere = pl.repeat(0, self._batch.height, dtype=pl.UInt32, eager=True)
                return Cells(pl.Series([place.text], dtype=pl.String), everywhere)

    def rows_at(self, place: Place) -> Cells:
        """The cells of a place, row by row where they stand in the report itself: for numbers."""
        return Cells(self._series(place.column)) if isinstance(place, ColumnPlace) else self.at(place)

    def side_rows(self, name: str) -> pl.Series:
        """For each row its row in a side file."""
        if name not in self._side_rows:
            bound = self._joins[name]
            self._side_rows[name] = bound.side.rows_for([self._column(key) for key in bound.key_columns])
        return self._side_rows[name]

    def _column(self, column: str) -> Cells:
        if column not in self._coded:
            series = self._series(column)
            self._coded[column] = encode(series) if series.dtype == pl.String else Cells(series)
        return self._coded[column]

    def _series(self, column: str) -> pl.Series:
        series = self._batch[column]
        if series.dtype.is_nested() or series.dtype == pl.Object:
            raise HarmonizeError(f"the column '{column}' holds nested values, which a mapping cannot read")
        return series
