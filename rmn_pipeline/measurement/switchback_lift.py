"""Read out a switchback: Horvitz–Thompson where coins were thrown, difference of means where items were balanced.

p and interval come from one randomisation test (`randomisation.py`). An effect τ is taken to reach each period in
proportion to how many of its last m + 1 periods were treated; in the balanced design the first m periods of a block
are left out, so that what remains is either treated throughout or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmn_pipeline.measurement.arrays import Flags, Floats
from rmn_pipeline.measurement.errors import MeasurementError
from rmn_pipeline.measurement.randomisation import RandomisationTest, invert
from rmn_pipeline.measurement.switchback import SwitchbackDesign, every_coin_draw

DEFAULT_REDRAWS = 1999
# Redraws whose statistics are computed at once; bounds memory.
CHUNK = 500


@dataclass(frozen=True)
class CarryoverCheck:
    """Whether outcomes still depend on the block before, `reach` periods or more after a switch; an exact p."""

    reach: int
    p: float


@dataclass(frozen=True)
class SwitchbackResult:
    """The effect per period of treating always rather than never, in the outcome's unit.

    `horvitz_thompson` is the unbiased estimate of Bojinov's designs (None for balanced ones); `effect` is the
    centre of the interval. `exact` says that every possible draw was enumerated.
    """

    effect: float
    low: float
    high: float
    p: float
    alpha: float
    horvitz_thompson: float | None
    exact: bool
    carryover: tuple[CarryoverCheck, ...]
    notes: tuple[str, ...]

    @property
    def is_significant(self) -> bool:
        """Whether no effect is rejected; the same as 0 lying outside the interval."""
        return self.p <= self.alpha


def switchback_lift(
    design: SwitchbackDesign,
    outcome: Floats,
    *,
    alpha: float = 0.05,
    redraws: int = DEFAULT_REDRAWS,
    seed: int = 1,
) -> SwitchbackResult:
    """Read out a switchback.

    Args:
        design: what was drawn, and run.
        outcome: units × periods (or periods, for one unit), complete.
        alpha: one minus the level of the interval.
        redraws: of the design, unless few coins allow to go through all outcomes.
        seed: of the redraws.

    Raises:
        MeasurementError: the outcome does not fit the design or holds gaps, or treatment never changed.
    """
    seen = np.atleast_2d(np.asarray(outcome, dtype=np.float64))
    if seen.shape != design.treated.shape or not np.isfinite(seen).all():
        raise MeasurementError(
            f"the outcome must be {design.treated.shape[0]} units × {design.treated.shape[1]} periods without gaps; "
            f"it is {seen.shape[0]} × {seen.shape[1]}"
        )
    test, exact = _test(design, seen, redraws, seed)
    low, high = test.interval(alpha)
    notes = []
    if test.smallest_p > alpha:
        notes.append(
            f"no p below {test.smallest_p:.3g} can occur with {design.blocks} blocks, so the interval is unbounded; "
            f"use more periods"
        )
    checks = carryover_checks(design, seen, redraws, seed + 1)
    if any(check.p <= alpha / len(checks) for check in checks if check.reach >= design.carryover):
        notes.append(
            f"outcomes depend on treatment more than {design.carryover} periods back: assume more carryover"
        )
    return SwitchbackResult(
        effect=test.estimate,
        low=low,
        high=high,
        p=test.p_value(),
        alpha=alpha,
        horvitz_thompson=horvitz_thompson(design, seen) if design.kind == "coins" else None,
        exact=exact,
        carryover=checks,
        notes=tuple(notes),
    )


def horvitz_thompson(design: SwitchbackDesign, outcome: Floats) -> float:
    """1/(T − m) Σ Y_t (1{treated over t−m…t}/P − 1{untreated over t−m…t}/P), averaged over units."""
    weight = _exposure_weights(
        design, design.treated[None, :, design_block_starts(design)].astype(np.float64)
    )
    return float((weight[0] * outcome).sum())


def design_block_starts(design: SwitchbackDesign) -> np.ndarray:
    """The first period of every block."""
    return np.flatnonzero(np.diff(design.block, prepend=-1))


def _exposure_weights(design: SwitchbackDesign, draws: Floats) -> Floats:
    """The weight of every outcome in the Horvitz–Thompson sum, per draw: draws × units × periods."""
    m, periods = design.carryover, design.periods
    treated = draws[:, :, design.block]
    sums = np.cumsum(np.concatenate([np.zeros((*treated.shape[:2], 1)), treated], axis=2), axis=2)
    within = sums[:, :, m + 1 :] - sums[:, :, : periods - m]
    coins = design.block[m:] - design.block[: periods - m] + 1
    sign = (within > m + 0.5).astype(np.float64) - (within < 0.5)
    weight = np.zeros(treated.shape)
    weight[:, :, m:] = sign * 2.0**coins / ((periods - m) * len(design.units))
    return weight


def _dose(design: SwitchbackDesign, treated: Floats) -> Floats:
    """Share of the last m + 1 periods that were treated, units × periods; 0 where there are not yet as many."""
    m = design.carryover
    sums = np.cumsum(np.concatenate([np.zeros((treated.shape[0], 1)), treated], axis=1), axis=1)
    dose = np.zeros(treated.shape)
    dose[:, m:] = (sums[:, m + 1 :] - sums[:, : treated.shape[1] - m]) / (m + 1)
    return dose


def _test(
    design: SwitchbackDesign, outcome: Floats, redraws: int, seed: int
) -> tuple[RandomisationTest, bool]:
    every = every_coin_draw(design)
    draws = design.draws(redraws, np.random.default_rng(seed)) if every is None else every
    own = design.treated[None, :, design_block_starts(design)].astype(np.float64)
    columns = _columns(design, outcome)
    observed = _statistics(design, own, columns)[0]
    if observed[1] <= 0:
        raise MeasurementError("treatment never changed in this draw; there is nothing to compare with")
    found = np.concatenate(
        [_statistics(design, draws[at : at + CHUNK], columns) for at in range(0, len(draws), CHUNK)]
    )
    test = invert(
        float(observed[0]), float(observed[1]), found[:, 0], found[:, 1], exhaustive=every is not None
    )
    return test, every is not None


def _columns(design: SwitchbackDesign, outcome: Floats) -> Floats:
    """Outcome and dose on the periods that count, centred: per unit for coins, per unit and period if balanced."""
    both = np.stack([outcome, _dose(design, design.treated.astype(np.float64))])
    kept = _kept(design)
    centred = both - both[:, :, kept].mean(axis=2, keepdims=True)
    if design.kind == "balanced":
        centred = centred - centred.mean(axis=1, keepdims=True)
    return np.where(kept, centred, 0.0)


def _kept(design: SwitchbackDesign) -> Flags:
    if design.kind == "coins":
        return np.asarray(np.arange(design.periods) >= design.carryover)
    return np.asarray(design.offset >= design.carryover)


def _statistics(design: SwitchbackDesign, draws: Floats, columns: Floats) -> Floats:
    """Statistic of every draw (rows) on outcome and dose (two columns)."""
    if design.kind == "coins":
        weight = _exposure_weights(design, draws)
    else:
        kept = _kept(design)
        weight = (2.0 * draws[:, :, design.block] - 1.0) * kept * 2.0 / (kept.sum() * len(design.units))
    return np.asarray(np.einsum("dut,cut->dc", weight, columns))


def carryover_checks(
    design: SwitchbackDesign, outcome: Floats, redraws: int, seed: int
) -> tuple[CarryoverCheck, ...]:
    """For every reach that block lengths allow: do outcomes that far into a block depend on the block before?

    A conditional randomisation test. Every second group of blocks (a block; a pair if balanced) is held as it was, and
    the others are redrawn: under "no carryover of `reach` periods or more" the outcomes of the held ones, `reach`
    periods in, cannot tell. Both ways of holding are tried, and the smaller p counts double.
    """
    shortest = int(np.bincount(design.block).min())
    generator = np.random.default_rng(seed)
    draws = design.draws(redraws, generator)
    return tuple(
        CarryoverCheck(
            reach, min(1.0, 2.0 * min(_dependence(design, outcome, draws, reach, held) for held in (0, 1)))
        )
        for reach in range(shortest)
    )


def _dependence(design: SwitchbackDesign, outcome: Floats, draws: Floats, reach: int, held: int) -> float:
    """Exact p of the association between held outcomes and the treatment of the block before."""
    per_group = 1 if design.kind == "coins" else 2
    number = np.arange(design.blocks)
    focal = (number // per_group % 2 == held) & (number % per_group == 0) & (number > 0)
    periods = np.flatnonzero(focal[design.block] & (design.offset == reach))
    if periods.size == 0:
        return 1.0
    blocks = design.block[periods]
    starts = design_block_starts(design)
    own, before = design.treated[:, starts[blocks]], design.treated[:, starts[blocks - 1]].astype(np.float64)
    left = _residuals(design, outcome[:, periods], own)
    seen = abs(float((left * (before - 0.5)).sum()))
    found = np.abs(np.einsum("dub,ub->d", draws[:, :, blocks - 1] - 0.5, left))
    return float((1 + (found >= seen - 1e-9 * (1 + seen)).sum()) / (1 + found.size))


def _residuals(design: SwitchbackDesign, outcome: Floats, own: Flags) -> Floats:
    """Outcomes less the mean of those treated alike: over all periods for coins, within the period if balanced."""
    left = outcome - outcome.mean(axis=1, keepdims=True)
    for flag in (True, False):
        same = own == flag
        if design.kind == "coins":
            left = left - np.where(same, left[same].mean() if same.any() else 0.0, 0.0)
        else:
            left = left - np.where(same, (left * same).sum(axis=0) / np.maximum(same.sum(axis=0), 1), 0.0)
    return np.asarray(left)
