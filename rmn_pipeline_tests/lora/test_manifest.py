import json
import shutil

import pytest

from rmn_pipeline.lora.manifest import AdapterError, adapter_folder, load_manifest
from rmn_pipeline_tests.federation.tiny_models import make_tiny_tree


@pytest.fixture(scope="module")
def adapter_dir(tmp_path_factory):
    return make_tiny_tree(tmp_path_factory.getbasetemp()).path("retailer_alpha")


@pytest.fixture
def copied(adapter_dir, tmp_path):
    target = tmp_path / "retailer_alpha"
    shutil.copytree(adapter_dir, target)
    return target


def _edit(folder, **changes):
    path = folder / "manifest.json"
    content = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({name: value for name, value in content.items() if value is not ...}))


def test_the_provenance_key_depends_on_what_decides_the_weights_and_on_nothing_else(adapter_dir):
    manifest = load_manifest(adapter_dir)
    key = manifest.provenance_key()
    for changes in (
        {"base_digest": "other"},
        {"dataset_fingerprint": "other"},
        {"config": {**manifest.config, "rank": 4}},
        {"code_version": "other"},
        {"parents": ()},
        {"trained_stacks": ((),)},
    ):
        assert manifest.model_copy(update=changes).provenance_key() != key
    assert manifest.model_copy(update={"library_versions": {}}).provenance_key() == key
    assert manifest.as_reused().provenance_key() == key


def test_the_reused_mark_is_never_written(adapter_dir):
    assert "reused" not in load_manifest(adapter_dir).as_reused().model_dump()


@pytest.mark.parametrize(
    ("breakage", "message"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "no manifest.json"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "not a valid manifest"),
        (lambda folder: _edit(folder, base_digest=...), "base_digest"),
        (lambda folder: _edit(folder, surprise=1), "surprise"),
        (
            lambda folder: (folder / "adapter_model.safetensors").unlink(),
            "adapter_model.safetensors is missing",
        ),
        (lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"x"), "not the file"),
    ],
)
def test_a_broken_adapter_is_refused_with_the_reason(copied, breakage, message):
    breakage(copied)
    with pytest.raises(AdapterError, match=message):
        load_manifest(copied)


def test_an_adapter_of_another_base_is_refused(copied):
    with pytest.raises(AdapterError, match="another base"):
        load_manifest(copied, expected_base_digest="0" * 64)


def test_task_kinds_share_a_folder():
    assert [adapter_folder(kind) for kind in ("industry", "retailer", "manufacturer", "task_planning")] == [
        "industry",
        "retailer",
        "manufacturer",
        "task",
    ]
