"""A retailer's product ids: its catalog, tables that tie item ids to GTINs, and both as one crosswalk.

Harmonization wants a table of two columns, native_id and sku_id, in which each item id stands for one product.
Everything here leads to that table, or says which two rows contradict each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Literal

import polars as pl

from rmn_pipeline.rmis.errors import CatalogError
from rmn_pipeline.rmis.gtin import CodeSettings, gtin_table
from rmn_pipeline.rmis.models import AUDIENCES_SCHEMA, SKUS_SCHEMA
from rmn_pipeline.rmis.reference_file import ROW, read_reference, refuse_repeated, retailer_of

CROSSWALK_SCHEMA: dict[str, pl.DataType] = {
    "native_id": pl.String(),
    "sku_id": pl.String(),
    "gtin": pl.String(),
    "valid_from": pl.Date(),
    "valid_to": pl.Date(),
    "source": pl.String(),
    "reviewed_by": pl.String(),
    ROW: pl.Int64(),
}

_CATALOG_COLUMNS = ("native_id", "gtin", "title", "brand_id", "category", "line_id", "size")
_NOTES = ("source", "reviewed_by")
_PERIOD = ("valid_from", "valid_to")
# A person keeps these tables: a GTIN that ends in zeros is meant there.
_KEPT_BY_HAND = CodeSettings(trailing_zeros="keep")


def _gtins(path: Path, frame: pl.DataFrame, column: str, tolerated: str | None = None) -> pl.Series:
    """The GTIN-14 of each row; null for an empty cell and a tolerated problem. Any other problem is an error."""
    coded = frame.select(ROW, pl.col(column).alias("code")).join(
        gtin_table(frame[column], _KEPT_BY_HAND), on="code", how="left", maintain_order="left"
    )
    bad = coded.filter(pl.col("problem").is_not_null() & pl.col("problem").ne_missing(pl.lit(tolerated)))
    if not bad.is_empty():
        row = bad.row(0, named=True)
        raise CatalogError(f"{path}: row {row[ROW]}: {column} '{row['code']}': {row['reason']}")
    return coded["gtin14"]


def load_catalog(
    path: Path | str,
    retailer_id: str | None = None,
    *,
    restricted: Literal["refuse", "own_id"] = "refuse",
) -> pl.DataFrame:
    """The columns of `rmis_skus` plus `native_id`, from a catalog.csv.

    A product without a GTIN gets the sku_id '<retailer>:<native id>'; a GTIN that fails its check digit is a
    CatalogError.

    Args:
        path: the file.
        retailer_id: defaults to the name of the folder above reference/.
        restricted: what a number of restricted circulation is. It means this product at this retailer only, so it
            is refused, or the product is treated as one without a GTIN ('own_id').

    Raises:
        CatalogError: names the row and what is wrong with it.
    """
    file = Path(path)
    frame = read_reference(file, _CATALOG_COLUMNS, may_be_empty=("gtin", "size"))
    refuse_repeated(file, frame, "native_id")
    gtins = _gtins(file, frame, "gtin", "gtin_restricted" if restricted == "own_id" else None)
    own_id = pl.format("{}:{}", pl.lit(retailer_of(file, retailer_id)), pl.col("native_id"))
    return (
        frame.with_columns(gtins.alias("gtin"))
        .with_columns(pl.coalesce("gtin", own_id).alias("sku_id"))
        .select(*SKUS_SCHEMA, "native_id")
    )


def _dates(path: Path, table: pl.DataFrame) -> pl.DataFrame:
    """The period columns as dates, each in its order."""
    typed = table.with_columns(pl.col(_PERIOD).str.to_date("%Y-%m-%d", strict=False).name.suffix(":date"))
    for name in _PERIOD:
        bad = typed.filter(pl.col(name).is_not_null() & pl.col(f"{name}:date").is_null())
        if not bad.is_empty():
            raise CatalogError(f"{path}: row {bad[ROW][0]}: {name} '{bad[name][0]}' is no date YYYY-MM-DD")
    dated = typed.with_columns(pl.col(f"{name}:date").alias(name) for name in _PERIOD)
    backwards = dated.filter(pl.col("valid_from") > pl.col("valid_to"))
    if not backwards.is_empty():
        row = backwards.row(0, named=True)
        raise CatalogError(
            f"{path}: row {row[ROW]}: valid_from {row['valid_from']} lies after valid_to {row['valid_to']}"
        )
    return dated


def load_crosswalk(
    path: Path | str,
    retailer_id: str | None = None,
    *,
    native_column: str = "native_id",
    gtin_column: str = "gtin",
) -> pl.DataFrame:
    """A retailer's item ids and their GTINs, from a CSV file, in the columns of `CROSSWALK_SCHEMA`.

    The file may have valid_from and valid_to (YYYY-MM-DD, both inclusive; empty means without end), source and
    reviewed_by. A file for many retailers has a column retailer_id; the rows of others are left out.

    Args:
        path: the file.
        retailer_id: defaults to the name of the folder above reference/.
        native_column: the column with this retailer's ids, in a file with one such column per retailer; rows
            where it is empty are left out.
        gtin_column: the column with the GTIN.

    Raises:
        CatalogError: names the row and what is wrong with it.
    """
    file = Path(path)
    table = read_reference(
        file,
        (native_column, gtin_column),
        may_be_empty=(native_column,) if native_column != "native_id" else (),
        may_lack=("retailer_id", *_PERIOD, *_NOTES),
    )
    mine = table.filter(
        pl.col(native_column).is_not_null(),
        pl.col("retailer_id").is_null() | (pl.col("retailer_id") == retailer_of(file, retailer_id)),
    )
    gtins = _gtins(file, mine, gtin_column)
    return _dates(file, mine).select(
        pl.col(native_column).alias("native_id"),
        gtins.alias("sku_id"),
        gtins.alias("gtin"),
        *_PERIOD,
        *_NOTES,
        pl.col(ROW).cast(pl.Int64),
    )


def _labelled(name: str, table: pl.DataFrame) -> pl.DataFrame:
    """Ids, periods and where each row stands."""
    missing = [column for column in ("native_id", "sku_id") if column not in table.columns]
    if missing:
        raise CatalogError(f"{name}: the crosswalk has no column '{missing[0]}'")
    placed = table if ROW in table.columns else table.with_row_index(ROW, offset=1)
    unbounded = [pl.lit(None, pl.Date).alias(column) for column in _PERIOD if column not in table.columns]
    return placed.with_columns(unbounded).select(
        "native_id",
        "sku_id",
        *_PERIOD,
        pl.format("{}: row {}", pl.lit(name), pl.col(ROW)).alias("place"),
    )


def _only_gtins_where_known(rows: pl.DataFrame) -> pl.DataFrame:
    """An own id ('<retailer>:<id>') says that no GTIN is known, so it gives way to a row that knows one."""
    own = pl.col("sku_id").str.contains(":", literal=True)
    return rows.filter(~own | own.all().over("native_id"))


def _refuse_contradictions(rows: pl.DataFrame) -> None:
    """Raises a CatalogError that names two rows which tie one item id to two products."""
    several = rows.filter(pl.col("sku_id").n_unique().over("native_id") > 1).sort("native_id", "valid_from")
    if several.is_empty():
        return
    same_id = several.filter(pl.col("native_id") == several["native_id"][0])
    first = same_id.row(0, named=True)
    second = same_id.filter(pl.col("sku_id") != first["sku_id"]).row(0, named=True)
    message = (
        f"the item id '{first['native_id']}' is {first['sku_id']} in {first['place']} "
        f"and {second['sku_id']} in {second['place']}; correct one of them"
    )
    if any(row[end] is not None for row in (first, second) for end in _PERIOD):
        message += ", or say on which day the crosswalk is wanted (on=…)"
    raise CatalogError(message)


def merge_crosswalks(tables: Mapping[str, pl.DataFrame], on: date | None = None) -> pl.DataFrame:
    """One table, native_id and sku_id, of a catalog and any number of crosswalk tables.

    Args:
        tables: the tables by the name that errors call them.
        on: leave out rows that are not valid on this day. Without it every row counts, and an item id that was
            given to another product later is a contradiction.

    Raises:
        CatalogError: one item id is two products; both rows are named.
    """
    if not tables:
        return pl.DataFrame(schema={name: CROSSWALK_SCHEMA[name] for name in ("native_id", "sku_id")})
    rows = pl.concat([_labelled(name, table) for name, table in tables.items()])
    if on is not None:
        rows = rows.filter(
            pl.col("valid_from").is_null() | (pl.col("valid_from") <= on),
            pl.col("valid_to").is_null() | (pl.col("valid_to") >= on),
        )
    rows = _only_gtins_where_known(rows)
    _refuse_contradictions(rows)
    return rows.select("native_id", "sku_id").unique(maintain_order=True)


def fill_catalog(catalog: pl.DataFrame, crosswalk: pl.DataFrame) -> pl.DataFrame:
    """The catalog with the products that a merged crosswalk ties to other ids: `rmis_skus` and events then agree.

    A product without a GTIN in the catalog gets the one that the crosswalk knows.
    """
    known = crosswalk.select("native_id", pl.col("sku_id").alias("crosswalk_sku_id"))
    joined = catalog.join(known, on="native_id", how="left", maintain_order="left")
    sku_id = pl.coalesce("crosswalk_sku_id", "sku_id")
    return joined.with_columns(
        sku_id.alias("sku_id"),
        pl.when(~sku_id.str.contains(":", literal=True)).then(sku_id).alias("gtin"),
    ).select(catalog.columns)


def load_audiences(path: Path | str, retailer_id: str | None = None) -> pl.DataFrame:
    """The rows of `rmis_audiences`, from an audiences.csv; `retailer_id` as in `load_catalog`."""
    file = Path(path)
    frame = read_reference(file, ("audience_id", "name"))
    refuse_repeated(file, frame, "audience_id")
    return frame.with_columns(pl.lit(retailer_of(file, retailer_id)).alias("retailer_id")).select(
        *AUDIENCES_SCHEMA
    )


def skus_frame(catalogs: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """`rmis_skus` over several retailers: one row per sku_id, the first catalog's wording kept.

    Retailers may word a title differently; two brands for one product are a CatalogError.
    """
    frames = [catalog.select(*SKUS_SCHEMA) for catalog in catalogs]
    if not frames:
        return pl.DataFrame(schema=SKUS_SCHEMA)
    every = pl.concat(frames)
    brands = (
        every.group_by("sku_id")
        .agg(pl.col("brand_id").unique().sort())
        .filter(pl.col("brand_id").list.len() > 1)
    )
    if not brands.is_empty():
        row = brands.sort("sku_id").row(0, named=True)
        raise CatalogError(f"sku {row['sku_id']} has several brands: {', '.join(row['brand_id'])}")
    return every.unique("sku_id", keep="first", maintain_order=True).sort("sku_id")
