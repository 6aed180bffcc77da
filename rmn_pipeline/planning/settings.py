"""`PlannerSettings`: every number the planner uses that is a choice and not data, with its reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PlannerSettings:
    """Tunable choices of the planner; the defaults are what every plan in the sample report uses."""

    # Weeks with less shelf presence than this are censored demand: dropped, not read as low response.
    censor_below_in_stock_share: float = 0.5
    # A SKU that is in stock less than this share of the time counts as out of stock when planning.
    minimum_in_stock_probability: float = 0.8
    # No arm may grow beyond this multiple of its usual weekly spend: the curve is not known there.
    maximum_spend_multiple: float = 5.0
    # Curvature-spaced segments per curve: 20 keeps the piecewise error within 0.15 %.
    segments: int = 20
    # Re-solves on posterior draws behind an experiment reserve, and their coarser segments.
    exploration_draws: int = 12
    exploration_segments: int = 10
    # Posterior draws behind the predicted interval of the whole plan.
    interval_draws: int = 400
    seed: int = 20260706
    # What a dollar left unspent is worth to the objective; 1 turns gross margin into profit after ad spend.
    unspent_dollar_value: float = 0.0
    # Amounts below one dollar over the horizon cannot be booked on any network.
    minimum_booking_usd: float = 1.0
    # Pseudo-conversions that pull an arm's revenue per conversion towards its retailer and category.
    conversion_shrinkage: float = 20.0
    # How far an arm's organic claims may stray from spend × sales, as a factor's standard deviation: not identified by
    # the data (organic claims and the first dollars of a curve are both straight lines), so it is a belief. Without
    # the brand's sales, claims may differ between products as sales do, by about a factor of two.
    organic_claim_sd: float = 0.3
    organic_claim_sd_without_sales: float = 0.7
    # The fit stops when prior means (root mean square) and log spreads move by less than this, or after so many passes.
    fit_tolerance: float = 2e-3
    outer_passes: int = 40
    # Passes with posterior means by quadrature after those with modes.
    refinements: int = 4
    inner_passes: int = 2
