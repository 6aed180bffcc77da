"""The whole chain as ordered steps, and the runner that materializes them in one process.

Dagster runs target one partition, and an asset job holds one partitioning; the chain crosses three (retailer,
brand, none). `make run`, and the jobs `nightly` and `train_adapters`, therefore walk this list on the persistent
instance: every step is a run of its own in the UI, and torch is imported once.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

from rmn_pipeline.defs.kinds import ADAPTER_KINDS, AdapterKind

RMIS_TABLES = ("rmis_skus", "rmis_audiences", "rmis_policies", "rmis_events", "rmis_rejects")
# What one harmonization run of a retailer makes.
RETAILER_ASSETS = ("raw_feed", *RMIS_TABLES, "sku_match_proposals", "clean_room_view")
# What one planning run of a brand makes.
BRAND_ASSETS = (
    "plan_request",
    "brand_campaigns",
    "plan_full_data",
    "plan_clean_room",
    "comparison",
    "comparison_report",
)
# What one measurement run of a brand makes; not part of the chain, because experiments run after a plan is adopted.
MEASUREMENT_ASSETS = ("experiment_design", "experiment_readout", "incrementality_multipliers")


class ChainError(Exception):
    """A step of the chain failed; the text names the step and the cause."""


@dataclass(frozen=True)
class ChainStep:
    """One run: some assets, for one partition or none."""

    assets: tuple[str, ...]
    partition_key: str | None = None

    @property
    def label(self) -> str:
        """How the step is named to a person."""
        name = {RETAILER_ASSETS: "harmonize", BRAND_ASSETS: "plan and compare"}.get(
            self.assets, self.assets[-1]
        )
        name = name.removeprefix("adapter_eval_")
        name = f"adapter {name}" if self.assets[0].startswith("training_set_") else name
        return f"{name} [{self.partition_key}]" if self.partition_key else name


def harmonize_steps(retailer_ids: Sequence[str]) -> list[ChainStep]:
    """One step per retailer."""
    return [ChainStep(RETAILER_ASSETS, retailer_id) for retailer_id in retailer_ids]


def training_steps(retailer_ids: Sequence[str], brand_ids: Sequence[str]) -> list[ChainStep]:
    """Parents before children: industry, retailers, manufacturers, tasks."""
    tenants: dict[str, list[str] | list[None]] = {
        "none": [None],
        "retailer": list(retailer_ids),
        "brand": list(brand_ids),
    }
    return [
        ChainStep(kind_assets(kind), tenant) for kind in ADAPTER_KINDS for tenant in tenants[kind.tenancy]
    ]


def kind_assets(kind: AdapterKind) -> tuple[str, ...]:
    """The three assets of one kind."""
    return (f"training_set_{kind.name}", f"adapter_{kind.name}", f"adapter_eval_{kind.name}")


def brand_steps(brand_ids: Sequence[str]) -> list[ChainStep]:
    """One step per brand."""
    return [ChainStep(BRAND_ASSETS, brand_id) for brand_id in brand_ids]


def chain_steps(retailer_ids: Sequence[str], brand_ids: Sequence[str]) -> list[ChainStep]:
    """The whole chain in order."""
    return [
        *harmonize_steps(retailer_ids),
        *training_steps(retailer_ids, brand_ids),
        *brand_steps(brand_ids),
    ]


@dataclass(frozen=True)
class StepOutcome:
    """What running one step took, and how many of its assets said that nothing had changed."""

    step: ChainStep
    run_id: str
    wall_seconds: float
    cpu_seconds: float
    reused_assets: int


def run_steps(
    definitions: dg.Definitions,
    steps: Sequence[ChainStep],
    instance: dg.DagsterInstance,
    on_start: Callable[[int, ChainStep], None] | None = None,
) -> Iterator[StepOutcome]:
    """Materialize steps one after another, each as a run of its own.

    Raises:
        ChainError: a step failed; the steps before it stay materialized.
    """
    job = definitions.resolve_implicit_global_asset_job_def()
    for number, step in enumerate(steps, start=1):
        if on_start:
            on_start(number, step)
        yield _run_step(job, step, instance)


def _run_step(job: dg.JobDefinition, step: ChainStep, instance: dg.DagsterInstance) -> StepOutcome:
    wall, cpu = time.monotonic(), time.process_time()
    result = job.execute_in_process(
        partition_key=step.partition_key,
        asset_selection=[dg.AssetKey(name) for name in step.assets],
        instance=instance,
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        tags={"rmn/chain": step.label},
    )
    if not result.success:
        raise ChainError(f"{step.label}: {failure_text(result)}")
    reused = sum(
        1
        for event in result.get_asset_materialization_events()
        if event.materialization.metadata.get("reused", dg.MetadataValue.bool(False)).value is True
    )
    return StepOutcome(step, result.run_id, time.monotonic() - wall, time.process_time() - cpu, reused)


def failure_text(result: dg.ExecuteInProcessResult) -> str:
    """The error that the first failed step raised, in one line; for a failed check, what it found."""
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            # Dagster wraps what a step raised; what that in turn was caused by is detail, not the message.
            if error is not None and error.cause is not None:
                error = error.cause
            if error is not None:
                cause = " ".join(error.message.split())
                return "; ".join([f"{event.step_key}: {cause}", *_failed_checks(result, event.step_key)])
    return "the run failed before any step started"


def _failed_checks(result: dg.ExecuteInProcessResult, step_key: str | None) -> list[str]:
    if step_key is None:
        return []
    return [
        f"{evaluation.check_name}: "
        + ", ".join(f"{key} {item.value}" for key, item in evaluation.metadata.items())
        for evaluation in result.get_asset_check_evaluations()
        if not evaluation.passed
        and evaluation.blocking
        # A check has a step of its own, named after both, or is part of its asset's step.
        and (
            step_key.endswith(evaluation.check_name)
            or step_key == evaluation.asset_key.to_python_identifier()
        )
    ]
