"""What each training step sees: tokenized rows, the parent stack of every step, and the batches that fit it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from rmn_pipeline.lora.manifest import AdapterError, AdapterManifest
from rmn_pipeline.lora.prompts import render_prompt
from rmn_pipeline.lora.quantize import LoadedBase, end_text
from rmn_pipeline.lora.training_config import Stack

# Batches are cut from runs of this many batches sorted by length: rows of one batch are then of similar length.
_LENGTH_WINDOW = 4


@dataclass(frozen=True)
class Example:
    """One tokenized row; labels are -100 on the prompt."""

    input_ids: list[int]
    labels: list[int]
    retailer_id: str | None
    brand_id: str | None


@dataclass(frozen=True)
class Schedule:
    """Which stack each step trains over, and which example follows which, batch after batch."""

    stacks: tuple[Stack, ...]
    examples: tuple[int, ...]


def default_stacks(kind: str, parents: Sequence[AdapterManifest]) -> tuple[Stack, ...]:
    """Return the parent combinations that a request can meet: industry, with or without one retailer and one brand.

    Without parents that is the base alone. Tasks also train over every pair of a retailer and a brand.
    """
    trunk = tuple(parent.adapter_id for parent in parents if parent.kind == "industry")
    retailers = [parent.adapter_id for parent in parents if parent.kind == "retailer"]
    brands = [parent.adapter_id for parent in parents if parent.kind == "manufacturer"]
    stacks: list[Stack] = [trunk]
    stacks += [(*trunk, brand) for brand in brands]
    stacks += [(*trunk, retailer) for retailer in retailers]
    if kind.startswith("task"):
        stacks += [(*trunk, retailer, brand) for retailer in retailers for brand in brands]
    return tuple(dict.fromkeys(stacks))


def tokenize_rows(rows: pl.DataFrame, base: LoadedBase, max_length: int) -> tuple[list[Example], int]:
    """Tokenize the training split; a row that does not fit is left out, because a cut answer teaches a wrong one."""
    training = rows.filter(pl.col("split") == "train")
    closing = end_text(base.tokenizer)
    prompts = [render_prompt(task, prompt) for task, prompt in training.select("task", "prompt").iter_rows()]
    answers = [completion + closing for completion in training["completion"]]
    if not prompts:
        return [], 0
    # Tokenized apart, as at inference: the prompt's last token never merges with the answer's first.
    prompt_ids = base.tokenizer(prompts, add_special_tokens=False)["input_ids"]
    answer_ids = base.tokenizer(answers, add_special_tokens=False)["input_ids"]
    tenants = training.select("retailer_id", "brand_id").iter_rows()
    examples = [
        Example(question + answer, [-100] * len(question) + answer, retailer_id, brand_id)
        for question, answer, (retailer_id, brand_id) in zip(prompt_ids, answer_ids, tenants, strict=True)
    ]
    fitting = [example for example in examples if len(example.input_ids) <= max_length]
    return fitting, len(examples) - len(fitting)


def plan_steps(
    examples: Sequence[Example],
    stacks: Sequence[Stack],
    parents: Mapping[str, AdapterManifest],
    *,
    steps: int,
    batch_size: int,
    seed: int,
) -> Schedule:
    """Draw a stack per step, each equally often, and a batch per step from the rows that fit the stack."""
    rng = random.Random(seed)
    pools = {
        stack: [
            index
            for index, example in enumerate(examples)
            if _fits(example, [parents[adapter_id] for adapter_id in stack])
        ]
        for stack in stacks
    }
    usable = [stack for stack in stacks if pools[stack]]
    if not usable:
        raise AdapterError(
            "no training row fits any of the parent stacks: every row belongs to another tenant"
        )
    batches = {stack: _batches(pools[stack], examples, batch_size, rng) for stack in usable}
    chosen: list[Stack] = []
    order: list[int] = []
    while len(chosen) < steps:
        for stack in rng.sample(usable, len(usable)):
            if not batches[stack]:
                batches[stack] = _batches(pools[stack], examples, batch_size, rng)
            chosen.append(stack)
            order += batches[stack].pop()
    return Schedule(tuple(chosen[:steps]), tuple(order[: steps * batch_size]))


def _fits(example: Example, stack: Sequence[AdapterManifest]) -> bool:
    """A row of one tenant never trains over another tenant's adapter."""
    for manifest in stack:
        tenant = {"retailer": example.retailer_id, "manufacturer": example.brand_id}.get(manifest.kind)
        if tenant is not None and tenant != manifest.subject_id:
            return False
    return True


def _batches(
    pool: Sequence[int], examples: Sequence[Example], size: int, rng: random.Random
) -> list[list[int]]:
    """Cut a shuffled pool into full batches of rows of similar length, in random order."""
    order = rng.sample(pool, len(pool))
    while len(order) % size:
        order.append(rng.choice(pool))
    batches: list[list[int]] = []
    window = size * _LENGTH_WINDOW
    for start in range(0, len(order), window):
        run = sorted(order[start : start + window], key=lambda index: len(examples[index].input_ids))
        batches += [run[first : first + size] for first in range(0, len(run), size)]
    rng.shuffle(batches)
    return batches
