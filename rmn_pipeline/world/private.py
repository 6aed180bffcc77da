"""A brand's own data: prices, unit costs, stock and sales per SKU and day, and its past holdout read-outs."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from rmn_pipeline.world.history import History
from rmn_pipeline.world.market import DAY_OF_WEEK_PATTERN, Array, BoolArray, Market, Shelf, stream

_COVER_DAYS = 21


def private_daily(market: Market, shelf: Shelf, history: History, brand_id: str) -> pl.DataFrame:
    """The brand's private daily table: one row per retailer, SKU and day."""
    config = market.config
    own = [index for index, sku in enumerate(market.skus) if sku.brand_id == brand_id]
    days, retailers = config.days, len(config.retailers)
    week = np.arange(days) // 7
    price = shelf.price_usd[:, own][:, :, week]
    in_stock = shelf.in_stock[:, own, :days]
    demand = shelf.demand_index[:, own][:, :, week] * DAY_OF_WEEK_PATTERN[np.arange(days) % 7]
    expected = market.organic_units_per_day[:, own, None] * demand * in_stock
    rng = stream(config.seed, "private", own[0])
    organic = rng.poisson(expected)
    units = organic + rng.poisson(_incremental_units(market, history, own) / price)
    size = retailers * len(own)
    dates = [config.start_date + timedelta(days=day) for day in range(days)]
    frame = (
        pl.DataFrame({"brand_id": brand_id, "retailer_id": [spec.retailer_id for spec in config.retailers]})
        .join(pl.DataFrame({"sku_id": [market.skus[index].sku_id for index in own]}), how="cross")
        .join(pl.DataFrame({"date": dates}), how="cross")
    )
    return frame.with_columns(
        price_usd=pl.Series(price.reshape(-1)),
        unit_cost_usd=pl.Series(np.tile(np.repeat(market.unit_cost_usd[own], days), retailers)),
        stock_units=pl.Series(_stock_units(market.organic_units_per_day[:, own], in_stock).reshape(-1)),
        in_stock_share=pl.Series(in_stock.reshape(size * days).astype(float)),
        promo_flag=pl.Series(shelf.promo[:, own][:, :, week].reshape(-1)),
        units_sold=pl.Series(units.reshape(-1).astype(np.int64)),
    )


def _incremental_units(market: Market, history: History, own: list[int]) -> Array:
    """True incremental revenue per [retailer, own SKU, day]; the brand sees it only inside its sales."""
    config = market.config
    position = {market.skus[index].sku_id: place for place, index in enumerate(own)}
    retailer_position = {retailer.retailer_id: place for place, retailer in enumerate(config.retailers)}
    cells = history.cells.filter(pl.col("sku_id").is_in(list(position)))
    revenue = np.zeros((len(config.retailers), len(own), config.days))
    index = (
        cells["retailer_id"].replace_strict(retailer_position, return_dtype=pl.Int64).to_numpy(),
        cells["sku_id"].replace_strict(position, return_dtype=pl.Int64).to_numpy(),
        cells["day"].to_numpy(),
    )
    np.add.at(revenue, index, cells["incremental_revenue_usd"].to_numpy())
    return revenue


def _stock_units(units_per_day: Array, in_stock: BoolArray) -> Array:
    """Units on hand: full after a delivery, running down to the next one or to an empty shelf."""
    days = in_stock.shape[-1]
    cover = np.empty(in_stock.shape)
    left = np.full(in_stock.shape[:-1], float(_COVER_DAYS))
    for day in reversed(range(days)):
        left = np.where(in_stock[..., day], np.where(left >= _COVER_DAYS, 7.0, left + 1.0), 0.0)
        cover[..., day] = left
    return np.rint(units_per_day[..., None] * cover).astype(np.int64)


def experiments(market: Market, history: History, brand_id: str) -> pl.DataFrame:
    """Read-outs of the brand's past holdout tests: true incremental over attributed revenue, measured with error."""
    config = market.config
    truth = (
        history.cells.filter(pl.col("brand_id") == brand_id)
        .group_by("retailer_id", "placement_type")
        .agg(
            incremental=pl.col("incremental_revenue_usd").sum(),
            attributed=pl.col("revenue_cents").sum() / 100,
            cost=pl.col("cost_cents").sum() / 100,
        )
        .filter(pl.col("attributed") > 0)
        .sort("retailer_id", "placement_type")
    )
    brand = [spec.brand_id for spec in config.brands].index(brand_id)
    rng = stream(config.seed, "experiments", brand)
    # Where more was spent, the test was larger and its answer is sharper.
    cost = truth["cost"].to_numpy()
    error = config.experiment_standard_error * np.clip(np.sqrt(cost.mean() / cost), 0.6, 2.0)
    measured = (truth["incremental"] / truth["attributed"]).to_numpy() + rng.normal(0.0, error)
    ended = rng.integers(config.days // 3, config.days, len(truth))
    return truth.select("retailer_id", "placement_type").with_columns(
        incrementality_multiplier=pl.Series(np.round(np.maximum(measured, 0.05), 4)),
        standard_error=pl.Series(np.round(error, 4)),
        ended_on=pl.Series([config.start_date + timedelta(days=int(day)) for day in ended], dtype=pl.Date),
    )
