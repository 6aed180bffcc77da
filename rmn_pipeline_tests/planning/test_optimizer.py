from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from rmn_pipeline.planning import Arm, Scenario, ScenarioError, SpendLimit, optimize
from rmn_pipeline.planning.curves import HillCurves, curve_through, segment_slopes


def arms_of(count: int, seed: int = 1, **changes: object) -> tuple[Arm, ...]:
    generator = np.random.default_rng(seed)
    return tuple(
        replace(
            Arm(
                retailer_id=f"retailer{index % 4}",
                placement_type=f"placement{index % 5}",
                sku_id=f"sku{index}",
                audience_id="loyal",
                initial_iroas=float(np.exp(generator.normal(1.5, 0.5))),
                half_saturation_usd_per_week=float(np.exp(generator.normal(6.5, 0.7))),
                margin_rate=float(generator.uniform(0.1, 0.5)),
                revenue_per_conversion_usd=float(generator.uniform(5, 20)),
                max_spend_usd=float(np.exp(generator.normal(9.0, 0.5))),
            ),
            **changes,
        )
        for index in range(count)
    )


def by_bisection(arms: tuple[Arm, ...], budget: float) -> float:
    """Closed form for one budget and boxes: marginal returns are equal wherever money is inside its box."""
    initial = np.array([arm.initial_iroas * arm.margin_rate for arm in arms])
    half = np.array([arm.half_saturation_usd_per_week for arm in arms])
    upper = np.array([arm.max_spend_usd for arm in arms], dtype=float)
    low, high = 1e-12, float(initial.max())
    for _ in range(200):
        price = (low + high) / 2
        spend = np.clip(half * (np.sqrt(initial / price) - 1), 0, upper)
        low, high = (price, high) if spend.sum() > budget else (low, price)
    return float((initial * spend / (1 + spend / half)).sum())


def by_greedy(arms: tuple[Arm, ...], budget: float, retailer_cap: float, step: float) -> float:
    """Nested caps: taking the best next dollar that still fits is exact."""
    curves = HillCurves(
        np.array([arm.initial_iroas for arm in arms]),
        np.array([arm.half_saturation_usd_per_week for arm in arms]),
    )
    retailers = np.array([arm.retailer_id for arm in arms])
    upper = np.array([arm.max_spend_usd for arm in arms], dtype=float)
    spend = np.zeros(len(arms))
    open_arms = np.ones(len(arms), dtype=bool)
    for _ in range(int(budget / step)):
        gain = np.where(open_arms, curves.response(spend + step) - curves.response(spend), -1)
        best = int(gain.argmax())
        if gain[best] <= 0:
            break
        spend[best] += step
        if spend[best] + step > upper[best]:
            open_arms[best] = False
        if spend[retailers == retailers[best]].sum() + step > retailer_cap:
            open_arms[retailers == retailers[best]] = False
    return float(curves.response(spend).sum())


@pytest.mark.parametrize("budget", [5_000.0, 60_000.0, 300_000.0])
def test_one_budget_with_boxes_is_within_0_15_percent_of_the_closed_form(budget: float) -> None:
    arms = arms_of(80)
    plan = optimize(Scenario(arms, budget, objective="incremental_margin"))
    best = by_bisection(arms, budget)
    assert plan.status == "optimal"
    assert plan.predicted.incremental_margin_usd >= best * (1 - 0.0015)
    assert plan.predicted.incremental_margin_usd <= best * (1 + 1e-6)
    assert plan.certified_gap is not None and plan.certified_gap <= 0.0015
    assert plan.predicted.spend_usd <= budget


def test_nested_caps_match_greedy() -> None:
    arms, budget = arms_of(24), 40_000.0
    plan = optimize(Scenario(arms, budget, max_retailer_share=0.28))
    greedy = by_greedy(arms, budget, 0.28 * budget, step=20.0)
    assert plan.predicted.incremental_revenue_usd == pytest.approx(greedy, rel=0.002)
    spend = plan.allocation_frame().group_by("retailer_id").agg(pl.col("spend_usd").sum())["spend_usd"]
    assert spend.max() <= 0.28 * budget + 0.01
    assert any(name.startswith("max_retailer_share:") for name in plan.binding)


@pytest.mark.parametrize(("limit", "value"), [("min_roas", 4.0), ("max_cpa", 2.5)])
def test_ratio_limits_hold_and_the_gap_is_certified(limit: str, value: float) -> None:
    plan = optimize(
        Scenario(arms_of(60), 500_000.0, weeks=4, objective="incremental_margin", **{limit: value})
    )
    assert plan.binding == (limit,)
    assert plan.unspent_usd > 0 and "unspent" in plan.notes[0]
    assert plan.certified_gap is not None and plan.certified_gap < 0.002
    assert plan.duals[limit] > 0
    assert plan.predicted.iroas is not None
    if limit == "min_roas":
        assert value <= plan.predicted.iroas < value * 1.01
    else:
        assert value * 0.99 < plan.predicted.spend_usd / plan.predicted.conversions <= value


def test_budget_dual_is_what_one_more_dollar_earns() -> None:
    arms = arms_of(40)
    plan = optimize(Scenario(arms, 20_000.0))
    more = optimize(Scenario(arms, 20_400.0))
    gained = more.predicted.incremental_revenue_usd - plan.predicted.incremental_revenue_usd
    assert plan.duals["budget"] == pytest.approx(gained / 400, rel=0.03)


def test_roas_dual_is_what_a_lower_roas_earns() -> None:
    arms = arms_of(40)
    plan = optimize(Scenario(arms, 1e6, min_roas=4.0))
    looser = optimize(Scenario(arms, 1e6, min_roas=3.95))
    gained = looser.predicted.incremental_revenue_usd - plan.predicted.incremental_revenue_usd
    assert plan.duals["min_roas"] * 0.05 == pytest.approx(gained, rel=0.05)


def test_attributed_basis_counts_attributed_revenue() -> None:
    arms = arms_of(40, attributed_per_incremental=2.0)
    plan = optimize(Scenario(arms, 1e6, min_roas=8.0, roas_basis="attributed"))
    same = optimize(Scenario(arms, 1e6, min_roas=4.0))
    assert plan.predicted.spend_usd == pytest.approx(same.predicted.spend_usd, rel=1e-3)
    assert plan.predicted.roas == pytest.approx(2 * plan.predicted.iroas)


def test_floors_beyond_the_budget_are_a_named_conflict_with_its_price() -> None:
    arms = arms_of(20)
    limits = (
        SpendLimit("first", 6_000.0, retailer_id="retailer0"),
        SpendLimit("second", 7_000.0, retailer_id="retailer1"),
    )
    plan = optimize(
        Scenario(arms, 10_000.0, spend_limits=(*limits, SpendLimit("idle", 1.0, retailer_id="retailer2")))
    )
    assert plan.status == "infeasible" and not plan.allocation
    assert set(plan.infeasible_because) == {"budget", "floor:first", "floor:second"}
    needed = {way.constraint: way.needed for way in plan.relaxations}
    assert needed["budget"] == pytest.approx(13_001.0)
    assert needed["floor:first"] == pytest.approx(10_000.0 - 7_000.0 - 1.0)


def test_a_floor_above_its_arms_caps_names_the_caps() -> None:
    arms = arms_of(8, max_spend_usd=100.0)
    plan = optimize(
        Scenario(arms, 10_000.0, spend_limits=(SpendLimit("wish", 500.0, retailer_id="retailer0"),))
    )
    assert set(plan.infeasible_because) == {"floor:wish", "arm_caps"}


def test_a_roas_out_of_reach_is_infeasible_and_says_what_is_reachable() -> None:
    arms = arms_of(30)
    plan = optimize(Scenario(arms, 20_000.0, min_roas=500.0))
    assert plan.status == "infeasible" and plan.infeasible_because == ("min_roas",)
    full = optimize(Scenario(arms, 20_000.0, objective="roas"))
    assert plan.relaxations[0].needed == pytest.approx(full.predicted.iroas, rel=1e-3)
    best = max(arm.initial_iroas for arm in arms)
    assert plan.relaxations[1].needed == pytest.approx(best, rel=1e-6)


def test_a_floor_and_a_roas_can_contradict_each_other() -> None:
    weak = arms_of(4, initial_iroas=1.0)
    plan = optimize(Scenario(weak, 10_000.0, min_roas=3.0, spend_limits=(SpendLimit("must", 400.0),)))
    assert set(plan.infeasible_because) == {"min_roas", "floor:must"}
    reached = next(way for way in plan.relaxations if way.constraint == "min_roas")
    assert 0.5 < reached.needed < 1.0


def test_profit_after_ad_spend_leaves_money_that_earns_nothing_unspent() -> None:
    arms = arms_of(30)
    gross = optimize(Scenario(arms, 1e6, objective="incremental_margin"))
    net = optimize(Scenario(arms, 1e6, objective="incremental_margin", unspent_dollar_value=1.0))
    assert net.predicted.spend_usd < gross.predicted.spend_usd
    profit = [p.predicted.incremental_margin_usd - p.predicted.spend_usd for p in (net, gross)]
    assert profit[0] > max(profit[1], 0)


def test_out_of_stock_arms_earn_in_proportion_to_their_stock() -> None:
    full = optimize(Scenario(arms_of(1, max_spend_usd=100.0), 100.0))
    half = optimize(Scenario(arms_of(1, max_spend_usd=100.0, in_stock_probability=0.5), 100.0))
    assert half.predicted.incremental_revenue_usd == pytest.approx(
        0.5 * full.predicted.incremental_revenue_usd
    )


@pytest.mark.parametrize(
    ("change", "culprit"),
    [
        ({"initial_iroas": float("nan")}, "initial_iroas"),
        ({"half_saturation_usd_per_week": 0.0}, "half_saturation"),
        ({"in_stock_probability": 1.2}, "in_stock_probability"),
        ({"min_spend_usd": 5.0, "max_spend_usd": 4.0}, "below the minimum"),
        ({"margin_rate": 3.0}, "margin_rate"),
    ],
)
def test_impossible_arms_are_refused_by_name(change: dict[str, float], culprit: str) -> None:
    with pytest.raises(ScenarioError, match=culprit):
        Scenario(arms_of(3, **change), 100.0)


def test_impossible_scenarios_are_refused() -> None:
    arms = arms_of(3)
    for bad in (
        {"arms": (), "budget_usd": 1.0},
        {"arms": arms, "budget_usd": 0.0},
        {"arms": (*arms, arms[0]), "budget_usd": 1.0},
        {"arms": arms, "budget_usd": 1.0, "max_retailer_share": 1.5},
        {"arms": arms, "budget_usd": 1.0, "objective": "fame"},
        {"arms": arms, "budget_usd": 1.0, "spend_limits": (SpendLimit("x", 1.0, retailer_id="nowhere"),)},
    ):
        with pytest.raises(ScenarioError):
            Scenario(**bad)


def test_inscribed_segments_never_promise_more_than_the_curve() -> None:
    curves = HillCurves(np.array([3.0, 8.0]), np.array([100.0, 2000.0]))
    points = curves.breakpoints(np.zeros(2), np.array([2000.0, 500.0]), 20)
    slopes = segment_slopes(curves, points)
    assert (np.diff(slopes, axis=1) < 0).all()
    inscribed = (slopes * np.diff(points, axis=1)).sum(axis=1)
    assert inscribed == pytest.approx(curves.response(np.array([2000.0, 500.0])))


def test_a_curve_is_recovered_from_two_of_its_points() -> None:
    curves = HillCurves(np.array([3.0, 8.0]), np.array([100.0, 2000.0]))
    low, high = np.array([50.0, 10.0]), np.array([500.0, 900.0])
    again = curve_through(low, curves.response(low), high, curves.response(high))
    assert again.initial == pytest.approx(curves.initial) and again.half == pytest.approx(curves.half)
