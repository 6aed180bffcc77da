"""From spend per arm to a `Plan`: items at full arm grain, what they are expected to bring, and the totals."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from rmn_pipeline.planning.audiences import AudienceShares
from rmn_pipeline.planning.curves import ConcaveCurves, Floats, response_at
from rmn_pipeline.planning.observations import Integers
from rmn_pipeline.planning.plan import (
    AllocationItem,
    Plan,
    PlanMode,
    PlanStatus,
    Predicted,
    Purpose,
    Relaxation,
    plan_digest,
)
from rmn_pipeline.planning.request import PlanRequest
from rmn_pipeline.planning.scenario import Scenario

CENTS = 100


@dataclass(frozen=True)
class Experiment:
    """The experiment reserve's spend per arm and how often posterior draws funded each arm."""

    spend: Floats
    propensity: Floats


@dataclass(frozen=True)
class PlanHeader:
    """Everything of a plan that does not follow from its spend."""

    mode: PlanMode
    status: PlanStatus
    request: PlanRequest | None = None
    duals: dict[str, float] = field(default_factory=dict)
    binding: tuple[str, ...] = ()
    infeasible_because: tuple[str, ...] = ()
    relaxations: tuple[Relaxation, ...] = ()
    certified_gap: float | None = None
    blocked_fields: tuple[str, ...] = ()
    adapters_used: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """How spend becomes items: the smallest booking, audience splits, posterior draws of the plan's iROAS.

    `curves` are of the whole horizon and stand in for the arms' own, where those are only an approximation.
    """

    minimum_booking_usd: float = 0.01
    audience_shares: AudienceShares = field(default_factory=dict)
    initial_draws: Floats | None = None
    half_draws: Floats | None = None
    curves: ConcaveCurves | None = None


def build_plan(
    scenario: Scenario,
    working: Floats,
    header: PlanHeader,
    experiment: Experiment | None = None,
    layout: Layout | None = None,
) -> Plan:
    """Lay spend out into items, rounded down to cents so that no limit is broken by rounding."""
    how = layout or Layout()
    extra = experiment or Experiment(np.zeros_like(working), np.zeros_like(working))
    total = working + extra.spend
    returns = (how.curves or scenario.table.curves(scenario.weeks)).response(total)
    explored = bool(extra.spend.any())
    funded = np.flatnonzero(total > 0)
    allocation: list[AllocationItem] = []
    attributed = 0.0
    for index, arm in zip(funded.tolist(), _funded_arms(scenario, funded), strict=True):
        booked = _items(
            arm,
            {"working": float(working[index]), "experiment": float(extra.spend[index])},
            float(returns[index] / total[index]),
            float(extra.propensity[index]) if explored else None,
            how,
        )
        for item in booked:
            allocation.append(item)
            attributed += item.predicted_incremental_revenue_usd * arm.attributed_per_incremental
    items = tuple(allocation)
    predicted = _predicted(items, attributed, _interval(scenario, total, how))
    request_text = "" if header.request is None else header.request.canonical_json()
    spending = ";".join(f"{item.model_dump_json()}" for item in items)
    return Plan(
        plan_id=plan_digest(
            scenario.brand_id, header.mode, request_text, scenario.start_date.isoformat(), spending
        ),
        brand_id=scenario.brand_id,
        start_date=scenario.start_date,
        weeks=scenario.weeks,
        objective=scenario.objective,
        budget_usd=scenario.budget_usd,
        allocation=items,
        predicted=predicted,
        unspent_usd=round(scenario.budget_usd - predicted.spend_usd, 2),
        **{name: getattr(header, name) for name in header.__dataclass_fields__},
    )


@dataclass(frozen=True, slots=True)
class _FundedArm:
    """What an item needs to know about its arm."""

    retailer_id: str
    placement_type: str
    audience_id: str | None
    sku_id: str
    margin_rate: float
    revenue_per_conversion_usd: float
    attributed_per_incremental: float


def _funded_arms(scenario: Scenario, funded: Integers) -> Iterator[_FundedArm]:
    columns = scenario.table.frame.select(_FundedArm.__slots__)[funded.tolist()]
    return (_FundedArm(*row) for row in columns.rows())


def _items(
    arm: _FundedArm, spends: dict[Purpose, float], per_dollar: float, propensity: float | None, layout: Layout
) -> Iterator[AllocationItem]:
    """An arm's bookings; an arm too small to be booked on a network is left out as a whole."""
    for audience, share in _audiences(arm, layout.audience_shares):
        if sum(spends.values()) * share < layout.minimum_booking_usd:
            continue
        for purpose, spend in spends.items():
            booked = math.floor(spend * share * CENTS + 1e-6) / CENTS
            if booked == 0:
                continue
            revenue = booked * per_dollar
            yield AllocationItem(
                retailer_id=arm.retailer_id,
                placement_type=arm.placement_type,
                audience_id=audience,
                sku_id=arm.sku_id,
                spend_usd=booked,
                purpose=purpose,
                predicted_incremental_revenue_usd=revenue,
                predicted_incremental_margin_usd=revenue * arm.margin_rate,
                predicted_conversions=revenue / arm.revenue_per_conversion_usd,
                exploration_propensity=propensity,
            )


def _audiences(arm: _FundedArm, shares: AudienceShares) -> list[tuple[str | None, float]]:
    if arm.audience_id is not None:
        return [(arm.audience_id, 1.0)]
    known = shares.get((arm.retailer_id, arm.placement_type, arm.sku_id), [])
    return [*known] or [(None, 1.0)]


def _interval(scenario: Scenario, total: Floats, layout: Layout) -> tuple[float, float] | None:
    """90 % posterior interval of the whole plan's iROAS."""
    if layout.initial_draws is None or layout.half_draws is None or total.sum() <= 0:
        return None
    half = layout.half_draws * scenario.weeks
    revenue = response_at(layout.initial_draws, half, scenario.table.is_log, total).sum(axis=1)
    low, high = np.quantile(revenue / total.sum(), [0.05, 0.95])
    return float(low), float(high)


def _predicted(
    items: tuple[AllocationItem, ...], attributed: float, interval: tuple[float, float] | None
) -> Predicted:
    spend = sum(item.spend_usd for item in items)
    revenue = sum(item.predicted_incremental_revenue_usd for item in items)
    return Predicted(
        spend_usd=spend,
        incremental_revenue_usd=revenue,
        incremental_margin_usd=sum(item.predicted_incremental_margin_usd for item in items),
        iroas=revenue / spend if spend > 0 else None,
        conversions=sum(item.predicted_conversions for item in items),
        attributed_revenue_usd=attributed,
        roas=attributed / spend if spend > 0 else None,
        iroas_low=interval[0] if interval else None,
        iroas_high=interval[1] if interval else None,
    )
