"""Synthetic control: the treated series as a weighted mean of donors, each less its own mean before.

The mean of `gap` over the test is the point estimate of GeoLift without augmentation. The inference is not GeoLift's:
residuals of the fit itself are too small to judge by, so the effect is estimated K times with one block of the past
left out of the fit, and the spread of those estimates gives a t test (Chernozhukov, Wüthrich and Zhu's cross-fitting).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize

from rmn_pipeline.measurement.arrays import Floats
from rmn_pipeline.measurement.errors import MeasurementError
from rmn_pipeline.measurement.estimates import TTest

BLOCKS = 3
# More donors than this fit the past by chance; those that moved most alike are kept.
MOST_DONORS = 50


@dataclass(frozen=True)
class SyntheticControl:
    """The effect per period in the series' unit, its test, the donors' weights and the gap of every period."""

    test: TTest
    weight: Floats
    gap: Floats


def simplex_weights(donors: Floats, target: Floats) -> Floats:
    """argmin |donors·w − target|² with w ≥ 0 and Σw = 1; `donors` is periods × donors.

    With Σw = 1 the misfit is |(donors − target)·w|. Minimizing |M·v|² + (Σv − 1)² over v ≥ 0 finds the best direction
    at some scale, and scaling to Σ = 1 gives w: exact, with no penalty to choose.
    """
    moved = donors - target[:, None]
    scale = float(np.sqrt((moved**2).mean())) or 1.0
    system = np.vstack([moved / (scale * np.sqrt(moved.shape[0])), np.ones(moved.shape[1])])
    goal = np.zeros(moved.shape[0] + 1)
    goal[-1] = 1.0
    found = optimize.nnls(system, goal, maxiter=30 * moved.shape[1] + 300)[0]
    return np.asarray(found / found.sum())


def synthetic_control(target: Floats, donors: Floats, before: int, blocks: int = BLOCKS) -> SyntheticControl:
    """Fit and test. `target` is one series, `donors` is donors × periods; the first `before` periods are untreated.

    Raises:
        MeasurementError: no donor, or too few periods before for `blocks` blocks.
    """
    after = target.size - before
    length = min(before // blocks, after)
    if donors.shape[0] < 1 or length < 2 or after < 1:
        raise MeasurementError(
            f"synthetic control needs a donor and {blocks} blocks of 2 periods before the test; it got "
            f"{donors.shape[0]} donors, {before} periods before and {after} after"
        )
    kept = _most_alike(target, donors, before)
    pool = donors[kept].T
    past = np.arange(before)
    weight, gap = _gap(target, pool, past)
    effects = []
    for block in range(blocks):
        left_out = past[before - (block + 1) * length : before - block * length]
        _, fold_gap = _gap(target, pool, np.setdiff1d(past, left_out))
        effects.append(fold_gap[before:].mean() - fold_gap[left_out].mean())
    spread = float(np.std(effects, ddof=1)) * np.sqrt(1.0 + blocks * length / after)
    whole = np.zeros(donors.shape[0])
    whole[kept] = weight
    test = TTest(float(np.mean(effects)), spread / np.sqrt(blocks), blocks - 1)
    return SyntheticControl(test, whole, gap)


def _gap(target: Floats, pool: Floats, fit_on: np.ndarray) -> tuple[Floats, Floats]:
    """Weights fitted on some periods, and target minus synthetic over all, both less their mean there."""
    own, others = target - target[fit_on].mean(), pool - pool[fit_on].mean(axis=0)
    weight = simplex_weights(others[fit_on], own[fit_on])
    return weight, own - others @ weight


def _most_alike(target: Floats, donors: Floats, before: int) -> np.ndarray:
    if donors.shape[0] <= MOST_DONORS:
        return np.arange(donors.shape[0])
    own = target[:before] - target[:before].mean()
    others = donors[:, :before] - donors[:, :before].mean(axis=1, keepdims=True)
    size = np.sqrt((others**2).sum(axis=1))
    alike = (others @ own) / np.where(size > 0, size, np.inf)
    return np.sort(np.argsort(-alike)[:MOST_DONORS])
