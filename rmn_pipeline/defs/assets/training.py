"""Stage training: `training_set_<kind>`, made from the pipeline's own tables, mappings, policies and brands."""

import dagster as dg

from rmn_pipeline.defs.kinds import ADAPTER_KINDS, AdapterKind
from rmn_pipeline.defs.metadata import counts_table, markdown_table
from rmn_pipeline.defs.resources import ProjectResource
from rmn_pipeline.defs.sources import load_training_sources, training_set_dir

GROUP = "training"
SEED = 20260105
UPSTREAM_TABLES = ("rmis_skus", "rmis_audiences", "rmis_policies")


def training_set_assets(
    partitions: dict[str, dg.PartitionsDefinition | None],
) -> list[dg.AssetsDefinition]:
    """One asset per kind of adapter."""
    return [_training_set_asset(kind, partitions[kind.tenancy]) for kind in ADAPTER_KINDS]


def _training_set_asset(kind: AdapterKind, partitions: dg.PartitionsDefinition | None) -> dg.AssetsDefinition:
    @dg.asset(
        name=f"training_set_{kind.name}",
        deps=[
            dg.AssetDep(name, partition_mapping=dg.AllPartitionMapping() if partitions else None)
            for name in UPSTREAM_TABLES
        ],
        partitions_def=partitions,
        group_name=GROUP,
        kinds={"huggingface", "parquet"},
        owners=["team:ml"],
        description=f"Prompts and completions for the {kind.name} adapter. {kind.description}",
    )
    def training_set(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
        from rmn_pipeline.lora.datasets import build_training_set, check_private_leak

        tenant = context.partition_key if context.has_partition_key else None
        sources = load_training_sources(project.paths)
        made = build_training_set(
            kind.name,
            sources=sources,
            seed=SEED,
            profile=project.profile,
            retailer_id=tenant if kind.tenancy == "retailer" else None,
            brand_id=tenant if kind.tenancy == "brand" else None,
        )
        check_private_leak(made, sources)
        made.save(training_set_dir(project.paths, made.adapter_id))
        rows = made.rows
        counts = {
            f"{task} ({split})": count
            for task, split, count in rows.group_by("task", "split").len().sort("task", "split").iter_rows()
        }
        return dg.MaterializeResult(
            data_version=dg.DataVersion(made.fingerprint),
            metadata={
                "dagster/row_count": rows.height,
                "fingerprint": made.fingerprint,
                "rows_per_task": dg.MetadataValue.md(counts_table(counts, "task (split)", "rows")),
                "examples": dg.MetadataValue.md(
                    markdown_table(rows.select("task", "prompt", "completion", "split").head(3))
                ),
            },
        )

    return training_set
