"""Stage measurement: the experiment reserve as experiments, their read-outs, and what planning learns from them."""

from typing import Any

import dagster as dg
import polars as pl

from rmn_pipeline.defs.brand_inputs import read_incrementality, read_plan
from rmn_pipeline.defs.metadata import image_markdown, markdown_table, table_metadata
from rmn_pipeline.defs.plots import PALETTE, png
from rmn_pipeline.defs.resources import ProjectResource

GROUP = "measurement"
OWNERS = ["team:planning"]


def measurement_assets(brands: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Assets of this stage."""

    @dg.asset(
        deps=["plan_full_data"],
        partitions_def=brands,
        group_name=GROUP,
        kinds={"polars"},
        owners=OWNERS,
        description="Which SKUs are switched off in which week: balanced item × time switchbacks in the retailer-"
        "placement cells on which the plan's experiment reserve spends most.",
    )
    def experiment_design(
        context: dg.AssetExecutionContext, project: ProjectResource
    ) -> dg.MaterializeResult:
        from rmn_pipeline.defs.experiments import cells_text, design_path, experiment_of, write_frame

        plan = read_plan(project.paths, context.partition_key, "full_data")
        experiment = experiment_of(plan)
        schedule = experiment.schedule()
        write_frame(schedule, design_path(project.paths, plan.brand_id))
        return dg.MaterializeResult(
            metadata={
                **table_metadata(schedule),
                "tested_cells": cells_text(list(experiment.designs)),
                "not_tested": cells_text(experiment.not_tested),
                "skus_switched": schedule.select("retailer_id", "placement_type", "sku_id").n_unique(),
                "weeks": int(schedule["period"].n_unique()),
            }
        )

    @dg.asset(
        deps=["experiment_design"],
        partitions_def=brands,
        group_name=GROUP,
        kinds={"polars", "scipy"},
        owners=OWNERS,
        description="Incremental over attributed revenue of every tested cell, with intervals from the same "
        "randomisation test as the p-values, on the synthetic market's next weeks.",
    )
    def experiment_readout(
        context: dg.AssetExecutionContext, project: ProjectResource
    ) -> dg.MaterializeResult:
        from rmn_pipeline.defs.experiments import (
            experiment_of,
            play_experiment,
            readout_path,
            sample_world,
            write_frame,
        )
        from rmn_pipeline.measurement import read_multipliers

        plan = read_plan(project.paths, context.partition_key, "full_data")
        world = sample_world(project.paths)
        experiment = experiment_of(plan)
        private = world.advertiser_tables(plan.brand_id).private_daily
        sales, attributed = play_experiment(world, plan, experiment, private, seed=world.config.seed + 1)
        table, results = read_multipliers(experiment, sales, attributed)
        write_frame(table, readout_path(project.paths, plan.brand_id))
        notes = [f"{'/'.join(cell)}: {note}" for cell, found in results.items() for note in found.notes]
        return dg.MaterializeResult(
            metadata={
                **table_metadata(table),
                "read_outs": dg.MetadataValue.md(markdown_table(table)),
                "notes": "; ".join(notes) or "none",
                "intervals": image_markdown(_intervals_plot(table), "multipliers with intervals"),
            }
        )

    @dg.asset(
        deps=["experiment_readout"],
        partitions_def=brands,
        group_name=GROUP,
        kinds={"polars"},
        owners=OWNERS,
        description="All read-outs of the brand, old and new, combined by precision: what the next plan's response "
        "estimation takes as incrementality.",
    )
    def incrementality_multipliers(
        context: dg.AssetExecutionContext, project: ProjectResource
    ) -> dg.MaterializeResult:
        from datetime import timedelta

        from rmn_pipeline.defs.experiments import (
            merged_read_outs,
            multipliers_path,
            readout_path,
            write_frame,
        )

        brand_id = context.partition_key
        plan = read_plan(project.paths, brand_id, "full_data")
        past = read_incrementality(project.paths, brand_id)
        ended = plan.start_date + timedelta(weeks=plan.weeks)
        merged = merged_read_outs(past, pl.read_parquet(readout_path(project.paths, brand_id)), ended)
        write_frame(merged, multipliers_path(project.paths, brand_id))
        both = past.join(merged, on=["retailer_id", "placement_type"], suffix="_now")
        return dg.MaterializeResult(
            metadata={
                **table_metadata(merged),
                "mean_error_before": float(both["standard_error"].mean() or 0.0),  # type: ignore[arg-type]
                "mean_error_now": float(both["standard_error_now"].mean() or 0.0),  # type: ignore[arg-type]
            }
        )

    return [experiment_design, experiment_readout, incrementality_multipliers, _study_asset()]


class StudyConfig(dg.Config):
    """How many panels per cell; 1,000 take about 20 seconds of one core."""

    runs: int = 1000
    seed: int = 7


def _study_asset() -> dg.AssetsDefinition:
    @dg.asset(
        group_name=GROUP,
        kinds={"scipy"},
        owners=OWNERS,
        description="Size, coverage and power of the fallback methods on panels drawn from the published study's "
        "process (A1 to A4). Depends on code alone.",
    )
    def measurement_study(
        context: dg.AssetExecutionContext, project: ProjectResource, config: StudyConfig
    ) -> dg.MaterializeResult:
        from rmn_pipeline.measurement.study import study_table

        table = study_table(config.runs, config.seed)
        folder = project.paths.data_dir / "reports" / "measurement"
        folder.mkdir(parents=True, exist_ok=True)
        table.write_csv(folder / "study.csv")
        return dg.MaterializeResult(
            metadata={
                "runs": config.runs,
                "table": dg.MetadataValue.md(markdown_table(table)),
                "csv": dg.MetadataValue.path(str(folder / "study.csv")),
            }
        )

    return measurement_study


def _intervals_plot(table: pl.DataFrame) -> bytes:
    """Multiplier and interval of every tested cell."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 0.6 + 0.4 * table.height), dpi=110, layout="constrained")
    axis: Any = figure.subplots()
    for place, row in enumerate(table.iter_rows(named=True)):
        axis.plot([row["low"], row["high"]], [place, place], color=PALETTE[0])
        axis.plot(row["incrementality_multiplier"], place, "o", color=PALETTE[0])
    axis.set_yticks(
        range(table.height), [f"{r}/{p}" for r, p in table.select("retailer_id", "placement_type").rows()]
    )
    axis.axvline(1.0, color=PALETTE[6], linewidth=0.8)
    axis.axvline(0.0, color=PALETTE[6], linewidth=0.8, linestyle=":")
    axis.set_xlabel("incremental revenue per attributed dollar, 95 % interval")
    axis.spines[["top", "right"]].set_visible(False)
    return png(figure)
