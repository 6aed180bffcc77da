"""Side files of a network: read once, and looked up by one or several keys for every row of a report."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import polars as pl

from rmn_pipeline.feeds import read_report
from rmn_pipeline.rmis.cells import Cells
from rmn_pipeline.rmis.errors import HarmonizeError
from rmn_pipeline.rmis.mapping import Join
from rmn_pipeline.rmis.raw_rows import Headers

# Up to so many combinations of key texts are looked up by position, more in a hash table.
_LARGEST_TABLE = 4_000_000


@dataclass(frozen=True)
class SideFile:
    """One side file: the columns taken from it, and the row of each combination of keys."""

    columns: dict[str, pl.Series]
    # For each key its distinct texts, numbered.
    keys: tuple[pl.DataFrame, ...]
    # The row of each combination of key numbers, read as one number with mixed radix.
    rows: pl.DataFrame
    by_position: pl.Series | None

    def rows_for(self, keys: list[Cells]) -> pl.Series:
        """For each report row its row in the side file; null where the file does not have its key."""
        position: pl.Series | None = None
        for cells, table in zip(keys, self.keys, strict=True):
            texts = cells.values.cast(pl.String, strict=False).str.strip_chars().alias("text")
            numbers = texts.to_frame().join(table, on="text", how="left", maintain_order="left")["number"]
            spread = cells.spread(numbers).cast(pl.UInt64)
            position = spread if position is None else position * table.height + spread
        wanted = pl.DataFrame({"position": position})
        if self.by_position is not None:
            return self.by_position.gather(wanted["position"])
        return wanted.join(self.rows, on="position", how="left", maintain_order="left")["row"]


@dataclass
class SideFiles:
    """Side files, read once per harmonization."""

    _files: dict[tuple[str, Path], SideFile] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def get(self, name: str, join: Join, report: Path) -> SideFile:
        """The side file that lies beside a report. HarmonizeError where a key has several answers."""
        path = (report.parent / join.file).resolve()
        with self._lock:
            if (name, path) not in self._files:
                self._files[(name, path)] = _read(name, join, path)
            return self._files[(name, path)]


def _read(name: str, join: Join, path: Path) -> SideFile:
    frame = read_report(path, join.report_format())
    headers = Headers(path, frame.columns)
    purpose = f"the join '{name}'"
    keys = [f"key:{key}" for key in join.key]
    wanted = [
        pl.col(headers.demand([column], purpose)).cast(pl.String, strict=False)
        for column in (*join.key, *join.take)
    ]
    names = [*keys, *join.take]
    side = frame.select(
        (text.str.strip_chars() if new in keys else text).alias(new)
        for new, text in zip(names, wanted, strict=True)
    )
    if join.latest_by is not None:
        order = frame[headers.demand([join.latest_by], purpose)]
        side = _latest(side.with_columns(order.alias("order:by")), keys)
    side = side.drop_nulls(keys).unique(maintain_order=True)
    _refuse_several_answers(name, join, path, side, keys)
    return _indexed(side, keys, join.take)


def _latest(side: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    latest = pl.col("order:by").max().over(keys)
    return side.filter(pl.col("order:by").eq_missing(latest)).drop("order:by")


def _refuse_several_answers(name: str, join: Join, path: Path, side: pl.DataFrame, keys: list[str]) -> None:
    repeated = side.filter(pl.struct(keys).is_duplicated())
    if not repeated.is_empty():
        raise HarmonizeError(
            f"{path}: the key {join.key} of the join '{name}' has several answers for "
            f"{repeated.row(0)[: len(keys)]}; declare latest_by if the file tells which one holds"
        )


def _indexed(side: pl.DataFrame, keys: list[str], take: list[str]) -> SideFile:
    tables, position = [], pl.lit(0, pl.UInt64)
    for key in keys:
        texts = side.select(pl.col(key).alias("text")).unique(maintain_order=True)
        table = texts.with_row_index("number")
        side = side.join(table, left_on=key, right_on="text", how="left", maintain_order="left")
        side = side.rename({"number": f"number:{key}"})
        position = position * table.height + pl.col(f"number:{key}").cast(pl.UInt64)
        tables.append(table)
    rows = side.with_row_index("row").select(position.alias("position"), "row")
    size = math.prod(table.height for table in tables)
    by_position = None
    if size <= _LARGEST_TABLE:
        empty = pl.repeat(None, size, dtype=pl.UInt32, eager=True)
        by_position = empty.scatter(rows["position"], rows["row"])
    return SideFile({column: side[column] for column in take}, tuple(tables), rows, by_position)
