"""Stage rmis: one retailer's reports harmonized into events and rejects, and its dimension tables."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from rmn_pipeline.defs.metadata import PREVIEW_ROWS, counts_table, image_markdown, table_metadata
from rmn_pipeline.defs.plots import daily_spend_plot
from rmn_pipeline.defs.resources import ProjectResource
from rmn_pipeline.defs.sources import policy_frame
from rmn_pipeline.feeds import list_landing
from rmn_pipeline.rmis import (
    HarmonizeReport,
    RetailerProducts,
    harmonize_to_lake,
    load_audiences,
    load_mapping,
    load_retailer_products,
    read_events,
    read_table,
    review_file,
    skus_frame,
    write_table,
)

GROUP = "rmis"
OWNERS = ["team:data"]


def rmis_assets(retailers: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Assets of this stage."""

    @dg.asset(
        deps=["raw_feed"],
        partitions_def=retailers,
        group_name=GROUP,
        kinds={"polars", "parquet"},
        owners=OWNERS,
        description="Dimension: every product of the retailer's catalogue, by GTIN-14.",
    )
    def rmis_skus(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
        retailer_id = context.partition_key
        frame = skus_frame([_products(project, retailer_id).catalog])
        write_table(project.paths.lake_dir, "rmis_skus", retailer_id, frame)
        return dg.MaterializeResult(metadata=table_metadata(frame))

    @dg.asset(
        deps=["raw_feed"],
        partitions_def=retailers,
        group_name=GROUP,
        kinds={"polars", "parquet"},
        owners=OWNERS,
        description="Dimension: the audiences that the network sells.",
    )
    def rmis_audiences(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
        retailer_id = context.partition_key
        frame = load_audiences(_reference(project, retailer_id) / "audiences.csv", retailer_id)
        write_table(project.paths.lake_dir, "rmis_audiences", retailer_id, frame)
        return dg.MaterializeResult(metadata=table_metadata(frame))

    @dg.asset(
        partitions_def=retailers,
        group_name=GROUP,
        kinds={"yaml", "parquet"},
        owners=OWNERS,
        description="Dimension: the retailer's policy: copy limits, banned terms, clean-room fields, k and epsilon.",
    )
    def rmis_policies(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
        from rmn_pipeline.cleanroom import load_policy

        retailer_id = context.partition_key
        frame = policy_frame(load_policy(project.paths.retailer_dir(retailer_id) / "policy.yaml"))
        write_table(project.paths.lake_dir, "rmis_policies", retailer_id, frame)
        return dg.MaterializeResult(metadata=table_metadata(frame))

    return [rmis_skus, rmis_audiences, rmis_policies, _harmonized(retailers)]


def _harmonized(retailers: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    @dg.multi_asset(
        specs=[
            dg.AssetSpec(
                "rmis_events",
                deps=["raw_feed", "rmis_skus"],
                group_name=GROUP,
                kinds={"polars", "parquet"},
                owners=OWNERS,
                description="Fact: one network report row after harmonization, one Parquet file per day.",
            ),
            dg.AssetSpec(
                "rmis_rejects",
                deps=["raw_feed", "rmis_skus"],
                group_name=GROUP,
                kinds={"polars", "parquet"},
                owners=OWNERS,
                description="Every row that did not become an event, with the rule it broke and the row as sent.",
            ),
        ],
        partitions_def=retailers,
    )
    def harmonized(
        context: dg.AssetExecutionContext, project: ProjectResource
    ) -> Iterator[dg.MaterializeResult]:
        retailer_id = context.partition_key
        paths = project.paths
        mapping = load_mapping(paths.retailer_dir(retailer_id) / "mapping.yaml")
        files = list_landing(paths.landing_dir(retailer_id) / "reports", mapping.source.files)
        products = _products(project, retailer_id)
        report = harmonize_to_lake(
            mapping, [file.path for file in files], paths.lake_dir, crosswalk=products.crosswalk
        )
        events = read_events(paths.lake_dir, [retailer_id])
        rejects = read_table(paths.lake_dir, "rmis_rejects", retailer_id)
        yield dg.MaterializeResult(
            asset_key="rmis_events",
            metadata={
                **table_metadata(events.head(PREVIEW_ROWS).collect()),
                "dagster/row_count": report.events,
                **_report_metadata(report),
                "accepted_title_matches": products.accepted,
                "spend_per_day": image_markdown(
                    daily_spend_plot(events.select("date", "cost", "revenue").collect(), retailer_id),
                    "spend per day",
                ),
            },
        )
        yield dg.MaterializeResult(
            asset_key="rmis_rejects",
            metadata={
                **table_metadata(rejects),
                "rows_in": report.rows_in,
                "by_rule": dg.MetadataValue.md(counts_table(report.rule_counts, "rule", "rows")),
            },
        )

    return harmonized


def _report_metadata(report: HarmonizeReport) -> dict[str, Any]:
    """What went in and what became of it."""
    return {
        "rows_in": report.rows_in,
        "readings": report.readings,
        "rejected": report.broken,
        "superseded_by_restatement": report.superseded,
        "history_rows": report.history,
        "duplicates": report.duplicates,
        "filtered": report.filtered,
        "total_rows": report.total_rows,
        "converted": dg.MetadataValue.md(counts_table(report.conversions, "currency", "rows")),
        "warnings": dg.MetadataValue.md(counts_table(report.warnings, "rule", "rows")),
        "days": report.days_written + report.days_unchanged,
        "days_written": report.days_written,
        "days_unchanged": report.days_unchanged,
        "days_removed": report.days_removed,
        "unmapped_columns": ", ".join(report.unmapped_columns) or "none",
    }


def _products(project: ProjectResource, retailer_id: str) -> RetailerProducts:
    """The catalogue with its crosswalk tables and the title matches that a person accepted."""
    return load_retailer_products(
        _reference(project, retailer_id),
        retailer_id,
        review=review_file(project.paths.lake_dir, retailer_id),
    )


def _reference(project: ProjectResource, retailer_id: str) -> Path:
    return project.paths.landing_dir(retailer_id) / "reference"
