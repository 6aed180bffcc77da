"""A/B tests over customers: lift, always-valid intervals, guardrails, sample-ratio mismatch, sample size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from rmn_pipeline.measurement.arrays import Floats
from rmn_pipeline.measurement.cuped import (
    FEWEST_UNITS_PER_ARM,
    ArmDifference,
    Effect,
    cuped,
    difference_in_means,
)
from rmn_pipeline.measurement.errors import MeasurementError

# A mismatch this unlikely under the planned split means that the split is broken, not unlucky.
SAMPLE_RATIO_ALPHA = 0.001
Verdict = Literal["harmed", "safe", "unclear"]


@dataclass(frozen=True)
class SampleRatio:
    """Planned against actual split, by the chi-square test."""

    p: float
    treated: int
    control: int
    is_mismatch: bool


@dataclass(frozen=True)
class Guardrail:
    """A metric that must not get worse by more than `tolerance` (relative): harmed, safe, or too early to say."""

    name: str
    relative: Effect
    tolerance: float
    verdict: Verdict


@dataclass(frozen=True)
class AbResult:
    """The read-out. `adjusted` is CUPED's where covariates were given; `sequential` holds at every look.

    `refused_because` is set where the sample ratio is broken: the figures then describe two different populations.
    """

    difference: ArmDifference
    adjusted: ArmDifference | None
    sequential: Effect | None
    sample_ratio: SampleRatio
    guardrails: tuple[Guardrail, ...]
    refused_because: str | None


def ab_test(
    treated: Sequence[float] | Floats,
    control: Sequence[float] | Floats,
    *,
    treated_before: Floats | None = None,
    control_before: Floats | None = None,
    guardrails: Mapping[str, tuple[Floats, Floats, float]] | None = None,
    planned_share: float = 0.5,
    sequential_prior_sd: float | None = None,
    alpha: float = 0.05,
) -> AbResult:
    """Read out an A/B test over units.

    Args:
        treated: outcome per treated unit.
        control: outcome per control unit.
        treated_before: the units' covariate before the test, for CUPED; with `control_before`.
        control_before: the same for control units.
        guardrails: name → (treated values, control values, tolerated relative loss such as 0.02); higher is better.
        planned_share: share of units that was to be treated.
        sequential_prior_sd: effects (in the outcome's unit) that are plausible; asks for the always-valid interval.
        alpha: one minus the level of the intervals. Guardrails share it (Bonferroni).

    Raises:
        MeasurementError: an arm has under 3 units, or numbers are not finite.
    """
    one, other = _arm(treated, "treated"), _arm(control, "control")
    ratio = sample_ratio(one.size, other.size, planned_share)
    difference = difference_in_means(one, other, alpha)
    adjusted = None
    if treated_before is not None and control_before is not None:
        flags = np.repeat([True, False], [one.size, other.size])
        past = np.concatenate([treated_before, control_before])
        adjusted = cuped(np.concatenate([one, other]), flags, past, alpha).pooled
    best = (adjusted or difference).absolute
    rails = guardrails or {}
    return AbResult(
        difference=difference,
        adjusted=adjusted,
        sequential=None
        if sequential_prior_sd is None
        else always_valid(best.estimate, best.standard_error, sequential_prior_sd, alpha),
        sample_ratio=ratio,
        guardrails=tuple(
            _guardrail(name, *values, alpha / max(len(rails), 1)) for name, values in rails.items()
        ),
        refused_because=(
            f"{ratio.treated} treated and {ratio.control} control units are not the planned split of {planned_share:g} "
            f"(p = {ratio.p:.2g}); find what loses units before reading any effect"
            if ratio.is_mismatch
            else None
        ),
    )


def sample_ratio(treated: int, control: int, planned_share: float = 0.5) -> SampleRatio:
    """Chi-square test of the split.

    Raises:
        MeasurementError: the planned share is not between 0 and 1, or there are no units.
    """
    total = treated + control
    if not 0 < planned_share < 1 or total < 1:
        raise MeasurementError(
            f"a split needs units and a share between 0 and 1, not {total} and {planned_share}"
        )
    expected = [total * planned_share, total * (1 - planned_share)]
    p = float(stats.chisquare([treated, control], expected).pvalue)
    return SampleRatio(p, treated, control, p < SAMPLE_RATIO_ALPHA)


def always_valid(estimate: float, standard_error: float, prior_sd: float, alpha: float = 0.05) -> Effect:
    """The mixture sequential test: an interval that covers at all looks together, however often one looks.

    With V the estimate's variance and τ the sd of plausible effects,

        half width = √( V (V + τ²)/τ² · log((V + τ²)/(α² V)) ),
        p = min(1, √((V + τ²)/V) · exp(−d² τ² / (2V (V + τ²)))).

    Valid for normal estimates, so from some hundred units per arm on. A look's p may be carried forward as the
    smallest so far.

    Raises:
        MeasurementError: the prior sd or the standard error is not positive.
    """
    if prior_sd <= 0 or standard_error <= 0:
        raise MeasurementError(
            f"prior sd and standard error must be positive, not {prior_sd:g} and {standard_error:g}"
        )
    variance, prior = standard_error**2, prior_sd**2
    both = variance + prior
    half = float(np.sqrt(variance * both / prior * np.log(both / (alpha**2 * variance))))
    log_p = 0.5 * np.log(both / variance) - estimate**2 * prior / (2 * variance * both)
    return Effect(estimate, standard_error, estimate - half, estimate + half, float(np.exp(min(log_p, 0.0))))


def units_per_arm(
    sd: float, smallest_effect: float, *, alpha: float = 0.05, power: float = 0.8, variance_ratio: float = 1.0
) -> int:
    """Units per arm that a two-sided test needs to find an absolute effect; CUPED's variance ratio shrinks it.

    Raises:
        MeasurementError: the effect is 0 or the sd is not positive.
    """
    if smallest_effect == 0 or sd <= 0:
        raise MeasurementError("a sample size needs a positive sd and an effect other than 0")
    errors = float(stats.norm.isf(alpha / 2) + stats.norm.ppf(power))
    return int(np.ceil(2 * variance_ratio * (sd * errors / smallest_effect) ** 2))


def _guardrail(name: str, treated: Floats, control: Floats, tolerance: float, alpha: float) -> Guardrail:
    relative = difference_in_means(_arm(treated, name), _arm(control, name), alpha).relative
    verdict: Verdict = "unclear"
    if relative.high < -tolerance:
        verdict = "harmed"
    elif relative.low > -tolerance:
        verdict = "safe"
    return Guardrail(name, relative, tolerance, verdict)


def _arm(values: Sequence[float] | Floats, name: str) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or found.size < FEWEST_UNITS_PER_ARM or not np.isfinite(found).all():
        raise MeasurementError(f"'{name}' needs at least {FEWEST_UNITS_PER_ARM} finite numbers, one per unit")
    return found
