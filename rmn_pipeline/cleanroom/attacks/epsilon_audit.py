"""ε auditor: how much privacy loss do the draws themselves prove?

The release function draws on two data sets that differ in one customer. The event that tells them apart best is chosen
on one half of the draws and bounded on the other (Clopper and Pearson), so the bound is honest. Such an audit
can only ever find fault: the proof that noise fits its ε is OpenDP's, and checked beside it.
"""

from __future__ import annotations

import numpy as np

from rmn_pipeline.cleanroom.attacks.result import AttackResult, epsilon_lower_bound
from rmn_pipeline.cleanroom.noise import add_laplace, laplace_scale
from rmn_pipeline.cleanroom.policy import MICRO, to_micro

EPSILON = 1.0
CUSTOMERS = 1_000


def epsilon_audit(*, draws: int = 1_000_000) -> AttackResult:
    """Audit the noise that the room draws.

    Args:
        draws: from each of the two data sets.
    """
    claimed = to_micro(EPSILON)
    protected = _proven(draws, claimed)
    control = _proven(draws, 2 * claimed)
    slightly = _proven(draws, claimed * 10 // 9)
    scale = laplace_scale(1, claimed)
    return AttackResult(
        name="epsilon_audit",
        what="Draws on two logs that differ in one customer, and the ε that they prove (99 % confidence)",
        measure=f"proven ε, where ε {EPSILON:g} is claimed",
        control_success=control,
        protected_success=protected,
        pass_line="at most the claimed ε",
        limit=EPSILON,
        passed=protected <= EPSILON and scale >= MICRO / claimed,
        control_passed=control > EPSILON,
        sizes={"draws": draws},
        details={
            "control": "noise of half the width",
            "noise 10 % too small: proven ε": slightly,
            "scale that OpenDP certifies": scale,
        },
    )


def _proven(draws: int, epsilon_micro: int) -> float:
    """Lower bound of ε from noise drawn at this ε on counts that differ by one."""
    with_one = np.asarray(add_laplace([CUSTOMERS + 1] * draws, 1, epsilon_micro).values)
    without = np.asarray(add_laplace([CUSTOMERS] * draws, 1, epsilon_micro).values)
    half = draws // 2
    event = _best_event(with_one[:half], without[:half])
    hits = [int((values[half:] >= event).sum()) for values in (with_one, without)]
    opposite = [draws - half - count for count in hits]
    return max(
        epsilon_lower_bound(hits[0], hits[1], draws - half, confidence=0.995),
        epsilon_lower_bound(opposite[0], opposite[1], draws - half, confidence=0.995),
    )


def _best_event(with_one: np.ndarray, without: np.ndarray) -> int:
    """The bound t for which "at least t", or its opposite, proves most on this half."""
    draws = len(with_one)
    values = np.unique(without)
    # Bounds in the far tails rest on a handful of draws.
    candidates = values[(values > np.quantile(without, 0.01)) & (values <= np.quantile(without, 0.99))]

    def proven(bound: int) -> float:
        hits = [int((sample >= bound).sum()) for sample in (with_one, without)]
        return max(
            epsilon_lower_bound(hits[0], hits[1], draws),
            epsilon_lower_bound(draws - hits[0], draws - hits[1], draws),
        )

    return int(max(candidates, key=lambda bound: proven(int(bound))))
