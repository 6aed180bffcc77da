"""Bad input ends in one clear line that names the file and the cause, and leaves nothing half-written."""

import gzip
import shutil
from pathlib import Path

import pytest

from rmn_pipeline_tests.conftest import FinishedRun, run_chain

pytestmark = pytest.mark.end_to_end


@pytest.fixture
def copied(finished_project: FinishedRun, tmp_path: Path) -> Path:
    """The finished project's inputs without any output."""
    root = tmp_path / "project"
    shutil.copytree(
        finished_project.root, root, symlinks=True,
        ignore=shutil.ignore_patterns("lake", "reports_", ".dagster_home"),
    )  # fmt: skip
    shutil.rmtree(root / "data" / "reports", ignore_errors=True)
    return root


def fail(root: Path, *arguments: str) -> str:
    run = run_chain(root, "--no-sample", "--brand", "brand_x", *arguments)
    assert run.exit_status == 1
    lines = [line for line in run.errors.strip().splitlines() if line.strip()]
    assert len(lines) == 1, run.errors
    return lines[0]


def leftovers(root: Path) -> list[str]:
    return [
        str(path)
        for path in (root / "data").rglob("*")
        if ".tmp" in path.name or path.name.startswith(".tmp")
    ]


def test_empty_landing_folder(copied: Path) -> None:
    for path in (copied / "data" / "landing" / "alpha" / "reports").iterdir():
        path.unlink()
    message = fail(copied, "--retailer", "alpha")
    assert "landing/alpha/reports" in message
    assert not (copied / "data" / "lake" / "rmis_events").exists()
    assert leftovers(copied) == []


def test_truncated_gzip(copied: Path) -> None:
    victim = sorted((copied / "data" / "landing" / "beta" / "reports").glob("*.gz"))[0]
    victim.write_bytes(victim.read_bytes()[:-40])
    message = fail(copied, "--retailer", "beta")
    assert victim.name in message and "truncated" in message.lower()
    assert not (copied / "data" / "lake" / "rmis_events").exists()
    assert leftovers(copied) == []


def test_gzip_that_is_none(copied: Path) -> None:
    victim = sorted((copied / "data" / "landing" / "beta" / "reports").glob("*.gz"))[0]
    victim.write_bytes(b"date,campaignId\n")
    assert victim.name in fail(copied, "--retailer", "beta")


def test_mapping_with_an_unknown_field(copied: Path) -> None:
    mapping = copied / "data" / "retailers" / "gamma" / "mapping.yaml"
    text = mapping.read_text()
    assert "impressions" in text
    mapping.write_text(text.replace("impressions", "impresions", 1))
    message = fail(copied, "--retailer", "gamma")
    assert "mapping.yaml" in message and "impresions" in message and "impressions" in message
    assert leftovers(copied) == []


def test_unknown_brand(copied: Path) -> None:
    run = run_chain(copied, "--brand", "brand_q")
    assert run.exit_status == 1
    assert "brand_q" in run.errors and "brand_x" in run.errors


def test_brief_without_money(finished_project: FinishedRun, tmp_path: Path) -> None:
    root = tmp_path / "project"
    shutil.copytree(finished_project.root, root, symlinks=True)
    shutil.rmtree(root / "data" / "reports", ignore_errors=True)
    before = (root / "data" / "lake" / "plan_request" / "brand_x.json").read_text()
    (root / "data" / "briefs" / "brand_x.txt").write_text("Plan the next 8 weeks for brand_x, all retailers.")
    message = fail(root)
    assert "budget" in message
    assert "brand_x" in message
    assert (root / "data" / "lake" / "plan_request" / "brand_x.json").read_text() == before
    assert not (root / "data" / "reports" / "brand_x").exists()


def test_a_report_that_is_not_compressed_json_is_named(copied: Path) -> None:
    victim = sorted((copied / "data" / "landing" / "alpha" / "reports").glob("*.json.gz"))[0]
    victim.write_bytes(gzip.compress(b'[{"date": "2026-01-05"'))
    assert victim.name in fail(copied, "--retailer", "alpha")
