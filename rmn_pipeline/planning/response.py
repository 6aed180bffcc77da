"""Response curves from sparse history: hierarchical empirical Bayes with a Laplace approximation per arm.

Per arm and week, attributed revenue is  o + c·f(x; ρ, k) + error, where x is spend, c collects what is known about the
week (`controls`) and o is the organic part of the claims (`incrementality`). (log ρ, log k) have normal priors whose
means and spreads are estimated from all arms (`pooling`). `estimation` holds the numerical core.

What a plan takes for known is drawn with everything that is not: read-outs of experiments (shared by all arms of a
retailer's placement, and moving the organic part with them), group effects, spreads, and the arms themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl

from rmn_pipeline.planning.controls import Controls, fit_controls, no_controls, usual_factor
from rmn_pipeline.planning.curves import CurveFamily, Curves, Floats
from rmn_pipeline.planning.estimation import (
    ArmPosterior,
    NoiseModel,
    curve_terms,
    fit_noise,
    newton,
    refine,
)
from rmn_pipeline.planning.families import FormError, HeldOutFit, choose_family
from rmn_pipeline.planning.incrementality import (
    Multipliers,
    multipliers_for,
    organic_claims,
    organic_share_of,
)
from rmn_pipeline.planning.matrices import inverse_of_2x2
from rmn_pipeline.planning.observations import Observations, observe
from rmn_pipeline.planning.pooling import Prior, pool, pooling_design, starting_prior
from rmn_pipeline.planning.season import SeasonModel, fit_season
from rmn_pipeline.planning.settings import PlannerSettings
from rmn_pipeline.planning.view import PlanningView

# Fixed draws for expectations over the posterior: the same for every arm, so plans are reproducible.
EXPECTATION_DRAWS = 200
EXPECTATION_SEED = 7
# Draws that are worked on at once: bounds the memory at ten thousand arms.
DRAWS_AT_ONCE = 50
# Good enough to tell the families apart.
FAMILY_FIT_TOLERANCE = 0.01
FAMILY_PASSES = 15
# Beyond these multiples of an arm's usual spend, a scale of spend is a straight line or a step: draws stay within.
SCALE_BOUNDS = (0.01, 100.0)
# The linear response to the organic share is trusted up to a doubling, and down to none.
ORGANIC_CHANGE_LIMIT = 1.0


@dataclass(frozen=True)
class ResponseModel:
    """Posterior of every arm's weekly curve, on attributed revenue net of organic claims, and the step to incremental.

    `arms` has one row per arm (keys, category, line_id, usual_spend_usd_per_week, …) in the order of the arrays.
    Curves are of one `family` and hold at full stock where stock was seen, and at usual stock where it was not.
    """

    arms: pl.DataFrame
    family: CurveFamily
    form_error: FormError
    posterior: ArmPosterior
    prior: Prior
    multipliers: Multipliers
    usual_factor: Floats
    controls: Controls
    season: SeasonModel
    noise: NoiseModel
    censored_weeks: int

    @property
    def log_initial(self) -> Floats:
        """Mode of log initial return, attributed and net of organic claims."""
        return self.posterior.mode[:, 0]

    @property
    def log_half(self) -> Floats:
        """Mode of the log scale of spend."""
        return self.posterior.mode[:, 1]

    def draws(self, count: int, seed: int) -> tuple[Floats, Floats]:
        """`count` joint draws of (initial iROAS, scale of spend per week), each an array draws × arms.

        Each draw takes its own read-outs, group effects and spreads; given those, the arm's quadratic likelihood and
        normal prior combine in closed form. A read-out that is lower than expected means that more of the claims were
        organic, which shifts the mode by `organic_shift` (to first order).
        """
        generator = np.random.default_rng(seed)
        multiplier = self.multipliers.draw(generator, count)
        mean, spread = self.prior.draw(generator, count)
        parts = [
            self._draw_arms(generator, multiplier[part], mean[part], spread[part])
            for part in (slice(at, at + DRAWS_AT_ONCE) for at in range(0, count, DRAWS_AT_ONCE))
        ]
        return np.concatenate([initial for initial, _ in parts]), np.concatenate([half for _, half in parts])

    def _draw_arms(
        self, generator: np.random.Generator, multiplier: Floats, mean: Floats, spread: Floats
    ) -> tuple[Floats, Floats]:
        precision = np.eye(2) / spread[:, None, None, :]
        covariance = inverse_of_2x2(self.posterior.data_precision + precision)
        pull = self.posterior.data_pull + mean / spread[:, None, :]
        center = np.einsum("daij,daj->dai", covariance, pull)
        organic, drawn = self.multipliers.organic_share, organic_share_of(multiplier)
        change = np.divide(drawn, organic, out=np.ones_like(drawn), where=organic > 0) - 1.0
        change = np.clip(change, -ORGANIC_CHANGE_LIMIT, ORGANIC_CHANGE_LIMIT)[:, self.multipliers.cell]
        center = center + change[:, :, None] * self.posterior.organic_shift
        normal = generator.standard_normal(center.shape)
        first = np.sqrt(covariance[..., 0, 0])
        along = covariance[..., 0, 1] / first
        rest = np.sqrt(np.maximum(covariance[..., 1, 1] - along**2, 0.0))
        level = (multiplier / (1.0 - drawn))[:, self.multipliers.cell] * self.usual_factor
        log_half = center[..., 1] + along * normal[..., 0] + rest * normal[..., 1]
        low, high = (np.log(bound * self._usual) for bound in SCALE_BOUNDS)
        return np.exp(center[..., 0] + first * normal[..., 0]) * level, np.exp(np.clip(log_half, low, high))

    @property
    def _usual(self) -> Floats:
        return self.arms["usual_spend_usd_per_week"].to_numpy()

    def expected_curves(self) -> Curves:
        """Weekly incremental curves with the posterior-expected response at usual and at four times usual spend."""
        initial, half = self.draws(EXPECTATION_DRAWS, EXPECTATION_SEED)
        low, high = self._usual, 4.0 * self._usual
        expected = [
            curve_terms(self.family, initial, half, spend).value.mean(axis=0) for spend in (low, high)
        ]
        scale = _scale_through(self.family, low, high, expected[1] / expected[0])
        unit = curve_terms(self.family, np.ones_like(scale), scale, low).value
        is_log = np.full(scale.size, True) if self.family == "log" else None
        return Curves(expected[0] / unit, scale, is_log)

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


def _scale_through(family: CurveFamily, low: Floats, high: Floats, ratio: Floats) -> Floats:
    """The scale of spend at which f(high) / f(low) has a given value, by bisection on its logarithm."""
    bottom, top = np.log(1e-4 * low), np.log(1e4 * low)
    one = np.ones_like(low)
    for _ in range(50):
        middle = 0.5 * (bottom + top)
        scale = np.exp(middle)
        found = curve_terms(family, one, scale, high).value / curve_terms(family, one, scale, low).value
        bottom, top = np.where(found < ratio, middle, bottom), np.where(found < ratio, top, middle)
    return np.exp(0.5 * (bottom + top))


@dataclass(frozen=True)
class Fit:
    """All that one pass over the data settles, for one family."""

    posterior: ArmPosterior
    prior: Prior
    controls: Controls
    noise: NoiseModel


def fit_response(view: PlanningView, settings: PlannerSettings | None = None) -> ResponseModel:
    """Fit all arms of a view together; the mode only decides which week controls have anything to say."""
    chosen = settings or PlannerSettings()
    raw = observe(view, chosen)
    multipliers = multipliers_for(raw.arms, view.incrementality)
    seen = raw.net_of(organic_claims(raw, multipliers))
    form = choose_family(seen, lambda weeks, family: _held_out(weeks, family, chosen))
    family = form.family
    fit = fit_family(seen, family, chosen)
    week_effects = seen.week_table.with_columns(log_effect=pl.Series(np.log(fit.controls.week_factor)))
    return ResponseModel(
        arms=seen.arms,
        family=family,
        form_error=form,
        posterior=fit.posterior,
        prior=fit.prior,
        multipliers=multipliers,
        usual_factor=usual_factor(seen, fit.controls),
        controls=fit.controls,
        season=fit_season(view, week_effects, chosen),
        noise=fit.noise,
        censored_weeks=seen.censored_weeks,
    )


def _held_out(seen: Observations, family: CurveFamily, settings: PlannerSettings) -> HeldOutFit:
    """A fit for comparison only: by modes, and less exact."""
    quick = replace(settings, fit_tolerance=FAMILY_FIT_TOLERANCE, outer_passes=FAMILY_PASSES, refinements=0)
    fit = fit_family(seen, family, quick)
    return HeldOutFit(fit.posterior, fit.controls.factor, fit.noise)


def fit_family(seen: Observations, family: CurveFamily, settings: PlannerSettings) -> Fit:
    """Alternate arms, prior, noise and controls until the prior stands still."""
    design = pooling_design(seen.arms)
    mode = _starting_point(seen)
    fit = Fit(
        _nothing(mode), starting_prior(design, mode), no_controls(seen), NoiseModel(order=1.0, demand=0.1)
    )
    for _ in range(settings.outer_passes):
        before = fit.prior
        fit = _pass(seen, family, fit, settings)
        if _change(before, fit.prior) < settings.fit_tolerance:
            break
    for _ in range(settings.refinements):
        fit = _updated(seen, family, fit, _refined(seen, family, fit))
    # The posterior must be that of the prior it is reported with.
    return replace(fit, posterior=_refined(seen, family, fit))


def _refined(seen: Observations, family: CurveFamily, fit: Fit) -> ArmPosterior:
    prior, factor = fit.prior, fit.controls.factor(seen)
    return refine(seen, family, fit.posterior, prior.mean, prior.spreads.arm_variance, factor, fit.noise)


def _pass(seen: Observations, family: CurveFamily, fit: Fit, settings: PlannerSettings) -> Fit:
    posterior = newton(
        seen,
        family,
        fit.posterior.mode,
        fit.prior.mean,
        fit.prior.spreads.arm_variance,
        fit.controls.factor(seen),
        fit.noise,
        settings.inner_passes,
    )
    return _updated(seen, family, fit, posterior)


def _updated(seen: Observations, family: CurveFamily, fit: Fit, posterior: ArmPosterior) -> Fit:
    """Prior, noise and controls from a new posterior."""
    prior = pool(posterior.data_precision, posterior.data_pull, fit.prior)
    noise = fit_noise(seen, family, posterior, fit.controls.factor(seen), fit.noise)
    return Fit(posterior, prior, fit_controls(seen, family, posterior, noise, fit.controls), noise)


def _change(before: Prior, after: Prior) -> float:
    """The move of the prior means (root mean square over arms) or of the log spreads, whichever is larger."""
    spreads = np.log(after.spreads.arm_variance / before.spreads.arm_variance)
    return max(float(np.sqrt(np.mean((after.mean - before.mean) ** 2))), float(np.max(np.abs(spreads))))


def _nothing(mode: Floats) -> ArmPosterior:
    zeros = np.zeros((mode.shape[0], 2, 2))
    return ArmPosterior(mode, zeros, zeros, np.zeros_like(mode), np.zeros_like(mode), zeros[:, 0, 0], 0.0)


def _starting_point(seen: Observations) -> Floats:
    usual = seen.arms["usual_spend_usd_per_week"].to_numpy()
    spend, revenue = seen.per_arm(seen.spend_usd), np.maximum(seen.per_arm(seen.revenue_usd), 0.0)
    overall = max(revenue.sum() / spend.sum(), 1e-3)
    # Every arm starts with a tenth of the overall return mixed in: an arm without sales has no logarithm.
    average = 0.9 * revenue / np.maximum(spend, 1e-9) + 0.1 * overall
    return np.column_stack([np.log(2.0 * average), np.log(usual)])
