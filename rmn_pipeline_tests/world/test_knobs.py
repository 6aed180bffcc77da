"""Each knob moves what its description says, in history, private feed and judgement alike, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rmn_pipeline.world import PRESETS, World, WorldConfig, build_world, tiny_config
from rmn_pipeline.world.config import LATER_KNOBS
from rmn_pipeline.world.demand import expected_ratio, mean_one
from rmn_pipeline.world.diversion import lost_on_shelves
from rmn_pipeline.world.reports import report_files
from rmn_pipeline_tests.world.plans import START, SomePlan, plan_over

DAYS = 35
# No promotion, price change or empty shelf: what is left is advertising alone.
CALM: dict[str, Any] = {"promo_rate": 0.0, "stock_out_rate": 0.0, "season_amplitude": 0.0}


def built(seed: int = 7, **changes: Any) -> World:
    return build_world(tiny_config(seed=seed, **changes))


def big_plan(world: World, weekly_usd: float = 900.0, **more: object) -> SomePlan:
    return plan_over(world.true_arms("brand_x", START, 8), 8 * weekly_usd, **more)


def expected(world: World, name: str, weekly_usd: float = 900.0) -> float:
    return float(world.expect(big_plan(world, weekly_usd))[name].sum())


def same_shelves(one: World, other: World) -> bool:
    names = ("promo", "demand_index", "value_index", "price_usd", "in_stock")
    return all(np.array_equal(getattr(one.shelf, name), getattr(other.shelf, name)) for name in names)


def same_market(one: World, other: World) -> bool:
    names = ("base_price_usd", "unit_cost_usd", "organic_units_per_day", "stock_out_share")
    return all(np.array_equal(getattr(one.market, name), getattr(other.market, name)) for name in names)


def same_delivery(one: World, other: World) -> bool:
    """The same ads were shown, clicked and paid."""
    columns = ["arm", "day", "impressions", "clicks", "cost_cents"]
    return one.history.cells.select(columns).equals(other.history.cells.select(columns))


def test_every_knob_is_described_on_the_page_too_and_later_ones_are_off() -> None:
    assert all(field.description or name == "seed" for name, field in WorldConfig.model_fields.items())
    page = (Path(__file__).parents[2] / "docs" / "world.md").read_text(encoding="utf-8")
    assert [name for name in WorldConfig.model_fields if f"`{name}`" not in page] == []
    assert [name for name in PRESETS if f"`{name}`" not in page] == []
    config = WorldConfig()
    explicit = WorldConfig(**{name: getattr(config, name) for name in LATER_KNOBS})
    assert explicit.digest == config.digest
    assert WorldConfig(carry_over=0.1).digest != config.digest


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"line_cannibalisation": 0.6, "retailer_substitution": 0.4}, "together must stay below 1"),
        ({"response_family": "log", "hill_exponent": 1.5}, "act only where response_family is 'hill'"),
        ({"cost_elasticity": 1.0}, "less than 1"),
        ({"audience_overlap": 1.2}, "less than or equal to 1"),
        ({"response_family": "cubic"}, "'hill' or 'log'"),
    ],
)
def test_knobs_out_of_range_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        WorldConfig(**changes)


def test_over_credit_moves_claims_alone(tiny_world: World) -> None:
    other = built(attribution_over_credit=3.0)
    assert same_shelves(tiny_world, other) and same_delivery(tiny_world, other)
    assert np.array_equal(tiny_world.history.net_revenue_usd, other.history.net_revenue_usd)
    claimed = [world.history.cells["revenue_cents"].sum() for world in (tiny_world, other)]
    assert claimed[1] > 1.3 * claimed[0]
    before, after = tiny_world.expect(big_plan(tiny_world)), other.expect(big_plan(other))
    assert before.drop("attributed_revenue_usd").equals(after.drop("attributed_revenue_usd"))
    assert (after["attributed_revenue_usd"] > before["attributed_revenue_usd"]).all()
    read = [world.advertiser_tables("brand_x").incrementality for world in (tiny_world, other)]
    assert read[1]["incrementality_multiplier"].mean() < read[0]["incrementality_multiplier"].mean()


def test_restatement_moves_early_reports_alone(tiny_world: World) -> None:
    other = built(restatement_share=0.6)
    assert other.history.cells.equals(tiny_world.history.cells)

    def files(world: World) -> dict[str, bytes]:
        cells = world.history.cells.filter(pl.col("retailer_id") == "alpha")
        return dict(report_files(cells, world.market.skus, world.config, world.config.retailers[0]))

    before, after = files(tiny_world), files(other)
    changed = {name for name in before if before[name] != after[name]}
    assert len(changed) == 2 and all("_asof_2026-02-09" in name for name in changed)


def test_margin_knobs_move_costs_alone(tiny_world: World) -> None:
    other = built(margin_heterogeneity_line=0.15, margin_heterogeneity_sku=0.15)
    assert other.history.cells.equals(tiny_world.history.cells) and same_shelves(tiny_world, other)
    spread = [world.market.margin_rate(promo=False).std() for world in (tiny_world, other)]
    assert spread[1] > 1.3 * spread[0]
    assert expected(other, "incremental_revenue_usd") == expected(tiny_world, "incremental_revenue_usd")


def test_stock_out_rate_empties_shelves_and_costs_sales(tiny_world: World) -> None:
    other = built(stock_out_rate=0.3)
    assert other.shelf.in_stock.mean() < tiny_world.shelf.in_stock.mean()
    assert np.array_equal(other.shelf.price_usd, tiny_world.shelf.price_usd)
    assert same_delivery(tiny_world, other)
    assert other.history.net_revenue_usd.sum() < tiny_world.history.net_revenue_usd.sum()
    assert expected(other, "incremental_revenue_usd") < expected(tiny_world, "incremental_revenue_usd")
    assert expected(other, "out_of_stock_spend_usd") > 1.5 * expected(tiny_world, "out_of_stock_spend_usd")


def test_promo_intensity_lifts_demand_and_lowers_margins(tiny_world: World) -> None:
    other = built(promo_rate=0.5)
    assert other.shelf.promo.mean() > 0.4 > tiny_world.shelf.promo.mean()
    assert (other.shelf.promo | ~tiny_world.shelf.promo).all()
    assert expected(other, "incremental_revenue_usd") > expected(tiny_world, "incremental_revenue_usd")
    margins = [world.true_arms("brand_x", START, 8)["margin_rate"].mean() for world in (tiny_world, other)]
    assert margins[1] < margins[0]  # type: ignore[operator]


def test_spend_endogeneity_moves_past_spend_alone(tiny_world: World) -> None:
    other = built(spend_endogeneity=2.5)
    assert same_market(tiny_world, other) and same_shelves(tiny_world, other)
    assert expected(other, "incremental_revenue_usd") == expected(tiny_world, "incremental_revenue_usd")

    def follows(world: World) -> float:
        demand = world.shelf.demand_index[world.history.arms.shelf]
        spend = world.history.weekly_spend_usd
        on_air = spend > 0
        return float(np.corrcoef(np.log(spend[on_air]), np.log(demand[on_air]))[0, 1])

    assert follows(other) > follows(tiny_world) + 0.15


def test_demand_noise_moves_demand_by_a_factor_of_mean_one() -> None:
    calm, other = built(**CALM, spend_endogeneity=0.0), built(**CALM, spend_endogeneity=0.0, demand_noise=0.3)
    assert same_market(calm, other) and same_delivery(calm, other)
    assert np.array_equal(calm.shelf.price_usd, other.shelf.price_usd)
    assert np.log(other.shelf.demand_index).std() == pytest.approx(0.3, abs=0.05)
    assert expected(other, "incremental_revenue_usd") == pytest.approx(
        expected(calm, "incremental_revenue_usd")
    )
    units = [world.advertiser_tables("brand_x").private_daily["units_sold"] for world in (calm, other)]
    assert not units[0].equals(units[1])


def test_without_price_changes_elasticity_moves_nothing() -> None:
    calm, other = built(promo_rate=0.0), built(promo_rate=0.0, price_elasticity=2.5)
    assert other.history.cells.equals(calm.history.cells)
    assert expected(other, "incremental_margin_usd") == pytest.approx(
        expected(calm, "incremental_margin_usd")
    )


def test_elasticity_is_how_units_answer_prices_everywhere() -> None:
    world = built(price_elasticity=2.0, price_variation=0.1, season_amplitude=0.0)
    shelf, market = world.shelf, world.market
    ratio = shelf.price_usd / market.base_price_usd[:, :, None]
    assert np.allclose(shelf.demand_index, ratio**-2.0, rtol=0.01)
    assert np.allclose(shelf.value_index, ratio**-1.0, rtol=0.01)
    assert shelf.demand_index[shelf.promo].mean() > 1.4 * shelf.demand_index[~shelf.promo].mean()
    daily = world.advertiser_tables("brand_x").private_daily.filter(pl.col("in_stock_share") == 1)
    by_promo = daily.group_by("promo_flag").agg(pl.col("units_sold").mean()).sort("promo_flag")
    assert by_promo["units_sold"][1] > 1.2 * by_promo["units_sold"][0]


def test_price_variation_without_elasticity_moves_prices_alone(tiny_world: World) -> None:
    other = built(price_variation=0.1)
    assert np.array_equal(other.shelf.demand_index, tiny_world.shelf.demand_index)
    assert np.array_equal(other.history.net_revenue_usd, tiny_world.history.net_revenue_usd)
    calm = ~other.shelf.promo
    ratio = (other.shelf.price_usd / other.market.base_price_usd[:, :, None])[calm]
    assert np.log(ratio).std() == pytest.approx(0.1, abs=0.02)


def test_saturation_shape_moves_sales_alone(tiny_world: World) -> None:
    shapes: list[dict[str, Any]] = [
        {"hill_exponent": 1.6},
        {"hill_exponent_heterogeneity": 0.3},
        {"response_family": "log"},
        {"carry_over": 0.4},
    ]
    for shape in shapes:
        other = built(**shape)
        assert same_market(tiny_world, other) and same_shelves(tiny_world, other)
        assert same_delivery(tiny_world, other)
        assert np.array_equal(other.response.initial_iroas, tiny_world.response.initial_iroas)
        assert other.history.net_revenue_usd.sum() != tiny_world.history.net_revenue_usd.sum()


def test_exponents_above_one_are_s_shaped() -> None:
    world = built(hill_exponent=2.0)
    small, double = (expected(world, "incremental_revenue_usd", usd) for usd in (20.0, 40.0))
    assert double > 2.5 * small
    large, twice = (expected(world, "incremental_revenue_usd", usd) for usd in (9000.0, 18000.0))
    assert twice < 1.3 * large


def test_log_curves_keep_rising_where_hill_curves_level_off(tiny_world: World) -> None:
    log = built(response_family="log")
    arms = log.true_arms("brand_x", START, 8)
    assert set(arms["curve_family"]) == {"log"}
    initial, half = (arms[name].to_numpy() for name in ("initial_iroas", "half_saturation_usd_per_week"))
    outcome = log.expect(big_plan(log))["incremental_revenue_usd"].sum()
    assert outcome == pytest.approx(8 * (initial * half * np.log1p(900.0 / half)).sum())
    first = [expected(world, "incremental_revenue_usd", 1e-3) for world in (tiny_world, log)]
    assert first[1] == pytest.approx(first[0], rel=1e-4)
    gain = [
        expected(world, "incremental_revenue_usd", 8000.0)
        / expected(world, "incremental_revenue_usd", 2000.0)
        for world in (tiny_world, log)
    ]
    assert gain[1] > gain[0]


def test_carry_over_sells_in_weeks_without_spend() -> None:
    world = built(**CALM, carry_over=0.5)
    history = world.history
    sold = history.net_revenue_usd.reshape(len(history.arms), -1, 7).sum(axis=2)
    after = (history.weekly_spend_usd[:, :-1] > 0) & (history.weekly_spend_usd[:, 1:] == 0)
    assert (sold[:, 1:][after] > 0).all()
    shown = history.cells["incremental_revenue_usd"].sum()
    assert shown < history.net_revenue_usd.sum()
    assert (history.cells.filter(pl.col("clicks") == 0)["revenue_cents"] == 0).all()


def test_overlap_touches_only_arms_that_share_people(tiny_world: World) -> None:
    other = built(audience_overlap=0.8)
    arms = other.true_arms("brand_x", START, 8)
    place = ["retailer_id", "placement_type", "sku_id"]
    shared = arms.select(place).is_duplicated()
    assert 0 < shared.sum() < len(arms)
    plan = big_plan(other)
    before, after = (world.expect(plan)["incremental_revenue_usd"] for world in (tiny_world, other))
    # `expect` lists arms in the market's order.
    crowded = other.expect(plan).select(place).is_duplicated()
    assert (after.filter(crowded) < before.filter(crowded)).all()
    assert after.filter(~crowded).equals(before.filter(~crowded))
    assert same_delivery(tiny_world, other)


def test_full_overlap_of_alike_audiences_is_one_audience() -> None:
    world = built(audience_overlap=1.0, audience_heterogeneity=0.0)
    arms = world.true_arms("brand_x", START, 8)
    place = ["retailer_id", "placement_type", "sku_id"]
    crowd = arms.filter(
        pl.struct(place) == pl.struct(arms.filter(arms.select(place).is_duplicated())[0][place])
    )
    split = world.expect(plan_over(crowd, 8 * 500.0))["incremental_revenue_usd"].sum()
    whole = world.expect(plan_over(crowd[:1], 8 * 500.0 * len(crowd)))["incremental_revenue_usd"].sum()
    assert split == pytest.approx(whole)


def test_auction_prices_buy_fewer_clicks_for_the_same_money(tiny_world: World) -> None:
    other = built(cost_elasticity=0.4)
    cells = [world.history.cells for world in (tiny_world, other)]
    assert cells[1]["impressions"].sum() < 0.9 * cells[0]["impressions"].sum()
    assert cells[1]["cost_cents"].sum() == pytest.approx(cells[0]["cost_cents"].sum(), rel=0.02)
    per_click = [frame["cost_cents"].sum() / frame["clicks"].sum() for frame in cells]
    assert per_click[1] > 1.1 * per_click[0]
    assert same_shelves(tiny_world, other)
    first = [expected(world, "incremental_revenue_usd", 1e-3) for world in (tiny_world, other)]
    assert first[1] == pytest.approx(first[0], rel=1e-4)
    assert expected(other, "attributed_revenue_usd") < expected(tiny_world, "attributed_revenue_usd")


@pytest.mark.parametrize("knob", ["line_cannibalisation", "retailer_substitution"])
def test_what_is_taken_is_lost_on_other_shelves(tiny_world: World, knob: str) -> None:
    other = built(**{knob: 0.3})
    assert same_shelves(tiny_world, other) and same_delivery(tiny_world, other)
    assert other.history.cells["revenue_cents"].equals(tiny_world.history.cells["revenue_cents"])
    assert np.array_equal(other.history.ad_sales_usd, tiny_world.history.ad_sales_usd)
    lost = other.history.lost_sales_usd.sum() / other.history.ad_sales_usd.sum()
    # Some lines of this small market have one product only: it has nothing to take from.
    assert 0.1 < lost <= 0.3
    assert expected(other, "incremental_revenue_usd") < 0.9 * expected(tiny_world, "incremental_revenue_usd")
    assert expected(other, "attributed_revenue_usd") == expected(tiny_world, "attributed_revenue_usd")
    units = [
        world.advertiser_tables("brand_x").private_daily["units_sold"].sum() for world in (tiny_world, other)
    ]
    assert units[1] < units[0]


def test_nothing_is_taken_where_there_is_no_other_shelf() -> None:
    one_retailer = {"retailers": tiny_config().retailers[:1], "arms": 20}
    alone, taking = built(**one_retailer), built(**one_retailer, retailer_substitution=0.5)
    assert taking.history.cells.equals(alone.history.cells)
    # Eight products of two brands with four lines each: no product has a sister.
    alone, taking = built(skus=8), built(skus=8, line_cannibalisation=0.5)
    assert taking.history.cells.equals(alone.history.cells)


def test_sister_products_lose_and_strangers_do_not() -> None:
    world = built(**CALM, line_cannibalisation=0.5)
    sku = world.market.skus[int(world.history.arms.sku[0])]
    sisters = [
        place
        for place, other in enumerate(world.market.skus)
        if (other.brand_id, other.line_id) == (sku.brand_id, sku.line_id) and other != sku
    ]
    strangers = [place for place, other in enumerate(world.market.skus) if other.brand_id != sku.brand_id]
    assert world.history.lost_sales_usd[:, sisters].sum() > 0
    only = world.history.ad_sales_usd.copy()
    only[:, strangers] = 0.0
    assert lost_on_shelves(world.market, only, np.ones_like(only))[:, strangers].sum() == 0


def test_alike_audiences_have_one_response_at_the_same_spread() -> None:
    sample, alike = (
        build_world(WorldConfig(audience_heterogeneity=share)).response.initial_iroas for share in (1.0, 0.0)
    )
    assert np.ptp(alike, axis=2).max() < 1e-9 < np.ptp(sample, axis=2).min()
    assert np.log(alike).std() == pytest.approx(np.log(sample).std(), rel=0.1)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    knob=st.sampled_from(
        [
            "audience_overlap",
            "cost_elasticity",
            "line_cannibalisation",
            "retailer_substitution",
            "carry_over",
            "stock_out_rate",
        ]
    ),
    low=st.floats(0.0, 0.45),
    step=st.floats(0.02, 0.45),
)
def test_more_friction_never_brings_more(seed: int, knob: str, low: float, step: float) -> None:
    less, more = (
        expected(built(seed=seed, **{knob: value}), "incremental_revenue_usd") for value in (low, low + step)
    )
    # In some small markets no two audiences of the brand share a placement and product.
    assert more < less or (knob == "audience_overlap" and more == less)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000), sd=st.floats(0.0, 0.4), power=st.floats(-3.0, 3.0), rate=st.floats(0.02, 0.8)
)
def test_expected_price_powers_are_means_of_prices(seed: int, sd: float, power: float, rate: float) -> None:
    config = WorldConfig(promo_rate=rate, price_variation=sd)
    promo = np.random.default_rng(seed).random(200_000) < rate
    ratio = np.where(promo, 1 - config.promo_depth, 1.0) * mean_one(sd, (200_000,), seed, "price")
    values = ratio**power
    error = values.std() / len(values) ** 0.5
    assert abs(values.mean() - expected_ratio(config, power)) < 6 * error + 1e-9
