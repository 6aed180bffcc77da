"""A brand's own data: prices, unit costs, stock and sales per SKU and day, and its past holdout read-outs."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from rmn_pipeline.world.history import History
from rmn_pipeline.world.market import DAY_OF_WEEK_PATTERN, Market, Shelf
from rmn_pipeline.world.numbers import Array, BoolArray, stream

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
    # Ads for other shelves of the brand can take no more than what is sold here anyway.
    organic = rng.poisson(np.maximum(expected - history.lost_sales_usd[:, own, :days] / price, 0.0))
    units = organic + rng.poisson(history.ad_sales_usd[:, own, :days] / price)
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
    """Read-outs of the brand's past holdout tests: true incremental over attributed revenue, measured with error.

    The brand reads them on its sales everywhere, so they show its net gain.
    """
    config = market.config
    truth = _true_ratios(market, history, brand_id)
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


def _true_ratios(market: Market, history: History, brand_id: str) -> pl.DataFrame:
    """Net incremental revenue, attributed revenue and cost per retailer and placement with any attributed revenue."""
    config, arms = market.config, history.arms
    keys = ("retailer_id", "placement_type")
    own = np.array([market.skus[sku].brand_id == brand_id for sku in arms.sku])
    net = pl.DataFrame(
        {
            "retailer_id": [config.retailers[place].retailer_id for place in arms.retailer[own]],
            "placement_type": [config.placements[place].placement_type for place in arms.placement[own]],
            "incremental": history.net_revenue_usd[own, : config.days].sum(axis=1),
        }
    )
    return (
        history.cells.filter(pl.col("brand_id") == brand_id)
        .group_by(keys)
        .agg(attributed=pl.col("revenue_cents").sum() / 100, cost=pl.col("cost_cents").sum() / 100)
        .join(net.group_by(keys).agg(pl.col("incremental").sum()), on=keys)
        .filter(pl.col("attributed") > 0)
        .sort(keys)
    )
