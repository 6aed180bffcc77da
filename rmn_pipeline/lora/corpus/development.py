"""Briefs written by hand in free wording, to choose when to stop pretraining.

They are no templates and none may be made from them; the evaluation's free-wording briefs are others again.
"""

from typing import Any

from rmn_pipeline.planning.request import PlanRequest

_BRIEFS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "Morning! Quick ask: brand_x, 1.2 million, the next 20 weeks, alpha and delta only. ROAS has to be 3.5 or up.",
        {
            "brand_id": "brand_x",
            "budget_usd": 1_200_000,
            "weeks": 20,
            "retailers": ["alpha", "delta"],
            "min_roas": 3.5,
        },
    ),
    (
        "We've got 800k for brand_y. Half of it can go to any single retailer, no more. 12 weeks please.",
        {"brand_id": "brand_y", "budget_usd": 800_000, "weeks": 12, "max_retailer_share": 0.5},
    ),
    (
        "brand_k4 should run sixteen weeks on gamma. The wallet is $350,000 and I'd hate to pay above 14 dollars for "
        "an order.",
        {"brand_id": "brand_k4", "budget_usd": 350_000, "weeks": 16, "retailers": ["gamma"], "max_cpa": 14},
    ),
    (
        "Could you draw up something for brand_x? Three million over a year, profit-driven, and please no ads for "
        "goods we can't ship.",
        {
            "brand_id": "brand_x",
            "budget_usd": 3_000_000,
            "weeks": 52,
            "objective": "incremental_margin",
            "exclude_out_of_stock": True,
        },
    ),
    (
        "Take $90k, spend it on brand_tula for 8 weeks, search and product pages, nothing else.",
        {
            "brand_id": "brand_tula",
            "budget_usd": 90_000,
            "weeks": 8,
            "placements": ["search", "product_detail"],
        },
    ),
    (
        "brand_y wants reach across all the networks: $4.75M, 39 weeks. Put 15 percent away for trying stuff out.",
        {"brand_id": "brand_y", "budget_usd": 4_750_000, "weeks": 39, "experiment_share": 0.15},
    ),
    (
        "Budget's 600 thousand dollars, it's for brand_m2, ten weeks, beta. Reported ROAS shouldn't dip under 4.",
        {
            "brand_id": "brand_m2",
            "budget_usd": 600_000,
            "weeks": 10,
            "retailers": ["beta"],
            "min_roas": 4,
            "roas_basis": "attributed",
        },
    ),
    (
        "For brand_x I can offer two million. Keep granola out, we are short on it. Thirteen weeks.",
        {"brand_id": "brand_x", "budget_usd": 2_000_000, "weeks": 13, "exclude_lines": ["granola"]},
    ),
    (
        "It's all about extra sales for brand_y this time. 26 weeks, $1.9M, ignore anything that's sold out.",
        {
            "brand_id": "brand_y",
            "budget_usd": 1_900_000,
            "weeks": 26,
            "objective": "incremental_revenue",
            "exclude_out_of_stock": True,
        },
    ),
    (
        "Spread 450k over alpha, beta and gamma for brand_lore during the coming quarter; nobody above 40%.",
        {
            "brand_id": "brand_lore",
            "budget_usd": 450_000,
            "weeks": 13,
            "retailers": ["alpha", "beta", "gamma"],
            "max_retailer_share": 0.4,
        },
    ),
    (
        "Here's the deal: brand_q8 has $5 million and 52 weeks. We expect an incremental ROAS of 2.5 or better and 5% "
        "for experiments.",
        {
            "brand_id": "brand_q8",
            "budget_usd": 5_000_000,
            "weeks": 52,
            "min_roas": 2.5,
            "roas_basis": "incremental",
            "experiment_share": 0.05,
        },
    ),
    (
        "Only dish and laundry for brand_y, $720,000, eighteen weeks, best return on ad spend you can get.",
        {
            "brand_id": "brand_y",
            "budget_usd": 720_000,
            "weeks": 18,
            "include_lines": ["dish", "laundry"],
            "objective": "roas",
        },
    ),
    (
        "I'm the new planner on brand_x. My predecessor spent $3M last year; I have 2.2 million for 30 weeks.",
        {"brand_id": "brand_x", "budget_usd": 2_200_000, "weeks": 30},
    ),
    (
        "Plan 24 weeks, brand_vero, at most $1.05M, stay off the homepage, and test with a tenth of the money.",
        {
            "brand_id": "brand_vero",
            "budget_usd": 1_050_000,
            "weeks": 24,
            "placements": ["search", "category", "product_detail", "offsite"],
            "experiment_share": 0.1,
        },
    ),
    (
        "delta only, brand_x, 6 weeks, 75 grand. Margin first. No tests.",
        {
            "brand_id": "brand_x",
            "budget_usd": 75_000,
            "weeks": 6,
            "retailers": ["delta"],
            "objective": "incremental_margin",
            "experiment_share": 0,
        },
    ),
    (
        "brand_y - we would love to see what $10 million does in a year. CPA under $20, ROAS three or higher.",
        {"brand_id": "brand_y", "budget_usd": 10_000_000, "weeks": 52, "max_cpa": 20, "min_roas": 3},
    ),
    (
        "Our retailer partners beta and gamma expect a push for brand_sol. We have $310k and eleven weeks; don't touch "
        "what is unavailable.",
        {
            "brand_id": "brand_sol",
            "budget_usd": 310_000,
            "weeks": 11,
            "retailers": ["beta", "gamma"],
            "exclude_out_of_stock": True,
        },
    ),
    (
        "Let brand_x spend 1,480,000 dollars in 22 weeks and make cold_brew the only line we show.",
        {"brand_id": "brand_x", "budget_usd": 1_480_000, "weeks": 22, "include_lines": ["cold_brew"]},
    ),
    (
        "The ask from brand_nord: 9 weeks, two hundred fifty thousand dollars, alpha, with sponsored search alone.",
        {
            "brand_id": "brand_nord",
            "budget_usd": 250_000,
            "weeks": 9,
            "retailers": ["alpha"],
            "placements": ["search"],
        },
    ),
    (
        "We need brand_y live for 15 weeks. Budget: $640K. Twenty percent of that is for learning. ROAS target 2.8 at "
        "minimum.",
        {
            "brand_id": "brand_y",
            "budget_usd": 640_000,
            "weeks": 15,
            "experiment_share": 0.2,
            "min_roas": 2.8,
        },
    ),
    (
        "Please don't go over $1.6M for brand_x in the next half year, and don't let any network eat up more than a "
        "third... make that 35%.",
        {"brand_id": "brand_x", "budget_usd": 1_600_000, "weeks": 26, "max_retailer_share": 0.35},
    ),
    (
        "Everything on offsite for brand_pax: $99,000, 5 weeks.",
        {"brand_id": "brand_pax", "budget_usd": 99_000, "weeks": 5, "placements": ["offsite"]},
    ),
    (
        "What could brand_y achieve with half a million in 14 weeks if we maximize incremental revenue and leave "
        "hand_soap aside?",
        {
            "brand_id": "brand_y",
            "budget_usd": 500_000,
            "weeks": 14,
            "objective": "incremental_revenue",
            "exclude_lines": ["hand_soap"],
        },
    ),
    (
        "brand_x again. 2.5M, 26 weeks, 10% test money, ROAS at 3 minimum, incremental margin, skip out-of-stock.",
        {
            "brand_id": "brand_x",
            "budget_usd": 2_500_000,
            "weeks": 26,
            "experiment_share": 0.1,
            "min_roas": 3,
            "objective": "incremental_margin",
            "exclude_out_of_stock": True,
        },
    ),
)


def development_briefs() -> list[tuple[str, str]]:
    """Return each brief with its canonical call."""
    return [(text, PlanRequest(**values).canonical_json()) for text, values in _BRIEFS]
