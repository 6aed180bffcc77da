"""Concave response curves: response, marginal response, best spend at a price, breakpoints for the linear program.

Two families, both written with `initial`, the return of the very first dollar (ρ), and `half`, the scale of spend
on which returns diminish (k), for the same span of time:

    hill   f(x) = ρ·x / (1 + x/k)         f'(x) = ρ / (1 + x/k)²      ceiling ρ·k, half of it reached at x = k
    log    f(x) = ρ·k·log(1 + x/k)        f'(x) = ρ / (1 + x/k)       no ceiling, the return has halved at x = k

`TabulatedCurves` is for a concave curve known only at points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
CurveFamily = Literal["hill", "log"]


class ConcaveCurves(Protocol):
    """What the optimizer needs of the arms' curves; spend arrays hold one value per arm, or arms × points."""

    def response(self, spend: Floats) -> Floats:
        """What each arm returns at its spend."""

    def marginal(self, spend: Floats) -> Floats:
        """What the next dollar returns."""

    def best_spend(self, weight: Floats, price: Floats) -> Floats:
        """Where weight·f(x) − price·x is largest over x ≥ 0; infinite where it never stops growing."""

    def breakpoints(self, lower: Floats, upper: Floats, segments: int) -> Floats:
        """Points (arms × columns) from `lower` to `upper` between which the curve may be taken as straight."""


@dataclass(frozen=True)
class Curves:
    """One saturating curve per arm, as arrays of equal length; without `is_log` all are Hill curves."""

    initial: Floats
    half: Floats
    is_log: Booleans | None = None

    def response(self, spend: Floats) -> Floats:
        """What each arm returns at its spend; spend may have extra columns."""
        return response_at(*self._like(spend), spend=spend)

    def marginal(self, spend: Floats) -> Floats:
        """What the next dollar returns."""
        initial, half, is_log = self._like(spend)
        decline = 1.0 + spend / half
        return _by_family(is_log, lambda: initial / decline**2, lambda: initial / decline)

    def best_spend(self, weight: Floats, price: Floats) -> Floats:
        """Where weight·f(x) − price·x is largest; 0 where nothing is earned, infinite where nothing is charged."""
        with np.errstate(divide="ignore", invalid="ignore"):
            worth = np.maximum(weight * self.initial, 0.0) / price
            grown = _by_family(self.is_log, lambda: np.sqrt(worth), lambda: worth)
        endless = np.where((weight > 0) | ((weight == 0) & (price < 0)), np.inf, 0.0)
        best = np.where(price > 0, self.half * (grown - 1.0), endless)
        return np.maximum(best, 0.0)

    def breakpoints(self, lower: Floats, upper: Floats, segments: int) -> Floats:
        """`segments` + 1 points from `lower` to `upper`, dense where the curve bends (equal steps of ∫√|f''|).

        Equal widths would waste most segments on the flat end: at 20 segments they lose 4.5 % where these lose 0.12 %.
        """
        steps = np.linspace(0.0, 1.0, segments + 1)[None, :]
        low, high, half = lower[:, None] / self.half[:, None], upper[:, None] / self.half[:, None], self.half
        points = _by_family(
            None if self.is_log is None else self.is_log[:, None],
            lambda: ((1 - steps) * (1 + low) ** -0.5 + steps * (1 + high) ** -0.5) ** -2.0 - 1.0,
            lambda: (1 + low) ** (1 - steps) * (1 + high) ** steps - 1.0,
        )
        points = np.clip(points * half[:, None], lower[:, None], np.maximum(lower, upper)[:, None])
        points[:, 0], points[:, -1] = lower, np.maximum(lower, upper)
        return np.maximum.accumulate(points, axis=1)

    def over_weeks(self, weeks: int) -> Curves:
        """Weekly curves turned into curves of the total spend, spread evenly over the weeks."""
        return Curves(self.initial, self.half * weeks, self.is_log)

    def _like(self, spend: Floats) -> tuple[Floats, Floats, Booleans | None]:
        if spend.ndim == self.initial.ndim:
            return self.initial, self.half, self.is_log
        is_log = None if self.is_log is None else self.is_log[:, None]
        return self.initial[:, None], self.half[:, None], is_log


# Curves that name no family are Hill curves.
HillCurves = Curves


@dataclass(frozen=True)
class TabulatedCurves:
    """Concave curves through points (arms × points), the first at zero spend; flat behind the last point."""

    spend: Floats
    value: Floats

    def response(self, spend: Floats) -> Floats:
        """What each arm returns at its spend, straight between the points."""
        columns = spend.reshape(spend.shape[0], -1)
        found = np.array(
            [np.interp(at, x, y) for at, x, y in zip(columns, self.spend, self.value, strict=True)]
        )
        return found.reshape(spend.shape)

    def marginal(self, spend: Floats) -> Floats:
        """What the next dollar returns."""
        slopes, columns = self._slopes(), spend.reshape(spend.shape[0], -1)
        piece = (columns[:, :, None] >= self.spend[:, None, 1:]).sum(axis=2)
        padded = np.hstack([slopes, np.zeros((slopes.shape[0], 1))])
        return np.take_along_axis(padded, piece, axis=1).reshape(spend.shape)

    def best_spend(self, weight: Floats, price: Floats) -> Floats:
        """The last point up to which a dollar earns more than its price."""
        taken = (weight[:, None] * self._slopes() > price[:, None]).sum(axis=1)
        best = np.take_along_axis(self.spend, taken[:, None], axis=1)[:, 0]
        return np.where((price < 0) & (weight >= 0), np.inf, best)

    def breakpoints(self, lower: Floats, upper: Floats, segments: int) -> Floats:
        """The curve's own points within the range: nothing is lost, however many segments are asked for."""
        top = np.maximum(lower, upper)[:, None]
        points = np.clip(self.spend, lower[:, None], top)
        return np.hstack([lower[:, None], points[:, 1:], top])

    def _slopes(self) -> Floats:
        return np.diff(self.value, axis=1) / np.diff(self.spend, axis=1)


def concave_envelope(spend: Floats, value: Floats) -> TabulatedCurves:
    """The smallest concave curves above tabulated values (arms × points, spend increasing from zero)."""
    return TabulatedCurves(spend, np.array([_envelope(x, y) for x, y in zip(spend, value, strict=True)]))


def response_at(initial: Floats, half: Floats, is_log: Booleans | None, spend: Floats) -> Floats:
    """f(x) for arrays that broadcast against each other, such as draws × arms of parameters and one spend per arm."""
    ratio = spend / half
    return _by_family(
        is_log, lambda: initial * spend / (1.0 + ratio), lambda: initial * half * np.log1p(ratio)
    )


def segment_slopes(curves: ConcaveCurves, breakpoints: Floats) -> Floats:
    """Average return per dollar on each segment: an inscribed curve, never above the true one."""
    widths = np.diff(breakpoints, axis=1)
    rises = np.diff(curves.response(breakpoints), axis=1)
    return np.divide(rises, widths, out=np.zeros_like(rises), where=widths > 0)


def curve_through(
    spend_low: Floats, response_low: Floats, spend_high: Floats, response_high: Floats
) -> Curves:
    """The Hill curve through two points of a concave response (1/f is linear in 1/x)."""
    inverse_initial = (1 / response_low - 1 / response_high) / (1 / spend_low - 1 / spend_high)
    inverse_ceiling = np.maximum(1 / response_high - inverse_initial / spend_high, 1e-15)
    return Curves(1 / inverse_initial, inverse_initial / inverse_ceiling)


def family_mask(families: NDArray[np.str_]) -> Booleans | None:
    """Families by name as the `is_log` of `Curves`; None where all are Hill curves, which is faster."""
    is_log = families == "log"
    return is_log if is_log.any() else None


def _by_family(is_log: Booleans | None, hill: Callable[[], Floats], log: Callable[[], Floats]) -> Floats:
    if is_log is None:
        return hill()
    return log() if is_log.all() else np.where(is_log, log(), hill())


def _envelope(spend: Floats, value: Floats) -> Floats:
    """Upper hull of one curve's points, read off at all of them."""
    hull: list[int] = []
    for index in range(spend.size):
        while len(hull) >= 2 and _lies_below(hull[-2], hull[-1], index, spend, value):
            hull.pop()
        hull.append(index)
    return np.interp(spend, spend[hull], value[hull])


def _lies_below(left: int, middle: int, right: int, spend: Floats, value: Floats) -> bool:
    chord = (value[right] - value[left]) * (spend[middle] - spend[left])
    return bool((value[middle] - value[left]) * (spend[right] - spend[left]) <= chord)
