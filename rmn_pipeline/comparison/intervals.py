"""95 % intervals over replicates: paired by common random numbers, one method for every metric.

Replicate i of every plan meets the same luck, so a difference between two plans is taken inside each
replicate and only then averaged: the luck that both share cancels, and the interval is the paired t interval.

Metrics that are not a mean over replicates (a ratio of totals, 1 − WAPE against the mean outcome, regret as
a share) are handled by the delete-one jackknife: each replicate gets a pseudo-value n·θ − (n−1)·θ₋ᵢ, and
the same t interval is taken over the pseudo-values, centred at θ. For a plain mean the pseudo-values are the
observations themselves, so the two are one method. It needs no random numbers of its own, which keeps a
report reproducible.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rmn_pipeline.comparison.errors import ComparisonError

LEVEL = 0.95
MINIMUM_REPLICATES = 2


@dataclass(frozen=True)
class Replicated:
    """One metric of one plan: its value, and its replicate values (or jackknife pseudo-values)."""

    value: float
    replicate_values: np.ndarray


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval and standard error."""

    value: float
    low: float
    high: float
    standard_error: float


def mean_of(values: np.ndarray) -> Replicated:
    """A metric that is the mean of its per-replicate values."""
    return Replicated(value=float(np.mean(values)), replicate_values=np.asarray(values, dtype=float))


def jackknifed(samples: np.ndarray, functional: Callable[[np.ndarray], np.ndarray]) -> Replicated:
    """A metric that is a function of the mean outcome; `samples` is replicate × component.

    `functional` takes an array whose last axis holds components and returns the array without that axis.
    """
    count = samples.shape[0]
    total = samples.sum(axis=0)
    value = float(functional(total / count))
    left_out = functional((total[None, :] - samples) / (count - 1))
    return Replicated(value=value, replicate_values=count * value - (count - 1) * left_out)


def interval(metric: Replicated) -> Interval:
    """The 95 % t interval of one plan's metric."""
    return _t_interval(metric.value, metric.replicate_values)


def paired_interval(minuend: Replicated, subtrahend: Replicated) -> Interval:
    """The paired 95 % t interval of a difference, taken within each replicate."""
    if minuend.replicate_values.shape != subtrahend.replicate_values.shape:
        raise ComparisonError(
            f"{minuend.replicate_values.size} and {subtrahend.replicate_values.size} replicates cannot be "
            "paired; judge both plans with the same number of replicates"
        )
    return _t_interval(
        minuend.value - subtrahend.value, minuend.replicate_values - subtrahend.replicate_values
    )


def unpaired_half_width(minuend: Replicated, subtrahend: Replicated) -> float:
    """Half the width that the interval would have if the plans had met different luck (Welch)."""
    first, second = interval(minuend), interval(subtrahend)
    variance = first.standard_error**2 + second.standard_error**2
    if variance == 0.0:
        return 0.0
    count = minuend.replicate_values.size
    parts = (first.standard_error**4 + second.standard_error**4) / (count - 1)
    return _t_quantile(variance**2 / parts) * float(np.sqrt(variance))


def _t_interval(value: float, replicate_values: np.ndarray) -> Interval:
    count = replicate_values.size
    if count < MINIMUM_REPLICATES:
        raise ComparisonError(f"{count} replicate(s) give no interval; ask the judge for at least 50")
    standard_error = float(np.std(replicate_values, ddof=1) / np.sqrt(count))
    half_width = _t_quantile(count - 1) * standard_error
    return Interval(value, value - half_width, value + half_width, standard_error)


def _t_quantile(degrees_of_freedom: float) -> float:
    # Imported here: definitions load this module, and scipy takes a noticeable part of a second.
    from scipy.special import stdtrit

    return float(stdtrit(degrees_of_freedom, 0.5 + LEVEL / 2))
