"""A retailer's hand-kept tables, read as text: which columns must be there, and which cells must be filled."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import polars as pl

from rmn_pipeline.feeds import FeedError, ReportFormat, read_report
from rmn_pipeline.rmis.errors import CatalogError, did_you_mean

ROW = "source_row"


def read_reference(
    path: Path,
    columns: Iterable[str],
    *,
    may_be_empty: Collection[str] = (),
    may_lack: Iterable[str] = (),
) -> pl.DataFrame:
    """These columns of a CSV file and `source_row`, blanks around cells dropped, empty cells null.

    Args:
        path: the file.
        columns: columns that must be there.
        may_be_empty: those of them whose cells may be empty.
        may_lack: columns that may be there; null throughout where they are not.

    Raises:
        CatalogError: unreadable file, missing column, empty cell.
    """
    try:
        frame = read_report(path, ReportFormat("csv"))
    except FeedError as error:
        raise CatalogError(str(error)) from error
    needed = list(columns)
    for name in needed:
        if name not in frame.columns:
            raise CatalogError(f"{path}: the column '{name}' is missing; {did_you_mean(name, frame.columns)}")
    optional = list(may_lack)
    absent = [pl.lit(None, pl.String).alias(name) for name in optional if name not in frame.columns]
    wanted = [*needed, *optional]
    table = frame.with_columns(absent).with_columns(
        pl.col(wanted).cast(pl.String).str.strip_chars().replace("", None)
    )
    for name in needed:
        empty = table.filter(pl.col(name).is_null())
        if name not in may_be_empty and not empty.is_empty():
            raise CatalogError(f"{path}: row {empty[ROW][0]}: '{name}' is empty")
    return table.select(ROW, *wanted)


def refuse_repeated(path: Path, frame: pl.DataFrame, column: str) -> None:
    """Raises a CatalogError where a key stands in two rows."""
    repeated = frame.filter(pl.col(column).is_duplicated())
    if not repeated.is_empty():
        raise CatalogError(f"{path}: row {repeated[ROW][1]}: {column} '{repeated[column][1]}' stands twice")


def retailer_of(path: Path, retailer_id: str | None) -> str:
    """Reference files lie in <retailer>/reference/, unless the caller says whose they are."""
    return retailer_id or path.resolve().parent.parent.name
