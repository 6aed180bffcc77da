"""The judge: what a plan would really bring in fresh weeks, and the expected curves for an oracle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import numpy as np
import polars as pl

from rmn_pipeline.world.config import WorldError
from rmn_pipeline.world.history import ArmIndex, History
from rmn_pipeline.world.market import Array, Market, stream, weeks_from
from rmn_pipeline.world.response import Response, attributed_revenue, incremental_revenue

ARM_KEYS = ("retailer_id", "placement_type", "audience_id", "sku_id")
_SUMMED = (
    "spend_usd",
    "incremental_revenue_usd",
    "incremental_margin_usd",
    "attributed_revenue_usd",
    "conversions",
    "out_of_stock_spend_usd",
)


class PlannedArm(Protocol):
    """One line of a plan: an arm and its total spend over the horizon."""

    @property
    def retailer_id(self) -> str: ...  # noqa: D102

    @property
    def placement_type(self) -> str: ...  # noqa: D102

    @property
    def audience_id(self) -> str: ...  # noqa: D102

    @property
    def sku_id(self) -> str: ...  # noqa: D102

    @property
    def spend_usd(self) -> float: ...  # noqa: D102


class PlanLike(Protocol):
    """What the judge needs to know of a plan."""

    @property
    def brand_id(self) -> str: ...  # noqa: D102

    @property
    def start_date(self) -> date: ...  # noqa: D102

    @property
    def weeks(self) -> int: ...  # noqa: D102

    @property
    def allocation(self) -> Sequence[PlannedArm]: ...  # noqa: D102


@dataclass(frozen=True)
class Realized:
    """What a plan brought, per replicate and arm (lines of one arm are summed first) and per replicate.

    `conversions` counts incremental conversions in the retailer's own unit (orders, or units at Instacart);
    `incremental_margin_usd` is gross margin on incremental revenue before ad spend.
    """

    arms: pl.DataFrame
    totals: pl.DataFrame


@dataclass(frozen=True)
class _Spend:
    arms: ArmIndex
    total_usd: Array


@dataclass(frozen=True)
class _Shocks:
    """What the fresh weeks bring to the plan's arms, [replicate, arm, week]."""

    promo: Array
    in_stock_share: Array
    noise: Array


def realize(
    market: Market, response: Response, plan: PlanLike, *, replicates: int = 50, seed: int | None = None
) -> Realized:
    """Play a plan in fresh weeks.

    Common random numbers: replicate r of a seed has the same promotions, stock and noise for every arm of the
    market whatever the plan, so two plans' results can be compared in pairs.
    """
    if replicates < 1 or plan.weeks < 1:
        raise WorldError(
            f"a plan is judged on at least 1 week and 1 replicate, not {plan.weeks} and {replicates}"
        )
    spend = _read_plan(market, plan)
    arms = spend.arms
    shocks = _draw_shocks(market, arms, plan.weeks, replicates, market.config.seed if seed is None else seed)
    weekly = spend.total_usd / plan.weeks
    season = market.season(weeks_from(plan.start_date, plan.weeks))[arms.sku]
    demand = season[None] * (1.0 + market.config.promo_lift * shocks.promo)
    base = incremental_revenue(
        weekly, response.initial_iroas[arms.four], response.half_saturation_usd[arms.four]
    )
    incremental = base[None, :, None] * demand * shocks.in_stock_share * shocks.noise
    regular = market.margin_rate(promo=False)[arms.retailer, arms.sku][None, :, None]
    promoted = market.margin_rate(promo=True)[arms.retailer, arms.sku][None, :, None]
    price = market.base_price_usd[arms.retailer, arms.sku][None, :, None]
    price = price * (1.0 - market.config.promo_depth * shocks.promo)
    cells = (arms.retailer, arms.placement)
    attributed = attributed_revenue(
        incremental,
        (weekly / response.cost_per_click_usd[cells])[None, :, None],
        response.organic_credit[cells][None, :, None],
        response.capture_share[cells][None, :, None],
        price,
        demand * market.sales_index[arms.sku][None, :, None] * shocks.in_stock_share,
    )
    per_conversion = price * _units_per_conversion(market)[arms.retailer][None, :, None]
    out_of_stock = weekly[None, :, None] * (1.0 - shocks.in_stock_share)
    results = {
        "spend_usd": np.broadcast_to(spend.total_usd, (replicates, len(arms))),
        "incremental_revenue_usd": incremental.sum(axis=2),
        "incremental_margin_usd": (incremental * np.where(shocks.promo > 0, promoted, regular)).sum(axis=2),
        "attributed_revenue_usd": attributed.sum(axis=2),
        "conversions": (incremental / per_conversion).sum(axis=2),
        "out_of_stock_spend_usd": out_of_stock.sum(axis=2),
    }
    frame = pl.DataFrame(
        {
            "replicate": np.repeat(np.arange(replicates), len(arms)),
            **{name: np.tile(np.array(ids), replicates) for name, ids in _names(market, arms).items()},
            **{name: values.reshape(-1) for name, values in results.items()},
        }
    )
    totals = frame.group_by("replicate").agg(pl.col(_SUMMED).sum()).sort("replicate")
    if len(arms) == 0:
        totals = pl.DataFrame({"replicate": np.arange(replicates)}).with_columns(
            pl.lit(0.0).alias(name) for name in _SUMMED
        )
    return Realized(arms=frame, totals=totals)


def _units_per_conversion(market: Market) -> Array:
    """Units behind one reported conversion, per retailer: an order's, or one where the network counts units."""
    units = market.config.units_per_order
    return np.array([1.0 if r.network == "instacart_ads" else units for r in market.config.retailers])


def _names(market: Market, arms: ArmIndex) -> dict[str, list[str]]:
    config = market.config
    return {
        "retailer_id": [config.retailers[i].retailer_id for i in arms.retailer],
        "placement_type": [config.placements[i].placement_type for i in arms.placement],
        "audience_id": [config.audiences[i] for i in arms.audience],
        "sku_id": [market.skus[i].sku_id for i in arms.sku],
    }


def _read_plan(market: Market, plan: PlanLike) -> _Spend:
    """Positions and spend of the plan's arms; several lines of one arm share that arm's saturation."""
    config = market.config
    if plan.brand_id not in {brand.brand_id for brand in config.brands}:
        known = ", ".join(brand.brand_id for brand in config.brands)
        raise WorldError(f"plan for unknown brand {plan.brand_id!r}; this market has {known}")
    places: dict[str, dict[str, int]] = {
        "retailer_id": {spec.retailer_id: i for i, spec in enumerate(config.retailers)},
        "placement_type": {spec.placement_type: i for i, spec in enumerate(config.placements)},
        "audience_id": {name: i for i, name in enumerate(config.audiences)},
        "sku_id": {sku.sku_id: i for i, sku in enumerate(market.skus) if sku.brand_id == plan.brand_id},
    }
    total: dict[tuple[int, ...], float] = {}
    for number, item in enumerate(plan.allocation):
        arm = tuple(_place(places, key, getattr(item, key), number, plan.brand_id) for key in ARM_KEYS)
        spend = float(item.spend_usd)
        if not np.isfinite(spend) or spend < 0:
            raise WorldError(f"allocation[{number}]: spend_usd must be a number of at least 0, not {spend}")
        total[arm] = total.get(arm, 0.0) + spend
    index = np.array(sorted(total), dtype=np.int64).reshape(-1, 4).T
    return _Spend(ArmIndex(*index), np.array([total[arm] for arm in sorted(total)]))


def _place(places: dict[str, dict[str, int]], key: str, value: str, number: int, brand_id: str) -> int:
    place = places[key].get(value)
    if place is None:
        known = list(places[key])
        shown = ", ".join(known[:8]) + (" …" if len(known) > 8 else "")
        raise WorldError(f"allocation[{number}]: unknown {key} {value!r} for {brand_id}; known: {shown}")
    return place


def _draw_shocks(market: Market, arms: ArmIndex, weeks: int, replicates: int, seed: int) -> _Shocks:
    """Draw every replicate's shocks for the whole market and keep those of the plan's arms.

    Weeks come first in every draw, so a longer plan sees the same first weeks as a shorter one.
    """
    config = market.config
    shelves = market.base_price_usd.shape
    everything = (shelves[0], len(config.placements), len(config.audiences), shelves[1])
    flat = np.ravel_multi_index(arms.four, everything)
    sd = config.response_noise
    stock_draws = np.empty((weeks * 7, replicates, *shelves), dtype=np.float32)
    promo = np.empty((replicates, len(arms), weeks))
    noise = np.empty((replicates, len(arms), weeks))
    for replicate in range(replicates):
        rng = stream(config.seed, "fresh stock", seed, replicate)
        stock_draws[:, replicate] = rng.random((weeks * 7, *shelves), dtype=np.float32)
        rng = stream(config.seed, "fresh promo", seed, replicate)
        on = rng.random((weeks, *shelves)) < config.promo_rate
        promo[replicate] = on[:, arms.retailer, arms.sku].T
        rng = stream(config.seed, "fresh noise", seed, replicate)
        normal = rng.standard_normal((weeks, int(np.prod(everything))), dtype=np.float32)
        noise[replicate] = np.exp(sd * normal[:, flat].T - 0.5 * sd * sd)
    in_stock = market.in_stock_days(stock_draws).reshape(weeks, 7, replicates, *shelves).mean(axis=1)
    share = np.moveaxis(in_stock[:, :, arms.retailer, arms.sku], 0, -1)
    return _Shocks(promo=promo, in_stock_share=share, noise=noise)


def true_arms(
    market: Market, response: Response, history: History, brand_id: str, start: date, weeks: int
) -> pl.DataFrame:
    """Expected curves of all arms of a brand that have history in the market (not of never-advertised ones).

    The expectation is over the process that `realize` draws from: season, promotions and stock of the given weeks
    are folded into initial_iroas, and margin and revenue per conversion are weighted by what is sold when.
    `reference_spend_usd_per_week` is the arm's mean past spend in weeks on air.
    """
    config = market.config
    if brand_id not in {brand.brand_id for brand in config.brands}:
        raise WorldError(f"unknown brand {brand_id!r}")
    own = np.array([market.skus[sku].brand_id == brand_id for sku in history.arms.sku])
    arms = ArmIndex(*(place[own] for place in history.arms.four))
    shelf = (arms.retailer, arms.sku)
    season = market.season(weeks_from(start, weeks))[arms.sku].mean(axis=1)
    promo_weight = config.promo_rate * (1.0 + config.promo_lift)
    regular_weight = 1.0 - config.promo_rate
    demand = season * (promo_weight + regular_weight)
    promo_share = promo_weight / (promo_weight + regular_weight)
    margin = (1 - promo_share) * market.margin_rate(promo=False)[shelf]
    margin = margin + promo_share * market.margin_rate(promo=True)[shelf]
    price = market.base_price_usd[shelf]
    # Conversions are revenue over price, so their price is a harmonic mean over what is sold.
    orders_per_dollar = (1 - promo_share) / price + promo_share / (price * (1.0 - config.promo_depth))
    spend = history.weekly_spend_usd[own]
    on_air = np.maximum((spend > 0).sum(axis=1), 1)
    stock = market.in_stock_probability[shelf]
    return pl.DataFrame(
        {
            **_names(market, arms),
            "category": [market.skus[i].category for i in arms.sku],
            "line_id": [market.skus[i].line_id for i in arms.sku],
            "initial_iroas": response.initial_iroas[arms.four] * demand * stock,
            "half_saturation_usd_per_week": response.half_saturation_usd[arms.four],
            "margin_rate": margin,
            "revenue_per_conversion_usd": _units_per_conversion(market)[arms.retailer] / orders_per_dollar,
            "in_stock_probability": stock,
            "reference_spend_usd_per_week": spend.sum(axis=1) / on_air,
        }
    )
