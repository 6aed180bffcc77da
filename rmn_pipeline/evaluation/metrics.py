"""How answers are scored: per task, per row, and with bootstrap intervals. Pure functions on texts."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rmn_pipeline.federation.grounding import GroundingContext, ground_plan_call
from rmn_pipeline.lora.prompts import NO_FIELD

TOOL_TASKS = ("planning", "measurement")
# A headline is acceptable when it also shares this much of its words with the reference, which names the product.
_ACCEPTABLE_OVERLAP = 0.4
_LIMIT = re.compile(r"(?:limit|max|at most)\s*:?\s*(\d+)|(\d+) characters", re.IGNORECASE)
_BANNED = re.compile(
    r"(?:avoid|banned|never say|not allowed|keep out)\s*:?\s*(?P<terms>[^.\n|]+)", re.IGNORECASE
)


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float
    rows: int


def bootstrap_interval(values: Sequence[float], *, resamples: int = 2000, seed: int = 0) -> Interval:
    """Return the mean of values with its percentile bootstrap interval; rows are resampled.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values to average: the evaluation split holds no such rows")
    data = np.asarray(values, dtype=float)
    draws = np.random.default_rng(seed).integers(0, data.size, size=(resamples, data.size))
    low, high = np.quantile(data[draws].mean(axis=1), [0.025, 0.975])
    return Interval(float(data.mean()), float(low), float(high), int(data.size))


def bootstrap_statistic(
    statistic: Callable[[Sequence[int]], float], rows: int, *, resamples: int = 500, seed: int = 0
) -> Interval:
    """Return a statistic that is no mean over rows, with its interval; it is given the row numbers to use."""
    draws = np.random.default_rng(seed).integers(0, rows, size=(resamples, rows))
    low, high = np.quantile([statistic(draw.tolist()) for draw in draws], [0.025, 0.975])
    return Interval(statistic(range(rows)), float(low), float(high), rows)


def exact_match(expected: str, answer: str) -> bool:
    """Whether an answer is the expected text; blanks around it do not count."""
    return expected.strip() == answer.strip()


def parse_call(text: str) -> dict[str, Any] | None:
    """Return a tool call, or None where the text is not one JSON object."""
    try:
        call = json.loads(text)
    except json.JSONDecodeError:
        return None
    return call if isinstance(call, dict) else None


def call_strict_match(expected: str, answer: str) -> bool:
    """Whether two calls are equal as canonical JSON: keys, values, types and order within lists."""
    call, wanted = parse_call(answer), parse_call(expected)
    return call is not None and wanted is not None and _canonical(call) == _canonical(wanted)


def call_ast_match(expected: str, answer: str) -> bool:
    """Whether two calls mean the same: no key too many, unset keys may be missing, lists in any order.

    Strings are compared without case, blanks and `,./-_*^`, and 3 equals 3.0, as function-calling benchmarks do.
    """
    call, wanted = parse_call(answer), parse_call(expected)
    if call is None or wanted is None or set(call) - set(wanted):
        return False
    return all(_loose(call.get(key)) == _loose(value) for key, value in wanted.items())


def field_accuracy(expected: str, answer: str) -> float:
    """Return the share of the expected call's fields that the answer has right; 0 where it does not parse."""
    call, wanted = parse_call(answer), parse_call(expected)
    if call is None or not wanted:
        return 0.0
    return sum(_loose(call.get(key)) == _loose(value) for key, value in wanted.items()) / len(wanted)


def token_f1(expected: str, answer: str) -> float:
    """Return the harmonic mean of word precision and recall, without case."""
    wanted, given = Counter(_words(expected)), Counter(_words(answer))
    shared = sum((wanted & given).values())
    if not shared:
        return 0.0
    precision, recall = shared / sum(given.values()), shared / sum(wanted.values())
    return 2 * precision * recall / (precision + recall)


def copy_complies(prompt: str, answer: str) -> bool:
    """Whether a headline keeps to the limit and the banned words that its prompt states, and says something."""
    if not answer.strip():
        return False
    limit = _LIMIT.search(prompt)
    if limit is not None and len(answer.strip()) > int(limit.group(1) or limit.group(2)):
        return False
    banned = _BANNED.search(prompt)
    terms = [] if banned is None else [term.strip().lower() for term in banned.group("terms").split(",")]
    return not any(term and term in answer.lower() for term in terms)


def mapping_f1(expected: Sequence[str], answers: Sequence[str]) -> float:
    """Return micro F1 over columns that fill a field; `none` counts as no statement."""
    pairs = list(zip(expected, answers, strict=True))
    right = sum(want == got and want != NO_FIELD for want, got in pairs)
    stated = sum(got != NO_FIELD for _, got in pairs)
    wanted = sum(want != NO_FIELD for want, _ in pairs)
    return 2 * right / (stated + wanted) if stated + wanted else 0.0


def score_row(task: str, prompt: str, expected: str, answer: str) -> dict[str, float]:
    """Return all figures of one answer; `correct` is the one that its task is judged by."""
    if task in TOOL_TASKS:
        strict = float(call_strict_match(expected, answer))
        return {
            "correct": strict,
            "strict_exact_match": strict,
            "ast_match": float(call_ast_match(expected, answer)),
            "field_accuracy": field_accuracy(expected, answer),
            "json_parse_rate": float(parse_call(answer) is not None),
        }
    if task == "creative":
        complies, overlap = copy_complies(prompt, answer), token_f1(expected, answer)
        return {
            "correct": float(complies and overlap >= _ACCEPTABLE_OVERLAP),
            "policy_compliance": float(complies),
            "word_f1": overlap,
        }
    return {"correct": float(exact_match(expected, answer)), "word_f1": token_f1(expected, answer)}


def execution_figures(prompt: str, expected: str, answer: str, context: GroundingContext) -> dict[str, float]:
    """Return whether the grounding check would let a planning call be executed, and whether it would be wrong then.

    What is not executed is asked back; both together say how safe the check makes the model.
    """
    call = parse_call(answer)
    executed = call is not None and ground_plan_call(prompt, call, context).grounded
    wrong = executed and not call_ast_match(expected, answer)
    return {"executed": float(executed), "wrong_executed": float(wrong)}


def chance_level(task: str, prompts: Sequence[str], expected: Sequence[str]) -> float:
    """Return what blind guessing gets right: one of the offered fields, or always the commonest other answer."""
    if not expected:
        return 0.0
    commonest = Counter(expected).most_common(1)[0][1]
    majority = (commonest - 1) / max(1, len(expected) - 1)
    if task != "mapping":
        return majority
    guesses = [1 / offered for prompt in prompts if (offered := _offered_fields(prompt))]
    return max(majority, sum(guesses) / len(guesses) if guesses else 0.0)


def _offered_fields(prompt: str) -> int:
    _, _, fields = prompt.partition("\nfields: ")
    return len([name for name in fields.split(",") if name.strip()])


def _canonical(call: Mapping[str, Any]) -> str:
    return json.dumps({key: _number(value) for key, value in call.items()}, sort_keys=True)


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _loose(value: Any) -> Any:
    if isinstance(value, str):
        return re.sub(r"[ ,./\-_*^]", "", value).lower().replace("'", '"')
    if isinstance(value, list):
        return sorted((_loose(item) for item in value), key=str) or None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())
