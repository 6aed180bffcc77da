"""Text generation with a stack of adapters: greedy or sampled under a seed, in left-padded batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rmn_pipeline.federation.errors import FederationError
from rmn_pipeline.lora.quantize import end_text, limited_threads

if TYPE_CHECKING:
    import torch

    from rmn_pipeline.lora.stack import AdapterStack


@dataclass(frozen=True)
class Sampling:
    """How retries are drawn; greedy decoding takes none of it."""

    count: int = 1
    temperature: float = 0.7
    top_p: float = 0.95
    seed: int = 0


@dataclass(frozen=True)
class Generated:
    """One completion; `finished` is false when the token limit cut it off."""

    text: str
    tokens: int
    finished: bool


def generate_greedy(
    stack: AdapterStack,
    prompts: Sequence[str],
    *,
    max_new_tokens: int = 192,
    batch_size: int = 32,
    max_seconds: float | None = None,
) -> list[Generated]:
    """Continue rendered prompts with the most likely tokens, in the prompts' order.

    Prompts of similar length share a batch, which keeps padding short. `max_seconds` cuts a batch off, unfinished.

    Raises:
        FederationError: a prompt leaves no room in the model's context.
    """
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    answers: dict[int, Generated] = {}
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        batch = _generate(
            stack, [prompts[index] for index in chosen], max_new_tokens, None, max_seconds=max_seconds
        )
        answers.update(zip(chosen, batch, strict=True))
    return [answers[index] for index in range(len(prompts))]


def generate_samples(
    stack: AdapterStack,
    prompt: str,
    sampling: Sampling,
    *,
    max_new_tokens: int = 192,
    max_seconds: float | None = None,
) -> list[Generated]:
    """Draw `sampling.count` completions of one rendered prompt, the same ones for the same seed."""
    return _generate(stack, [prompt], max_new_tokens, sampling, max_seconds=max_seconds)


def generate_streaming(
    stack: AdapterStack,
    prompt: str,
    on_text: Callable[[str], None],
    *,
    sampling: Sampling | None = None,
    max_new_tokens: int = 192,
    max_seconds: float | None = None,
) -> Generated:
    """Continue one rendered prompt and hand each finished piece of text to `on_text` as it comes.

    What `on_text` raises ends the generation and comes out here: a listener that has gone away stops the work.
    """
    return _generate(stack, [prompt], max_new_tokens, sampling, max_seconds=max_seconds, on_text=on_text)[0]


def _streamer(tokenizer: Any, on_text: Callable[[str], None]) -> Any:
    from transformers import TextStreamer

    class Handing(TextStreamer):
        def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
            if text:
                on_text(text)

    return Handing(tokenizer, skip_prompt=True, skip_special_tokens=True)


def _generate(
    stack: AdapterStack,
    prompts: Sequence[str],
    max_new_tokens: int,
    sampling: Sampling | None,
    *,
    max_seconds: float | None = None,
    on_text: Callable[[str], None] | None = None,
) -> list[Generated]:
    import torch
    from transformers import GenerationConfig

    tokenizer: Any = stack.tokenizer
    model: Any = stack.model
    encoded = tokenizer(
        list(prompts), add_special_tokens=False, padding=True, padding_side="left", return_tensors="pt"
    ).to(model.device)
    length = encoded["input_ids"].shape[1]
    end_id = tokenizer.convert_tokens_to_ids(end_text(tokenizer))
    settings = GenerationConfig(
        max_new_tokens=_room(stack, length, max_new_tokens),
        do_sample=sampling is not None,
        num_return_sequences=1 if sampling is None else sampling.count,
        temperature=None if sampling is None else sampling.temperature,
        top_p=None if sampling is None else sampling.top_p,
        eos_token_id=end_id,
        pad_token_id=tokenizer.pad_token_id,
        use_cache=True,
        max_time=max_seconds,
    )
    with (
        limited_threads(stack.threads),
        torch.inference_mode(),
        torch.random.fork_rng(devices=_cuda_devices(stack)),
    ):
        if sampling is not None:
            torch.manual_seed(sampling.seed)
        output = model.generate(
            input_ids=encoded["input_ids"],
            attention_mask=encoded["attention_mask"],
            generation_config=settings,
            streamer=None if on_text is None else _streamer(tokenizer, on_text),
        )
    return [_decode(stack, row[length:], int(end_id)) for row in output]


def _room(stack: AdapterStack, prompt_tokens: int, max_new_tokens: int) -> int:
    context = getattr(stack.model.config, "max_position_embeddings", None)
    room = max_new_tokens if context is None else min(max_new_tokens, context - prompt_tokens)
    if room < 1:
        raise FederationError(f"the prompt takes {prompt_tokens} tokens of the model's {context}; shorten it")
    return room


def _cuda_devices(stack: AdapterStack) -> list[int]:
    device = stack.model.device
    return [device.index or 0] if device.type == "cuda" else []


def _decode(stack: AdapterStack, row: torch.Tensor, end_id: int) -> Generated:
    tokens = row.tolist()
    finished = end_id in tokens
    if finished:
        tokens = tokens[: tokens.index(end_id)]
    return Generated(str(stack.tokenizer.decode(tokens, skip_special_tokens=True)), len(tokens), finished)
