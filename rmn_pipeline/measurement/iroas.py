"""Incremental revenue per incremental dollar, with an interval that comes from a test of the ratio itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from rmn_pipeline.measurement.arrays import Floats
from rmn_pipeline.measurement.errors import MeasurementError
from rmn_pipeline.measurement.estimates import TTest
from rmn_pipeline.measurement.lift_methods import LiftWindow, log_changes
from rmn_pipeline.measurement.randomisation import weighted_differences

BISECTION_STEPS = 40
WIDENINGS = 40


@dataclass(frozen=True)
class Iroas:
    """Incremental revenue over incremental spend; `low`/`high` may be infinite; p is of "no revenue at all"."""

    iroas: float
    low: float
    high: float
    p: float
    incremental_spend_usd: float
    method: str


@dataclass(frozen=True)
class RatioInterval:
    """Fieller's set: an interval, or unbounded where the denominator is not clearly different from 0."""

    ratio: float
    low: float
    high: float
    is_bounded: bool


def fieller(
    numerator: float,
    denominator: float,
    numerator_variance: float,
    denominator_variance: float,
    covariance: float,
    critical: float,
) -> RatioInterval:
    """All ratios ρ with |n − ρd| ≤ critical · sd(n − ρd).

    Where the denominator is within `critical` standard errors of zero the set is unbounded, and is reported so.

    Raises:
        MeasurementError: the denominator is 0.
    """
    if denominator == 0:
        raise MeasurementError("a ratio needs a denominator other than 0; was anything spent?")
    square = critical**2
    lead = denominator**2 - square * denominator_variance
    middle = numerator * denominator - square * covariance
    tail = numerator**2 - square * numerator_variance
    inside = middle**2 - lead * tail
    ratio = numerator / denominator
    if lead <= 0 or inside < 0:
        return RatioInterval(ratio, -np.inf, np.inf, is_bounded=False)
    root = float(np.sqrt(inside))
    return RatioInterval(ratio, (middle - root) / lead, (middle + root) / lead, is_bounded=True)


def extra_spend(spend_usd: Floats, before: int) -> Floats:
    """Per geo: spend during the test beyond what the days before it would have brought, per period."""
    return np.asarray(spend_usd[:, before:].mean(axis=1) - spend_usd[:, :before].mean(axis=1))


def iroas_by_inversion(window: LiftWindow, spend_usd: Floats, alpha: float) -> Iroas:
    """Test every ratio θ by taking θ · extra spend out of each geo's sales and running the lift's randomisation test.

    At θ = 0 that is the test of no lift, so iROAS and lift are significant together.

    Raises:
        MeasurementError: the treated geos spent nothing extra.
    """
    extra = extra_spend(spend_usd, window.before)
    periods = window.value.shape[1] - window.before
    total = float(extra[window.treated].sum()) * periods
    if total == 0.0:
        raise MeasurementError(
            "the treated geos spent no more and no less than before; there is no ratio to estimate"
        )
    test = _ratio_test(window, extra)
    sign = float(np.sign(total))
    reach = float(window.value[:, window.before :].mean(axis=1).sum()) / float(np.abs(extra).sum())
    centre = _zero(lambda theta: test(theta)[0], reach, sign)

    def accepted(theta: float) -> bool:
        return test(theta)[1] > alpha

    low, high = (_edge(accepted, centre, side * reach) for side in (-1.0, 1.0))
    p = test(0.0)[1]
    if p > alpha:
        low, high = min(low, 0.0), max(high, 0.0)
    return Iroas(centre, low, high, p, total, "randomisation")


def _ratio_test(window: LiftWindow, extra: Floats) -> Callable[[float], tuple[float, float]]:
    """θ → the observed statistic (NaN where sales would be negative) and p."""
    change, weight = log_changes(window)
    during = window.value[:, window.before :].mean(axis=1)
    observed = window.treated[None, :].astype(np.float64)
    draws = window.redraws
    own = 0 if draws.exhaustive else 1

    def test(theta: float) -> tuple[float, float]:
        share = np.where(during > 0, theta * extra / np.where(during > 0, during, 1.0), 0.0)
        if (share >= 1.0).any():
            # More would have been brought about than was sold: no such θ is possible.
            return -np.inf, 0.0
        left = (change + np.log1p(-share))[:, None]
        found = weighted_differences(draws.treated, left, weight)[:, 0]
        statistic = float(weighted_differences(observed, left, weight)[0, 0])
        slack = 1e-11 * (1.0 + abs(statistic))
        extreme = int((~(np.abs(found) < abs(statistic) - slack)).sum())
        return statistic, (extreme + own) / (found.size + own)

    return test


def _zero(statistic: Callable[[float], float], reach: float, sign: float) -> float:
    """Where the statistic vanishes; it falls in θ for positive extra spend."""
    low, high = -reach, reach
    for _ in range(WIDENINGS):
        if sign * statistic(low) >= 0:
            break
        low *= 2.0
    for _ in range(WIDENINGS):
        if sign * statistic(high) <= 0:
            break
        high *= 2.0

    def finite(theta: float) -> float:
        return float(np.clip(sign * statistic(theta), -1e6, 1e6))

    return float(optimize.brentq(finite, low, high, xtol=1e-12, rtol=1e-12))


def _edge(accepted: Callable[[float], bool], centre: float, width: float) -> float:
    """The end of the accepted set on one side, by widening steps and bisection; infinite where none is found."""
    inside, step = centre, width / 64.0
    for _ in range(WIDENINGS):
        outside = inside + step
        if not accepted(outside):
            for _ in range(BISECTION_STEPS):
                middle = 0.5 * (inside + outside)
                inside, outside = (middle, outside) if accepted(middle) else (inside, middle)
            return inside
        inside, step = outside, step * 2.0
    return float(np.sign(width)) * np.inf


def iroas_by_fieller(window: LiftWindow, spend_usd: Floats, critical: float) -> Iroas:
    """Ratio of the differences in mean change of revenue and of spend between treated and control geos.

    The spread between geos gives variances and covariance (Welch); good where geos are alike in size, and the cross-
    check of the inversion elsewhere. Needs two geos on each side.

    Raises:
        MeasurementError: fewer than two geos on a side, or no difference in spend.
    """
    if min(int(window.treated.sum()), int((~window.treated).sum())) < 2:
        raise MeasurementError("Fieller's interval needs two geos on each side")
    sales = window.value[:, window.before :].mean(axis=1) - window.value[:, : window.before].mean(axis=1)
    both = np.vstack([sales, extra_spend(spend_usd, window.before)])
    sides = [both[:, window.treated], both[:, ~window.treated]]
    means = sides[0].mean(axis=1) - sides[1].mean(axis=1)
    noise = sum((np.cov(side) / side.shape[1] for side in sides), start=np.zeros((2, 2)))
    found = fieller(
        float(means[0]), float(means[1]), float(noise[0, 0]), float(noise[1, 1]), float(noise[0, 1]), critical
    )
    periods = window.value.shape[1] - window.before
    error = float(np.sqrt(noise[0, 0]))
    p = TTest(float(means[0]), error, float(both.shape[1] - 2)).p_value()
    total = float(both[1, window.treated].sum()) * periods
    return Iroas(found.ratio, found.low, found.high, p, total, "fieller")
