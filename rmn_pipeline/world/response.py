"""The truth about advertising: how much each arm really sells, and what its platform claims that it sold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmn_pipeline.world.market import Market
from rmn_pipeline.world.numbers import Array, stream
from rmn_pipeline.world.saturation import ArmIndex, Curves

# Where the variance of an arm's log parameters comes from; the rest is the arm's own.
_VARIANCE_SHARES = {
    "retailer": 0.10,
    "retailer_placement": 0.15,
    "category_placement": 0.15,
    "audience": 0.12,
    "sku": 0.23,
    "arm": 0.25,
}


@dataclass(frozen=True)
class Response:
    """True parameters of every possible arm, [retailer, placement, audience, sku]; others [retailer, placement]."""

    initial_iroas: Array
    half_saturation_usd: Array
    hill_exponent: Array | None  # None where every exponent is 1
    cost_per_click_usd: Array
    capture_share: Array
    organic_credit: Array


def curves_of(market: Market, response: Response, arms: ArmIndex) -> Curves:
    """The curves of some arms, one row each."""
    return Curves(
        family=market.config.response_family,
        initial_iroas=response.initial_iroas[arms.four][:, None],
        half_saturation_usd=response.half_saturation_usd[arms.four][:, None],
        exponent=None if response.hill_exponent is None else response.hill_exponent[arms.four][:, None],
    )


def make_response(market: Market) -> Response:
    """Draw the response of all arms, advertised or not."""
    config = market.config
    rng = stream(config.seed, "response")
    retailers, placements = len(config.retailers), len(config.placements)
    base_cost = np.array([retailer.cost_per_click_usd for retailer in config.retailers])
    factor = np.array([placement.cost_factor for placement in config.placements])
    spread = np.exp(rng.normal(0.0, 0.08, (retailers, placements)))
    shape = (retailers, placements)
    return Response(
        initial_iroas=config.initial_iroas
        * _brand_scale(market)
        * np.exp(_effects(market, rng, "initial iroas", config.response_heterogeneity)),
        half_saturation_usd=config.half_saturation_usd_per_week
        * np.exp(_effects(market, rng, "half saturation", config.saturation_heterogeneity)),
        hill_exponent=_hill_exponents(market),
        cost_per_click_usd=np.outer(base_cost, factor) * spread,
        capture_share=np.broadcast_to([placement.capture_share for placement in config.placements], shape),
        organic_credit=config.attribution_over_credit
        * np.array([placement.organic_credit for placement in config.placements])[None, :]
        * np.exp(rng.normal(0.0, 0.15, shape)),
    )


def _hill_exponents(market: Market) -> Array | None:
    config = market.config
    if config.has_plain_exponents:
        return None
    rng = stream(config.seed, "hill exponent")
    return config.hill_exponent * np.exp(
        _effects(market, rng, "hill exponent", config.hill_exponent_heterogeneity)
    )


def _brand_scale(market: Market) -> Array:
    scale = market.config.brand_response_scale
    return np.array([scale.get(sku.brand_id, 1.0) for sku in market.skus])


def _effects(market: Market, rng: np.random.Generator, parameter: str, sd: float) -> Array:
    """Sum of hierarchical log effects with total sd `sd`, [retailer, placement, audience, sku]."""
    config = market.config
    categories = sorted({sku.category for sku in market.skus})
    category_of_sku = [categories.index(sku.category) for sku in market.skus]
    brand_of_sku = np.array([sku.brand_id for sku in market.skus])
    counts = (len(config.retailers), len(config.placements), len(config.audiences), len(market.skus))

    def draw(source: str, *shape: int) -> Array:
        return rng.normal(0.0, sd * np.sqrt(_VARIANCE_SHARES[source]), shape)

    # Few levels make a lucky draw likely: centring them keeps the market's size the same for every seed and brand.
    retailer = _centred(draw("retailer", counts[0]))
    retailer_placement = _centred(draw("retailer_placement", counts[0], counts[1]))
    category_placement = draw("category_placement", len(categories), counts[1])
    category_placement -= category_placement.mean(axis=1, keepdims=True)
    audience = _centred(draw("audience", counts[2]))
    sku = draw("sku", counts[3])
    for brand_id in np.unique(brand_of_sku):
        sku[brand_of_sku == brand_id] -= sku[brand_of_sku == brand_id].mean()
    return (
        retailer[:, None, None, None]
        + retailer_placement[:, :, None, None]
        + category_placement[category_of_sku].T[None, :, None, :]
        + config.audience_heterogeneity * audience[None, None, :, None]
        + sku[None, None, None, :]
        + _arm_effects(market, parameter, draw("arm", *counts), sd * np.sqrt(_VARIANCE_SHARES["arm"]))
    )


def _arm_effects(market: Market, parameter: str, own: Array, sd: float) -> Array:
    """What is left to the arm: its own draw, or partly one that all audiences share, at the same total variance."""
    apart = market.config.audience_heterogeneity
    if apart == 1:
        return own
    rng = stream(market.config.seed, f"shared by audiences: {parameter}")
    shared = rng.normal(0.0, sd, (own.shape[0], own.shape[1], 1, own.shape[3]))
    return np.asarray(np.sqrt(1.0 - apart**2) * shared + apart * own)


def _centred(values: Array) -> Array:
    return values - values.mean()


def attributed_revenue(
    incremental_usd: Array,
    clicks: Array,
    organic_credit: Array,
    capture_share: Array,
    price_usd: Array,
    demand: Array,
) -> Array:
    """What the platform claims: part of the incremental sales, and sales its clickers would have made anyway.

    `demand` is organic demand that can be served: demand index × the SKU's sales index × in-stock share.
    """
    return capture_share * incremental_usd + organic_credit * clicks * price_usd * demand
