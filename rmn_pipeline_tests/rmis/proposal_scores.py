"""How proposals are scored: precision and recall over columns, against a truth table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rmn_pipeline.rmis import MappingProposal


@dataclass(frozen=True)
class Score:
    """Micro counts over the columns of one header set.

    right: the column's proposed target is the truth's, and not None. proposed: columns with any proposed target.
    wanted: columns with any target in the truth. A wrong target therefore costs precision and recall.
    """

    right: int
    proposed: int
    wanted: int
    errors: tuple[str, ...]

    @property
    def f1(self) -> float:
        return 2 * self.right / (self.proposed + self.wanted)


def score(proposed: Mapping[str, str | None], truth: Mapping[str, str | None]) -> Score:
    """The score of a proposal; both tables must speak about the same columns."""
    assert list(proposed) == list(truth)
    return Score(
        right=sum(target is not None and proposed[column] == target for column, target in truth.items()),
        proposed=sum(target is not None for target in proposed.values()),
        wanted=sum(target is not None for target in truth.values()),
        errors=tuple(
            f"{column!r}: {proposed[column]} instead of {target}"
            for column, target in truth.items()
            if proposed[column] != target
        ),
    )


def with_keys(proposal: MappingProposal) -> dict[str, str | None]:
    """Keys counted like any other target, for the strictest reading: the truth tables know no campaign_id."""
    return {column: proposal.keys.get(column, target) for column, target in proposal.columns.items()}


def mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return sum(numbers) / len(numbers)


@dataclass(frozen=True)
class Bin:
    """Columns whose confidence lies in one range: how sure the proposals were, and how often they were right."""

    low: float
    columns: int
    confidence: float
    right: float


def reliability(points: Iterable[tuple[float, bool]], edges: tuple[float, ...]) -> list[Bin]:
    """One bin for each range that holds a column; `points` are (confidence, was it right)."""
    pairs = list(points)
    bins = []
    for low, high in zip(edges, (*edges[1:], 1.01), strict=True):
        inside = [(sure, right) for sure, right in pairs if low <= sure < high]
        if inside:
            bins.append(
                Bin(low, len(inside), mean(sure for sure, _ in inside), mean(right for _, right in inside))
            )
    return bins
