import math
from datetime import date, timedelta

import polars as pl
import pytest

from rmn_pipeline.planning import PlanError, PlanningView, clean_room_view, full_data_view

MONDAY = date(2026, 1, 5)
SKUS = pl.DataFrame(
    {
        "sku_id": ["a", "a", "b", "z"],
        "brand_id": ["brand_x", "brand_x", "brand_x", "brand_y"],
        "category": ["snacks"] * 4,
        "line_id": ["granola"] * 4,
        "title": ["A at beta", "A at alpha", "B", "Z"],
    }
)
READ_OUTS = pl.DataFrame(
    {
        "retailer_id": ["alpha"],
        "placement_type": ["search"],
        "incrementality_multiplier": [0.5],
        "standard_error": [0.05],
    }
)


def events(days: int = 17) -> pl.DataFrame:
    """One row per SKU and day: two whole weeks and three days of a third."""
    return pl.DataFrame(
        [
            ("alpha", "search", "loyal", sku, MONDAY + timedelta(days=day), 10.0, 40.0, 2.0)
            for sku in ("a", "b", "z")
            for day in range(days)
        ],
        schema=[
            "retailer_id",
            "placement_type",
            "audience_id",
            "sku_id",
            "date",
            "cost",
            "revenue",
            "conversions",
        ],
        orient="row",
    )


def private(days: int = 17) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "brand_id": ["brand_x"] * 2 * days,
            "retailer_id": ["alpha"] * 2 * days,
            "sku_id": ["a"] * days + ["b"] * days,
            "date": [MONDAY + timedelta(days=day) for day in range(days)] * 2,
            "price_usd": [10.0] * 2 * days,
            "unit_cost_usd": [6.0] * days + [8.0] * days,
            "stock_units": [5] * (2 * days - 1) + [0],
            "in_stock_share": ([0.0] * 7 + [1.0] * (days - 7)) + [1.0] * days,
            "promo_flag": [True] * 7 + [False] * (2 * days - 7),
            "units_sold": [3] * 2 * days,
        }
    )


def full(**changes: pl.DataFrame) -> PlanningView:
    tables = {
        "events": events(),
        "skus": SKUS,
        "private_daily": private(),
        "incrementality": READ_OUTS,
    } | changes
    return full_data_view(**tables, brand_id="brand_x", assumed_margin_rate=0.3)


def test_full_data_sums_whole_weeks_of_the_brand_and_joins_its_private_feed() -> None:
    view = full()
    assert view.panel.height == 4 and set(view.panel["sku_id"]) == {"a", "b"}
    first = view.panel.row(0, named=True)
    assert (first["sku_id"], first["week"]) == ("a", MONDAY)
    assert (first["spend_usd"], first["attributed_revenue_usd"], first["conversions"]) == (70.0, 280.0, 14.0)
    assert (first["in_stock_share"], first["promo_share"], first["price_usd"]) == (0.0, 1.0, 10.0)
    assert first["revenue_noise_sd_usd"] == 0.0
    assert view.notes == ("1 partly covered retailer-weeks are left out",)
    assert dict(view.skus.select("sku_id", "margin_rate").rows()) == pytest.approx({"a": 0.4, "b": 0.2})
    assert view.availability.rows() == [("alpha", "a", pytest.approx(10 / 17), 5), ("alpha", "b", 1.0, 0)]


def cells() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "retailer_id": ["alpha"] * 3,
            "week": [MONDAY] * 3,
            "placement_type": ["search"] * 3,
            "sku_id": ["a", "b", "z"],
            "conversions": [14.0, None, 3.0],
            "revenue_usd": [280.0, None, 99.0],
            "cost_usd": [-3.0, None, 9.0],
            "revenue_usd_error95": [19.6, None, 1.0],
            "cost_usd_error95": [1.96, None, 1.0],
            "suppressed": [False, True, False],
        }
    )


def test_clean_room_masks_what_is_withheld_and_carries_the_noise() -> None:
    audiences = pl.DataFrame(
        {
            "retailer_id": ["alpha"] * 3,
            "placement_type": ["search", "search", "home"],
            "audience_id": ["loyal", "lapsed", "loyal"],
            "cost_usd": [30.0, 10.0, -5.0],
        }
    )
    view = clean_room_view(cells(), audiences, SKUS, READ_OUTS, "brand_x", 0.3, ["margin"])
    assert view.panel.height == 1
    row = view.panel.row(0, named=True)
    assert row["audience_id"] is None and row["in_stock_share"] is None and row["promo_share"] is None
    assert row["spend_usd"] == 0.0
    # Laplace noise: 95 % of it lies within log(20) scales, its standard deviation is √2 scales.
    laplace = math.sqrt(2.0) / math.log(20.0)
    assert (row["revenue_noise_sd_usd"], row["spend_noise_sd_usd"]) == (
        pytest.approx(19.6 * laplace),
        pytest.approx(1.96 * laplace),
    )
    assert view.notes == ("1 of 2 clean-room cells are suppressed and left out",)
    assert view.skus["margin_rate"].null_count() == view.skus.height
    assert not view.sees_stock and view.blocked_fields == ("margin",)
    assert view.audience_shares.rows() == [
        ("alpha", "home", "loyal", 1.0),
        ("alpha", "search", "lapsed", 0.25),
        ("alpha", "search", "loyal", 0.75),
    ]


def test_a_cut_week_is_left_out_and_the_plan_starts_on_the_monday_after_history() -> None:
    assert full().first_plan_monday == date(2026, 1, 26)
    two = pl.concat([cells(), cells().with_columns(week=pl.lit(MONDAY + timedelta(weeks=1)))])
    view = clean_room_view(two, None, SKUS, READ_OUTS, "brand_x", 0.3, [], last_day=date(2026, 1, 14))
    assert view.panel["week"].to_list() == [MONDAY]
    assert view.first_plan_monday == date(2026, 1, 19)
    assert clean_room_view(two, None, SKUS, READ_OUTS, "brand_x", 0.3, []).first_plan_monday == date(
        2026, 1, 19
    )


def test_both_views_have_the_same_panel_columns() -> None:
    blind = clean_room_view(cells(), None, SKUS, READ_OUTS, "brand_x", 0.3, [])
    assert full().panel.schema == blind.panel.schema


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"skus": SKUS.filter(pl.col("brand_id") == "brand_y")}, "unknown brand 'brand_x'.*brand_y"),
        ({"events": events().drop("cost")}, "rmis_events lacks.*cost"),
        ({"events": events().filter(pl.col("sku_id") == "z")}, "no row for any SKU"),
        ({"events": events(days=5)}, "no whole week"),
        ({"private_daily": private().clear()}, "private daily feed holds no row"),
        ({"incrementality": READ_OUTS.clear()}, "no incrementality read-outs"),
        ({"incrementality": READ_OUTS.with_columns(standard_error=-1.0)}, "standard errors not negative"),
    ],
)
def test_bad_tables_are_one_clear_error(change: dict[str, pl.DataFrame], text: str) -> None:
    with pytest.raises(PlanError, match=text):
        full(**change)
