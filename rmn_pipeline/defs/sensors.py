"""Sensors: new files in a retailer's landing folder start its harmonization."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import dagster as dg

from rmn_pipeline.defs.project import Project

SENSOR_INTERVAL_SECONDS = 300


def landing_digests(project: Project) -> dict[str, str]:
    """A digest of names, sizes and modification times of every retailer's reports; no file is opened."""
    return {
        retailer_id: _folder_digest(project.landing_dir(retailer_id) / "reports")
        for retailer_id in project.retailer_ids()
    }


def changed_retailers(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Retailers whose landing folder is not empty and differs from the last tick."""
    return [retailer for retailer, digest in sorted(now.items()) if digest and before.get(retailer) != digest]


def _folder_digest(folder: Path) -> str:
    if not folder.is_dir():
        return ""
    states = [
        f"{path.name}:{path.stat().st_size}:{path.stat().st_mtime_ns}"
        for path in sorted(folder.iterdir())
        if path.is_file()
    ]
    return hashlib.sha256("\n".join(states).encode()).hexdigest() if states else ""


def build_sensors(project: Project) -> list[dg.SensorDefinition]:
    """All sensors. Off until a person switches them on."""

    @dg.sensor(
        name="landing_sensor",
        job_name="harmonize_retailer",
        minimum_interval_seconds=SENSOR_INTERVAL_SECONDS,
        description="New or changed report files start one harmonization run of that retailer.",
    )
    def landing_sensor(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        import json

        now = landing_digests(project)
        changed = changed_retailers(json.loads(context.cursor or "{}"), now)
        context.update_cursor(json.dumps(now))
        if not changed:
            yield dg.SkipReason("no landing folder has changed")
        for retailer_id in changed:
            yield dg.RunRequest(
                run_key=f"landing-{retailer_id}-{now[retailer_id][:16]}", partition_key=retailer_id
            )

    return [landing_sensor]
