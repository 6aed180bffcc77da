"""Jobs a person or a schedule launches.

`harmonize_retailer` and `plan_brand` are asset jobs with partitions. `train_adapters` and `nightly` cross
partitionings, which one asset job can't: each walks the chain's steps, every step a run of its own.
`attack_clean_room` attacks the clean room at full size, `compare_worlds` plays many markets; `pretrain_base` makes the
small base model again.
"""

from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from rmn_pipeline.defs.project import Project
from rmn_pipeline.defs.resources import ProjectResource
from rmn_pipeline.defs.workflow import (
    BRAND_ASSETS,
    MEASUREMENT_ASSETS,
    RETAILER_ASSETS,
    ChainStep,
    chain_steps,
    run_steps,
    training_steps,
)

DefinitionsFactory = Callable[[], dg.Definitions]


def build_jobs(
    project: Project,
    definitions: DefinitionsFactory,
) -> list[Any]:
    """All jobs (job definitions, and asset jobs that Dagster resolves later).

    `definitions` is called inside a running job to get the assets that it materializes.
    """
    return [
        dg.define_asset_job(
            "harmonize_retailer",
            selection=dg.AssetSelection.assets(*RETAILER_ASSETS),
            description="One retailer: raw feed to RMIS tables, products to review, and the clean room's view.",
        ),
        dg.define_asset_job(
            "plan_brand",
            selection=dg.AssetSelection.assets(*BRAND_ASSETS),
            description="One brand: brief to request, both plans, comparison and report.",
        ),
        dg.define_asset_job(
            "measure_brand",
            selection=dg.AssetSelection.assets(*MEASUREMENT_ASSETS),
            description="One brand: the plan's experiment reserve designed, played and read out into multipliers.",
        ),
        dg.define_asset_job(
            "study_measurement",
            selection=dg.AssetSelection.assets("measurement_study"),
            description="Size, coverage and power on 1,000 regenerated panels per setting of the published study.",
        ),
        dg.define_asset_job(
            "attack_clean_room",
            selection=dg.AssetSelection.assets("clean_room_attack_report"),
            description="Every attack on the clean room at full size, with its report; half an hour of one core.",
        ),
        dg.define_asset_job(
            "compare_worlds",
            selection=dg.AssetSelection.assets("comparison_sensitivity"),
            description="The value of the withheld fields in many markets; two of every preset unless told otherwise.",
        ),
        _chain_job(
            "train_adapters",
            "All training sets, adapters and evaluations, parents before children. Unchanged adapters are reused.",
            definitions,
            lambda: training_steps(project.retailer_ids(), project.brand_ids()),
        ),
        _chain_job(
            "nightly",
            "The whole chain: every retailer, every adapter, every brand.",
            definitions,
            lambda: chain_steps(project.retailer_ids(), project.brand_ids()),
        ),
        _pretrain_job(),
    ]


def _chain_job(
    name: str, description: str, definitions: DefinitionsFactory, steps: Callable[[], Sequence[ChainStep]]
) -> dg.JobDefinition:
    @dg.op(name=f"run_{name}")
    def run_chain(context: dg.OpExecutionContext) -> None:
        outcomes = run_steps(definitions(), steps(), context.instance)
        for outcome in outcomes:
            context.log.info(
                f"{outcome.step.label}: run {outcome.run_id}, {outcome.wall_seconds:.1f} s, "
                f"{outcome.reused_assets} assets unchanged and reused"
            )

    @dg.job(name=name, description=description)
    def chain() -> None:
        run_chain()

    return chain


def _pretrain_job() -> dg.JobDefinition:
    @dg.op(pool="torch")
    def pretrain(context: dg.OpExecutionContext, project: ProjectResource) -> None:
        from dataclasses import replace

        from rmn_pipeline.lora.pretrain import PretrainConfig, held_out_briefs
        from rmn_pipeline.lora.pretrain import pretrain as run_pretraining

        make = PretrainConfig.smoke if project.profile == "smoke" else PretrainConfig
        config = make(
            run_dir=project.paths.lake_dir / "pretrain" / project.base_dir.name, base_dir=project.base_dir
        )
        briefs = held_out_briefs(project.paths.data_dir / "briefs")
        result = run_pretraining(replace(config, held_out_texts=briefs), say=context.log.info)
        context.log.info(
            f"{result.tokens} tokens in {result.seconds / 60:.1f} minutes, written to {result.base_dir}"
        )

    @dg.job(description="Pretrain the shipped base model again; resumes from its last checkpoint.")
    def pretrain_base() -> None:
        pretrain()

    return pretrain_base
