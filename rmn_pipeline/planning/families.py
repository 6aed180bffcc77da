"""Hill or log: which family of curves foretells weeks that it has not seen, and how much the answer matters.

Weeks are held out in two halves per arm, the same for both families; each family is fitted on the one half and
scored on the other by its normal predictive density, whose variance adds what is unknown about the arm to the noise.
A family is a guess about the form of every curve, so what the two would say beyond the spends that were seen is
reported beside the choice: within the data they may fit alike and differ at twice the usual spend.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rmn_pipeline.planning.curves import CurveFamily, Floats
from rmn_pipeline.planning.estimation import ArmPosterior, NoiseModel, curve_terms, fitted_values
from rmn_pipeline.planning.observations import Observations

FAMILIES: tuple[CurveFamily, ...] = ("hill", "log")
FOLDS = 2
# So many arms, spread evenly over all, settle the contest.
ENOUGH_ARMS = 1000
LEAST_GAIN_IN_ERRORS = 2.0
# The spend, as a multiple of an arm's usual, at which the families' difference is reported.
FAR_SPEND_MULTIPLE = 2.0


@dataclass(frozen=True)
class HeldOutFit:
    """What scoring needs of a fit on some of the weeks: the arms, the weeks' multipliers, the noise."""

    posterior: ArmPosterior
    factor: Callable[[Observations], Floats]
    noise: NoiseModel


FitFamily = Callable[[Observations, CurveFamily], HeldOutFit]


@dataclass(frozen=True)
class FormError:
    """The held-out contest of the families.

    `log_score_gain` is the total held-out log score of the chosen family minus the other's, with its standard error
    over arms; `spread_at_double` the median over arms of |log(log curve / Hill curve)| at twice the usual spend.
    """

    family: CurveFamily
    log_score_gain: float
    standard_error: float
    spread_at_double: float

    def note(self) -> str:
        """One plain sentence for the plan's notes."""
        other = "log" if self.family == "hill" else "hill"
        return (
            f"curves are of the {self.family} family: on held-out weeks its log score is {self.log_score_gain:+.1f} "
            f"against {other} curves (standard error {self.standard_error:.1f}); at twice the usual spend the two "
            f"differ by {self.spread_at_double:.0%} for the median arm"
        )


def choose_family(seen: Observations, fit: FitFamily) -> FormError:
    """Fit both families on each half of the weeks and score them on the other half.

    Log curves have no ceiling and promise more beyond the spends that were seen, so they are taken only where they win
    by more than two standard errors; otherwise Hill curves are.
    """
    if seen.arm_count > ENOUGH_ARMS:
        seen = seen.of_arms(np.linspace(0, seen.arm_count - 1, ENOUGH_ARMS).round().astype(np.int64))
    fold = _folds(seen)
    usual = FAR_SPEND_MULTIPLE * seen.arms["usual_spend_usd_per_week"].to_numpy()
    scores = {family: np.zeros(seen.arm_count) for family in FAMILIES}
    spreads = []
    for held in range(FOLDS):
        far = {}
        for family in FAMILIES:
            found = fit(seen.only(fold != held), family)
            scores[family] += _log_scores(seen.only(fold == held), family, found)
            initial, scale = np.exp(found.posterior.mode).T
            far[family] = curve_terms(family, initial, scale, usual).value
        spreads.append(float(np.median(np.abs(np.log(far["log"] / far["hill"])))))
    gain = scores["log"] - scores["hill"]
    total, error = float(gain.sum()), float(np.std(gain) * np.sqrt(gain.size))
    is_log = total > LEAST_GAIN_IN_ERRORS * error
    return FormError(
        family="log" if is_log else "hill",
        log_score_gain=total if is_log else -total,
        standard_error=error,
        spread_at_double=float(np.mean(spreads)),
    )


def _folds(seen: Observations) -> np.ndarray:
    """Alternating weeks of each arm; observations lie arm by arm in the order of weeks."""
    order = np.argsort(seen.arm, kind="stable")
    count = np.bincount(seen.arm, minlength=seen.arm_count)
    start = np.concatenate([[0], np.cumsum(count)[:-1]])
    fold = np.empty(seen.arm.size, dtype=np.int64)
    fold[order] = (np.arange(seen.arm.size) - start[seen.arm[order]]) % FOLDS
    return fold


def _log_scores(held: Observations, family: CurveFamily, found: HeldOutFit) -> Floats:
    """Log predictive density of the held-out weeks, summed per arm."""
    posterior = found.posterior
    fitted = fitted_values(held, posterior.mode, found.factor(held), family)
    slopes = np.column_stack([fitted.value, fitted.by_log_scale])
    unknown = np.einsum("oi,oij,oj->o", slopes, posterior.covariance[held.arm], slopes)
    variance = found.noise.variance(held, fitted) + unknown
    error = held.revenue_usd - fitted.value - posterior.claim_error[held.arm] * held.organic_usd
    return held.per_arm(-0.5 * (error**2 / variance + np.log(2.0 * np.pi * variance)))
