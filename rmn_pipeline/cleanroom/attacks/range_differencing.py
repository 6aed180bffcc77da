"""Range differencing: growing date ranges, each large enough to be shown, subtracted from one another.

A minimum count hides every single day and shows every long range. Where answers are exact, the difference of two
neighbouring ranges is the hidden day.
"""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rmn_pipeline.cleanroom.attacks.result import AttackResult
from rmn_pipeline.cleanroom.attacks.targets import (
    FIRST_DAY,
    ProtectedTarget,
    UnprotectedTarget,
    date_filter,
    days_from,
    make_log,
    shipped_policy,
    single_value,
)

LIMIT = 0.05
MEAN_CUSTOMERS_PER_DAY = 60

Ask = Callable[[Mapping[str, Any]], pl.DataFrame]


def range_differencing(
    *, days: int = 365, splits: Sequence[int] = (365, 60, 8), concentrated_trials: int = 60, seed: int = 1
) -> AttackResult:
    """Recover hidden days by subtraction.

    Args:
        days: days of the log, each with about 60 customers, below k.
        splits: over how many ranges the attacker spreads the whole budget; the best of them counts.
        concentrated_trials: how often the budget is spent on one single day, for the record.
        seed: of the log; the room's noise has none.
    """
    counts = np.random.default_rng(seed).poisson(MEAN_CUSTOMERS_PER_DAY, days)
    log = make_log(np.arange(counts.sum()), date=days_from(FIRST_DAY, np.repeat(np.arange(days), counts)))
    policy = shipped_policy()
    control = UnprotectedTarget(log, policy, ["sku00000"], minimum=policy.k)
    noise_only = UnprotectedTarget(log, policy, ["sku00000"], minimum=policy.k, epsilon=1.0)
    control_success = _recovered(control.ask, counts, days, None)
    noise_success = _recovered(noise_only.ask, counts, days, None)
    control.close()
    noise_only.close()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shares = {}
        for trial, ranges in enumerate(splits):
            room = ProtectedTarget(log, policy, ["sku00000"], folder, trial)
            epsilon = min(policy.epsilon_total / ranges, policy.epsilon_per_query)
            shares[ranges] = _recovered(room.ask, counts, ranges, epsilon)
            room.close()
        one_day = _one_day(log, counts, folder, concentrated_trials)
    protected = max(shares.values())
    return AttackResult(
        name="range_differencing",
        what="Growing date ranges subtracted from one another, to find days that the threshold hides",
        measure="share of hidden days recovered exactly",
        control_success=control_success,
        protected_success=protected,
        pass_line="at most 5 % of days exact at the shipped total ε, however it is spread",
        limit=LIMIT,
        passed=protected <= LIMIT,
        control_passed=control_success >= 0.95,
        sizes={"days": days, "ranges": list(splits), "concentrated_trials": concentrated_trials},
        details={
            "control": "threshold k = 100 on exact counts",
            "fresh noise of ε 1 per query, no ledger": noise_success,
            **{f"ε {policy.epsilon_total:g} over {ranges} ranges": share for ranges, share in shares.items()},
            "one single day, the whole budget on it: exact in": one_day,
        },
    )


def _recovered(ask: Ask, counts: np.ndarray, ranges: int, epsilon: float | None) -> float:
    """Share of all days whose count is found exactly from the last so many cumulative ranges."""
    days = len(counts)
    before: float | None = 0.0 if ranges == days else None
    exact = 0
    for day in range(days - ranges, days):
        last = FIRST_DAY + datetime.timedelta(days=day)
        rows = ask(
            {"metrics": ["customers"], "filters": {"date": date_filter(FIRST_DAY, last)}, "epsilon": epsilon}
        )
        total = single_value(rows, "customers")
        if total is not None and before is not None and day > 0:
            exact += total - before == counts[day]
        before = total
    return float(exact) / days


def _one_day(log: pl.DataFrame, counts: np.ndarray, folder: Path, trials: int) -> float:
    """How often two ranges at half of the budget each give one day's count exactly: what ε itself permits."""
    policy = shipped_policy()
    half = policy.epsilon_total / 2
    hits = 0
    for trial in range(trials):
        room = ProtectedTarget(log, policy, ["sku00000"], folder, trial + 1000)
        totals = []
        for day in (len(counts) - 2, len(counts) - 1):
            period = date_filter(FIRST_DAY, FIRST_DAY + datetime.timedelta(days=day))
            rows = room.ask({"metrics": ["customers"], "filters": {"date": period}, "epsilon": half})
            totals.append(single_value(rows, "customers"))
        room.close()
        hits += None not in totals and totals[1] - totals[0] == counts[-1]  # type: ignore[operator]
    return float(hits) / max(trials, 1)
