"""The whole chain on a tiny market: every stage really runs, and the report holds what it promises."""

import json
import re

import polars as pl
import pytest

from rmn_pipeline.rmis import read_table
from rmn_pipeline_tests.conftest import FinishedRun, run_chain

pytestmark = pytest.mark.end_to_end

BRANDS = ("brand_x", "brand_y")
MODES = ("full_data", "clean_room", "oracle", "status_quo", "equal_split")


def report(run: FinishedRun, brand: str) -> dict:
    return json.loads((run.root / "data" / "reports" / brand / "comparison.json").read_text())


def test_chain_ends_with_a_table_and_the_place_of_the_reports(finished_project: FinishedRun) -> None:
    assert finished_project.exit_status == 0, finished_project.errors
    for brand in BRANDS:
        assert f"data/reports/{brand}/comparison.html" in finished_project.printed
    assert "Full data" in finished_project.printed and "Clean room" in finished_project.printed


@pytest.mark.parametrize("brand", BRANDS)
def test_report_holds_every_promised_figure(finished_project: FinishedRun, brand: str) -> None:
    figures = report(finished_project, brand)
    assert set(MODES) <= set(figures["modes"])
    for mode in ("full_data", "clean_room"):
        outcome = figures["modes"][mode]
        assert outcome["adapters_used"], mode
        assert outcome["predicted"]["iroas"] > 0
        assert outcome["realized"]["iroas"]["value"] > 0
    assert figures["replicates"] >= 50
    assert figures["differences"], "full data minus clean room"


@pytest.mark.parametrize("brand", BRANDS)
def test_clean_room_mode_never_loads_the_manufacturer_adapter(
    finished_project: FinishedRun, brand: str
) -> None:
    figures = report(finished_project, brand)
    assert f"manufacturer_{brand}" in figures["modes"]["full_data"]["adapters_used"]
    assert not [a for a in figures["modes"]["clean_room"]["adapters_used"] if a.startswith("manufacturer")]
    assert {"margin", "stock_level", "price", "promo_flag"} <= set(
        figures["modes"]["clean_room"]["blocked_fields"]
    )


@pytest.mark.parametrize("brand", BRANDS)
def test_the_oracles_forecast_of_itself_is_what_the_market_gives(
    finished_project: FinishedRun, brand: str
) -> None:
    oracle = report(finished_project, brand)["modes"]["oracle"]
    assert oracle["prediction"]["accuracy_in_total"]["value"] > 0.9
    assert oracle["regret"]["regret_share"]["value"] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("brand", BRANDS)
def test_differences_are_paired_and_their_intervals_hold_the_difference(
    finished_project: FinishedRun, brand: str
) -> None:
    figures = report(finished_project, brand)
    realized = {mode: figures["modes"][mode]["realized"] for mode in ("full_data", "clean_room")}
    for metric in ("incremental_revenue_usd", "incremental_margin_usd", "iroas"):
        difference = figures["differences"][metric]
        means = [realized[mode][metric]["value"] for mode in ("full_data", "clean_room")]
        assert difference["low"] <= difference["value"] <= difference["high"]
        if metric != "iroas":
            assert difference["value"] == pytest.approx(means[0] - means[1], rel=1e-6)


@pytest.mark.parametrize("brand", BRANDS)
def test_html_report_needs_no_network(finished_project: FinishedRun, brand: str) -> None:
    html = (finished_project.root / "data" / "reports" / brand / "comparison.html").read_text()
    assert "<svg" in html
    assert not re.findall(r"(?:src|href)\s*=\s*[\"']https?:", html)


def test_rows_of_every_feed_are_events_or_rejects(finished_project: FinishedRun) -> None:
    lake = finished_project.root / "data" / "lake"
    for retailer in ("alpha", "beta", "gamma", "delta"):
        inventory = json.loads((lake / "raw_feed" / f"{retailer}.json").read_text())
        events = (
            pl.scan_parquet(lake / "rmis_events" / f"retailer_id={retailer}" / "*.parquet").collect().height
        )
        rejects = read_table(lake, "rmis_rejects", retailer).height
        assert sum(entry["rows"] for entry in inventory) == events + rejects
        assert events > 0 and rejects > 0


def test_evaluations_are_in_mlflow(finished_project: FinishedRun) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{finished_project.root / 'data' / 'lake' / 'mlflow.db'}")
    experiments = client.search_experiments()
    runs = client.search_runs([experiment.experiment_id for experiment in experiments], max_results=200)
    evaluated = {run.data.tags.get("rmn.adapter_id") for run in runs} - {None}
    assert {
        "industry_retail_media", "retailer_alpha", "manufacturer_brand_x", "task_planning", "task_creative",
    } <= evaluated  # fmt: skip


def test_a_second_run_reuses_adapters_and_gives_the_same_plans(finished_project: FinishedRun) -> None:
    lake = finished_project.root / "data" / "lake"
    plans = sorted((lake / "plans").rglob("*.json"))
    before = [json.loads(path.read_text())["allocation"] for path in plans]
    again = run_chain(finished_project.root)
    assert again.exit_status == 0, again.errors
    reused = re.search(r"(\d+) assets unchanged and reused", again.printed)
    # Ten adapters and their ten evaluations.
    assert reused and int(reused.group(1)) == 20
    assert [json.loads(path.read_text())["allocation"] for path in plans] == before
