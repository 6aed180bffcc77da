"""History, private feed and judge play by the same rules: the past returned what the judge would have expected."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from rmn_pipeline.world import PRESETS, World, build_world, preset
from rmn_pipeline.world.market import DAY_OF_WEEK_PATTERN
from rmn_pipeline.world.plans import arm_names
from rmn_pipeline_tests.world.plans import SomePlan, plan_over

WEEKS = 26


@pytest.fixture(scope="module", params=list(PRESETS))
def steady_world(request: pytest.FixtureRequest) -> World:
    """A preset whose past campaigns were always on air at a steady spend, as a plan's are."""
    steady = {"duty_cycle": 0.9999, "mean_flight_weeks": 1e6, "spend_noise": 0.0, "spend_endogeneity": 0.0}
    return build_world(preset(request.param, seed=2, days=7 * WEEKS, skus=200, arms=1600, **steady))


def the_past_as_a_plan(world: World, brand_id: str) -> tuple[SomePlan, pl.DataFrame]:
    history = world.history
    names = pl.DataFrame(arm_names(world.market, history.arms))
    brands = pl.Series([world.market.skus[sku].brand_id for sku in history.arms.sku])
    rows = names.with_columns(spend=pl.Series(history.weekly_spend_usd.sum(axis=1))).filter(
        brands == brand_id
    )
    spend = rows["spend"].to_numpy()
    plan = plan_over(rows, spend, brand_id=brand_id, weeks=WEEKS, start_date=world.config.start_date)
    return plan, world.history.cells.filter(pl.col("brand_id") == brand_id)


def test_the_past_returned_what_the_judge_expects(steady_world: World) -> None:
    plan, cells = the_past_as_a_plan(steady_world, "brand_x")
    expected = steady_world.expect(plan)
    own = np.array(
        [steady_world.market.skus[sku].brand_id == "brand_x" for sku in steady_world.history.arms.sku]
    )
    net = steady_world.history.net_revenue_usd[own].sum()
    assert net == pytest.approx(expected["incremental_revenue_usd"].sum(), rel=0.03)
    claimed = cells["revenue_cents"].sum() / 100
    assert claimed == pytest.approx(expected["attributed_revenue_usd"].sum(), rel=0.03)


def test_the_brand_sold_its_organic_sales_and_what_ads_added(steady_world: World) -> None:
    shelf, market, config = steady_world.shelf, steady_world.market, steady_world.config
    sold = steady_world.advertiser_tables("brand_x").private_daily
    own = [place for place, sku in enumerate(market.skus) if sku.brand_id == "brand_x"]
    week = np.arange(config.days) // 7
    demand = shelf.demand_index[:, own][:, :, week] * DAY_OF_WEEK_PATTERN[np.arange(config.days) % 7]
    organic_units = (
        market.organic_units_per_day[:, own, None] * demand * shelf.in_stock[:, own, : config.days]
    )
    organic_usd = (organic_units * shelf.price_usd[:, own][:, :, week]).sum()
    ours = np.isin(steady_world.history.arms.sku, own)
    added = steady_world.history.net_revenue_usd[ours, : config.days].sum()
    revenue = sold.select((pl.col("units_sold") * pl.col("price_usd")).sum()).item()
    assert revenue - organic_usd == pytest.approx(added, rel=0.03)
