import numpy as np
import pytest

from rmn_pipeline.planning import Arm, Scenario, ScenarioError, optimize
from rmn_pipeline.planning.curves import Curves, TabulatedCurves, concave_envelope, segment_slopes

INITIAL, HALF = np.array([3.0, 8.0, 5.0]), np.array([100.0, 2000.0, 700.0])
FAMILIES = {
    "hill": Curves(INITIAL, HALF),
    "log": Curves(INITIAL, HALF, np.array([True, True, True])),
    "mixed": Curves(INITIAL, HALF, np.array([False, True, False])),
}
GRID = np.linspace(0.0, 5000.0, 400)


@pytest.mark.parametrize("curves", FAMILIES.values(), ids=FAMILIES)
def test_the_marginal_is_the_derivative_and_the_best_spend_is_the_best(curves: Curves) -> None:
    spend = np.array([40.0, 900.0, 300.0])
    slope = (curves.response(spend + 1e-4) - curves.response(spend - 1e-4)) / 2e-4
    assert curves.marginal(spend) == pytest.approx(slope, rel=1e-6)
    weight, price = np.array([0.5, 1.0, 2.0]), np.array([0.4, 0.7, 12.0])
    best = curves.best_spend(weight, price)
    grid = np.tile(GRID, (3, 1))
    worth = weight[:, None] * curves.response(grid) - price[:, None] * grid
    assert (weight * curves.response(best) - price * best >= worth.max(axis=1) - 1e-9).all()


@pytest.mark.parametrize("curves", FAMILIES.values(), ids=FAMILIES)
def test_breakpoints_run_between_the_bounds_and_beat_equal_widths(curves: Curves) -> None:
    lower, upper = np.array([0.0, 10.0, 50.0]), np.array([2000.0, 50_000.0, 50.0])
    points = curves.breakpoints(lower, upper, 10)
    assert (points[:, 0] == lower).all() and (points[:, -1] == upper).all()
    assert (np.diff(points, axis=1) >= 0).all()
    slopes = segment_slopes(curves, points)
    assert (np.diff(slopes[:2], axis=1) < 0).all()

    def worst(at: np.ndarray, arm: int) -> float:
        inside = np.linspace(lower[arm], upper[arm], 5000)
        values = curves.response(np.tile(inside, (3, 1)))[arm]
        return float((values - np.interp(inside, at, curves.response(np.tile(at, (3, 1)))[arm])).max())

    for arm in (0, 1):
        assert worst(points[arm], arm) < worst(np.linspace(lower[arm], upper[arm], 11), arm) / 2


def test_an_envelope_is_concave_touches_the_points_and_prices_like_them() -> None:
    spend = np.tile(np.array([0.0, 100.0, 200.0, 400.0, 800.0]), (2, 1))
    value = np.array([[0.0, 5.0, 60.0, 90.0, 100.0], [0.0, 50.0, 80.0, 100.0, 100.0]])
    curves = concave_envelope(spend, value)
    assert (curves.value >= value).all() and curves.value[0, 1] == 30.0
    assert (np.diff(segment_slopes(curves, spend), axis=1) <= 1e-12).all()
    assert curves.best_spend(np.ones(2), np.array([0.2, 0.25])).tolist() == [200.0, 200.0]
    assert curves.response(np.array([300.0, 5000.0])) == pytest.approx([75.0, 100.0])
    assert curves.marginal(np.array([300.0, 5000.0])) == pytest.approx([0.15, 0.0])


def test_a_dense_table_of_a_curve_behaves_like_the_curve() -> None:
    grid = np.tile(np.linspace(0.0, 5000.0, 5001), (3, 1))
    exact = FAMILIES["mixed"]
    table = TabulatedCurves(grid, exact.response(grid))
    weight, price = np.ones(3), np.array([0.3, 4.0, 1.5])
    assert table.best_spend(weight, price) == pytest.approx(exact.best_spend(weight, price), abs=1.0)
    spend = np.array([31.4, 1000.5, 77.7])
    assert table.response(spend) == pytest.approx(exact.response(spend), rel=1e-3)


def test_log_arms_are_planned_to_equal_marginal_returns() -> None:
    arms = [Arm("r", "search", f"s{i}", 2.0 + i, 300.0, curve_family="log") for i in range(5)]
    plan = optimize(Scenario(arms, 4000.0))
    assert plan.status == "optimal" and plan.certified_gap is not None and plan.certified_gap < 0.0015
    price = (2.0 + 3.0 + 4.0 + 5.0 + 6.0) * 300.0 / (4000.0 + 5 * 300.0)
    expected = sum((2.0 + i) * 300.0 * np.log((2.0 + i) / price) for i in range(5))
    assert plan.predicted.incremental_revenue_usd == pytest.approx(expected, rel=0.0015)


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(ScenarioError, match="curve_family"):
        Scenario([Arm("r", "search", "s", 2.0, 300.0, curve_family="cubic")], 10.0)  # type: ignore[arg-type]
