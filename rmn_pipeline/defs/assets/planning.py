"""Stage planning: the clean room's released view, the brief as a request, and the two plans."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from rmn_pipeline.defs.brand_inputs import (
    RefusedBrief,
    brand_campaigns,
    campaigns_path,
    clean_room_planning_view,
    full_data_planning_view,
    plan_start,
    read_plan_request,
    write_plan,
    write_plan_request,
)
from rmn_pipeline.defs.kinds import ADAPTER_KINDS
from rmn_pipeline.defs.metadata import counts_table, image_markdown, markdown_table, table_metadata
from rmn_pipeline.defs.plots import allocation_plot
from rmn_pipeline.defs.project import Project, ProjectError
from rmn_pipeline.defs.resources import ProjectResource
from rmn_pipeline.defs.sources import line_names
from rmn_pipeline.planning import Plan, PlanningView, PlanRequest, make_plan
from rmn_pipeline.rmis import write_parquet_atomically

if TYPE_CHECKING:
    from rmn_pipeline.federation import PlanRequestAnswer

GROUP = "planning"
OWNERS = ["team:planning"]


def clean_room_assets(retailers: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The connector's released answers, one set per retailer."""

    @dg.asset(
        # Of the events only the first and last day are used: the period that an analyst would ask about.
        deps=["retailer_log", "rmis_policies", "rmis_skus", "rmis_events"],
        partitions_def=retailers,
        group_name=GROUP,
        kinds={"duckdb", "opendp"},
        owners=OWNERS,
        description="What the retailer's clean room released: noisy, thresholded cells, obtained by queries that an "
        "analyst could have made within the privacy budget.",
    )
    def clean_room_view(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
        from rmn_pipeline.defs.brand_inputs import release_retailer_view

        retailer_id = context.partition_key
        view = release_retailer_view(project.paths, retailer_id)
        return dg.MaterializeResult(
            metadata={
                **table_metadata(view.cells),
                "blocked_fields": ", ".join(view.blocked_fields),
                "suppressed_cells": view.suppressed_cells,
                "epsilon_spent": view.epsilon_spent,
                "queries": dg.MetadataValue.json([str(query) for query in view.queries]),
            }
        )

    return [clean_room_view]


def planning_assets(brands: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Request and plans of one brand."""

    @dg.asset(
        deps=[f"adapter_eval_{kind.name}" for kind in ADAPTER_KINDS],
        partitions_def=brands,
        group_name=GROUP,
        kinds={"huggingface"},
        owners=OWNERS,
        pool="torch",
        description="The brief in plain words as a validated, grounded tool call: once by the full stack of adapters, "
        "once without the manufacturer's adapter for the clean-room mode.",
    )
    def plan_request(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
        from rmn_pipeline.federation import BriefError, Federation

        brand_id = context.partition_key
        brief = read_brief(project.paths.brief_path(brand_id))
        federation = Federation.load(
            project.paths.adapters_dir,
            base_dir=project.base_dir,
            log_path=project.paths.lake_dir / "composition_log.jsonl",
            line_names=line_names(project.paths),
        )
        full = federation.plan_request(brief, brand_id=brand_id, mode="full_data")
        bare: PlanRequestAnswer | RefusedBrief
        try:
            bare = federation.plan_request(brief, brand_id=brand_id, mode="clean_room")
        except BriefError as error:
            # Not understood without the brand's vocabulary: a finding for the ablation, no failure of the run.
            bare = RefusedBrief(str(error))
        write_plan_request(project.paths, brand_id, brief, {"full_data": full, "clean_room": bare})

        return dg.MaterializeResult(
            metadata={
                "brief": brief,
                "request": dg.MetadataValue.json(json.loads(full.request.canonical_json())),
                "same_in_clean_room_mode": not isinstance(bare, RefusedBrief)
                and full.request == bare.request,
                "refused_without_brand_adapter": bare.because if isinstance(bare, RefusedBrief) else "no",
                "adapters_full_data": ", ".join(full.adapters_used),
                "adapters_clean_room": ", ".join(bare.adapters_used),
                "attempts_full_data": full.attempts,
                **({} if isinstance(bare, RefusedBrief) else {"attempts_clean_room": bare.attempts}),
            }
        )

    @dg.asset(
        name="brand_campaigns",
        deps=["rmis_events", "rmis_skus"],
        partitions_def=brands,
        group_name=GROUP,
        kinds={"polars", "parquet"},
        owners=OWNERS,
        description="The brand's own campaign set-up: which SKU is advertised where and to whom. Keys only, no "
        "results: what a brand knows without any report.",
    )
    def campaign_setup(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
        frame = brand_campaigns(project.paths, context.partition_key)
        write_parquet_atomically(frame, campaigns_path(project.paths, context.partition_key))
        return dg.MaterializeResult(metadata=table_metadata(frame))

    @dg.asset(
        deps=["plan_request", "rmis_events", "rmis_skus"],
        partitions_def=brands,
        group_name=GROUP,
        kinds={"polars", "pulp"},
        owners=OWNERS,
        description="The budget planned with everything the brand knows: report rows, margin, stock, price, promotion.",
    )
    def plan_full_data(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
        view = full_data_planning_view(project.paths, context.partition_key)
        return _plan(project.paths, context.partition_key, "full_data", view)

    @dg.asset(
        deps=["plan_request", "clean_room_view", "brand_campaigns", "rmis_skus"],
        partitions_def=brands,
        group_name=GROUP,
        kinds={"polars", "pulp"},
        owners=OWNERS,
        description="The same budget planned from the clean room's released cells alone.",
    )
    def plan_clean_room(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
        view = clean_room_planning_view(project.paths, context.partition_key)
        return _plan(project.paths, context.partition_key, "clean_room", view)

    return [plan_request, campaign_setup, plan_full_data, plan_clean_room]


def read_brief(path: Path) -> str:
    """A brief from its file.

    Raises:
        ProjectError: no such file, or nothing in it.
    """
    if not path.is_file() or not path.read_text().strip():
        raise ProjectError(
            f"{path}: no brief there. Write what the brand wants in plain words into this file."
        )
    return path.read_text().strip()


def _plan(paths: Project, brand_id: str, mode: str, view: PlanningView) -> dg.MaterializeResult:
    answer = read_plan_request(paths, brand_id, mode)
    request = PlanRequest.model_validate(answer["request"])
    plan = make_plan(
        request, view, start_date=plan_start(paths), adapters_used=tuple(answer["adapters_used"])
    )
    write_plan(paths, plan, mode)
    return dg.MaterializeResult(metadata=plan_metadata(plan))


def plan_metadata(plan: Plan) -> dict[str, Any]:
    """What a person wants to see of a plan."""
    allocation = plan.allocation_frame()
    predicted = {
        name: round(value, 4) for name, value in plan.predicted.model_dump().items() if value is not None
    }
    top = allocation.sort("spend_usd", descending=True).head(8)
    return {
        "dagster/row_count": allocation.height,
        "status": plan.status,
        "predicted": dg.MetadataValue.md(counts_table(predicted, "figure", "predicted")),
        "binding": ", ".join(plan.binding) or "none",
        "shadow_prices": dg.MetadataValue.md(
            counts_table(plan.duals, "constraint", "one more unit earns, USD")
        ),
        "certified_gap": plan.certified_gap if plan.certified_gap is not None else "not certified",
        "blocked_fields": ", ".join(plan.blocked_fields) or "none",
        "adapters_used": ", ".join(plan.adapters_used),
        "largest_items": dg.MetadataValue.md(markdown_table(_allocation_preview(top))),
        "budget_flow": image_markdown(allocation_plot(allocation, "Planned spend"), "planned spend"),
    }


def _allocation_preview(allocation: pl.DataFrame) -> pl.DataFrame:
    return allocation.select(
        "retailer_id", "placement_type", "audience_id", "sku_id", "spend_usd", "purpose",
        "predicted_incremental_revenue_usd",
    )  # fmt: skip
