"""Time-based regression: treated totals on control totals before the test, predicted through it.

Its t interval takes the residuals for independent, which real series are not: expect false positives well above the
nominal rate. It is shown because people know it, next to the A/A table that says what it is worth here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmn_pipeline.measurement.arrays import Floats
from rmn_pipeline.measurement.errors import MeasurementError
from rmn_pipeline.measurement.estimates import TTest

FEWEST_PERIODS_BEFORE = 4


@dataclass(frozen=True)
class TbrFit:
    """The summed effect over the test in the series' unit, its test, the regression and the gap of every period."""

    test: TTest
    intercept: float
    slope: float
    gap: Floats


def tbr(treated: Floats, control: Floats, before: int) -> TbrFit:
    """Fit on the first `before` periods of two series.

    Raises:
        MeasurementError: too few periods before, none after, or a control that never moved.
    """
    after = treated.size - before
    past, mean = control[:before], control[:before].mean()
    squares = float(((past - mean) ** 2).sum())
    if before < FEWEST_PERIODS_BEFORE or after < 1 or squares == 0.0:
        raise MeasurementError(
            f"time-based regression needs {FEWEST_PERIODS_BEFORE} periods before, 1 after and a control that moves; "
            f"it got {before} and {after}"
        )
    slope = float(((past - mean) * treated[:before]).sum()) / squares
    intercept = float(treated[:before].mean()) - slope * mean
    gap = treated - intercept - slope * control
    degrees = before - 2
    variance = float((gap[:before] ** 2).sum()) / degrees
    moved = float((control[before:] - mean).sum())
    total = variance * (after + after**2 / before + moved**2 / squares)
    return TbrFit(TTest(float(gap[before:].sum()), float(np.sqrt(total)), degrees), intercept, slope, gap)
