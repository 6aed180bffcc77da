"""Nothing but the clean room reads the retailers' customer-level logs: watched in a run of the pipeline."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from rmn_pipeline_tests.conftest import ROOT


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A process of its own, since an audit hook stays for good."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "rmn_pipeline_tests.cleanroom.log_watch_process",
            str(tmp_path_factory.mktemp("watched")),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def test_everything_else_works_while_the_logs_hold_garbage(watched: dict[str, Any]) -> None:
    assert watched["log_files"] >= 4
    assert watched["harmonized"]
    assert watched["planned_full_data"] > 0
    assert watched["planned_clean_room"] > 0


def test_the_garbage_would_be_noticed(watched: dict[str, Any]) -> None:
    assert watched["released"]
    assert watched["poison_is_noticed"]


def test_python_opens_the_logs_in_the_clean_room_step_only(watched: dict[str, Any]) -> None:
    assert set(watched["touched"]) == {"poisoned clean room", "clean room"}


def test_in_that_step_only_the_room_opens_them(watched: dict[str, Any]) -> None:
    assert watched["opened"] == ["rmn_pipeline.cleanroom.bounded_log"]
