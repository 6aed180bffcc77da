"""A retailer's reference files: its catalog (native product id to GTIN-14) and its audiences."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from rmn_pipeline.feeds import FeedError, ReportFormat, read_report
from rmn_pipeline.rmis.errors import CatalogError, did_you_mean
from rmn_pipeline.rmis.gtin import gtin_table
from rmn_pipeline.rmis.models import AUDIENCES_SCHEMA, SKUS_SCHEMA

_CATALOG_COLUMNS = ("native_id", "gtin", "title", "brand_id", "category", "line_id", "size")
_MAY_BE_EMPTY = frozenset({"gtin", "size"})


def _read_reference(path: Path, columns: tuple[str, ...]) -> pl.DataFrame:
    try:
        frame = read_report(path, ReportFormat("csv"))
    except FeedError as error:
        raise CatalogError(str(error)) from error
    for name in columns:
        if name not in frame.columns:
            raise CatalogError(f"{path}: the column '{name}' is missing; {did_you_mean(name, frame.columns)}")
    frame = frame.with_columns(pl.col(columns).str.strip_chars().replace("", None))
    for name in columns:
        empty = frame.filter(pl.col(name).is_null())
        if name not in _MAY_BE_EMPTY and not empty.is_empty():
            raise CatalogError(f"{path}: row {empty['source_row'][0]}: '{name}' is empty")
    return frame


def _retailer_of(path: Path, retailer_id: str | None) -> str:
    """Reference files lie in <retailer>/reference/, unless the caller says whose they are."""
    return retailer_id or path.resolve().parent.parent.name


def _refuse_repeated(path: Path, frame: pl.DataFrame, column: str) -> None:
    repeated = frame.filter(pl.col(column).is_duplicated())
    if not repeated.is_empty():
        raise CatalogError(
            f"{path}: row {repeated['source_row'][1]}: {column} '{repeated[column][1]}' stands twice"
        )


def load_catalog(path: Path | str, retailer_id: str | None = None) -> pl.DataFrame:
    """The columns of `rmis_skus` plus `native_id`, from a catalog.csv.

    A product without a GTIN gets the sku_id '<retailer>:<native id>'; a GTIN that fails its check digit is a
    CatalogError. `retailer_id` defaults to the folder above reference/.
    """
    file = Path(path)
    frame = _read_reference(file, _CATALOG_COLUMNS)
    _refuse_repeated(file, frame, "native_id")
    coded = frame.join(
        gtin_table(frame["gtin"]), left_on="gtin", right_on="code", how="left", maintain_order="left"
    )
    bad = coded.filter(pl.col("problem").is_not_null())
    if not bad.is_empty():
        row = bad.row(0, named=True)
        raise CatalogError(f"{file}: row {row['source_row']}: gtin '{row['gtin']}': {row['reason']}")
    own_id = pl.format("{}:{}", pl.lit(_retailer_of(file, retailer_id)), pl.col("native_id"))
    return coded.with_columns(pl.col("gtin14").alias("gtin"), sku_id=pl.coalesce("gtin14", own_id)).select(
        *SKUS_SCHEMA, "native_id"
    )


def load_audiences(path: Path | str, retailer_id: str | None = None) -> pl.DataFrame:
    """The rows of `rmis_audiences`, from an audiences.csv; `retailer_id` as in `load_catalog`."""
    file = Path(path)
    frame = _read_reference(file, ("audience_id", "name"))
    _refuse_repeated(file, frame, "audience_id")
    return frame.with_columns(pl.lit(_retailer_of(file, retailer_id)).alias("retailer_id")).select(
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
