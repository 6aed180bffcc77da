"""What weeks had in common besides the ads: promotions, demand and season, as known multipliers of the response.

Spend that follows demand makes a curve look steeper than it is (weeks with much spend were good weeks anyway). What
moved demand is therefore divided out, within arms: promotions by product and week, and a factor per category and
week for everything that a category shares, season first of all.

Demand that no field shows is told from what arms of one shelf share. Let d be the log demand of a retailer's product in
a week that is left after these controls, and z an arm's log spend around its own and its week's mean. If spend follows
d, then E[d | z] = β·z with β = Cov(d, z) / Var(z), and a curve fitted on z takes β·z for an effect of the ads. One
arm alone cannot tell. But another arm j of the same shelf has its own luck, so the covariance over pairs of arms

    Cov(z_i, e_j) = Cov(d, z) − β·Cov(z_i, z_j),     e_j = relative residual of arm j after taking β·z_j out

shows Cov(d, z) without arm i's own response in it. β follows as a fixed point, is shrunk by its own standard error,
and (x / mean)^β is divided out like a promotion. Without arms that share shelves β stays zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rmn_pipeline.planning.curves import CurveFamily, Floats
from rmn_pipeline.planning.estimation import ArmPosterior, NoiseModel, fitted_values
from rmn_pipeline.planning.observations import Observations

# Spread of the log week effects and promotion effects that is believed before seeing data.
WEEK_EFFECT_PRIOR_SD = 0.25
PROMO_EFFECT_PRIOR_SD = 0.5
# Elasticity of hidden demand along spend that is believed before seeing data, and its bounds.
DEMAND_PRIOR_SD = 0.2
DEMAND_LIMIT = 0.5
# Fewer pairs of arms on one shelf than this say nothing; single residuals count up to this size.
LEAST_PAIRS = 50
RESIDUAL_LIMIT = 2.0


@dataclass(frozen=True)
class Controls:
    """A factor per category and week, and a lift per category and promotion."""

    week_factor: Floats
    promo_lift: Floats
    demand_by_spend: float = 0.0

    def factor(self, seen: Observations) -> Floats:
        """The known multiplier of each observed week's response."""
        promo = 1.0 + self.promo_lift[seen.category] * seen.promo_share
        hidden = np.exp(self.demand_by_spend * seen.spend_deviation) if self.demand_by_spend else 1.0
        return seen.in_stock_share * promo * self.week_factor[seen.week_cell] * hidden


def no_controls(seen: Observations) -> Controls:
    """All weeks alike."""
    return Controls(np.ones(seen.week_cells), np.zeros(seen.categories))


def fit_controls(
    seen: Observations, family: CurveFamily, posterior: ArmPosterior, noise: NoiseModel, before: Controls
) -> Controls:
    """Promotion lifts given the weeks before, then week factors, then hidden demand, each shrunk to no effect."""
    hidden = np.exp(before.demand_by_spend * seen.spend_deviation)
    base = fitted_values(seen, posterior.mode, seen.in_stock_share * hidden, family)
    weight = 1.0 / noise.variance(seen, fitted_values(seen, posterior.mode, before.factor(seen), family))
    revenue = seen.revenue_usd - posterior.claim_error[seen.arm] * seen.organic_usd
    in_week = base.value * before.week_factor[seen.week_cell]
    lift = _shrunk_ratio(
        seen.category,
        seen.categories,
        weight,
        in_week * seen.promo_share,
        revenue - in_week,
        PROMO_EFFECT_PRIOR_SD,
    )
    with_promo = base.value * (1.0 + lift[seen.category] * seen.promo_share)
    change = _shrunk_ratio(
        seen.week_cell, seen.week_cells, weight, with_promo, revenue - with_promo, WEEK_EFFECT_PRIOR_SD
    )
    week = np.maximum(1.0 + change, 0.1)
    # The average week is the reference: a common level belongs to the arms, not to the weeks.
    level = np.average(week[seen.week_cell], weights=with_promo)
    found = Controls(week / level, np.maximum(lift, -0.9), before.demand_by_spend)
    fitted = fitted_values(seen, posterior.mode, found.factor(seen), family)
    return replace(found, demand_by_spend=_demand_by_spend(seen, fitted.value, revenue, before))


def _demand_by_spend(seen: Observations, fitted: Floats, revenue: Floats, before: Controls) -> float:
    """β of the module's derivation, from all ordered pairs of arms that share a shelf and a week."""
    spend = seen.spend_deviation
    residual = np.clip(revenue / np.maximum(fitted, 1e-9) - 1.0, -RESIDUAL_LIMIT, RESIDUAL_LIMIT)
    residual -= (seen.per_arm(residual) / np.maximum(np.bincount(seen.arm, minlength=seen.arm_count), 1))[
        seen.arm
    ]
    cells = int(seen.shelf_week.max()) + 1
    count = np.bincount(seen.shelf_week, minlength=cells).astype(np.float64)
    total = np.bincount(seen.shelf_week, weights=spend, minlength=cells)
    others = total[seen.shelf_week] - spend
    pairs = float((count * (count - 1)).sum())
    variance = float(np.mean(spend**2 - seen.spend_noise_variance / seen.spend_usd**2))
    if pairs < LEAST_PAIRS or variance <= 0:
        return 0.0
    covariance = float((others * residual).sum()) / pairs
    shared = float((others * spend).sum()) / pairs
    found = (covariance + before.demand_by_spend * shared) / variance
    # Each pair's product has about this variance; the two orders of a pair count as one.
    error = np.sqrt(2.0 * variance * float(np.mean(residual**2)) / pairs) / variance
    return float(np.clip(found / (1.0 + (error / DEMAND_PRIOR_SD) ** 2), -DEMAND_LIMIT, DEMAND_LIMIT))


def _shrunk_ratio(
    cell: np.ndarray, cells: int, weight: Floats, scale: Floats, excess: Floats, prior_sd: float
) -> Floats:
    """Per cell, the share of `scale` that best explains `excess`, with a normal prior around zero."""
    information = np.bincount(cell, weights=weight * scale**2, minlength=cells)
    return np.bincount(cell, weights=weight * scale * excess, minlength=cells) / (information + prior_sd**-2)


def usual_factor(seen: Observations, controls: Controls) -> Floats:
    """Promotions will go on as usual: the lift that an arm's habit of promoting brings on average."""
    lift = np.zeros(seen.arm_count)
    lift[seen.arm] = controls.promo_lift[seen.category]
    return 1.0 + lift * seen.arms["usual_promo_share"].to_numpy()
