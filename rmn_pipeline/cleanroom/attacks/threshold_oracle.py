"""Threshold oracle: is a cell shown or not?

An exact threshold tells 99 customers from 100 with certainty, whatever noise the values carry. On the noisy count the
same question is one more randomized answer. It is put where it tells most: at the place of the real threshold.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from rmn_pipeline.cleanroom.attacks.result import (
    AttackResult,
    best_accuracy,
    epsilon_lower_bound,
    slack,
)
from rmn_pipeline.cleanroom.attacks.targets import (
    ProtectedTarget,
    UnprotectedTarget,
    make_log,
    one_cell_per_customer,
    shipped_policy,
    sku_ids,
)
from rmn_pipeline.cleanroom.noise import laplace_scale, threshold_margin
from rmn_pipeline.cleanroom.policy import to_micro

EPSILON = 1.0


def threshold_oracle(*, cells: int = 2_000) -> AttackResult:
    """Tell two neighbouring counts apart by which cells are shown.

    Args:
        cells: cells of either count; every one is a trial.
    """
    policy = shipped_policy(**one_cell_per_customer())
    scale = laplace_scale(1, to_micro(EPSILON))
    at_threshold = math.ceil(policy.k + threshold_margin(scale, policy.delta))
    control = UnprotectedTarget(_log(cells, policy.k), policy, sku_ids(2 * cells), minimum=policy.k)
    control_shown = _shown(control.ask(_request()), cells)
    control.close()
    shown = {}
    with tempfile.TemporaryDirectory() as name:
        for trial, upper in enumerate((policy.k, at_threshold)):
            room = ProtectedTarget(_log(cells, upper), policy, sku_ids(2 * cells), Path(name), trial)
            shown[upper] = _shown(room.ask(_request()), cells)
            room.close()
    accuracy = {upper: _accuracy(*rates, cells) for upper, rates in shown.items()}
    proven = max(epsilon_lower_bound(*rates, cells) for rates in shown.values())
    limit = best_accuracy(EPSILON) + slack(best_accuracy(EPSILON), 2 * cells)
    return AttackResult(
        name="threshold_oracle",
        what="Whether a cell is shown, used to tell n customers from n - 1",
        measure="share of cells whose count is guessed right; chance is 0.5",
        control_success=_accuracy(*control_shown, cells),
        protected_success=max(accuracy.values()),
        pass_line="at most e^ε / (1 + e^ε) + 3 standard errors, and the proven ε at most the claimed one (ε 1)",
        limit=limit,
        passed=max(accuracy.values()) <= limit and proven <= EPSILON,
        control_passed=_accuracy(*control_shown, cells) == 1.0,
        sizes={"cells": cells},
        details={
            "control": "exact threshold k = 100",
            **{f"{upper - 1} against {upper}: accuracy": value for upper, value in accuracy.items()},
            "proven ε (99 % confidence)": proven,
        },
    )


def _request() -> dict[str, object]:
    return {"dimensions": ["sku_id"], "metrics": ["customers"], "epsilon": EPSILON}


def _log(cells: int, upper: int) -> pl.DataFrame:
    """The first half of the products has `upper` customers each, the second half one fewer."""
    counts = np.repeat([upper, upper - 1], cells)
    skus = np.array(sku_ids(2 * cells))
    return make_log(np.arange(counts.sum()), sku_id=np.repeat(skus, counts))


def _shown(rows: pl.DataFrame, cells: int) -> tuple[int, int]:
    """How many cells of either half are shown."""
    first_half = rows["sku_id"].is_in(sku_ids(cells)).sum()
    return int(first_half), rows.height - int(first_half)


def _accuracy(upper_shown: int, lower_shown: int, cells: int) -> float:
    """Guess the upper count for a shown cell, the lower one for a hidden cell."""
    return (upper_shown + cells - lower_shown) / (2 * cells)
