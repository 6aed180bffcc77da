"""One decision for the whole report: which column feeds which target, one window, one scope, with a confidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rmn_pipeline.rmis.proposals.evidence import Evidence, Table
from rmn_pipeline.rmis.proposals.meanings import SILENT, Scores
from rmn_pipeline.rmis.proposals.relations import twins
from rmn_pipeline.rmis.proposals.targets import MEASURES, TARGETS

# Measures that are attributed within a window; the others happen on the day itself.
_WINDOWED = ("revenue", "conversions")
# Fourteen days is the default of most networks and the longest that many of them keep stating; a report without a
# window in its headers states its default. Seven and thirty come next, short windows miss most orders.
_WINDOW_PREFERENCE: dict[int | None, float] = {None: 1.0, 14: 1.0, 7: 0.8, 30: 0.7, 28: 0.7, 3: 0.3, 1: 0.2}
_OTHER_WINDOW = 0.5
_WINDOW_MISSING = 1.0
_FORBIDDEN = -100.0
# Set so that among columns with confidence p, about p are right: measured on the tuned reports (see the tests).
_STEEPNESS, _OFFSET = 0.7, 0.4
_MOST_EVIDENCE = 6.0


@dataclass(frozen=True)
class Assignment:
    """Column to target, in report order; None where the fact has no use for the column."""

    targets: tuple[str | None, ...]
    confidence: tuple[float, ...]
    window_days: int | None
    # Columns that could stand in for an assigned one: other windows, other scopes.
    alternatives: dict[str, tuple[int, ...]]


def _matrix(scores: Sequence[Scores], table: Table, window: int | None) -> np.ndarray:
    """Scores of one choice of window: columns of other windows cannot be the measures."""
    matrix = np.array([[row[target] for target in TARGETS] for row in scores])
    for place, reading in enumerate(table.readings):
        for target in _WINDOWED:
            if reading.window_days == window:
                continue
            index = TARGETS.index(target)
            matrix[place, index] = (
                matrix[place, index] - _WINDOW_MISSING if reading.window_days is None else _FORBIDDEN
            )
    return matrix


def _windows(scores: Sequence[Scores], table: Table) -> list[int | None]:
    stated = {
        reading.window_days
        for reading, row in zip(table.readings, scores, strict=True)
        if any(row[target] > 0 for target in _WINDOWED)
    }
    return sorted(stated, key=lambda window: (window is None, window or 0)) or [None]


def _solve(matrix: np.ndarray) -> dict[int, int]:
    """The assignment with the largest sum; what speaks against is never assigned."""
    from scipy.optimize import linear_sum_assignment

    usable = np.maximum(matrix, 0.0)
    columns, targets = linear_sum_assignment(usable, maximize=True)
    return {
        int(column): int(target)
        for column, target in zip(columns, targets, strict=True)
        if matrix[column, target] > 0
    }


def _family_bonus(chosen: dict[int, int], table: Table, window: int | None) -> float:
    members = sum(
        TARGETS[target] in _WINDOWED and table.readings[column].window_days == window
        for column, target in chosen.items()
    )
    return members * _WINDOW_PREFERENCE.get(window, _OTHER_WINDOW)


def _best_family(scores: Sequence[Scores], table: Table) -> tuple[dict[int, int], int | None, np.ndarray]:
    """Tries every window that the report states and keeps the one whose assignment is worth most."""
    best: tuple[float, dict[int, int], int | None, np.ndarray] | None = None
    for window in _windows(scores, table):
        matrix = _matrix(scores, table, window)
        chosen = _solve(matrix)
        worth = sum(matrix[column, target] for column, target in chosen.items())
        worth += _family_bonus(chosen, table, window)
        if best is None or worth > best[0]:
            best = (float(worth), chosen, window, matrix)
    assert best is not None
    return best[1], best[2], best[3]


def _add_twins(targets: list[str | None], table: Table, header: Sequence[Scores]) -> None:
    """One number under two names feeds the same target from either; they are never added."""
    for left, right in twins(table.numbers):
        for known, other in ((left, right), (right, left)):
            target = targets[known]
            if (
                target in MEASURES
                and targets[other] is None
                and _same_name(table, header, known, other, target)
            ):
                targets[other] = target


def _same_name(table: Table, header: Sequence[Scores], known: int, other: int, target: str) -> bool:
    same_window = table.readings[known].window_days == table.readings[other].window_days
    said = header[other][target]
    return same_window and (
        said >= header[known][target] - 1.0 or (said == SILENT and not table.readings[other].is_understood)
    )


def _add_retailer_pair(targets: list[str | None], table: Table, evidence: Evidence) -> None:
    """A retailer's id and its name say the same."""
    if "retailer_id" not in targets:
        return
    known = targets.index("retailer_id")
    for place, reading in enumerate(table.readings):
        by_name = reading.has("name") != table.readings[known].has("name")
        if targets[place] is None and by_name and evidence.scores[place]["retailer_id"] > 0:
            targets[place] = "retailer_id"


def _drop_orphans(targets: list[str | None], evidence: Evidence) -> None:
    """A seller's own code is a second code: alone, it is the product's."""
    if "sku_dim.seller_sku" in targets and "sku_id" not in targets:
        place = targets.index("sku_dim.seller_sku")
        targets[place] = "sku_id" if evidence.scores[place]["sku_id"] > 0 else None


def _probability(evidence: float) -> float:
    return 1.0 / (1.0 + math.exp(-(_STEEPNESS * min(evidence, _MOST_EVIDENCE) + _OFFSET)))


def _standing(place: int, targets: Sequence[str | None], matrix: np.ndarray) -> float:
    """How far a column's target stands above its next best reading, and above the next best column for it."""
    row, target = matrix[place], targets[place]
    owners = {name: other for other, name in enumerate(targets) if name is not None}
    if target is None:
        return min(
            (matrix[owners[name], index] if name in owners else 0.0) - row[index]
            for index, name in enumerate(TARGETS)
        )
    index = TARGETS.index(target)
    rivals = [matrix[other, index] for other in range(len(targets)) if targets[other] is None]
    elsewhere = float(np.delete(row, index).max())
    return float(row[index] - max([0.0, elsewhere, *rivals]))


def _alternatives(
    targets: Sequence[str | None], table: Table, scores: Sequence[Scores]
) -> dict[str, tuple[int, ...]]:
    """For each assigned measure the columns that would fit it in another window or scope."""
    found = {}
    for target in dict.fromkeys(target for target in targets if target is not None):
        others = [
            place
            for place in range(table.width)
            if targets[place] is None
            and not table.readings[place].is_rate
            and _could_be(scores[place], target)
        ]
        if others:
            found[target] = tuple(sorted(others, key=lambda place: -scores[place][target]))
    return found


def _could_be(scores: Scores, target: str) -> bool:
    return scores[target] > -0.5 and scores[target] >= max(scores.values())


def assign(evidence: Evidence, table: Table, header: Sequence[Scores]) -> Assignment:
    """Decides for all columns at once."""
    chosen, window, matrix = _best_family(evidence.scores, table)
    targets: list[str | None] = [None] * table.width
    for column, target in chosen.items():
        targets[column] = TARGETS[target]
    _drop_orphans(targets, evidence)
    _add_twins(targets, table, header)
    _add_retailer_pair(targets, table, evidence)
    return Assignment(
        tuple(targets),
        tuple(round(_probability(_standing(place, targets, matrix)), 3) for place in range(table.width)),
        window,
        _alternatives(targets, table, evidence.scores),
    )
