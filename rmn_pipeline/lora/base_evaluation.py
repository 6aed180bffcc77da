"""How good a base model is: planning calls, schema mapping beside chance, bits per byte, on held-out rows."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from rmn_pipeline.lora.corpus.development import development_briefs
from rmn_pipeline.lora.corpus.mapping import generate_mapping
from rmn_pipeline.lora.corpus.stream import CorpusRow, generate_row, row_at
from rmn_pipeline.lora.prompts import NO_FIELD, render_prompt
from rmn_pipeline.planning.request import PlanRequest

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

# Kept apart from every training seed.
EVALUATION_SEED = 900_001


@dataclass(frozen=True)
class PlanningScore:
    """Calls written for briefs: exact JSON equality, valid as a request, and equal fields."""

    briefs: int
    exact: float
    parsed: float
    fields: float


@dataclass(frozen=True)
class BaseEvaluation:
    """All figures of one evaluation; shares are fractions of the rows counted beside them."""

    planning_known_wording: PlanningScore
    planning_held_out_wording: PlanningScore
    mapping_rows: int
    mapping_accuracy: float
    mapping_chance: float
    mapping_always_none: float
    measurement_rows: int
    measurement_exact: float
    free_wording: PlanningScore
    bits_per_byte: float

    def as_dict(self) -> dict[str, object]:
        """Return the figures as plain data."""
        return asdict(self)


def complete(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[str],
    max_new_tokens: int,
    batch_size: int = 32,
) -> list[str]:
    """Continue rendered prompts greedily, longest together; return what comes before the end marker."""
    import torch

    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    answers = [""] * len(prompts)
    tokenizer.padding_side = "left"
    anything: Any = model
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        batch = tokenizer([prompts[index] for index in chosen], return_tensors="pt", padding=True)
        with torch.no_grad():
            output = anything.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                max_new_tokens=max_new_tokens,
                do_sample=False,
                pad_token_id=tokenizer.pad_token_id,
            )
        for index, tokens in zip(chosen, output[:, batch["input_ids"].shape[1] :], strict=True):
            ids = tokens.tolist()
            end = ids.index(tokenizer.eos_token_id) if tokenizer.eos_token_id in ids else len(ids)
            answers[index] = str(tokenizer.decode(ids[:end]))
    return answers


def score_planning(expected: Sequence[str], answers: Sequence[str]) -> PlanningScore:
    """Compare written calls with canonical ones."""
    exact = parsed = 0
    fields = 0.0
    for truth, answer in zip(expected, answers, strict=True):
        exact += truth == answer
        wanted = json.loads(truth)
        try:
            given = json.loads(PlanRequest.model_validate_json(answer).canonical_json())
        except ValidationError:
            continue
        parsed += 1
        fields += sum(given[name] == value for name, value in wanted.items()) / len(wanted)
    count = max(1, len(expected))
    return PlanningScore(len(expected), exact / count, parsed / count, fields / count)


def planning_score(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, rows: Sequence[CorpusRow]
) -> PlanningScore:
    """Let the model write the call of every row and score it."""
    answers = complete(model, tokenizer, [render_prompt("planning", row.prompt) for row in rows], 170)
    return score_planning([row.completion for row in rows], answers)


def free_wording_score(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, briefs: Sequence[tuple[str, str]]
) -> PlanningScore:
    """Score briefs in free wording, given as (text, canonical call)."""
    answers = complete(model, tokenizer, [render_prompt("planning", text) for text, _ in briefs], 170)
    return score_planning([call for _, call in briefs], answers)


def bits_per_byte(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> float:
    """Return the model's code length of `texts` in bits per UTF-8 byte."""
    import torch

    bits, size = 0.0, 0
    for text in texts:
        ids = torch.tensor([tokenizer(text)["input_ids"]])
        with torch.no_grad():
            logits = model(input_ids=ids, use_cache=False).logits.float()
        loss = torch.nn.functional.cross_entropy(logits[0, :-1], ids[0, 1:], reduction="sum")
        bits += float(loss) / math.log(2)
        size += len(text.encode())
    return bits / max(1, size)


def evaluate_base(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, rows: int = 48, seed: int = EVALUATION_SEED
) -> BaseEvaluation:
    """Evaluate on rows that no training stream contains: fresh values, held-out phrases, held-out headers."""
    was_training = model.training
    model.eval()
    known = [generate_row("planning", Random(f"{seed}:known:{i}"), "train") for i in range(rows)]
    held = [generate_row("planning", Random(f"{seed}:held:{i}"), "evaluation") for i in range(rows)]
    columns = [generate_mapping(Random(f"{seed}:column:{i}"), "evaluation") for i in range(2 * rows)]
    designs = [generate_row("measurement", Random(f"{seed}:design:{i}"), "evaluation") for i in range(rows)]
    fields = complete(model, tokenizer, [render_prompt("mapping", column.prompt) for column in columns], 10)
    calls = complete(model, tokenizer, [render_prompt("measurement", row.prompt) for row in designs], 40)
    right = sum(answer == column.field for answer, column in zip(fields, columns, strict=True))
    result = BaseEvaluation(
        planning_known_wording=planning_score(model, tokenizer, known),
        planning_held_out_wording=planning_score(model, tokenizer, held),
        mapping_rows=len(columns),
        mapping_accuracy=right / len(columns),
        mapping_chance=sum(1 / column.choices for column in columns) / len(columns),
        mapping_always_none=sum(column.field == NO_FIELD for column in columns) / len(columns),
        measurement_rows=len(designs),
        measurement_exact=sum(a == row.completion for a, row in zip(calls, designs, strict=True))
        / len(designs),
        free_wording=free_wording_score(model, tokenizer, development_briefs()[:rows]),
        bits_per_byte=bits_per_byte(
            model, tokenizer, [row_at(seed, position, "evaluation").text for position in range(2 * rows)]
        ),
    )
    model.train(was_training)
    return result
