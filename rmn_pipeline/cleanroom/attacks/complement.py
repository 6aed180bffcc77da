"""Complement: the total less everything that is shown is what is hidden."""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rmn_pipeline.cleanroom.attacks.result import AttackResult, slack
from rmn_pipeline.cleanroom.attacks.targets import (
    ProtectedTarget,
    UnprotectedTarget,
    date_filter,
    days_from,
    make_log,
    shipped_policy,
    sku_ids,
)

LIMIT = 0.05
MONDAY = datetime.date(2026, 1, 5)
WEEKS = 12
VISIBLE, HIDDEN = 300, 30

Ask = Callable[[Mapping[str, Any]], pl.DataFrame]


def complement(*, products: int = 300, seed: int = 5) -> AttackResult:
    """Find each product's one hidden week from the product's total.

    Args:
        products: every one has eleven weeks of about 300 customers and one of about 30.
        seed: of the log; the room's noise has none.
    """
    rng = np.random.default_rng(seed)
    counts = rng.poisson(VISIBLE, (products, WEEKS))
    hidden = rng.integers(0, WEEKS, products)
    counts[np.arange(products), hidden] = rng.poisson(HIDDEN, products)
    log, skus, policy = _log(counts), sku_ids(products), shipped_policy()
    control = UnprotectedTarget(log, policy, skus, minimum=policy.k)
    control_success = _recovered(control.ask, counts, hidden, None)
    control.close()
    with tempfile.TemporaryDirectory() as name:
        room = ProtectedTarget(log, policy, skus, Path(name))
        protected = _recovered(room.ask, counts, hidden, policy.epsilon_total / 2)
        room.close()
    limit = LIMIT + slack(LIMIT, products)
    return AttackResult(
        name="complement",
        what="Totals less the cells that are shown, to find the cell that is not",
        measure="share of hidden cells recovered exactly",
        control_success=control_success,
        protected_success=protected,
        pass_line="at most 5 % of hidden cells exact at the shipped total ε (+ 3 standard errors)",
        limit=limit,
        passed=protected <= limit,
        control_passed=control_success >= 0.95,
        sizes={"products": products, "weeks": WEEKS},
        details={"control": "threshold k = 100 on exact counts"},
    )


def _log(counts: np.ndarray) -> pl.DataFrame:
    """Every customer appears once."""
    products, weeks = counts.shape
    flat = counts.ravel()
    return make_log(
        np.arange(flat.sum()),
        sku_id=np.repeat(np.repeat(np.array(sku_ids(products)), weeks), flat),
        date=days_from(MONDAY, np.repeat(np.tile(7 * np.arange(weeks), products), flat)),
    )


def _recovered(ask: Ask, counts: np.ndarray, hidden: np.ndarray, epsilon: float | None) -> float:
    products, weeks = counts.shape
    period = {"date": date_filter(MONDAY, MONDAY + datetime.timedelta(days=7 * weeks - 1))}
    totals = ask({"dimensions": ["sku_id"], "metrics": ["customers"], "filters": period, "epsilon": epsilon})
    cells = ask(
        {"dimensions": ["week", "sku_id"], "metrics": ["customers"], "filters": period, "epsilon": epsilon}
    )
    shown = cells.group_by("sku_id").agg(pl.col("customers").sum().alias("shown"), pl.len().alias("weeks"))
    found = totals.join(shown, on="sku_id").filter(pl.col("weeks") == weeks - 1)
    truth = pl.DataFrame({"sku_id": sku_ids(products), "truth": counts[np.arange(products), hidden]})
    exact = found.join(truth, on="sku_id").filter(pl.col("customers") - pl.col("shown") == pl.col("truth"))
    return exact.height / products
