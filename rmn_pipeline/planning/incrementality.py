"""Attributed revenue into incremental revenue: the brand's experiment read-outs, pooled and with their error.

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
from rmn_pipeline.planning.matrices import root_of
from rmn_pipeline.planning.observations import Integers, Observations

# A multiplier below this would turn any claim into nothing.
LEAST_MULTIPLIER = 0.01
LARGEST_ORGANIC_SHARE = 0.95
# Weak prior on the spreads between placements, and between retailers within one: worth this many read-outs.
SPREAD_PRIOR_COUNT = 2.0
SPREAD_PRIOR_SD = 0.2
POOLING_PASSES = 60


@dataclass(frozen=True)
class Multipliers:
    """Incremental per attributed dollar. Arms that share a read-out share its error: `cell` says which.

    `root` turns independent standard normals into the cells' joint error: cells of one placement that lean on each
    other are wrong together.
    """

    value: Floats
    standard_error: Floats
    cell: Integers
    untested: tuple[str, ...]
    root: Floats

    @property
    def organic_share(self) -> Floats:
        """Expected share of each cell's attributed revenue that would have come anyway."""
        return organic_share_of(self.value)

    @property
    def level(self) -> Floats:
        """Incremental revenue per dollar of what is left after the organic part, per cell."""
        return self.value / (1.0 - self.organic_share)

    @property
    def per_arm(self) -> Floats:
        """The multiplier of every arm."""
        return self.value[self.cell]

    def draw(self, generator: np.random.Generator, count: int) -> Floats:
        """Joint draws of the cells' multipliers (draws × cells), never below zero."""
        normal = generator.standard_normal((count, self.root.shape[1]))
        return np.maximum(self.value + normal @ self.root.T, LEAST_MULTIPLIER)


def organic_share_of(multiplier: Floats) -> Floats:
    """The share of claims that would have come anyway, if claims below one are inflated by nothing else."""
    return np.clip(1.0 - multiplier, 0.0, LARGEST_ORGANIC_SHARE)


def organic_claims(seen: Observations, multipliers: Multipliers) -> Floats:
    """Attributed revenue per observation that is organic: in step with spend and with what the SKU sells anyway."""
    cell = multipliers.cell[seen.arm]
    cells = multipliers.value.size
    exposure = seen.spend_usd * seen.sales_index
    claimed = np.maximum(np.bincount(cell, weights=seen.revenue_usd, minlength=cells), 0.0)
    total = np.maximum(np.bincount(cell, weights=exposure, minlength=cells), 1e-9)
    per_exposure = multipliers.organic_share * claimed / total
    return per_exposure[cell] * exposure


def multipliers_for(arms: pl.DataFrame, read_outs: pl.DataFrame) -> Multipliers:
    """One multiplier per retailer and placement: read-outs pooled by placement over retailers, then over placements.

    Model: multiplier = mean + placement effect + own deviation, read out with its standard error; both spreads are
    estimated by EM with a weak prior. A cell that was never tested takes its placement's mean over the other retailers
    (or, if that placement was tested nowhere, the grand mean) and the spread around it as its error. Normal theory:
    with the cells' joint prior covariance P and the noise of the read-outs R, the posterior is the usual Gaussian
    update, whose covariance is kept whole because the cells of one placement are wrong together.
    """
    keys = ["retailer_id", "placement_type"]
    tested = read_outs.group_by(keys, maintain_order=True).agg(
        value=pl.col("incrementality_multiplier").mean(),
        variance=(pl.col("standard_error") ** 2).sum() / pl.len() ** 2,
    )
    cells = arms.select(keys).unique().sort(keys)
    everything = pl.concat([cells, tested.select(keys).join(cells, on=keys, how="anti")])
    table = everything.join(tested, on=keys, how="left", maintain_order="left")
    read = table["value"].is_not_null().to_numpy()
    placement = table["placement_type"].rank("dense").to_numpy().astype(np.int64) - 1
    noise = np.maximum(table["variance"].fill_null(0.0).to_numpy(), 1e-8)
    value, covariance = _pooled(table["value"].fill_null(0.0).to_numpy(), noise, read, placement)
    used = cells.height
    codes = arms.join(cells.with_row_index("cell"), on=keys, how="left", maintain_order="left")["cell"]
    own = covariance[:used, :used]
    missing = table[:used].filter(pl.col("value").is_null())
    return Multipliers(
        value=np.maximum(value[:used], LEAST_MULTIPLIER),
        standard_error=np.sqrt(np.diag(own)),
        cell=codes.to_numpy().astype(np.int64),
        untested=tuple(f"{retailer}/{kind}" for retailer, kind in missing.select(keys).rows()),
        root=root_of(own + 1e-12 * np.eye(used)),
    )


def _pooled(value: Floats, noise: Floats, read: np.ndarray, placement: Integers) -> tuple[Floats, Floats]:
    """Posterior mean and covariance of all cells; the spreads between and within placements by EM."""
    member = (placement[:, None] == np.arange(int(placement.max()) + 1)[None, :]).astype(np.float64)
    # Effects in one vector: grand mean, placement effects, own deviations.
    design = np.hstack([np.ones((value.size, 1)), member, np.eye(value.size)])
    kinds = np.repeat([0, 1, 2], [1, member.shape[1], value.size])
    spreads = np.array([100.0, SPREAD_PRIOR_SD**2, SPREAD_PRIOR_SD**2])
    weighted = design[read] / noise[read, None]
    effects, covariance = np.zeros(kinds.size), np.eye(kinds.size)
    for _ in range(POOLING_PASSES):
        covariance = np.linalg.inv(design[read].T @ weighted + np.diag(1.0 / spreads[kinds]))
        effects = covariance @ (weighted.T @ value[read])
        squares = effects**2 + np.diag(covariance)
        for kind in (1, 2):
            found = squares[kinds == kind]
            prior = SPREAD_PRIOR_COUNT * SPREAD_PRIOR_SD**2
            spreads[kind] = (found.sum() + prior) / (found.size + SPREAD_PRIOR_COUNT)
    return design @ effects, design @ covariance @ design.T
