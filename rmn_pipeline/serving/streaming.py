"""An answer piece by piece, as server-sent events in OpenAI's shape."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from rmn_pipeline.serving.engine import Answer, Ask, Engine


class ListenerGoneError(Exception):
    """The client has hung up; raised into the generation, which ends with it."""


class TextFlow:
    """Pieces of an answer on their way from the engine's thread to the client."""

    def __init__(self, engine: Engine, ask: Ask) -> None:
        loop = asyncio.get_running_loop()
        self._pieces: asyncio.Queue[str | None] = asyncio.Queue()
        self._gone = False

        def on_text(text: str) -> None:
            if self._gone:
                raise ListenerGoneError
            loop.call_soon_threadsafe(self._pieces.put_nowait, text)

        self._answer = asyncio.create_task(engine.answer(replace(ask, on_text=on_text)))
        self._answer.add_done_callback(lambda _: self._pieces.put_nowait(None))

    async def first(self) -> str | None:
        """The first piece, or None where there is none; raises what refused the ask, before anything was sent."""
        piece = await self._pieces.get()
        if piece is None and self._answer.exception() is not None:
            await self._answer
        return piece

    async def rest(self) -> AsyncIterator[str]:
        """All further pieces."""
        while (piece := await self._pieces.get()) is not None:
            yield piece

    async def answer(self) -> Answer:
        """The whole answer, once it is there."""
        return await self._answer

    def hang_up(self) -> None:
        """Nobody listens any more."""
        self._gone = True
        if not self._answer.done():
            self._answer.cancel()


def event(content: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n".encode()


DONE = b"data: [DONE]\n\n"


def chunk(identifier: str, model: str, **choice: Any) -> dict[str, Any]:
    """A piece in OpenAI's shape."""
    return {
        "id": identifier,
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "delta": {}, "finish_reason": None, **choice}] if choice else [],
    }
