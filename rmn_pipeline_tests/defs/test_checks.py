"""Asset checks on a retailer's real tables: green when they are sound, red and blocking when they are not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from rmn_pipeline.definitions import build_defs
from rmn_pipeline.defs.project import Project
from rmn_pipeline.defs.workflow import RETAILER_ASSETS
from rmn_pipeline.world import WorldConfig, build_world
from rmn_pipeline_tests.conftest import make_tiny_project


@pytest.fixture(scope="module")
def harmonized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny project in which delta has been harmonized."""
    root = make_tiny_project(tmp_path_factory.mktemp("checks") / "project")
    build_world(WorldConfig.from_yaml(root / "data" / "world.yaml")).write_landing(root / "data")
    assert failed_checks(root, RETAILER_ASSETS) == {}
    return root


def failed_checks(root: Path, assets: tuple[str, ...] = (), checks: tuple[str, ...] = ()) -> dict[str, dict]:
    """Materialize assets of delta, or only evaluate checks; the failed ones with their metadata."""
    definitions = build_defs(Project(root))
    # A partitioned run needs an asset; this one changes nothing that the checks look at.
    selection: dg.AssetSelection = dg.AssetSelection.assets(*(assets or ("rmis_audiences",)))
    for asset, check in map(str.split, checks):
        selection = selection | dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey(asset), check))
    job = dg.define_asset_job("some", selection=selection)
    with_job = dg.Definitions.merge(definitions, dg.Definitions(jobs=[job]))
    with dg.DagsterInstance.ephemeral() as instance:
        result = with_job.resolve_job_def("some").execute_in_process(
            partition_key="delta", instance=instance, raise_on_error=False
        )
    evaluations = result.get_asset_check_evaluations()
    assert evaluations
    return {
        evaluation.check_name: {name: value.value for name, value in evaluation.metadata.items()}
        for evaluation in evaluations
        if not evaluation.passed
    }


@pytest.fixture
def damaged(harmonized: Path, tmp_path: Path) -> Callable[[Callable[[Path], None]], Path]:
    """A copy of the harmonized project with something broken in its lake."""

    def damage(what: Callable[[Path], None]) -> Path:
        root = tmp_path / "project"
        shutil.copytree(harmonized, root, symlinks=True)
        what(root / "data" / "lake")
        return root

    return damage


def test_a_lost_day_breaks_conservation(damaged) -> None:
    def lose_a_day(lake: Path) -> None:
        sorted((lake / "rmis_events" / "retailer_id=delta").glob("*.parquet"))[3].unlink()

    failed = failed_checks(damaged(lose_a_day), checks=("rmis_rejects rows_are_conserved",))
    counted = failed["rows_are_conserved"]
    assert counted["rows_in"] > counted["events"] + counted["rejects"]


def test_an_invented_placement_breaks_the_schema(damaged) -> None:
    def invent(lake: Path) -> None:
        path = sorted((lake / "rmis_events" / "retailer_id=delta").glob("*.parquet"))[0]
        pl.read_parquet(path, hive_partitioning=False).with_columns(
            placement_type=pl.lit("billboard")
        ).write_parquet(path)

    failed = failed_checks(damaged(invent), checks=("rmis_events rmis_events_schema",))
    assert "placement_type" in failed["rmis_events_schema"]["violations"]


def test_a_broken_table_blocks_what_lies_downstream(harmonized: Path, tmp_path: Path) -> None:
    root = tmp_path / "project"
    shutil.copytree(harmonized, root, symlinks=True)
    shutil.rmtree(root / "data" / "lake")
    policy = root / "data" / "retailers" / "delta" / "policy.yaml"
    policy.write_text(policy.read_text().replace("retailer_id: delta", "retailer_id: ''", 1))
    job = build_defs(Project(root)).resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(
            partition_key="delta",
            instance=instance,
            raise_on_error=False,
            asset_selection=[dg.AssetKey(name) for name in RETAILER_ASSETS],
        )
    made = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}
    assert "rmis_policies" not in made and "clean_room_view" not in made
    assert "rmis_events" in made


def test_inventory_lists_every_file_with_its_rows(harmonized: Path) -> None:
    inventory = json.loads((harmonized / "data" / "lake" / "raw_feed" / "delta.json").read_text())
    reports = harmonized / "data" / "landing" / "delta" / "reports"
    assert {entry["file"] for entry in inventory} == {path.name for path in reports.glob("*.csv")}
    assert all(entry["rows"] > 0 and len(entry["sha256"]) == 64 for entry in inventory)
