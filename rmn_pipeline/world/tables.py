"""What a brand would hold after perfect harmonization, straight from the market's history: no files, no mapping.

Studies over many markets read these tables; the landing files of the same market harmonize to the same values.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from rmn_pipeline.world.config import RetailerSpec, WorldConfig, WorldError
from rmn_pipeline.world.history import History
from rmn_pipeline.world.landing import retailer_log
from rmn_pipeline.world.market import Market, Shelf
from rmn_pipeline.world.private import experiments, private_daily

_CAMPAIGN_KEYS = ("retailer_id", "placement_type", "audience_id", "sku_id")


@dataclass(frozen=True)
class AdvertiserTables:
    """One brand's data, as `planning.full_data_view` takes it.

    - `events`: retailer_id, placement_type, audience_id, sku_id, date, impressions, clicks, conversions (orders, or
      units where the network counts units), revenue and cost in USD: final values, after all restatements.
    - `skus`: sku_id, brand_id, category, line_id, title; one row per product of the brand.
    - `private_daily` and `incrementality`: the brand's private feed and its past read-outs.
    - `campaigns`: the arms that were ever advertised, keys only.
    """

    events: pl.DataFrame
    skus: pl.DataFrame
    private_daily: pl.DataFrame
    incrementality: pl.DataFrame
    campaigns: pl.DataFrame
    assumed_margin_rate: float


def advertiser_tables(market: Market, shelf: Shelf, history: History, brand_id: str) -> AdvertiserTables:
    """The tables of one brand.

    Raises:
        WorldError: the market has no such brand.
    """
    brand = next((spec for spec in market.config.brands if spec.brand_id == brand_id), None)
    if brand is None:
        known = ", ".join(spec.brand_id for spec in market.config.brands)
        raise WorldError(f"tables of unknown brand {brand_id!r}; this market has {known}")
    events = _events(history.cells.filter(pl.col("brand_id") == brand_id), market.config)
    products = [sku for sku in market.skus if sku.brand_id == brand_id]
    return AdvertiserTables(
        events=events,
        skus=pl.DataFrame(
            {
                name: [getattr(sku, name) for sku in products]
                for name in ("sku_id", "brand_id", "category", "line_id", "title")
            }
        ),
        private_daily=private_daily(market, shelf, history, brand_id),
        incrementality=experiments(market, history, brand_id),
        campaigns=events.select(_CAMPAIGN_KEYS).unique().sort(_CAMPAIGN_KEYS),
        assumed_margin_rate=brand.assumed_margin_rate,
    )


def _events(cells: pl.DataFrame, config: WorldConfig) -> pl.DataFrame:
    in_units = [spec.retailer_id for spec in config.retailers if spec.network == "instacart_ads"]
    conversions = pl.when(pl.col("retailer_id").is_in(in_units)).then(pl.col("units_milli") / 1000)
    return cells.select(
        *_CAMPAIGN_KEYS,
        "date",
        "impressions",
        "clicks",
        conversions=conversions.otherwise(pl.col("orders").cast(pl.Float64)),
        revenue=pl.col("revenue_cents") / 100,
        cost=pl.col("cost_cents") / 100,
    )


def log_table(history: History, config: WorldConfig, retailer_id: str) -> pl.DataFrame:
    """A retailer's customer-level log over all months, as the clean room reads it from the landing folder.

    Raises:
        WorldError: the market has no such retailer.
    """
    retailer = _retailer(config, retailer_id)
    cells = history.cells.filter(pl.col("retailer_id") == retailer_id)
    return pl.concat([log for _, log in retailer_log(cells, config, retailer)])


def _retailer(config: WorldConfig, retailer_id: str) -> RetailerSpec:
    for spec in config.retailers:
        if spec.retailer_id == retailer_id:
            return spec
    known = ", ".join(spec.retailer_id for spec in config.retailers)
    raise WorldError(f"log of unknown retailer {retailer_id!r}; this market has {known}")
