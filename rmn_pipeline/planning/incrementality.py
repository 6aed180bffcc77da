"""Attributed revenue into incremental revenue: the brand's experiment read-outs, shrunk and with their error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from rmn_pipeline.planning.curves import Floats
from rmn_pipeline.planning.observations import Integers


@dataclass(frozen=True)
class Multipliers:
    """Incremental per attributed dollar. Arms that share a read-out share its error: `cell` says which."""

    value: Floats
    standard_error: Floats
    cell: Integers
    untested: tuple[str, ...]

    @property
    def per_arm(self) -> Floats:
        """The multiplier of every arm."""
        return self.value[self.cell]


def multipliers_for(arms: pl.DataFrame, read_outs: pl.DataFrame) -> Multipliers:
    """One multiplier per retailer and placement, pulled towards their common mean by their own noise.

    A cell that was never tested takes the common mean with the spread between cells as its error.
    """
    keys = ["retailer_id", "placement_type"]
    cells = arms.select(keys).unique().sort(keys).with_row_index("cell")
    tested = read_outs.group_by(keys).agg(
        value=pl.col("incrementality_multiplier").mean(),
        variance=(pl.col("standard_error") ** 2).sum() / pl.len() ** 2,
    )
    value, variance = tested["value"].to_numpy(), np.maximum(tested["variance"].to_numpy(), 1e-8)
    between = max(float(np.var(value, ddof=1) - variance.mean()) if value.size > 1 else 0.0, 1e-4)
    weights = 1.0 / (variance + between)
    common = float((weights * value).sum() / weights.sum())
    joined = cells.join(tested, on=keys, how="left").sort("cell")
    read = joined["value"].fill_null(common).to_numpy()
    # A cell without read-out keeps nothing of its own: its error is the spread between cells.
    was_read = joined["value"].is_not_null().to_numpy()
    noise = joined["variance"].fill_null(0.0).to_numpy()
    keep = np.where(was_read, between / (between + noise), 0.0)
    shrunk = common + keep * (read - common)
    error = np.sqrt(np.where(was_read, keep * noise, between) + (1 - keep) ** 2 / weights.sum())
    missing = joined.filter(pl.col("value").is_null())
    codes = arms.join(cells, on=keys, how="left", maintain_order="left")["cell"].to_numpy().astype(np.int64)
    untested = tuple(f"{retailer}/{placement}" for retailer, placement in missing.select(keys).rows())
    return Multipliers(np.maximum(shrunk, 0.01), error, codes, untested)
