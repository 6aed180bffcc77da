"""Trimmed Match: the ratio of response to cost over randomised pairs, with the oddest pairs trimmed.

With r and c the differences (treated − control) in response and cost of each pair, θ solves
trimmed mean of (r − θc) = 0. The interval inverts the studentized trimmed mean (winsorized variance).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from rmn_pipeline.measurement.arrays import Floats
from rmn_pipeline.measurement.errors import MeasurementError

FEWEST_PAIRS = 4


@dataclass(frozen=True)
class TrimmedMatch:
    """θ with its interval and the p-value of θ = 0, all from the studentized trimmed mean."""

    ratio: float
    low: float
    high: float
    p: float
    trimmed_per_side: int


def trimmed_match(
    response: Floats, cost: Floats, *, trim_share: float = 0.1, alpha: float = 0.05
) -> TrimmedMatch:
    """θ of pairs' differences in response and cost; `trim_share` of the pairs goes on each side.

    Raises:
        MeasurementError: fewer than 4 pairs, or cost differences that sum to nothing.
    """
    pairs = response.size
    if pairs < FEWEST_PAIRS or cost.sum() <= 0:
        raise MeasurementError(
            f"trimmed match needs {FEWEST_PAIRS} pairs whose treated geos cost more in sum; it got {pairs} pairs with "
            f"a summed cost difference of {float(cost.sum()):g}"
        )
    cut = min(int(np.ceil(trim_share * pairs)) if trim_share > 0 else 0, (pairs - 2) // 2)
    critical = float(stats.t.isf(alpha / 2, pairs - 2 * cut - 1))

    def score(theta: float) -> float:
        return _studentized(response - theta * cost, cut)

    width = float(np.abs(response).max()) / float(cost.mean()) + 1.0
    middle = _root(lambda theta: _trimmed_mean(response - theta * cost, cut), width)
    low = _first_crossing(lambda theta: score(theta) - critical, middle, -width)
    high = _first_crossing(lambda theta: score(theta) + critical, middle, width)
    p = float(2 * stats.t.sf(abs(score(0.0)), pairs - 2 * cut - 1))
    # The set need not be one interval: its hull is reported, so that 0 is inside whenever it is not rejected.
    return TrimmedMatch(
        middle, min(low, 0.0) if p > alpha else low, max(high, 0.0) if p > alpha else high, p, cut
    )


def _trimmed_mean(values: Floats, cut: int) -> float:
    return float(np.sort(values)[cut : values.size - cut].mean())


def _studentized(values: Floats, cut: int) -> float:
    ordered = np.sort(values)
    kept = values.size - 2 * cut
    held = np.clip(ordered, ordered[cut], ordered[values.size - cut - 1])
    variance = float(((held - held.mean()) ** 2).sum()) / (kept * (kept - 1))
    mean = float(ordered[cut : values.size - cut].mean())
    return mean / np.sqrt(variance) if variance > 0 else float(np.sign(mean)) * np.inf


def _root(function: object, width: float) -> float:
    assert callable(function)
    for _ in range(60):
        if function(-width) >= 0 >= function(width):
            return float(optimize.brentq(function, -width, width, xtol=1e-12))
        width *= 2
    raise MeasurementError("trimmed match has no solution: the pairs' costs have mixed signs; check them")


def _first_crossing(function: object, start: float, width: float) -> float:
    """The nearest sign change going from `start` towards ±, or infinite."""
    assert callable(function)
    sign = np.sign(function(start))
    step, at = width / 200.0, start
    for _ in range(120):
        after = at + step
        if np.sign(function(after)) != sign:
            return float(optimize.brentq(function, *sorted((at, after)), xtol=1e-12))
        at, step = after, step * 1.1
    return float(np.sign(width)) * np.inf
