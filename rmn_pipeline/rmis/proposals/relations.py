"""What the numbers of a report say about one another: rates that are quotients, totals that are sums, twins.

Identities reveal meaning where words do not: a column that is called a click rate names, by the two columns whose
quotient it is, the clicks and the impressions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rmn_pipeline.rmis.proposals.notation import Floats
from rmn_pipeline.rmis.proposals.profiles import ColumnProfile

_MOST_ROWS = 200
_MOST_COLUMNS = 80
_FEWEST_ROWS = 3
_FITTING_SHARE = 0.9
# Reports hold faults: one row in fifty may break what the others keep.
_HOLDING_SHARE = 0.98
# Amounts are rounded before and after they are converted.
_SAME_FACTOR = 0.02
# A rounded rate fits many quotients; one that is known to less than this is no evidence.
_COARSEST = 0.05
# Which measures a rate is made of: numerator, denominator.
RATE_PARTS: dict[str, tuple[str, str]] = {
    "ctr": ("clicks", "impressions"),
    "cpc": ("cost", "clicks"),
    "cpm": ("cost", "impressions"),
    "roas": ("revenue", "cost"),
    "acos": ("cost", "revenue"),
    "cpo": ("cost", "conversions"),
    "cvr": ("conversions", "clicks"),
    "aov": ("revenue", "conversions"),
}
# A rate is written as fraction, percent, per mille, or in micros.
_FACTORS = (1.0, 100.0, 1000.0, 1e6)


@dataclass(frozen=True)
class RateIdentity:
    """A column is the quotient of two others, in every row."""

    rate: int
    kind: str
    numerator: int
    denominator: int


@dataclass(frozen=True)
class Numbers:
    """The number columns of a report as one matrix: rows × columns, with their places in the report."""

    matrix: Floats
    places: tuple[int, ...]

    def column(self, place: int) -> Floats | None:
        """The numbers of one report column, if it has numbers."""
        return self.matrix[:, self.places.index(place)] if place in self.places else None


def number_matrix(profiles: Sequence[ColumnProfile]) -> Numbers:
    """The first rows of every number column that varies."""
    places = [
        place
        for place, profile in enumerate(profiles)
        if profile.numbers is not None and not profile.is_constant and profile.uuid_share == 0
    ][:_MOST_COLUMNS]
    if not places:
        return Numbers(np.empty((0, 0)), ())
    columns = [profiles[place].numbers[:_MOST_ROWS] for place in places]  # type: ignore[index]
    return Numbers(np.column_stack(columns), tuple(places))


def _resolution(values: Floats) -> float:
    """The step that a column is written in: 0.01 for two decimals."""
    for decimals in range(7):
        step = 10.0**-decimals
        if np.all(
            np.abs(values / step - np.round(values / step)) < 1e-6 * np.maximum(1.0, np.abs(values / step))
        ):
            return step
    return 1e-7


def _quotients(numbers: Numbers, rate: Floats) -> list[tuple[int, int]]:
    """Pairs of columns whose quotient is `rate` in nearly every row where it can be taken."""
    given = np.isfinite(rate) & (rate != 0)
    if np.unique(rate[given]).size < _FEWEST_ROWS:
        return []
    rows, wanted = numbers.matrix[given], rate[given]
    step = _resolution(wanted)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        quotient = rows[:, :, None] / rows[:, None, :]
    pairs: list[tuple[int, int]] = []
    for factor in _FACTORS:
        # A rate may be rounded or cut off at its last digit.
        tolerance = 1.01 * step + 1e-6 * np.abs(wanted)
        if float(np.median(tolerance / np.abs(wanted))) > _COARSEST:
            break
        near = np.abs(quotient * factor - wanted[:, None, None]) <= tolerance[:, None, None]
        share = near.mean(axis=0)
        pairs += [
            (int(top), int(below)) for top, below in np.argwhere(share >= _FITTING_SHARE) if top != below
        ]
    return pairs


def rate_identities(numbers: Numbers, kinds: dict[int, str]) -> list[RateIdentity]:
    """For every column that is known to be a rate, the columns that it is made of.

    Args:
        kinds: report column to the rate that its header names.
    """
    found = []
    for place, kind in kinds.items():
        rate = numbers.column(place)
        if rate is None or kind not in RATE_PARTS:
            continue
        for top, below in _quotients(numbers, rate):
            numerator, denominator = numbers.places[top], numbers.places[below]
            if place not in (numerator, denominator):
                found.append(RateIdentity(place, kind, numerator, denominator))
    return found


def twins(numbers: Numbers) -> list[tuple[int, int]]:
    """Pairs of columns that hold the same numbers, row by row."""
    pairs = []
    for left in range(len(numbers.places)):
        for right in range(left + 1, len(numbers.places)):
            first, second = numbers.matrix[:, left], numbers.matrix[:, right]
            both = np.isfinite(first) & np.isfinite(second)
            same = first[both] == second[both]
            if np.unique(first[both]).size >= _FEWEST_ROWS and same.mean() >= _HOLDING_SHARE:
                pairs.append((numbers.places[left], numbers.places[right]))
    return pairs


def is_at_most(numbers: Numbers, smaller: int, larger: int) -> bool | None:
    """Whether one column never exceeds another, corrections aside; None where they cannot be compared."""
    first, second = numbers.column(smaller), numbers.column(larger)
    if first is None or second is None:
        return None
    both = (first >= 0) & (second >= 0)
    if both.sum() < _FEWEST_ROWS:
        return None
    return bool(np.mean(first[both] <= second[both]) >= _HOLDING_SHARE)


def sums(numbers: Numbers) -> dict[int, list[tuple[int, int]]]:
    """Columns that are the sum of two others in every row, with their parts. Twins and zeros make no sum."""
    matrix, found = numbers.matrix, {}
    if matrix.shape[0] < _FEWEST_ROWS:
        return {}
    filled = np.nan_to_num(matrix)
    busy = np.count_nonzero(filled, axis=0) >= _FEWEST_ROWS
    with np.errstate(over="ignore"):
        pair_sums = filled[:, :, None] + filled[:, None, :]
    for place in np.flatnonzero(busy):
        tolerance = 0.02 + 1e-9 * np.abs(filled[:, place])
        with np.errstate(invalid="ignore", over="ignore"):
            near = np.abs(pair_sums - filled[:, place, None, None]) <= tolerance[:, None, None]
        fits = near.mean(axis=0) >= _HOLDING_SHARE
        parts = [
            (numbers.places[left], numbers.places[right])
            for left, right in np.argwhere(fits)
            if left < right and busy[left] and busy[right] and place not in (left, right)
        ]
        if parts:
            found[numbers.places[int(place)]] = parts
    return found


def moves_together(numbers: Numbers, count: int, money: int) -> bool:
    """Whether the money is there exactly where the count is: clicks and their cost, orders and their revenue."""
    first, second = numbers.column(count), numbers.column(money)
    if first is None or second is None:
        return False
    both = np.isfinite(first) & np.isfinite(second)
    if both.sum() < _FEWEST_ROWS:
        return False
    together = np.mean((first[both] > 0) == (second[both] > 0))
    return bool(together >= _HOLDING_SHARE and np.unique(second[both]).size >= _FEWEST_ROWS)


def median_quotient(numbers: Numbers, money: int, count: int) -> float | None:
    """The usual quotient of two columns, over the rows where it can be taken."""
    top, below = numbers.column(money), numbers.column(count)
    if top is None or below is None:
        return None
    usable = np.isfinite(top) & np.isfinite(below) & (below > 0) & (top > 0)
    return float(np.median(top[usable] / below[usable])) if usable.any() else None


def constant_quotient(numbers: Numbers, top: int, below: int) -> float | None:
    """The factor between two columns, where it is the same in every row: one amount in two currencies or units."""
    first, second = numbers.column(top), numbers.column(below)
    if first is None or second is None:
        return None
    usable = np.isfinite(first) & np.isfinite(second) & (first != 0) & (second != 0)
    if np.unique(second[usable]).size < _FEWEST_ROWS:
        return None
    quotients = first[usable] / second[usable]
    middle = float(np.median(quotients))
    return middle if np.mean(np.abs(quotients / middle - 1) < _SAME_FACTOR) >= _HOLDING_SHARE else None
