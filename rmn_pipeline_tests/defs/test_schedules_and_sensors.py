"""Decisions of the nightly schedule and the landing sensor."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from rmn_pipeline.definitions import build_defs
from rmn_pipeline.defs.project import Project
from rmn_pipeline.defs.schedules import nightly_run_requests
from rmn_pipeline.defs.sensors import changed_retailers, landing_digests

NIGHT = datetime(2026, 7, 6, 4, tzinfo=UTC)


def test_night_asks_for_every_retailer_and_then_every_brand() -> None:
    requests = nightly_run_requests(NIGHT, ["alpha", "beta"], ["brand_x"])
    assert [request.partition_key for request in requests] == ["alpha", "beta", "brand_x"]
    priorities = [int(request.tags["dagster/priority"]) for request in requests]
    assert priorities[0] == priorities[1] > priorities[2]
    assert dg.AssetKey("rmis_events") in (requests[0].asset_selection or [])
    assert dg.AssetKey("comparison_report") in (requests[2].asset_selection or [])


def test_a_repeated_tick_of_the_same_night_asks_for_the_same_runs() -> None:
    first = nightly_run_requests(NIGHT, ["alpha"], ["brand_x"])
    again = nightly_run_requests(NIGHT, ["alpha"], ["brand_x"])
    other = nightly_run_requests(NIGHT + timedelta(days=1), ["alpha"], ["brand_x"])
    assert [request.run_key for request in first] == [request.run_key for request in again]
    assert not {request.run_key for request in first} & {request.run_key for request in other}


def test_schedule_ticks_on_a_real_repository(tiny_project: Path) -> None:
    repository = build_defs(Project(tiny_project)).get_repository_def()
    schedule = repository.get_schedule_def("nightly_schedule")
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance=instance,
            repository_def=repository,
            scheduled_execution_time=NIGHT,
        )
        tick = schedule.evaluate_tick(context)
    assert [request.partition_key for request in tick.run_requests or []] == [
        "alpha", "beta", "delta", "gamma", "brand_x", "brand_y",
    ]  # fmt: skip


def test_only_retailers_with_new_files_are_harmonized() -> None:
    before = {"alpha": "1", "beta": "2"}
    assert changed_retailers(before, {"alpha": "1", "beta": "3", "gamma": "4"}) == ["beta", "gamma"]


def test_an_empty_landing_folder_starts_nothing() -> None:
    assert changed_retailers({"alpha": "1"}, {"alpha": ""}) == []


def test_a_new_file_changes_the_digest_of_its_retailer_only(tiny_project: Path) -> None:
    project = Project(tiny_project)
    before = landing_digests(project)
    reports = project.landing_dir("beta") / "reports"
    reports.mkdir(parents=True)
    (reports / "new.csv.gz").write_bytes(b"x")
    assert changed_retailers(before, landing_digests(project)) == ["beta"]
