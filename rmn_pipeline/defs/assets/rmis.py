"""Stage rmis: one retailer's reports harmonized into events and rejects, and its dimension tables."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from rmn_pipeline.defs.metadata import counts_table, image_markdown, table_metadata
from rmn_pipeline.defs.plots import daily_spend_plot
from rmn_pipeline.defs.resources import ProjectResource
from rmn_pipeline.defs.sources import policy_frame
from rmn_pipeline.feeds import list_landing
from rmn_pipeline.rmis import (
    harmonize,
    load_audiences,
    load_catalog,
    load_mapping,
    skus_frame,
    write_events,
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
        frame = skus_frame([load_catalog(_reference(project, retailer_id) / "catalog.csv", retailer_id)])
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
        result = harmonize(
            mapping,
            [file.path for file in files],
            crosswalk=load_catalog(_reference(project, retailer_id) / "catalog.csv", retailer_id),
        )
        write_events(paths.lake_dir, retailer_id, result.events, replace_all_days=True)
        write_table(paths.lake_dir, "rmis_rejects", retailer_id, result.rejects)
        yield dg.MaterializeResult(
            asset_key="rmis_events",
            metadata={
                **table_metadata(result.events),
                "rows_in": result.report.rows_in,
                "rejected": result.report.broken,
                "superseded_by_restatement": result.report.superseded,
                "warnings": dg.MetadataValue.md(counts_table(result.report.warnings, "rule", "rows")),
                "days": result.events["date"].n_unique(),
                "spend_per_day": image_markdown(
                    daily_spend_plot(result.events, retailer_id), "spend per day"
                ),
            },
        )
        yield dg.MaterializeResult(
            asset_key="rmis_rejects",
            metadata={
                **table_metadata(result.rejects),
                "rows_in": result.report.rows_in,
                "by_rule": dg.MetadataValue.md(counts_table(result.report.rule_counts, "rule", "rows")),
            },
        )

    return harmonized


def _reference(project: ProjectResource, retailer_id: str) -> Path:
    return project.paths.landing_dir(retailer_id) / "reference"
