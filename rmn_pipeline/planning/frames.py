"""Checks on the tables that come into the planning room: a missing column or row is one clear `PlanError`."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from rmn_pipeline.planning.errors import PlanError


def require_columns(frame: pl.DataFrame, needed: Iterable[str], what: str) -> None:
    """Refuse a table that lacks columns, naming the table and the columns."""
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise PlanError(f"{what} lacks the column(s) {missing}; it has {frame.columns}")


def require_rows(frame: pl.DataFrame, message: str) -> None:
    """Refuse an empty table with the given explanation."""
    if frame.is_empty():
        raise PlanError(message)


def collected(frame: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """The table in memory, whichever way it was handed over."""
    return frame.collect() if isinstance(frame, pl.LazyFrame) else frame
