"""What goes over the wire: requests and answers of the runtime's own endpoint and of the OpenAI-compatible ones."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Task = Literal["mapping", "planning", "creative", "measurement", "definition"]
Mode = Literal["full_data", "clean_room"]
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]


def _sendable(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError("holds half of a surrogate pair, which is no text") from error
    return text


# Below this, dividing by the temperature overflows, and the likeliest token wins anyway.
LOWEST_TEMPERATURE = 0.01


def _usable(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError("must be a number")
    return number if number >= LOWEST_TEMPERATURE else 0.0


Text = Annotated[str, AfterValidator(_sendable)]
Temperature = Annotated[float, Field(ge=0, le=2), AfterValidator(_usable)]


class Message(BaseModel):
    """One message of a conversation."""

    model_config = ConfigDict(frozen=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: Text


def prompt_of(messages: list[Message]) -> str:
    """The models know one turn: what the user said last, after what the system says."""
    said = [message.content for message in messages if message.role in ("system", "developer")]
    asked = [message.content for message in messages if message.role == "user"]
    return "\n".join([*said, *asked[-1:]])


class InferenceRequest(BaseModel):
    """`POST /inference`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    messages: list[Message] = Field(min_length=1, max_length=50)
    task: Task
    retailer_id: Identifier | None = None
    brand_id: Identifier | None = None
    mode: Mode = "full_data"
    max_tokens: int | None = Field(default=None, ge=1)
    temperature: Temperature = 0.0
    adapters: list[Identifier] | None = Field(
        default=None,
        max_length=8,
        description="Adapter ids, from the ground up; unset: what task and tenants call for.",
    )


class Usage(BaseModel):
    """Tokens of the prompt and of the answer."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class InferenceResponse(BaseModel):
    """The answer; a tool call may be acted upon only while `needs_confirmation` is empty."""

    id: str
    text: str
    tool_call: dict[str, Any] | None
    needs_confirmation: list[str]
    adapters_used: list[str]
    composition_digest: str
    usage: Usage


class AdapterDescription(BaseModel):
    """An adapter that the caller may use."""

    adapter_id: str
    kind: str
    subject_id: str | None
    weights_digest: str


class Health(BaseModel):
    """The process answers, and how much waits."""

    status: Literal["ok"]
    pending: int


class ErrorDetail(BaseModel):
    """What went wrong, in OpenAI's shape."""

    message: str
    type: str
    code: str


class ErrorResponse(BaseModel):
    """The body of every refusal."""

    error: ErrorDetail


class StreamOptions(BaseModel):
    """Whether the last piece of a stream carries the token counts."""

    include_usage: bool = False


class ChatRequest(BaseModel):
    """`POST /v1/chat/completions`. Fields of the protocol that the models have no use for are accepted and ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    model: str = Field(
        min_length=1, max_length=200, description="A composition, such as planning@alpha+brand_x."
    )
    messages: list[Message] = Field(min_length=1, max_length=50)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: Temperature | None = None
    n: Literal[1] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None


class ChatMessage(BaseModel):
    """The answer's text."""

    role: Literal["assistant"] = "assistant"
    content: str


class Choice(BaseModel):
    """The one answer."""

    index: int = 0
    message: ChatMessage
    finish_reason: Literal["stop", "length"]


class ChatCompletion(BaseModel):
    """An answer in OpenAI's shape, with what the federation says about it beside."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    adapters_used: list[str]
    composition_digest: str
    needs_confirmation: list[str]


class ModelCard(BaseModel):
    """A composition that the caller may name."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "rmn_pipeline"


class ModelList(BaseModel):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[ModelCard]
