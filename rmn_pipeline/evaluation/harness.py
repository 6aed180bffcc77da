"""Judging an adapter on held-out rows: in the stack that a request would meet, beside the base and chance."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import polars as pl
from pydantic import BaseModel, ConfigDict

from rmn_pipeline.evaluation.errors import EvaluationError
from rmn_pipeline.evaluation.gate import Retention
from rmn_pipeline.evaluation.metrics import (
    Interval,
    bootstrap_interval,
    bootstrap_statistic,
    chance_level,
    execution_figures,
    mapping_f1,
    score_row,
)
from rmn_pipeline.federation.generate import generate_greedy
from rmn_pipeline.federation.grounding import GroundingContext
from rmn_pipeline.federation.registry import AdapterRegistry
from rmn_pipeline.lora.manifest import AdapterManifest, load_manifest
from rmn_pipeline.lora.prompts import render_prompt
from rmn_pipeline.lora.quantize import Quantization
from rmn_pipeline.lora.stack import AdapterStack

# The longest completion of a task in tokens, with room to spare; a longer answer is wrong anyway.
MAX_NEW_TOKENS: dict[str, int] = {
    "mapping": 12,
    "definition": 48,
    "creative": 48,
    "measurement": 64,
    "planning": 128,
}
_OWN_TASKS: dict[str, tuple[str, ...]] = {
    "task_planning": ("planning",),
    "task_creative": ("creative",),
    "task_measurement": ("measurement",),
}
_WRONG_SCHEMA = {
    "task": pl.String,
    "prompt": pl.String,
    "expected": pl.String,
    "stack_answer": pl.String,
    "base_answer": pl.String,
    "template_id": pl.String,
}


class EvaluationRows(Protocol):
    """What an evaluation reads of a training set."""

    @property
    def rows(self) -> pl.DataFrame:
        """Rows with task, prompt, completion, retailer_id, brand_id, template_id and split."""

    @property
    def fingerprint(self) -> str:
        """Digest of the rows."""


class MetricValue(BaseModel):
    """One figure of the stack with its interval, beside the same figure of the base alone and of chance."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    rows: int
    stack: float
    stack_low: float
    stack_high: float
    base: float
    chance: float | None = None


class AdapterEvaluation(BaseModel):
    """How an adapter's stack does on held-out rows.

    `score` is over the rows of the adapter's own tasks; `retention` compares replayed rows of the parents' tasks with
    and without the adapter.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    adapter_id: str
    kind: str
    weights_digest: str
    base_digest: str
    dataset_fingerprint: str
    score: MetricValue
    metrics: tuple[MetricValue, ...]
    retention: float | None
    replay_rows: int
    replay_right_before: int
    replay_lost: int
    replay_gained: int
    stacks: tuple[str, ...]
    wrong: tuple[dict[str, str], ...]
    seconds: float
    cpu_seconds: float

    @property
    def kept(self) -> Retention:
        """What the adapter leaves of its parents' knowledge."""
        return Retention(self.replay_rows, self.replay_right_before, self.replay_lost, self.replay_gained)

    @property
    def wrong_answers(self) -> pl.DataFrame:
        """The rows that the stack got wrong, with both answers."""
        return pl.DataFrame(list(self.wrong), schema=_WRONG_SCHEMA)

    def metrics_frame(self) -> pl.DataFrame:
        """Return one row per figure, for tables shown to people."""
        figures = (self.score, *self.metrics)
        return pl.DataFrame(
            {
                "metric": [figure.name for figure in figures],
                "rows": [figure.rows for figure in figures],
                "stack": [round(figure.stack, 3) for figure in figures],
                "interval_95": [f"{figure.stack_low:.3f} to {figure.stack_high:.3f}" for figure in figures],
                "base": [round(figure.base, 3) for figure in figures],
                "chance": [None if figure.chance is None else round(figure.chance, 3) for figure in figures],
            }
        )


StackOf = Callable[[Mapping[str, Any]], tuple[Path, ...]]


def evaluate_adapter(
    adapter_dir: Path | str,
    training_set: EvaluationRows,
    *,
    adapters_dir: Path | str,
    base_dir: Path | str,
    own_rows: int = 32,
    replay_rows: int = 16,
    seed: int = 0,
    quantization: Quantization = "nf4_dequantized",
    device: str = "cpu",
) -> AdapterEvaluation:
    """Evaluate one adapter on its training set's evaluation split.

    Raises:
        EvaluationError: the split is empty, or the adapter was trained on another version of the set.
        AdapterError: the adapter or its base cannot be used.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    manifest = load_manifest(adapter_dir)
    if manifest.dataset_fingerprint != training_set.fingerprint:
        raise EvaluationError(
            f"{manifest.adapter_id} was trained on another version of its training set; train it again first"
        )
    registry = AdapterRegistry.scan(adapters_dir, base_dir=base_dir)
    stack = AdapterStack.open(base_dir, quantization, device=device)
    own, replay = _sample(training_set.rows, manifest.kind, own_rows, replay_rows, seed)
    if own.is_empty():
        raise EvaluationError(
            f"{manifest.adapter_id}: its training set has no evaluation rows of its own task"
        )
    judged = pl.concat([own, replay])
    stack_of = _resolver(registry, manifest, Path(adapter_dir))
    answers = evaluate_stack(stack, judged, stack_of)
    base_answers = evaluate_stack(stack, judged, lambda row: ())
    scored = _scored(judged, answers, base_answers, registry.retailer_ids)
    retention = _retention(stack, replay, stack_of, scored[own.height :])
    return AdapterEvaluation(
        adapter_id=manifest.adapter_id,
        kind=manifest.kind,
        weights_digest=manifest.weights_digest,
        base_digest=manifest.base_digest,
        dataset_fingerprint=training_set.fingerprint,
        score=_metric("score", scored[: own.height], "correct", with_chance=True),
        metrics=tuple(_task_metrics(scored)),
        retention=retention.share,
        replay_rows=retention.rows,
        replay_right_before=retention.right_before,
        replay_lost=retention.lost,
        replay_gained=retention.gained,
        stacks=tuple(
            sorted({" + ".join(path.name for path in stack_of(row)) for row in judged.iter_rows(named=True)})
        ),
        wrong=tuple(_wrong(scored)),
        seconds=round(time.perf_counter() - wall, 2),
        cpu_seconds=round(time.process_time() - cpu, 2),
    )


def evaluate_stack(stack: AdapterStack, rows: pl.DataFrame, stack_of: StackOf) -> list[str]:
    """Return greedy answers in the rows' order; rows with the same stack and task share batches."""
    groups: dict[tuple[tuple[Path, ...], str], list[int]] = {}
    records = rows.to_dicts()
    for index, row in enumerate(records):
        groups.setdefault((stack_of(row), row["task"]), []).append(index)
    answers = [""] * len(records)
    for (paths, task), indices in sorted(groups.items(), key=lambda item: [str(path) for path in item[0][0]]):
        stack.activate(paths)
        prompts = [render_prompt(task, records[index]["prompt"]) for index in indices]
        generated = generate_greedy(stack, prompts, max_new_tokens=MAX_NEW_TOKENS[task], batch_size=48)
        for index, answer in zip(indices, generated, strict=True):
            answers[index] = answer.text
    return answers


def _sample(
    rows: pl.DataFrame, kind: str, own_rows: int, replay_rows: int, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Draw rows of the adapter's own tasks and replayed rows of its parents' tasks, the same ones for a seed.

    Only task adapters have a task of their own; for the other kinds every row is their own.
    """
    held_out = rows.filter(pl.col("split") == "evaluation")
    tasks = _OWN_TASKS.get(kind)
    if tasks is None:
        return _take(held_out, own_rows + replay_rows, seed), held_out.clear()
    is_own = pl.col("task").is_in(tasks)
    return _take(held_out.filter(is_own), own_rows, seed), _take(held_out.filter(~is_own), replay_rows, seed)


def _take(rows: pl.DataFrame, count: int, seed: int) -> pl.DataFrame:
    return rows.sample(min(count, rows.height), shuffle=True, seed=seed) if rows.height else rows


def _resolver(registry: AdapterRegistry, manifest: AdapterManifest, adapter_dir: Path) -> StackOf:
    """Return the stack that a request for a row's tenants would meet, with the adapter on top of its parents."""
    parents = {parent.adapter_id for parent in manifest.parents}
    trunk = [adapter_id for adapter_id in parents if _kind(registry, adapter_id) == "industry"]

    def stack_of(row: Mapping[str, Any]) -> tuple[Path, ...]:
        tenants = [f"retailer_{row['retailer_id']}", f"manufacturer_{row['brand_id']}"]
        ids = [*trunk, *(adapter_id for adapter_id in tenants if adapter_id in parents)]
        return (*(registry.path(adapter_id) for adapter_id in ids), adapter_dir)

    return stack_of


def _kind(registry: AdapterRegistry, adapter_id: str) -> str:
    registry.path(adapter_id)
    return registry.adapters[adapter_id].manifest.kind


@dataclass(frozen=True)
class _Scored:
    """One judged row: both answers, and per figure the stack's and the base's value."""

    row: Mapping[str, Any]
    answer: str
    base_answer: str
    figures: Mapping[str, float]
    base_figures: Mapping[str, float]


def _scored(
    rows: pl.DataFrame, answers: Sequence[str], base_answers: Sequence[str], retailer_ids: tuple[str, ...]
) -> list[_Scored]:
    def figures(row: Mapping[str, Any], answer: str) -> dict[str, float]:
        scored = score_row(row["task"], row["prompt"], row["completion"], answer)
        if row["task"] != "planning":
            return scored
        context = GroundingContext(brand_id=row["brand_id"], retailer_ids=retailer_ids)
        return scored | execution_figures(row["prompt"], row["completion"], answer, context)

    return [
        _Scored(row, answer, base_answer, figures(row, answer), figures(row, base_answer))
        for row, answer, base_answer in zip(rows.to_dicts(), answers, base_answers, strict=True)
    ]


def _metric(name: str, scored: Sequence[_Scored], figure: str, *, with_chance: bool = False) -> MetricValue:
    interval = bootstrap_interval([item.figures[figure] for item in scored])
    base = sum(item.base_figures[figure] for item in scored) / len(scored)
    return _value(name, interval, base, _chance(scored) if with_chance else None)


def _value(name: str, interval: Interval, base: float, chance: float | None = None) -> MetricValue:
    return MetricValue(
        name=name,
        rows=interval.rows,
        stack=interval.value,
        stack_low=interval.low,
        stack_high=interval.high,
        base=base,
        chance=chance,
    )


def _by_task(scored: Sequence[_Scored]) -> dict[str, list[_Scored]]:
    groups: dict[str, list[_Scored]] = {}
    for item in scored:
        groups.setdefault(item.row["task"], []).append(item)
    return dict(sorted(groups.items()))


def _chance(scored: Sequence[_Scored]) -> float:
    """Return the chance level over all rows, each task's weighted by its rows."""
    total = 0.0
    for task, items in _by_task(scored).items():
        prompts = [item.row["prompt"] for item in items]
        total += len(items) * chance_level(task, prompts, [item.row["completion"] for item in items])
    return total / len(scored)


def _task_metrics(scored: Sequence[_Scored]) -> list[MetricValue]:
    metrics: list[MetricValue] = []
    for task, items in _by_task(scored).items():
        for figure in items[0].figures:
            name = "accuracy" if figure == "correct" else figure
            metrics.append(_metric(f"{task}.{name}", items, figure, with_chance=figure == "correct"))
        if task == "mapping":
            metrics.append(_mapping_metric(items))
    return metrics


def _mapping_metric(items: Sequence[_Scored]) -> MetricValue:
    def f1(rows: Sequence[int]) -> float:
        return mapping_f1([items[row].row["completion"] for row in rows], [items[row].answer for row in rows])

    base = mapping_f1([item.row["completion"] for item in items], [item.base_answer for item in items])
    return _value("mapping.f1", bootstrap_statistic(f1, len(items)), base)


def _retention(
    stack: AdapterStack, replay: pl.DataFrame, stack_of: StackOf, scored: Sequence[_Scored]
) -> Retention:
    """Compare replayed rows of the parents' tasks with and without the adapter on top."""
    without = [] if replay.is_empty() else evaluate_stack(stack, replay, lambda row: stack_of(row)[:-1])
    before = [
        score_row(row["task"], row["prompt"], row["completion"], answer)["correct"] >= 1
        for row, answer in zip(replay.to_dicts(), without, strict=True)
    ]
    after = [item.figures["correct"] >= 1 for item in scored]
    pairs = list(zip(before, after, strict=True))
    return Retention(
        rows=len(pairs),
        right_before=sum(before),
        lost=sum(was and not now for was, now in pairs),
        gained=sum(now and not was for was, now in pairs),
    )


def _wrong(scored: Sequence[_Scored]) -> list[dict[str, str]]:
    return [
        {
            "task": item.row["task"],
            "prompt": item.row["prompt"],
            "expected": item.row["completion"],
            "stack_answer": item.answer,
            "base_answer": item.base_answer,
            "template_id": item.row["template_id"],
        }
        for item in scored
        if item.figures["correct"] < 1.0
    ]
