import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from rmn_pipeline.planning import ArmTable, ReturnLimit, Scenario, SpendLimit
from rmn_pipeline.planning.certificate import certified_gap, least_value, upper_bound
from rmn_pipeline.planning.curves import concave_envelope
from rmn_pipeline.planning.optimizer import solve_scenario
from rmn_pipeline.planning.prices import dual_prices
from rmn_pipeline.planning.problem import Problem, problem_of
from rmn_pipeline.planning.program import Effort
from rmn_pipeline.planning.solver import cut, solve
from rmn_pipeline_tests.planning.optimizer_cases import greedy, random_arms

seeds = st.integers(0, 10_000)
FEW = settings(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))


def nested(arms: ArmTable, budget: float, seed: int) -> Scenario:
    generator = np.random.default_rng(seed)
    limits = [
        SpendLimit(f"{retailer}", maximum_usd=budget * generator.uniform(0.1, 0.6), retailer_id=retailer)
        for retailer in ("r0", "r1", "r2")
    ] + [
        SpendLimit(
            f"{retailer}/{placement}",
            maximum_usd=budget * generator.uniform(0.05, 0.4),
            retailer_id=retailer,
            placement_type=placement,
        )
        for retailer in ("r0", "r1", "r2")
        for placement in ("p0", "p1")
    ]
    return Scenario(arms, budget, weeks=2, objective="incremental_margin", spend_limits=limits)


def retailer_roas(problem: Problem, spend: np.ndarray) -> dict[str, float]:
    returns = problem.curves.response(spend)
    rows = [row for row in problem.rows if row.name.startswith("cap:") and "/" not in row.name]
    return {row.name[4:]: returns[row.arms].sum() / spend[row.arms].sum() for row in rows}


def largest_excess(problem: Problem, spend: np.ndarray) -> float:
    return max(problem.excess(row, spend) / max(abs(row.limit), spend.sum(), 1.0) for row in problem.rows)


@FEW
@given(seed=seeds, budget=st.floats(500, 60_000), count=st.integers(6, 40))
def test_nested_caps_match_greedy_on_the_same_pieces(seed: int, budget: float, count: int) -> None:
    problem = problem_of(nested(random_arms(count, seed), budget, seed))
    pieces = cut(problem)
    linear = solve(problem, pieces)
    gain = problem.weight[:, None] * pieces.objective_slope
    by_hand = greedy(pieces, gain, [(row.arms, row.limit) for row in problem.rows])
    start, _ = pieces.base, pieces.width
    filled = np.clip(
        (by_hand - start)[:, None] - np.cumsum(pieces.width, axis=1) + pieces.width, 0, pieces.width
    )
    assert float((gain * filled).sum()) == pytest.approx(linear.value, rel=1e-7, abs=1e-6)


@FEW
@given(seed=seeds, budget=st.floats(500, 60_000))
def test_bisection_is_the_linear_program_without_its_error(seed: int, budget: float) -> None:
    problem = problem_of(Scenario(random_arms(30, seed), budget, weeks=3))
    exact, straight = solve(problem), solve(problem, cut(problem))
    value = problem.value(exact.spend)
    assert problem.value(straight.spend) <= value * (1 + 1e-9)
    assert problem.value(straight.spend) >= value * (1 - 0.0015)
    assert certified_gap(problem, exact.spend, exact.duals) == pytest.approx(0.0, abs=1e-9)
    assert exact.spend.sum() <= budget * (1 + 1e-9)


@FEW
@given(
    seed=seeds,
    budget=st.floats(500, 60_000),
    roas=st.floats(0.3, 4.0),
    prices=st.lists(st.floats(0, 5), min_size=12, max_size=12),
)
def test_weak_duality_holds_for_any_prices_and_any_way_of_solving(
    seed: int, budget: float, roas: float, prices: list[float]
) -> None:
    scenario = nested(random_arms(24, seed), budget, seed)
    limits = [ReturnLimit("node", min_roas=roas, retailer_id="r1"), ReturnLimit("cost", max_cpa=8.0)]
    problem = problem_of(replace(scenario, return_limits=limits))
    best = max(
        problem.value(found.spend)
        for found in (solve(problem), solve(problem, cut(problem)))
        if found.feasible and largest_excess(problem, found.spend) < 1e-6
    )
    any_prices = {row.name: price for row, price in zip(problem.rows, prices, strict=True)}
    assert upper_bound(problem, any_prices) >= best * (1 - 1e-6)
    assert upper_bound(problem, dual_prices(problem)) >= best * (1 - 1e-6)


@FEW
@given(seed=seeds, budget=st.floats(2_000, 60_000), roas=st.floats(0.5, 3.0))
def test_looking_around_the_prices_is_at_least_as_good_as_the_whole_curves(
    seed: int, budget: float, roas: float
) -> None:
    scenario = nested(random_arms(60, seed), budget, seed)
    problem = problem_of(
        replace(scenario, return_limits=[ReturnLimit("r0", min_roas=roas, retailer_id="r0")])
    )
    near, whole = solve(problem), solve(problem, cut(problem))
    assert near.feasible and whole.feasible
    assert largest_excess(problem, near.spend) < 1e-6
    assert problem.value(near.spend) >= problem.value(whole.spend) * (1 - 1e-4)
    gap = certified_gap(problem, near.spend, near.duals)
    assert gap is not None and gap < 0.0025


def test_both_backends_give_the_same_plan() -> None:
    problem = problem_of(nested(random_arms(600, 3), 60_000.0, 3))
    pieces = cut(problem)
    through, direct = (solve(problem, pieces, Effort(backend=backend)) for backend in ("pulp", "highs"))
    assert direct.value == pytest.approx(through.value, rel=1e-9)
    assert direct.spend == pytest.approx(through.spend, abs=1e-4)
    assert list(direct.duals.values()) == pytest.approx(list(through.duals.values()), abs=1e-7)


def test_a_hundred_thousand_arms_take_less_than_a_second_and_ten_thousand_with_nested_limits_two() -> None:
    wide = random_arms(100_000, 1)
    begun = time.process_time()
    scenario = Scenario(wide, 2e7)
    optimum = solve_scenario(scenario, problem_of(scenario))
    assert time.process_time() - begun < 1.0
    assert optimum.certified_gap is not None and optimum.certified_gap < 1e-9
    free = nested(random_arms(10_000, 2), 4e6, 2)
    reached = retailer_roas(problem_of(free), solve(problem_of(free)).spend)
    begun = time.process_time()
    limits = [ReturnLimit(name, min_roas=1.1 * roas, retailer_id=name) for name, roas in reached.items()]
    scenario = replace(free, return_limits=[*limits, ReturnLimit("all", max_cpa=50.0)])
    optimum = solve_scenario(scenario, problem_of(scenario))
    assert time.process_time() - begun < 2.0
    assert any(name.startswith("min_roas") for name in optimum.binding)
    assert any(name.startswith("cap") for name in optimum.binding)
    assert optimum.certified_gap is not None and optimum.certified_gap < 1e-6


def test_a_contradiction_is_proved_by_prices_alone() -> None:
    arms = random_arms(200, 6)
    floor = SpendLimit("floor", 30_000.0, retailer_id="r0")
    problem = problem_of(
        Scenario(
            arms, 40_000.0, spend_limits=[floor], return_limits=[ReturnLimit("r0", 9.0, retailer_id="r0")]
        )
    )
    assert upper_bound(problem, dual_prices(problem)) < least_value(problem)
    assert not solve(problem).feasible and not solve(problem, cut(problem)).feasible


def test_more_than_fifty_thousand_variables_go_to_highs_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    from rmn_pipeline.planning import program

    monkeypatch.setattr(program, "_through_pulp", None)
    monkeypatch.setattr(program, "DIRECT_ABOVE_VARIABLES", 100)
    problem = problem_of(nested(random_arms(30, 3), 6_000.0, 3))
    assert solve(problem, cut(problem)).feasible


def test_tabulated_curves_are_planned_like_the_curves_they_were_read_from() -> None:
    scenario = nested(random_arms(20, 5), 9_000.0, 5)
    problem = problem_of(scenario)
    grid = problem.upper[:, None] * np.linspace(0, 1, 400)[None, :] ** 2
    table = replace(problem, curves=concave_envelope(grid, problem.curves.response(grid)))
    exact, read = solve_scenario(scenario, problem), solve_scenario(scenario, table)
    assert problem.value(read.spend) >= problem.value(exact.spend) * (1 - 1e-3)
    assert read.certified_gap is not None and read.certified_gap < 1e-3


def test_a_table_of_arms_and_a_list_of_arms_are_the_same_scenario() -> None:
    table = random_arms(12, 4)
    assert len(table) == 12 and list(table)[3] == table[3] and len(table[2:5]) == 3
    listed = problem_of(nested(ArmTable.of(list(table)), 5_000.0, 4))
    columns = problem_of(nested(table, 5_000.0, 4))
    assert solve(listed).spend == pytest.approx(solve(columns).spend)
