"""What one attack found, and the statistics that attacks share."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: The auditor's bounds hold with this confidence, one side each.
CONFIDENCE = 0.99
#: Slack over a theoretical rate, in standard errors.
SLACK_SIGMAS = 3.0


@dataclass(frozen=True)
class AttackResult:
    """One attack, on an unprotected control and on the real room.

    `control_success` and `protected_success` are the same measure on both. An attack whose control fails has shown
    nothing: `control_passed` must hold before `passed` means anything.
    """

    name: str
    what: str
    #: What the two success figures measure.
    measure: str
    control_success: float
    protected_success: float
    #: What has to hold of the protected figure, in words, and the largest value that passes.
    pass_line: str
    limit: float
    passed: bool
    control_passed: bool
    sizes: Mapping[str, Any]
    seconds: float = 0.0
    #: Further figures that the report prints.
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """The attack works on the control and does not work on the room."""
        return self.passed and self.control_passed


def clocked(attack: Callable[[], AttackResult]) -> AttackResult:
    """Run an attack and note how long it took."""
    from dataclasses import replace

    start = time.perf_counter()
    return replace(attack(), seconds=round(time.perf_counter() - start, 2))


def best_accuracy(epsilon: float) -> float:
    """The most that anyone can guess right about one privacy unit from one answer at ε: e^ε / (1 + e^ε)."""
    return 1.0 / (1.0 + math.exp(-epsilon))


def slack(rate: float, trials: int) -> float:
    """How far a measured rate may lie above its expectation by chance."""
    return SLACK_SIGMAS * math.sqrt(rate * (1.0 - rate) / trials)


def rate_bounds(hits: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Clopper and Pearson's lower and upper bound of a rate, each at this confidence."""
    from scipy.stats import beta

    tail = 1.0 - confidence
    low = 0.0 if hits == 0 else float(beta.ppf(tail, hits, trials - hits + 1))
    high = 1.0 if hits == trials else float(beta.ppf(1.0 - tail, hits + 1, trials - hits))
    return low, high


def epsilon_lower_bound(hits: int, other_hits: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """The ε that an event's rates on two neighbouring data sets prove at least, in either direction.

    Args:
        hits: how often the event occurred on the one data set.
        other_hits: how often on the other.
        trials: draws from each.
        confidence: of the bound as a whole; each rate gets half of the risk.
    """
    each = 1.0 - (1.0 - confidence) / 2.0
    low, high = rate_bounds(hits, trials, each)
    other_low, other_high = rate_bounds(other_hits, trials, each)
    ratios = [low / other_high, other_low / high]
    return max([0.0, *(math.log(ratio) for ratio in ratios if ratio > 0.0)])
