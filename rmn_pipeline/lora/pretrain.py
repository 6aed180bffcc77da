"""Pretraining of the base model on the project's own corpus: resumable, logged, bounded by tokens or by time.

Run `python -m rmn_pipeline.lora.pretrain --help`. The run folder holds `checkpoint.pt` (replaced atomically),
`log.jsonl` and `tokenizer/`; the finished model goes to `adapters/base/<name>/`.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from rmn_pipeline.lora.base import BASE_NAME, BaseShape, build_model, shape_facts, write_base
from rmn_pipeline.lora.base_evaluation import evaluate_base
from rmn_pipeline.lora.corpus.stream import DRILL_SHARES, ROW_SHARES, row_at
from rmn_pipeline.lora.model_card import render_card
from rmn_pipeline.lora.prompts import ANSWER_TOKEN
from rmn_pipeline.lora.tokenizer import VOCABULARY_SIZE, load_tokenizer, train_tokenizer

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast


class PretrainError(ValueError):
    """Pretraining that cannot start or go on: what is wrong, where, and how to mend it."""


@dataclass(frozen=True)
class PretrainConfig:
    """Everything that decides a pretraining run.

    `tokens` bounds the run by tokens seen and `minutes` by training time (kept over resumes); whichever is reached
    first ends it, and the learning rate falls to a tenth by then. `pool_rows` rows are drawn at a time, sorted by
    length and cut into batches of about `batch_tokens`. Pools from the first to before the last of `drill_pools`
    hold nothing but drills, because copying is learned late without them.
    Tokens of a prompt weigh `prompt_weight` in the loss, against 1 for answers and prose: the names and numbers of a
    prompt cannot be foreseen, and their noise hides what can. Texts in `held_out_texts` are never trained on.
    """

    run_dir: Path
    base_dir: Path
    shape: BaseShape = field(default_factory=BaseShape)
    seed: int = 11
    vocabulary: int = VOCABULARY_SIZE
    tokenizer_rows: int = 20_000
    tokens: int = 40_000_000
    minutes: float = 75.0
    batch_tokens: int = 1_536
    pool_rows: int = 512
    drill_pools: tuple[int, int] = (0, 20)
    prompt_weight: float = 0.3
    learning_rate: float = 1.5e-3
    warmup_share: float = 0.015
    weight_decay: float = 0.1
    clip: float = 1.0
    bf16: bool = True
    threads: int = 2
    log_every_steps: int = 20
    checkpoint_minutes: float = 3.0
    evaluate_minutes: float = 8.0
    evaluation_rows: int = 32
    final_evaluation_rows: int = 128
    export_minutes: tuple[float, ...] = (8.0,)
    held_out_texts: tuple[str, ...] = ()

    @classmethod
    def smoke(cls, run_dir: Path, base_dir: Path) -> PretrainConfig:
        """Return a profile of seconds: everything that a long run does, on a model of toy size."""
        return cls(
            run_dir=run_dir,
            base_dir=base_dir,
            shape=BaseShape(hidden=64, layers=2, intermediate=128, heads=1),
            tokenizer_rows=600,
            tokens=12_000,
            minutes=1.0,
            batch_tokens=1_024,
            pool_rows=32,
            threads=1,
            log_every_steps=2,
            evaluation_rows=2,
            final_evaluation_rows=2,
            drill_pools=(1, 2),
            bf16=False,
        )


@dataclass
class _Progress:
    """Where a run stands; part of every checkpoint."""

    step: int = 0
    tokens: int = 0
    pool: int = 0
    batch: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class PretrainResult:
    """What a run reached."""

    step: int
    tokens: int
    seconds: float
    base_dir: Path
    manifest: dict[str, Any]


def pretrain(config: PretrainConfig, say: Callable[[str], None] = print) -> PretrainResult:
    """Train the base model (or go on from the run folder's checkpoint), evaluate it and write it to `base_dir`.

    A run that is finished already is evaluated and written again.
    """
    run = _Run(config, say)
    run.train()
    manifest = run.export(final=True)
    progress = run.progress
    return PretrainResult(progress.step, progress.tokens, progress.seconds, config.base_dir, manifest)


class _Run:
    """One pretraining run: model, optimizer, progress and log."""

    def __init__(self, config: PretrainConfig, say: Callable[[str], None]) -> None:
        import torch

        torch.set_num_threads(config.threads)
        config.run_dir.mkdir(parents=True, exist_ok=True)
        self.config, self.say = config, say
        self.tokenizer = _tokenizer(config)
        self.model: LlamaForCausalLM = build_model(config.shape, self.tokenizer, config.seed)
        self.optimizer = torch.optim.AdamW(
            _parameter_groups(self.model, config.weight_decay),
            lr=config.learning_rate,
            betas=(0.9, 0.95),
            fused=True,
        )
        self.progress = _Progress()
        self.held_out = frozenset(" ".join(text.split()).lower() for text in config.held_out_texts)
        self._resume()
        if self.share_done < 1:
            self.log({"settings": _settings(config)})

    # -- state ---------------------------------------------------------------------------------------------------

    @property
    def checkpoint_path(self) -> Path:
        return self.config.run_dir / "checkpoint.pt"

    def _resume(self) -> None:
        import torch

        if not self.checkpoint_path.is_file():
            return
        state = torch.load(self.checkpoint_path, weights_only=True)
        if state["identity"] != _identity(self.config):
            raise PretrainError(
                f"{self.checkpoint_path} belongs to another configuration; use another run folder or remove it"
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.progress = _Progress(**state["progress"])
        self.say(f"resumed at step {self.progress.step}, {self.progress.tokens} tokens")

    def save(self) -> None:
        import torch

        state = {
            "identity": _identity(self.config),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "progress": asdict(self.progress),
        }
        temporary = self.checkpoint_path.with_suffix(".tmp")
        torch.save(state, temporary)
        temporary.replace(self.checkpoint_path)

    def log(self, record: dict[str, Any]) -> None:
        record = {
            "step": self.progress.step,
            "tokens": self.progress.tokens,
            "seconds": round(self.progress.seconds, 1),
            **record,
        }
        with (self.config.run_dir / "log.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")
        self.say(json.dumps(record))

    # -- training ------------------------------------------------------------------------------------------------

    @property
    def share_done(self) -> float:
        """Return how much of the run is done: by tokens or by time, whichever is further."""
        by_time = self.progress.seconds / (60 * self.config.minutes)
        return max(self.progress.tokens / self.config.tokens, by_time)

    def train(self) -> None:
        """Train until the bound is reached."""
        self.model.train()
        started, losses, since = time.monotonic(), [], self.progress.tokens
        last_checkpoint = last_evaluation = started
        exports = [minute for minute in self.config.export_minutes if minute * 60 > self.progress.seconds]
        before = self.progress.seconds
        for rows in self._batches():
            if self.share_done >= 1:
                break
            tick = time.monotonic()
            losses.append(self._step(rows))
            self.progress.seconds += time.monotonic() - tick
            if self.progress.step % self.config.log_every_steps == 0:
                speed = (self.progress.tokens - since) / max(1e-9, self.progress.seconds - before)
                self.log(
                    {
                        "loss": round(sum(losses) / len(losses), 4),
                        "learning_rate": self.learning_rate(),
                        "tokens_per_second": round(speed),
                    }
                )
                losses, since, before = [], self.progress.tokens, self.progress.seconds
            now = time.monotonic()
            if now - last_checkpoint > 60 * self.config.checkpoint_minutes:
                self.save()
                last_checkpoint = now
            if now - last_evaluation > 60 * self.config.evaluate_minutes:
                self.evaluate()
                last_evaluation = time.monotonic()
            if exports and self.progress.seconds > 60 * exports[0]:
                exports.pop(0)
                self.export(final=False)
        self.save()

    def learning_rate(self) -> float:
        """Return the rate for the share done: short warm-up, then a straight line down to a tenth."""
        done, warmup = min(1.0, self.share_done), self.config.warmup_share
        if done < warmup:
            return self.config.learning_rate * max(0.02, done / warmup)
        return self.config.learning_rate * (1 - 0.9 * (done - warmup) / (1 - warmup))

    def _step(self, rows: list[list[int]]) -> float:
        import torch

        ids, weights = _padded(rows, self.tokenizer, self.config.prompt_weight)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.config.bf16):
            logits = self.model(input_ids=ids, use_cache=False).logits
        losses = torch.nn.functional.cross_entropy(
            logits[:, :-1].float().reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1), reduction="none"
        )
        loss = (losses * weights[:, 1:].reshape(-1)).sum() / weights[:, 1:].sum()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise PretrainError(f"the loss became {value} at step {self.progress.step}; lower learning_rate")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.progress.step += 1
        self.progress.tokens += sum(len(row) for row in rows)
        return value

    def _batches(self) -> Iterator[list[list[int]]]:
        """Yield batches from where the run stands; a pool is a function of (seed, pool number)."""
        while True:
            batches = self._pool(self.progress.pool)
            while self.progress.batch < len(batches):
                rows = batches[self.progress.batch]
                self.progress.batch += 1
                yield rows
            self.progress.pool += 1
            self.progress.batch = 0

    def _pool(self, number: int) -> list[list[list[int]]]:
        size = self.config.pool_rows
        first, last = self.config.drill_pools
        shares = DRILL_SHARES if first <= number < last else ROW_SHARES
        positions = range(number * size, (number + 1) * size)
        drawn = [row_at(self.config.seed, position, shares=shares) for position in positions]
        texts = [row.text for row in drawn if " ".join(row.prompt.split()).lower() not in self.held_out]
        encoded = [ids for ids in self.tokenizer(texts)["input_ids"] if len(ids) <= self.config.shape.context]
        batches = cut_batches(sorted(encoded, key=len), self.config.batch_tokens)
        Random(f"{self.config.seed}:pool:{number}").shuffle(batches)
        return batches

    # -- results -------------------------------------------------------------------------------------------------

    def evaluate(self, rows: int | None = None) -> dict[str, Any]:
        """Evaluate on held-out rows and log the figures."""
        figures = evaluate_base(self.model, self.tokenizer, rows or self.config.evaluation_rows).as_dict()
        self.log({"evaluation": figures})
        return figures

    def export(self, final: bool) -> dict[str, Any]:
        """Write the model as it stands to `base_dir`, with its figures."""
        evaluation = self.evaluate(self.config.final_evaluation_rows if final else None)
        facts = {
            "status": "final" if final else "preliminary",
            "tokens": self.progress.tokens,
            "steps": self.progress.step,
            "training_seconds": round(self.progress.seconds),
            "seed": self.config.seed,
            "shape": shape_facts(self.config.shape),
            "config": _identity(self.config),
            "settings": [
                {"from_step": record["step"], **record["settings"]}
                for record in read_log(self.config.run_dir)
                if "settings" in record
            ],
            "evaluation": evaluation,
        }
        card = render_card(self.config.base_dir.name, facts, read_log(self.config.run_dir))
        return write_base(self.config.base_dir, self.model, self.tokenizer, facts, card)


def cut_batches(rows: list[list[int]], batch_tokens: int) -> list[list[list[int]]]:
    """Cut rows sorted by length into batches whose padded size stays near `batch_tokens`."""
    batches: list[list[list[int]]] = []
    current: list[list[int]] = []
    for row in rows:
        if current and (len(current) + 1) * len(row) > batch_tokens:
            batches.append(current)
            current = []
        current.append(row)
    return [*batches, current] if current else batches


def read_log(run_dir: Path) -> list[dict[str, Any]]:
    """Return the records of a run's log."""
    path = run_dir / "log.jsonl"
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def _tokenizer(config: PretrainConfig) -> PreTrainedTokenizerFast:
    """Return the run's tokenizer; it is trained once per run folder."""
    folder = config.run_dir / "tokenizer"
    if not (folder / "tokenizer.json").is_file():
        texts = (row_at(config.seed + 1, position).text for position in range(config.tokenizer_rows))
        train_tokenizer(texts, config.vocabulary).save_pretrained(folder)
    return load_tokenizer(folder)


def _parameter_groups(model: LlamaForCausalLM, weight_decay: float) -> list[dict[str, Any]]:
    matrices = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    others = [parameter for parameter in model.parameters() if parameter.dim() <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def _identity(config: PretrainConfig) -> dict[str, Any]:
    """Return what a checkpoint is tied to; bounds, batch size and rates may change on resuming, and are logged."""
    kept = ("seed", "vocabulary", "tokenizer_rows", "pool_rows", "bf16")
    return {name: getattr(config, name) for name in kept} | {"shape": shape_facts(config.shape)}


def _padded(
    rows: list[list[int]], tokenizer: PreTrainedTokenizerFast, prompt_weight: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token ids and each token's weight in the loss; padding weighs nothing."""
    import torch

    width = max(len(row) for row in rows)
    answer = tokenizer.convert_tokens_to_ids(ANSWER_TOKEN)
    ids = torch.full((len(rows), width), int(tokenizer.pad_token_id))
    weights = torch.zeros(len(rows), width)
    for index, row in enumerate(rows):
        prompt = row.index(answer) + 1 if answer in row else 0
        ids[index, : len(row)] = torch.tensor(row)
        weights[index, : len(row)] = 1.0
        weights[index, :prompt] = prompt_weight
    return ids, weights


def _settings(config: PretrainConfig) -> dict[str, Any]:
    """Return what else shapes the weights, for the log."""
    names = (
        "batch_tokens",
        "drill_pools",
        "prompt_weight",
        "learning_rate",
        "warmup_share",
        "weight_decay",
        "clip",
        "minutes",
        "tokens",
    )
    return {name: getattr(config, name) for name in names}


def held_out_briefs(folder: Path) -> tuple[str, ...]:
    """Return the texts of all briefs in a folder, which training must not contain."""
    return tuple(path.read_text(encoding="utf-8").strip() for path in sorted(folder.glob("*.txt")))


def main(arguments: list[str] | None = None) -> None:
    """Command line of pretraining."""
    parser = argparse.ArgumentParser(prog="python -m rmn_pipeline.lora.pretrain", description=__doc__)
    parser.add_argument(
        "--run-dir", type=Path, default=Path("data/lake/pretrain") / BASE_NAME, help="checkpoints and log"
    )
    parser.add_argument(
        "--base-dir", type=Path, default=Path("adapters/base") / BASE_NAME, help="where the model goes"
    )
    parser.add_argument(
        "--briefs", type=Path, default=Path("data/briefs"), help="briefs that must not be trained on"
    )
    parser.add_argument("--profile", choices=("default", "smoke"), default="default")
    parser.add_argument("--minutes", type=float, help="bound of the training time")
    parser.add_argument("--tokens", type=int, help="bound of the tokens seen")
    parser.add_argument("--batch-tokens", type=int, help="padded tokens per optimizer step")
    parser.add_argument(
        "--drill-pools", type=int, nargs=2, help="first pool of drills alone, and the one after them"
    )
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seed", type=int)
    given = parser.parse_args(arguments)
    make = PretrainConfig.smoke if given.profile == "smoke" else PretrainConfig
    config = make(run_dir=given.run_dir, base_dir=given.base_dir)
    chosen = {name: getattr(given, name) for name in ("minutes", "tokens", "batch_tokens", "threads", "seed")}
    if given.drill_pools:
        chosen["drill_pools"] = tuple(given.drill_pools)
    config = replace(
        config,
        held_out_texts=held_out_briefs(given.briefs),
        **{k: v for k, v in chosen.items() if v is not None},
    )
    result = pretrain(config)
    print(f"{result.tokens} tokens in {result.seconds / 60:.1f} minutes -> {result.base_dir}")


if __name__ == "__main__":
    main()
