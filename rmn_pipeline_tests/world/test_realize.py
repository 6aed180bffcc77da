from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from rmn_pipeline.world import World, WorldError
from rmn_pipeline.world.numbers import Array
from rmn_pipeline_tests.world.plans import KEYS, START, Item, SomePlan, plan_over


def expected_revenue(arms: pl.DataFrame, weekly_usd: Array) -> Array:
    initial, half = (arms[name].to_numpy() for name in ("initial_iroas", "half_saturation_usd_per_week"))
    return initial * weekly_usd / (1 + weekly_usd / half)


def best_split(arms: pl.DataFrame, value: Array, weekly_budget_usd: float) -> Array:
    """Spend per arm that maximises Σ value × revenue: equal marginal value, found by bisection."""
    initial, half = (arms[name].to_numpy() for name in ("initial_iroas", "half_saturation_usd_per_week"))
    low, high = 1e-6, float((initial * value).max())
    for _ in range(100):
        marginal = (low * high) ** 0.5
        spend = half * (np.sqrt(np.maximum(initial * value / marginal, 1.0)) - 1.0)
        low, high = (marginal, high) if spend.sum() > weekly_budget_usd else (low, marginal)
    return spend * weekly_budget_usd / spend.sum()


@pytest.mark.parametrize("brand_id", ["brand_x", "brand_y"])
def test_the_default_request_is_feasible_and_binding(sample_world: World, brand_id: str) -> None:
    arms = sample_world.true_arms(brand_id, START, 26)
    budget = 2_500_000 / 26
    most_margin = best_split(arms, arms["margin_rate"].to_numpy(), budget)
    most_revenue = best_split(arms, np.ones(len(arms)), budget)
    even = np.full(len(arms), budget / len(arms))

    def iroas(weekly_usd: Array) -> float:
        return float(expected_revenue(arms, weekly_usd).sum() / budget)

    # Feasible: 3.0 is met although a tenth of the budget is spread evenly to learn.
    assert 3.0 < iroas(0.9 * most_revenue + 0.1 * even) < 3.1
    # Binding: going for margin alone misses it, and a careless split misses it by far.
    assert 2.9 < iroas(most_margin) < 3.0
    assert iroas(even) < 2.5


def test_realized_plans_agree_with_the_expected_curves(sample_world: World) -> None:
    arms = sample_world.true_arms("brand_y", START, 26)
    result = sample_world.realize(plan_over(arms, 12_500.0, brand_id="brand_y", weeks=26), replicates=50)
    revenue = expected_revenue(arms, np.full(len(arms), 12_500 / 26)) * 26
    expected = {
        "incremental_revenue_usd": revenue.sum(),
        "incremental_margin_usd": (revenue * arms["margin_rate"]).sum(),
        "conversions": (revenue / arms["revenue_per_conversion_usd"]).sum(),
        "out_of_stock_spend_usd": (12_500 * (1 - arms["in_stock_probability"])).sum(),
    }
    for name, value in expected.items():
        drawn = result.totals[name]
        error = float(drawn.std()) / 50**0.5  # type: ignore[arg-type]
        assert abs(float(drawn.mean()) - value) < 4 * error  # type: ignore[arg-type]
    assert result.totals["spend_usd"].to_list() == pytest.approx([2_500_000] * 50)


def test_true_arms_cover_the_advertised_arms_of_the_brand(tiny_world: World) -> None:
    arms = tiny_world.true_arms("brand_x", START, 8)
    past = tiny_world.history.arms
    own = [tiny_world.market.skus[sku].brand_id == "brand_x" for sku in past.sku]
    assert len(arms) == sum(own) == arms.select(KEYS).n_unique()
    assert arms["in_stock_probability"].is_between(0.3, 1).all()
    assert (arms["initial_iroas"] > 0).all()


def test_plans_share_their_random_numbers(tiny_world: World) -> None:
    arms = tiny_world.true_arms("brand_x", START, 8)
    alone = tiny_world.realize(plan_over(arms[:1], 800.0), replicates=5, seed=3).arms
    among = tiny_world.realize(plan_over(arms, 800.0), replicates=5, seed=3).arms
    assert among.join(alone, on=["replicate", *KEYS], how="semi").sort("replicate").equals(alone)
    other = tiny_world.realize(plan_over(arms[:1], 800.0), replicates=5, seed=4).arms
    assert not other["incremental_revenue_usd"].equals(alone["incremental_revenue_usd"])


def test_more_replicates_keep_the_first_ones(tiny_world: World) -> None:
    plan = plan_over(tiny_world.true_arms("brand_x", START, 8), 800.0)
    few, many = tiny_world.realize(plan, replicates=2), tiny_world.realize(plan, replicates=4)
    assert many.totals[:2].equals(few.totals)


def test_lines_of_one_arm_share_its_saturation(tiny_world: World) -> None:
    arm = tiny_world.true_arms("brand_x", START, 8)[:1]
    whole = tiny_world.realize(plan_over(arm, 6000.0), replicates=3)
    halves = tiny_world.realize(plan_over(pl.concat([arm, arm]), 3000.0), replicates=3)
    assert halves.arms.equals(whole.arms)


def test_never_advertised_arms_respond_too(tiny_world: World) -> None:
    known = tiny_world.true_arms("brand_x", START, 8)
    sku = known["sku_id"][0]
    used = set(known.select(KEYS).rows())
    fresh = next(
        ("alpha", placement.placement_type, audience, sku)
        for placement in tiny_world.config.placements
        for audience in tiny_world.config.audiences
        if ("alpha", placement.placement_type, audience, sku) not in used
    )
    result = tiny_world.realize(SomePlan((Item(*fresh, 800.0),)), replicates=3)
    assert (result.totals["incremental_revenue_usd"] > 0).all()


def test_spend_on_empty_shelves_is_lost(tiny_world: World) -> None:
    arms = tiny_world.true_arms("brand_x", START, 8)
    result = tiny_world.realize(plan_over(arms, 800.0, weeks=1), replicates=40).arms
    lost = result.filter(pl.col("out_of_stock_spend_usd") == 800.0)
    assert len(lost) > 0
    assert lost["incremental_revenue_usd"].sum() == 0 == lost["attributed_revenue_usd"].sum()


def test_an_empty_plan_brings_nothing(tiny_world: World) -> None:
    totals = tiny_world.realize(SomePlan(()), replicates=3).totals
    assert totals["replicate"].to_list() == [0, 1, 2]
    assert totals["incremental_revenue_usd"].to_list() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"retailer_id": "omega"}, "unknown retailer_id 'omega'"),
        ({"sku_id": "00000000000000"}, "unknown sku_id"),
        ({"spend_usd": -1.0}, "at least 0"),
        ({"spend_usd": float("nan")}, "at least 0"),
    ],
)
def test_a_plan_that_does_not_fit_the_market_is_refused(
    tiny_world: World, changes: dict[str, object], says: str
) -> None:
    good = plan_over(tiny_world.true_arms("brand_x", START, 8)[:1], 800.0).allocation[0]
    bad = replace(good, **changes)  # type: ignore[arg-type]
    with pytest.raises(WorldError, match=r"allocation\[1\]") as caught:
        tiny_world.realize(SomePlan((good, bad)))
    assert says in str(caught.value)


def test_another_brands_products_and_unknown_brands_are_refused(tiny_world: World) -> None:
    other = plan_over(tiny_world.true_arms("brand_y", START, 8)[:1], 800.0)
    with pytest.raises(WorldError, match="for brand_x"):
        tiny_world.realize(other)
    with pytest.raises(WorldError, match="unknown brand 'brand_z'"):
        tiny_world.realize(replace(other, brand_id="brand_z"))
