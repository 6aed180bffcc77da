import numpy as np
import pytest
from scipy import optimize, stats

from rmn_pipeline.measurement import MeasurementError, fieller
from rmn_pipeline.measurement.did import did_ar1, unit_variance
from rmn_pipeline.measurement.synthetic_control import simplex_weights, synthetic_control
from rmn_pipeline.measurement.tbr import tbr
from rmn_pipeline.measurement.trimmed_match import trimmed_match


def test_tbr_is_scipys_regression():
    generator = np.random.default_rng(0)
    control = 100 + generator.normal(0, 5, 60)
    treated = 7 + 0.5 * control + generator.normal(0, 1, 60)
    fit = tbr(treated, control, 45)
    line = stats.linregress(control[:45], treated[:45])
    assert fit.slope == pytest.approx(line.slope, abs=1e-8)
    assert fit.intercept == pytest.approx(line.intercept, abs=1e-8)
    expected = (treated[45:] - line.intercept - line.slope * control[45:]).sum()
    assert fit.test.estimate == pytest.approx(expected, abs=1e-8)
    # One period after: the textbook prediction interval.
    one = tbr(treated[:46], control[:46], 45)
    residual = treated[:45] - line.intercept - line.slope * control[:45]
    sigma = np.sqrt((residual**2).sum() / 43)
    moved = (control[45] - control[:45].mean()) ** 2 / ((control[:45] - control[:45].mean()) ** 2).sum()
    assert one.test.standard_error == pytest.approx(sigma * np.sqrt(1 + 1 / 45 + moved), abs=1e-8)


def test_synthetic_weights_are_the_constrained_least_squares():
    generator = np.random.default_rng(1)
    donors = generator.normal(0, 1, (80, 12))
    target = donors @ np.array([0.5, 0.3, 0.2] + [0.0] * 9) + generator.normal(0, 0.3, 80)
    weight = simplex_weights(donors, target)
    assert weight.min() >= 0
    assert weight.sum() == pytest.approx(1.0, abs=1e-12)
    # Optimality to 1e-8: the gradient is the same on the support and no smaller off it.
    gradient = donors.T @ (donors @ weight - target)
    level = gradient[weight > 1e-12]
    assert np.ptp(level) < 1e-8
    assert gradient.min() >= level.min() - 1e-8
    solved = optimize.minimize(
        lambda w: ((donors @ w - target) ** 2).sum(),
        np.full(12, 1 / 12),
        jac=lambda w: 2 * donors.T @ (donors @ w - target),
        bounds=[(0, 1)] * 12,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 500},
    )
    np.testing.assert_allclose(weight, solved.x, atol=1e-6)


def test_synthetic_control_finds_the_effect_that_was_added():
    generator = np.random.default_rng(2)
    donors = 50 + generator.normal(0, 5, (15, 120)).cumsum(axis=1)
    target = 10 + donors[:3].mean(axis=0) + generator.normal(0, 1, 120)
    target[90:] += 8
    fit = synthetic_control(target, donors, 90)
    low, high = fit.test.interval(0.05)
    assert low < 8 < high
    assert fit.gap[90:].mean() == pytest.approx(8, abs=1.5)


def test_did_with_white_noise_has_the_two_sample_error():
    generator = np.random.default_rng(3)
    gap = generator.normal(0, 1, 600)
    fit = did_ar1(gap, 500)
    assert fit.test.estimate == pytest.approx(gap[500:].mean() - gap[:500].mean(), abs=1e-12)
    assert fit.test.standard_error == pytest.approx(np.sqrt(1 / 500 + 1 / 100), rel=0.15)


def test_did_variance_is_the_quadratic_form():
    generator = np.random.default_rng(4)
    noise = generator.normal(0, 1, 60)
    for at in range(1, 60):
        noise[at] += 0.6 * noise[at - 1]
    fit = did_ar1(noise, 45)
    weight = np.r_[np.full(45, -1 / 45), np.full(15, 1 / 15)]
    lags = np.abs(np.subtract.outer(np.arange(60), np.arange(60)))

    def variance(phi):
        return weight @ phi**lags @ weight * 45 / max(45 - (1 + phi) / (1 - phi), 3) * 44 / 45

    assert unit_variance(fit.phi, 45, 15) == pytest.approx(variance(fit.phi), rel=1e-10)
    spread = (noise[:45] - noise[:45].mean()).var(ddof=1)
    # Over φ's own error: more than at φ itself, and close to a fine average over the same normal.
    nodes, shares = np.polynomial.hermite_e.hermegauss(21)
    fine = [variance(min(max(fit.phi + z * np.sqrt((1 - fit.phi**2) / 45), -0.9), 0.95)) for z in nodes]
    expected = np.sqrt(spread * (shares @ fine) / shares.sum())
    assert fit.test.standard_error == pytest.approx(expected, rel=0.02)
    assert fit.test.standard_error > np.sqrt(spread * variance(fit.phi))


def test_trimmed_match_without_trimming_is_the_ratio_of_sums():
    generator = np.random.default_rng(5)
    cost = generator.uniform(1, 3, 20)
    response = 2.5 * cost + generator.normal(0, 1, 20)
    fit = trimmed_match(response, cost, trim_share=0.0)
    assert fit.ratio == pytest.approx(response.sum() / cost.sum(), abs=1e-8)
    assert fit.low < fit.ratio < fit.high
    assert (fit.p <= 0.05) == (not fit.low <= 0 <= fit.high)


def test_trimming_survives_one_mad_pair():
    generator = np.random.default_rng(6)
    cost = generator.uniform(1, 3, 20)
    response = 2.5 * cost + generator.normal(0, 0.5, 20)
    response[0] += 500
    assert trimmed_match(response, cost).ratio == pytest.approx(2.5, abs=0.4)
    with pytest.raises(MeasurementError, match="4 pairs"):
        trimmed_match(response[:3], cost[:3])


def test_fieller_covers_and_says_when_it_is_unbounded():
    generator = np.random.default_rng(7)
    covered = 0
    for _ in range(2000):
        n, d = generator.normal(3, 1), generator.normal(6, 1)
        found = fieller(n, d, 1.0, 1.0, 0.0, 1.96)
        covered += found.low <= 0.5 <= found.high
    assert abs(covered / 2000 - 0.95) < 0.015
    assert not fieller(3.0, 0.5, 1.0, 1.0, 0.0, 1.96).is_bounded
