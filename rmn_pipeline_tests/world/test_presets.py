from __future__ import annotations

import hashlib
from datetime import date

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from rmn_pipeline.world import PRESETS, World, WorldConfig, WorldError, build_world, preset
from rmn_pipeline.world.landing import _all_files
from rmn_pipeline_tests.world.plans import KEYS, START, plan_over

SMALL = {"days": 35, "skus": 16, "arms": 64, "customers_per_retailer": 3000}
OUTCOMES = [
    "incremental_revenue_usd",
    "incremental_margin_usd",
    "attributed_revenue_usd",
    "conversions",
    "out_of_stock_spend_usd",
]


@pytest.fixture(scope="module", params=list(PRESETS))
def preset_world(request: pytest.FixtureRequest) -> World:
    return build_world(preset(request.param, seed=5, **SMALL))


def test_every_preset_is_a_market_of_its_own() -> None:
    configs = {name: preset(name) for name in PRESETS}
    assert len({config.digest for config in configs.values()} | {WorldConfig().digest}) == len(PRESETS) + 1
    assert all(config.seed == WorldConfig().seed for config in configs.values())
    assert preset("messy", seed=3, skus=10).skus == 10


def test_unknown_presets_and_knobs_are_refused() -> None:
    with pytest.raises(WorldError, match="unknown preset 'perfect'; choose one of textbook, messy"):
        preset("perfect")
    with pytest.raises(ValidationError, match="carry_ower"):
        preset("textbook", carry_ower=0.3)


def test_the_expectation_is_the_mean_of_many_replicates(preset_world: World) -> None:
    arms = preset_world.true_arms("brand_x", START, 8)
    plan = plan_over(arms, np.linspace(500, 12_000, len(arms)))
    drawn = preset_world.realize(plan, replicates=300).totals
    expected = preset_world.expect(plan).select(OUTCOMES).sum()
    for name in OUTCOMES:
        values = drawn[name].to_numpy()
        error = max(values.std(ddof=1) / len(values) ** 0.5, 1e-9 * abs(values.mean()))
        assert abs(values.mean() - expected[name][0]) < 4 * error, name


@pytest.mark.parametrize("name", ["messy", "scarce_stock"])
def test_plans_share_their_random_numbers_whatever_the_knobs(name: str) -> None:
    # Overlap is the one knob by which an arm's result depends on what else the plan holds in the same audience.
    world = build_world(preset(name, seed=5, **SMALL, audience_overlap=0.0))
    arms = world.true_arms("brand_x", START, 8)
    alone = world.realize(plan_over(arms[:1], 800.0), replicates=5, seed=3).arms
    among = world.realize(plan_over(arms, 800.0), replicates=5, seed=3).arms
    assert among.join(alone, on=["replicate", *KEYS], how="semi").sort("replicate").equals(alone)
    more = world.realize(plan_over(arms, 800.0), replicates=8, seed=3).totals
    assert more[:5].equals(world.realize(plan_over(arms, 800.0), replicates=5, seed=3).totals)


def test_memory_batches_change_no_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    world = build_world(preset("messy", seed=5, **SMALL))
    plan = plan_over(world.true_arms("brand_x", START, 8), 800.0)
    at_once = world.realize(plan, replicates=7)
    monkeypatch.setattr("rmn_pipeline.world.realize._SHELF_WEEKS_AT_ONCE", 3 * 8 * 4 * 16)
    assert world.realize(plan, replicates=7).arms.equals(at_once.arms)


def test_paired_differences_cover_the_true_one_and_are_narrower_than_unpaired(preset_world: World) -> None:
    arms = preset_world.true_arms("brand_x", START, 8)
    plans = [plan_over(arms, usd) for usd in (np.full(len(arms), 4000.0), np.linspace(2000, 6000, len(arms)))]
    name = "incremental_margin_usd"
    first, second = (preset_world.realize(plan, replicates=100).totals[name].to_numpy() for plan in plans)
    truth = np.subtract(*(preset_world.expect(plan)[name].sum() for plan in plans))
    difference = first - second
    assert abs(difference.mean() - truth) < 4 * difference.std(ddof=1) / 10
    assert difference.var() < 0.5 * (first.var() + second.var())


def test_arms_add_up_to_totals(preset_world: World) -> None:
    plan = plan_over(preset_world.true_arms("brand_x", START, 8), 4000.0)
    result = preset_world.realize(plan, replicates=3)
    sums = result.arms.group_by("replicate").agg(pl.col(OUTCOMES).sum()).sort("replicate")
    for name in OUTCOMES:
        assert np.allclose(sums[name], result.totals[name], rtol=1e-12)


def test_what_ads_sell_less_what_they_take_is_the_net_gain(preset_world: World) -> None:
    history = preset_world.history
    gain = history.ad_sales_usd.sum() - history.lost_sales_usd.sum()
    assert history.net_revenue_usd.sum() == pytest.approx(gain, rel=1e-9)
    days = preset_world.config.days
    assert history.cells["incremental_revenue_usd"].sum() <= history.net_revenue_usd[:, :days].sum() * (
        1 + 1e-9
    )


def test_the_same_config_gives_the_same_bytes(preset_world: World) -> None:
    def digests(world: World) -> list[tuple[str, str]]:
        files = _all_files(world.market, world.shelf, world.history)
        return [(name, hashlib.sha256(content).hexdigest()) for name, content in files]

    assert digests(build_world(preset_world.config)) == digests(preset_world)


def test_true_arms_are_the_curves_of_the_expectation(preset_world: World) -> None:
    """Arm by arm, since an overlap of audiences is not an arm's own."""
    for row in preset_world.true_arms("brand_x", START, 8)[:4].iter_slices(1):
        outcome = preset_world.expect(plan_over(row, 8 * 900.0))
        revenue = outcome["incremental_revenue_usd"][0]
        assert outcome["incremental_margin_usd"][0] / revenue == pytest.approx(row["margin_rate"][0])
        assert revenue / outcome["conversions"][0] == pytest.approx(row["revenue_per_conversion_usd"][0])
        if row["curve_family"][0] == "hill":
            initial, half = row["initial_iroas"][0], row["half_saturation_usd_per_week"][0]
            assert revenue / 8 == pytest.approx(initial * 900.0 / (1 + 900.0 / half))
        else:
            assert preset_world.config.hill_exponent != 1


def test_true_curves_are_the_expectation_at_each_spend(preset_world: World) -> None:
    multiples = (0.0, 0.5, 1.0, 3.0)
    curves = preset_world.true_curves("brand_x", START, 8, multiples)
    arms = preset_world.true_arms("brand_x", START, 8)
    assert len(curves) == len(arms) * len(multiples)
    for place in (0, len(arms) - 1):
        points = curves[place * 4 : place * 4 + 4]
        assert points["spend_usd_per_week"][2] == pytest.approx(arms["reference_spend_usd_per_week"][place])
        for spend, revenue in points.select(
            "spend_usd_per_week", "incremental_revenue_usd_per_week"
        ).iter_rows():
            outcome = preset_world.expect(plan_over(arms[place], 8 * spend))
            assert outcome["incremental_revenue_usd"][0] / 8 == pytest.approx(revenue)


def test_curves_are_asked_for_at_real_spends() -> None:
    world = build_world(preset("textbook", **SMALL))
    with pytest.raises(WorldError, match="at least 0"):
        world.true_curves("brand_x", date(2026, 7, 6), 8, [1.0, -0.5])
    with pytest.raises(WorldError, match="unknown brand"):
        world.true_curves("brand_q", date(2026, 7, 6), 8, [1.0])


def test_nothing_that_is_withheld_tells_arms_apart_where_it_should_not() -> None:
    world = build_world(preset("no_private_value", **SMALL))
    arms = world.true_arms("brand_x", START, 8)
    for name in ("initial_iroas", "half_saturation_usd_per_week", "margin_rate", "in_stock_probability"):
        assert arms[name].max() == pytest.approx(arms[name].min())
    tables = world.advertiser_tables("brand_x")
    daily = tables.private_daily
    assert daily["price_usd"].n_unique() == 1 == daily["unit_cost_usd"].n_unique()
    assert not daily["promo_flag"].any() and (daily["in_stock_share"] == 1).all()
    assert tables.incrementality["incrementality_multiplier"].mean() == pytest.approx(1.0, abs=0.1)


def test_without_private_value_every_split_is_worth_the_same() -> None:
    world = build_world(preset("no_private_value", **SMALL))
    arms = world.true_arms("brand_x", START, 26)
    rng = np.random.default_rng(3)
    splits = [
        np.full(len(arms), 1 / len(arms)),
        rng.dirichlet(np.full(len(arms), 0.3)),
        np.eye(len(arms))[0] * 0.5 + 0.5 / len(arms),
    ]
    worth = [
        world.expect(plan_over(arms, 2_500_000 * split, weeks=26))["incremental_margin_usd"].sum()
        for split in splits
    ]
    assert worth == pytest.approx([worth[0]] * 3, rel=0.005)


def test_attribution_is_honest_in_the_textbook_and_not_in_the_mess() -> None:
    def claims_per_sale(name: str) -> float:
        history = build_world(preset(name, seed=1)).history
        return float(history.cells["revenue_cents"].sum() / 100 / history.net_revenue_usd.sum())

    assert claims_per_sale("textbook") == pytest.approx(1.0, abs=0.02)
    assert claims_per_sale("messy") > 1.5


def test_margins_and_stock_are_what_two_presets_are_named_after() -> None:
    sample, wide, scarce = (
        build_world(config) for config in (WorldConfig(), preset("margin_heavy"), preset("scarce_stock"))
    )
    spread = [world.market.margin_rate(promo=False).mean(axis=0).std() for world in (sample, wide)]
    assert spread[1] > 1.4 * spread[0]
    assert 0.2 < 1 - scarce.shelf.in_stock.mean() < 0.3
    assert np.array_equal(scarce.response.initial_iroas, sample.response.initial_iroas)
