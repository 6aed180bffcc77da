import numpy as np
import polars as pl
import pytest

from rmn_pipeline.measurement import MeasurementError, item_experiment, read_multipliers

SKUS = [f"s{at:02d}" for at in range(12)]
ARMS = pl.DataFrame(
    [("alpha", place, sku, 10.0 + at, 5.0 if place == "search" else 1.0)
     for place in ("search", "home") for at, sku in enumerate(SKUS)]
    + [("beta", "home", "s00", 9.0, 99.0)],
    schema=["retailer_id", "placement_type", "sku_id", "spend_usd", "experiment_usd"],
    orient="row",
)  # fmt: skip


def _run(experiment, multiplier, generator, noise=10.0):
    on = experiment.schedule().filter("is_on")
    claims = on.with_columns(attributed_usd=pl.Series(generator.uniform(20, 40, on.height))).drop("is_on")
    brought = claims.group_by("sku_id", "period").agg(brought=multiplier * pl.col("attributed_usd").sum())
    periods = int(on["period"].max()) + 1
    base = pl.DataFrame({"sku_id": SKUS}).join(pl.DataFrame({"period": range(periods)}), how="cross")
    base = base.join(brought, on=["sku_id", "period"], how="left").with_columns(
        retailer_id=pl.lit("alpha"),
        sales_usd=pl.col("brought").fill_null(0.0) + 500 + pl.Series(generator.normal(0, noise, base.height)),
    )
    return base, claims


def test_the_multiplier_is_covered():
    generator = np.random.default_rng(0)
    covered, estimates = 0, []
    for seed in range(60):
        experiment = item_experiment(ARMS, 12, seed=seed)
        table, _ = read_multipliers(experiment, *_run(experiment, 0.6, generator))
        covered += int(table.select((pl.col("low") <= 0.6) & (pl.col("high") >= 0.6)).sum().item())
        estimates += table["incrementality_multiplier"].to_list()
    assert covered / 120 >= 0.9
    assert np.mean(estimates) == pytest.approx(0.6, abs=0.04)


def test_money_decides_which_cells_are_tested_and_small_ones_are_named():
    experiment = item_experiment(ARMS, 13, cells=1)
    assert list(experiment.designs) == [("alpha", "search")]
    assert experiment.designs["alpha", "search"].periods == 12
    assert ("beta", "home") in experiment.not_tested


def test_what_is_missing_is_named():
    experiment = item_experiment(ARMS, 4)
    sales, claims = _run(experiment, 0.5, np.random.default_rng(1))
    with pytest.raises(MeasurementError, match="no sales_usd of SKU"):
        read_multipliers(experiment, sales[:-1], claims)
    with pytest.raises(MeasurementError, match="attributed nothing"):
        read_multipliers(experiment, sales, claims.clear())
    with pytest.raises(MeasurementError, match="whole pairs of blocks"):
        item_experiment(ARMS, 3)
