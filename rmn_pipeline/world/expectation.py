"""The same market without luck: exact expectations of what `realize` draws, and the curves an oracle plans on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from rmn_pipeline.world.config import WorldConfig, WorldError
from rmn_pipeline.world.demand import expected_ratio, expected_units, expected_value
from rmn_pipeline.world.diversion import lost_per_dollar
from rmn_pipeline.world.history import History
from rmn_pipeline.world.market import Market, weeks_from
from rmn_pipeline.world.numbers import Array
from rmn_pipeline.world.plans import PlanLike, arm_names, read_plan
from rmn_pipeline.world.response import Response, curves_of
from rmn_pipeline.world.saturation import ArmIndex, auction_price, base_sales, sales_alone


@dataclass(frozen=True)
class _NetValues:
    """What a dollar of an arm's own sales is expected to leave the brand with, one value per arm."""

    revenue: Array
    margin: Array
    conversions: Array


def expected_outcome(market: Market, response: Response, plan: PlanLike) -> pl.DataFrame:
    """The expectation of `realize` per arm of a plan: same columns, no replicates, no luck.

    Raises:
        WorldError: the plan does not fit the market.
    """
    spend = read_plan(market, plan)
    config, arms, weekly = market.config, spend.arms, spend.weekly_usd
    season = market.season(weeks_from(plan.start_date, plan.weeks))[arms.sku]
    base = base_sales(config, curves_of(market, response, arms), arms, weekly, weekly)
    stock = market.in_stock_probability[arms.shelf]
    sales = (base * season).sum(axis=1) * expected_value(config) * stock
    net = _net_values(market, arms)
    cells = (arms.retailer, arms.placement)
    clicks = weekly / (response.cost_per_click_usd[cells][:, None] * auction_price(config, weekly))
    organic = (clicks * season).sum(axis=1) * market.base_price_usd[arms.shelf] * expected_units(config, 1.0)
    claimed_organic = response.organic_credit[cells] * organic * market.sales_index[arms.sku] * stock
    return pl.DataFrame(
        {
            **arm_names(market, arms),
            "spend_usd": spend.total_usd,
            "incremental_revenue_usd": sales * net.revenue,
            "incremental_margin_usd": sales * net.margin,
            "attributed_revenue_usd": response.capture_share[cells] * sales + claimed_organic,
            "conversions": sales * net.conversions,
            "out_of_stock_spend_usd": spend.total_usd * (1.0 - stock),
        }
    )


def _net_values(market: Market, arms: ArmIndex) -> _NetValues:
    """Promotions, prices and stock of different shelves are independent, so means of products are products of means."""
    config, price = market.config, market.base_price_usd
    cost = market.unit_cost_usd[None, :]
    units = market.units_per_conversion[:, None]
    stock = market.in_stock_probability
    # A dollar of ad-driven sales falls on weeks in proportion to what is sold in them.
    own_inverse_price = expected_value(config, -1.0) / expected_value(config) / price
    # A lost dollar is one of ordinary weeks.
    lost_inverse_price = expected_ratio(config, -1.0) / price

    def net(own: Array, lost: Array) -> Array:
        taken = lost_per_dollar(market, (stock * lost)[:, :, None])[:, :, 0]
        return np.asarray((own - taken)[arms.shelf])

    return _NetValues(
        revenue=net(np.ones_like(price), np.ones_like(price)),
        margin=net(1.0 - cost * own_inverse_price, 1.0 - cost * lost_inverse_price),
        conversions=net(own_inverse_price / units, lost_inverse_price / units),
    )


def curve_family(config: WorldConfig) -> str:
    """The family of the expected curves in spend: "hill" (exponent 1), "log", or "tabulated" where neither is exact."""
    bent = config.cost_elasticity > 0 or config.carry_over > 0 or not config.has_plain_exponents
    return "tabulated" if bent else config.response_family


def true_arms(
    market: Market, response: Response, history: History, brand_id: str, start: date, weeks: int
) -> pl.DataFrame:
    """Expected curves of all arms of a brand that have history in the market (not of never-advertised ones).

    The expectation is over the process that `realize` draws from: season, promotions, prices, stock and what is taken
    from other shelves are folded into initial_iroas, and margin and revenue per conversion are weighted by what is
    sold when. Each arm is taken alone: an overlap of audiences is not in it. Where `curve_family` is "tabulated", the
    two curve parameters alone do not describe the curve; take `true_curves`.
    `reference_spend_usd_per_week` is the arm's mean past spend in weeks on air.
    """
    arms, reference = _advertised(market, history, brand_id)
    season = market.season(weeks_from(start, weeks))[arms.sku].mean(axis=1)
    stock = market.in_stock_probability[arms.shelf]
    net = _net_values(market, arms)
    scale = season * expected_value(market.config) * stock * net.revenue
    return pl.DataFrame(
        {
            **arm_names(market, arms),
            "category": [market.skus[i].category for i in arms.sku],
            "line_id": [market.skus[i].line_id for i in arms.sku],
            "initial_iroas": response.initial_iroas[arms.four] * scale,
            "half_saturation_usd_per_week": response.half_saturation_usd[arms.four],
            "margin_rate": net.margin / net.revenue,
            "revenue_per_conversion_usd": net.revenue / net.conversions,
            "in_stock_probability": stock,
            "reference_spend_usd_per_week": reference,
            "curve_family": [curve_family(market.config)] * len(arms),
        }
    )


def true_curves(
    market: Market,
    response: Response,
    history: History,
    brand_id: str,
    start: date,
    weeks: int,
    spend_multiples: Sequence[float],
) -> pl.DataFrame:
    """Expected own-arm revenue of every advertised arm at multiples of its reference spend, a row per arm and spend.

    Revenue per week is the mean over the plan's weeks at the same spend in each of them. An arm without past spend
    takes the market's `weekly_spend_usd` as its reference.

    Raises:
        WorldError: unknown brand, no multiple, or one below 0.
    """
    multiples = np.asarray(spend_multiples, dtype=np.float64)
    if multiples.size == 0 or not np.isfinite(multiples).all() or (multiples < 0).any():
        raise WorldError(f"spend_multiples must be numbers of at least 0, got {list(spend_multiples)}")
    arms, reference = _advertised(market, history, brand_id)
    reference = np.where(reference > 0, reference, market.config.weekly_spend_usd)
    spend = reference[:, None] * multiples[None, :]
    net = _net_values(market, arms).revenue * market.in_stock_probability[arms.shelf]
    net = net * expected_value(market.config)
    season = market.season(weeks_from(start, weeks))[arms.sku]
    curves = curves_of(market, response, arms)
    revenue = np.empty_like(spend)
    for place in range(multiples.size):
        weekly = np.repeat(spend[:, place, None], weeks, axis=1)
        revenue[:, place] = (sales_alone(market.config, curves, weekly, weekly) * season).mean(axis=1) * net
    names = {key: np.repeat(np.array(ids), multiples.size) for key, ids in arm_names(market, arms).items()}
    return pl.DataFrame(
        {
            **names,
            "spend_usd_per_week": spend.reshape(-1),
            "incremental_revenue_usd_per_week": revenue.reshape(-1),
        }
    )


def _advertised(market: Market, history: History, brand_id: str) -> tuple[ArmIndex, Array]:
    """A brand's advertised arms and their mean past spend in weeks on air."""
    if brand_id not in {brand.brand_id for brand in market.config.brands}:
        raise WorldError(f"unknown brand {brand_id!r}")
    own = np.array([market.skus[sku].brand_id == brand_id for sku in history.arms.sku])
    spend = history.weekly_spend_usd[own]
    on_air = np.maximum((spend > 0).sum(axis=1), 1)
    return ArmIndex(*(place[own] for place in history.arms.four)), spend.sum(axis=1) / on_air
