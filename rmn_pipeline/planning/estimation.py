"""The numerical core of the response fit: curves with their derivatives, error variance, Gauss–Newton on all arms.

Each arm has two parameters, log ρ (initial return) and log k (scale of spend), and one nuisance ν: the factor by
which its organic claims differ from what its exposure says. Attributed revenue of a week, net of expected organic
claims o, is

    y = c·ρ·g(x; k) + ν·o + e,     ν ~ N(0, ω²),  e ~ N(0, σ²)

ν is integrated out, not estimated: with weights w = 1/σ² and derivatives J of the fitted value, the marginal
information on the parameters is

    D = Σ w·J·Jᵀ − a·aᵀ/q,     a = Σ w·J·o,   q = 1/ω² + Σ w·o²

so an arm whose claims are mostly organic tells little about its curve. σ² has a part that grows with revenue (counts
of orders), a part that grows with its square (demand), and the known variance of a clean room's released noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rmn_pipeline.planning.curves import CurveFamily, Floats
from rmn_pipeline.planning.matrices import inverse_of_2x2
from rmn_pipeline.planning.observations import Observations

NEWTON_STEP_LIMIT = 0.5
# Quadrature points per parameter: five integrate polynomials up to degree 9 exactly.
QUADRATURE_POINTS = 5


@dataclass(frozen=True)
class Fitted:
    """Fitted revenue per observation with its first derivatives and its second derivative in spend."""

    value: Floats
    by_log_scale: Floats
    slope: Floats
    bend: Floats


@dataclass(frozen=True)
class NoiseModel:
    """Error variance = order · (revenue per conversion) · revenue + demand · fitted² + known released noise."""

    order: float
    demand: float

    def variance(self, seen: Observations, fitted: Fitted) -> Floats:
        """Variance of each observation around its fitted value."""
        revenue = fitted.value + seen.organic_usd
        own = self.order * seen.revenue_per_conversion_usd * revenue + self.demand * fitted.value**2
        return own + known_variance(seen, fitted) + 1e-6


@dataclass(frozen=True)
class ArmPosterior:
    """Mode of (log ρ, log k) per arm, and the likelihood around it as a quadratic.

    `data_precision` and `data_pull` are that quadratic: exp(−½ θᵀDθ + hᵀθ). `organic_shift` is how far the mode moves
    when all organic claims of the arm are larger by a factor: ∂θ/∂(log o), by the implicit function theorem.
    """

    mode: Floats
    covariance: Floats
    data_precision: Floats
    data_pull: Floats
    organic_shift: Floats
    claim_error: Floats
    used_parameters: float


def known_variance(seen: Observations, fitted: Fitted) -> Floats:
    """What the released noise adds: revenue's own, and spend's through slope and curvature (second order)."""
    spend = seen.spend_noise_variance
    return seen.revenue_noise_variance + fitted.slope**2 * spend + 0.5 * fitted.bend**2 * spend**2


def curve_terms(family: CurveFamily, initial: Floats, scale: Floats, spend: Floats) -> Fitted:
    """A family's response and derivatives; arrays broadcast."""
    ratio = spend / scale
    if family == "hill":
        value = initial * spend / (1.0 + ratio)
        slope = initial / (1.0 + ratio) ** 2
        return Fitted(value, value * ratio / (1.0 + ratio), slope, -2.0 * slope / (scale * (1.0 + ratio)))
    slope = initial / (1.0 + ratio)
    value = initial * scale * np.log1p(ratio)
    return Fitted(value, value - slope * spend, slope, -slope / (scale * (1.0 + ratio)))


def fitted_values(seen: Observations, mode: Floats, factor: Floats, family: CurveFamily) -> Fitted:
    """The fit at every observation. Noise in released spend bends the curve by ½·f''·Var(x), which is added."""
    terms = curve_terms(family, factor * np.exp(mode[seen.arm, 0]), np.exp(mode[seen.arm, 1]), seen.spend_usd)
    if not seen.spend_noise_variance.any():
        return terms
    value = np.maximum(terms.value + 0.5 * terms.bend * seen.spend_noise_variance, 0.5 * terms.value)
    return Fitted(value, terms.by_log_scale, terms.slope, terms.bend)


def newton(
    seen: Observations,
    family: CurveFamily,
    mode: Floats,
    prior_mean: Floats,
    prior_variance: Floats,
    factor: Floats,
    noise: NoiseModel,
    passes: int,
) -> ArmPosterior:
    """Gauss–Newton steps on all arms at once, each step clipped so that a thin arm cannot run away."""
    tolerance = 1.0 / seen.claim_sd**2
    found: ArmPosterior | None = None
    for _ in range(passes):
        fitted = fitted_values(seen, mode, factor, family)
        weight = 1.0 / noise.variance(seen, fitted)
        error, claim = seen.revenue_usd - fitted.value, seen.organic_usd
        by_initial, by_scale = fitted.value, fitted.by_log_scale
        weighted = weight * by_initial, weight * by_scale, weight * claim
        q = tolerance + seen.per_arm(weighted[2] * claim)
        a = np.column_stack([seen.per_arm(weighted[0] * claim), seen.per_arm(weighted[1] * claim)])
        claim_error = seen.per_arm(weighted[2] * error) / q
        gradient = np.column_stack([seen.per_arm(weighted[0] * error), seen.per_arm(weighted[1] * error)])
        gradient -= a * claim_error[:, None]
        cross = seen.per_arm(weighted[0] * by_scale)
        data = np.stack(
            [seen.per_arm(weighted[0] * by_initial), cross, cross, seen.per_arm(weighted[1] * by_scale)],
            axis=-1,
        ).reshape(-1, 2, 2)
        data = data - a[:, :, None] * a[:, None, :] / q[:, None, None]
        covariance = inverse_of_2x2(data + np.eye(2) / prior_variance)
        step = np.einsum("aij,aj->ai", covariance, gradient - (mode - prior_mean) / prior_variance)
        pull = np.einsum("aij,aj->ai", data, mode) + gradient
        found = ArmPosterior(
            mode=mode + np.clip(step, -NEWTON_STEP_LIMIT, NEWTON_STEP_LIMIT),
            covariance=covariance,
            data_precision=data,
            data_pull=pull,
            organic_shift=-np.einsum("aij,aj->ai", covariance, a) * (tolerance / q)[:, None],
            claim_error=claim_error,
            used_parameters=float(np.einsum("aij,aji->", covariance, data) + (1.0 - tolerance / q).sum()),
        )
        mode = found.mode
    if found is None:
        raise ValueError("newton needs at least one pass")
    return found


def refine(
    seen: Observations,
    family: CurveFamily,
    around: ArmPosterior,
    prior_mean: Floats,
    prior_variance: Floats,
    factor: Floats,
    noise: NoiseModel,
) -> ArmPosterior:
    """Posterior means and covariances by quadrature, in place of the mode and the curvature there.

    log k is bounded from below by the bend that data shows and hardly from above (a straight line fits for every large
    k), so its posterior is skewed and the mode lies below the mean. A product Gauss–Hermite rule around the last
    posterior, reweighted by the exact likelihood times prior, gives both moments. `data_precision` and `data_pull` are
    then what a normal likelihood would have to be to give these moments (expectation propagation with one factor per
    arm), so that everything built on them holds with the moments instead of the mode.

    The error variance stays that of the last fit, as in the Newton steps: letting each node have its own would read
    the scatter of the weeks as evidence on their mean, which only normal errors would bear out.
    """
    nodes, log_weight = _rule()
    first = np.sqrt(around.covariance[:, 0, 0])
    along = around.covariance[:, 0, 1] / first
    rest = np.sqrt(np.maximum(around.covariance[:, 1, 1] - along**2, 1e-12))
    log_initial = around.mode[:, :1] + first[:, None] * nodes[:, 0]
    log_scale = around.mode[:, 1:] + along[:, None] * nodes[:, 0] + rest[:, None] * nodes[:, 1]
    variance = noise.variance(seen, fitted_values(seen, around.mode, factor, family))
    log_posterior = _log_likelihood(seen, family, log_initial, log_scale, factor, variance)
    for column, value in enumerate((log_initial, log_scale)):
        log_posterior -= 0.5 * (value - prior_mean[:, column, None]) ** 2 / prior_variance[column]
    weight = log_posterior + log_weight + 0.5 * (nodes**2).sum(axis=1)
    weight = np.exp(weight - weight.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    mean = np.column_stack([(weight * log_initial).sum(axis=1), (weight * log_scale).sum(axis=1)])
    off = log_initial - mean[:, :1], log_scale - mean[:, 1:]
    cross = (weight * off[0] * off[1]).sum(axis=1)
    parts = [(weight * off[0] ** 2).sum(axis=1), cross, cross, (weight * off[1] ** 2).sum(axis=1)]
    covariance = np.stack(parts, axis=-1).reshape(-1, 2, 2)
    covariance = _within(covariance, prior_variance)
    precision = inverse_of_2x2(covariance)
    data = precision - np.eye(2) / prior_variance
    pull = np.einsum("aij,aj->ai", precision, mean) - prior_mean / prior_variance
    return replace(around, mode=mean, covariance=covariance, data_precision=data, data_pull=pull)


def _within(covariance: Floats, prior_variance: Floats) -> Floats:
    """A covariance that data can have left of the prior: no wider than it in any direction, and not degenerate."""
    root = np.sqrt(prior_variance)
    scaled = covariance / (root[:, None] * root[None, :])
    values, vectors = np.linalg.eigh(scaled)
    values = np.clip(values, 1e-6, 0.999)
    return np.einsum("aij,aj,akj->aik", vectors, values, vectors) * (root[:, None] * root[None, :])


def _rule() -> tuple[Floats, Floats]:
    """Nodes (points × 2) and log weights of the product rule for two independent standard normals."""
    points, weights = np.polynomial.hermite_e.hermegauss(QUADRATURE_POINTS)
    first, second = np.meshgrid(points, points, indexing="ij")
    log_weight = np.log(np.outer(weights, weights)).ravel()
    return np.column_stack([first.ravel(), second.ravel()]), log_weight


def _log_likelihood(
    seen: Observations,
    family: CurveFamily,
    log_initial: Floats,
    log_scale: Floats,
    factor: Floats,
    variance: Floats,
) -> Floats:
    """Log likelihood per arm and node with ν integrated out, up to a constant per arm."""
    initial = factor[:, None] * np.exp(log_initial)[seen.arm]
    fitted = curve_terms(family, initial, np.exp(log_scale)[seen.arm], seen.spend_usd[:, None])
    error = seen.revenue_usd[:, None] - fitted.value
    if seen.spend_noise_variance.any():
        error -= 0.5 * fitted.bend * seen.spend_noise_variance[:, None]
    claim = seen.organic_usd / variance
    q = 1.0 / seen.claim_sd**2 + seen.per_arm(claim * seen.organic_usd)
    squares = seen.arm_sums(error**2 / variance[:, None])
    return 0.5 * (seen.arm_sums(claim[:, None] * error) ** 2 / q[:, None] - squares)


def fit_noise(
    seen: Observations, family: CurveFamily, posterior: ArmPosterior, factor: Floats, noise: NoiseModel
) -> NoiseModel:
    """Two variance components by weighted moments, corrected for the parameters that the fit has used up."""
    fitted = fitted_values(seen, posterior.mode, factor, family)
    weight = 1.0 / noise.variance(seen, fitted) ** 2
    correction = seen.arm.size / max(seen.arm.size - posterior.used_parameters, 0.1 * seen.arm.size)
    error = seen.revenue_usd - fitted.value - posterior.claim_error[seen.arm] * seen.organic_usd
    target = error**2 * correction - known_variance(seen, fitted)
    by_order = seen.revenue_per_conversion_usd * (fitted.value + seen.organic_usd)
    by_demand = fitted.value**2
    order_order, demand_demand = float((weight * by_order**2).sum()), float((weight * by_demand**2).sum())
    cross = float((weight * by_order * by_demand).sum())
    order_target, demand_target = (
        float((weight * by_order * target).sum()),
        float((weight * by_demand * target).sum()),
    )
    determinant = order_order * demand_demand - cross**2
    order, demand = -1.0, -1.0
    if determinant > 1e-12 * order_order * demand_demand:
        order = (demand_demand * order_target - cross * demand_target) / determinant
        demand = (order_order * demand_target - cross * order_target) / determinant
    if order < 0:
        order, demand = 0.0, demand_target / demand_demand
    elif demand < 0:
        order, demand = order_target / order_order, 0.0
    return NoiseModel(max(order, 0.01), max(demand, 1e-4))
