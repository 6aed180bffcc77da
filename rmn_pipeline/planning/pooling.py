"""How arms borrow strength: a mixed regression of arm parameters on the groups they belong to.

Every parameter (log initial return, log scale of spend) has a prior mean built from a grand mean, a slope on the arm's
usual spend, and effects of the groups that the arm belongs to: retailer, placement, their combinations with each other
and with the category, audience, product. Group effects are shrunk to zero by their own estimated spread, so that
small groups lean on the larger ones around them.

Nothing here is taken for known that is estimated: `Prior.draw` draws the effects (shared by all arms of a group)
and the spread of arms around them, so that intervals and totals carry both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from scipy import sparse

from rmn_pipeline.planning.curves import Floats
from rmn_pipeline.planning.matrices import inverse_of_2x2, root_of
from rmn_pipeline.planning.observations import Integers

GROUPS: tuple[tuple[str, ...], ...] = (
    ("retailer_id",),
    ("placement_type",),
    ("retailer_id", "placement_type"),
    ("placement_type", "category"),
    ("retailer_id", "placement_type", "category"),
    ("audience_id",),
)
# log initial return and log scale of spend.
PARAMETERS = 2
# The group with most levels is eliminated from the equations, which keeps them small.
LARGEST_GROUP = "sku_id"
# Weak prior on the spread of arms: worth this many arms, around this standard deviation of a log parameter.
SPREAD_PRIOR_ARMS = 4.0
SPREAD_PRIOR_SD = 0.5
# The same for every family of groups: several families share what the arms differ by.
FAMILY_PRIOR_LEVELS = 2.0
FAMILY_PRIOR_SD = 0.25
SLOPE_PRIOR_SD = 0.5
# The grand mean of log initial return is left to the data. That of log scale is not: a scale far below all spends that
# were seen leaves only the ceiling to tell, and one far above only a straight line; both ends look alike to the data.
# It is believed to lie around usual spend, give or take a factor of four.
GRAND_MEAN_PRIOR_SD = (100.0, 1.4)
# Steps and draws of log spreads stay within these bounds.
SPREAD_STEP_LIMIT = 0.7
SPREAD_DRAW_LIMIT = 1.5


@dataclass(frozen=True)
class PoolingDesign:
    """The regression's columns; `factor` says to which group family a column belongs (-2 mean, -1 slope)."""

    matrix: Floats
    factor: Integers
    largest: Integers
    member: sparse.csr_matrix
    mean_log_spend: float

    @property
    def families(self) -> int:
        """Number of group families in the matrix; the eliminated family comes after them."""
        return max(int(self.factor.max()) + 1, 0)


@dataclass(frozen=True)
class Spreads:
    """Variances, per parameter: of arms around their prior mean, and of each family's effects around zero.

    `log_variance_sd` is the standard error of log `arm_variance`. The eliminated family comes last.
    """

    arm_variance: Floats
    family_variances: Floats
    log_variance_sd: Floats


@dataclass(frozen=True)
class Prior:
    """Prior means (arms × parameters), the joint error of their estimate, the spreads, and what joint draws need."""

    mean: Floats
    mean_covariance: Floats
    spreads: Spreads
    design: PoolingDesign
    root: Floats
    regression: Floats
    largest_root: Floats

    @property
    def precision(self) -> Floats:
        """Inverse variance of arms around their prior means, as a diagonal matrix."""
        return np.diag(1.0 / self.spreads.arm_variance)

    def draw(self, generator: np.random.Generator, count: int) -> tuple[Floats, Floats]:
        """Joint draws of the prior means (draws × arms × parameters) and of the arm variances (draws × parameters)."""
        effects = generator.standard_normal((count, self.root.shape[0])) @ self.root.T
        normal = generator.standard_normal((count, self.largest_root.shape[0], PARAMETERS))
        largest = np.einsum("jab,djb->dja", self.largest_root, normal)
        largest -= np.stack([effects @ part for part in self.regression], axis=-1)
        width = self.design.matrix.shape[1]
        moves = np.stack([effects[:, at : at + width] @ self.design.matrix.T for at in (0, width)], axis=-1)
        spread = self.spreads.log_variance_sd * generator.standard_normal((count, PARAMETERS))
        spread = np.exp(np.clip(spread, -SPREAD_DRAW_LIMIT, SPREAD_DRAW_LIMIT))
        return self.mean + moves + largest[:, self.design.largest], self.spreads.arm_variance * spread


def pooling_design(arms: pl.DataFrame) -> PoolingDesign:
    """Build the regression columns; a family with a single level (all audiences withheld) adds none."""
    log_spend = np.log(arms["usual_spend_usd_per_week"].to_numpy())
    columns = [np.ones_like(log_spend), log_spend - log_spend.mean()]
    factor = [-2, -1]
    family = 0
    for names in GROUPS:
        codes = _codes(arms, names)
        levels = int(codes.max()) + 1
        if levels < 2:
            continue
        columns.extend((codes == level).astype(np.float64) for level in range(levels))
        factor.extend([family] * levels)
        family += 1
    largest = _codes(arms, (LARGEST_GROUP,))
    place = np.arange(largest.size)
    member = sparse.csr_matrix((np.ones(largest.size), (largest, place)))
    return PoolingDesign(
        np.column_stack(columns), np.asarray(factor, dtype=np.int64), largest, member, float(log_spend.mean())
    )


def _codes(arms: pl.DataFrame, names: tuple[str, ...]) -> Integers:
    return arms.select(pl.struct(names).rank("dense")).to_series().to_numpy().astype(np.int64) - 1


def starting_prior(design: PoolingDesign, values: Floats) -> Prior:
    """One level for all arms, and spreads wide enough that no arm is pooled away before the data has spoken."""
    width, levels = PARAMETERS * design.matrix.shape[1], int(design.largest.max()) + 1
    return Prior(
        mean=np.tile(np.median(values, axis=0), (values.shape[0], 1)),
        mean_covariance=np.zeros((values.shape[0], PARAMETERS, PARAMETERS)),
        spreads=Spreads(
            np.ones(PARAMETERS), np.full((PARAMETERS, design.families + 1), 0.1), np.zeros(PARAMETERS)
        ),
        design=design,
        root=np.zeros((width, width)),
        regression=np.zeros((PARAMETERS, width, levels)),
        largest_root=np.zeros((levels, PARAMETERS, PARAMETERS)),
    )


def pool(data_precision: Floats, data_pull: Floats, prior: Prior) -> Prior:
    """One empirical-Bayes update from the arms' normal likelihoods exp(−½ θᵀDθ + hᵀθ).

    Model: θ_i ~ N(m_i, T), m = X·effects. With arms integrated out, arm i tells of its prior mean with precision
    W = D − D(D + T⁻¹)⁻¹D around a value that enters as W·d = T⁻¹(D + T⁻¹)⁻¹h; both hold for singular D. The effects
    of both parameters are the joint ridge solution with each family's spread as penalty: a steep start and an early
    bend are told apart badly, and what is unknown about the one is unknown about the other.

    The arms' variance τ² of each parameter takes a Fisher-scoring step, effects integrated out: with r = d − m and
    C = Cov(m),

        score = ½ Σ τ² [ (Wr)² + WCW − W ],   information = ½ Σ τ⁴ W²    (diagonal elements, for log τ²)

    to which the weak prior adds its pseudo-arms. One over the root of the information is the standard error of log τ²,
    which draws of τ² use. Without C the many group effects would eat up the spread.
    """
    kept = inverse_of_2x2(data_precision + prior.precision)
    weight = data_precision - np.einsum("aij,ajk,akl->ail", data_precision, kept, data_precision)
    weighted = np.einsum("ij,ajk,ak->ai", prior.precision, kept, data_pull)
    found = _solve(weight, weighted, prior)
    residual = weighted - np.einsum("aij,aj->ai", weight, found.mean)
    covariance = np.einsum("aij,ajk,akl->ail", weight, found.mean_covariance, weight)
    variances, errors = zip(
        *(
            _arm_spread(
                residual[:, at] ** 2 + covariance[:, at, at],
                weight[:, at, at],
                float(prior.spreads.arm_variance[at]),
            )
            for at in range(PARAMETERS)
        ),
        strict=True,
    )
    spreads = Spreads(np.array(variances), found.spreads.family_variances, np.array(errors))
    return replace(found, spreads=spreads)


def _solve(weight: Floats, weighted: Floats, prior: Prior) -> Prior:
    """The ridge solution of both parameters; the largest family is eliminated product by product."""
    design, families = prior.design, prior.spreads.family_variances
    matrix, member, width = design.matrix, design.member, design.matrix.shape[1]
    normal = np.zeros((2 * width, 2 * width))
    cross = np.zeros((PARAMETERS, 2 * width, member.shape[0]))
    blocks = np.zeros((member.shape[0], PARAMETERS, PARAMETERS))
    for row in range(PARAMETERS):
        for column in range(PARAMETERS):
            scaled = matrix * weight[:, row, column][:, None]
            at = slice(row * width, (row + 1) * width), slice(column * width, (column + 1) * width)
            normal[at] = matrix.T @ scaled
            cross[column, at[0]] = (member @ scaled).T
            blocks[:, row, column] = member @ weight[:, row, column]
    blocks += np.diag(1.0 / families[:, -1])
    own_inverse = inverse_of_2x2(blocks)
    regression = np.einsum("epj,jed->dpj", cross, own_inverse)
    penalty = np.concatenate([_penalties(design, families[at], at) for at in range(PARAMETERS)])
    schur = normal + np.diag(penalty) - sum(regression[d] @ cross[d].T for d in range(PARAMETERS))
    inverse = np.linalg.inv(schur)
    inverse = 0.5 * (inverse + inverse.T)
    own = np.column_stack([member @ weighted[:, at] for at in range(PARAMETERS)])
    right = np.concatenate([matrix.T @ weighted[:, at] for at in range(PARAMETERS)])
    # The grand mean of log scale, the first column of its block, is pulled to the mean of log spend.
    right[width] += penalty[width] * design.mean_log_spend
    effects = inverse @ (right - sum(regression[d] @ own[:, d] for d in range(PARAMETERS)))
    largest = np.einsum("jde,je->jd", own_inverse, own)
    largest -= np.column_stack([effects @ regression[d] for d in range(PARAMETERS)])
    gain = np.stack([inverse @ regression[d] for d in range(PARAMETERS)])
    largest_covariance = own_inverse + np.einsum("cpj,dpj->jcd", regression, gain)
    means = effects.reshape(PARAMETERS, width) @ matrix.T
    return Prior(
        mean=means.T + largest[design.largest],
        mean_covariance=_mean_covariance(design, inverse, gain, largest_covariance),
        spreads=replace(
            prior.spreads,
            family_variances=_family_variances(
                design, effects, np.diag(inverse), largest, largest_covariance
            ),
        ),
        design=design,
        root=root_of(inverse),
        regression=regression,
        largest_root=root_of(own_inverse),
    )


def _mean_covariance(design: PoolingDesign, inverse: Floats, gain: Floats, largest: Floats) -> Floats:
    """Error covariance of each arm's prior mean, from those of the effects that it adds up."""
    matrix, width = design.matrix, design.matrix.shape[1]
    found = largest[design.largest].copy()
    for row in range(PARAMETERS):
        for column in range(PARAMETERS):
            rows, columns = (slice(at * width, (at + 1) * width) for at in (row, column))
            found[:, row, column] += ((matrix @ inverse[rows, columns]) * matrix).sum(axis=1)
            found[:, row, column] -= (matrix * gain[column][rows].T[design.largest]).sum(axis=1)
            found[:, row, column] -= (matrix * gain[row][columns].T[design.largest]).sum(axis=1)
    return found


def _penalties(design: PoolingDesign, families: Floats, parameter: int) -> Floats:
    fixed = {-2: GRAND_MEAN_PRIOR_SD[parameter] ** -2, -1: SLOPE_PRIOR_SD**-2}
    return np.array([fixed[code] if code < 0 else 1.0 / families[code] for code in design.factor.tolist()])


def _family_variances(
    design: PoolingDesign, effects: Floats, variance: Floats, largest: Floats, largest_covariance: Floats
) -> Floats:
    """EM: the mean square of each family's effects, their errors included, with the weak prior's pseudo-levels."""
    width, prior = design.matrix.shape[1], FAMILY_PRIOR_LEVELS * FAMILY_PRIOR_SD**2
    rows = []
    for at in range(PARAMETERS):
        squares = (effects**2 + variance)[at * width : (at + 1) * width]
        found = [squares[design.factor == family] for family in range(design.families)]
        found.append(largest[:, at] ** 2 + largest_covariance[:, at, at])
        rows.append([(values.sum() + prior) / (values.size + FAMILY_PRIOR_LEVELS) for values in found])
    return np.array(rows)


def _arm_spread(squares: Floats, weight: Floats, variance: float) -> tuple[float, float]:
    """A scoring step for the variance of arms around their means, and the standard error of its logarithm."""
    information = 0.5 * variance**2 * float((weight**2).sum()) + 0.5 * SPREAD_PRIOR_ARMS
    score = 0.5 * variance * float((squares - weight).sum())
    score += 0.5 * SPREAD_PRIOR_ARMS * (SPREAD_PRIOR_SD**2 / variance - 1.0)
    step = np.clip(score / information, -SPREAD_STEP_LIMIT, SPREAD_STEP_LIMIT)
    return float(np.clip(variance * np.exp(step), 1e-4, 25.0)), information**-0.5
