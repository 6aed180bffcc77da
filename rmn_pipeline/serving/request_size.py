"""Requests that are too large are refused while they arrive, before anything holds them."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rmn_pipeline.serving.refusals import RefusalError


class RequestSizeLimit:
    """ASGI middleware: 413 for a body above the limit, whatever its headers say."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the whole body first: it is small, or refused."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await self._body(receive)
        if body is None:
            await self._refuse(send)
            return
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)

    async def _body(self, receive: Receive) -> bytes | None:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return b"".join(parts)
            size += len(message.get("body", b""))
            if size > self._max_bytes:
                return None
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                return b"".join(parts)

    async def _refuse(self, send: Send) -> None:
        refusal = RefusalError(
            413, "request_too_large", f"The request is larger than {self._max_bytes} bytes."
        )
        content = refusal.body.model_dump_json().encode()
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": content})
