"""Attributed revenue into incremental revenue: the brand's experiment read-outs, shrunk and with their error.

What a network claims is part of what its ads brought about, plus sales that its clickers would have made anyway.
Ads saturate; claims on organic sales do not, they grow with every click. Read together as one curve they would make
advertising look as if it hardly saturated, so the organic part is taken out before curves are fitted. An experiment
says how large it is: where only 60 % of the claims were incremental, 40 % were organic. Where a read-out is above
one, the network misses sales, and nothing is taken out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from rmn_pipeline.planning.curves import Floats
from rmn_pipeline.planning.observations import Integers, Observations


@dataclass(frozen=True)
class Multipliers:
    """Incremental per attributed dollar. Arms that share a read-out share its error: `cell` says which."""

    value: Floats
    standard_error: Floats
    cell: Integers
    untested: tuple[str, ...]

    @property
    def organic_share(self) -> Floats:
        """Share of each cell's attributed revenue that would have come anyway."""
        return np.clip(1.0 - self.value, 0.0, 0.95)

    @property
    def level(self) -> Floats:
        """Incremental revenue per dollar of what is left after the organic part, per cell."""
        return self.value / (1.0 - self.organic_share)

    @property
    def per_arm(self) -> Floats:
        """The multiplier of every arm."""
        return self.value[self.cell]


def organic_claims(seen: Observations, multipliers: Multipliers) -> Floats:
    """Attributed revenue per observation that is organic: in step with spend and with what the SKU sells anyway."""
    cell = multipliers.cell[seen.arm]
    cells = multipliers.value.size
    exposure = seen.spend_usd * seen.sales_index
    claimed = np.maximum(np.bincount(cell, weights=seen.revenue_usd, minlength=cells), 0.0)
    per_exposure = multipliers.organic_share * claimed / np.bincount(cell, weights=exposure, minlength=cells)
    return per_exposure[cell] * exposure


def multipliers_for(arms: pl.DataFrame, read_outs: pl.DataFrame) -> Multipliers:
    """One multiplier per retailer and placement, pulled towards their common mean by their own noise.

    A cell that was never tested takes the common mean with the spread between cells as its error.
    """
    keys = ["retailer_id", "placement_type"]
    cells = arms.select(keys).unique().sort(keys).with_row_index("cell")
    tested = read_outs.group_by(keys, maintain_order=True).agg(
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
