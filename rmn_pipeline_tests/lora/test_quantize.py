import copy
from pathlib import Path

import pytest

from rmn_pipeline.lora.manifest import AdapterError
from rmn_pipeline.lora.quantize import (
    base_digest,
    disable_packed_kernel,
    load_base,
    require_trainable_layout,
    tokenizer_digest,
)
from rmn_pipeline_tests.federation.tiny_models import make_tiny_base


@pytest.fixture(scope="module")
def base_dir(tmp_path_factory) -> Path:
    return make_tiny_base(tmp_path_factory.getbasetemp(), hidden=128)


def _lora_gradients(model, ids):
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(3)
    adapted = get_peft_model(
        model, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    )
    adapted.train()
    adapted(input_ids=ids, labels=ids).loss.backward()
    gradients = [parameter.grad.flatten() for parameter in adapted.parameters() if parameter.grad is not None]
    return torch.cat([gradient.float() for gradient in gradients])


def test_nf4_base_holds_4_bit_double_quantized_layers(base_dir):
    from bitsandbytes.nn import Linear4bit

    loaded = load_base(base_dir, "nf4", dtype="float32")
    layers = [module for module in loaded.model.modules() if isinstance(module, Linear4bit)]
    assert len(layers) == 14
    assert all(layer.weight.quant_state.quant_type == "nf4" for layer in layers)
    assert all(layer.weight.quant_state.nested for layer in layers)
    assert not any(layer.support_avx512bf16_for_cpu for layer in layers)


def test_dequantized_base_computes_the_same_function_as_nf4(base_dir):
    import torch

    ids = torch.randint(10, 400, (2, 12))
    with torch.no_grad():
        packed = load_base(base_dir, "nf4", dtype="float32").model(input_ids=ids).logits
        unpacked = load_base(base_dir, "nf4_dequantized", dtype="float32").model(input_ids=ids).logits
    assert torch.allclose(packed, unpacked, atol=1e-5)


def test_gradients_after_an_evaluation_pass_are_those_of_a_fresh_copy(base_dir):
    import torch

    ids = torch.randint(10, 400, (2, 12), generator=torch.Generator().manual_seed(1))
    fresh = _lora_gradients(load_base(base_dir, "nf4", dtype="bfloat16").model, ids)
    evaluated = load_base(base_dir, "nf4", dtype="bfloat16").model
    evaluated.eval()
    with torch.no_grad():
        evaluated(input_ids=ids)
    after = _lora_gradients(evaluated, ids)
    assert torch.nn.functional.cosine_similarity(fresh, after, dim=0) > 0.9999


def test_a_model_that_would_be_packed_for_inference_is_refused_for_training(base_dir):
    from bitsandbytes.nn import Linear4bit

    model = load_base(base_dir, "nf4", dtype="float32").model
    require_trainable_layout(model)
    layer = next(module for module in model.modules() if isinstance(module, Linear4bit))
    layer.support_avx512bf16_for_cpu = True
    with pytest.raises(AdapterError, match="packed for inference"):
        require_trainable_layout(model)
    disable_packed_kernel(model)
    require_trainable_layout(model)


def test_another_architecture_loads_and_answers_on_the_same_path(tmp_path):
    import torch

    other = make_tiny_base(tmp_path, architecture="qwen")
    loaded = load_base(other, "nf4", dtype="float32")
    assert type(loaded.model).__name__ == "Qwen2ForCausalLM"
    with torch.no_grad():
        logits = loaded.model(input_ids=torch.tensor([[12, 30, 40]])).logits
    assert torch.isfinite(logits).all()


def test_digests_follow_the_files_they_stand_for(base_dir, tmp_path):
    import shutil

    clone = tmp_path / "clone"
    shutil.copytree(base_dir, clone)
    assert base_digest(clone) == base_digest(base_dir)
    config = clone / "config.json"
    config.write_text(config.read_text().replace("silu", "gelu"))
    assert base_digest(clone) != base_digest(base_dir)
    assert tokenizer_digest(clone) == tokenizer_digest(base_dir)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantization": "int3"}, "unknown quantization"),
        ({"dtype": "float8"}, "unknown dtype"),
    ],
)
def test_unknown_options_are_refused_by_name(base_dir, options, message):
    with pytest.raises(AdapterError, match=message):
        load_base(base_dir, **copy.copy(options))


def test_a_folder_without_a_model_is_refused_with_the_way_out(tmp_path):
    with pytest.raises(AdapterError, match="make pretrain"):
        load_base(tmp_path)
