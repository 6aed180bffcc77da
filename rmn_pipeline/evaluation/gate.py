"""The promotion gate: whether an adapter may become its name's champion. A pure decision on figures."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict


@dataclass(frozen=True)
class GateSettings:
    """What a new champion must keep to.

    Args:
        epsilon: how much worse than the champion's score it may be.
        minimal_retention: what must be left of the parents' score on replayed rows.
        minimal_replay_rows: with fewer replayed rows retention is shown, but decides nothing.
    """

    epsilon: float = 0.02
    minimal_retention: float = 0.8
    minimal_replay_rows: int = 12


class GateDecision(BaseModel):
    """Whether the adapter is promoted; reasons say what stands against it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    passed: bool
    reasons: tuple[str, ...]


def decide(
    *,
    score: float,
    chance: float,
    champion_score: float | None = None,
    retention: float | None = None,
    replay_rows: int = 0,
    settings: GateSettings | None = None,
) -> GateDecision:
    """Decide on a promotion: better than chance, no worse than the champion, parents' knowledge kept."""
    limits = settings or GateSettings()
    reasons: list[str] = []
    if score <= chance:
        reasons.append(f"score {score:.3f} does not beat chance ({chance:.3f})")
    if champion_score is not None and score < champion_score - limits.epsilon:
        reasons.append(
            f"score {score:.3f} is below the champion's {champion_score:.3f} by more than {limits.epsilon}"
        )
    measured = retention is not None and replay_rows >= limits.minimal_replay_rows
    if measured and retention is not None and retention < limits.minimal_retention:
        reasons.append(
            f"retention {retention:.2f} on {replay_rows} rows of the parents' tasks is below "
            f"{limits.minimal_retention}"
        )
    return GateDecision(passed=not reasons, reasons=tuple(reasons))
