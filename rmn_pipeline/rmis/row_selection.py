"""Rows that are no facts: sums over other rows, and rows that the mapping filters out."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from dataclasses import dataclass
from typing import Literal

import polars as pl

from rmn_pipeline.rmis.cells import Cells
from rmn_pipeline.rmis.expressions import Kind, compile_expression
from rmn_pipeline.rmis.faults import Fault, fault_for_all
from rmn_pipeline.rmis.mapping import Filter, Mapping
from rmn_pipeline.rmis.values import fold, folded

TOTAL_ROW = "total_row"
RAGGED_ROW = "ragged_row"


@dataclass(frozen=True)
class ExpressionFilter:
    """A filter over fields and inputs; `keeps` is true for the rows that stay."""

    name: str
    keeps: pl.Expr
    text: str
    # What an empty answer means: a row that is not surely wanted goes, one that is not surely unwanted stays.
    empty_keeps: bool

    def dropped(self, rows: pl.DataFrame, faulty: pl.Series) -> Fault:
        """The rows that go. Where the answer is empty because a cell could not be read, that fault counts."""
        keeps = rows.with_columns(self.keeps.alias("keeps:"))["keeps:"]
        gone = ~keeps
        if not self.empty_keeps:
            gone = gone.fill_null(True).scatter(faulty.filter(keeps.gather(faulty).is_null()), False)
        return fault_for_all(f"filtered.{self.name}", gone.arg_true(), self.text)


def compile_filters(mapping: Mapping, kinds: Dictionary[str, Kind]) -> tuple[ExpressionFilter, ...]:
    """The filters of a mapping that are expressions."""
    found = []
    for one in mapping.filters:
        if isinstance(one.keep, str):
            keeps = compile_expression(one.keep, kinds).value
            found.append(ExpressionFilter(one.name, keeps, f"not kept: {one.keep}", False))
        if isinstance(one.drop, str):
            drops = compile_expression(one.drop, kinds).value
            found.append(ExpressionFilter(one.name, ~drops, f"dropped: {one.drop}", True))
    return tuple(found)


def rows_with_values(cells: Cells, values: list[str]) -> pl.Series:
    """Is a row's text one of these, case and blanks folded? False where it is empty."""
    texts = cells.values.cast(pl.String, strict=False).alias("text").to_frame()
    wanted = texts.select(folded(pl.col("text")).is_in([fold(value) for value in values])).to_series()
    return cells.spread(wanted).fill_null(False)


def dropped_by_value(one: Filter, cells: Cells) -> Fault:
    """The rows that a filter over raw values drops."""
    way: Literal["keep", "drop"] = "drop" if one.drop is not None else "keep"
    values = getattr(one, way)
    listed = rows_with_values(cells, values)
    gone = listed if way == "drop" else ~listed
    source = (one.sources or [""])[0]
    said = "is" if way == "drop" else "is not"
    return fault_for_all(
        f"filtered.{one.name}", gone.arg_true(), f"'{source}' {said} {' or '.join(map(repr, values))}"
    )


def detected_totals(batch: pl.DataFrame) -> Fault | None:
    """The rows in which the reader saw sums over others."""
    if "source_total" not in batch.columns or not batch["source_total"].any():
        return None
    rows = batch["source_total"].fill_null(False).arg_true()
    return fault_for_all(TOTAL_ROW, rows, "sums up other rows, as its first cell says")


def ragged_rows(batch: pl.DataFrame) -> Fault | None:
    """The rows whose cells the reader could not assign for certain."""
    if "source_problem" not in batch.columns or batch["source_problem"].null_count() == batch.height:
        return None
    rows = batch["source_problem"].is_not_null().arg_true()
    return Fault(RAGGED_ROW, rows, batch["source_problem"].gather(rows))
