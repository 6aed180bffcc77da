"""The five ways to estimate the lift of a geo test, each on the same window: what `geo_lift` and its A/A table call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rmn_pipeline.measurement.arrays import Flags, Floats
from rmn_pipeline.measurement.assignment import GeoAssignment, Redraws
from rmn_pipeline.measurement.did import DidFit, did_ar1, log_gap
from rmn_pipeline.measurement.errors import MeasurementError
from rmn_pipeline.measurement.estimates import LiftEstimate, Method, TTest
from rmn_pipeline.measurement.randomisation import RandomisationTest, two_group_test
from rmn_pipeline.measurement.synthetic_control import synthetic_control
from rmn_pipeline.measurement.tbr import tbr
from rmn_pipeline.measurement.trimmed_match import trimmed_match

FEWEST_PERIODS_FOR_EARLIER_CHANGE = 4


@dataclass(frozen=True)
class LiftWindow:
    """Complete sales (geos × periods) around a test that starts after `before` periods, and who was treated.

    `redraws` are assignments that the design could have drawn; `uses_earlier_change` takes what an earlier change of
    the same geos predicts out of the change that is tested.
    """

    value: Floats
    before: int
    treated: Flags
    assignment: GeoAssignment
    redraws: Redraws
    uses_earlier_change: bool = False

    @property
    def treated_after(self) -> Floats:
        """Sales of the treated geos during the test."""
        return np.asarray(self.value[self.treated, self.before :])


def log_changes(window: LiftWindow) -> tuple[Floats, Floats]:
    """Per geo: log of mean sales during over before, and the weight √(mean before); geos without past weigh nothing.

    Raises:
        MeasurementError: a geo that sold before sold nothing during the test.
    """
    past = window.value[:, : window.before].mean(axis=1)
    during = window.value[:, window.before :].mean(axis=1)
    gone = (past > 0) & (during <= 0)
    if gone.any() or (past < 0).any():
        at = int(np.flatnonzero(gone | (past < 0))[0])
        raise MeasurementError(
            f"geo '{window.assignment.geos[at]}' averages {past[at]:,.4g} before and {during[at]:,.4g} during "
            f"the test, so its log change is undefined; merge it with a neighbour or leave it out of the design"
        )
    known = past > 0
    change = np.zeros(past.size)
    change[known] = np.log(during[known]) - np.log(past[known])
    return change, np.sqrt(np.maximum(past, 0.0))


def _without_earlier_change(window: LiftWindow, columns: Floats, weight: Floats) -> Floats:
    """Residuals of weighted regressions on the change from the first to the second half of the past."""
    half = window.before // 2
    if half < FEWEST_PERIODS_FOR_EARLIER_CHANGE:
        raise MeasurementError(
            f"adjusting for the earlier change needs {2 * FEWEST_PERIODS_FOR_EARLIER_CHANGE} periods before the test, "
            f"not {window.before}"
        )
    first = window.value[:, window.before - 2 * half : window.before - half].mean(axis=1)
    second = window.value[:, window.before - half : window.before].mean(axis=1)
    usable = (first > 0) & (second > 0)
    earlier = np.zeros(first.size)
    earlier[usable] = np.log(second[usable]) - np.log(first[usable])
    design = np.column_stack([np.ones(first.size), earlier])
    root = np.sqrt(weight)[:, None]
    fitted = design @ np.linalg.lstsq(design * root, columns * root, rcond=None)[0]
    return np.asarray(columns - fitted)


def randomisation_of(window: LiftWindow) -> RandomisationTest:
    """The randomisation test of a constant multiplicative effect; effects are in logs.

    Raises:
        MeasurementError: a log change is undefined, or all weight lies on one side.
    """
    change, weight = log_changes(window)
    for name, side in (("treated", window.treated), ("control", ~window.treated)):
        if weight[side].sum() <= 0:
            raise MeasurementError(
                f"no {name} geo sold anything before the test; there is nothing to compare with"
            )
    dose = window.treated.astype(np.float64)
    draws = window.redraws
    if not window.uses_earlier_change:
        return two_group_test(change, dose, weight, draws.treated, exhaustive=draws.exhaustive)
    adjusted = _without_earlier_change(window, np.column_stack([change, dose]), weight)
    return two_group_test(
        adjusted[:, 0], dose, weight, draws.treated, exhaustive=draws.exhaustive, dose=adjusted[:, 1]
    )


def by_randomisation(window: LiftWindow, alpha: float) -> LiftEstimate:
    """Design-based: needs nothing but that treatment was drawn as the design says."""
    test = randomisation_of(window)
    low, high = test.interval(alpha)
    note = ""
    if test.smallest_p > alpha:
        note = (
            f"with {window.assignment.distinct} possible assignments no p below {test.smallest_p:.3g} can occur, so "
            f"nothing can be rejected at {alpha:g} and the interval is unbounded; use more geos"
        )
    return LiftEstimate(
        "randomisation",
        float(np.expm1(test.estimate)),
        float(np.expm1(low)),
        float(np.expm1(high)),
        test.p_value(),
        alpha,
        note,
    )


def did_fit(window: LiftWindow) -> DidFit:
    """The DiD-AR1 fit on geos that sold something before the test."""
    sold = window.value[:, : window.before].sum(axis=1) > 0
    if not sold[window.treated].any() or not sold[~window.treated].any():
        raise MeasurementError("one side sold nothing before the test; there is nothing to compare with")
    return did_ar1(log_gap(window.value[sold], window.treated[sold]), window.before)


def by_did_ar1(window: LiftWindow, alpha: float) -> LiftEstimate:
    """Difference in differences of logs with AR(1) errors."""
    test = did_fit(window).test
    low, high = test.interval(alpha)
    lift, lower, upper = (float(np.expm1(value)) for value in (test.estimate, low, high))
    return LiftEstimate("did_ar1", lift, lower, upper, test.p_value(), alpha)


def by_synthetic_control(window: LiftWindow, alpha: float) -> LiftEstimate:
    """Synthetic control of the mean treated series; estimate and test are the cross-fitted ones."""
    target = window.value[window.treated].mean(axis=0)
    fit = synthetic_control(target, window.value[~window.treated], window.before)
    return _relative("synthetic_control", fit.test, float(target[window.before :].mean()), alpha)


def by_tbr(window: LiftWindow, alpha: float) -> LiftEstimate:
    """Time-based regression of totals."""
    treated, control = window.value[window.treated].sum(axis=0), window.value[~window.treated].sum(axis=0)
    fit = tbr(treated, control, window.before)
    note = "its t interval takes days for independent: see its size in the A/A table"
    return _relative("tbr", fit.test, float(treated[window.before :].sum()), alpha, note)


def by_trimmed_match(window: LiftWindow, alpha: float) -> LiftEstimate:
    """Trimmed Match over the design's pairs, with expected sales in the place of cost: the ratio is then the lift."""
    if window.assignment.kind != "paired":
        raise MeasurementError("trimmed match needs randomised pairs; this design has none")
    treated, control = paired_rows(window.assignment, window.treated)
    past = window.value[:, : window.before].mean(axis=1)
    during = window.value[:, window.before :].mean(axis=1)
    growth = during[control].sum() / past[control].sum()
    expected = past * growth
    surplus = during - expected
    fit = trimmed_match(surplus[treated] - surplus[control], expected[treated], alpha=alpha)
    return LiftEstimate(
        "trimmed_match",
        fit.ratio,
        fit.low,
        fit.high,
        fit.p,
        alpha,
        f"{fit.trimmed_per_side} pairs trimmed per side",
    )


def paired_rows(assignment: GeoAssignment, treated: Flags) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the treated and of the control geo of every pair."""
    pairs = np.array(assignment.strata())
    first = treated[pairs[:, 0]]
    return np.where(first, pairs[:, 0], pairs[:, 1]), np.where(first, pairs[:, 1], pairs[:, 0])


def _relative(method: Method, test: TTest, observed: float, alpha: float, note: str = "") -> LiftEstimate:
    """An absolute effect as a share of what would have been sold without it."""

    def lift(effect: float) -> float:
        return effect / (observed - effect) if effect < observed else float(np.inf)

    low, high = test.interval(alpha)
    return LiftEstimate(method, lift(test.estimate), lift(low), lift(high), test.p_value(), alpha, note)


METHODS: dict[Method, Callable[[LiftWindow, float], LiftEstimate]] = {
    "randomisation": by_randomisation,
    "did_ar1": by_did_ar1,
    "synthetic_control": by_synthetic_control,
    "tbr": by_tbr,
    "trimmed_match": by_trimmed_match,
}
