"""The judge: what a plan brings in fresh weeks, drawn again and again with the same luck for every plan."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from rmn_pipeline.world.config import WorldError
from rmn_pipeline.world.demand import demand_index, mean_one, price_ratio, value_index
from rmn_pipeline.world.diversion import diverts, lost_per_dollar
from rmn_pipeline.world.market import Market, weeks_from
from rmn_pipeline.world.numbers import Array, stream
from rmn_pipeline.world.plans import PlanLike, PlannedSpend, arm_names, read_plan
from rmn_pipeline.world.response import Response, attributed_revenue, curves_of
from rmn_pipeline.world.saturation import ArmIndex, auction_price, base_sales

_SUMMED = (
    "spend_usd",
    "incremental_revenue_usd",
    "incremental_margin_usd",
    "attributed_revenue_usd",
    "conversions",
    "out_of_stock_spend_usd",
)


# About 20 MB per array of shelf weeks.
_SHELF_WEEKS_AT_ONCE = 2_500_000


@dataclass(frozen=True)
class Realized:
    """What a plan brought, per replicate and arm (lines of one arm are summed first) and per replicate.

    Revenue, margin and conversions are the brand's net gain: what an arm's sales took from the brand's other
    shelves is charged to that arm. `conversions` counts them in the retailer's own unit (orders, or units at
    Instacart); `incremental_margin_usd` is gross margin on incremental revenue before ad spend.
    """

    arms: pl.DataFrame
    totals: pl.DataFrame


@dataclass(frozen=True)
class _FreshShelves:
    """What the fresh weeks bring to all shelves of the market, [replicate, retailer, sku, week]."""

    demand_index: Array
    value_index: Array
    price_usd: Array
    in_stock_share: Array


def realize(
    market: Market, response: Response, plan: PlanLike, *, replicates: int = 50, seed: int | None = None
) -> Realized:
    """Play a plan in fresh weeks.

    Common random numbers: replicate r of a seed has the same promotions, prices, demand, stock and noise for every
    arm of the market whatever the plan, so two plans' results can be compared in pairs.

    Raises:
        WorldError: the plan does not fit the market, or there is no week or replicate to judge it on.
    """
    if replicates < 1:
        raise WorldError(f"a plan is judged on at least 1 replicate, not {replicates}")
    spend = read_plan(market, plan)
    luck = market.config.seed if seed is None else seed
    arms = spend.arms
    parts = []
    for batch in _batches(market, plan.weeks, replicates):
        shelves = _draw_shelves(market, plan.start_date, plan.weeks, batch, luck)
        noise = _draw_noise(market, arms, plan.weeks, batch, luck)
        parts.append(_outcomes(market, response, spend, shelves, noise))
    results = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    frame = pl.DataFrame(
        {
            "replicate": np.repeat(np.arange(replicates), len(arms)),
            **{name: np.tile(np.array(ids), replicates) for name, ids in arm_names(market, arms).items()},
            **{name: values.reshape(-1) for name, values in results.items()},
        }
    )
    totals = frame.group_by("replicate").agg(pl.col(_SUMMED).sum()).sort("replicate")
    if len(arms) == 0:
        totals = pl.DataFrame({"replicate": np.arange(replicates)}).with_columns(
            pl.lit(0.0).alias(name) for name in _SUMMED
        )
    return Realized(arms=frame, totals=totals)


def _batches(market: Market, weeks: int, replicates: int) -> list[range]:
    """Replicates in groups small enough for memory; each draws its own numbers, so groups change nothing."""
    size = max(_SHELF_WEEKS_AT_ONCE // (market.base_price_usd.size * weeks), 1)
    return [range(first, min(first + size, replicates)) for first in range(0, replicates, size)]


def _outcomes(
    market: Market, response: Response, spend: PlannedSpend, shelves: _FreshShelves, noise: Array
) -> dict[str, Array]:
    """Every outcome over the plan's weeks, [replicate, arm]."""
    config, arms, weekly = market.config, spend.arms, spend.weekly_usd
    in_stock = _at(shelves.in_stock_share, arms)
    base = base_sales(config, curves_of(market, response, arms), arms, weekly, weekly)
    sales = base[None] * _at(shelves.value_index, arms) * in_stock * noise
    margin_rate = 1.0 - market.unit_cost_usd[None, None, :, None] / shelves.price_usd
    per_conversion = shelves.price_usd * market.units_per_conversion[None, :, None, None]
    cells = (arms.retailer, arms.placement)
    attributed = attributed_revenue(
        sales,
        (weekly / (response.cost_per_click_usd[cells][:, None] * auction_price(config, weekly)))[None],
        response.organic_credit[cells][None, :, None],
        response.capture_share[cells][None, :, None],
        _at(shelves.price_usd, arms),
        _at(shelves.demand_index, arms) * market.sales_index[arms.sku][None, :, None] * in_stock,
    )
    kept = {
        "incremental_revenue_usd": np.ones_like(shelves.price_usd),
        "incremental_margin_usd": margin_rate,
        "conversions": 1.0 / per_conversion,
    }
    net = {name: _net(market, values, shelves, arms, sales) for name, values in kept.items()}
    return {
        "spend_usd": np.broadcast_to(spend.total_usd, sales.shape[:2]),
        "incremental_revenue_usd": net["incremental_revenue_usd"],
        "incremental_margin_usd": net["incremental_margin_usd"],
        "attributed_revenue_usd": attributed.sum(axis=2),
        "conversions": net["conversions"],
        "out_of_stock_spend_usd": (weekly[None] * (1.0 - in_stock)).sum(axis=2),
    }


def _net(market: Market, values: Array, shelves: _FreshShelves, arms: ArmIndex, sales: Array) -> Array:
    """Sales times their value per dollar, less the value of what they took from other shelves, [replicate, arm]."""
    per_dollar = values
    if diverts(market.config):
        per_dollar = values - lost_per_dollar(market, values * shelves.in_stock_share)
    return np.asarray((sales * _at(per_dollar, arms)).sum(axis=2))


def _at(shelves: Array, arms: ArmIndex) -> Array:
    """Values of each arm's shelf, [replicate, arm, week]."""
    return shelves[:, arms.retailer, arms.sku]


def _draw_shelves(market: Market, start: date, weeks: int, batch: range, seed: int) -> _FreshShelves:
    """Draw what happens on all shelves in each replicate of a batch.

    Weeks come first in every draw, so a longer plan sees the same first weeks as a shorter one.
    """
    config = market.config
    shape, replicates = market.base_price_usd.shape, len(batch)
    stock_draws = np.empty((weeks * 7, replicates, *shape), dtype=np.float32)
    promo = np.empty((weeks, replicates, *shape), dtype=bool)
    variation = np.ones((weeks, replicates, *shape))
    shock = np.ones((weeks, replicates, *shape))
    for place, replicate in enumerate(batch):
        rng = stream(config.seed, "fresh stock", seed, replicate)
        stock_draws[:, place] = rng.random((weeks * 7, *shape), dtype=np.float32)
        rng = stream(config.seed, "fresh promo", seed, replicate)
        promo[:, place] = rng.random((weeks, *shape)) < config.promo_rate
        where = ((weeks, *shape), config.seed)
        variation[:, place] = mean_one(config.price_variation, *where, "fresh price", seed, replicate)
        shock[:, place] = mean_one(config.demand_noise, *where, "fresh demand", seed, replicate)
    in_stock = market.in_stock_days(stock_draws).reshape(weeks, 7, replicates, *shape).mean(axis=1)
    season = market.season(weeks_from(start, weeks)).T[:, None, None, :]
    ratio = price_ratio(config, promo, variation)
    demand = demand_index(config, season * shock, promo, ratio)
    return _FreshShelves(
        demand_index=_weeks_last(demand),
        value_index=_weeks_last(value_index(config, demand, ratio)),
        price_usd=_weeks_last(market.base_price_usd * ratio),
        in_stock_share=_weeks_last(in_stock),
    )


def _weeks_last(values: Array) -> Array:
    """[week, replicate, …] as [replicate, …, week], laid out so that sums do not depend on the batch's size."""
    return np.ascontiguousarray(np.moveaxis(values, 0, -1))


def _draw_noise(market: Market, arms: ArmIndex, weeks: int, batch: range, seed: int) -> Array:
    """Draw each replicate's response noise for all arms of the market and keep those of the plan's arms."""
    config = market.config
    everything = (len(config.retailers), len(config.placements), len(config.audiences), len(market.skus))
    flat = np.ravel_multi_index(arms.four, everything)
    sd = config.response_noise
    noise = np.empty((len(batch), len(arms), weeks))
    for place, replicate in enumerate(batch):
        rng = stream(config.seed, "fresh noise", seed, replicate)
        normal = rng.standard_normal((weeks, int(np.prod(everything))), dtype=np.float32)
        noise[place] = np.exp(sd * normal[:, flat].T - 0.5 * sd * sd)
    return noise
