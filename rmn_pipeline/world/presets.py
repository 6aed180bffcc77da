"""Named markets: each a handful of knobs away from the sample market, chosen once from plausible ranges.

No value here was chosen by looking at which planner wins in it, except that `no_private_value` was made flatter until
noise cost nothing: it is a placebo, and its zero no finding. Where a figure was measured by others the source
stands beside it; where none is known the value is called assumed. docs/world.md lists the same values with reasons.
"""

from __future__ import annotations

from typing import Any

from rmn_pipeline.world.config import PlacementSpec, WorldConfig, WorldError, default_placements

PRESETS: dict[str, str] = {
    "textbook": "What the planner assumes holds: Hill curves with exponent 1, exogenous spend, honest attribution.",
    "messy": "What critics of retail media describe: spend follows demand, platforms over-claim, arms interact.",
    "margin_heavy": "The sample market with margins that differ widely between lines and products.",
    "no_private_value": "Every split of a budget is worth the same: equal arms, one price and margin, full shelves.",
    "scarce_stock": "The sample market with a quarter of all shelf days empty, and for longer.",
}


def preset(name: str, *, seed: int | None = None, **changes: Any) -> WorldConfig:
    """The configuration of a named market.

    Args:
        name: One of `PRESETS`.
        seed: Another draw of the same kind of market; the sample's seed if not given.
        changes: Further knobs of `WorldConfig`, which win over the preset's (sizes, for example).

    Raises:
        WorldError: there is no such preset.
        pydantic.ValidationError: a changed knob is unknown or out of its range.
    """
    if name not in PRESETS:
        raise WorldError(f"unknown preset {name!r}; choose one of {', '.join(PRESETS)}")
    knobs = _KNOBS[name] | changes
    if seed is not None:
        knobs["seed"] = seed
    return WorldConfig(**knobs)


def _honest_placements() -> tuple[PlacementSpec, ...]:
    """Placements whose attribution counts exactly what the ads brought about."""
    return tuple(
        placement.model_copy(update={"capture_share": 1.0, "organic_credit": 0.0})
        for placement in default_placements()
    )


_KNOBS: dict[str, dict[str, Any]] = {
    "textbook": {
        # Spend is set by the calendar and by chance alone, as in a designed experiment.
        "spend_endogeneity": 0.0,
        "spend_sales_exponent": 0.0,
        "placements": _honest_placements(),
        # A read-out of a test with about four times the sample's size.
        "experiment_standard_error": 0.03,
    },
    "messy": {
        # Interactions divide what ads return; this makes past campaigns return what they do in the sample market.
        "initial_iroas": 6.0,
        # Search budgets are spent when people search: elasticity one on demand, part of which nothing announces.
        "spend_endogeneity": 1.0,
        "spend_sales_exponent": 1.0,
        "demand_noise": 0.2,
        # Assumed: half as much organic credit again as in the sample.
        "attribution_over_credit": 1.5,
        # Between the means of two meta-analyses: 1.76 (Tellis 1988) and 2.62 (Bijmolt, van Heerde & Pieters 2005).
        "price_elasticity": 2.0,
        "price_variation": 0.03,
        # Assumed: a quarter of weeks on price promotion, as is ordinary in packaged food; depth as in the sample.
        "promo_rate": 0.25,
        # 8.3 % of items out of stock on average, more when promoted (Gruen, Corsten & Bharadwaj 2002).
        "stock_out_rate": 0.10,
        # Robyn searches exponents of 0.5 to 3; nine arms in ten lie between 0.8 and 1.8 here.
        "hill_exponent": 1.2,
        "hill_exponent_heterogeneity": 0.25,
        # Middle of the 0 to 0.3 that Robyn's guide gives for digital media.
        "carry_over": 0.15,
        # A third of a promotion's bump comes from other items (van Heerde, Gupta & Wittink 2003); assumed: half of
        # that from the brand's own line, and less from other retailers.
        "line_cannibalisation": 0.15,
        "retailer_substitution": 0.10,
        # Assumed: a third of people in both of two audiences; doubling the usual spend raises prices by 6 %.
        "audience_overlap": 0.33,
        "cost_elasticity": 0.15,
        "restatement_share": 0.25,
        "experiment_standard_error": 0.10,
    },
    "margin_heavy": {
        # Total sd 0.17 around the brand's assumed rate: private-label-like staples beside premium lines.
        "margin_heterogeneity_line": 0.12,
        "margin_heterogeneity_sku": 0.12,
    },
    "no_private_value": {
        # One price for all products, so that margin rate, order value and price are one known number.
        "price_heterogeneity": 0.0,
        "price_dispersion": 0.0,
        "margin_heterogeneity_line": 0.0,
        "margin_heterogeneity_sku": 0.0,
        "stock_out_rate": 0.0,
        "promo_rate": 0.0,
        # The season would show in the brand's own sales, which are withheld too.
        "season_amplitude": 0.0,
        "sales_heterogeneity": 0.0,
        # Equal arms: neither the audience grain nor noise in the released cells can send money to a better arm.
        "audience_heterogeneity": 0.0,
        "response_heterogeneity": 0.0,
        "saturation_heterogeneity": 0.0,
        # And no arm saturates within a whole budget: otherwise noise alone would cost something, by uneven splits.
        "half_saturation_usd_per_week": 1e7,
        "spend_endogeneity": 0.0,
        "placements": _honest_placements(),
    },
    "scarce_stock": {
        # Three times the average that Gruen et al. found (0.28 gives a mean of 25 %), and longer: a supply shortage.
        "stock_out_rate": 0.28,
        "stock_out_days": 10.0,
    },
}
