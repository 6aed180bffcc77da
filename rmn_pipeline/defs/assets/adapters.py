"""Stage adapters: `adapter_<kind>`, QLoRA on frozen parents. An adapter whose provenance is unchanged is reused."""

import dagster as dg

from rmn_pipeline.defs.kinds import ADAPTER_KINDS, KINDS_BY_NAME, AdapterKind
from rmn_pipeline.defs.metadata import counts_table, image_markdown
from rmn_pipeline.defs.plots import loss_plot
from rmn_pipeline.defs.resources import ProjectResource
from rmn_pipeline.defs.sources import adapter_dir, parent_adapter_dirs, training_set_dir

GROUP = "adapters"
# Everything that keeps both cores busy with torch shares one slot.
TORCH_POOL = "torch"


def adapter_assets(partitions: dict[str, dg.PartitionsDefinition | None]) -> list[dg.AssetsDefinition]:
    """One asset per kind of adapter."""
    return [_adapter_asset(kind, partitions) for kind in ADAPTER_KINDS]


def _parent_deps(
    kind: AdapterKind, partitions: dict[str, dg.PartitionsDefinition | None]
) -> list[dg.AssetDep]:
    own = partitions[kind.tenancy]
    deps = []
    for parent in kind.parent_kinds:
        partitioned = partitions[KINDS_BY_NAME[parent].tenancy] is not None
        mapping = dg.AllPartitionMapping() if partitioned and own is not None else None
        deps.append(dg.AssetDep(f"adapter_{parent}", partition_mapping=mapping))
    return deps


def _adapter_asset(
    kind: AdapterKind, partitions: dict[str, dg.PartitionsDefinition | None]
) -> dg.AssetsDefinition:
    @dg.asset(
        name=f"adapter_{kind.name}",
        deps=[f"training_set_{kind.name}", *_parent_deps(kind, partitions)],
        partitions_def=partitions[kind.tenancy],
        group_name=GROUP,
        kinds={"pytorch", "huggingface"},
        owners=["team:ml"],
        pool=TORCH_POOL,
        description=f"{kind.description} QLoRA (4-bit NF4), trained on frozen parents: "
        f"{', '.join(kind.parent_kinds) or 'none'}.",
    )
    def adapter(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
        from rmn_pipeline.lora.datasets import load_training_set
        from rmn_pipeline.lora.train import AdapterTrainingConfig, train_adapter

        tenant = context.partition_key if context.has_partition_key else None
        adapter_id = kind.adapter_id(tenant)
        manifest = train_adapter(
            AdapterTrainingConfig.for_kind(
                kind.name, profile=project.profile, quantization=project.quantization
            ),
            load_training_set(training_set_dir(project.paths, adapter_id)),
            parents=parent_adapter_dirs(project.paths, kind),
            base_dir=project.base_dir,
            out_dir=adapter_dir(project.paths, kind, adapter_id),
            progress=lambda update: context.log.info(str(update)),
        )
        return dg.MaterializeResult(
            data_version=dg.DataVersion(manifest.weights_digest),
            metadata={
                "reused": manifest.reused,
                "adapter_id": adapter_id,
                "parents": ", ".join(parent.adapter_id for parent in manifest.parents) or "none",
                "base_digest": manifest.base_digest,
                "dataset_fingerprint": manifest.dataset_fingerprint,
                "training": dg.MetadataValue.md(counts_table(manifest.summary(), "figure", "value")),
                "loss": image_markdown(loss_plot(manifest.losses, adapter_id), "training loss"),
            },
        )

    return adapter
