"""Response curves from sparse history: hierarchical empirical Bayes with a Laplace approximation per arm.

Per arm and week, attributed revenue is  o + c·ρ·x/(1 + x/k) + error, where x is spend, c collects what is known
about the week (stock, promotion, season) and o is the organic part of the claims (`incrementality`). (log ρ, log k)
have normal priors whose means and spreads are estimated from all arms (`pooling`). The error variance has a part that
grows with revenue (counts of orders), a part that grows with its square (demand noise), and the released noise of a
clean room, which is known. Noise in spend is handled to first order, by adding its effect through the curve's slope.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from rmn_pipeline.planning.curves import Floats, HillCurves, curve_through
from rmn_pipeline.planning.incrementality import Multipliers, multipliers_for, organic_claims
from rmn_pipeline.planning.observations import Observations, observe
from rmn_pipeline.planning.pooling import (
    PoolingDesign,
    PriorMeans,
    initial_hyperparameters,
    pool,
    pooling_design,
)
from rmn_pipeline.planning.season import SeasonModel, fit_season
from rmn_pipeline.planning.settings import PlannerSettings
from rmn_pipeline.planning.view import PlanningView

NEWTON_STEP_LIMIT = 0.5
# Spread of the log week effects and promotion effects that is believed before seeing data.
WEEK_EFFECT_PRIOR_SD = 0.25
PROMO_EFFECT_PRIOR_SD = 0.5
# Fixed draws for expectations over the posterior: the same for every arm, so plans are reproducible.
EXPECTATION_DRAWS = 200
EXPECTATION_SEED = 7


@dataclass(frozen=True)
class Controls:
    """What the weeks had in common: a factor per category and week, and a lift per category and promotion."""

    week_factor: Floats
    promo_lift: Floats

    def factor(self, seen: Observations) -> Floats:
        """The known multiplier of each observed week's response."""
        promo = 1.0 + self.promo_lift[seen.category] * seen.promo_share
        return seen.in_stock_share * promo * self.week_factor[seen.week_cell]


@dataclass(frozen=True)
class NoiseModel:
    """Error variance = order · (revenue per conversion) · μ + demand · μ² + known released noise."""

    order: float
    demand: float

    def variance(self, seen: Observations, fitted: Floats, slope: Floats) -> Floats:
        """Variance of each observation around its fitted value."""
        own = (
            self.order * seen.revenue_per_conversion_usd * (fitted + seen.organic_usd)
            + self.demand * fitted**2
        )
        return own + seen.revenue_noise_variance + slope**2 * seen.spend_noise_variance + 1e-6


@dataclass(frozen=True)
class ResponseModel:
    """Posterior of every arm's weekly curve, on attributed revenue net of organic claims, and the step to incremental.

    `arms` has one row per arm (keys, category, line_id, usual_spend_usd_per_week, …) in the order of the arrays.
    Curves hold at full stock where stock was seen, and at usual stock where it was not.
    """

    arms: pl.DataFrame
    log_initial: Floats
    log_half: Floats
    covariance: Floats
    multipliers: Multipliers
    usual_factor: Floats
    controls: Controls
    season: SeasonModel
    noise: NoiseModel
    censored_weeks: int

    def draws(self, count: int, seed: int) -> tuple[Floats, Floats]:
        """`count` joint draws of (initial iROAS, half-saturation per week), each an array draws × arms."""
        generator = np.random.default_rng(seed)
        arms = self.log_initial.size
        root = np.linalg.cholesky(self.covariance)
        normal = generator.standard_normal((count, arms, 2))
        offset = np.einsum("aij,daj->dai", root, normal)
        scale = self.multipliers.standard_error / self.multipliers.value
        log_sd = np.sqrt(np.log1p(scale**2))
        shared = np.exp(generator.standard_normal((count, scale.size)) * log_sd - log_sd**2 / 2)
        level = (self.multipliers.level * shared)[:, self.multipliers.cell] * self.usual_factor
        return np.exp(self.log_initial + offset[:, :, 0]) * level, np.exp(self.log_half + offset[:, :, 1])

    def expected_curves(self) -> HillCurves:
        """Weekly incremental curves with the posterior-expected response at usual and at four times usual spend."""
        initial, half = self.draws(EXPECTATION_DRAWS, EXPECTATION_SEED)
        low = self.arms["usual_spend_usd_per_week"].to_numpy()
        high = 4.0 * low
        expected_low = (initial * low / (1 + low / half)).mean(axis=0)
        expected_high = (initial * high / (1 + high / half)).mean(axis=0)
        return curve_through(low, expected_low, high, expected_high)

    def outlook(self, start: date, weeks: int) -> tuple[Floats, Floats]:
        """Season of the planned weeks against history, per arm, and its log standard deviation."""
        level, log_sd = self.season.outlook(start, weeks)
        place = {name: index for index, name in enumerate(self.season.categories)}
        of_arm = np.array([place[name] for name in self.arms["category"].to_list()])
        return level[of_arm], log_sd[of_arm]

    def initial_iroas(self) -> tuple[Floats, Floats]:
        """Posterior mean and variance of the initial incremental return per dollar."""
        initial, _ = self.draws(EXPECTATION_DRAWS, EXPECTATION_SEED)
        return initial.mean(axis=0), initial.var(axis=0)


@dataclass(frozen=True)
class _Posterior:
    """Working state of the fit: modes and inverse Hessians of (log initial, log half) per arm."""

    mode: Floats
    covariance: Floats
    data_precision: Floats


def fit_response(view: PlanningView, settings: PlannerSettings | None = None) -> ResponseModel:
    """Fit all arms of a view together; the mode only decides which week controls have anything to say."""
    chosen = settings or PlannerSettings()
    raw = observe(view, chosen)
    multipliers = multipliers_for(raw.arms, view.incrementality)
    seen = raw.net_of(organic_claims(raw, multipliers))
    design = pooling_design(seen.arms)
    mode = _starting_point(seen)
    priors = [_starting_prior(design, mode[:, column]) for column in (0, 1)]
    controls = Controls(np.ones(seen.week_cells), np.zeros(seen.categories))
    noise = NoiseModel(order=1.0, demand=0.1)
    posterior = _Posterior(mode, np.zeros((seen.arm_count, 2, 2)), np.zeros((seen.arm_count, 2, 2)))
    for _ in range(chosen.outer_passes):
        posterior = _newton(seen, posterior.mode, priors, controls, noise, chosen.inner_passes)
        priors = [
            pool(design, posterior.mode[:, column], posterior.covariance[:, column, column], priors[column])
            for column in (0, 1)
        ]
        noise = _fit_noise(seen, posterior, controls, noise)
        controls = _fit_controls(seen, posterior.mode, noise)
    return ResponseModel(
        arms=seen.arms,
        log_initial=posterior.mode[:, 0],
        log_half=posterior.mode[:, 1],
        covariance=_widened(posterior.covariance, priors),
        multipliers=multipliers,
        usual_factor=_usual_factor(seen, controls),
        controls=controls,
        season=fit_season(
            view, seen.week_table.with_columns(log_effect=pl.Series(np.log(controls.week_factor))), chosen
        ),
        noise=noise,
        censored_weeks=seen.censored_weeks,
    )


def _starting_point(seen: Observations) -> Floats:
    usual = seen.arms["usual_spend_usd_per_week"].to_numpy()
    spend, revenue = seen.per_arm(seen.spend_usd), np.maximum(seen.per_arm(seen.revenue_usd), 0.0)
    overall = max(revenue.sum() / spend.sum(), 1e-3)
    # Every arm starts with a tenth of the overall return mixed in: an arm without sales has no logarithm.
    average = 0.9 * revenue / spend + 0.1 * overall
    return np.column_stack([np.log(2.0 * average), np.log(usual)])


def _starting_prior(design: PoolingDesign, values: Floats) -> PriorMeans:
    level = np.full(values.size, np.median(values))
    return PriorMeans(level, np.zeros(values.size), initial_hyperparameters(design))


def _fitted(seen: Observations, mode: Floats, factor: Floats) -> tuple[Floats, Floats, Floats]:
    """Fitted revenue, its slope in spend, and the share x/(x+k), per observation."""
    initial, half = np.exp(mode[seen.arm, 0]), np.exp(mode[seen.arm, 1])
    scale = 1.0 + seen.spend_usd / half
    return (
        factor * initial * seen.spend_usd / scale,
        factor * initial / scale**2,
        seen.spend_usd / (seen.spend_usd + half),
    )


def _newton(
    seen: Observations,
    mode: Floats,
    priors: list[PriorMeans],
    controls: Controls,
    noise: NoiseModel,
    passes: int,
) -> _Posterior:
    """Gauss–Newton steps on all arms at once, each step clipped so that a thin arm cannot run away."""
    factor = controls.factor(seen)
    means = np.column_stack([prior.mean for prior in priors])
    precision = np.diag([1.0 / prior.hyperparameters.arm_variance for prior in priors])
    covariance: Floats = np.zeros((mode.shape[0], 2, 2))
    data: Floats = covariance
    for _ in range(passes):
        fitted, slope, share = _fitted(seen, mode, factor)
        weight = 1.0 / noise.variance(seen, fitted, slope)
        error = seen.revenue_usd - fitted
        by_initial, by_half = fitted, fitted * share
        gradient = np.column_stack(
            [seen.per_arm(weight * by_initial * error), seen.per_arm(weight * by_half * error)]
        )
        gradient -= (mode - means) @ precision
        cross = seen.per_arm(weight * by_initial * by_half)
        data = np.stack(
            [
                np.stack([seen.per_arm(weight * by_initial**2), cross], axis=-1),
                np.stack([cross, seen.per_arm(weight * by_half**2)], axis=-1),
            ],
            axis=-2,
        )
        covariance = np.asarray(np.linalg.inv(data + precision), dtype=np.float64)
        step = np.einsum("aij,aj->ai", covariance, gradient)
        mode = mode + np.clip(step, -NEWTON_STEP_LIMIT, NEWTON_STEP_LIMIT)
    return _Posterior(mode, covariance, data)


def _fit_noise(
    seen: Observations, posterior: _Posterior, controls: Controls, noise: NoiseModel
) -> NoiseModel:
    """Two variance components by weighted moments, corrected for the parameters that the fit has used up."""
    fitted, slope, _ = _fitted(seen, posterior.mode, controls.factor(seen))
    expected = noise.variance(seen, fitted, slope)
    used = float(np.einsum("aij,aji->", posterior.covariance, posterior.data_precision))
    correction = seen.arm.size / max(seen.arm.size - used, 0.1 * seen.arm.size)
    known = seen.revenue_noise_variance + slope**2 * seen.spend_noise_variance
    target = (seen.revenue_usd - fitted) ** 2 * correction - known
    by_order = seen.revenue_per_conversion_usd * (fitted + seen.organic_usd)
    by_demand, weight = fitted**2, 1.0 / expected**2
    order_order, demand_demand = (weight * by_order**2).sum(), (weight * by_demand**2).sum()
    cross = (weight * by_order * by_demand).sum()
    order_target, demand_target = (weight * by_order * target).sum(), (weight * by_demand * target).sum()
    determinant = order_order * demand_demand - cross**2
    if determinant > 1e-12 * order_order * demand_demand:
        order = (demand_demand * order_target - cross * demand_target) / determinant
        demand = (order_order * demand_target - cross * order_target) / determinant
    else:
        order, demand = 0.0, demand_target / demand_demand
    if order < 0:
        order, demand = 0.0, demand_target / demand_demand
    elif demand < 0:
        order, demand = order_target / order_order, 0.0
    return NoiseModel(max(order, 0.01), max(demand, 1e-4))


def _fit_controls(seen: Observations, mode: Floats, noise: NoiseModel) -> Controls:
    """Week factors per category, then promotion lifts per category, each shrunk towards no effect."""
    base, slope, _ = _fitted(seen, mode, seen.in_stock_share)
    weight = 1.0 / noise.variance(seen, base, slope)
    lift = _shrunk_ratio(
        seen.category,
        seen.categories,
        weight,
        base * seen.promo_share,
        seen.revenue_usd - base,
        PROMO_EFFECT_PRIOR_SD,
    )
    with_promo = base * (1.0 + lift[seen.category] * seen.promo_share)
    change = _shrunk_ratio(
        seen.week_cell,
        seen.week_cells,
        weight,
        with_promo,
        seen.revenue_usd - with_promo,
        WEEK_EFFECT_PRIOR_SD,
    )
    week = np.maximum(1.0 + change, 0.1)
    # The average week is the reference: a common level belongs to the arms, not to the weeks.
    level = np.average(week[seen.week_cell], weights=with_promo)
    return Controls(week / level, np.maximum(lift, -0.9))


def _shrunk_ratio(
    cell: np.ndarray, cells: int, weight: Floats, scale: Floats, excess: Floats, prior_sd: float
) -> Floats:
    """Per cell, the share of `scale` that best explains `excess`, with a normal prior around zero."""
    information = np.bincount(cell, weights=weight * scale**2, minlength=cells)
    return np.bincount(cell, weights=weight * scale * excess, minlength=cells) / (information + prior_sd**-2)


def _usual_factor(seen: Observations, controls: Controls) -> Floats:
    """Promotions will go on as usual: the lift that an arm's habit of promoting brings on average."""
    lift = np.zeros(seen.arm_count)
    lift[seen.arm] = controls.promo_lift[seen.category]
    return 1.0 + lift * seen.arms["usual_promo_share"].to_numpy()


def _widened(covariance: Floats, priors: list[PriorMeans]) -> Floats:
    """Add what is unknown about the prior means: plain empirical Bayes would be too sure of itself."""
    widened = covariance.copy()
    for column, prior in enumerate(priors):
        reliance = covariance[:, column, column] / prior.hyperparameters.arm_variance
        widened[:, column, column] += reliance**2 * prior.mean_variance
    return widened
