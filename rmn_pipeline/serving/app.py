"""The application: routes, and nothing that could be decided without HTTP."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse

from rmn_pipeline.lora.prompts import TASKS
from rmn_pipeline.serving.access import may_use
from rmn_pipeline.serving.composition_names import CompositionName
from rmn_pipeline.serving.engine import (
    Answer,
    Ask,
    Engine,
    OverloadedError,
    UnknownCompositionError,
    UnusableRequestError,
)
from rmn_pipeline.serving.gate import Gate
from rmn_pipeline.serving.messages import (
    AdapterDescription,
    ChatCompletion,
    ChatMessage,
    ChatRequest,
    Choice,
    ErrorResponse,
    Health,
    InferenceRequest,
    InferenceResponse,
    ModelCard,
    ModelList,
    Usage,
    prompt_of,
)
from rmn_pipeline.serving.refusals import RefusalError, forbidden
from rmn_pipeline.serving.request_size import RequestSizeLimit
from rmn_pipeline.serving.settings import RuntimeSettings, Tenant
from rmn_pipeline.serving.streaming import DONE, ListenerGoneError, TextFlow, chunk, event
from rmn_pipeline.serving.telemetry import Telemetry

_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorResponse, "description": text}
    for status, text in {
        400: "Not JSON",
        401: "No valid key",
        403: "Not this key's composition",
        413: "Too large",
        422: "Not a valid request",
        429: "Too often, or too much at once; Retry-After says when to come back",
        503: "Too much is waiting; Retry-After says when to come back",
        504: "It took too long",
    }.items()
}


def create_app(settings: RuntimeSettings, engine: Engine) -> FastAPI:
    """The runtime over an engine. The application closes the engine when it shuts down, after the last answer."""
    runtime = _Runtime(settings, engine)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await engine.close()

    app = FastAPI(
        title="rmn_pipeline runtime",
        summary="Retail media adapters, composed per request, for many tenants.",
        lifespan=lifespan,
        responses=_REFUSALS,
    )
    app.add_middleware(RequestSizeLimit, max_bytes=settings.limits.max_request_bytes)
    app.state.runtime = runtime
    _add_error_answers(app, runtime)
    app.include_router(router)
    return app


class _Runtime:
    """What the routes share."""

    def __init__(self, settings: RuntimeSettings, engine: Engine) -> None:
        self.settings = settings
        self.engine = engine
        self.telemetry = Telemetry()
        self.gate = Gate(settings, engine, self.telemetry)

    def tokens(self, wanted: int | None) -> int:
        """As many as were asked for, and as the limits allow."""
        return min(wanted or self.settings.limits.max_tokens, self.settings.limits.max_tokens)

    async def answer(self, ask: Ask) -> Answer:
        """The engine's answer; its refusals in HTTP's words."""
        return await _in_http(self.engine.answer(ask))

    def finished(self, request: Request, tenant: Tenant, ask: Ask, answer: Answer, started: float) -> None:
        """Count and log an answered request."""
        self.telemetry.tokens(answer.prompt_tokens, answer.completion_tokens)
        self.telemetry.finished(
            request.url.path,
            200,
            started,
            tenant=tenant.tenant_id,
            task=ask.task,
            adapters=list(answer.adapters_used),
            composition=answer.composition_digest[:16],
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
            concerns=len(answer.needs_confirmation),
            prompt=ask.prompt if self.settings.log_prompts else None,
        )
        request.state.logged = True


async def _in_http(answering: Awaitable[Any]) -> Any:
    try:
        return await answering
    except OverloadedError as error:
        raise RefusalError(503, "overloaded", str(error), error.retry_after_seconds) from error
    except UnknownCompositionError as error:
        raise forbidden() from error
    except UnusableRequestError as error:
        raise RefusalError(422, "unusable_request", str(error)) from error
    except TimeoutError as error:
        raise RefusalError(504, "timeout", "No answer within the time limit.") from error


def _add_error_answers(app: FastAPI, runtime: _Runtime) -> None:
    def refuse(request: Request, refusal: RefusalError) -> JSONResponse:
        return JSONResponse(refusal.body.model_dump(), refusal.status, refusal.headers)

    @app.exception_handler(RefusalError)
    async def refused(request: Request, refusal: RefusalError) -> JSONResponse:
        return refuse(request, refusal)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "body") or "body"
        return refuse(request, RefusalError(422, "invalid_request", f"{where}: {first['msg']}"))

    @app.middleware("http")
    async def counted(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        started = time.monotonic()
        response = await call(request)
        if not getattr(request.state, "logged", False):
            route = request.scope.get("route")
            path = getattr(route, "path", "unknown")
            runtime.telemetry.finished(path, response.status_code, started)
        return response


def _runtime(request: Request) -> _Runtime:
    runtime: _Runtime = request.app.state.runtime
    return runtime


def _caller(request: Request, authorization: Annotated[str | None, Header()] = None) -> Tenant:
    return _runtime(request).gate.tenant(authorization)


Caller = Annotated[Tenant, Depends(_caller)]
Serving = Annotated[_Runtime, Depends(_runtime)]
router = APIRouter()


@router.post("/inference")
async def inference(
    request: Request, asked: InferenceRequest, tenant: Caller, runtime: Serving
) -> InferenceResponse:
    """Answer with the adapters that task and tenants call for, or with those that are named."""
    started = time.monotonic()
    ask = Ask(
        prompt=prompt_of(asked.messages),
        task=asked.task,
        retailer_id=asked.retailer_id,
        brand_id=asked.brand_id,
        mode=asked.mode,
        adapters=None if asked.adapters is None else tuple(asked.adapters),
        max_tokens=runtime.tokens(asked.max_tokens),
        temperature=asked.temperature,
    )
    runtime.gate.check(tenant, ask)
    with runtime.gate.admitted(tenant):
        answer = await runtime.answer(ask)
    runtime.finished(request, tenant, ask, answer, started)
    return InferenceResponse(
        id=f"inf-{uuid.uuid4().hex}",
        text=answer.text,
        tool_call=answer.tool_call,
        needs_confirmation=list(answer.needs_confirmation),
        adapters_used=list(answer.adapters_used),
        composition_digest=answer.composition_digest,
        usage=_usage(answer),
    )


@router.get("/adapters")
async def adapters(tenant: Caller, runtime: Serving) -> list[AdapterDescription]:
    """The adapters that this key may use."""
    return [
        AdapterDescription(
            adapter_id=adapter.adapter_id,
            kind=adapter.kind,
            subject_id=adapter.subject_id,
            weights_digest=adapter.weights_digest,
        )
        for adapter in runtime.engine.adapters()
        if may_use(tenant, adapter)
    ]


@router.get("/v1/models")
async def models(tenant: Caller) -> ModelList:
    """The compositions that this key may name."""
    return ModelList(data=[ModelCard(id=str(name)) for name in _names(tenant)])


@router.post(
    "/v1/chat/completions",
    response_model=ChatCompletion,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def chat(request: Request, asked: ChatRequest, tenant: Caller, runtime: Serving) -> Any:
    """Answer in OpenAI's shape; `model` names a composition, such as creative@alpha+brand_x."""
    started = time.monotonic()
    ask = _chat_ask(asked, runtime)
    runtime.gate.check(tenant, ask)
    if asked.stream:
        return await _streamed(request, asked, ask, tenant, runtime, started)
    with runtime.gate.admitted(tenant):
        answer = await runtime.answer(ask)
    runtime.finished(request, tenant, ask, answer, started)
    return _completion(asked.model, answer)


@router.get("/health")
async def health(runtime: Serving) -> Health:
    """Whether the process answers."""
    return Health(status="ok", pending=runtime.gate.pending)


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(runtime: Serving) -> PlainTextResponse:
    """Prometheus metrics."""
    return PlainTextResponse(runtime.telemetry.exposition(), media_type="text/plain; version=0.0.4")


def _names(tenant: Tenant) -> list[CompositionName]:
    retailers: list[str | None] = [None, *tenant.retailers]
    brands: list[str | None] = [None, *tenant.brands]
    return [
        CompositionName(task, retailer, brand) for task in TASKS for retailer in retailers for brand in brands
    ]


def _chat_ask(asked: ChatRequest, runtime: _Runtime) -> Ask:
    name = CompositionName.parse(asked.model)
    if name is None or name.task not in TASKS:
        raise forbidden()
    return Ask(
        prompt=prompt_of(asked.messages),
        task=name.task,
        retailer_id=name.retailer_id,
        brand_id=name.brand_id,
        mode=name.mode,
        max_tokens=runtime.tokens(asked.max_completion_tokens or asked.max_tokens),
        temperature=asked.temperature or 0.0,
    )


def _usage(answer: Answer) -> Usage:
    return Usage(
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        total_tokens=answer.prompt_tokens + answer.completion_tokens,
    )


def _completion(model: str, answer: Answer) -> ChatCompletion:
    return ChatCompletion(
        id=f"chatcmpl-{uuid.uuid4().hex}",
        created=int(time.time()),
        model=model,
        choices=[
            Choice(
                message=ChatMessage(content=answer.text),
                finish_reason="stop" if answer.finished else "length",
            )
        ],
        usage=_usage(answer),
        adapters_used=list(answer.adapters_used),
        composition_digest=answer.composition_digest,
        needs_confirmation=list(answer.needs_confirmation),
    )


async def _streamed(
    request: Request, asked: ChatRequest, ask: Ask, tenant: Tenant, runtime: _Runtime, started: float
) -> StreamingResponse:
    """A stream whose refusals still have their status: it begins when the first piece is there."""
    place = runtime.gate.admitted(tenant)
    place.__enter__()
    try:
        flow = TextFlow(runtime.engine, ask)
        first = await _in_http(flow.first())
    except BaseException:
        place.__exit__(None, None, None)
        raise
    request.state.logged = True

    async def events() -> AsyncIterator[bytes]:
        identifier = f"chatcmpl-{uuid.uuid4().hex}"
        try:
            yield event(chunk(identifier, asked.model, delta={"role": "assistant", "content": ""}))
            if first is not None:
                yield event(chunk(identifier, asked.model, delta={"content": first}))
                async for piece in flow.rest():
                    yield event(chunk(identifier, asked.model, delta={"content": piece}))
            async for last in _ending(flow, identifier, asked, told=first is not None):
                yield last
            runtime.finished(request, tenant, ask, await flow.answer(), started)
        finally:
            flow.hang_up()
            place.__exit__(None, None, None)

    return StreamingResponse(events(), media_type="text/event-stream")


async def _ending(flow: TextFlow, identifier: str, asked: ChatRequest, *, told: bool) -> AsyncIterator[bytes]:
    """The answer's text where none was streamed (a tool call is checked first), and how it ended."""
    try:
        answer: Answer = await _in_http(flow.answer())
    except (RefusalError, ListenerGoneError) as error:
        yield event({"error": {"message": str(error), "type": "server_error", "code": "stream_broken"}})
        return
    if not told:
        yield event(chunk(identifier, asked.model, delta={"content": answer.text}))
    reason = "stop" if answer.finished else "length"
    about = {
        "adapters_used": list(answer.adapters_used),
        "needs_confirmation": list(answer.needs_confirmation),
    }
    yield event(chunk(identifier, asked.model, finish_reason=reason) | about)
    if asked.stream_options is not None and asked.stream_options.include_usage:
        yield event(chunk(identifier, asked.model) | {"usage": _usage(answer).model_dump()})
    yield DONE
