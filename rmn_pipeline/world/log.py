"""The retailers' customer-level logs: every cell of the campaign history spread over the customers behind it.

The log's sums over customers are the cells exactly, so network reports and log never disagree.
"""

from __future__ import annotations

import zlib

import numpy as np
import polars as pl

from rmn_pipeline.world.config import WorldConfig
from rmn_pipeline.world.numbers import Array, IntArray, stream

LOG_COLUMNS = (
    "customer_id",
    "date",
    "sku_id",
    "placement_type",
    "audience_id",
    "brand_id",
    "impressions",
    "clicks",
    "conversions",
    "revenue_cents",
    "cost_cents",
)


def explode_log(cells: pl.DataFrame, config: WorldConfig, retailer_id: str, period: str) -> pl.DataFrame:
    """One row per customer, day and arm for the cells of one retailer and month (`period` as YYYY-MM)."""
    rng = stream(config.seed, "log", zlib.crc32(retailer_id.encode()), int(period.replace("-", "")))
    impressions = cells["impressions"].to_numpy()
    rows_of_cell = np.maximum(rng.poisson(impressions / config.impressions_per_customer_day), 1)
    rows_of_cell = np.minimum(rows_of_cell, impressions)
    cell = np.repeat(np.arange(len(cells)), rows_of_cell)
    # One impression each, the rest by a skewed share: some customers are shown the ad far more often.
    seen = 1 + split_exactly(impressions - rows_of_cell, cell, rng.exponential(1.0, len(cell)))
    clicks, click_row, click_cell = _place_clicks(cells["clicks"].to_numpy(), impressions, seen, rng)
    cost = np.bincount(
        click_row,
        weights=split_exactly(cells["cost_cents"].to_numpy(), click_cell, np.ones(len(click_cell))),
        minlength=len(cell),
    )
    orders, revenue, units_milli = _place_orders(cells, click_row, len(cell), rng)
    in_units = _counts_units(config, retailer_id)
    audience = cells["audience_id"].replace_strict(
        list(config.audiences), list(range(len(config.audiences))), return_dtype=pl.Int64
    )
    texts = cells.select("date", "sku_id", "placement_type", "audience_id", "brand_id")[cell]
    return texts.with_columns(
        customer_id=pl.Series(_draw_customers(audience.to_numpy()[cell], config, rng)),
        impressions=pl.Series(seen),
        clicks=pl.Series(clicks),
        conversions=pl.Series(units_milli / 1000.0 if in_units else orders.astype(float)),
        revenue_cents=pl.Series(revenue.astype(np.int64)),
        cost_cents=pl.Series(cost.astype(np.int64)),
    ).select(LOG_COLUMNS)


def _counts_units(config: WorldConfig, retailer_id: str) -> bool:
    return any(r.retailer_id == retailer_id and r.network == "instacart_ads" for r in config.retailers)


def _draw_customers(audience: IntArray, config: WorldConfig, rng: np.random.Generator) -> IntArray:
    """Customers with skewed activity; each belongs to one audience segment of the retailer's pool."""
    segments = len(config.audiences)
    pool = config.customers_per_retailer // segments
    activity_rank = np.floor(pool * rng.random(len(audience)) ** 1.6).astype(np.int64)
    return activity_rank * segments + audience


def split_exactly(totals: IntArray, group: IntArray, weights: Array) -> IntArray:
    """Split integer totals over the members of each group in proportion to weights, losing nothing to rounding.

    `group` is sorted; every group with a positive total must have a member.
    """
    if len(group) == 0:
        return np.zeros(0, dtype=np.int64)
    size = np.bincount(group, minlength=len(totals))
    first = np.concatenate([[0], np.cumsum(size)[:-1]])
    running = np.cumsum(weights)
    before = running[first[group]] - weights[first[group]]
    share = running - before
    whole = np.repeat(share[np.maximum(first + size - 1, 0)], size)
    upper = np.floor(totals[group] * np.minimum(share / whole, 1.0) + 1e-9).astype(np.int64)
    last = first + size - 1
    upper[last[size > 0]] = totals[size > 0]
    lower = np.concatenate([[0], upper[:-1]])
    lower[first[size > 0]] = 0
    return upper - lower


def _place_clicks(
    clicks: IntArray, impressions: IntArray, seen: IntArray, rng: np.random.Generator
) -> tuple[IntArray, IntArray, IntArray]:
    """Give every click its own impression; returns clicks per row, and the row and cell of every click."""
    cell = np.repeat(np.arange(len(clicks)), clicks)
    first = np.concatenate([[0], np.cumsum(clicks)[:-1]])
    order = np.arange(len(cell)) - first[cell]
    # One stratum of impressions per click: two clicks can never meet on the same impression.
    low = order * impressions[cell] // clicks[cell]
    high = (order + 1) * impressions[cell] // clicks[cell]
    offset = np.concatenate([[0], np.cumsum(impressions)[:-1]])[cell]
    position = offset + low + np.floor(rng.random(len(cell)) * (high - low)).astype(np.int64)
    row = np.searchsorted(np.cumsum(seen), position, side="right")
    return np.bincount(row, minlength=len(seen)), row, cell


def _place_orders(
    cells: pl.DataFrame, click_row: IntArray, rows: int, rng: np.random.Generator
) -> tuple[IntArray, Array, Array]:
    """Hang every order on a click of its cell; returns orders, revenue cents and thousandths of units per row."""
    orders, clicks = cells["orders"].to_numpy(), cells["clicks"].to_numpy()
    cell = np.repeat(np.arange(len(orders)), orders)
    first_click = np.concatenate([[0], np.cumsum(clicks)[:-1]])
    pick = first_click[cell] + np.floor(rng.random(len(cell)) * clicks[cell]).astype(np.int64)
    row = click_row[pick]
    weights = rng.gamma(4.0, 0.25, len(cell))
    revenue = split_exactly(cells["revenue_cents"].to_numpy(), cell, weights)
    units = split_exactly(cells["units_milli"].to_numpy(), cell, weights)
    return np.bincount(row, minlength=rows), _add_up(row, revenue, rows), _add_up(row, units, rows)


def _add_up(row: IntArray, amounts: IntArray, rows: int) -> Array:
    """Sum of the amounts on each row."""
    total: Array = np.zeros(rows)
    np.add.at(total, row, amounts)
    return total
