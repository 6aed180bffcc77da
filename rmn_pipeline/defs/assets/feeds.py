"""Stage feeds: what the networks sent (`raw_feed`), and the retailer's own log (`retailer_log`, external)."""

import hashlib
import json

import dagster as dg
import polars as pl

from rmn_pipeline.defs.metadata import markdown_table
from rmn_pipeline.defs.project import Project
from rmn_pipeline.defs.resources import ProjectResource
from rmn_pipeline.feeds import list_landing, read_report
from rmn_pipeline.rmis import load_mapping

GROUP = "feeds"


def retailer_log_spec(retailers: dg.PartitionsDefinition) -> dg.AssetSpec:
    """The retailer's customer-level log. It stays on the retailer's side; only the clean room reads it."""
    return dg.AssetSpec(
        "retailer_log",
        group_name=GROUP,
        partitions_def=retailers,
        description="Customer × day × SKU × placement, on the retailer's side. Only the clean room reads it, and "
        "only its released answers (clean_room_view) reach a planner.",
        kinds={"parquet"},
        owners=["team:data"],
    )


def feed_assets(retailers: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Assets of this stage."""

    @dg.asset(
        partitions_def=retailers,
        group_name=GROUP,
        kinds={"csv", "json"},
        owners=["team:data"],
        description="Inventory of a network's report files: every file is opened and read to its end, so that a "
        "truncated download stops here and not in a table.",
    )
    def raw_feed(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
        retailer_id = context.partition_key
        paths = project.paths
        mapping = load_mapping(paths.retailer_dir(retailer_id) / "mapping.yaml")
        files = list_landing(paths.landing_dir(retailer_id) / "reports", mapping.source.files)
        report_format = mapping.source.report_format()
        inventory: list[dict[str, object]] = [
            {
                "file": file.path.name,
                "rows": read_report(file.path, report_format).height,
                "bytes": file.size,
                "period": file.period,
                "as_of": str(file.as_of) if file.as_of else None,
                "sha256": file.sha256,
            }
            for file in files
        ]
        digest = write_inventory(paths, retailer_id, inventory)
        shown = [{**row, "sha256": str(row["sha256"])[:12]} for row in inventory]
        return dg.MaterializeResult(
            data_version=dg.DataVersion(digest),
            metadata={
                "dagster/row_count": sum(int(str(row["rows"])) for row in inventory),
                "files": len(inventory),
                "network": mapping.network,
                "inventory": dg.MetadataValue.md(markdown_table(pl.DataFrame(shown))),
            },
        )

    return [raw_feed]


def write_inventory(paths: Project, retailer_id: str, inventory: list[dict[str, object]]) -> str:
    """Write a retailer's inventory beside the lake's tables; returns its digest."""
    text = json.dumps(inventory, indent=1)
    target = paths.lake_dir / "raw_feed" / f"{retailer_id}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(".tmp")
    temporary.write_text(text)
    temporary.replace(target)
    return hashlib.sha256(text.encode()).hexdigest()
