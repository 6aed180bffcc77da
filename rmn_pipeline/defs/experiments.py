"""Experiments of one brand between the plan that pays for them and the market that answers.

Belongs here because nothing below may know both a plan and the market's truth. Next weeks are played by the judge; what
a SKU sells without the tested ads is taken from its own last weeks. The judge plays every week at its long-run
exposure, so that carry-over from one week into the next is not part of these read-outs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from rmn_pipeline.defs.project import Project, ProjectError
from rmn_pipeline.measurement import ItemExperiment, MeasurementError, item_experiment
from rmn_pipeline.planning import Plan
from rmn_pipeline.world import World

ARM_KEYS = ("retailer_id", "placement_type", "audience_id", "sku_id")
DAYS_PER_WEEK = 7
# As many cells are switched at once as leave most of a plan alone.
TESTED_CELLS = 6


@dataclass(frozen=True)
class WeekItem:
    """One arm's spend in one week."""

    retailer_id: str
    placement_type: str
    audience_id: str
    sku_id: str
    spend_usd: float


@dataclass(frozen=True)
class WeekPlan:
    """One week of an experiment, as the judge reads plans."""

    brand_id: str
    start_date: date
    allocation: Sequence[WeekItem]
    weeks: int = 1


def experiment_of(plan: Plan, cells: int = TESTED_CELLS, seed: int = 1) -> ItemExperiment:
    """Switchbacks in the cells on which the plan's experiment reserve spends most.

    Raises:
        MeasurementError: the plan is too short, or none of its cells has enough SKUs.
    """
    if plan.status == "infeasible" or not plan.allocation:
        raise MeasurementError(
            f"plan {plan.plan_id} spends nothing, so there is nothing to switch off; mend the plan"
        )
    arms = plan.allocation_frame().with_columns(
        experiment_usd=pl.when(pl.col("purpose") == "experiment").then("spend_usd").otherwise(0.0)
    )
    return item_experiment(arms.filter(pl.col("spend_usd") > 0), plan.weeks, cells=cells, seed=seed)


def play_experiment(
    world: World, plan: Plan, experiment: ItemExperiment, private_daily: pl.DataFrame, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Total sales per retailer, SKU and period, and the networks' claims per cell, SKU and period.

    Arms of a switched-off SKU spend nothing that week; switched-on ones spend their weekly share of the plan.
    """
    schedule = experiment.schedule()
    weekly = plan.allocation_frame().group_by(ARM_KEYS).agg(spend_usd=pl.col("spend_usd").sum() / plan.weeks)
    on = schedule.filter("is_on").join(weekly, on=["retailer_id", "placement_type", "sku_id"], how="inner")
    played = []
    for period in range(int(schedule["period"].max() or 0) + 1):  # type: ignore[arg-type]
        rows = on.filter(pl.col("period") == period).sort(ARM_KEYS)
        items = [WeekItem(*row) for row in rows.select(*ARM_KEYS, "spend_usd").iter_rows()]
        week = WeekPlan(plan.brand_id, plan.start_date + timedelta(days=DAYS_PER_WEEK * period), items)
        arms = world.realize(week, replicates=1, seed=seed + period).arms
        played.append(arms.with_columns(period=pl.lit(period, pl.Int64)))
    answers = pl.concat(played)
    attributed = answers.rename({"attributed_revenue_usd": "attributed_usd"}).select(
        "retailer_id", "placement_type", "sku_id", "period", "attributed_usd"
    )
    return _total_sales(schedule, answers, private_daily), attributed


def _total_sales(schedule: pl.DataFrame, answers: pl.DataFrame, private_daily: pl.DataFrame) -> pl.DataFrame:
    """What each SKU sold in its last weeks, in their order, plus what the tested ads brought."""
    keys = ["retailer_id", "sku_id", "period"]
    periods = schedule["period"].n_unique()
    last: date = private_daily["date"].max()  # type: ignore[assignment]
    first = last - timedelta(days=DAYS_PER_WEEK * periods - 1)
    base = (
        private_daily.filter(pl.col("date") >= first)
        .with_columns(period=(pl.col("date") - first).dt.total_days() // DAYS_PER_WEEK)
        .group_by(keys)
        .agg(base_usd=(pl.col("units_sold") * pl.col("price_usd")).sum())
    )
    brought = answers.group_by(keys).agg(pl.col("incremental_revenue_usd").sum())
    found = schedule.select(keys).unique().join(base, on=keys, how="inner").join(brought, on=keys, how="left")
    return found.select(
        *keys, sales_usd=pl.col("base_usd") + pl.col("incremental_revenue_usd").fill_null(0.0)
    )


def design_path(project: Project, brand_id: str) -> Path:
    """Where a brand's schedule of experiments lies."""
    return project.lake_dir / "experiments" / brand_id / "schedule.parquet"


def readout_path(project: Project, brand_id: str) -> Path:
    """Where the read-outs of a brand's last experiment lie."""
    return project.lake_dir / "experiments" / brand_id / "readout.parquet"


def multipliers_path(project: Project, brand_id: str) -> Path:
    """Where a brand's read-outs, old and new, lie in the form that response estimation takes."""
    return project.lake_dir / "incrementality_multipliers" / f"{brand_id}.parquet"


def sample_world(project: Project) -> World:
    """The market that answers.

    Raises:
        ProjectError: the project runs on real data; its experiments are read out from real sales.
    """
    from rmn_pipeline.world import WorldConfig, build_world

    path = project.data_dir / "world.yaml"
    if not path.is_file():
        raise ProjectError(
            f"{path}: no synthetic market answers here. Read real experiments out with "
            f"rmn_pipeline.measurement.read_multipliers on the brand's sales."
        )
    return build_world(WorldConfig.from_yaml(path))


def merged_read_outs(past: pl.DataFrame, readout: pl.DataFrame, ended_on: date) -> pl.DataFrame:
    """Past read-outs, with those of the last experiment combined by precision where a cell has both.

    Read-outs without a finite error tell nothing and are left out.
    """
    new = readout.filter(pl.col("standard_error").is_finite() & (pl.col("standard_error") > 0)).select(
        "retailer_id",
        "placement_type",
        "incrementality_multiplier",
        "standard_error",
        ended_on=pl.lit(ended_on, pl.Date),
    )
    both = pl.concat([past.select(new.columns), new]).with_columns(precision=pl.col("standard_error") ** -2)
    value = (pl.col("incrementality_multiplier") * pl.col("precision")).sum() / pl.col("precision").sum()
    return (
        both.group_by("retailer_id", "placement_type")
        .agg(
            incrementality_multiplier=value,
            standard_error=pl.col("precision").sum() ** -0.5,
            ended_on=pl.col("ended_on").max(),
            read_outs=pl.len(),
        )
        .sort("retailer_id", "placement_type")
    )


def write_frame(frame: pl.DataFrame, path: Path) -> None:
    """Store a table."""
    from rmn_pipeline.rmis import write_parquet_atomically

    path.parent.mkdir(parents=True, exist_ok=True)
    write_parquet_atomically(frame, path)


def cells_text(cells: Sequence[tuple[str, str]]) -> str:
    """Cells for a person to read."""
    return ", ".join("/".join(cell) for cell in cells) or "none"
