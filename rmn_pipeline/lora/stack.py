"""Exact composition of adapters: one base, many adapters, the sum of their deltas along a stack.

Composition is PEFT's `cat`: the A and B matrices are concatenated, so the composite's delta is exactly the sum of
the members' deltas. The other operators are approximations (svd) or add cross terms (linear, ties, dare) and were
measured not to keep what the members know.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rmn_pipeline.lora.manifest import AdapterError, AdapterManifest, load_manifest
from rmn_pipeline.lora.quantize import LoadedBase, Quantization, base_digest, load_base

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Composites are a few MB each on the shipped base; more than this many distinct stacks at once is unusual.
MAX_COMPOSITES = 8
_NARROW_WIDTH = 512


@dataclass(frozen=True)
class StackMember:
    """One adapter of a stack: where it lies and what its manifest says."""

    path: Path
    manifest: AdapterManifest

    @property
    def adapter_id(self) -> str:
        """The adapter's id."""
        return self.manifest.adapter_id


@dataclass(frozen=True)
class Composition:
    """Which adapters answer now, and what it took to make them.

    `untrained_over` names members that never trained over exactly the members below them: such an answer is less
    certain, because siblings that never met in training can disturb one another.
    """

    digest: str
    adapter_ids: tuple[str, ...]
    adapter_digests: tuple[str, ...]
    untrained_over: tuple[str, ...]
    seconds: float
    cached: bool


@dataclass
class AdapterStack:
    """A base model on which stacks of adapters are composed and activated.

    Not thread-safe: a composition is active for the whole model, so callers that share one take a lock.
    """

    base: LoadedBase
    base_dir: Path
    digest: str
    threads: int
    max_composites: int = MAX_COMPOSITES
    _peft: PeftModel | None = None
    _loaded: dict[str, str] = field(default_factory=dict)
    _composites: OrderedDict[str, str] = field(default_factory=OrderedDict)

    @classmethod
    def open(
        cls,
        base_dir: Path | str,
        quantization: Quantization = "nf4_dequantized",
        *,
        dtype: str = "float32",
        device: str = "cpu",
    ) -> AdapterStack:
        """Load the base for inference. float32 decodes fastest at these widths on a CPU; use `auto` on a GPU."""
        base = load_base(base_dir, quantization, dtype=dtype, device=device)
        base.model.eval()
        return cls(
            base=base,
            base_dir=Path(base_dir),
            digest=base_digest(base_dir),
            threads=_decoding_threads(base),
        )

    @property
    def model(self) -> PreTrainedModel | PeftModel:
        """The model, with whatever stack was activated last."""
        return self.base.model if self._peft is None else self._peft

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The base's tokenizer."""
        return self.base.tokenizer

    def member(self, adapter_dir: Path | str) -> StackMember:
        """Return a checked adapter of this base.

        Raises:
            AdapterError: the adapter is broken or belongs to another base.
        """
        folder = Path(adapter_dir)
        return StackMember(folder, load_manifest(folder, expected_base_digest=self.digest))

    def activate(self, adapter_dirs: Sequence[Path | str]) -> Composition:
        """Make the sum of these adapters answer; none of them means the base alone.

        Raises:
            AdapterError: an adapter is broken, belongs to another base, or is named twice.
        """
        started = time.perf_counter()
        members = [self.member(path) for path in adapter_dirs]
        ids = tuple(member.adapter_id for member in members)
        if len(set(ids)) != len(ids):
            raise AdapterError(f"a stack names the same adapter twice: {', '.join(ids)}")
        digests = tuple(member.manifest.weights_digest for member in members)
        digest = hashlib.sha256("\n".join((self.digest, *digests)).encode()).hexdigest()
        cached = self._activate_members(members, digest)
        return Composition(
            digest=digest,
            adapter_ids=ids,
            adapter_digests=digests,
            untrained_over=_untrained_members(members),
            seconds=time.perf_counter() - started,
            cached=cached,
        )

    def _activate_members(self, members: Sequence[StackMember], digest: str) -> bool:
        if not members:
            if self._peft is not None:
                lora_model(self._peft).disable_adapter_layers()
            return True
        cached = digest in self._composites
        if not cached:
            self._composites[digest] = self._compose(members, digest)
        self._composites.move_to_end(digest)
        assert self._peft is not None
        lora_model(self._peft).enable_adapter_layers()
        lora_model(self._peft).set_adapter([self._composites[digest]], inference_mode=True)
        self._peft.eval()
        self._evict()
        return cached

    def _compose(self, members: Sequence[StackMember], digest: str) -> str:
        names = [self._load(member) for member in members]
        if len(names) == 1:
            return names[0]
        composite = f"stack_{digest[:16]}"
        assert self._peft is not None
        compose_exactly(self._peft, names, composite)
        return composite

    def _load(self, member: StackMember) -> str:
        name = f"{member.adapter_id.replace('.', '_')}_{member.manifest.weights_digest[:12]}"
        if name in self._loaded:
            return name
        self._peft = load_adapter_weights(self.model, member.path, name)
        self._loaded[name] = member.adapter_id
        return name

    def _evict(self) -> None:
        while len(self._composites) > self.max_composites:
            _, name = self._composites.popitem(last=False)
            if name.startswith("stack_") and self._peft is not None:
                self._peft.delete_adapter(name)


def _decoding_threads(base: LoadedBase) -> int:
    """Return the torch threads to decode with: below this width handing work over costs more than it saves."""
    import torch

    width = getattr(base.model.config, "hidden_size", 0)
    return 1 if width <= _NARROW_WIDTH else torch.get_num_threads()


def load_stack(
    base_dir: Path | str,
    adapter_dirs: Sequence[Path | str],
    quantization: Quantization = "nf4_dequantized",
    *,
    dtype: str = "float32",
    device: str = "cpu",
) -> AdapterStack:
    """Load a base and activate the exact sum of these adapters on it."""
    stack = AdapterStack.open(base_dir, quantization, dtype=dtype, device=device)
    stack.activate(adapter_dirs)
    return stack


def lora_model(model: PeftModel) -> Any:
    """Return the tuner inside a PEFT model: only there may several adapters be activated at once."""
    return model.base_model


def load_adapter_weights(model: Any, adapter_dir: Path, name: str) -> PeftModel:
    """Load a frozen adapter under a name onto a base or onto a model that already carries adapters."""
    from peft import PeftModel

    try:
        if isinstance(model, PeftModel):
            model.load_adapter(adapter_dir, adapter_name=name, is_trainable=False)
            return model
        return PeftModel.from_pretrained(model, adapter_dir, adapter_name=name, is_trainable=False)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise AdapterError(f"{adapter_dir}: the adapter does not fit the base: {error}") from error


def compose_exactly(model: PeftModel, names: Sequence[str], composite: str) -> None:
    """Add an adapter whose delta is exactly the sum of the named adapters' deltas."""
    lora_model(model).add_weighted_adapter(list(names), [1.0] * len(names), composite, combination_type="cat")


def _untrained_members(members: Sequence[StackMember]) -> tuple[str, ...]:
    ids = [member.adapter_id for member in members]
    return tuple(
        member.adapter_id
        for position, member in enumerate(members)
        if not member.manifest.was_trained_over(ids[:position])
    )
