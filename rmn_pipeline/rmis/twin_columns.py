"""Columns of a report that tell one amount twice: twins, the same in another scale or currency, sums of parts.

Whoever adds such columns counts money twice. A mapping may list twins as aliases of one field; it must not read two
fields from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from rmn_pipeline.rmis.column_likeness import name_words
from rmn_pipeline.rmis.detectors import Anomaly, AnomalySeverity
from rmn_pipeline.rmis.detectors.evidence import METRICS
from rmn_pipeline.rmis.detectors.series import robust_sigma
from rmn_pipeline.rmis.report_profile import Floats, NumberTable

_FACTORS = (10.0, 100.0, 1000.0, 1e4, 1e5, 1e6)
# Reports hold faults: one sampled row in fifty may break what the others keep.
_HOLDING_SHARE = 0.98
# Fewer rows, or fewer different values, agree by chance.
_LEAST_ROWS = 20
_LEAST_DISTINCT = 5
_MOST_PARTS = 3
_MOST_COLUMNS = 60
_PROBE_ROWS = 48
# Sums of money that was rounded part by part.
_ROUNDING = 0.011
_CURRENCY_WORDS = frozenset(
    {"usd", "eur", "gbp", "cad", "aud", "mxn", "brl", "jpy", "inr", "chf", "sek", "pln"}
    | {"local", "account", "billing", "native", "original", "converted", "currency"}
)
_STEADY_RATE = 0.05


@dataclass(frozen=True)
class Twins:
    """Two columns that hold one amount: `right` is `factor` times `left`.

    Args:
        everywhere: in every row of the report; else in nearly every sampled one.
    """

    left: str
    right: str
    factor: float
    everywhere: bool
    is_currency: bool = False


@dataclass(frozen=True)
class SumOfParts:
    """A column that is the sum of others."""

    total: str
    parts: tuple[str, ...]


def find_twins(numbers: NumberTable) -> list[Twins]:
    """All pairs of columns that hold one amount, also in another scale or currency."""
    usable = _usable_columns(numbers)
    found: list[Twins] = []
    for left, right in combinations(usable, 2):
        twins = _twins(numbers, left, right)
        if twins is not None:
            found.append(twins)
    return found


def _usable_columns(numbers: NumberTable) -> list[int]:
    """Columns with enough different values that agreeing means something."""
    usable = []
    for index in range(len(numbers.names)):
        given = numbers.sample[:, index]
        given = given[np.isfinite(given) & (given != 0)]
        if len(given) >= _LEAST_ROWS and len(np.unique(given)) >= _LEAST_DISTINCT:
            usable.append(index)
    return usable[:_MOST_COLUMNS]


def _twins(numbers: NumberTable, left: int, right: int) -> Twins | None:
    first, second = _filled(numbers, left), _filled(numbers, right)
    if _agree(first, second, 0.0):
        same = np.allclose(numbers.projections[left], numbers.projections[right], rtol=1e-9, atol=1e-6)
        return Twins(numbers.names[left], numbers.names[right], 1.0, bool(same))
    for factor in _FACTORS:
        if _agree(first * factor, second, factor * _ROUNDING / 2):
            return Twins(numbers.names[left], numbers.names[right], factor, False)
        if _agree(second * factor, first, factor * _ROUNDING / 2):
            return Twins(numbers.names[right], numbers.names[left], factor, False)
    return _currency_twins(numbers, left, right)


def _filled(numbers: NumberTable, column: int) -> Floats:
    return np.nan_to_num(numbers.sample[:, column])


def _agree(first: Floats, second: Floats, tolerance: float) -> bool:
    """Whether two columns are equal where they say something, and say it with more than rounding."""
    says = (first != 0) | (second != 0)
    if says.sum() < _LEAST_ROWS:
        return False
    one, other = first[says], second[says]
    near = np.abs(one - other) <= tolerance + 1e-9 * np.abs(one)
    # A tolerance as large as the values would make everything agree.
    telling = np.maximum(np.abs(one), np.abs(other)) > 20 * tolerance
    return bool(near.mean() >= _HOLDING_SHARE and telling.sum() >= _LEAST_ROWS)


def _currency_twins(numbers: NumberTable, left: int, right: int) -> Twins | None:
    """Two columns in a steady ratio whose names differ in the currency only."""
    names = numbers.names[left], numbers.names[right]
    words = [set(name_words(name)) for name in names]
    if not (words[0] ^ words[1]) or not (words[0] ^ words[1]) <= _CURRENCY_WORDS:
        return None
    first, second = _filled(numbers, left), _filled(numbers, right)
    both = (first > 0) & (second > 0)
    if both.sum() < _LEAST_ROWS:
        return None
    rate = np.log(second[both] / first[both])
    if robust_sigma(rate) > _STEADY_RATE:
        return None
    return Twins(*names, float(np.exp(np.median(rate))), False, is_currency=True)


def find_sums(numbers: NumberTable, twins: Sequence[Twins]) -> list[SumOfParts]:
    """Columns that are the sum of two or three others in nearly every row; of twins, one stands for both."""
    again = {pair.right for pair in twins if pair.factor == 1.0}
    columns = [index for index in _usable_columns(numbers) if numbers.names[index] not in again]
    found: list[SumOfParts] = []
    for count in range(2, _MOST_PARTS + 1):
        for parts in combinations(columns, count):
            if _windows(numbers, parts[:1]) == _windows(numbers, parts):
                found += _sums_of(numbers, columns, parts, found)
    return found


def _windows(numbers: NumberTable, columns: Sequence[int]) -> set[tuple[str, ...]]:
    """The attribution windows in the names: 7d and 14d add up by accident only."""
    return {tuple(re.findall(r"\d+", numbers.names[column])) for column in columns}


def _sums_of(
    numbers: NumberTable, columns: Sequence[int], parts: tuple[int, ...], known: Sequence[SumOfParts]
) -> list[SumOfParts]:
    """The columns of the same window that these parts add up to, unless sums that are known already say so."""
    names = tuple(numbers.names[part] for part in parts)
    totals = [
        at
        for at in _totals_of(numbers, columns, parts)
        if _windows(numbers, (at,)) == _windows(numbers, parts)
    ]
    sums = [SumOfParts(numbers.names[total], names) for total in totals]
    return [item for item in sums if not _is_implied(item, known)]


def _is_implied(item: SumOfParts, known: Sequence[SumOfParts]) -> bool:
    """Whether two known sums give this one: t = a + r and r = b + c make t = a + b + c."""
    wanted = set(item.parts)
    for outer in known:
        for inner in known if outer.total == item.total else ():
            if inner.total in outer.parts and (set(outer.parts) - {inner.total}) | set(inner.parts) == wanted:
                return True
    return False


def _totals_of(numbers: NumberTable, columns: Sequence[int], parts: tuple[int, ...]) -> list[int]:
    """The columns that these parts add up to."""
    probe = numbers.sample[:_PROBE_ROWS]
    wanted = np.nan_to_num(probe[:, parts]).sum(axis=1)
    tolerance = _ROUNDING * len(parts)
    near = np.abs(np.nan_to_num(probe[:, columns]) - wanted[:, None]) <= tolerance
    likely = np.flatnonzero(near.mean(axis=0) >= _HOLDING_SHARE - 2 / max(len(probe), 1)).tolist()
    return [
        columns[at] for at in likely if columns[at] not in parts and _adds_up(numbers, columns[at], parts)
    ]


def _adds_up(numbers: NumberTable, total: int, parts: tuple[int, ...]) -> bool:
    whole = _filled(numbers, total)
    pieces = np.column_stack([_filled(numbers, part) for part in parts])
    near = np.abs(whole - pieces.sum(axis=1)) <= _ROUNDING * len(parts)
    # Every part must matter: x = x + 0 is no sum, and neither is a number that is smaller than its rounding.
    matters = (np.abs(pieces) > 2 * _ROUNDING).sum(axis=0) >= _LEAST_ROWS
    together = ((np.abs(pieces) > 2 * _ROUNDING).sum(axis=1) >= 2).sum() >= _LEAST_ROWS
    return bool(near[whole != 0].mean() >= _HOLDING_SHARE and matters.all() and together)


def twin_findings(
    twins: Sequence[Twins], sums: Sequence[SumOfParts], fields: Mapping[str, str]
) -> Iterator[Anomaly]:
    """Findings about twins and sums, against what a mapping reads.

    Args:
        fields: raw column to the field that a mapping reads from it, such as `Mapping.column_map`.
    """
    for pair in twins:
        yield _told_twins(pair, fields)
    for item in sums:
        yield Anomaly(
            f"sum_of_parts.{item.total}",
            "info",
            f"{item.total} = {' + '.join(item.parts)} in at least {_HOLDING_SHARE:.0%} of the rows: never add them up",
        )


def _told_twins(pair: Twins, fields: Mapping[str, str]) -> Anomaly:
    read = [fields.get(pair.left), fields.get(pair.right)]
    clash = None not in read and read[0] != read[1] and set(read) <= set(METRICS)
    severity: AnomalySeverity = "error" if clash else "info"
    code = "currency_twins" if pair.is_currency else "twin_columns" if pair.factor == 1 else "scaled_twins"
    return Anomaly(f"{code}.{pair.left}", severity, f"{_relation(pair)}; {_use(pair, read, clash)}")


def _relation(pair: Twins) -> str:
    if pair.is_currency:
        return f"{pair.right} is {pair.left} in another currency (rate about {pair.factor:.4g})"
    where = "every row" if pair.everywhere else f"at least {_HOLDING_SHARE:.0%} of the rows"
    if pair.factor == 1:
        return f"{pair.left} and {pair.right} are equal in {where}"
    return f"{pair.right} is {pair.factor:,.0f} times {pair.left} in {where}"


def _use(pair: Twins, read: list[str | None], clash: bool) -> str:
    if clash:
        return f"but the mapping reads {read[0]} from one and {read[1]} from the other: one of them must be wrong"
    if read[0] is not None and read[0] == read[1]:
        return f"the mapping lists both for {read[0]}, and uses the first that is there"
    used = [f"{name} is {field}" for name, field in zip((pair.left, pair.right), read, strict=True) if field]
    return f"{' and '.join(used) or 'the mapping reads neither'}; never add them up"
