"""How demand answers season, promotions, prices and chance: the same rule for history and for fresh weeks.

A shelf is one SKU at one retailer. Its price ratio is its price over its regular price.
"""

from __future__ import annotations

import numpy as np

from rmn_pipeline.world.config import WorldConfig
from rmn_pipeline.world.numbers import Array, BoolArray, stream


def mean_one(sd: float, shape: tuple[int, ...], seed: int, name: str, *numbers: int) -> Array:
    """Lognormal factors with mean 1 and log sd `sd`; exactly 1 where `sd` is 0."""
    if sd == 0:
        return np.ones(shape)
    normal = stream(seed, f"{name} factor", *numbers).standard_normal(shape)
    return np.exp(sd * normal - 0.5 * sd * sd)


def price_ratio(config: WorldConfig, promo: BoolArray, variation: Array) -> Array:
    """Price over regular price: the promotion's cut times the week's variation."""
    return np.where(promo, 1.0 - config.promo_depth, 1.0) * variation


def demand_index(config: WorldConfig, level: Array, promo: BoolArray, ratio: Array) -> Array:
    """Units sold relative to an average week; `level` is season times demand shock.

    With a price elasticity, units react to the price and promotions act through it; without one, a promotion adds
    `promo_lift` and the price itself moves nothing.
    """
    if config.price_elasticity > 0:
        return level * ratio**-config.price_elasticity
    return level * (1.0 + config.promo_lift * promo)


def value_index(config: WorldConfig, demand: Array, ratio: Array) -> Array:
    """Ad-driven revenue relative to an average week: units times price where units react to price.

    Without an elasticity, curves are in dollars and a promotion lifts those dollars by its `promo_lift`.
    """
    return demand * ratio if config.price_elasticity > 0 else demand


def expected_units(config: WorldConfig, power: float) -> float:
    """E[demand index × price ratio ** power] of a week with season 1, over promotions, prices and shocks."""
    elasticity = config.price_elasticity
    lift = 0.0 if elasticity > 0 else config.promo_lift
    return _over_promotions(config, power - elasticity, lift)


def expected_value(config: WorldConfig, power: float = 0.0) -> float:
    """E[value index × price ratio ** power] of a week with season 1."""
    return expected_units(config, power + (1.0 if config.price_elasticity > 0 else 0.0))


def expected_ratio(config: WorldConfig, power: float) -> float:
    """E[price ratio ** power] of a week, whatever is sold in it."""
    return _over_promotions(config, power, lift=0.0)


def _over_promotions(config: WorldConfig, power: float, lift: float) -> float:
    promoted = config.promo_rate * (1.0 + lift) * (1.0 - config.promo_depth) ** power
    # A lognormal factor with mean 1: E[w ** a] = exp(a·(a − 1)·sd² / 2).
    wobble = float(np.exp(0.5 * power * (power - 1.0) * config.price_variation**2))
    return (1.0 - config.promo_rate + promoted) * wobble
