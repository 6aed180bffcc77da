"""The whole wiring on one page: `build_defs()` collects assets, checks, jobs, schedules, sensors and resources.

Tests and tools pass overrides instead of patching: another project folder, other resources.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster_duckdb import DuckDBResource

from rmn_pipeline.defs.assets.adapters import adapter_assets
from rmn_pipeline.defs.assets.clean_room_attacks import clean_room_attack_assets
from rmn_pipeline.defs.assets.comparison import comparison_assets
from rmn_pipeline.defs.assets.evaluation import evaluation_assets
from rmn_pipeline.defs.assets.feeds import feed_assets, retailer_log_spec
from rmn_pipeline.defs.assets.measurement import measurement_assets
from rmn_pipeline.defs.assets.planning import clean_room_assets, planning_assets
from rmn_pipeline.defs.assets.proposals import proposal_assets
from rmn_pipeline.defs.assets.rmis import rmis_assets
from rmn_pipeline.defs.assets.sku_matches import sku_match_assets
from rmn_pipeline.defs.assets.training import training_set_assets
from rmn_pipeline.defs.checks import build_checks
from rmn_pipeline.defs.governance_checks import build_governance_checks
from rmn_pipeline.defs.jobs import build_jobs
from rmn_pipeline.defs.partitions import tenant_partitions
from rmn_pipeline.defs.project import Project, find_project
from rmn_pipeline.defs.resources import ProjectResource, TrackingResource
from rmn_pipeline.defs.schedules import build_schedules
from rmn_pipeline.defs.sensors import build_sensors

# Partitioned asset checks are marked as preview in 1.13; one warning per check would bury everything else.
warnings.filterwarnings(
    "ignore", category=dg.PreviewWarning, message="Specifying a partitions_def on an AssetCheckSpec"
)


def default_resources(project: Project) -> dict[str, Any]:
    """Resources of a project on one machine."""
    return {
        "project": ProjectResource(root=str(project.root)),
        "tracking": TrackingResource(uri=f"sqlite:///{project.lake_dir / 'mlflow.db'}"),
        # In memory: the truth is Parquet, and a shared .duckdb file would lock out every second process.
        "duckdb": DuckDBResource(database=":memory:"),
    }


def build_defs(
    project: Project | None = None, resource_overrides: Mapping[str, Any] | None = None
) -> dg.Definitions:
    """Fresh definitions.

    Args:
        project: the project folder; by default the one that `find_project` finds.
        resource_overrides: resources to use instead of the default ones, by name.

    Raises:
        ProjectError: the folder has no retailers or brands, or an id is not a slug.
    """
    project = project or find_project()
    retailers = tenant_partitions(project.retailer_ids(), "data/retailers")
    brands = tenant_partitions(project.brand_ids(), "data/brands")
    partitions: dict[str, dg.PartitionsDefinition | None] = {
        "none": None,
        "retailer": retailers,
        "brand": brands,
    }
    return dg.Definitions(
        assets=[
            retailer_log_spec(retailers),
            *feed_assets(retailers),
            *rmis_assets(retailers),
            *proposal_assets(),
            *sku_match_assets(retailers),
            *clean_room_assets(retailers),
            *clean_room_attack_assets(),
            *training_set_assets(partitions),
            *adapter_assets(partitions),
            *evaluation_assets(partitions),
            *planning_assets(brands),
            *comparison_assets(brands),
            *measurement_assets(brands),
        ],
        asset_checks=[*build_checks(retailers, brands), *build_governance_checks(partitions)],
        jobs=build_jobs(project, lambda: build_defs(project, resource_overrides)),
        schedules=build_schedules(retailers, brands),
        sensors=build_sensors(project),
        # One process per run: steps are short, and a process per step would import Dagster, polars and torch each time.
        executor=dg.in_process_executor,
        resources={**default_resources(project), **(resource_overrides or {})},
    )


defs = build_defs()
