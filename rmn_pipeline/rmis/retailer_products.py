"""All that is known about one retailer's product ids: catalog, crosswalk tables and accepted title matches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from rmn_pipeline.rmis.crosswalk import fill_catalog, load_catalog, load_crosswalk, merge_crosswalks
from rmn_pipeline.rmis.sku_review import accepted_matches

CATALOG_FILE = "catalog.csv"
CROSSWALK_FILES = "crosswalk*.csv"


@dataclass(frozen=True)
class RetailerProducts:
    """A retailer's products.

    Args:
        catalog: the columns of `rmis_skus` and native_id, with the GTINs that crosswalk tables know.
        crosswalk: native_id and sku_id, as harmonization wants them.
        accepted: how many title matches a person has accepted are part of the crosswalk.
    """

    catalog: pl.DataFrame
    crosswalk: pl.DataFrame
    accepted: int


def _renamed(accepted: pl.DataFrame, before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Accepted matches under today's product ids: a product may have got its GTIN since it was accepted."""
    names = before.select("native_id", pl.col("sku_id").alias("was")).join(
        after.select("native_id", pl.col("sku_id").alias("is")), on="native_id"
    )
    today = names.select("was", "is").unique("was", keep="first", maintain_order=True)
    return (
        accepted.join(today, left_on="sku_id", right_on="was", how="left", maintain_order="left")
        .with_columns(pl.coalesce("is", "sku_id").alias("sku_id"))
        .drop("is")
    )


def load_retailer_products(
    reference: Path | str, retailer_id: str, *, review: Path | str | None = None, on: date | None = None
) -> RetailerProducts:
    """Reads <reference>/catalog.csv and <reference>/crosswalk*.csv, and the accepted rows of a review.

    Args:
        reference: the retailer's folder of reference files.
        retailer_id: whose they are.
        review: the file of `review_file`; left out where nobody reviews titles.
        on: the day for which crosswalk rows with a period must be valid.

    Raises:
        CatalogError: a file is wrong, or two of its rows contradict each other; they are named.
    """
    folder = Path(reference)
    catalog = load_catalog(folder / CATALOG_FILE, retailer_id)
    tables = {CATALOG_FILE: catalog}
    tables |= {path.name: load_crosswalk(path, retailer_id) for path in sorted(folder.glob(CROSSWALK_FILES))}
    filled = fill_catalog(catalog, merge_crosswalks(tables, on))
    matches = pl.DataFrame(schema={"native_id": pl.String, "sku_id": pl.String})
    if review is not None:
        named = pl.concat([catalog.select("sku_id"), filled.select("sku_id")])
        matches = _renamed(accepted_matches(review, named), catalog, filled)
        tables[str(review)] = matches
    return RetailerProducts(filled, merge_crosswalks(tables, on), matches.height)
