"""How one adapter is trained: the settings of every kind and profile, and how progress is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Protocol

import polars as pl

from rmn_pipeline.lora.manifest import AdapterError
from rmn_pipeline.lora.quantize import Quantization

Profile = Literal["default", "smoke"]
Stack = tuple[str, ...]

_SMOKE_STEPS = 6
# Steps and learning rate per kind. Retailers and brands teach facts that the base cannot know, which takes a high
# rate; a task polishes what the base can already do, and above 1e-3 it was measured to forget its parents' tasks.
_DEFAULTS: dict[str, tuple[int, float]] = {
    "industry": (30, 1e-3),
    "retailer": (36, 3e-3),
    "manufacturer": (44, 3e-3),
    "task_planning": (36, 1e-3),
    "task_creative": (40, 1e-3),
    "task_measurement": (24, 1e-3),
}


class TrainingRows(Protocol):
    """What training reads of a training set."""

    @property
    def kind(self) -> str:
        """The adapter's kind."""

    @property
    def adapter_id(self) -> str:
        """The adapter's id."""

    @property
    def rows(self) -> pl.DataFrame:
        """Rows with task, prompt, completion, retailer_id, brand_id and split."""

    @property
    def fingerprint(self) -> str:
        """Digest of the rows."""


@dataclass(frozen=True)
class AdapterTrainingConfig:
    """How one adapter is trained.

    Args:
        rank: rank of the low-rank matrices; alpha scales them by alpha / rank.
        stacks: the parent combinations to train over, as tuples of adapter ids; empty means `default_stacks`.
        steps: optimizer steps; each is one batch over one stack.
        max_length: rows with more tokens are left out and counted, never cut.
        threads: torch threads; at the shipped base's width a second one costs more CPU time than it saves.
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    target_modules: str = "all-linear"
    stacks: tuple[Stack, ...] = ()
    steps: int = 60
    batch_size: int = 16
    learning_rate: float = 2e-3
    warmup_steps: int = 4
    max_length: int = 448
    seed: int = 7
    profile: Profile = "default"
    quantization: Quantization = "nf4"
    dtype: str = "auto"
    device: str = "cpu"
    threads: int = 1

    @classmethod
    def for_kind(
        cls, kind: str, *, profile: Profile = "default", quantization: Quantization = "nf4"
    ) -> AdapterTrainingConfig:
        """Return the settings of a profile for one kind of adapter.

        Raises:
            AdapterError: the kind or the profile is unknown.
        """
        if kind not in _DEFAULTS:
            raise AdapterError(f"unknown kind of adapter {kind!r}: use one of {', '.join(_DEFAULTS)}")
        if profile not in ("default", "smoke"):
            raise AdapterError(f"unknown training profile {profile!r}: use default or smoke")
        steps, learning_rate = _DEFAULTS[kind]
        config = cls(profile=profile, quantization=quantization, steps=steps, learning_rate=learning_rate)
        return config if profile == "default" else replace(config, steps=_SMOKE_STEPS, batch_size=8)

    def provenance(self) -> dict[str, Any]:
        """Return the settings that decide the weights, as plain JSON values."""
        values = {name: value for name, value in asdict(self).items() if name not in ("threads", "stacks")}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


@dataclass(frozen=True)
class TrainingProgress:
    """Where a training stands after a step."""

    adapter_id: str
    step: int
    steps: int
    loss: float
    tokens_per_second: float
    seconds_left: float
    reused: bool = False

    def __str__(self) -> str:
        if self.reused:
            return f"{self.adapter_id}: nothing changed since it was trained; reused"
        return (
            f"{self.adapter_id}: step {self.step}/{self.steps}, loss {self.loss:.4f}, "
            f"{self.tokens_per_second:,.0f} tokens/s, {self.seconds_left:.0f} s left"
        )


Progress = Callable[[TrainingProgress], None]
