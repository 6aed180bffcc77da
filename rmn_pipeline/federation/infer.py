"""Inference over a federation of adapters: select, compose, generate, validate, ground, log.

Nothing is executed here. A tool call that does not validate or is not grounded in its brief comes back with
`needs_confirmation` filled; `plan_request` turns that into an error, so that it can never be spent silently.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rmn_pipeline.federation.errors import BriefError, FederationError
from rmn_pipeline.federation.generate import (
    Generated,
    Sampling,
    generate_greedy,
    generate_samples,
    generate_streaming,
)
from rmn_pipeline.federation.grounding import GroundingContext, ground_plan_call, states_budget
from rmn_pipeline.federation.registry import AdapterRegistry
from rmn_pipeline.federation.selection import FederationPolicy, load_policy, select_adapters
from rmn_pipeline.lora.manifest import AdapterError
from rmn_pipeline.lora.prompts import render_prompt
from rmn_pipeline.lora.quantize import Quantization
from rmn_pipeline.lora.stack import AdapterStack, Composition
from rmn_pipeline.planning.request import PlanRequest

MAX_RETRIES = 6
CUT_OFF = "the answer was cut off at the token or time limit"
# Tasks whose completion is a JSON tool call.
TOOL_TASKS = ("planning", "measurement")


@dataclass(frozen=True)
class Inference:
    """An answer, and how far it can be relied on.

    `needs_confirmation` holds what a person has to settle before the call may be executed; empty means that the
    call validated and every value of it is traceable to the prompt. Free text answers are never tool calls.
    """

    text: str
    tool_call: dict[str, Any] | None
    adapters_used: tuple[str, ...]
    needs_confirmation: tuple[str, ...]
    attempts: int
    seconds: float
    composition: Composition


@dataclass(frozen=True)
class PlanRequestAnswer:
    """A grounded request, and how it was come by."""

    request: PlanRequest
    adapters_used: tuple[str, ...]
    attempts: int
    seconds: float
    composition_digest: str


@dataclass(frozen=True)
class _Checked:
    """One completion after its checks."""

    text: str
    tool_call: dict[str, Any] | None
    problems: tuple[str, ...]
    parsed: bool


@dataclass(frozen=True)
class _Limits:
    """How one answer is generated."""

    max_new_tokens: int
    temperature: float
    max_seconds: float | None


_Check = Callable[[Generated], _Checked]


@dataclass
class Federation:
    """Adapters of one base, answering together. Not thread-safe: one request at a time per instance."""

    registry: AdapterRegistry
    policy: FederationPolicy
    stack: AdapterStack
    log_path: Path | None = None
    max_retries: int = MAX_RETRIES
    seed: int = 0
    line_names: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)

    @classmethod
    def load(
        cls,
        adapters_dir: Path | str,
        *,
        base_dir: Path | str | None = None,
        log_path: Path | str | None = None,
        policy_path: Path | str | None = None,
        quantization: Quantization = "nf4_dequantized",
        dtype: str = "float32",
        device: str = "cpu",
        line_names: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
    ) -> Federation:
        """Open a base and the adapters that fit it.

        Args:
            adapters_dir: the folder with `<kind>/<adapter_id>/`.
            base_dir: the base model; unset means the only folder below `<adapters_dir>/base`.
            log_path: JSON lines, one per answer; never any prompt text.
            policy_path: a federation policy; unset means the one in the package.
            line_names: per brand and line the words that a brief may use, to check that they are accounted for.

        Raises:
            AdapterError: there is no base, or the policy is invalid.
        """
        root = Path(adapters_dir)
        base = Path(base_dir) if base_dir is not None else _only_base(root)
        return cls(
            registry=AdapterRegistry.scan(root, base_dir=base),
            policy=load_policy(policy_path),
            stack=AdapterStack.open(base, quantization, dtype=dtype, device=device),
            log_path=None if log_path is None else Path(log_path),
            line_names=line_names or {},
        )

    def adapters_for(
        self,
        *,
        task: str,
        retailer_id: str | None = None,
        brand_id: str | None = None,
        mode: str = "full_data",
        adapters: Sequence[str] | None = None,
    ) -> tuple[str, ...]:
        """Return the ids that would answer; explicit `adapters` are checked against the mode too.

        Raises:
            AdapterError: an adapter is unknown or refused, or the mode does not allow its level.
        """
        if adapters is None:
            ids = select_adapters(
                self.policy, task=task, retailer_id=retailer_id, brand_id=brand_id, mode=mode
            )
        else:
            # Also checks task and mode.
            select_adapters(self.policy, task=task, mode=mode)
            ids = tuple(adapters)
        allowed = set(self.policy.modes[mode].levels)  # type: ignore[index]
        for adapter_id in ids:
            self.registry.path(adapter_id)
            level = self.registry.adapters[adapter_id].manifest.kind.split("_", 1)[0]
            if level not in allowed:
                raise AdapterError(
                    f"{mode} mode may not load {adapter_id}: its level {level} is not allowed there"
                )
        return ids

    def infer(
        self,
        prompt: str,
        *,
        task: str,
        retailer_id: str | None = None,
        brand_id: str | None = None,
        mode: str = "full_data",
        adapters: Sequence[str] | None = None,
        retailer_ids: Sequence[str] | None = None,
        max_new_tokens: int = 192,
    ) -> Inference:
        """Answer a prompt with the adapters that task, tenants and mode call for: `infer_many` of one prompt."""
        return self.infer_many(
            [prompt],
            task=task,
            retailer_id=retailer_id,
            brand_id=brand_id,
            mode=mode,
            adapters=adapters,
            retailer_ids=retailer_ids,
            max_new_tokens=max_new_tokens,
        )[0]

    def infer_many(
        self,
        prompts: Sequence[str],
        *,
        task: str,
        retailer_id: str | None = None,
        brand_id: str | None = None,
        mode: str = "full_data",
        adapters: Sequence[str] | None = None,
        retailer_ids: Sequence[str] | None = None,
        max_new_tokens: int = 192,
        temperature: float = 0.0,
        max_seconds: float | None = None,
        on_text: Callable[[str], None] | None = None,
    ) -> list[Inference]:
        """Answer prompts that share a composition, together.

        Greedy first, in one batch. For a tool call that does not validate or is not grounded, seeded samples
        follow, and the first one that passes is taken; failing that, the best attempt comes back with what needs
        confirmation. A text that was handed out piece by piece is not tried again.

        Args:
            prompts: the requests in plain words.
            temperature: above 0 the first attempt is a seeded sample at this temperature.
            max_seconds: how long one generation may take; what is cut off needs confirmation.
            on_text: gets the text of a single free-text answer piece by piece, while it is written.

        Raises:
            AdapterError: an adapter that is called for is unknown or was refused.
            FederationError: a prompt is empty or too long.
        """
        for prompt in prompts:
            if not prompt.strip():
                raise FederationError("the prompt is empty; say what is wanted")
        started = time.perf_counter()
        ids = self.adapters_for(
            task=task, retailer_id=retailer_id, brand_id=brand_id, mode=mode, adapters=adapters
        )
        composition = self.stack.activate([self.registry.path(adapter_id) for adapter_id in ids])
        context = GroundingContext(
            brand_id=brand_id,
            retailer_ids=tuple(retailer_ids) if retailer_ids is not None else self.registry.retailer_ids,
            line_names=self.line_names.get(brand_id or "", {}) if mode == "full_data" else {},
        )
        limits = _Limits(max_new_tokens, temperature, max_seconds)
        rendered = [render_prompt(task, prompt) for prompt in prompts]
        listener = None if task in TOOL_TASKS else on_text
        first = self._first_attempts(rendered, limits, listener)
        answers = []
        for prompt, text, generated in zip(prompts, rendered, first, strict=True):

            def check(made: Generated, prompt: str = prompt) -> _Checked:
                return _check(task, prompt, made, context)

            best, attempts = check(generated), 1
            if best.problems and listener is None:
                best, attempts = self._retried(text, best, check, limits)
            inference = Inference(
                text=best.text,
                tool_call=best.tool_call,
                adapters_used=ids,
                needs_confirmation=best.problems,
                attempts=attempts,
                seconds=time.perf_counter() - started,
                composition=composition,
            )
            self._log(task, mode, inference)
            answers.append(inference)
        return answers

    def plan_request(
        self,
        brief: str,
        *,
        brand_id: str,
        mode: str = "full_data",
        retailer_ids: Sequence[str] | None = None,
    ) -> PlanRequestAnswer:
        """Turn a brief into a validated, grounded request.

        Raises:
            BriefError: the brief names no budget, or no attempt could be grounded in it; `spans` say what to clear.
            AdapterError: an adapter that is called for is unknown or was refused.
        """
        if not states_budget(brief):
            raise BriefError(
                "the brief names no budget: say how much may be spent, for example “a budget of $2.5 million”"
            )
        answer = self.infer(brief, task="planning", brand_id=brand_id, mode=mode, retailer_ids=retailer_ids)
        if answer.needs_confirmation or answer.tool_call is None:
            spans = answer.needs_confirmation
            raise BriefError(
                f"the brief was not understood well enough to spend money on it, after {answer.attempts} attempts; "
                f"to clear up: {'; '.join(spans)}",
                spans,
            )
        return PlanRequestAnswer(
            request=PlanRequest.model_validate(answer.tool_call),
            adapters_used=answer.adapters_used,
            attempts=answer.attempts,
            seconds=answer.seconds,
            composition_digest=answer.composition.digest,
        )

    def _first_attempts(
        self, rendered: Sequence[str], limits: _Limits, on_text: Callable[[str], None] | None
    ) -> list[Generated]:
        sampling = (
            Sampling(temperature=limits.temperature, seed=self.seed) if limits.temperature > 0 else None
        )
        tokens, seconds = limits.max_new_tokens, limits.max_seconds
        if on_text is not None:
            return [
                generate_streaming(
                    self.stack, text, on_text, sampling=sampling, max_new_tokens=tokens, max_seconds=seconds
                )
                for text in rendered
            ]
        if sampling is not None:
            return [
                generate_samples(self.stack, text, sampling, max_new_tokens=tokens, max_seconds=seconds)[0]
                for text in rendered
            ]
        return generate_greedy(self.stack, rendered, max_new_tokens=tokens, max_seconds=seconds)

    def _retried(self, rendered: str, best: _Checked, check: _Check, limits: _Limits) -> tuple[_Checked, int]:
        """Return the first completion that passes, or the best one, and how many were looked at."""
        if self.max_retries < 1:
            return best, 1
        samples = generate_samples(
            self.stack,
            rendered,
            Sampling(count=self.max_retries, seed=self.seed),
            max_new_tokens=limits.max_new_tokens,
            max_seconds=limits.max_seconds,
        )
        for number, generated in enumerate(samples, start=2):
            checked = check(generated)
            if not checked.problems:
                return checked, number
            best = min(best, checked, key=_badness)
        return best, 1 + len(samples)

    def _log(self, task: str, mode: str, inference: Inference) -> None:
        """Append one line; it holds no text of prompt or answer, which may be confidential."""
        if self.log_path is None:
            return
        record = {
            "answered_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "task": task,
            "mode": mode,
            "adapters": list(inference.adapters_used),
            "adapter_digests": list(inference.composition.adapter_digests),
            "composition_digest": inference.composition.digest,
            "composition_cached": inference.composition.cached,
            "composition_seconds": round(inference.composition.seconds, 4),
            "untrained_over": list(inference.composition.untrained_over),
            "attempts": inference.attempts,
            "seconds": round(inference.seconds, 3),
            "is_tool_call": inference.tool_call is not None,
            "concerns": len(inference.needs_confirmation),
        }
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(record) + "\n")


def _only_base(adapters_dir: Path) -> Path:
    found = sorted(path.parent for path in (adapters_dir / "base").glob("*/config.json"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise AdapterError(
            f"{adapters_dir / 'base'} holds {len(found)} base models ({names}); say which one with base_dir"
        )
    return found[0]


def _check(task: str, prompt: str, generated: Generated, context: GroundingContext) -> _Checked:
    if task not in TOOL_TASKS:
        problems = () if generated.finished else (CUT_OFF,)
        return _Checked(generated.text, None, problems, parsed=True)
    try:
        call = json.loads(generated.text)
    except json.JSONDecodeError as error:
        return _Checked(generated.text, None, (f"the model wrote no valid JSON ({error.msg})",), parsed=False)
    if not isinstance(call, dict):
        return _Checked(generated.text, None, ("the model wrote no JSON object",), parsed=False)
    if task != "planning":
        return _Checked(generated.text, call, (), parsed=True)
    return _check_plan_call(prompt, generated.text, call, context)


def _check_plan_call(prompt: str, text: str, call: dict[str, Any], context: GroundingContext) -> _Checked:
    try:
        request = PlanRequest.model_validate(call)
    except ValidationError as error:
        problems = tuple(
            f"{'.'.join(str(part) for part in item['loc']) or 'call'}: {item['msg']}"
            for item in error.errors()
        )
        return _Checked(text, call, problems, parsed=False)
    report = ground_plan_call(prompt, request.model_dump(mode="json"), context)
    return _Checked(text, call, report.messages, parsed=True)


def _badness(checked: _Checked) -> tuple[bool, int]:
    return (not checked.parsed, len(checked.problems))
