import shutil

import pytest

from rmn_pipeline.lora.manifest import AdapterError, load_manifest
from rmn_pipeline.lora.quantize import load_base
from rmn_pipeline.lora.schedule import Example, default_stacks, plan_steps, tokenize_rows
from rmn_pipeline.lora.train import AdapterTrainingConfig, TrainingProgress, train_adapter
from rmn_pipeline_tests.federation.tiny_models import make_set, make_tiny_tree, tiny_config


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return make_tiny_tree(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def child(tree, tmp_path_factory):
    """A retailer adapter trained apart from the shared tree, with its progress."""
    seen: list[TrainingProgress] = []
    target = tmp_path_factory.mktemp("child") / "retailer" / "retailer_alpha"
    manifest = train_adapter(
        tiny_config(steps=6),
        tree.sets["retailer_alpha"],
        parents=[tree.path("industry_retail_media")],
        base_dir=tree.base_dir,
        out_dir=target,
        progress=seen.append,
    )
    return manifest, target, seen


def test_training_writes_weights_configuration_and_manifest_and_nothing_else(child):
    manifest, target, _ = child
    assert sorted(path.name for path in target.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "manifest.json",
    ]
    assert sorted(path.name for path in target.parent.iterdir()) == ["retailer_alpha"]
    assert load_manifest(target) == manifest
    assert str(target) not in (target / "adapter_config.json").read_text()


def test_the_manifest_says_what_the_adapter_was_made_of(child, tree):
    manifest, _, _ = child
    parent = load_manifest(tree.path("industry_retail_media"))
    assert manifest.subject_id == "alpha"
    assert [(item.adapter_id, item.digest) for item in manifest.parents] == [
        ("industry_retail_media", parent.weights_digest)
    ]
    assert manifest.trained_stacks == (("industry_retail_media",),)
    assert manifest.dataset_fingerprint == tree.sets["retailer_alpha"].fingerprint
    assert manifest.config["quantization"] == "nf4"
    assert manifest.metrics.rows == 24
    assert len(manifest.losses) == 6


def test_the_loss_falls(child):
    manifest, _, _ = child
    assert manifest.losses[-1] < manifest.losses[0]


def test_progress_tells_step_loss_speed_and_time_left(child):
    _, _, seen = child
    assert [update.step for update in seen] == [1, 2, 3, 4, 5, 6]
    assert seen[-1].seconds_left == 0
    assert all(update.tokens_per_second > 0 for update in seen)
    assert "step 6/6, loss" in str(seen[-1])


def test_parents_keep_their_weights_and_only_the_child_is_new(child, tree):
    manifest, _, _ = child
    parent = tree.path("industry_retail_media")
    assert load_manifest(parent).weights_digest == manifest.parents[0].digest
    assert manifest.weights_digest != manifest.parents[0].digest


def test_an_unchanged_adapter_is_reused_and_says_so(child, tree):
    manifest, target, _ = child
    before = (target / "adapter_model.safetensors").stat().st_mtime_ns
    seen: list[TrainingProgress] = []
    again = train_adapter(
        tiny_config(steps=6),
        tree.sets["retailer_alpha"],
        parents=[tree.path("industry_retail_media")],
        base_dir=tree.base_dir,
        out_dir=target,
        progress=seen.append,
    )
    assert again.reused and not manifest.reused
    assert again.weights_digest == manifest.weights_digest
    assert (target / "adapter_model.safetensors").stat().st_mtime_ns == before
    assert [str(update) for update in seen] == [
        "retailer_alpha: nothing changed since it was trained; reused"
    ]


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(child, tree, tmp_path):
    manifest, _, _ = child

    def train(seed: int):
        return train_adapter(
            tiny_config(steps=6, seed=seed),
            tree.sets["retailer_alpha"],
            parents=[tree.path("industry_retail_media")],
            base_dir=tree.base_dir,
            out_dir=tmp_path / str(seed) / "retailer_alpha",
        )

    assert train(7).weights_digest == manifest.weights_digest
    assert train(8).weights_digest != manifest.weights_digest


def test_a_changed_training_set_retrains_and_replaces_the_adapter(child, tree, tmp_path):
    _, source, _ = child
    target = tmp_path / "retailer_alpha"
    shutil.copytree(source, target)
    other = make_set("retailer", "retailer_alpha", retailer_id="alpha", brand_id="brand_x")
    manifest = train_adapter(
        tiny_config(steps=6),
        other,
        parents=[tree.path("industry_retail_media")],
        base_dir=tree.base_dir,
        out_dir=target,
    )
    assert not manifest.reused
    assert load_manifest(target).dataset_fingerprint == other.fingerprint
    assert [path.name for path in tmp_path.iterdir()] == ["retailer_alpha"]


def test_a_task_trains_over_every_stack_that_a_request_can_meet(tree):
    parents = [
        load_manifest(tree.path(name))
        for name in ("industry_retail_media", "retailer_alpha", "manufacturer_brand_x")
    ]
    assert default_stacks("task_planning", parents) == (
        ("industry_retail_media",),
        ("industry_retail_media", "manufacturer_brand_x"),
        ("industry_retail_media", "retailer_alpha"),
        ("industry_retail_media", "retailer_alpha", "manufacturer_brand_x"),
    )
    assert default_stacks("industry", []) == ((),)


def test_the_schedule_uses_every_stack_and_never_mixes_tenants(tree):
    parents = {
        name: load_manifest(tree.path(name))
        for name in ("industry_retail_media", "retailer_alpha", "manufacturer_brand_x")
    }
    examples = [Example([1] * (5 + n), [1] * (5 + n), None, "brand_y" if n % 2 else None) for n in range(20)]
    stacks = (("industry_retail_media",), ("industry_retail_media", "manufacturer_brand_x"))
    schedule = plan_steps(examples, stacks, parents, steps=10, batch_size=4, seed=1)
    assert schedule.stacks.count(stacks[0]) == schedule.stacks.count(stacks[1]) == 5
    assert len(schedule.examples) == 40
    for step, stack in enumerate(schedule.stacks):
        brands = {examples[index].brand_id for index in schedule.examples[4 * step : 4 * step + 4]}
        assert "brand_y" not in brands or stack == stacks[0]
    assert plan_steps(examples, stacks, parents, steps=10, batch_size=4, seed=1) == schedule


def test_the_loss_is_on_the_completion_alone_and_long_rows_are_left_out_whole(tree):
    base = load_base(tree.base_dir, "none", dtype="float32")
    rows = tree.sets["industry_retail_media"].rows
    examples, too_long = tokenize_rows(rows, base, max_length=256)
    assert (len(examples), too_long) == (24, 0)
    for example, completion in zip(examples, rows["completion"], strict=False):
        answer = [token for token in example.labels if token != -100]
        assert base.tokenizer.decode(answer) == f"{completion}<|end|>"
        assert len(example.labels) == len(example.input_ids)
    shortest = min(len(example.input_ids) for example in examples)
    fitting, left_out = tokenize_rows(rows, base, max_length=shortest)
    assert len(fitting) + left_out == 24
    assert left_out > 0


def test_a_stack_with_an_unknown_parent_is_refused_before_anything_is_loaded(tree, tmp_path):
    with pytest.raises(AdapterError, match="retailer_zeta"):
        train_adapter(
            tiny_config(stacks=(("retailer_zeta",),)),
            tree.sets["retailer_alpha"],
            parents=[tree.path("industry_retail_media")],
            base_dir=tree.base_dir,
            out_dir=tmp_path / "out",
        )
    assert list(tmp_path.iterdir()) == []


def test_rows_that_all_exceed_the_length_are_refused_and_nothing_stays_behind(tree, tmp_path):
    with pytest.raises(AdapterError, match="raise max_length"):
        train_adapter(
            tiny_config(max_length=4),
            tree.sets["industry_retail_media"],
            parents=[],
            base_dir=tree.base_dir,
            out_dir=tmp_path / "out",
        )
    assert list(tmp_path.iterdir()) == []


def test_unquantized_training_works_on_the_same_path(tree, tmp_path):
    manifest = train_adapter(
        tiny_config(quantization="none", steps=2),
        tree.sets["industry_retail_media"],
        parents=[],
        base_dir=tree.base_dir,
        out_dir=tmp_path / "industry_retail_media",
    )
    assert manifest.config["quantization"] == "none"


@pytest.mark.parametrize(("kind", "profile"), [("retailers", "default"), ("retailer", "huge")])
def test_unknown_kinds_and_profiles_are_refused(kind, profile):
    with pytest.raises(AdapterError, match="unknown"):
        AdapterTrainingConfig.for_kind(kind, profile=profile)
