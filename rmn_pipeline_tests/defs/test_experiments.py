from datetime import date

import polars as pl
import pytest

from rmn_pipeline.defs.experiments import experiment_of, merged_read_outs, play_experiment
from rmn_pipeline.measurement import MeasurementError, read_multipliers
from rmn_pipeline.planning import Plan, PlanRequest, baseline_plan, full_data_view
from rmn_pipeline.world import build_world
from rmn_pipeline.world.presets import preset

WEEKS = 12


@pytest.fixture(scope="module")
def market():
    world = build_world(
        preset("textbook", seed=3, arms=120, skus=30, days=182, customers_per_retailer=20_000)
    )
    tables = world.advertiser_tables("brand_x")
    view = full_data_view(
        tables.events, tables.skus, tables.private_daily, tables.incrementality, "brand_x", 0.4
    )
    budget = float(view.panel["spend_usd"].sum()) / view.panel["week"].n_unique() * WEEKS
    request = PlanRequest(
        brand_id="brand_x", budget_usd=round(budget), weeks=WEEKS, objective="incremental_revenue",
        exclude_out_of_stock=False,
    )  # fmt: skip
    plan = baseline_plan(request, view, "status_quo", start_date=world.plan_start_date)
    return world, tables, plan


def _true_multipliers(world, plan: Plan) -> pl.DataFrame:
    arms = world.realize(plan, replicates=30).arms
    return arms.group_by("retailer_id", "placement_type").agg(
        truth=pl.col("incremental_revenue_usd").sum() / pl.col("attributed_revenue_usd").sum()
    )


def test_experiments_read_what_the_market_truly_does(market):
    world, tables, plan = market
    truth = _true_multipliers(world, plan)
    found = []
    for seed in range(8):
        experiment = experiment_of(plan, cells=6, seed=seed)
        sales, claims = play_experiment(world, plan, experiment, tables.private_daily, seed=1000 * seed)
        found.append(read_multipliers(experiment, sales, claims)[0])
    table = pl.concat(found).join(truth, on=["retailer_id", "placement_type"])
    covered = table.select((pl.col("low") <= pl.col("truth")) & (pl.col("high") >= pl.col("truth")))
    # The judge's weeks are the same for all cells of a seed, so the 48 read-outs are not independent.
    assert covered.to_series().mean() >= 0.85


def test_a_plan_without_money_has_no_experiment(market):
    _, _, plan = market
    with pytest.raises(MeasurementError, match="spends nothing"):
        experiment_of(plan.model_copy(update={"allocation": ()}))


def test_read_outs_combine_by_precision():
    past = pl.DataFrame(
        {"retailer_id": ["a", "b"], "placement_type": ["search"] * 2,
         "incrementality_multiplier": [1.0, 0.7], "standard_error": [0.2, 0.1], "ended_on": [date(2025, 1, 1)] * 2}
    )  # fmt: skip
    new = pl.DataFrame(
        {"retailer_id": ["a", "c"], "placement_type": ["search"] * 2,
         "incrementality_multiplier": [0.5, 9.0], "standard_error": [0.1, float("inf")]}
    )  # fmt: skip
    merged = merged_read_outs(past, new, date(2026, 1, 1))
    assert merged["retailer_id"].to_list() == ["a", "b"]
    assert merged["incrementality_multiplier"][0] == pytest.approx(
        (1.0 / 0.04 + 0.5 / 0.01) / (1 / 0.04 + 1 / 0.01)
    )
    assert merged["standard_error"][0] == pytest.approx(125**-0.5)
    assert merged["ended_on"].to_list() == [date(2026, 1, 1), date(2025, 1, 1)]
