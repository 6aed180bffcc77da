import time
from dataclasses import replace

import numpy as np
import pytest

from rmn_pipeline.measurement import (
    LiftSettings,
    MeasurementError,
    complete_assignment,
    geo_design,
    geo_lift,
    power_curve,
    select_markets,
)
from rmn_pipeline.measurement.aa_table import placebo_windows
from rmn_pipeline.measurement.geo_lift import lift_window
from rmn_pipeline.measurement.lift_methods import by_did_ar1, by_randomisation, did_fit, randomisation_of
from rmn_pipeline_tests.measurement.markets import day, market

QUICK = LiftSettings(redraws=199, aa_runs=0)


@pytest.fixture(scope="module")
def panel():
    return market(geos=30, days=120, noise=0.05)


def test_power_is_size_at_no_effect_and_rises_to_one(panel):
    assignment = complete_assignment(panel.geos, panel.geos[:15])
    curve = power_curve(panel, assignment, 14, (0.0, 0.02, 0.05, 0.3), runs=300, settings=QUICK)
    power = curve.frame["power"].to_list()
    assert power[0] <= 0.085
    assert power == sorted(power)
    assert power[-1] == 1.0
    assert curve.frame["power_analytic"][0] == pytest.approx(0.05)
    assert np.abs(curve.frame["power"] - curve.frame["power_analytic"]).max() < 0.12
    smallest = curve.smallest_detectable()
    assert curve.power_at(smallest) >= 0.8 > curve.power_at(smallest - 0.004)


def test_the_smallest_of_effects_has_no_power(panel):
    assignment = complete_assignment(panel.geos, panel.geos[:15])
    curve = power_curve(panel, assignment, 14, (1e-20,), runs=200, settings=QUICK)
    assert curve.frame["power"][0] <= 0.1


@pytest.mark.parametrize("estimate", [by_randomisation, by_did_ar1])
def test_power_is_what_the_analysis_finds_after_injection(panel, estimate):
    assignment = complete_assignment(panel.geos, panel.geos[:15])
    window, _ = lift_window(panel, assignment, day(100), day(119), QUICK)
    for placebo in placebo_windows(window, 14, 25, np.random.default_rng(0)):
        value = placebo.value.copy()
        value[np.ix_(placebo.treated, np.arange(value.shape[1]) >= placebo.before)] *= 1.03
        found = estimate(replace(placebo, value=value), 0.05).p
        test = randomisation_of(placebo) if estimate is by_randomisation else did_fit(placebo).test
        assert found == pytest.approx(test.p_value(-np.log(1.03)), abs=1e-9)


def test_a_thousand_runs_take_less_than_a_minute():
    panel = market(geos=200, days=365)
    started = time.process_time()
    power_curve(panel, complete_assignment(panel.geos, panel.geos[:100]), 28, runs=1000)
    assert time.process_time() - started < 60


def test_a_past_too_short_is_refused(panel):
    with pytest.raises(MeasurementError, match="too few to try tests"):
        power_curve(panel.before(day(15)), ["g001"], 14)


def test_the_design_draws_what_geo_lift_reads(panel):
    design = geo_design(panel, (7, 14), spend_share_of_sales=0.05, runs=60, settings=QUICK)
    assert set(design.options["kind"]) == {"complete", "stratified", "paired"}
    assert design.options.height == 6
    assert design.smallest_detectable_iroas == pytest.approx(design.smallest_detectable_lift / 0.05)
    assert design.smallest_detectable_lift == design.options["smallest_detectable_lift"].min()
    result = geo_lift(panel, design.assignment, day(106), day(119), QUICK)
    assert result.primary.method == "randomisation"
    again = geo_design(panel, (7, 14), spend_share_of_sales=0.05, runs=60, settings=QUICK)
    assert again.assignment.treated_geos == design.assignment.treated_geos


def test_a_target_buys_the_cheapest_design_that_reaches_it(panel):
    design = geo_design(panel, (7, 14), spend_share_of_sales=0.05, target_lift=0.5, runs=60, settings=QUICK)
    assert design.periods == 7
    assert design.cost == pytest.approx(design.options["cost"].min())


def test_unequal_shares_are_kept_within_strata(panel):
    design = geo_design(panel, (14,), treated_share=0.2, kinds=("stratified",), runs=40, settings=QUICK)
    assert int(design.assignment.treated.sum()) == 6
    assert all(design.assignment.treated[rows].sum() == 2 for rows in design.assignment.strata())


def test_markets_are_ranked_by_what_they_can_find(panel):
    noisy = panel.value.copy()
    noisy[3] *= np.exp(np.random.default_rng(0).normal(0, 1, 120))
    ranked = select_markets(replace(panel, value=noisy), 2, 14, candidates=150, spend_share_of_sales=0.05)
    assert ranked["noise_sd"].is_sorted()
    assert not any("g003" in geos for geos in ranked["geos"][:20])
    with pytest.raises(MeasurementError, match="leave nothing"):
        select_markets(panel, 30, 14)
