"""Stage feeds: what the networks sent (`raw_feed`), and the retailer's own log (`retailer_log`, external)."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import polars as pl

from rmn_pipeline.defs.metadata import markdown_table
from rmn_pipeline.defs.project import Project
from rmn_pipeline.defs.resources import ProjectResource
from rmn_pipeline.feeds import LandingFile, list_landing, report_sources
from rmn_pipeline.rmis import FeedProfile, FeedProfiler, Mapping, load_mapping, write_feed_profile

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
        inventory, profile = take_inventory(retailer_id, mapping, files)
        digest = write_inventory(paths, retailer_id, inventory)
        write_feed_profile(paths.lake_dir / "raw_feed", profile)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(digest),
            metadata={
                "dagster/row_count": sum(int(str(row["rows"])) for row in inventory),
                "files": len(inventory),
                "network": mapping.network,
                "header_editions": len(profile.editions),
                "inventory": dg.MetadataValue.md(markdown_table(_shown(inventory))),
            },
        )

    return [raw_feed]


def take_inventory(
    retailer_id: str, mapping: Mapping, files: Sequence[LandingFile]
) -> tuple[list[dict[str, object]], FeedProfile]:
    """Read every file to its end: one entry per file, and the profile of what the columns hold."""
    profiler = FeedProfiler(mapping.source.null_values)
    rows: Counter[Path] = Counter()
    headers: dict[Path, tuple[str, ...]] = {}
    as_of = {file.path: file.as_of for file in files}
    for source in report_sources([file.path for file in files], mapping.source.report_format()):
        facts = profiler.read(source, as_of[source.paths[0]])
        # A report may lie in several files, and an archive may hold several reports.
        for piece, part in zip(source.pieces, facts.parts, strict=True):
            rows[piece.path] += part.rows
            headers[piece.path] = facts.header
    inventory: list[dict[str, object]] = [
        {
            "file": file.path.name,
            "rows": rows[file.path],
            "bytes": file.size,
            "period": file.period,
            "as_of": str(file.as_of) if file.as_of else None,
            "sha256": file.sha256,
            "columns": list(headers.get(file.path, ())),
        }
        for file in files
    ]
    return inventory, profiler.profile(retailer_id)


def _shown(inventory: list[dict[str, object]]) -> pl.DataFrame:
    rows = [
        {**row, "sha256": str(row["sha256"])[:12], "columns": len(row["columns"])}  # type: ignore[arg-type]
        for row in inventory
    ]
    return pl.DataFrame(rows)


def write_inventory(paths: Project, retailer_id: str, inventory: list[dict[str, object]]) -> str:
    """Write a retailer's inventory beside the lake's tables; returns its digest."""
    text = json.dumps(inventory, indent=1)
    target = paths.lake_dir / "raw_feed" / f"{retailer_id}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(".tmp")
    temporary.write_text(text)
    temporary.replace(target)
    return hashlib.sha256(text.encode()).hexdigest()
