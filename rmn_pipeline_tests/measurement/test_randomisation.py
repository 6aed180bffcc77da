from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmn_pipeline.measurement import MeasurementError, complete_assignment, stratified_assignment
from rmn_pipeline.measurement.assignment import random_draws, redraw
from rmn_pipeline.measurement.randomisation import two_group_test, weighted_differences


def _test(outcome, assignment, weight, count=199, seed=0):
    redraws = redraw(assignment, count, seed)
    return two_group_test(
        outcome, assignment.treated * 1.0, weight, redraws.treated, exhaustive=redraws.exhaustive
    )


def _by_hand(outcome, treated, weight, draws, effect):
    left = outcome - effect * treated
    seen = weighted_differences(treated[None, :] * 1.0, left[:, None], weight)[0, 0]
    found = weighted_differences(draws, left[:, None], weight)[:, 0]
    return int((np.abs(found) >= abs(seen) - 1e-11).sum())


@settings(max_examples=150, deadline=None)
@given(
    geos=st.integers(4, 30),
    seed=st.integers(0, 10_000),
    alpha=st.sampled_from([0.01, 0.05, 0.1, 0.3]),
    share=st.floats(0.05, 0.95),
)
def test_p_and_interval_never_disagree(geos, seed, alpha, share):
    generator = np.random.default_rng(seed)
    names = [f"g{at}" for at in range(geos)]
    count = min(max(1, round(share * geos)), geos - 1)
    assignment = complete_assignment(names, names[:count])
    # Rounded outcomes make ties, which is where tests that only nearly agree would come apart.
    outcome = np.round(generator.normal(0, 1, geos), int(generator.integers(0, 3)))
    test = _test(outcome, assignment, generator.uniform(0.1, 2, geos), seed=seed)
    low, high = test.interval(alpha)
    for effect in (0.0, test.estimate, test.estimate + 0.3, test.estimate - 2.0):
        assert (test.p_value(effect) > alpha) == (low <= effect <= high)
    for end, outside in ((low, -1e-6), (high, 1e-6)):
        if np.isfinite(end):
            assert test.p_value(end) > alpha
            assert test.p_value(end + outside * (1 + abs(end))) <= alpha


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), effect=st.floats(-2, 2))
def test_the_closed_form_counts_what_redrawing_counts(seed, effect):
    generator = np.random.default_rng(seed)
    geos = int(generator.integers(5, 15))
    names = [f"g{at}" for at in range(geos)]
    assignment = complete_assignment(names, names[: geos // 2])
    outcome, weight = generator.normal(0, 1, geos), np.ones(geos)
    redraws = redraw(assignment, 199, seed)
    test = _test(outcome, assignment, weight, seed=seed)
    extreme = _by_hand(outcome, assignment.treated, weight, redraws.treated, effect)
    assert test.p_value(effect) == (extreme + test.own) / (len(redraws.treated) + test.own)


def test_few_geos_are_enumerated_exactly():
    names = ["a", "b", "c", "d"]
    assignment = complete_assignment(names, ["a", "b"])
    redraws = redraw(assignment, 999, 0)
    assert redraws.exhaustive
    assert {tuple(np.flatnonzero(row)) for row in redraws.treated} == set(combinations(range(4), 2))
    test = _test(np.array([3.0, 4.0, 0.0, 1.0]), assignment, np.ones(4))
    assert test.p_value() == pytest.approx(2 / 6)
    assert test.interval(0.05) == (-np.inf, np.inf)
    assert test.smallest_p == pytest.approx(2 / 6)


def test_strata_keep_their_counts_when_redrawn():
    names = [f"g{at}" for at in range(30)]
    assignment = stratified_assignment(names, names[:4] + names[12:18], ["x"] * 10 + ["y"] * 20)
    draws = random_draws(assignment, 500, np.random.default_rng(0))
    assert (draws[:, :10].sum(axis=1) == 4).all()
    assert (draws[:, 10:].sum(axis=1) == 6).all()
    # Every geo of a stratum is as likely as the others: 500 draws of 0.4 and 0.3.
    assert np.abs(draws[:, :10].mean(axis=0) - 0.4).max() < 0.09


def test_size_is_held_under_the_null_with_unequal_weights():
    generator = np.random.default_rng(3)
    names = [f"g{at}" for at in range(24)]
    rejected = 0
    for run in range(400):
        treated = list(generator.permutation(names)[:8])
        assignment = complete_assignment(names, treated)
        outcome = generator.standard_t(2, 24)
        rejected += _test(outcome, assignment, generator.uniform(0.1, 3, 24), seed=run).p_value() <= 0.05
    # 400 runs at 5 %: 95 % of the time below 29.
    assert rejected / 400 <= 0.073


def test_one_sided_assignments_are_refused():
    with pytest.raises(MeasurementError, match="all are treated"):
        complete_assignment(["a", "b"], ["a", "b"])
    with pytest.raises(MeasurementError, match="no geo is treated"):
        complete_assignment(["a", "b"], [])
    with pytest.raises(MeasurementError, match="z"):
        complete_assignment(["a", "b"], ["z"])
