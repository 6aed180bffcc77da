"""The definitions as a whole: what they contain, and what loading them costs."""

import subprocess
import sys

import dagster as dg
import pytest

from rmn_pipeline.definitions import build_defs
from rmn_pipeline.defs.kinds import ADAPTER_KINDS
from rmn_pipeline.defs.project import Project, ProjectError
from rmn_pipeline.defs.workflow import BRAND_ASSETS, MEASUREMENT_ASSETS, RETAILER_ASSETS, kind_assets
from rmn_pipeline_tests.conftest import ROOT


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_defs(Project(ROOT))


def test_loading_imports_neither_torch_nor_mlflow() -> None:
    heavy = [
        "torch",
        "transformers",
        "mlflow",
        "peft",
        "trl",
        "matplotlib",
        "streamlit",
        "datasets",
        "presidio_analyzer",
        "spacy",
    ]
    code = f"import sys, rmn_pipeline.definitions\nprint([name for name in {heavy!r} if name in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert loaded.stdout.strip() == "[]"


def test_every_asset_of_the_chain_is_defined(definitions: dg.Definitions) -> None:
    keys = {key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys()}
    expected = {*RETAILER_ASSETS, *BRAND_ASSETS, "retailer_log", "mapping_proposals", "sku_match_proposals"}
    expected |= {
        "clean_room_attack_report",
        "comparison_sensitivity",
        "measurement_study",
        *MEASUREMENT_ASSETS,
    }
    expected |= {name for kind in ADAPTER_KINDS for name in kind_assets(kind)}
    assert keys == expected


def test_jobs_and_schedule_have_the_published_names(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    names = {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")}
    assert names == {
        "harmonize_retailer",
        "train_adapters",
        "plan_brand",
        "nightly",
        "pretrain_base",
        "attack_clean_room",
        "compare_worlds",
        "measure_brand",
        "study_measurement",
    }
    assert [schedule.name for schedule in repository.schedule_defs] == ["nightly_schedule"]


def test_every_asset_has_group_owner_kind_and_description(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    groups = set()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.owners, key
        assert node.kinds, key
        groups.add(node.group_name)
    assert groups == {"feeds", "rmis", "training", "adapters", "planning", "comparison", "measurement"}


def test_partitions_are_the_folders_of_retailers_and_brands(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    retailers = graph.get(dg.AssetKey("rmis_events")).partitions_def
    brands = graph.get(dg.AssetKey("comparison")).partitions_def
    assert retailers is not None and retailers.get_partition_keys() == ["alpha", "beta", "delta", "gamma"]
    assert brands is not None and brands.get_partition_keys() == ["brand_x", "brand_y"]


def test_clean_room_plan_does_not_depend_on_what_is_withheld(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    parents = {key.to_user_string() for key in graph.get(dg.AssetKey("plan_clean_room")).parent_keys}
    assert parents == {"plan_request", "clean_room_view", "brand_campaigns", "rmis_skus"}


def test_only_the_clean_room_reads_the_retailers_log(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    readers = {key.to_user_string() for key in graph.get(dg.AssetKey("retailer_log")).child_keys}
    assert readers == {"clean_room_view"}


def test_a_new_brand_is_a_new_folder_and_no_code(tiny_project) -> None:
    brand = tiny_project / "data" / "brands" / "brand_z"
    brand.mkdir()
    (brand / "brand.yaml").write_text("brand_id: brand_z\n")
    graph = build_defs(Project(tiny_project)).resolve_asset_graph()
    partitions = graph.get(dg.AssetKey("plan_request")).partitions_def
    assert partitions is not None and "brand_z" in partitions.get_partition_keys()


def test_a_folder_name_that_is_no_slug_is_refused_by_name(tiny_project) -> None:
    brand = tiny_project / "data" / "brands" / "Brand, Z"
    brand.mkdir()
    (brand / "brand.yaml").write_text("brand_id: z\n")
    with pytest.raises(ProjectError, match="Brand, Z"):
        build_defs(Project(tiny_project))
