import pytest

from rmn_pipeline.lora.manifest import AdapterError
from rmn_pipeline.lora.stack import AdapterStack, load_stack, lora_model
from rmn_pipeline_tests.federation.tiny_models import make_tiny_tree

IDS = ("industry_retail_media", "manufacturer_brand_x", "task_planning")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return make_tiny_tree(tmp_path_factory.getbasetemp())


def _logits(stack: AdapterStack):
    import torch

    with torch.no_grad():
        return stack.model(input_ids=torch.tensor([[20, 50, 80, 110, 140]])).logits


def test_a_composition_is_the_exact_sum_of_its_members(tree):
    import torch

    stack = load_stack(tree.base_dir, [tree.path(name) for name in IDS])
    composed = _logits(stack)
    lora_model(stack.model).set_adapter(list(stack._loaded), inference_mode=True)
    summed = _logits(stack)
    assert torch.allclose(composed, summed, atol=1e-5)
    stack.activate([])
    assert not torch.allclose(composed, _logits(stack), atol=1e-3)


def test_the_order_of_members_does_not_change_the_answer(tree):
    import torch

    stack = load_stack(tree.base_dir, [tree.path(name) for name in IDS])
    forward = _logits(stack)
    stack.activate([tree.path(name) for name in reversed(IDS)])
    assert torch.allclose(forward, _logits(stack), atol=1e-5)


def test_a_composition_is_made_once_and_then_served_from_the_cache(tree):
    stack = AdapterStack.open(tree.base_dir)
    paths = [tree.path(name) for name in IDS]
    first = stack.activate(paths)
    base = stack.activate([])
    again = stack.activate(paths)
    assert (first.cached, again.cached) == (False, True)
    assert first.digest == again.digest != base.digest
    assert again.seconds < 0.05
    assert first.adapter_ids == IDS


def test_the_oldest_composition_leaves_a_full_cache_and_can_come_back(tree):
    import torch

    stack = AdapterStack.open(tree.base_dir)
    stack.max_composites = 1
    first = [tree.path(name) for name in IDS]
    stack.activate(first)
    before = _logits(stack)
    stack.activate(first[:2])
    composition = stack.activate(first)
    assert not composition.cached
    assert torch.allclose(before, _logits(stack), atol=1e-6)


def test_an_untrained_combination_is_named(tree):
    stack = AdapterStack.open(tree.base_dir)
    trained = stack.activate([tree.path(name) for name in IDS])
    assert trained.untrained_over == ()
    loose = stack.activate([tree.path("retailer_alpha"), tree.path("manufacturer_brand_x")])
    assert loose.untrained_over == ("retailer_alpha", "manufacturer_brand_x")


def test_the_same_adapter_twice_is_refused(tree):
    stack = AdapterStack.open(tree.base_dir)
    with pytest.raises(AdapterError, match="twice"):
        stack.activate([tree.path(IDS[0]), tree.path(IDS[0])])
