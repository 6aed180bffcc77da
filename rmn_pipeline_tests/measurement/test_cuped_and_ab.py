import numpy as np
import pytest
from scipy import stats

from rmn_pipeline.measurement import (
    MeasurementError,
    ab_test,
    always_valid,
    cuped,
    sample_ratio,
    units_per_arm,
)


def _case(seed=0, units=400, effect=1.0, share=0.5):
    generator = np.random.default_rng(seed)
    before = generator.normal(10, 3, units)
    treated = generator.random(units) < share
    outcome = 2 + 0.8 * before + effect * treated + generator.normal(0, 2, units)
    return outcome, treated, before


def test_unadjusted_is_scipys_welch():
    outcome, treated, before = _case()
    found = cuped(outcome, treated, before).unadjusted.absolute
    welch = stats.ttest_ind(outcome[treated], outcome[~treated], equal_var=False)
    interval = welch.confidence_interval(0.95)
    assert found.p == pytest.approx(welch.pvalue, abs=1e-10)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-8)


def test_pooled_theta_is_the_regression_slope():
    outcome, treated, before = _case(1)
    found = cuped(outcome, treated, before)
    line = stats.linregress(before, outcome)
    assert found.theta[0] == pytest.approx(line.slope, abs=1e-8)
    assert found.variance_ratio == pytest.approx(1 - line.rvalue**2, abs=1e-8)
    adjusted = outcome - line.slope * (before - before.mean())
    expected = adjusted[treated].mean() - adjusted[~treated].mean()
    assert found.pooled.absolute.estimate == pytest.approx(expected, abs=1e-8)


def test_lin_is_two_regressions_read_at_the_mean():
    outcome, treated, before = _case(2, share=0.3)
    found = cuped(outcome, treated, before).lin
    means = []
    for arm in (treated, ~treated):
        line = stats.linregress(before[arm], outcome[arm])
        means.append(line.intercept + line.slope * before.mean())
    assert found.absolute.estimate == pytest.approx(means[0] - means[1], abs=1e-8)
    assert found.relative.estimate == pytest.approx(means[0] / means[1] - 1, abs=1e-8)


def test_lin_without_any_link_has_the_neyman_error():
    generator = np.random.default_rng(3)
    outcome, treated = generator.normal(5, 1, 2000), generator.random(2000) < 0.5
    found = cuped(outcome, treated, generator.normal(0, 1, 2000)).lin.absolute
    neyman = np.sqrt(
        outcome[treated].var(ddof=1) / treated.sum() + outcome[~treated].var(ddof=1) / (~treated).sum()
    )
    assert found.standard_error == pytest.approx(neyman, rel=0.01)


def test_all_three_cover_and_the_adjusted_ones_are_narrower():
    covered, width = np.zeros((3, 2)), np.zeros(3)
    for seed in range(400):
        outcome, treated, before = _case(seed, 120)
        found = cuped(outcome, treated, before)
        truth = 1.0 / (2 + 0.8 * 10)
        for at, one in enumerate((found.unadjusted, found.pooled, found.lin)):
            covered[at] += (
                one.absolute.low <= 1 <= one.absolute.high,
                one.relative.low <= truth <= one.relative.high,
            )
            width[at] += one.absolute.high - one.absolute.low
    assert (np.abs(covered / 400 - 0.95) < 0.03).all()
    assert width[1] < 0.75 * width[0]
    assert width[2] < 0.75 * width[0]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda y, w, x: (y[:-1], w, x), "one entry per unit"),
        (lambda y, w, x: (y, w, x * 0), "the same for every unit"),
        (lambda y, w, x: (y, w & False, x), "each arm needs 3"),
        (lambda y, w, x: (np.where(y > 9, np.nan, y), w, x), "finite"),
    ],
)
def test_impossible_inputs_are_refused(change, match):
    with pytest.raises(MeasurementError, match=match):
        cuped(*change(*_case()))


def test_a_broken_split_refuses_to_be_read():
    generator = np.random.default_rng(4)
    found = ab_test(generator.normal(1, 1, 5000), generator.normal(1, 1, 5600))
    assert found.sample_ratio.is_mismatch
    assert "not the planned split" in found.refused_because
    assert not sample_ratio(5000, 5050).is_mismatch
    assert sample_ratio(100, 120).p == pytest.approx(stats.chisquare([100, 120]).pvalue)


def test_guardrails_tell_harm_from_safety_from_ignorance():
    generator = np.random.default_rng(5)

    def arms(lift, units):
        return generator.normal(10 * (1 + lift), 3, units), generator.normal(10, 3, units)

    found = ab_test(
        *arms(0, 4000),
        guardrails={
            "worse": (*arms(-0.08, 4000), 0.02),
            "same": (*arms(0, 40_000), 0.02),
            "small": (*arms(0, 30), 0.02),
        },
    )
    assert [rail.verdict for rail in found.guardrails] == ["harmed", "safe", "unclear"]


def test_looking_every_day_does_not_inflate_the_always_valid_test():
    generator = np.random.default_rng(6)
    looked = fixed = 0
    for _ in range(400):
        a, b = generator.normal(0, 1, (2, 3000))
        stops = np.arange(100, 3001, 100)
        means = (a.cumsum() - b.cumsum())[stops - 1] / stops
        errors = np.sqrt(2 / stops)
        looked += any(always_valid(m, e, 0.1).p <= 0.05 for m, e in zip(means, errors, strict=True))
        fixed += bool((np.abs(means) > 1.96 * errors).any())
    assert looked / 400 <= 0.073
    assert fixed / 400 > 0.15


def test_the_sequential_p_and_interval_agree():
    for estimate in np.linspace(-0.5, 0.5, 101):
        found = always_valid(float(estimate), 0.07, 0.2)
        assert (found.p <= 0.05) == (not found.low <= 0 <= found.high)


def test_the_sample_size_has_the_power_it_promises():
    units = units_per_arm(2.0, 0.5)
    generator = np.random.default_rng(7)
    found = 0
    for _ in range(500):
        result = ab_test(generator.normal(0.5, 2, units), generator.normal(0, 2, units))
        found += result.difference.absolute.p <= 0.05
    assert abs(found / 500 - 0.8) < 0.06
    assert units_per_arm(2.0, 0.5, variance_ratio=0.5) == pytest.approx(units / 2, abs=1)
