"""From an arm's spend to its weekly sales in an average week: auction prices, carry-over, shared audiences, curves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmn_pipeline.world.config import CurveFamily, WorldConfig
from rmn_pipeline.world.numbers import Array, IntArray


@dataclass(frozen=True)
class ArmIndex:
    """Positions of arms in the market's arrays; all four have the same length."""

    retailer: IntArray
    placement: IntArray
    audience: IntArray
    sku: IntArray

    def __len__(self) -> int:
        return len(self.retailer)

    @property
    def four(self) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """Index into arrays over all arms."""
        return self.retailer, self.placement, self.audience, self.sku

    @property
    def shelf(self) -> tuple[IntArray, IntArray]:
        """Index into arrays over retailer and SKU."""
        return self.retailer, self.sku


@dataclass(frozen=True)
class Curves:
    """Curves of some arms; arrays have one row per arm and broadcast over weeks."""

    family: CurveFamily
    initial_iroas: Array
    half_saturation_usd: Array
    exponent: Array | None  # None where every Hill exponent is 1

    def sales_usd(self, exposure_usd: Array) -> Array:
        """Weekly incremental revenue at demand index 1 and full stock.

        Hill: ρ·k·u / (1 + u) with u = (x/k)**n, which is ρ·x / (1 + x/k) at n = 1. Log: ρ·k·log(1 + x/k).
        """
        initial, half = self.initial_iroas, self.half_saturation_usd
        if self.family == "log":
            return np.asarray(initial * half * np.log1p(exposure_usd / half))
        if self.exponent is None:
            return np.asarray(initial * exposure_usd / (1.0 + exposure_usd / half))
        odds = (exposure_usd / half) ** self.exponent
        return np.asarray(initial * half * odds / (1.0 + odds))


def auction_price(config: WorldConfig, planned_usd: Array) -> Array:
    """Cost per click at a weekly spend, relative to that of the first dollar."""
    if config.cost_elasticity == 0:
        return np.ones_like(planned_usd)
    return (1.0 + planned_usd / config.weekly_spend_usd) ** config.cost_elasticity


def carried_over(config: WorldConfig, exposure_usd: Array) -> Array:
    """Exposure at work in each week, [arm, week]: a share stays from week to week, and nothing is there before.

    Scaled by (1 − carry-over), so that steady spend ends up at its own exposure.
    """
    keep = config.carry_over
    if keep == 0:
        return exposure_usd
    at_work = np.empty_like(exposure_usd)
    left = np.zeros(len(exposure_usd))
    for week in range(exposure_usd.shape[1]):
        left = (1.0 - keep) * exposure_usd[:, week] + keep * left
        at_work[:, week] = left
    return at_work


def exposure_at_work(config: WorldConfig, spend_usd: Array, planned_usd: Array) -> Array:
    """Exposure of each week [arm, week], in dollars at the price of an arm's first dollar.

    `planned_usd` is what the auctions were entered with and sets their price; `spend_usd` is what was billed.
    """
    return carried_over(config, spend_usd / auction_price(config, planned_usd))


def sales_alone(config: WorldConfig, curves: Curves, spend_usd: Array, planned_usd: Array) -> Array:
    """Weekly sales of arms [arm, week] at demand index 1 and full stock, each as if no other audience were reached."""
    return curves.sales_usd(exposure_at_work(config, spend_usd, planned_usd))


def base_sales(
    config: WorldConfig, curves: Curves, arms: ArmIndex, spend_usd: Array, planned_usd: Array
) -> Array:
    """Weekly sales of arms [arm, week] at demand index 1 and full stock."""
    if config.audience_overlap == 0:
        return sales_alone(config, curves, spend_usd, planned_usd)
    exposure = exposure_at_work(config, spend_usd, planned_usd)
    # S-shaped curves could gain from company; people seen twice never do.
    return np.minimum(curves.sales_usd(exposure), _shared_sales(config, curves, arms, exposure))


def _shared_sales(config: WorldConfig, curves: Curves, arms: ArmIndex, exposure: Array) -> Array:
    """Each arm's part of the sales where other audiences' exposure works on the same people."""
    place = np.stack([arms.retailer, arms.placement, arms.sku])
    group = np.unique(place, axis=1, return_inverse=True)[1].reshape(-1)
    together = np.zeros((int(group.max(initial=-1)) + 1, exposure.shape[1]))
    np.add.at(together, group, exposure)
    joint = exposure + config.audience_overlap * (together[group] - exposure)
    share = np.divide(exposure, joint, out=np.zeros_like(exposure), where=joint > 0)
    return share * curves.sales_usd(joint)
