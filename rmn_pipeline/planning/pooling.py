"""How arms borrow strength: a ridge regression of arm parameters on the groups they belong to.

Every parameter (log initial return, log half-saturation) has a prior mean built from a grand mean, a slope on the
arm's usual spend, an effect of its retailer × placement × category, and an effect of its audience. Group effects
are shrunk to zero by their own estimated spread, so that small groups lean on the grand mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from rmn_pipeline.planning.curves import Floats
from rmn_pipeline.planning.observations import Integers

GROUPS: tuple[tuple[str, ...], ...] = (("retailer_id", "placement_type", "category"), ("audience_id",))
# Weak prior on every spread: worth this many arms, around this standard deviation of a log parameter.
SPREAD_PRIOR_ARMS = 4.0
SPREAD_PRIOR_SD = 0.5
SLOPE_PRIOR_SD = 0.5
GRAND_MEAN_PRIOR_SD = 100.0


@dataclass(frozen=True)
class PoolingDesign:
    """The regression's columns; `factor` says to which group family a column belongs (-2 mean, -1 slope)."""

    matrix: Floats
    factor: Integers

    @property
    def families(self) -> int:
        """Number of group families."""
        return int(self.factor.max()) + 1 if self.factor.size else 0


@dataclass
class Hyperparameters:
    """Spread of arms around their prior mean, and of each family's effects around zero (variances)."""

    arm_variance: float
    family_variances: Floats


@dataclass(frozen=True)
class PriorMeans:
    """Prior mean per arm, the variance of that mean's estimate, and the updated spreads."""

    mean: Floats
    mean_variance: Floats
    hyperparameters: Hyperparameters


def pooling_design(arms: pl.DataFrame) -> PoolingDesign:
    """Build the regression columns; a family with a single level (all audiences withheld) adds none."""
    log_spend = np.log(arms["usual_spend_usd_per_week"].to_numpy())
    columns = [np.ones_like(log_spend), log_spend - log_spend.mean()]
    factor = [-2, -1]
    family = 0
    for names in GROUPS:
        codes = arms.select(pl.struct(names).rank("dense")).to_series().to_numpy().astype(np.int64) - 1
        levels = int(codes.max()) + 1
        if levels < 2:
            continue
        columns.extend((codes == level).astype(np.float64) for level in range(levels))
        factor.extend([family] * levels)
        family += 1
    return PoolingDesign(np.column_stack(columns), np.asarray(factor, dtype=np.int64))


def initial_hyperparameters(design: PoolingDesign) -> Hyperparameters:
    """A starting point wide enough that no arm is pooled away before the data has spoken."""
    return Hyperparameters(1.0, np.full(design.families, 0.5))


def pool(design: PoolingDesign, mean: Floats, variance: Floats, prior: PriorMeans) -> PriorMeans:
    """One empirical-Bayes update from the arms' posterior means and variances under the prior before.

    The regression works on what the data alone says of each arm (posterior with the prior taken out again), which
    converges in a few passes where regressing posterior means would creep.
    """
    spread = prior.hyperparameters
    precision = np.maximum(1.0 / variance - 1.0 / spread.arm_variance, 1e-9)
    from_data = (mean / variance - prior.mean / spread.arm_variance) / precision
    weight = precision / (1.0 + spread.arm_variance * precision)
    penalty = _penalties(design, spread)
    weighted = design.matrix * weight[:, None]
    covariance = np.linalg.inv(design.matrix.T @ weighted + np.diag(penalty))
    effects = covariance @ (weighted.T @ from_data)
    means = design.matrix @ effects
    mean_variance = np.einsum("ij,jk,ik->i", design.matrix, covariance, design.matrix)
    families = np.array(
        [
            _spread(effects[design.factor == family] ** 2 + np.diag(covariance)[design.factor == family])
            for family in range(design.families)
        ]
    )
    return PriorMeans(
        means, mean_variance, Hyperparameters(_spread((mean - means) ** 2 + variance), families)
    )


def _penalties(design: PoolingDesign, spread: Hyperparameters) -> Floats:
    fixed = {-2: GRAND_MEAN_PRIOR_SD**-2, -1: SLOPE_PRIOR_SD**-2}
    return np.array(
        [fixed[code] if code < 0 else 1.0 / spread.family_variances[code] for code in design.factor.tolist()]
    )


def _spread(squares: Floats) -> float:
    prior = SPREAD_PRIOR_ARMS * SPREAD_PRIOR_SD**2
    return float((squares.sum() + prior) / (squares.size + SPREAD_PRIOR_ARMS))
