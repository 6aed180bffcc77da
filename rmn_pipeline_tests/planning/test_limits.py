from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from rmn_pipeline.planning import (
    Arm,
    ChangeLimit,
    Plan,
    ReturnLimit,
    Scenario,
    ScenarioError,
    SkuChoice,
    SpendLimit,
    optimize,
)
from rmn_pipeline.planning.cover import spare_units
from rmn_pipeline.planning.integer import piecewise_error, solve_choices
from rmn_pipeline.planning.optimizer import solve_scenario
from rmn_pipeline.planning.problem import problem_of
from rmn_pipeline_tests.planning.optimizer_cases import random_arms

# Shrinking a failing plan takes minutes and explains little: the example found is small already.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
FEW = settings(max_examples=15, deadline=None, phases=PHASES)
seeds = st.integers(0, 10_000)


def spent(plan: Plan, **node: str) -> float:
    frame = plan.allocation_frame()
    for name, value in node.items():
        frame = frame.filter(pl.col(name) == value)
    return float(frame["spend_usd"].sum())


def test_a_roas_limit_on_a_node_holds_there_and_its_price_is_what_loosening_earns() -> None:
    arms = random_arms(60, 1)
    free = optimize(Scenario(arms, 40_000.0))

    def reached(plan: Plan) -> float:
        inside = plan.allocation_frame().filter(retailer_id="r1")
        return inside["predicted_incremental_revenue_usd"].sum() / inside["spend_usd"].sum()

    asked = reached(free) * 1.3
    plan = optimize(Scenario(arms, 40_000.0, return_limits=[ReturnLimit("r1", asked, retailer_id="r1")]))
    assert reached(plan) >= asked * (1 - 1e-5) and reached(plan) < asked * 1.01
    assert spent(plan, retailer_id="r0") >= spent(free, retailer_id="r0")
    looser = optimize(
        Scenario(arms, 40_000.0, return_limits=[ReturnLimit("r1", asked - 0.02, retailer_id="r1")])
    )
    gained = looser.predicted.incremental_revenue_usd - plan.predicted.incremental_revenue_usd
    assert plan.duals["min_roas:r1"] * 0.02 == pytest.approx(gained, rel=0.1)
    assert any("minimum ROAS of 'r1'" in sentence for sentence in plan.explain_duals())


def test_a_cost_limit_on_a_placement_holds_and_is_priced_per_dollar() -> None:
    arms = random_arms(60, 2)

    def solved(limit: float) -> Plan:
        return optimize(
            Scenario(arms, 30_000.0, return_limits=[ReturnLimit("p0", max_cpa=limit, placement_type="p0")])
        )

    plan = solved(3.0)
    inside = plan.allocation_frame().filter(placement_type="p0")
    assert inside["spend_usd"].sum() / inside["predicted_conversions"].sum() <= 3.0 * (1 + 1e-5)
    gained = solved(3.05).predicted.incremental_revenue_usd - plan.predicted.incremental_revenue_usd
    assert plan.duals["max_cpa:p0"] * 0.05 == pytest.approx(gained, rel=0.1)


def test_spend_moves_no_further_from_last_period_than_allowed() -> None:
    last = np.linspace(50.0, 400.0, 24).tolist()
    arms = random_arms(24, 3, last_period_spend_usd=last)
    each = ChangeLimit("each", 0.2, 0.5, each_arm=True, retailer_id="r0")
    node = ChangeLimit("p1", 0.1, 0.1, placement_type="p1")
    scenario = Scenario(arms, 6_000.0, change_limits=[each, node])
    optimum = solve_scenario(scenario, problem_of(scenario))
    before, after = np.array(last), optimum.spend
    r0, p1 = each.mask(arms), node.mask(arms)
    assert (after[r0] >= before[r0] * 0.8 - 1e-6).all()
    assert (after[r0] <= before[r0] * 1.5 + 1e-6).all()
    assert 0.9 * before[p1].sum() - 1e-6 <= after[p1].sum() <= 1.1 * before[p1].sum() + 1e-6
    assert {"change_cap:p1", "change_floor:p1"} & set(optimum.binding)


def test_floors_of_single_arms_have_prices_and_names_in_a_conflict() -> None:
    arms = [Arm("r", "search", f"s{index}", 1.0 + index, 100.0) for index in range(4)]
    floored = [replace(arms[0], min_spend_usd=300.0), *arms[1:]]
    plan, more = (
        optimize(Scenario([replace(arms[0], min_spend_usd=low), *arms[1:]], 1_000.0)) for low in (300, 310)
    )
    lost = plan.predicted.incremental_revenue_usd - more.predicted.incremental_revenue_usd
    assert plan.duals["arm_floor:r/search/s0"] == pytest.approx(lost / 10, rel=0.03)
    refused = optimize(Scenario(floored, 200.0))
    assert set(refused.infeasible_because) == {"budget", "arm_floor:r/search/s0"}
    assert refused.relaxations[0].needed == pytest.approx(300.0)


def test_excluded_lines_get_nothing_and_unknown_lines_are_refused() -> None:
    lines = ["a" if index % 2 else "b" for index in range(24)]
    arms = random_arms(24, 4, line_id=lines)
    without = solve_scenario(s := Scenario(arms, 9_000.0, exclude_lines=["a"]), problem_of(s)).spend
    only = solve_scenario(s := Scenario(arms, 9_000.0, include_lines=["b"]), problem_of(s)).spend
    assert without[np.array(lines) == "a"].sum() == 0 and without == pytest.approx(only)
    with pytest.raises(ScenarioError, match="nowhere"):
        Scenario(arms, 9_000.0, exclude_lines=["nowhere"])


@FEW
@given(seed=seeds, stock=st.floats(0, 400), cover=st.floats(0, 30))
def test_expected_units_never_exceed_the_stock_beyond_the_cover(
    seed: int, stock: float, cover: float
) -> None:
    arms = random_arms(
        24,
        seed,
        stock_units=[stock] * 24,
        baseline_units_per_day=[2.0] * 24,
        revenue_per_unit_usd=[12.0] * 24,
    )
    scenario = Scenario(arms, 20_000.0, weeks=2, days_of_cover=cover)
    problem = problem_of(scenario)
    optimum = solve_scenario(scenario, problem)
    units = problem.curves.response(optimum.spend) / 12.0
    frame = arms.frame.select("retailer_id", "sku_id").with_columns(units=units)
    sold = frame.group_by("retailer_id", "sku_id").agg(pl.col("units").sum())["units"]
    assert sold.max() <= spare_units(stock, 2.0, 2, cover) + 1e-6 * (1 + stock)


def test_where_stock_alone_binds_all_of_it_is_sold_at_the_least_cost() -> None:
    arms = [
        Arm("r", f"p{index}", "s", 2.0 + index, 500.0, stock_units=30.0, revenue_per_unit_usd=10.0)
        for index in range(3)
    ]
    scenario = Scenario(arms, 10_000.0, days_of_cover=0.0)
    problem = problem_of(scenario)
    optimum = solve_scenario(scenario, problem)
    assert problem.curves.response(optimum.spend).sum() == pytest.approx(300.0, rel=1e-3)
    inside = optimum.spend > 1
    marginal = problem.curves.marginal(optimum.spend)[inside]
    assert marginal == pytest.approx(marginal.mean(), rel=0.02)
    assert optimum.duals["days_of_cover:r/s"] > 0 and "days of cover" in optimum.notes[0]


@FEW
@given(seed=seeds, most=st.integers(1, 3), minimum=st.floats(50, 900))
def test_choices_respect_counts_and_minimums_and_prove_their_gap(
    seed: int, most: int, minimum: float
) -> None:
    arms = random_arms(30, seed)
    choice = SkuChoice("few", most, minimum, per=("retailer_id", "placement_type"))
    scenario = Scenario(arms, 9_000.0, objective="incremental_margin", sku_choices=[choice])
    problem = problem_of(scenario)
    chosen = solve_choices(problem)
    assert chosen.solution.feasible and chosen.certified_gap is not None and chosen.certified_gap < 0.01
    frame = arms.frame.select("retailer_id", "placement_type", "sku_id").with_columns(
        usd=chosen.solution.spend
    )
    groups = frame.group_by("retailer_id", "placement_type", "sku_id").agg(pl.col("usd").sum())
    funded = groups.filter(pl.col("usd") > 1e-4)
    assert funded["usd"].min() >= minimum * (1 - 1e-6)
    counts = funded.group_by("retailer_id", "placement_type").len()["len"]
    assert counts.max() <= most
    free = solve_scenario(s := replace(scenario, sku_choices=()), problem_of(s))
    assert problem.value(chosen.solution.spend) <= problem.value(free.spend) * (1 + 1e-6)


def test_a_choice_is_the_best_of_all_subsets_within_its_gap() -> None:
    arms = random_arms(5, 11, retailers=1, placements=1)
    scenario = Scenario(arms, 2_000.0, sku_choices=[SkuChoice("two", 2, 300.0)], min_roas=1.5)
    plan = optimize(scenario)
    best = 0.0
    for first in range(5):
        for second in range(first + 1, 5):
            pair = [arms[first], arms[second]]
            floors = [SpendLimit(arm.sku_id, 300.0, sku_id=arm.sku_id) for arm in pair]
            tried = optimize(Scenario(pair, 2_000.0, spend_limits=floors, min_roas=1.5))
            if tried.status == "optimal":
                best = max(best, tried.predicted.incremental_revenue_usd)
    reached = plan.predicted.incremental_revenue_usd
    assert plan.certified_gap is not None
    assert best * (1 - plan.certified_gap) - 0.1 <= reached <= best * (1 + 1e-5) + 0.1
    assert "prices of constraints hold for these SKUs" in plan.notes[0]


def test_too_few_skus_for_the_floors_is_a_conflict_with_the_count_that_would_do() -> None:
    arms = [Arm("r", "search", f"s{index}", 2.0, 100.0) for index in range(4)]
    floors = [SpendLimit(f"s{index}", 50.0, sku_id=f"s{index}") for index in range(3)]
    plan = optimize(Scenario(arms, 1_000.0, spend_limits=floors, sku_choices=[SkuChoice("two", 2)]))
    assert set(plan.infeasible_because) == {"floor:s0", "floor:s1", "floor:s2", "sku_choice:two"}
    needed = {way.constraint: way.needed for way in plan.relaxations}
    assert needed["sku_choice:two"] == 3 and needed["floor:s0"] == pytest.approx(0.0, abs=1e-6)


def test_the_error_of_the_pieces_is_measured_not_guessed() -> None:
    problem = problem_of(Scenario(random_arms(6, 1), 5_000.0))
    points = problem.curves.breakpoints(problem.lower, problem.upper, 7)
    dense = problem.upper[:, None] * np.linspace(0, 1, 3000)[None, :]
    straight = np.array(
        [np.interp(x, p, y) for x, p, y in zip(dense, points, problem.curves.response(points), strict=True)]
    )
    worst = (problem.curves.response(dense) - straight).max(axis=1)
    assert piecewise_error(problem.curves, points) == pytest.approx(worst, rel=1e-3)


@FEW
@given(seed=seeds, budget=st.floats(500, 5_000), roas=st.floats(1.0, 6.0))
def test_relaxations_make_the_scenario_feasible_each_alone_or_all_together(
    seed: int, budget: float, roas: float
) -> None:
    arms = random_arms(18, seed)
    floors = [
        SpendLimit("r0", 0.5 * budget, retailer_id="r0"),
        SpendLimit("p1", 0.7 * budget, placement_type="p1"),
    ]
    caps = [
        SpendLimit("r1", 0.0, 0.2 * budget, retailer_id="r1"),
        SpendLimit("r2", 0.0, 0.1 * budget, retailer_id="r2"),
    ]
    scenario = Scenario(
        arms,
        budget,
        spend_limits=[*floors, *caps],
        return_limits=[ReturnLimit("r0", min_roas=roas, retailer_id="r0"), ReturnLimit("all", max_cpa=4.0)],
    )
    plan = optimize(scenario)
    if plan.status != "infeasible":
        return
    assert plan.infeasible_because
    if any("together with" in way.text for way in plan.relaxations):
        eased = scenario
        for way in plan.relaxations:
            eased = relaxed(eased, way.constraint, way.needed)
        assert solve_scenario(eased, problem_of(eased)).status == "optimal"
        return
    changes = [abs(way.needed - way.asked) / way.asked for way in plan.relaxations]
    assert changes == sorted(changes)
    for way in plan.relaxations:
        eased = relaxed(scenario, way.constraint, way.needed)
        assert solve_scenario(eased, problem_of(eased)).status == "optimal", way


def test_two_contradictions_at_once_are_mended_by_the_cheapest_joint_change() -> None:
    arms = random_arms(30, 5)
    limits = [
        SpendLimit(f"{kind}{retailer}", minimum, maximum, retailer_id=retailer)
        for retailer in ("r0", "r1")
        for kind, minimum, maximum in (("floor", 1_000.0, None), ("cap", 0.0, 900.0))
    ]
    scenario = Scenario(
        arms, 20_000.0, spend_limits=limits, return_limits=[ReturnLimit("r2", 50.0, retailer_id="r2")]
    )
    floored = replace(scenario, spend_limits=[*limits, SpendLimit("must", 500.0, retailer_id="r2")])
    plan = optimize(floored)
    assert plan.status == "infeasible" and len(plan.relaxations) >= 3
    assert all("together with" in way.text for way in plan.relaxations)
    assert sum(abs(way.needed - way.asked) / way.asked for way in plan.relaxations[:2]) < 0.25
    eased = floored
    for way in plan.relaxations:
        eased = relaxed(eased, way.constraint, way.needed)
    assert optimize(eased).status == "optimal"


def relaxed(scenario: Scenario, constraint: str, needed: float) -> Scenario:
    kind, _, name = constraint.partition(":")
    hair = 1e-6 * (1 + abs(needed))
    if kind == "budget":
        return replace(scenario, budget_usd=needed + hair)
    if kind in ("min_roas", "max_cpa"):
        eased = {"min_roas": needed - hair} if kind == "min_roas" else {"max_cpa": needed + hair}
        limits = [
            replace(limit, **eased) if limit.name == name else limit for limit in scenario.return_limits
        ]
        return replace(scenario, return_limits=limits)
    field = {"floor": "minimum_usd", "cap": "maximum_usd"}[kind]
    value = max(needed - hair, 0.0) if kind == "floor" else needed + hair
    return replace(
        scenario,
        spend_limits=[
            replace(limit, **{field: value}) if limit.name == name else limit
            for limit in scenario.spend_limits
        ],
    )


@pytest.mark.parametrize(
    ("limits", "culprit"),
    [
        ({"return_limits": [ReturnLimit("x")]}, "min_roas or max_cpa"),
        ({"return_limits": [ReturnLimit("x", -1.0)]}, "min_roas or max_cpa"),
        ({"return_limits": [ReturnLimit("x", 1.0, retailer_id="nowhere")]}, "covers no arm"),
        ({"change_limits": [ChangeLimit("x", 1.5)]}, "max_decrease"),
        ({"change_limits": [ChangeLimit("x", 0.5)]}, "last_period_spend_usd"),
        ({"sku_choices": [SkuChoice("x", -1)]}, "max_skus"),
        ({"sku_choices": [SkuChoice("x", 1, per=("colour",))]}, "colour"),
        ({"sku_choices": [SkuChoice("x", 1), SkuChoice("x", 2)]}, "names of their own"),
        ({"days_of_cover": 3.0}, "stock_units"),
    ],
)
def test_impossible_limits_are_refused_by_name(limits: dict[str, object], culprit: str) -> None:
    with pytest.raises(ScenarioError, match=culprit):
        Scenario(random_arms(6, 1), 100.0, **limits)  # type: ignore[arg-type]
