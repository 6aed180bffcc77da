"""Noise, by OpenDP's proven integer-lattice Laplace mechanism; the room draws none of its own.

Integers in, integers out: no floating-point low bits to read the true value from.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MICRO = 1_000_000


@dataclass(frozen=True)
class NoisyVector:
    """Noisy integers with the scale of their noise."""

    values: list[int]
    scale: float

    @property
    def error95(self) -> float:
        """95 % of the values lie at most this far from the clamped truth."""
        return error_bound_95(self.scale)


def laplace_scale(l1_sensitivity: int, epsilon_micro: int) -> float:
    """The smallest noise scale that OpenDP itself certifies for this sensitivity and ε."""
    epsilon = epsilon_micro / MICRO
    scale = l1_sensitivity / epsilon
    # OpenDP rounds the privacy loss up: step the scale until its own certificate is within the charge.
    while _mechanism(scale).map(l1_sensitivity) > epsilon:
        scale = math.nextafter(scale, math.inf)
    return scale


def add_laplace(values: Sequence[int], l1_sensitivity: int, epsilon_micro: int) -> NoisyVector:
    """Release a vector in which one customer moves at most `l1_sensitivity` in total."""
    scale = laplace_scale(l1_sensitivity, epsilon_micro)
    return NoisyVector(values=list(_mechanism(scale)(list(values))), scale=scale)


def error_bound_95(scale: float) -> float:
    """Distance from the truth that integer Laplace noise of this scale exceeds with probability 5 %."""
    return float(_opendp().discrete_laplacian_scale_to_accuracy(scale=scale, alpha=0.05))


def threshold_margin(scale: float, delta: float) -> float:
    """How far above k a noisy count must be so that a true count below k passes with probability ≤ δ."""
    return scale * math.log(1.0 / (2.0 * delta))


@functools.lru_cache(maxsize=256)
def _mechanism(scale: float) -> Any:
    dp = _opendp()
    # OpenDP's `int` has 32 bits: 2.2 million impressions in thousandths do not fit, and its error quotes the sum.
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l1_distance(T="i64")
    return dp.m.make_laplace(*space, scale=scale)


@functools.cache
def _opendp() -> Any:
    # Over a second to import: whoever only reads policies should not wait for it.
    import opendp.prelude as dp

    dp.enable_features("contrib")
    return dp
