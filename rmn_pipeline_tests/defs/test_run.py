"""The command behind `make run`: options, and one clear line for each kind of wrong input."""

from pathlib import Path

import pytest

from rmn_pipeline.defs.project import Project, ProjectError, find_project
from rmn_pipeline.defs.ui import services
from rmn_pipeline_tests.conftest import run_chain


def test_unknown_retailer_is_named_beside_the_known_ones(tiny_project: Path) -> None:
    run = run_chain(tiny_project, "--retailer", "omega")
    assert run.exit_status == 1
    assert "unknown retailer omega" in run.errors and "alpha, beta, delta, gamma" in run.errors


def test_a_folder_that_is_no_project_is_refused(tmp_path: Path) -> None:
    run = run_chain(tmp_path)
    assert run.exit_status == 1
    assert str(tmp_path) in run.errors and "RMN_PROJECT" in run.errors


def test_no_sample_leaves_the_landing_folder_alone(tiny_project: Path) -> None:
    run = run_chain(tiny_project, "--no-sample", "--retailer", "alpha")
    assert run.exit_status == 1
    assert "landing" in run.errors
    assert not (tiny_project / "data" / "landing").exists()


def test_project_is_found_by_variable_and_by_package(
    tiny_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RMN_PROJECT", str(tiny_project))
    assert find_project().root == tiny_project.resolve()
    monkeypatch.delenv("RMN_PROJECT")
    assert (find_project().root / "pyproject.toml").is_file()


def test_a_project_without_brands_says_where_they_belong(tiny_project: Path) -> None:
    for path in (tiny_project / "data" / "brands").glob("*/brand.yaml"):
        path.unlink()
    with pytest.raises(ProjectError, match=r"data/brands.*brand\.yaml"):
        Project(tiny_project).brand_ids()


def test_pages_are_served_on_the_asked_ports_from_the_projects_store(tiny_project: Path) -> None:
    dagster, daemon, mlflow = services(Project(tiny_project), "127.0.0.1", 3005, 5005)
    assert dagster.address == "http://127.0.0.1:3005" and "3005" in dagster.command
    assert daemon.address is None and "run" in daemon.command
    assert any(part.endswith("data/lake/mlflow.db") for part in mlflow.command)
