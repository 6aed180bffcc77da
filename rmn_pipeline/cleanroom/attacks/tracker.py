"""Denning's tracker: two large permitted sets that differ in one person.

|C1| = 258 and |C1 ∧ ¬C2| = 257 are both above k = 100, and the person's secret is the difference of two sums.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rmn_pipeline.cleanroom.attacks.result import AttackResult
from rmn_pipeline.cleanroom.attacks.targets import (
    PLACEMENTS,
    ProtectedTarget,
    UnprotectedTarget,
    make_log,
    shipped_policy,
    single_value,
    sku_ids,
)

LIMIT = 0.05
SET_SIZE = 258
MAXIMUM_SECRET_CENTS = 12_000

Ask = Callable[[Mapping[str, Any]], pl.DataFrame]


def tracker(*, trials: int = 300, seed: int = 4) -> AttackResult:
    """Find what one person spent.

    Args:
        trials: persons, each attacked with a whole budget.
        seed: of the secrets; the room's noise has none.
    """
    rng = np.random.default_rng(seed)
    policy, skus = shipped_policy(), sku_ids(2)
    control_hits, errors = 0, []
    with tempfile.TemporaryDirectory() as name:
        for trial in range(trials):
            secret = int(rng.integers(0, MAXIMUM_SECRET_CENTS + 1))
            log = _log(secret, rng)
            control = UnprotectedTarget(log, policy, skus, minimum=policy.k)
            control_hits += abs(_subtract(control.ask, None) - secret) < 1
            control.close()
            room = ProtectedTarget(log, policy, skus, Path(name), trial)
            errors.append(abs(_subtract(room.ask, policy.epsilon_total / 2) - secret))
            room.close()
    protected = float(np.mean([error < 1 for error in errors]))
    return AttackResult(
        name="tracker",
        what=f"Sums over {SET_SIZE} and {SET_SIZE - 1} customers subtracted, to read one person's revenue",
        measure="share of persons whose revenue is found to the cent",
        control_success=control_hits / trials,
        protected_success=protected,
        pass_line="the second query refused, or an error that hides the person: at most 5 % exact",
        limit=LIMIT,
        passed=protected <= LIMIT,
        control_passed=control_hits == trials,
        sizes={"trials": trials, "customers": SET_SIZE},
        details={
            "control": "threshold k = 100 on exact sums",
            "secrets": "USD 0 to 120",
            "median error of the room's difference, USD": float(np.median(errors)) / 100,
        },
    )


def _log(secret_cents: int, rng: np.random.Generator) -> pl.DataFrame:
    """The target is the only customer of the second product on this placement."""
    skus = sku_ids(2)
    others = rng.integers(0, MAXIMUM_SECRET_CENTS, SET_SIZE - 1)
    return make_log(
        np.arange(SET_SIZE),
        placement_type=[PLACEMENTS[3]] * SET_SIZE,
        sku_id=[skus[0]] * (SET_SIZE - 1) + [skus[1]],
        revenue_cents=[*others.tolist(), secret_cents],
    )


def _subtract(ask: Ask, epsilon: float | None) -> float:
    """The sum over everyone less the sum over everyone but the target, in cents; infinite where one is hidden."""
    sums = []
    for skus in (sku_ids(2), sku_ids(2)[:1]):
        filters = {"placement_type": [PLACEMENTS[3]], "sku_id": skus}
        rows = ask({"metrics": ["revenue"], "filters": filters, "epsilon": epsilon})
        sums.append(single_value(rows, "revenue"))
    if sums[0] is None or sums[1] is None:
        return float("inf")
    return 100 * (sums[0] - sums[1])
