"""QLoRA training of one adapter on frozen parents: TRL's SFTTrainer, 4-bit NF4, loss on completions only.

Every step trains the child over one of the declared parent stacks (stack sampling): a child that met only one
combination of parents disturbs the others when it is composed with them. Batches are drawn from rows that do not
contradict the step's stack, in an order that depends on the seed alone.

torch, transformers, peft and trl are imported inside the functions.
"""

from __future__ import annotations

import ast
import functools
import gc
import hashlib
import importlib.metadata
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rmn_pipeline.lora.manifest import (
    WEIGHTS_NAME,
    AdapterError,
    AdapterManifest,
    ParentReference,
    TrainingMetrics,
    file_digest,
    load_manifest,
    provenance_key,
    write_manifest,
)
from rmn_pipeline.lora.quantize import (
    LoadedBase,
    base_digest,
    limited_threads,
    load_base,
    prepare_environment,
    require_trainable_layout,
    tokenizer_digest,
)
from rmn_pipeline.lora.schedule import Example, Schedule, default_stacks, plan_steps, tokenize_rows
from rmn_pipeline.lora.stack import compose_exactly, load_adapter_weights, lora_model
from rmn_pipeline.lora.training_config import (
    AdapterTrainingConfig,
    Profile,
    Progress,
    Stack,
    TrainingProgress,
    TrainingRows,
)

__all__ = [
    "AdapterTrainingConfig",
    "Profile",
    "TrainingProgress",
    "TrainingRows",
    "code_version",
    "default_stacks",
    "train_adapter",
]

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import TrainerCallback

_CHILD = "child"
_LIBRARIES = ("torch", "transformers", "peft", "trl", "bitsandbytes")
# The files whose meaning decides an adapter's weights; a change in any of them retrains.
_CODE_FILES = ("train.py", "training_config.py", "schedule.py", "stack.py", "quantize.py", "prompts.py")


@dataclass(frozen=True)
class _Parent:
    path: Path
    manifest: AdapterManifest


@dataclass
class _LossLog:
    losses: list[float] = field(default_factory=list)
    tokens: int = 0
    started: float = field(default_factory=time.perf_counter)


def train_adapter(
    config: AdapterTrainingConfig,
    training_set: TrainingRows,
    *,
    parents: Sequence[Path | str],
    base_dir: Path | str,
    out_dir: Path | str,
    progress: Progress | None = None,
) -> AdapterManifest:
    """Train one adapter on its frozen parents and put it into `out_dir`, or reuse it when nothing has changed.

    `out_dir` is the adapter's own folder, `adapters/<kind>/<adapter_id>`; it appears complete or not at all.

    Raises:
        AdapterError: a parent is broken or of another base, a stack names an unknown parent, no row is usable, or
            training changed something else than the child.
    """
    known_parents = [_load_parent(path, base_digest(base_dir)) for path in parents]
    stacks = _checked_stacks(config, training_set.kind, known_parents)
    draft = _ManifestDraft(config, training_set, known_parents, stacks, Path(base_dir))
    reusable = _reusable(Path(out_dir), draft)
    if reusable is not None:
        if progress is not None:
            steps, loss = reusable.metrics.steps, reusable.metrics.final_loss
            progress(TrainingProgress(reusable.adapter_id, steps, steps, loss, 0.0, 0.0, reused=True))
        return reusable
    prepare_environment()
    with limited_threads(config.threads):
        manifest = _train(draft, Path(out_dir), progress)
    # Trainer, model and callbacks refer to one another; a process that trains ten adapters must not hold ten bases.
    gc.collect()
    return manifest


@functools.lru_cache(maxsize=1)
def code_version() -> str:
    """Return the digest of the training code's meaning; comments and layout do not count."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for name in _CODE_FILES:
        digest.update(ast.dump(ast.parse((folder / name).read_text(encoding="utf-8"))).encode())
    return digest.hexdigest()


# --- provenance ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _ManifestDraft:
    """All that is known of a manifest before training."""

    config: AdapterTrainingConfig
    training_set: TrainingRows
    parents: Sequence[_Parent]
    stacks: tuple[Stack, ...]
    base_dir: Path

    @property
    def parent_references(self) -> tuple[ParentReference, ...]:
        return tuple(
            ParentReference(adapter_id=parent.manifest.adapter_id, digest=parent.manifest.weights_digest)
            for parent in self.parents
        )

    def provenance(self) -> dict[str, Any]:
        return {
            "adapter_id": self.training_set.adapter_id,
            "base_digest": base_digest(self.base_dir),
            "tokenizer_digest": tokenizer_digest(self.base_dir),
            "parents": self.parent_references,
            "trained_stacks": self.stacks,
            "dataset_fingerprint": self.training_set.fingerprint,
            "config": self.config.provenance(),
            "code_version": code_version(),
        }

    def manifest(self, weights_digest: str, metrics: TrainingMetrics) -> AdapterManifest:
        kind = self.training_set.kind
        return AdapterManifest(
            **self.provenance(),
            kind=kind,
            subject_id=_subject(kind, self.training_set.adapter_id),
            base_name=self.base_dir.name,
            library_versions={name: importlib.metadata.version(name) for name in _LIBRARIES},
            weights_digest=weights_digest,
            metrics=metrics,
            created_at=datetime.now(UTC),
        )


def _subject(kind: str, adapter_id: str) -> str | None:
    prefix = f"{kind}_"
    tenanted = kind in ("retailer", "manufacturer") and adapter_id.startswith(prefix)
    return adapter_id.removeprefix(prefix) if tenanted else None


def _load_parent(path: Path | str, digest: str) -> _Parent:
    return _Parent(Path(path), load_manifest(path, expected_base_digest=digest))


def _checked_stacks(
    config: AdapterTrainingConfig, kind: str, parents: Sequence[_Parent]
) -> tuple[Stack, ...]:
    known = {parent.manifest.adapter_id for parent in parents}
    if not config.stacks:
        return default_stacks(kind, [parent.manifest for parent in parents])
    unknown = sorted({name for stack in config.stacks for name in stack} - known)
    if unknown:
        raise AdapterError(
            f"the configured stacks name {', '.join(unknown)}, which are not among the parents "
            f"({', '.join(sorted(known)) or 'none'}); pass their folders in `parents`"
        )
    return config.stacks


def _reusable(out_dir: Path, draft: _ManifestDraft) -> AdapterManifest | None:
    """Return the manifest in place when it has the same provenance; anything else there is trained over."""
    try:
        manifest = load_manifest(out_dir)
    except AdapterError:
        return None
    same = manifest.provenance_key() == provenance_key(**draft.provenance())
    return manifest.as_reused() if same else None


# --- training --------------------------------------------------------------------------------------------------


def _train(draft: _ManifestDraft, out_dir: Path, progress: Progress | None) -> AdapterManifest:
    config, adapter_id = draft.config, draft.training_set.adapter_id
    wall, cpu = time.perf_counter(), time.process_time()
    base = load_base(draft.base_dir, config.quantization, dtype=config.dtype, device=config.device)
    require_trainable_layout(base.model)
    examples, too_long = tokenize_rows(draft.training_set.rows, base, config.max_length)
    if not examples:
        raise AdapterError(
            f"{adapter_id}: no training row fits into {config.max_length} tokens ({too_long} are longer); "
            "raise max_length or build the training set anew"
        )
    schedule = plan_steps(
        examples,
        draft.stacks,
        {parent.manifest.adapter_id: parent.manifest for parent in draft.parents},
        steps=config.steps,
        batch_size=config.batch_size,
        seed=config.seed,
    )
    model, active = _child_on_parents(base, draft)
    before = _frozen_digests(model)
    child_before = _child_state(model)
    log = _LossLog()
    _run_trainer(
        model, base, config, examples, schedule, active, _reporter(adapter_id, config, log, progress)
    )
    _require_only_child_changed(adapter_id, before, _frozen_digests(model), child_before, _child_state(model))
    metrics = TrainingMetrics(
        steps=config.steps,
        rows=len(examples),
        rows_too_long=too_long,
        tokens=log.tokens,
        trainable_parameters=sum(tensor.numel() for tensor in child_before.values()),
        first_loss=log.losses[0],
        final_loss=sum(log.losses[-5:]) / len(log.losses[-5:]),
        loss_curve=tuple(round(loss, 5) for loss in log.losses),
        seconds=round(time.perf_counter() - wall, 3),
        cpu_seconds=round(time.process_time() - cpu, 3),
        tokens_per_second=round(log.tokens / (time.perf_counter() - log.started), 1),
    )
    return _store(model, draft, metrics, out_dir)


def _child_on_parents(base: LoadedBase, draft: _ManifestDraft) -> tuple[PeftModel, dict[Stack, list[str]]]:
    """Return the model with a fresh child, and per stack the adapters to activate.

    Each stack's parents are composed once into one frozen adapter: exactly their sum, and one pass instead of
    several in every step.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    config = draft.config
    lora = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=config.target_modules,
        bias="none",
        task_type="CAUSAL_LM",
    )
    if not draft.parents:
        torch.manual_seed(config.seed)
        return get_peft_model(base.model, lora, adapter_name=_CHILD), {(): [_CHILD]}
    model: Any = base.model
    for parent in draft.parents:
        model = load_adapter_weights(model, parent.path, parent.manifest.adapter_id)
    active: dict[Stack, list[str]] = {}
    for number, stack in enumerate(draft.stacks):
        active[stack] = [*stack, _CHILD]
        if len(stack) > 1:
            composite = f"parents_{number}"
            compose_exactly(model, stack, composite)
            active[stack] = [composite, _CHILD]
    # Frozen parents compute in the base's own type: they take no update that its precision could lose.
    compute = getattr(torch, base.dtype)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.to(compute)
    torch.manual_seed(config.seed)
    model.add_adapter(_CHILD, lora)
    return model, active


def _run_trainer(
    model: PeftModel,
    base: LoadedBase,
    config: AdapterTrainingConfig,
    examples: Sequence[Example],
    schedule: Schedule,
    active: dict[Stack, list[str]],
    reporter: TrainerCallback,
) -> None:
    import torch
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl import SFTTrainer

    ordered = [examples[index] for index in schedule.examples]
    dataset = Dataset.from_dict(
        {
            "input_ids": [example.input_ids for example in ordered],
            "labels": [example.labels for example in ordered],
        }
    )
    _activate(model, active[schedule.stacks[0]])
    with tempfile.TemporaryDirectory(prefix="adapter_training_") as scratch:
        trainer = SFTTrainer(
            model=model,
            args=_trainer_arguments(config, scratch),
            train_dataset=dataset,
            processing_class=base.tokenizer,
            callbacks=[_stack_callback(model, active, schedule), reporter],
        )
        trainer.remove_callback(PrinterCallback)
        for name, parameter in model.named_parameters():
            # TRL casts trainable weights of a quantized model to bfloat16, where small late updates round to
            # nothing. They are few, so they train in float32.
            if f".{_CHILD}." in name:
                parameter.data = parameter.data.to(torch.float32)
        trainer.train()


def _trainer_arguments(config: AdapterTrainingConfig, scratch: str) -> Any:
    from trl import SFTConfig

    on_cpu = config.device == "cpu"
    return SFTConfig(
        output_dir=scratch,
        max_steps=config.steps,
        per_device_train_batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        warmup_steps=config.warmup_steps,
        lr_scheduler_type="linear",
        optim="adamw_torch",
        weight_decay=0.0,
        max_grad_norm=1.0,
        seed=config.seed,
        data_seed=config.seed,
        # The schedule fixes the order of rows, so that a step's batch fits the step's stack.
        shuffle_dataset=False,
        train_sampling_strategy="sequential",
        # Already cut to length by `_tokenize`; None keeps TRL from truncating again.
        max_length=None,
        packing=False,
        use_cpu=on_cpu,
        # Left unset, bf16 becomes True and raises on a CPU; the compute type is the loaded model's own.
        bf16=False,
        fp16=False,
        gradient_checkpointing=False,
        dataloader_num_workers=0,
        dataloader_pin_memory=not on_cpu,
        logging_steps=1,
        logging_first_step=True,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def _activate(model: PeftModel, names: Sequence[str]) -> None:
    """Make these adapters answer and only the child trainable; PEFT would make every listed one trainable."""
    lora_model(model).set_adapter(list(names), inference_mode=True)
    lora_model(model).set_requires_grad(_CHILD, requires_grad=True)


def _stack_callback(model: PeftModel, active: dict[Stack, list[str]], schedule: Schedule) -> TrainerCallback:
    from transformers import TrainerCallback

    class StackSampling(TrainerCallback):
        """Activates the scheduled stack before every step."""

        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            _activate(model, active[schedule.stacks[state.global_step]])

    return StackSampling()


def _reporter(
    adapter_id: str, config: AdapterTrainingConfig, log: _LossLog, progress: Progress | None
) -> TrainerCallback:
    from transformers import TrainerCallback

    class Reporter(TrainerCallback):
        """Keeps the loss curve and passes progress on."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            log.started = time.perf_counter()

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            if not logs or "loss" not in logs:
                return
            log.losses.append(float(logs["loss"]))
            log.tokens = int(logs.get("num_tokens", log.tokens))
            if progress is not None:
                elapsed = max(time.perf_counter() - log.started, 1e-9)
                left = elapsed / state.global_step * (config.steps - state.global_step)
                progress(
                    TrainingProgress(
                        adapter_id,
                        state.global_step,
                        config.steps,
                        log.losses[-1],
                        log.tokens / elapsed,
                        left,
                    )
                )

    return Reporter()


# --- what changed, and storing it ------------------------------------------------------------------------------


def _frozen_digests(model: PeftModel) -> dict[str, str]:
    """Return a digest per tensor that training must leave alone: the base and every parent."""
    import torch

    return {
        name: hashlib.blake2b(
            parameter.detach().contiguous().cpu().view(-1).view(torch.uint8).numpy().tobytes()
        ).hexdigest()
        for name, parameter in model.named_parameters()
        if f".{_CHILD}." not in name
    }


def _child_state(model: PeftModel) -> dict[str, Any]:
    from peft import get_peft_model_state_dict

    state = get_peft_model_state_dict(model, adapter_name=_CHILD)
    return {name: tensor.detach().cpu().float().clone().contiguous() for name, tensor in state.items()}


def _require_only_child_changed(
    adapter_id: str,
    before: dict[str, str],
    after: dict[str, str],
    child_before: dict[str, Any],
    child_after: dict[str, Any],
) -> None:
    import torch

    moved = sorted(name for name in before if before[name] != after.get(name))
    if moved:
        raise AdapterError(
            f"{adapter_id}: training changed {len(moved)} frozen tensors, {moved[0]} among them; nothing was saved"
        )
    if all(torch.equal(child_before[name], child_after[name]) for name in child_before):
        raise AdapterError(f"{adapter_id}: training left the adapter as it was; nothing was saved")
    if not all(torch.isfinite(tensor).all() for tensor in child_after.values()):
        raise AdapterError(
            f"{adapter_id}: training diverged (weights are not finite); lower the learning rate"
        )


def _store(
    model: PeftModel, draft: _ManifestDraft, metrics: TrainingMetrics, out_dir: Path
) -> AdapterManifest:
    """Write weights, configuration and manifest beside the target and move them into place at once."""
    from safetensors.torch import save_file

    out_dir.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{out_dir.name}.", dir=out_dir.parent))
    try:
        save_file(_child_state(model), temporary / WEIGHTS_NAME, metadata={"format": "pt"})
        peft_config = model.peft_config[_CHILD]
        # The folder's name, not its path: the same adapter must have the same files on every machine.
        peft_config.base_model_name_or_path = draft.base_dir.name
        peft_config.inference_mode = True
        peft_config.save_pretrained(str(temporary))
        manifest = draft.manifest(file_digest(temporary / WEIGHTS_NAME), metrics)
        write_manifest(temporary, manifest)
        temporary.chmod(0o755)
        _replace_folder(temporary, out_dir)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return manifest


def _replace_folder(new: Path, target: Path) -> None:
    """Put a finished folder in the place of the old one; a folder cannot be renamed over one that has files."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)
