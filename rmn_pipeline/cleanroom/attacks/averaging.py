"""Averaging: the same question, asked until the noise cancels out."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from rmn_pipeline.cleanroom.attacks.result import AttackResult
from rmn_pipeline.cleanroom.attacks.targets import ProtectedTarget, make_log, shipped_policy, single_value
from rmn_pipeline.cleanroom.noise import add_laplace
from rmn_pipeline.cleanroom.policy import to_micro

CUSTOMERS = 1_000
#: ε per query, and how many repeats average its noise away.
REPEATS_BY_EPSILON: Mapping[float, int] = {1.0: 100, 0.5: 300, 0.1: 5_000}


def averaging(*, repeats: int = 1_000, control_trials: int = 40) -> AttackResult:
    """Ask one question many times.

    Args:
        repeats: how often the real room is asked.
        control_trials: attacks per ε on noise without a ledger.
    """
    exact = {
        epsilon: _averaged_exactly(epsilon, count, control_trials)
        for epsilon, count in REPEATS_BY_EPSILON.items()
    }
    log = make_log(np.arange(CUSTOMERS))
    with tempfile.TemporaryDirectory() as name:
        target = ProtectedTarget(log, shipped_policy(), ["sku00000"], Path(name))
        request = {"metrics": ["customers"], "epsilon": 0.1}
        answers = {single_value(target.ask(request), "customers") for _ in range(repeats)}
        account = target.room.account()
        target.close()
    fresh = (len(answers) - 1) / max(repeats - 1, 1)
    return AttackResult(
        name="averaging",
        what="One question asked again and again, the answers averaged and rounded",
        measure="control: share of attacks that find the exact count; room: share of repeats with fresh noise",
        control_success=min(exact.values()),
        protected_success=fresh,
        pass_line="every repeat has the one stored answer, and one charge pays for all of them",
        limit=0.0,
        passed=len(answers) == 1 and account.releases == 1 and account.spent_micro == to_micro(0.1),
        control_passed=min(exact.values()) >= 0.9,
        sizes={"repeats": repeats, "control_trials": control_trials},
        details={
            "control": "fresh Laplace noise per query, no ledger",
            **{
                f"ε {epsilon:g}, {count} repeats: exact in": exact[epsilon]
                for epsilon, count in REPEATS_BY_EPSILON.items()
            },
            "charges": account.releases,
            "distinct answers": len(answers),
        },
    )


def _averaged_exactly(epsilon: float, repeats: int, trials: int) -> float:
    hits = 0
    for _ in range(trials):
        answers = add_laplace([CUSTOMERS] * repeats, 1, to_micro(epsilon)).values
        hits += round(float(np.mean(answers))) == CUSTOMERS
    return hits / trials
