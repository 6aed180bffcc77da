"""What an arm's sales take away from the brand's other shelves: sister SKUs of the line, the same SKU elsewhere.

Each taken dollar comes from the other shelves in proportion to their lasting organic revenue, as far as they are in
stock: an empty shelf has nothing to lose. What cannot be taken there is a true gain.
"""

from __future__ import annotations

import numpy as np

from rmn_pipeline.world.config import WorldConfig
from rmn_pipeline.world.market import Market
from rmn_pipeline.world.numbers import Array, IntArray


def diverts(config: WorldConfig) -> bool:
    """Whether ads take anything from other shelves at all."""
    return config.line_cannibalisation > 0 or config.retailer_substitution > 0


def lost_per_dollar(market: Market, per_dollar: Array) -> Array:
    """What one dollar of sales on each shelf takes from the brand's other shelves, [..., retailer, sku, week].

    `per_dollar` says what one dollar lost on a shelf means there, times the share of the week that it was in stock:
    1 for revenue, the margin rate for margin, conversions per dollar for conversions.
    """
    config = market.config
    lost = np.zeros(per_dollar.shape)
    if config.line_cannibalisation > 0:
        lost += config.line_cannibalisation * _mean_of_sisters(market, per_dollar)
    if config.retailer_substitution > 0:
        lost += config.retailer_substitution * _mean_elsewhere(market, per_dollar)
    return lost


def lost_on_shelves(market: Market, sales_usd: Array, in_stock: Array) -> Array:
    """Where the taken dollars were lost: revenue per shelf, [..., retailer, sku, week], of ad-driven sales there."""
    config = market.config
    lost = np.zeros(sales_usd.shape)
    weight = _organic_revenue(market)
    if config.line_cannibalisation > 0:
        taken = sales_usd * _inverse(_line_sum(market, weight) - weight)
        lost += config.line_cannibalisation * weight * (_line_sum(market, taken) - taken)
    if config.retailer_substitution > 0:
        taken = sales_usd * _inverse(_retailer_sum(weight) - weight)
        lost += config.retailer_substitution * weight * (_retailer_sum(taken) - taken)
    return lost * in_stock


def _mean_of_sisters(market: Market, values: Array) -> Array:
    weight = _organic_revenue(market)
    weighted = weight * values
    return (_line_sum(market, weighted) - weighted) * _inverse(_line_sum(market, weight) - weight)


def _mean_elsewhere(market: Market, values: Array) -> Array:
    weight = _organic_revenue(market)
    weighted = weight * values
    return (_retailer_sum(weighted) - weighted) * _inverse(_retailer_sum(weight) - weight)


def _organic_revenue(market: Market) -> Array:
    return (market.organic_units_per_day * market.base_price_usd)[:, :, None]


def _line_sum(market: Market, values: Array) -> Array:
    """Sum over the SKUs of each SKU's line, at the same retailer."""
    line = market.line_of_sku
    order, start = _runs(line)
    sums = np.add.reduceat(values[..., order, :], start, axis=-2)
    return np.asarray(sums[..., line, :])


def _runs(line: IntArray) -> tuple[IntArray, IntArray]:
    order = np.argsort(line, kind="stable")
    return order, np.flatnonzero(np.diff(line[order], prepend=-1))


def _retailer_sum(values: Array) -> Array:
    return values.sum(axis=-3, keepdims=True)


def _inverse(others: Array) -> Array:
    """1 over the others' weight; 0 where there is no other shelf (up to rounding in the subtraction)."""
    usable = others > 1e-9 * others.max(initial=1.0)
    return np.divide(1.0, others, out=np.zeros_like(others), where=usable)
