from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest

from rmn_pipeline.measurement import MeasurementError, switchback_design, switchback_lift
from rmn_pipeline.measurement.switchback import coin_periods
from rmn_pipeline.measurement.switchback_lift import horvitz_thompson


def _outcome(treated, reach, effect, generator, noise=1.0, level=20.0):
    """An effect spread evenly over the period of treatment and the `reach` following ones, on AR(1) noise."""
    units, periods = treated.shape
    z = generator.normal(0, noise, (units, periods))
    for at in range(1, periods):
        z[:, at] += 0.3 * z[:, at - 1]
    padded = np.concatenate([np.zeros((units, reach)), treated], axis=1)
    dose = np.stack([padded[:, at : at + periods] for at in range(reach + 1)]).mean(axis=0)
    week = 2 * np.sin(2 * np.pi * np.arange(periods) / 7)
    return level + week + z + effect * dose


def test_coins_fall_where_the_theorem_puts_them():
    assert coin_periods(12, 2) == [1, 5, 7, 9]
    assert coin_periods(4, 1) == [1, 3]
    assert coin_periods(5, 0) == [1, 2, 3, 4, 5]
    design = switchback_design(12, 2)
    assert np.bincount(design.block).tolist() == [4, 2, 2, 4]


def _worst_risk(periods, m, coins):
    """Mean squared error of Horvitz–Thompson under the adversary's outcomes (all 1), over every draw of a design."""
    block = np.cumsum(np.isin(np.arange(1, periods + 1), coins)) - 1
    errors = []
    for draw in product((0, 1), repeat=len(coins)):
        w = np.array(draw)[block]
        total = 0.0
        for t in range(m, periods):
            window, k = w[t - m : t + 1], len(set(block[t - m : t + 1]))
            total += (int(window.all()) - int(not window.any())) * 2.0**k
        errors.append(total / (periods - m))
    return np.mean(np.square(errors))


@pytest.mark.parametrize(("periods", "m"), [(4, 1), (6, 1), (8, 2)])
def test_no_other_fair_coin_design_has_a_smaller_worst_risk(periods, m):
    ours = _worst_risk(periods, m, coin_periods(periods, m))
    others = (
        _worst_risk(periods, m, (1, *rest))
        for count in range(periods)
        for rest in combinations(range(2, periods + 1), count)
    )
    assert ours == pytest.approx(min(others))


def test_horvitz_thompson_is_unbiased_over_all_draws():
    design = switchback_design(8, 2)
    generator = np.random.default_rng(0)
    base = generator.normal(5, 1, 8)
    estimates = []
    for draw in product((False, True), repeat=design.blocks):
        treated = np.array(draw)[design.block][None, :]
        dose = np.array([treated[0, max(t - 2, 0) : t + 1].mean() for t in range(8)])
        estimates.append(horvitz_thompson(replace(design, treated=treated), (base + 3 * dose)[None, :]))
    assert np.mean(estimates) == pytest.approx(3.0, abs=1e-8)


@pytest.mark.parametrize(("units", "periods", "m"), [(1, 56, 2), (10, 28, 1), (20, 24, 2)])
def test_size_and_coverage_are_held(units, periods, m):
    names = [f"u{at}" for at in range(units)]
    generator = np.random.default_rng(units)
    false = covered = 0
    for seed in range(200):
        design = switchback_design(periods, m, names, seed=seed)
        null = switchback_lift(design, _outcome(design.treated, m, 0.0, generator), redraws=199, seed=seed)
        found = switchback_lift(design, _outcome(design.treated, m, 1.5, generator), redraws=199, seed=seed)
        for one in (null, found):
            assert one.is_significant == (not one.low <= 0 <= one.high)
        false += null.is_significant
        covered += found.low <= 1.5 <= found.high
    assert false / 200 <= 0.085
    assert covered / 200 >= 0.915


def test_few_coins_are_enumerated():
    design = switchback_design(20, 2)
    found = switchback_lift(design, _outcome(design.treated, 2, 1.0, np.random.default_rng(1)))
    assert found.exact
    assert (found.p * 2**design.blocks) == pytest.approx(round(found.p * 2**design.blocks))


def test_too_few_blocks_say_that_nothing_can_be_found():
    design = switchback_design(8, 2, seed=2)
    found = switchback_lift(design, _outcome(design.treated, 2, 9.0, np.random.default_rng(1)))
    assert (found.low, found.high) == (-np.inf, np.inf)
    assert "use more periods" in found.notes[0]


def test_balanced_designs_are_balanced():
    design = switchback_design(24, 2, [f"u{at}" for at in range(10)])
    assert design.kind == "balanced"
    assert (design.treated.sum(axis=0) == 5).all()
    assert (design.treated.sum(axis=1) == 12).all()


def test_carryover_longer_than_assumed_biases_the_effect_and_is_noticed():
    names = [f"u{at}" for at in range(30)]
    generator = np.random.default_rng(5)
    wrong, right, noticed, cried = [], [], 0, 0
    for seed in range(100):
        short = switchback_design(48, 1, names, block_periods=4, seed=seed)
        long = switchback_design(48, 3, names, block_periods=4, seed=seed)
        outcome = _outcome(short.treated, 3, 2.0, generator)
        found = switchback_lift(short, outcome, redraws=199, seed=seed)
        wrong.append(found.effect)
        noticed += any("assume more carryover" in note for note in found.notes)
        kept = switchback_lift(long, _outcome(long.treated, 3, 2.0, generator), redraws=199, seed=seed)
        right.append(kept.effect)
        cried += any("assume more carryover" in note for note in kept.notes)
    assert np.mean(wrong) < 1.75
    assert np.mean(right) == pytest.approx(2.0, abs=0.1)
    assert noticed >= 60
    assert cried <= 12


@pytest.mark.parametrize(
    ("periods", "m", "units", "match"),
    [(13, 2, ("a",), "use 14 periods"), (4, 2, ("a",), "use 8 periods"), (12, 1, ("a", "b", "c"), "even number"),
     (10, 1, ("a", "b"), "use 12 periods")],
)  # fmt: skip
def test_designs_that_do_not_fit_say_what_would(periods, m, units, match):
    with pytest.raises(MeasurementError, match=match):
        switchback_design(periods, m, units)


def test_outcomes_that_do_not_fit_are_refused():
    design = switchback_design(12, 2)
    with pytest.raises(MeasurementError, match="1 units × 12 periods"):
        switchback_lift(design, np.zeros((1, 11)))
