"""What answers: one interface over the model in this process and servers elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol


class OverloadedError(Exception):
    """No room for another request; try again after so many seconds."""

    def __init__(self, retry_after_seconds: int, reason: str) -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds


class UnknownCompositionError(Exception):
    """An adapter that the request calls for is not there, or its mode may not load it."""


class UnusableRequestError(Exception):
    """A request that no model could answer: a prompt longer than its context."""


@dataclass(frozen=True)
class Ask:
    """A request that was let in: what to answer, with which adapters, within which limits."""

    prompt: str
    task: str
    retailer_id: str | None = None
    brand_id: str | None = None
    mode: str = "full_data"
    adapters: tuple[str, ...] | None = None
    max_tokens: int = 192
    temperature: float = 0.0
    #: Gets the text of a free-text answer while it is written; called from another thread.
    on_text: Callable[[str], None] | None = field(default=None, compare=False)

    @property
    def batch_key(self) -> tuple[object, ...] | None:
        """Asks with equal keys may be answered in one batch; None is answered alone."""
        if self.on_text is not None or self.temperature > 0:
            return None
        tenants = (self.retailer_id, self.brand_id)
        return (self.task, *tenants, self.mode, self.adapters, self.max_tokens)


@dataclass(frozen=True)
class Answer:
    """A text, how it was come by, and what a person must confirm before it is acted upon."""

    text: str
    tool_call: dict[str, Any] | None
    needs_confirmation: tuple[str, ...]
    adapters_used: tuple[str, ...]
    composition_digest: str
    prompt_tokens: int
    completion_tokens: int
    finished: bool = True


@dataclass(frozen=True)
class AdapterInfo:
    """An adapter that the engine can load."""

    adapter_id: str
    kind: str
    subject_id: str | None
    weights_digest: str


class Engine(Protocol):
    """Answers asks. Whoever calls it has already decided that the tenant may use the adapters."""

    def adapters(self) -> tuple[AdapterInfo, ...]:
        """The adapters that can be composed."""

    def adapters_for(self, ask: Ask) -> tuple[str, ...]:
        """The ids that would answer.

        Raises:
            UnknownCompositionError: there is no such composition.
        """

    async def answer(self, ask: Ask) -> Answer:
        """Answer one ask.

        Raises:
            OverloadedError: too much is waiting.
            UnknownCompositionError: an adapter is not there.
            UnusableRequestError: the prompt does not fit.
            TimeoutError: it took too long.
        """

    async def close(self) -> None:
        """Answer what was accepted, and take no more."""
