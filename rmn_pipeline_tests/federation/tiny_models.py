"""Tiny but real models for tests: a random Llama with its own tokenizer, and a small tree of trained adapters."""

import functools
import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from rmn_pipeline.lora.manifest import adapter_folder
from rmn_pipeline.lora.prompts import BEGIN_TOKEN, END_TOKEN, PAD_TOKEN, ROLE_TOKENS
from rmn_pipeline.lora.train import AdapterTrainingConfig, train_adapter

FIELDS = ("clicks", "cost", "date", "sku_id", "revenue", "currency", "none", "impressions")
CALL = '{"brand_id":"brand_x","retailers":[],"budget_usd":2500000,"weeks":26}'


@dataclass(frozen=True)
class TinySet:
    """A training set with what training and evaluation read of it."""

    kind: str
    adapter_id: str
    rows: pl.DataFrame
    fingerprint: str


@dataclass(frozen=True)
class TinyTree:
    """A base and adapters on it."""

    base_dir: Path
    adapters_dir: Path
    sets: dict[str, TinySet]

    def path(self, adapter_id: str) -> Path:
        """Folder of one adapter."""
        return next(self.adapters_dir.glob(f"*/{adapter_id}"))


def tiny_config(**changes: object) -> AdapterTrainingConfig:
    """A few steps on one thread."""
    config = AdapterTrainingConfig(rank=8, alpha=16, steps=4, batch_size=4, threads=1, profile="smoke")
    return replace(config, **changes)  # type: ignore[arg-type]


def make_set(
    kind: str, adapter_id: str, retailer_id: str | None = None, brand_id: str | None = None
) -> TinySet:
    """Rows of two tasks in both splits."""
    rows = []
    for split, numbers in (("train", range(24)), ("evaluation", range(24, 36))):
        for number in numbers:
            task = "planning" if number % 3 == 0 else "mapping"
            prompt = (
                f"Plan {number} weeks for brand_x with $2.5 million."
                if task == "planning"
                else f"header: col_{number}\nvalues: {number}\nfields: {', '.join(FIELDS)}"
            )
            completion = (
                CALL.replace("26", str(number)) if task == "planning" else FIELDS[number % len(FIELDS)]
            )
            rows.append([task, prompt, completion, retailer_id, brand_id, "tiny", split])
    names = ("task", "prompt", "completion", "retailer_id", "brand_id", "template_id", "split")
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    return TinySet(kind, adapter_id, frame, hashlib.sha256(json.dumps(rows).encode()).hexdigest())


@functools.cache
def make_tiny_base(root: Path, hidden: int = 64, architecture: str = "llama") -> Path:
    """Write a random causal LM with a byte-level BPE tokenizer that knows the role markers."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import (
        LlamaConfig,
        LlamaForCausalLM,
        PreTrainedTokenizerFast,
        Qwen2Config,
        Qwen2ForCausalLM,
    )

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    texts = make_set("industry", "industry_retail_media").rows
    tokenizer.train_from_iterator(
        [*texts["prompt"], *texts["completion"]],
        trainers.BpeTrainer(
            vocab_size=448,
            special_tokens=list(ROLE_TOKENS),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD_TOKEN, eos_token=END_TOKEN, bos_token=BEGIN_TOKEN
    )
    torch.manual_seed(0)
    shape = {
        "vocab_size": 448,
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "tie_word_embeddings": True,
        "pad_token_id": fast.pad_token_id,
        "bos_token_id": fast.bos_token_id,
        "eos_token_id": fast.eos_token_id,
    }
    model = (
        Qwen2ForCausalLM(Qwen2Config(**shape))
        if architecture == "qwen"
        else LlamaForCausalLM(LlamaConfig(**shape))
    )
    target = root / f"base_{architecture}_{hidden}"
    model.save_pretrained(target)
    fast.save_pretrained(target)
    return target


@functools.cache
def make_tiny_tree(root: Path) -> TinyTree:
    """Train industry, one retailer, one brand and the planning task on a tiny base."""
    base_dir = make_tiny_base(root)
    adapters_dir = root / "adapters"
    sets = {
        "industry_retail_media": make_set("industry", "industry_retail_media"),
        "retailer_alpha": make_set("retailer", "retailer_alpha", retailer_id="alpha"),
        "manufacturer_brand_x": make_set("manufacturer", "manufacturer_brand_x", brand_id="brand_x"),
        "task_planning": make_set("task_planning", "task_planning", brand_id="brand_x"),
    }
    trained: dict[str, Path] = {}
    for adapter_id, training_set in sets.items():
        target = adapters_dir / adapter_folder(training_set.kind) / adapter_id
        parents = (
            list(trained.values()) if training_set.kind.startswith("task") else list(trained.values())[:1]
        )
        train_adapter(tiny_config(), training_set, parents=parents, base_dir=base_dir, out_dir=target)
        trained[adapter_id] = target
    return TinyTree(base_dir, adapters_dir, sets)
