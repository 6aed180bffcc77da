"""The asset that drafts mappings for landed networks nobody has mapped."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import pytest
import yaml

from rmn_pipeline.definitions import build_defs
from rmn_pipeline.defs.assets.proposals import AdapterVote, measured_probability, unmapped_reports
from rmn_pipeline.defs.project import Project
from rmn_pipeline.federation import Federation
from rmn_pipeline_tests.federation.tiny_models import make_tiny_base
from rmn_pipeline_tests.rmis.proposal_reports import header_sets


def materialize(root: Path, *, succeeds: bool = True) -> dict[str, object]:
    """Run the asset alone; its metadata."""
    definitions = build_defs(Project(root))
    job = dg.define_asset_job("some", selection=dg.AssetSelection.assets("mapping_proposals"))
    with_job = dg.Definitions.merge(definitions, dg.Definitions(jobs=[job]))
    with dg.DagsterInstance.ephemeral() as instance:
        result = with_job.resolve_job_def("some").execute_in_process(instance=instance, raise_on_error=False)
    assert result.success is succeeds
    events = result.get_asset_materialization_events()
    return {name: value.value for name, value in events[0].materialization.metadata.items()} if events else {}


def land(root: Path, retailer_id: str, *names: str) -> None:
    reports = root / "data" / "landing" / retailer_id / "reports"
    reports.mkdir(parents=True)
    for name in names:
        header_sets("tuned")[0].frame.write_csv(reports / name)


def test_every_landing_folder_without_a_mapping_gets_a_draft(tiny_project: Path) -> None:
    land(
        tiny_project,
        "omega",
        "items_2026-02_asof_2026-03-01.csv",
        "items_2026-03_asof_2026-04-01.csv",
        "bids.csv",
    )
    land(tiny_project, "alpha_2", "items_2026-03_asof_2026-04-01.csv")
    metadata = materialize(tiny_project)
    assert metadata["drafts"] == 2
    drafts = tiny_project / "data" / "lake" / "mapping_proposals"
    assert sorted(path.name for path in drafts.iterdir()) == ["alpha_2.yaml", "omega.yaml"]
    text = (drafts / "omega.yaml").read_text()
    assert "Read from 'items_2026-03_asof_2026-04-01.csv'" in text
    draft = yaml.safe_load(text)
    assert draft["retailer_id"] == "omega"
    assert draft["source"]["files"] == "items_*_asof_*.csv"
    assert draft["columns"]["impressions"]["from"] == "Impressions"
    assert "| omega | Spend | cost | 0.9" in str(metadata["columns"])
    assert metadata["other_reports"] == "omega: bids.csv"


def test_without_an_adapter_the_draft_is_made_and_the_missing_vote_is_shown(tiny_project: Path) -> None:
    land(tiny_project, "omega", "items.csv")
    assert str(materialize(tiny_project)["model_vote"]).startswith("no vote: ")


def test_where_every_folder_has_a_mapping_there_is_nothing_to_do(tiny_project: Path) -> None:
    assert materialize(tiny_project)["outcome"] == (
        "nothing to do: every landing folder with reports has a mapping"
    )
    assert not (tiny_project / "data" / "lake" / "mapping_proposals").exists()


def test_a_report_that_cannot_be_read_does_not_keep_the_others_from_their_draft(tiny_project: Path) -> None:
    land(tiny_project, "omega", "items.csv")
    land(tiny_project, "psi")
    (tiny_project / "data" / "landing" / "psi" / "reports" / "items.csv").write_bytes(b"")
    metadata = materialize(tiny_project)
    assert metadata["drafts"] == 1
    assert list(metadata["problems"]) == ["psi"]  # type: ignore[call-overload]


def test_if_no_report_can_be_read_the_asset_fails_with_the_reasons(tiny_project: Path) -> None:
    land(tiny_project, "psi")
    (tiny_project / "data" / "landing" / "psi" / "reports" / "items.csv").write_bytes(b"")
    assert materialize(tiny_project, succeeds=False) == {}


def test_hidden_files_and_empty_folders_are_no_reports(tiny_project: Path) -> None:
    land(tiny_project, "omega", ".items.csv.part")
    land(tiny_project, "psi")
    assert unmapped_reports(Project(tiny_project)) == []


def test_the_vote_counts_half_way_between_measured_accuracy_and_chance(tiny_project: Path) -> None:
    paths = Project(tiny_project)
    assert measured_probability(paths) == 0.5
    folder = paths.lake_dir / "adapter_evaluations"
    folder.mkdir(parents=True)
    metric = {"name": "mapping.accuracy", "stack_low": 0.8, "chance": 0.4}
    (folder / "industry_retail_media.json").write_text(json.dumps({"evaluation": {"metrics": [metric]}}))
    assert measured_probability(paths) == pytest.approx(0.6)


def test_a_model_is_asked_about_each_column_and_what_they_cannot_read_is_counted(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    base = make_tiny_base(tmp_path_factory.getbasetemp())
    vote = AdapterVote(Federation.load(tmp_path_factory.mktemp("adapters"), base_dir=base), (), 0.7)
    for header in ("clicks", "spend"):
        # What so small a model answers does not matter here, how it counts does.
        assert set(vote(header, ["1", "2"]).values()) <= {0.7}
    assert vote("very " * 400 + "long", ["1"]) == {}
    assert (vote.asked, vote.failed) == (3, 1)
    assert "3 columns asked" in vote.told and "1 not readable" in vote.told
