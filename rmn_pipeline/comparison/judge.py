"""What this room asks of whoever judges a plan, and the check that a judgement can be compared with another.

The judge knows the truth of a market; this room does not. It only sees what a plan brought in, replicate by
replicate.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl

from rmn_pipeline.comparison.errors import ComparisonError

ARM_KEYS = ("retailer_id", "placement_type", "audience_id", "sku_id")
OUTCOME_COLUMNS = (
    "spend_usd",
    "incremental_revenue_usd",
    "incremental_margin_usd",
    "attributed_revenue_usd",
    "conversions",
    "out_of_stock_spend_usd",
)
TOTALS_TOLERANCE = 1e-6


class Judgement(Protocol):
    """What a plan brought in: one row per replicate and arm, and the same summed per replicate."""

    @property
    def arms(self) -> pl.DataFrame:
        """Columns: replicate, the four arm keys, and the outcome columns."""
        ...

    @property
    def totals(self) -> pl.DataFrame:
        """Columns: replicate and the outcome columns."""
        ...


class Judge(Protocol):
    """Anything that can carry out a plan many times under random numbers fixed by the seed.

    Two plans judged with the same seed must meet the same luck in the same replicate (common random numbers).
    """

    def realize(self, plan: Any, *, replicates: int, seed: int) -> Judgement:
        """Carry the plan out `replicates` times."""
        ...


@dataclass(frozen=True)
class Outcomes:
    """A judgement as arrays, aligned: `arms` is sorted by its keys and `by_arm[c]` is replicate × arm."""

    replicates: np.ndarray
    arms: pl.DataFrame
    by_arm: dict[str, np.ndarray]
    totals: dict[str, np.ndarray]


def outcomes_of(judgement: Judgement, mode: str, replicates: int) -> Outcomes:
    """Check a judgement and lay it out as arrays.

    Raises ComparisonError where columns or replicates are missing, where an arm is absent from some
    replicates, or where the totals are not the sum of the arms.
    """
    _check_columns(judgement, mode)
    ids = judgement.totals["replicate"].sort()
    if ids.n_unique() != replicates or judgement.totals.height != replicates:
        raise ComparisonError(
            f"judge, plan {mode!r}: {judgement.totals.height} rows of totals for {replicates} replicates; "
            "the judge must return exactly one row per replicate asked for"
        )
    grouped = (
        judgement.arms.group_by("replicate", *ARM_KEYS)
        .agg(pl.col(column).sum() for column in OUTCOME_COLUMNS)
        .sort(*ARM_KEYS, "replicate")
    )
    arms = grouped.select(ARM_KEYS).unique(maintain_order=True)
    if grouped.height != arms.height * replicates:
        raise ComparisonError(
            f"judge, plan {mode!r}: {grouped.height} arm outcomes for {arms.height} arms and {replicates} "
            "replicates; the judge must return every arm in every replicate"
        )
    by_arm = {
        column: grouped[column].cast(pl.Float64).to_numpy().reshape(arms.height, replicates).T
        for column in OUTCOME_COLUMNS
    }
    ordered = judgement.totals.sort("replicate")
    totals = {column: ordered[column].cast(pl.Float64).to_numpy() for column in OUTCOME_COLUMNS}
    _check_numbers(by_arm, totals, mode)
    return Outcomes(replicates=ids.to_numpy(), arms=arms, by_arm=by_arm, totals=totals)


def _check_columns(judgement: Judgement, mode: str) -> None:
    wanted = {
        "arms": ("replicate", *ARM_KEYS, *OUTCOME_COLUMNS),
        "totals": ("replicate", *OUTCOME_COLUMNS),
    }
    for name, columns in wanted.items():
        frame: pl.DataFrame = getattr(judgement, name)
        missing = [column for column in columns if column not in frame.columns]
        if missing:
            raise ComparisonError(f"judge, plan {mode!r}: {name} lacks the column(s) {', '.join(missing)}")


def _check_numbers(by_arm: dict[str, np.ndarray], totals: dict[str, np.ndarray], mode: str) -> None:
    for column in OUTCOME_COLUMNS:
        if not (np.isfinite(by_arm[column]).all() and np.isfinite(totals[column]).all()):
            raise ComparisonError(f"judge, plan {mode!r}: {column} holds values that are not finite numbers")
        summed = by_arm[column].sum(axis=1)
        scale = max(1.0, float(np.abs(totals[column]).max(initial=0.0)))
        gap = float(np.abs(summed - totals[column]).max(initial=0.0))
        if gap > TOTALS_TOLERANCE * scale:
            raise ComparisonError(
                f"judge, plan {mode!r}: the totals of {column} differ from the sum of its arms "
                f"by up to {gap:,.2f}"
            )
