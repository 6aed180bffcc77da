"""The default engine: the federation in this process, one composition at a time, batches of equal compositions.

A composition is active for the whole model, so exactly one thread touches the model. What waits is grouped: the oldest
ask goes next and takes along the waiting asks of its own composition. So compositions never mix, and none starves.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rmn_pipeline.federation import Federation, FederationError, Inference
from rmn_pipeline.federation.infer import CUT_OFF
from rmn_pipeline.lora.manifest import AdapterError
from rmn_pipeline.serving.engine import (
    AdapterInfo,
    Answer,
    Ask,
    OverloadedError,
    UnknownCompositionError,
    UnusableRequestError,
)
from rmn_pipeline.serving.settings import Limits


@dataclass(frozen=True)
class _Waiting:
    ask: Ask
    answer: asyncio.Future[Answer]
    deadline: float


class FederationEngine:
    """Answers with a `Federation` that nothing else uses; to be made inside a running event loop's application."""

    def __init__(self, federation: Federation, limits: Limits | None = None) -> None:
        self._federation = federation
        self._limits = limits or Limits()
        self._waiting: deque[_Waiting] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="federation")
        self._worker: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._closing = False
        self._at_work = 0
        #: Seconds that an answer took lately: what a rejected caller is told to wait.
        self._seconds_per_answer = 0.5

    @property
    def pending(self) -> int:
        """Asks that wait or are being answered."""
        return len(self._waiting) + self._at_work

    def adapters(self) -> tuple[AdapterInfo, ...]:
        """All usable adapters of the registry."""
        return tuple(
            AdapterInfo(name, found.manifest.kind, found.manifest.subject_id, found.manifest.weights_digest)
            for name, found in self._federation.registry.adapters.items()
        )

    def adapters_for(self, ask: Ask) -> tuple[str, ...]:
        """The ids that would answer; raises UnknownCompositionError."""
        try:
            return self._federation.adapters_for(
                task=ask.task,
                retailer_id=ask.retailer_id,
                brand_id=ask.brand_id,
                mode=ask.mode,
                adapters=ask.adapters,
            )
        except AdapterError as error:
            raise UnknownCompositionError(str(error)) from error

    async def answer(self, ask: Ask) -> Answer:
        """Answer one ask, after those before it; raises what `Engine.answer` says."""
        if self._closing:
            raise OverloadedError(5, "the runtime is shutting down")
        if self.pending >= self._limits.max_pending:
            wait = max(1, round(self.pending * self._seconds_per_answer))
            raise OverloadedError(wait, f"{self.pending} requests are waiting already")
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        seconds = self._limits.timeout_seconds
        waiting = _Waiting(ask, asyncio.get_running_loop().create_future(), time.monotonic() + seconds)
        self._waiting.append(waiting)
        self._news.set()
        # Somewhat longer than the generation itself may take, so that it ends first and says where it was cut off.
        return await asyncio.wait_for(waiting.answer, seconds * 1.2 + 1)

    async def close(self) -> None:
        """Answer what was accepted, and take no more."""
        self._closing = True
        self._news.set()
        if self._worker is not None:
            await self._worker
        self._thread.shutdown()

    async def _work(self) -> None:
        while self._waiting or not self._closing:
            batch = self._next_batch()
            if not batch:
                self._news.clear()
                await self._news.wait()
                continue
            self._at_work = len(batch)
            try:
                await self._serve(batch)
            finally:
                self._at_work = 0

    def _next_batch(self) -> list[_Waiting]:
        """The oldest ask that still has time, and waiting asks that can be answered along with it."""
        batch: list[_Waiting] = []
        later: deque[_Waiting] = deque()
        while self._waiting:
            waiting = self._waiting.popleft()
            if waiting.answer.done():
                continue
            if time.monotonic() > waiting.deadline:
                waiting.answer.set_exception(TimeoutError("it waited too long"))
            elif not batch or self._joins(batch, waiting):
                batch.append(waiting)
            else:
                later.append(waiting)
        self._waiting = later
        return batch

    def _joins(self, batch: list[_Waiting], waiting: _Waiting) -> bool:
        key = batch[0].ask.batch_key
        return key is not None and waiting.ask.batch_key == key and len(batch) < self._limits.max_batch

    async def _serve(self, batch: list[_Waiting]) -> None:
        started = time.monotonic()
        loop = asyncio.get_running_loop()
        try:
            answers = await loop.run_in_executor(self._thread, self._answer_batch, batch)
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to these callers, and the worker must go on
            await self._fail(batch, error)
            return
        self._seconds_per_answer += 0.2 * (
            (time.monotonic() - started) / len(batch) - self._seconds_per_answer
        )
        for waiting, answer in zip(batch, answers, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(answer)

    async def _fail(self, batch: list[_Waiting], error: Exception) -> None:
        """One bad prompt must not fail its neighbours: they are answered one by one."""
        if len(batch) > 1 and isinstance(error, FederationError):
            for waiting in batch:
                await self._serve([waiting])
            return
        for waiting in batch:
            if not waiting.answer.done():
                waiting.answer.set_exception(_translated(error))

    def _answer_batch(self, batch: list[_Waiting]) -> list[Answer]:
        ask = batch[0].ask
        left = max(0.05, min(waiting.deadline for waiting in batch) - time.monotonic())
        inferences = self._federation.infer_many(
            [waiting.ask.prompt for waiting in batch],
            task=ask.task,
            retailer_id=ask.retailer_id,
            brand_id=ask.brand_id,
            mode=ask.mode,
            adapters=ask.adapters,
            max_new_tokens=ask.max_tokens,
            temperature=ask.temperature,
            max_seconds=left,
            on_text=ask.on_text,
        )
        return [
            self._answer(waiting.ask, inference) for waiting, inference in zip(batch, inferences, strict=True)
        ]

    def _answer(self, ask: Ask, inference: Inference) -> Answer:
        tokenizer = self._federation.stack.tokenizer
        count = len(tokenizer(inference.text, add_special_tokens=False)["input_ids"])
        return Answer(
            text=inference.text,
            tool_call=inference.tool_call,
            needs_confirmation=inference.needs_confirmation,
            adapters_used=inference.adapters_used,
            composition_digest=inference.composition.digest,
            prompt_tokens=len(tokenizer(ask.prompt, add_special_tokens=False)["input_ids"]),
            completion_tokens=count,
            finished=count < ask.max_tokens and CUT_OFF not in inference.needs_confirmation,
        )


def _translated(error: Exception) -> Exception:
    if isinstance(error, AdapterError):
        return UnknownCompositionError(str(error))
    if isinstance(error, FederationError):
        return UnusableRequestError(str(error))
    return error
