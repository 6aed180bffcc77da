"""CUPED: less noise by what was known before, pooled or with Lin's interactions; absolute and relative."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from rmn_pipeline.measurement.arrays import Floats
from rmn_pipeline.measurement.errors import MeasurementError

Adjustment = Literal["unadjusted", "pooled", "lin"]
FEWEST_UNITS_PER_ARM = 3


@dataclass(frozen=True)
class Effect:
    """An effect with its interval and two-sided p from the same distribution."""

    estimate: float
    standard_error: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class ArmDifference:
    """Treated minus control, as an amount and relative to control (delta method); the two need not agree near 0.

    The relative interval also carries the noise of the control mean, so it may hold 0 where the absolute one does not.
    """

    adjustment: Adjustment
    absolute: Effect
    relative: Effect
    treated_mean: float
    control_mean: float


@dataclass(frozen=True)
class CupedResult:
    """All three read-outs. `variance_ratio` is what the adjustment leaves of the variance: 1 − ρ² for one."""

    unadjusted: ArmDifference
    pooled: ArmDifference
    lin: ArmDifference
    theta: Floats
    variance_ratio: float


def cuped(
    outcome: Sequence[float] | Floats,
    treated: Sequence[bool] | Floats,
    before: Sequence[float] | Floats,
    alpha: float = 0.05,
) -> CupedResult:
    """Difference in means, adjusted for covariates from before the experiment.

    Args:
        outcome: one number per unit.
        treated: whether the unit was treated.
        before: one covariate per unit, or units × covariates; measured before treatment, over the same weekdays.
        alpha: one minus the level of the intervals.

    Raises:
        MeasurementError: lengths differ, numbers are not finite, an arm has under 3 units, or a covariate is constant.
    """
    y, arm, x = _checked(outcome, treated, before)
    centred = x - x.mean(axis=0)
    # θ on pooled arms with sample moments; one covariate gives cov(Y, X) / var(X).
    theta = np.linalg.solve(centred.T @ centred, centred.T @ (y - y.mean()))
    adjusted = y - centred @ theta
    return CupedResult(
        unadjusted=difference_in_means(y[arm], y[~arm], alpha),
        pooled=difference_in_means(adjusted[arm], adjusted[~arm], alpha, "pooled"),
        lin=_lin(y, arm, centred, alpha),
        theta=theta,
        variance_ratio=float(adjusted.var(ddof=1) / y.var(ddof=1)),
    )


def difference_in_means(
    treated: Floats, control: Floats, alpha: float, adjustment: Adjustment = "unadjusted"
) -> ArmDifference:
    """Welch's difference in means, and the relative lift by the delta method."""
    means = float(treated.mean()), float(control.mean())
    noise = float(treated.var(ddof=1) / treated.size), float(control.var(ddof=1) / control.size)
    total = sum(noise)
    degrees = (
        total**2 / (noise[0] ** 2 / (treated.size - 1) + noise[1] ** 2 / (control.size - 1)) if total else 1.0
    )
    return arm_difference(means, (noise[0], noise[1], 0.0), degrees, alpha, adjustment)


def arm_difference(
    means: tuple[float, float],
    noise: tuple[float, float, float],
    degrees: float,
    alpha: float,
    adjustment: Adjustment,
) -> ArmDifference:
    """From two means and (variance of treated mean, of control mean, their covariance)."""
    treated, control = means
    absolute = effect(treated - control, noise[0] + noise[1] - 2 * noise[2], degrees, alpha)
    if control == 0:
        relative = Effect(np.nan, np.nan, -np.inf, np.inf, 1.0)
    else:
        ratio = treated / control
        spread = (noise[0] + ratio**2 * noise[1] - 2 * ratio * noise[2]) / control**2
        relative = effect(ratio - 1.0, spread, degrees, alpha)
    return ArmDifference(adjustment, absolute, relative, treated, control)


def effect(estimate: float, variance: float, degrees: float, alpha: float) -> Effect:
    """An estimate with a t interval and the p-value that belongs to it."""
    error = float(np.sqrt(max(variance, 0.0)))
    half = float(stats.t.isf(alpha / 2, degrees)) * error
    p = float(2 * stats.t.sf(abs(estimate) / error, degrees)) if error > 0 else float(estimate == 0)
    return Effect(estimate, error, estimate - half, estimate + half, p)


def _lin(y: Floats, arm: np.ndarray, centred: Floats, alpha: float) -> ArmDifference:
    """Lin's regression on treatment, centred covariates and their products, with HC2 errors.

    It is two regressions, one per arm, read at the overall mean of the covariates.
    """
    design = np.column_stack([np.ones(y.size), arm, centred, centred * arm[:, None]])
    if y.size <= design.shape[1] or np.linalg.matrix_rank(design) < design.shape[1]:
        raise MeasurementError(
            "Lin's adjustment needs covariates that vary in both arms and more units than columns"
        )
    inverse = np.linalg.inv(design.T @ design)
    found = inverse @ design.T @ y
    leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
    weight = (y - design @ found) ** 2 / np.maximum(1.0 - leverage, 1e-12)
    covariance = inverse @ (design.T * weight) @ design @ inverse
    control_noise, difference_noise = float(covariance[0, 0]), float(covariance[1, 1])
    shared = float(covariance[0, 1]) + control_noise
    treated_noise = difference_noise + 2 * float(covariance[0, 1]) + control_noise
    return arm_difference(
        (float(found[0] + found[1]), float(found[0])),
        (treated_noise, control_noise, shared),
        float(y.size - design.shape[1]),
        alpha,
        "lin",
    )


def _checked(outcome: object, treated: object, before: object) -> tuple[Floats, np.ndarray, Floats]:
    y, x = np.asarray(outcome, dtype=np.float64), np.asarray(before, dtype=np.float64)
    arm = np.asarray(treated).astype(bool)
    x = x[:, None] if x.ndim == 1 else x
    if y.ndim != 1 or arm.shape != y.shape or x.shape[0] != y.size:
        raise MeasurementError(
            f"outcome, treated and before must have one entry per unit; they have {y.size}, {arm.size}, {x.shape[0]}"
        )
    if not (np.isfinite(y).all() and np.isfinite(x).all()):
        raise MeasurementError("outcomes and covariates must be finite; fill or leave out units that are not")
    if min(int(arm.sum()), int((~arm).sum())) < FEWEST_UNITS_PER_ARM:
        raise MeasurementError(
            f"each arm needs {FEWEST_UNITS_PER_ARM} units; there are {int(arm.sum())} treated"
        )
    if (x.std(axis=0) == 0).any() or y.std() == 0:
        raise MeasurementError(
            "the outcome or a covariate is the same for every unit; there is nothing to adjust"
        )
    return y, arm, x
