"""Difference in differences of logs with AR(1) errors: the fallback where treatment was not drawn.

d_t = log treated − log control. δ = mean of d after − mean before, with P periods before and L after. Its variance
takes the residuals before as AR(1) with coefficient φ, estimated with Kendall's correction for short series:

    φ = r₁ + (1 + 3 r₁)/P, kept within [−0.9, 0.95]
    Var(δ) = s² · wᵀCw · [P / max(P − (1+φ)/(1−φ), 3)] · (P−1)/P
    C_ij = φ^|i−j|,  w = (−1/P, …, 1/L, …),  s² = Σ r²/(P−1)
    degrees of freedom = max(P(1−φ)/(1+φ) − 1, 3)

φ itself is known to within √((1 − φ²)/P). The variance is averaged over that error (three Gauss–Hermite points),
because Var(δ) grows faster above φ than it falls below: with a short past the plain formula covers too little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmn_pipeline.measurement.arrays import Flags, Floats
from rmn_pipeline.measurement.errors import MeasurementError
from rmn_pipeline.measurement.estimates import TTest

FEWEST_PERIODS_BEFORE = 8
LOWEST_PHI, HIGHEST_PHI = -0.9, 0.95
FEWEST_DEGREES = 3.0
# Gauss–Hermite: exact for means of polynomials up to degree 5 under a normal.
NODES = (-(3.0**0.5), 0.0, 3.0**0.5)
SHARES = (1 / 6, 2 / 3, 1 / 6)


@dataclass(frozen=True)
class DidFit:
    """The test of δ, and the series behind it: differences of logs less their mean before."""

    test: TTest
    gap: Floats
    residual_sd: float
    phi: float


def log_gap(value: Floats, treated: Flags) -> Floats:
    """Treated minus control in logs, per period: means of the geos' logs, or logs of totals where a geo sold nothing.

    Raises:
        MeasurementError: one side sold nothing at all on a day.
    """
    if bool((value > 0).all()):
        logs = np.log(value)
        return np.asarray(logs[treated].mean(axis=0) - logs[~treated].mean(axis=0))
    sides = [value[treated].sum(axis=0), value[~treated].sum(axis=0)]
    for name, side in zip(("treated", "control"), sides, strict=True):
        if (side <= 0).any():
            raise MeasurementError(
                f"the {name} geos together sold nothing on {int((side <= 0).sum())} periods, so logs are undefined; "
                f"use weekly totals or more geos"
            )
    return np.log(sides[0]) - np.log(sides[1])


def did_ar1(gap: Floats, before: int) -> DidFit:
    """Fit on a series of log differences whose first `before` periods are untreated.

    Raises:
        MeasurementError: fewer than 8 periods before, or none after.
    """
    after = gap.size - before
    if before < FEWEST_PERIODS_BEFORE or after < 1:
        raise MeasurementError(
            f"difference in differences needs {FEWEST_PERIODS_BEFORE} periods before and 1 after; "
            f"it got {before} and {after}"
        )
    centred = gap - gap[:before].mean()
    residual = centred[:before]
    squares = float((residual**2).sum())
    first = float((residual[1:] * residual[:-1]).sum()) / squares if squares > 0 else 0.0
    phi = float(np.clip(first + (1.0 + 3.0 * first) / before, LOWEST_PHI, HIGHEST_PHI))
    spread = squares / (before - 1)
    error = float(np.sqrt((1.0 - phi**2) / before))
    variance = sum(
        share
        * spread
        * unit_variance(float(np.clip(phi + node * error, LOWEST_PHI, HIGHEST_PHI)), before, after)
        for node, share in zip(NODES, SHARES, strict=True)
    )
    degrees = max(before * (1 - phi) / (1 + phi) - 1.0, FEWEST_DEGREES)
    test = TTest(float(centred[before:].mean()), float(np.sqrt(max(variance, 0.0))), degrees)
    return DidFit(test, centred, float(np.sqrt(spread)), phi)


def unit_variance(phi: float, before: int, after: int) -> float:
    """Variance of δ per unit of residual variance s², for a known φ."""
    weight = np.concatenate([np.full(before, -1.0 / before), np.full(after, 1.0 / after)])
    shrunk = before / max(before - (1 + phi) / (1 - phi), 3.0) * (before - 1) / before
    return _ar1_form(weight, phi) * shrunk


def _ar1_form(weight: Floats, phi: float) -> float:
    """wᵀCw with C_ij = φ^|i−j|, by recursion instead of the matrix."""
    carried, total = 0.0, 0.0
    for value in weight.tolist():
        total += value * value + 2.0 * value * phi * carried
        carried = phi * carried + value
    return total
