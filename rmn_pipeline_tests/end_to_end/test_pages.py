"""What a person sees: Dagster's real page in a real browser, over the instance in which the chain has run."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from rmn_pipeline_tests.conftest import ROOT, FinishedRun

pytestmark = [pytest.mark.end_to_end, pytest.mark.browser]

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((path for name in BROWSERS if (path := shutil.which(name))), None)
START_SECONDS = 120

if BROWSER is None:
    pytestmark.append(
        pytest.mark.skip(reason=f"no browser on this machine (looked for {', '.join(BROWSERS)})")
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(address: str, process: subprocess.Popen, seconds: float = START_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, f"ended with {process.returncode}"
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"{address} did not answer in {seconds} s")


@pytest.fixture(scope="module")
def pages(finished_project: FinishedRun) -> Iterator[tuple[str, str]]:
    """`make ui`'s command over the finished project: addresses of Dagster and MLflow."""
    import os

    port, mlflow_port = free_port(), free_port()
    environment = {
        **os.environ,
        "RMN_PROJECT": str(finished_project.root),
        "DAGSTER_HOME": str(finished_project.root / ".dagster_home"),
        "PYTHONPATH": str(ROOT),
    }
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "rmn_pipeline.defs.ui",
            "--port",
            str(port),
            "--mlflow-port",
            str(mlflow_port),
        ],
        env=environment,
        cwd=ROOT,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/server_info", process)
        wait_for(f"http://127.0.0.1:{mlflow_port}/health", process)
        yield f"http://127.0.0.1:{port}", f"http://127.0.0.1:{mlflow_port}"
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest.fixture(scope="module")
def browser_page(pages: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=BROWSER,
            args=[
                "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
            ],
        )  # fmt: skip
        page = browser.new_page(viewport={"width": 1500, "height": 950})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def screenshot(page: object, name: str) -> Path:
    folder = ROOT / "screenshots"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.png"
    page.screenshot(path=str(path))  # type: ignore[attr-defined]
    return path


def test_asset_graph_shows_the_chain(pages: tuple[str, str], browser_page) -> None:
    browser_page.goto(f"{pages[0]}/asset-groups")
    for group in ("feeds", "rmis", "training", "adapters", "planning", "comparison"):
        browser_page.get_by_text(group, exact=True).first.wait_for()
    browser_page.goto(f"{pages[0]}/locations/rmn_pipeline/asset-groups/planning/lineage")
    for asset in ("plan_request", "plan_full_data", "plan_clean_room", "clean_room_view"):
        browser_page.get_by_text(asset, exact=True).first.wait_for()
    assert screenshot(browser_page, "asset_graph").stat().st_size > 20_000


def test_materialization_shows_its_metadata_and_plot(pages: tuple[str, str], browser_page) -> None:
    browser_page.goto(f"{pages[0]}/assets/rmis_events?view=partitions&partition=alpha")
    browser_page.get_by_text("rows_in", exact=True).first.wait_for()
    row = browser_page.get_by_role("row").filter(has_text="spend_per_day")
    row.get_by_text("Show Markdown").click()
    plot = browser_page.locator("img[alt='spend per day']")
    plot.wait_for()
    screenshot(browser_page, "materialization")
    assert plot.evaluate("image => image.naturalWidth") > 300


def test_schedule_page_shows_the_nightly_schedule(pages: tuple[str, str], browser_page) -> None:
    browser_page.goto(f"{pages[0]}/locations/rmn_pipeline/schedules/nightly_schedule")
    browser_page.get_by_text("nightly_schedule").first.wait_for()
    browser_page.wait_for_timeout(1500)
    screenshot(browser_page, "schedule")
    assert "04:00" in browser_page.content() or "4:00" in browser_page.content()


def test_mlflow_page_lists_the_evaluations(pages: tuple[str, str], browser_page) -> None:
    browser_page.goto(f"{pages[1]}/#/experiments")
    browser_page.get_by_text("adapter").first.wait_for()
    screenshot(browser_page, "mlflow")
    assert "adapter" in browser_page.content()


def test_report_page_draws_its_charts(finished_project: FinishedRun, browser_page) -> None:
    report = finished_project.root / "data" / "reports" / "brand_x" / "comparison.html"
    browser_page.goto(report.as_uri())
    assert browser_page.locator("svg").count() >= 3
    browser_page.screenshot(path=str(ROOT / "screenshots" / "report.png"), full_page=True)
    assert "clean room" in browser_page.inner_text("body").lower()
