"""Anomaly checks on a retailer's real tables: red with a table and a picture where something is planted."""

import base64
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from rmn_pipeline.definitions import build_defs
from rmn_pipeline.defs.anomaly_checks import check_result, judged
from rmn_pipeline.defs.project import Project
from rmn_pipeline.rmis import (
    DETECTORS,
    REJECTS_SCHEMA,
    Anomaly,
    AnomalySettings,
    Evidence,
    write_events,
    write_table,
)
from rmn_pipeline.world import WorldConfig, build_world
from rmn_pipeline_tests.conftest import ROOT, make_tiny_project
from rmn_pipeline_tests.rmis.steady_feed import changed, day, on, steady_feed

STEADY = steady_feed()
PNG = b"\x89PNG\r\n"
ANOMALY_CHECKS = {
    "rmis_events": (
        "impossible_values",
        "missing_days",
        "stale_feed",
        "null_rates",
        "definition_changes",
        "level_shifts",
        "vanished_parts",
        "unusual_ratios",
    ),
    "rmis_rejects": ("rejected_shares",),
    "raw_feed": ("schema_drift", "twin_columns"),
}


def evaluations(root: Path, selection: dg.AssetSelection) -> dict[str, dg.AssetCheckEvaluation]:
    """Run some assets and checks of delta; every evaluation by its name."""
    job = dg.define_asset_job("some", selection=selection)
    definitions = dg.Definitions.merge(build_defs(Project(root)), dg.Definitions(jobs=[job]))
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_job_def("some").execute_in_process(
            partition_key="delta", instance=instance, raise_on_error=False
        )
    return {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}


def checked(root: Path, asset: str, check: str) -> dg.AssetCheckEvaluation:
    """Only one check; a partitioned run needs an asset as well, and this one changes nothing."""
    key = dg.AssetCheckKey(dg.AssetKey(asset), check)
    selection = dg.AssetSelection.assets("rmis_policies") | dg.AssetSelection.checks(key)
    return evaluations(root, selection)[check]


def delivery(root: Path) -> dict[str, dg.AssetCheckEvaluation]:
    """Take in the landed reports; what their checks say."""
    keys = [dg.AssetCheckKey(dg.AssetKey("raw_feed"), name) for name in ANOMALY_CHECKS["raw_feed"]]
    assets = dg.AssetSelection.assets("raw_feed").without_checks()
    return evaluations(root, assets | dg.AssetSelection.checks(*keys))


Evaluated = dg.AssetCheckEvaluation | dg.AssetCheckResult


def table(evaluation: Evaluated) -> str:
    return str(evaluation.metadata["anomalies"].value)


def picture(evaluation: Evaluated) -> bytes:
    return base64.b64decode(str(evaluation.metadata["plot"].value).split("base64,")[1].rstrip(")"))


@pytest.fixture
def with_events(tiny_project: Path) -> Callable[..., Path]:
    """A project whose lake holds delta's events, and rejects in some files."""

    def write(events: pl.DataFrame, broken_in: str = "") -> Path:
        lake = tiny_project / "data" / "lake"
        write_events(lake, "delta", events.with_columns(retailer_id=pl.lit("delta")))
        row = dict.fromkeys(REJECTS_SCHEMA) | {
            "rule": "invalid.date",
            "severity": "reject",
            "source_file": broken_in,
        }
        write_table(lake, "rmis_rejects", "delta", pl.DataFrame([row] * 50, schema=REJECTS_SCHEMA))
        return tiny_project

    return write


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny project into which delta's reports have come."""
    root = make_tiny_project(tmp_path_factory.mktemp("anomalies") / "project")
    build_world(WorldConfig.from_yaml(root / "data" / "world.yaml")).write_landing(root / "data")
    found = delivery(root)
    assert {name: evaluation.passed for name, evaluation in found.items()} == {
        "schema_drift": True,
        "twin_columns": True,
    }
    return root


@pytest.fixture
def reports(delivered: Path, tmp_path: Path) -> Path:
    """A copy's folder of delta's reports."""
    shutil.copytree(delivered, tmp_path / "project", symlinks=True)
    return tmp_path / "project" / "data" / "landing" / "delta" / "reports"


def test_every_kind_of_anomaly_is_a_check_that_blocks_nothing() -> None:
    graph = build_defs(Project(ROOT)).resolve_asset_graph()
    for asset, names in ANOMALY_CHECKS.items():
        for name in names:
            spec = graph.get_check_spec(dg.AssetCheckKey(dg.AssetKey(asset), name))
            assert spec.description and not spec.blocking


def test_a_quiet_feed_is_green_and_its_series_are_drawn(with_events: Callable[..., Path]) -> None:
    found = checked(with_events(STEADY), "rmis_events", "level_shifts")
    assert found.passed and table(found) == "_none_"
    assert picture(found).startswith(PNG)


def test_missing_days_are_an_error_with_their_dates_and_a_picture(with_events: Callable[..., Path]) -> None:
    found = checked(with_events(STEADY.filter(~on(30))), "rmis_events", "missing_days")
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert found.metadata["count"].value == 1
    assert "1 day without any event" in table(found) and "2026-02-04" in table(found)
    assert picture(found).startswith(PNG)


@pytest.mark.parametrize(
    ("events", "check", "told", "severity"),
    [
        (changed(STEADY, on(70, 200), cost=pl.col("cost") * 3), "level_shifts", "level_shift.cost", "WARN"),
        (changed(STEADY, on(50, 55), cost=-1.0), "impossible_values", "have a negative cost", "WARN"),
        (
            changed(STEADY, on(50), date=day(300)),
            "impossible_values",
            "are dated 2026-05-05 or later",
            "ERROR",
        ),
        (changed(STEADY, on(110, 200), audience_id=None), "null_rates", "audience_id is empty in", "WARN"),
        (
            changed(STEADY, on(60), cost=pl.col("cost") * 40),
            "unusual_ratios",
            "cpc (cost / clicks) of",
            "WARN",
        ),
        (STEADY.filter((pl.col("placement_type") != "home") | on(0, 99)), "vanished_parts", "'home'", "WARN"),
        (changed(STEADY, on(60, 200), currency=pl.lit("EUR")), "definition_changes", "EUR", "ERROR"),
        (changed(STEADY, on(119), as_of=day(130)), "stale_feed", "the newest report", "WARN"),
    ],
)
def test_what_departs_is_told_and_drawn(events: pl.DataFrame, check: str, told: str, severity: str) -> None:
    (detector,) = [detector for detector in DETECTORS if detector.name == check]
    result = judged(detector, "shop", Evidence(events.lazy(), day(120), AnomalySettings()))
    assert (result.passed, result.severity.value) == (False, severity)
    assert told in table(result)
    assert picture(result).startswith(PNG)


def test_a_file_full_of_broken_rows_is_drawn(with_events: Callable[..., Path]) -> None:
    root = with_events(STEADY, broken_in="report_2026-04.csv")
    found = checked(root, "rmis_rejects", "rejected_shares")
    assert "35.7% of the 140 rows of report_2026-04.csv break a rule" in table(found)
    assert picture(found).startswith(PNG)


def test_a_new_header_is_drift_once_it_is_delivered(reports: Path) -> None:
    newest = sorted(reports.glob("*.csv"))[-1]
    newest.write_text(newest.read_text().replace("event.clicks", "event.total_clicks", 1))
    found = delivery(reports.parents[3])["schema_drift"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "'event.clicks' to 'event.total_clicks' for clicks (likeness 0." in table(found)
    assert f"{newest.name} has no column for clicks" in table(found)


def test_reports_inside_an_archive_count_for_their_file(reports: Path) -> None:
    paths = sorted(reports.glob("*.csv"))
    rows = sum(len(path.read_text().splitlines()) - 1 for path in paths)
    bundle = reports / paths[0].with_suffix(".zip").name
    with zipfile.ZipFile(bundle, "w") as archive:
        for path in paths:
            archive.write(path, path.name)
            path.unlink()
    root = reports.parents[3]
    mapping = root / "data" / "retailers" / "delta" / "mapping.yaml"
    mapping.write_text(mapping.read_text().replace("product_*.csv", "product_*.zip"))
    assert delivery(root)["schema_drift"].passed
    (entry,) = json.loads((root / "data" / "lake" / "raw_feed" / "delta.json").read_text())
    assert (entry["file"], entry["rows"]) == (bundle.name, rows)
    assert "event.clicks" in entry["columns"]


def test_twins_that_are_mapped_to_two_metrics_are_an_error(reports: Path) -> None:
    for path in reports.glob("*.csv"):
        rows = pl.read_csv(path, infer_schema=False)
        rows.with_columns(pl.col("event.spend").alias("event.attributed_sales_linear")).write_csv(path)
    found = delivery(reports.parents[3])["twin_columns"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "reads cost from one and revenue from the other" in table(found)


def test_what_is_only_worth_knowing_leaves_a_check_green() -> None:
    result = check_result([Anomaly("unread_columns", "info", "3 of 9 columns are not read")])
    assert result.passed and result.metadata["count"].value == 0
    assert "3 of 9 columns are not read" in str(result.metadata["anomalies"].value)
