import json
import shutil

import pytest

from rmn_pipeline.federation import AdapterRegistry, Federation, load_policy, select_adapters
from rmn_pipeline.lora.manifest import AdapterError
from rmn_pipeline_tests.federation.tiny_models import make_tiny_base, make_tiny_tree


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return make_tiny_tree(tmp_path_factory.getbasetemp())


@pytest.fixture
def copied(tree, tmp_path):
    shutil.copytree(tree.adapters_dir, tmp_path / "adapters")
    return tmp_path / "adapters"


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (
            {"task": "planning", "brand_id": "brand_x"},
            ("industry_retail_media", "manufacturer_brand_x", "task_planning"),
        ),
        (
            {"task": "planning", "brand_id": "brand_x", "mode": "clean_room"},
            ("industry_retail_media", "task_planning"),
        ),
        (
            {"task": "creative", "brand_id": "brand_x", "retailer_id": "alpha"},
            ("industry_retail_media", "retailer_alpha", "manufacturer_brand_x", "task_creative"),
        ),
        (
            {"task": "creative", "brand_id": "brand_x", "retailer_id": "alpha", "mode": "clean_room"},
            ("industry_retail_media", "retailer_alpha", "task_creative"),
        ),
        ({"task": "mapping", "retailer_id": "beta"}, ("industry_retail_media", "retailer_beta")),
        ({"task": "definition"}, ("industry_retail_media",)),
    ],
)
def test_levels_stack_from_industry_to_task_and_clean_room_leaves_the_manufacturer_out(request_, expected):
    assert select_adapters(load_policy(), **request_) == expected


def test_clean_room_never_selects_a_manufacturer_for_any_task():
    policy = load_policy()
    for task in ("mapping", "planning", "creative", "measurement", "definition"):
        ids = select_adapters(policy, task=task, retailer_id="alpha", brand_id="brand_x", mode="clean_room")
        assert not any(adapter_id.startswith("manufacturer") for adapter_id in ids)


@pytest.mark.parametrize(("changes", "message"), [({"task": "poetry"}, "poetry"), ({"mode": "open"}, "open")])
def test_unknown_tasks_and_modes_are_refused(changes, message):
    with pytest.raises(AdapterError, match=message):
        select_adapters(load_policy(), **{"task": "planning", **changes})


def test_a_policy_that_lets_the_clean_room_load_a_manufacturer_is_refused(tmp_path):
    path = tmp_path / "federation.yaml"
    path.write_text(
        "levels: [industry, manufacturer, task]\nmodes:\n  clean_room: {levels: [industry, manufacturer]}\n"
        "task_adapters: {}\n"
    )
    with pytest.raises(AdapterError, match="clean_room may not load the manufacturer"):
        load_policy(path)
    path.write_text("levels: [industry")
    with pytest.raises(AdapterError, match="cannot be read"):
        load_policy(path)


def test_the_registry_lists_usable_adapters_and_refusals_with_reasons(tree, copied):
    (copied / "retailer" / "retailer_alpha" / "manifest.json").write_text("{")
    wrong_name = copied / "manufacturer" / "manufacturer_brand_z"
    (copied / "manufacturer" / "manufacturer_brand_x").rename(wrong_name)
    (copied / "task" / ".task_planning.unfinished").mkdir()
    registry = AdapterRegistry.scan(copied, base_dir=tree.base_dir)
    assert sorted(registry.adapters) == ["industry_retail_media", "task_planning"]
    reasons = {refusal.path.name: refusal.reason for refusal in registry.refused}
    assert "not a valid manifest" in reasons["retailer_alpha"]
    assert "describes manufacturer_brand_x" in reasons["manufacturer_brand_z"]
    assert len(reasons) == 2
    with pytest.raises(AdapterError, match=r"was refused: .*not a valid manifest"):
        registry.path("retailer_alpha")
    with pytest.raises(AdapterError, match="known adapters: industry_retail_media"):
        registry.path("retailer_beta")


def test_adapters_of_a_foreign_base_are_refused(tree, tmp_path):
    other = make_tiny_base(tmp_path, hidden=128)
    registry = AdapterRegistry.scan(tree.adapters_dir, base_dir=other)
    assert not registry.adapters
    assert len(registry.refused) == 4
    assert all("another base" in refusal.reason for refusal in registry.refused)


def test_the_only_base_is_found_and_several_have_to_be_named(tree, copied):
    shutil.copytree(tree.base_dir, copied / "base" / "one")
    assert Federation.load(copied).stack.digest
    shutil.copytree(tree.base_dir, copied / "base" / "two")
    with pytest.raises(AdapterError, match="2 base models"):
        Federation.load(copied)


def test_the_manifest_on_disk_stays_json_that_others_can_read(tree):
    content = json.loads((tree.path("task_planning") / "manifest.json").read_text())
    assert content["parents"][0]["adapter_id"] == "industry_retail_media"
