"""What another policy would have earned, from logged exploration: IPS, SNIPS and doubly robust, or a refusal.

With w = π(new) / π(logged) of every logged choice: IPS = mean(wY), SNIPS = Σ wY / Σ w,
DR = mean(model's value under the new policy + w (Y − model's value of what was shown)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from rmn_pipeline.measurement.arrays import Floats
from rmn_pipeline.measurement.errors import MeasurementError

Estimator = Literal["ips", "snips", "dr"]
SMALLEST_EFFECTIVE_SIZE = 100.0
# The mean weight is 1 in expectation; beyond this many of its standard errors, or this far, propensities are wrong.
MEAN_WEIGHT_ERRORS = 4.0
MEAN_WEIGHT_TOLERANCE = 0.2
LARGEST_WEIGHT_SHARE = 0.1


@dataclass(frozen=True)
class PolicyValue:
    """Value per decision of the new policy, by one estimator, with a normal interval."""

    estimator: Estimator
    value: float
    low: float
    high: float
    standard_error: float


@dataclass(frozen=True)
class OffPolicyResult:
    """Estimates, or none and the reasons. Diagnostics are always there.

    `effective_size` is (Σw)²/Σw²; `mean_weight` should be near 1; `largest_weight_share` is the heaviest row's part.
    """

    estimates: tuple[PolicyValue, ...]
    refused_because: tuple[str, ...]
    rows: int
    effective_size: float
    mean_weight: float
    largest_weight_share: float
    smallest_propensity: float

    def value_of(self, estimator: Estimator) -> PolicyValue:
        """One estimator's value.

        Raises:
            MeasurementError: the evaluation was refused, or DR was not asked for by giving a model.
        """
        for one in self.estimates:
            if one.estimator == estimator:
                return one
        because = "; ".join(self.refused_because) or "no reward model was given"
        raise MeasurementError(f"no {estimator} estimate: {because}")


def off_policy_value(
    reward: Sequence[float] | Floats,
    logged_propensity: Sequence[float] | Floats,
    new_propensity: Sequence[float] | Floats,
    *,
    model_logged: Floats | None = None,
    model_new: Floats | None = None,
    smallest_effective_size: float = SMALLEST_EFFECTIVE_SIZE,
    alpha: float = 0.05,
) -> OffPolicyResult:
    """Evaluate a policy on a log of choices.

    Args:
        reward: what each logged choice brought.
        logged_propensity: probability with which the choice was made, in (0, 1].
        new_propensity: probability with which the new policy would make it.
        model_logged: a model's expected reward of the logged choice, for DR (best fitted on other rows).
        model_new: the model's expected reward of the new policy in the same situation.
        smallest_effective_size: refuse below this effective sample size.
        alpha: one minus the level of the intervals.

    Raises:
        MeasurementError: lengths differ, or a propensity is outside its range.
    """
    y, logged, new = (
        np.asarray(values, dtype=np.float64) for values in (reward, logged_propensity, new_propensity)
    )
    _check(y, logged, new)
    weight = new / logged
    total, squares = float(weight.sum()), float((weight**2).sum())
    effective = total**2 / squares if squares > 0 else 0.0
    heaviest = float(weight.max()) / total if total > 0 else 1.0
    refused = _refusals(weight, effective, heaviest, smallest_effective_size)
    estimates: list[PolicyValue] = []
    if not refused:
        estimates = [_normal("ips", weight * y, alpha), _snips(weight, y, alpha)]
        if model_logged is not None and model_new is not None:
            estimates.append(_normal("dr", model_new + weight * (y - model_logged), alpha))
    return OffPolicyResult(
        tuple(estimates), refused, y.size, effective, float(weight.mean()), heaviest, float(logged.min())
    )


def _refusals(weight: Floats, effective: float, heaviest: float, smallest: float) -> tuple[str, ...]:
    found = []
    if effective < smallest:
        found.append(
            f"the effective sample size is {effective:.0f} of {weight.size} rows, below {smallest:.0f}: log more "
            f"exploration of what the new policy would do"
        )
    error = float(weight.std() / np.sqrt(weight.size))
    off = abs(float(weight.mean()) - 1.0)
    if off > max(MEAN_WEIGHT_ERRORS * error, MEAN_WEIGHT_TOLERANCE):
        found.append(f"the mean weight is {weight.mean():.2f} instead of 1: logged propensities are wrong")
    if heaviest > LARGEST_WEIGHT_SHARE:
        found.append(f"one row carries {heaviest:.0%} of all weight")
    return tuple(found)


def _normal(estimator: Estimator, terms: Floats, alpha: float) -> PolicyValue:
    error = float(terms.std(ddof=1) / np.sqrt(terms.size))
    return _with_interval(estimator, float(terms.mean()), error, alpha)


def _snips(weight: Floats, y: Floats, alpha: float) -> PolicyValue:
    value = float((weight * y).sum() / weight.sum())
    linear = weight * (y - value) / weight.mean()
    return _with_interval("snips", value, float(linear.std(ddof=1) / np.sqrt(y.size)), alpha)


def _with_interval(estimator: Estimator, value: float, error: float, alpha: float) -> PolicyValue:
    half = float(stats.norm.isf(alpha / 2)) * error
    return PolicyValue(estimator, value, value - half, value + half, error)


def _check(y: Floats, logged: Floats, new: Floats) -> None:
    if not y.shape == logged.shape == new.shape or y.ndim != 1 or y.size < 2:
        raise MeasurementError(
            f"rewards and propensities need one entry per logged row, at least 2; "
            f"got {y.size}, {logged.size}, {new.size}"
        )
    if not ((logged > 0) & (logged <= 1)).all():
        raise MeasurementError(
            "a logged propensity is not in (0, 1]; a choice that was made had a chance to be made"
        )
    if not ((new >= 0) & (new <= 1)).all() or not np.isfinite(y).all():
        raise MeasurementError("new propensities must lie in [0, 1] and rewards be finite")
