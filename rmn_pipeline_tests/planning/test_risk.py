import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmn_pipeline.planning import PlanError, Scenario, SkuChoice, SpendLimit, optimize
from rmn_pipeline.planning.exploration import explore
from rmn_pipeline.planning.problem import problem_of
from rmn_pipeline.planning.risk import DrawnCurves, cvar, drawn_curves, optimize_at_risk, solve_at_risk
from rmn_pipeline_tests.planning.optimizer_cases import random_arms

FEW = settings(max_examples=12, deadline=None)


def draws_of(scenario: Scenario, count: int, seed: int, spread: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    arms = len(scenario.table)
    # Half of the arms are uncertain, the other half nearly known.
    sd = np.where(np.arange(arms) % 2 == 0, spread, 0.05)
    initial = scenario.table.numbers("initial_iroas") * np.exp(sd * generator.standard_normal((count, arms)))
    half = np.tile(scenario.table.numbers("half_saturation_usd_per_week"), (count, 1))
    return initial, half


def test_cvar_is_the_mean_of_the_worst() -> None:
    values = np.arange(1.0, 11.0)
    assert cvar(values, 0.0) == pytest.approx(5.5)
    assert cvar(values, 0.8) == pytest.approx(1.5)
    assert cvar(values, 0.95) == pytest.approx(1.0)
    assert cvar(values, 0.75) == pytest.approx((1 + 2 + 1.5) / 2.5)


@FEW
@given(seed=st.integers(0, 10_000), budget=st.floats(2_000, 20_000))
def test_cvar_falls_with_the_level_and_each_level_is_best_at_itself(seed: int, budget: float) -> None:
    scenario = Scenario(
        random_arms(12, seed),
        budget,
        objective="incremental_margin",
        spend_limits=[SpendLimit("r0", maximum_usd=0.5 * budget, retailer_id="r0")],
        min_roas=1.0,
    )
    drawn = drawn_curves(scenario, *draws_of(scenario, 40, seed))
    margin = scenario.table.numbers("margin_rate")
    levels = (0.0, 0.5, 0.9)
    plans = [solve_at_risk(scenario, drawn, level) for level in levels]
    values = [(margin * drawn.values(plan.spend)).sum(axis=1) for plan in plans]
    reached = [cvar(value, level) for value, level in zip(values, levels, strict=True)]
    assert reached == sorted(reached, reverse=True)
    for plan, level, own in zip(plans, levels, reached, strict=True):
        assert plan.certified_gap is not None and plan.certified_gap < 0.003
        assert own >= max(cvar(value, level) for value in values) * (1 - 0.003)


def test_caution_moves_money_to_what_is_known() -> None:
    scenario = Scenario(random_arms(20, 3), 12_000.0)
    initial, half = draws_of(scenario, 80, 3, spread=0.9)
    uncertain = np.arange(20) % 2 == 0
    bold, careful = (
        solve_at_risk(scenario, drawn_curves(scenario, initial, half), level).spend for level in (0.0, 0.9)
    )
    assert careful[uncertain].sum() < bold[uncertain].sum()


def test_without_uncertainty_it_is_the_plan_on_the_curves() -> None:
    scenario = Scenario(random_arms(20, 4), 12_000.0, weeks=2)
    initial, half = draws_of(scenario, 3, 4, spread=0.0)
    initial[:] = scenario.table.numbers("initial_iroas")
    plain = optimize(scenario)
    for level in (0.0, 0.8):
        plan = optimize_at_risk(scenario, initial, half, level)
        assert plan.predicted.incremental_revenue_usd == pytest.approx(
            plain.predicted.incremental_revenue_usd, rel=1e-3
        )
        assert plan.duals["budget"] == pytest.approx(plain.duals["budget"], rel=0.05)


def test_the_best_spend_of_a_sum_of_curves_is_where_its_margin_ends() -> None:
    generator = np.random.default_rng(1)
    curves = DrawnCurves.mean_of(generator.uniform(1, 5, (7, 3)), generator.uniform(100, 900, (7, 3)))
    best = curves.best_spend(np.array([1.0, 0.5, 1.0]), np.array([0.4, 0.3, 9.0]))
    assert np.array([1.0, 0.5]) * curves.marginal(best)[:2] == pytest.approx([0.4, 0.3]) and best[2] == 0
    assert np.isinf(curves.best_spend(np.ones(3), np.zeros(3))).all()


def test_contradicting_limits_and_unfit_draws_are_refused() -> None:
    arms = random_arms(12, 1)
    floors = [SpendLimit("a", 900.0, retailer_id="r0"), SpendLimit("b", 900.0, retailer_id="r1")]
    scenario = Scenario(arms, 1_000.0, spend_limits=floors)
    initial, half = draws_of(scenario, 10, 1)
    plan = optimize_at_risk(scenario, initial, half, 0.5)
    assert plan.status == "infeasible" and set(plan.infeasible_because) == {"budget", "floor:a", "floor:b"}
    with pytest.raises(PlanError, match="draws × 12 arms"):
        optimize_at_risk(scenario, initial[:, :5], half[:, :5])
    with pytest.raises(PlanError, match="level"):
        optimize_at_risk(scenario, initial, half, 1.0)
    with pytest.raises(PlanError, match="SKU choices"):
        optimize_at_risk(Scenario(arms, 1_000.0, sku_choices=[SkuChoice("x", 1)]), initial, half)


def test_open_choices_are_not_explored() -> None:
    arms = random_arms(12, 1)
    problem = problem_of(Scenario(arms, 1_000.0, sku_choices=[SkuChoice("x", 1)]))
    initial, half = draws_of(Scenario(arms, 1_000.0), 4, 1)
    with pytest.raises(PlanError, match="fix the SKUs"):
        explore(problem, np.zeros(12), initial, half, 0.1, 10)
