"""Stage adapters: `adapter_eval_<kind>`, each adapter's stack on held-out rows, tracked in MLflow and gated."""

import dagster as dg

from rmn_pipeline.defs.assets.adapters import GROUP, TORCH_POOL
from rmn_pipeline.defs.kinds import ADAPTER_KINDS, AdapterKind
from rmn_pipeline.defs.metadata import markdown_table
from rmn_pipeline.defs.resources import ProjectResource, TrackingResource
from rmn_pipeline.defs.sources import adapter_dir, training_set_dir


def evaluation_assets(partitions: dict[str, dg.PartitionsDefinition | None]) -> list[dg.AssetsDefinition]:
    """One asset per kind of adapter."""
    return [_evaluation_asset(kind, partitions[kind.tenancy]) for kind in ADAPTER_KINDS]


def _evaluation_asset(kind: AdapterKind, partitions: dg.PartitionsDefinition | None) -> dg.AssetsDefinition:
    @dg.asset(
        name=f"adapter_eval_{kind.name}",
        deps=[f"adapter_{kind.name}"],
        partitions_def=partitions,
        group_name=GROUP,
        kinds={"mlflow"},
        owners=["team:ml"],
        pool=TORCH_POOL,
        check_specs=[
            dg.AssetCheckSpec(
                "adapter_gate",
                asset=f"adapter_eval_{kind.name}",
                blocking=True,
                partitions_def=partitions,
                description="The champion moves only to an adapter that beats chance and is no worse than the "
                "champion before it.",
            )
        ],
        description="Exact match and field accuracy on held-out rows, beside the base model and chance, with "
        "bootstrap intervals; one MLflow run each.",
    )
    def adapter_eval(
        context: dg.AssetExecutionContext, project: ProjectResource, tracking: TrackingResource
    ) -> dg.MaterializeResult:
        from rmn_pipeline.evaluation import evaluate_and_track

        tenant = context.partition_key if context.has_partition_key else None
        adapter_id = kind.adapter_id(tenant)
        tracked = evaluate_and_track(
            adapter_dir(project.paths, kind, adapter_id),
            training_set_dir(project.paths, adapter_id),
            adapters_dir=project.paths.adapters_dir,
            base_dir=project.base_dir,
            results_dir=project.paths.lake_dir / "adapter_evaluations",
            tracking_uri=tracking.uri,
            profile=project.profile,
        )
        return dg.MaterializeResult(
            metadata={
                "reused": tracked.reused,
                "adapter_id": adapter_id,
                "metrics": dg.MetadataValue.md(markdown_table(tracked.evaluation.metrics_frame())),
                "wrong_answers": dg.MetadataValue.md(
                    markdown_table(tracked.evaluation.wrong_answers.head(5))
                ),
                "mlflow_run": dg.MetadataValue.url(tracking.run_link(tracked.experiment_id, tracked.run_id)),
            },
            check_results=[
                dg.AssetCheckResult(
                    check_name="adapter_gate",
                    passed=tracked.decision.passed,
                    metadata={"reasons": "; ".join(tracked.decision.reasons) or "all conditions met"},
                )
            ],
        )

    return adapter_eval
