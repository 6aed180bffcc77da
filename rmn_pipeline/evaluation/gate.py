"""The promotion gate: whether an adapter may become its name's champion. A pure decision on figures."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict


@dataclass(frozen=True)
class GateSettings:
    """What a new champion must keep to.

    Args:
        epsilon: how much worse than the champion's score it may be.
        minimal_retention: what must be left of the parents' score on replayed rows.
        certainty: how unlikely the lost rows must be by chance before retention decides anything.
        decisive_rows: with fewer rows than this (smoke profile) a score cannot be told from chance; it then stands
            against a promotion only if so few right answers are unlikely even by chance.
    """

    epsilon: float = 0.05
    minimal_retention: float = 0.8
    certainty: float = 0.95
    decisive_rows: int = 16


@dataclass(frozen=True)
class Retention:
    """What an adapter leaves of its parents' knowledge: rows right with and without it on top."""

    rows: int
    right_before: int
    lost: int
    gained: int

    @property
    def share(self) -> float | None:
        """Rows right with the adapter over rows right without it."""
        if not self.right_before:
            return None
        return (self.right_before - self.lost + self.gained) / self.right_before

    def chance_of_loss(self) -> float:
        """Return how likely at least this many of the changed rows are lost, if losing were as likely as gaining."""
        changed = self.lost + self.gained
        return sum(math.comb(changed, lost) for lost in range(self.lost, changed + 1)) / 2**changed


class GateDecision(BaseModel):
    """Whether the adapter is promoted; reasons say what stands against it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    passed: bool
    reasons: tuple[str, ...]


def decide(
    *,
    score: float,
    chance: float,
    rows: int | None = None,
    champion_score: float | None = None,
    retention: Retention | None = None,
    settings: GateSettings | None = None,
) -> GateDecision:
    """Decide on a promotion: better than chance, no worse than the champion, parents' knowledge kept.

    Retention is measured on few rows, so it stands against a promotion only where the loss is no accident.
    """
    limits = settings or GateSettings()
    reasons: list[str] = []
    if not _beats_chance(score, chance, rows, limits):
        reasons.append(f"score {score:.3f} does not beat chance ({chance:.3f})")
    if champion_score is not None and score < champion_score - limits.epsilon:
        reasons.append(
            f"score {score:.3f} is below the champion's {champion_score:.3f} by more than {limits.epsilon}"
        )
    if retention is not None and _forgets(retention, limits):
        reasons.append(
            f"of {retention.right_before} rows of the parents' tasks that were right without it, {retention.lost} "
            f"are wrong with it ({retention.gained} gained): retention {retention.share:.2f} is below "
            f"{limits.minimal_retention}"
        )
    return GateDecision(passed=not reasons, reasons=tuple(reasons))


def _beats_chance(score: float, chance: float, rows: int | None, limits: GateSettings) -> bool:
    if rows is None or rows >= limits.decisive_rows:
        return score > chance
    so_few = range(round(score * rows) + 1)
    likely = sum(math.comb(rows, right) * chance**right * (1 - chance) ** (rows - right) for right in so_few)
    return likely >= 1 - limits.certainty


def _forgets(retention: Retention, limits: GateSettings) -> bool:
    share = retention.share
    clear = retention.chance_of_loss() < 1 - limits.certainty
    return share is not None and share < limits.minimal_retention and clear
