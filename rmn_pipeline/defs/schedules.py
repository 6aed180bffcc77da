"""The nightly schedule: one run per retailer, then one per brand."""

import os
from collections.abc import Iterator, Sequence
from datetime import datetime

import dagster as dg

from rmn_pipeline.defs.workflow import BRAND_ASSETS, RETAILER_ASSETS

# A schedule has one target, and an asset job one partitioning. Dagster's implicit job over all assets is the one
# target that holds both; it is the job behind the UI's Materialize button.
ALL_ASSETS_JOB = "__ASSET_JOB"
# Networks restate up to the early morning of their own time zones.
NIGHTLY_CRON = "0 4 * * *"
# Another time of night without touching code, in cron's five fields, UTC.
NIGHTLY_CRON_VARIABLE = "RMN_NIGHTLY_CRON"
RETAILER_PRIORITY, BRAND_PRIORITY = 10, 0


def nightly_run_requests(
    tick: datetime, retailer_ids: Sequence[str], brand_ids: Sequence[str]
) -> list[dg.RunRequest]:
    """The night's runs in order. The queue takes the higher priority first, so brands wait for all retailers."""
    return [
        _run_request(tick, tenant, assets, priority)
        for tenants, assets, priority in (
            (retailer_ids, RETAILER_ASSETS, RETAILER_PRIORITY),
            (brand_ids, BRAND_ASSETS, BRAND_PRIORITY),
        )
        for tenant in tenants
    ]


def _run_request(tick: datetime, tenant: str, assets: Sequence[str], priority: int) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"nightly-{tick:%Y-%m-%dT%H:%M}-{tenant}",
        partition_key=tenant,
        asset_selection=[dg.AssetKey(name) for name in assets],
        tags={"dagster/priority": str(priority), "rmn/nightly": f"{tick:%Y-%m-%d}"},
    )


def build_schedules(
    retailers: dg.StaticPartitionsDefinition, brands: dg.StaticPartitionsDefinition
) -> list[dg.ScheduleDefinition]:
    """All schedules. Off until a person switches them on."""

    @dg.schedule(
        name="nightly_schedule",
        job_name=ALL_ASSETS_JOB,
        cron_schedule=os.environ.get(NIGHTLY_CRON_VARIABLE, NIGHTLY_CRON),
        execution_timezone="UTC",
        description="Every night: harmonize each retailer and renew its clean-room view, then plan each brand.",
    )
    def nightly_schedule(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        yield from nightly_run_requests(
            context.scheduled_execution_time,
            retailers.get_partition_keys(),
            brands.get_partition_keys(),
        )

    return [nightly_schedule]
