"""Switchbacks: treatment that goes on and off in time, for one unit (Bojinov's designs) or balanced over many items.

Coins (Bojinov, Simchi-Levi and Zhao): with carryover over m periods and T = n·m, n ≥ 4, fair coins are thrown at
periods 1, 2m+1, 3m+1, …, (n−2)m+1, so that the first and the last block last 2m periods. m = 0 throws one every period.

Balanced (items × time): blocks come in pairs; in every pair a random half of the items is treated first and the other
half second. Every item is treated half of the time, and in every period half of the items are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rmn_pipeline.measurement.arrays import Flags, Floats, Integers
from rmn_pipeline.measurement.errors import MeasurementError

SwitchbackKind = Literal["coins", "balanced"]
FEWEST_BLOCKS = 4
MOST_ENUMERATED_COINS = 16


@dataclass(frozen=True)
class SwitchbackDesign:
    """Who is treated when (units × periods), and what was random about it.

    `block` numbers the block of every period from 0; `carryover` is how many later periods a treatment is taken to
    reach. The same `seed` draws the same design.
    """

    kind: SwitchbackKind
    units: tuple[str, ...]
    treated: Flags
    block: Integers
    carryover: int
    seed: int

    @property
    def periods(self) -> int:
        """Number of periods."""
        return self.block.size

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return int(self.block[-1]) + 1

    @property
    def offset(self) -> Integers:
        """How far into its block every period is, from 0."""
        starts = np.flatnonzero(np.diff(self.block, prepend=-1))
        return np.asarray(np.arange(self.periods) - starts[self.block])

    def draws(self, count: int, generator: np.random.Generator) -> Floats:
        """Independent draws of the design: draws × units × blocks, 0/1."""
        if self.kind == "coins":
            return _coins(count, len(self.units), self.blocks, generator)
        return _balanced(count, len(self.units), self.blocks, generator)


def switchback_design(
    periods: int,
    carryover: int,
    units: Sequence[str] = ("all",),
    *,
    kind: SwitchbackKind | None = None,
    block_periods: int | None = None,
    seed: int = 1,
) -> SwitchbackDesign:
    """Draw a switchback over `periods` periods for treatments that reach `carryover` periods further.

    One unit gets coins, several the balanced design, unless `kind` says otherwise. `block_periods` is for the balanced
    design (default: 2 · carryover, at least carryover + 1); coins follow from the carryover.

    Raises:
        MeasurementError: the periods do not divide into the blocks needed; says which numbers would.
    """
    kind = kind or ("coins" if len(units) == 1 else "balanced")
    if carryover < 0 or not units:
        raise MeasurementError("carryover is a number of periods from 0, and at least one unit is needed")
    block = (
        _coin_blocks(periods, carryover)
        if kind == "coins"
        else _balanced_blocks(periods, carryover, len(units), block_periods)
    )
    blank = SwitchbackDesign(
        kind, tuple(units), np.zeros((len(units), periods), dtype=bool), block, carryover, seed
    )
    drawn = blank.draws(1, np.random.default_rng(seed))[0] > 0
    return SwitchbackDesign(kind, tuple(units), drawn[:, block], block, carryover, seed)


def coin_periods(periods: int, carryover: int) -> list[int]:
    """The periods (from 1) at which a coin is thrown: 1, 2m+1, 3m+1, …, (n−2)m+1."""
    if carryover == 0:
        return list(range(1, periods + 1))
    blocks = periods // carryover
    return [1, *(at * carryover + 1 for at in range(2, blocks - 1))]


def _coin_blocks(periods: int, carryover: int) -> Integers:
    length = max(carryover, 1)
    if periods % length or periods // length < FEWEST_BLOCKS:
        fitting = max(-(-periods // length), FEWEST_BLOCKS) * length
        raise MeasurementError(
            f"{periods} periods are not at least {FEWEST_BLOCKS} whole stretches of {length}; use {fitting} periods"
        )
    starts = np.zeros(periods, dtype=np.int64)
    starts[np.array(coin_periods(periods, carryover)) - 1] = 1
    return np.cumsum(starts) - 1


def _balanced_blocks(periods: int, carryover: int, units: int, block_periods: int | None) -> Integers:
    length = block_periods or max(2 * carryover, carryover + 1)
    if length <= carryover or units % 2 or units < 2:
        raise MeasurementError(
            f"a balanced design needs an even number of units and blocks longer than the carryover; "
            f"it got {units} units and blocks of {length} with carryover {carryover}"
        )
    if periods % (2 * length) or periods == 0:
        fitting = max(-(-periods // (2 * length)), 1) * 2 * length
        raise MeasurementError(
            f"{periods} periods are not whole pairs of blocks of {length}; use {fitting} periods"
        )
    return np.asarray(np.arange(periods) // length, dtype=np.int64)


def _coins(count: int, units: int, blocks: int, generator: np.random.Generator) -> Floats:
    return generator.integers(0, 2, size=(count, units, blocks)).astype(np.float64)


def _balanced(count: int, units: int, blocks: int, generator: np.random.Generator) -> Floats:
    """Half of the units are treated in the first block of every pair, the others in the second."""
    order = np.argsort(generator.random((count, blocks // 2, units)), axis=2)
    first = np.zeros((count, blocks // 2, units))
    np.put_along_axis(first, order[:, :, : units // 2], 1.0, axis=2)
    pairs = np.stack([first, 1.0 - first], axis=2)
    return pairs.reshape(count, blocks, units).transpose(0, 2, 1)


def every_coin_draw(design: SwitchbackDesign) -> Floats | None:
    """All outcomes of the coins (draws × units × blocks), or None where there are too many."""
    coins = design.blocks * len(design.units)
    if design.kind != "coins" or coins > MOST_ENUMERATED_COINS:
        return None
    codes = np.arange(2**coins)[:, None] >> np.arange(coins)[None, :]
    return (codes & 1).astype(np.float64).reshape(-1, len(design.units), design.blocks)
