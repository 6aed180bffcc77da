"""The attack report as an asset: files, metadata and a check that tells a fallen line."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from rmn_pipeline.cleanroom.attacks import AttackResult, suite
from rmn_pipeline.cleanroom.attacks.membership import membership
from rmn_pipeline.defs.assets.clean_room_attacks import clean_room_attack_assets
from rmn_pipeline.defs.resources import ProjectResource


def standing() -> AttackResult:
    # A rate of so few trials may lie above its line by chance; this test is about the asset.
    return dataclasses.replace(membership(trials=200), passed=True)


def fallen() -> AttackResult:
    return dataclasses.replace(membership(trials=200), name="fallen", passed=False)


@pytest.mark.parametrize(("attacks", "passes"), [((standing,), True), ((standing, fallen), False)])
def test_the_asset_writes_the_report_and_its_check_tells_whether_every_line_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attacks: tuple[Any, ...], passes: bool
) -> None:
    monkeypatch.setattr(suite, "SUITE", tuple(suite.SuiteEntry(attack, {}) for attack in attacks))
    (tmp_path / "data" / "retailers").mkdir(parents=True)
    result = dg.materialize(
        clean_room_attack_assets(),
        resources={"project": ProjectResource(root=str(tmp_path))},
        instance=dg.DagsterInstance.ephemeral(),
    )
    assert result.success
    (check,) = result.get_asset_check_evaluations()
    assert check.passed is passes
    metadata = result.asset_materializations_for_node("clean_room_attack_report")[0].metadata
    assert metadata["do_not_hold"].value == ("none" if passes else "fallen")
    folder = tmp_path / "data" / "reports" / "clean_room"
    assert len(json.loads((folder / "attacks.json").read_text())["results"]) == len(attacks)
    assert (folder / "attacks.html").read_text().startswith("<!DOCTYPE html>")
