"""Buckets of rows that grow beyond memory: kept while they fit a budget, else in scratch files, oldest first.

A column that holds one value throughout (most columns of an event do) is kept as that value.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import polars as pl

from rmn_pipeline.rmis.errors import LakeError

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class CompactRows:
    """Rows without their constant columns, and those columns' values."""

    varying: pl.DataFrame
    constants: dict[str, Any]
    schema: pl.Schema

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.varying.height

    def slice(self, offset: int, length: int) -> CompactRows:
        """Some of the rows; no copy."""
        return CompactRows(self.varying.slice(offset, length), self.constants, self.schema)

    def with_varying(self, rows: pl.DataFrame, schema: dict[str, pl.DataType]) -> CompactRows:
        """Some of the rows, perhaps with more columns, as a table of `schema`: what was constant still is."""
        constants = {name: value for name, value in self.constants.items() if name in schema}
        varying = [name for name in schema if name not in constants]
        return CompactRows(rows.select(varying), constants, pl.Schema(schema))

    def whole(self) -> pl.DataFrame:
        """The rows with all columns, in their order."""
        values = [pl.lit(value, self.schema[name]).alias(name) for name, value in self.constants.items()]
        return self.varying.with_columns(values).select(self.schema.names())


def _is_constant(column: pl.Series) -> bool:
    missing = column.null_count()
    if missing or column.dtype.is_nested():
        return missing == column.len()
    # The ends tell most columns apart before every value is looked at.
    return bool(column[0] == column[-1] and (column == column[0]).all())


def compact(rows: pl.DataFrame) -> CompactRows:
    """Takes the constant columns out. One column stays, so that the number of rows is kept."""
    if rows.is_empty():
        return CompactRows(rows, {}, rows.schema)
    constants = {column.name: column[0] for column in rows.get_columns() if _is_constant(column)}
    if len(constants) == rows.width:
        constants.pop(rows.columns[0])
    return CompactRows(rows.drop(list(constants)), constants, rows.schema)


def _merged(parts: list[CompactRows]) -> CompactRows:
    """Rows after rows; a column stays constant where all parts agree on its value."""
    first = parts[0]
    shared = {
        name: value
        for name, value in first.constants.items()
        if all(name in part.constants and part.constants[name] == value for part in parts[1:])
    }
    varying = [name for name in first.schema.names() if name not in shared]
    frames = [part.varying if part.constants == shared else part.whole().select(varying) for part in parts]
    return CompactRows(pl.concat(frames), shared, first.schema)


@dataclass(frozen=True)
class _ScratchFile:
    """Rows of one bucket that had to leave memory."""

    path: Path
    height: int
    constants: dict[str, Any]
    schema: pl.Schema

    def read(self) -> CompactRows:
        return CompactRows(pl.read_ipc(self.path, memory_map=False), self.constants, self.schema)


@dataclass(frozen=True)
class _Kept:
    """Rows of one bucket in memory, with their size in bytes."""

    rows: CompactRows
    size: int


class Buckets(Generic[Key]):
    """Rows by key, in the order in which they were added. Without a folder everything stays in memory."""

    def __init__(self, folder: Path | None, budget_bytes: int) -> None:
        self._folder = folder
        self._budget = budget_bytes
        self._kept: dict[Key, list[_Kept]] = {}
        self._spilled: dict[Key, list[_ScratchFile]] = {}
        self._in_memory = 0
        self._files_written = 0

    def __iter__(self) -> Iterator[Key]:
        """The keys that have rows."""
        return iter(list({**self._spilled, **self._kept}))

    def height(self, key: Key) -> int:
        """Number of rows of a bucket."""
        return sum(file.height for file in self._spilled.get(key, [])) + sum(
            part.rows.height for part in self._kept.get(key, [])
        )

    def add(self, key: Key, rows: CompactRows, size: int) -> None:
        """Appends rows of about `size` bytes to a bucket."""
        if rows.height == 0:
            return
        # Taken out and put back, so that the buckets that nothing was added to for long come first.
        self._kept[key] = [*self._kept.pop(key, []), _Kept(rows, size)]
        self._in_memory += size
        if self._folder is not None and self._in_memory > self._budget:
            self._spill(self._folder)

    def _spill(self, folder: Path) -> None:
        """Writes buckets to scratch files, those untouched for longest first, until half of the budget is free."""
        for key in list(self._kept):
            if self._in_memory <= self._budget // 2:
                return
            kept = self._kept.pop(key)
            self._spilled.setdefault(key, []).append(self._written(folder, [part.rows for part in kept]))
            self._in_memory -= sum(part.size for part in kept)

    def _written(self, folder: Path, parts: list[CompactRows]) -> _ScratchFile:
        rows = _merged(parts)
        path = folder / f"{self._files_written}.arrow"
        self._files_written += 1
        try:
            folder.mkdir(parents=True, exist_ok=True)
            rows.varying.write_ipc(path, compat_level=pl.CompatLevel.newest())
        except (OSError, pl.exceptions.PolarsError) as error:
            raise LakeError(f"{path}: scratch rows cannot be written ({error})") from error
        return _ScratchFile(path, rows.height, rows.constants, rows.schema)

    def pieces(self, key: Key) -> Iterator[CompactRows]:
        """A bucket's rows, piece by piece."""
        for file in self._spilled.get(key, []):
            yield file.read()
        for part in self._kept.get(key, []):
            yield part.rows

    def read(self, key: Key) -> CompactRows:
        """All rows of a bucket."""
        return _merged(list(self.pieces(key)))

    def drop(self, key: Key) -> None:
        """Frees a bucket's memory and files."""
        self._in_memory -= sum(part.size for part in self._kept.pop(key, []))
        for file in self._spilled.pop(key, []):
            file.path.unlink(missing_ok=True)
