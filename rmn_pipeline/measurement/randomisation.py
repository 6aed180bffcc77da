"""The randomisation test of a constant effect, and the interval that is its inversion, in closed form.

Outcomes g and doses A are tested for "the effect is τ": g − τA is then what nature would have shown without treatment,
whoever had been drawn. Every statistic here is linear in the outcomes, so that of a redraw is a − τb and the
observed one is a₀ − τb₀. A redraw is at least as extreme as what was seen where |a − τb| ≥ |a₀ − τb₀|, which (for
|b| < b₀) is the interval between

    (a₀ − a) / (b₀ − b)   and   (a₀ + a) / (b₀ + b).

All these intervals hold the estimate a₀/b₀, so the p-value falls with the distance from it on both sides, and
{τ: p(τ) > α} is one interval whose ends are order statistics. p and interval cannot disagree: both count the same
intervals. Redraws with |b| ≥ b₀ are counted everywhere, which can only make the test more careful.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmn_pipeline.measurement.arrays import Floats

# Ties that differ by rounding only must count as ties.
ROUNDING = 1e-11


@dataclass(frozen=True)
class RandomisationTest:
    """Where each redraw is at least as extreme as what was seen; `own` is 1 where the observed draw is no redraw."""

    estimate: float
    lower: Floats
    upper: Floats
    own: int

    def p_value(self, effect: float = 0.0) -> float:
        """Two-sided p of "the effect is `effect`"."""
        extreme = int(((self.lower <= effect) & (effect <= self.upper)).sum())
        return (extreme + self.own) / (self.lower.size + self.own)

    def interval(self, alpha: float) -> tuple[float, float]:
        """The effects that are not rejected at level `alpha`; infinite where nothing far away can be rejected."""
        needed = int(np.floor(alpha * (self.lower.size + self.own) + 1e-9)) + 1 - self.own
        if needed <= 0:
            return -np.inf, np.inf
        return (
            float(np.partition(self.lower, needed - 1)[needed - 1]),
            float(-np.partition(-self.upper, needed - 1)[needed - 1]),
        )

    @property
    def smallest_p(self) -> float:
        """The smallest p that this design could ever give: redraws that are extreme under every effect."""
        everywhere = int((np.isinf(self.lower) & np.isinf(self.upper)).sum())
        return (everywhere + self.own) / (self.lower.size + self.own)


def invert(
    value: float, dose: float, redraw_values: Floats, redraw_doses: Floats, *, exhaustive: bool
) -> RandomisationTest:
    """The test of an observed statistic `value − τ·dose` against those of the redraws.

    `exhaustive`: the redraws hold every assignment once, the observed one among them.
    """
    slack = ROUNDING * (abs(value) + float(np.abs(redraw_values).max(initial=0.0)) + abs(dose)) / abs(dose)
    everywhere = np.abs(redraw_doses) >= abs(dose) * (1.0 - 1e-9)
    safe = np.where(everywhere, 0.0, redraw_doses)
    one = (value - redraw_values) / (dose - safe)
    other = (value + redraw_values) / (dose + safe)
    lower = np.where(everywhere, -np.inf, np.minimum(one, other) - slack)
    upper = np.where(everywhere, np.inf, np.maximum(one, other) + slack)
    return RandomisationTest(value / dose, lower, upper, own=0 if exhaustive else 1)


def weighted_differences(draws: Floats, columns: Floats, weight: Floats) -> Floats:
    """Weighted mean over treated minus over control, per draw and column (draws × columns).

    `draws` is 0/1, draws × units; `columns` is units × columns.
    """
    weighted = columns * weight[:, None]
    treated_weight = draws @ weight
    treated_sum = draws @ weighted
    rest_weight = weight.sum() - treated_weight
    # A draw with all the weight on one side compares nothing.
    least = 1e-12 * weight.sum()
    treated_weight = np.where(treated_weight > least, treated_weight, np.nan)[:, None]
    rest_weight = np.where(rest_weight > least, rest_weight, np.nan)[:, None]
    return np.asarray(treated_sum / treated_weight - (weighted.sum(axis=0) - treated_sum) / rest_weight)


def two_group_test(
    outcome: Floats,
    treated: Floats,
    weight: Floats,
    draws: Floats,
    *,
    exhaustive: bool,
    dose: Floats | None = None,
) -> RandomisationTest:
    """Weighted difference in means of `outcome` between treated and control units, tested by redrawing who is treated.

    `dose` is what an effect of one adds to each unit's outcome: `treated` itself unless outcomes were adjusted.
    """
    columns = np.column_stack([outcome, treated if dose is None else dose])
    observed = weighted_differences(treated[None, :], columns, weight)[0]
    found = weighted_differences(draws, columns, weight)
    # Redraws that say nothing count as extreme under every effect.
    silent = np.isnan(found[:, 0])
    values, doses = np.where(silent, 0.0, found[:, 0]), np.where(silent, observed[1], found[:, 1])
    return invert(float(observed[0]), float(observed[1]), values, doses, exhaustive=exhaustive)
