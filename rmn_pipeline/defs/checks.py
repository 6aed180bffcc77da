"""Asset checks: schema per RMIS table (made from the models), conservation of rows, budget adds up.

Blocking where a bad table must not flow on. Checks on anomalies, which block nothing, are in `anomaly_checks`; the
adapter gate is emitted by the evaluation assets themselves.
"""

import json
from collections.abc import Iterable

import dagster as dg
import polars as pl
from dagster_duckdb import DuckDBResource
from pydantic import BaseModel

from rmn_pipeline.defs.anomaly_checks import anomaly_checks
from rmn_pipeline.defs.brand_inputs import read_plan, requested
from rmn_pipeline.defs.project import Project
from rmn_pipeline.defs.resources import ProjectResource
from rmn_pipeline.rmis import (
    RMISAudience,
    RMISPolicy,
    RMISRecord,
    RMISSku,
    check_parts,
    load_mapping,
    read_event_days,
    read_table,
)

RMIS_MODELS: dict[str, type[BaseModel]] = {
    "rmis_events": RMISRecord,
    "rmis_skus": RMISSku,
    "rmis_audiences": RMISAudience,
    "rmis_policies": RMISPolicy,
}
# A cent per allocation item: items are rounded to cents.
BUDGET_TOLERANCE_USD = 0.01
# Items below the smallest booking are dropped, so the reserve can end slightly above its share of the money spent.
RESERVE_SLACK = 0.01


def build_checks(
    retailers: dg.PartitionsDefinition, brands: dg.PartitionsDefinition
) -> list[dg.AssetChecksDefinition]:
    """All checks."""
    return [
        *[_schema_check(table, retailers) for table in RMIS_MODELS],
        _conservation_check(retailers),
        *anomaly_checks(retailers),
        *[_budget_check(mode, brands) for mode in ("full_data", "clean_room")],
    ]


def rmis_table_parts(project: Project, table: str, retailer_id: str) -> Iterable[pl.DataFrame | pl.LazyFrame]:
    """One retailer's part of a table; the events, which may be many, day by day."""
    if table == "rmis_events":
        return read_event_days(project.lake_dir, retailer_id)
    return [read_table(project.lake_dir, table, retailer_id)]


def _schema_check(table: str, retailers: dg.PartitionsDefinition) -> dg.AssetChecksDefinition:
    model = RMIS_MODELS[table]

    @dg.asset_check(
        name=f"{table}_schema",
        asset=table,
        blocking=True,
        partitions_def=retailers,
        description=f"Columns, types, nulls, enumerations and ranges are as {model.__name__} says.",
    )
    def schema_check(context: dg.AssetCheckExecutionContext, project: ProjectResource) -> dg.AssetCheckResult:
        violations = check_parts(rmis_table_parts(project.paths, table, context.partition_key), model)
        return dg.AssetCheckResult(
            passed=not violations,
            metadata={"violations": "\n".join(str(violation) for violation in violations) or "none"},
        )

    return schema_check


def _conservation_check(retailers: dg.PartitionsDefinition) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        name="rows_are_conserved",
        asset="rmis_rejects",
        additional_deps=["rmis_events"],
        blocking=True,
        partitions_def=retailers,
        description="Rows in the raw feed, once per fact family = events + rejects; counted by DuckDB on the files.",
    )
    def rows_are_conserved(
        context: dg.AssetCheckExecutionContext, project: ProjectResource, duckdb: DuckDBResource
    ) -> dg.AssetCheckResult:
        retailer_id = context.partition_key
        lake = project.paths.lake_dir
        inventory = json.loads((lake / "raw_feed" / f"{retailer_id}.json").read_text())
        rows_in = sum(entry["rows"] for entry in inventory)
        mapping = load_mapping(project.paths.retailer_dir(retailer_id) / "mapping.yaml")
        # Each row gives one fact per family.
        readings = rows_in * max(len(mapping.families), 1)
        events = lake / "rmis_events" / f"retailer_id={retailer_id}" / "*.parquet"
        with duckdb.get_connection() as connection:
            kept = connection.execute("select count(*) from read_parquet(?)", [str(events)]).fetchone()
        rejected = read_table(lake, "rmis_rejects", retailer_id).height
        count = kept[0] if kept else 0
        return dg.AssetCheckResult(
            passed=readings == count + rejected,
            metadata={"rows_in": rows_in, "readings": readings, "events": count, "rejects": rejected},
        )

    return rows_are_conserved


def _budget_check(mode: str, brands: dg.PartitionsDefinition) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        name="budget_adds_up",
        asset=f"plan_{mode}",
        blocking=True,
        partitions_def=brands,
        description="Items sum to the planned spend, stay within the budget, and the experiment reserve is as asked.",
    )
    def budget_adds_up(
        context: dg.AssetCheckExecutionContext, project: ProjectResource
    ) -> dg.AssetCheckResult:
        plan = read_plan(project.paths, context.partition_key, mode)
        request = requested(plan)
        allocation = plan.allocation_frame()
        total = float(allocation["spend_usd"].sum())
        tolerance = BUDGET_TOLERANCE_USD * max(allocation.height, 1)
        reserve = float(allocation.filter(pl.col("purpose") == "experiment")["spend_usd"].sum())
        asked = (request.experiment_share or 0.0) * total
        checks = {
            "sums_to_planned_spend": abs(total - plan.predicted.spend_usd) <= tolerance,
            "within_budget": total <= request.budget_usd + tolerance,
            "reserve_as_asked": asked - tolerance <= reserve <= asked * (1 + RESERVE_SLACK) + tolerance,
            "no_negative_item": allocation.is_empty() or float(allocation["spend_usd"].min()) >= 0,  # type: ignore[arg-type]
        }
        return dg.AssetCheckResult(
            passed=all(checks.values()),
            metadata={
                **checks,
                "spend_usd": total,
                "budget_usd": request.budget_usd,
                "experiment_usd": reserve,
            },
        )

    return budget_adds_up
