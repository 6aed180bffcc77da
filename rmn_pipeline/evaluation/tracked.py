"""One adapter evaluated, judged by the gate and tracked; nothing is done twice for an unchanged adapter."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from rmn_pipeline.evaluation.gate import GateDecision, GateSettings, decide
from rmn_pipeline.evaluation.harness import AdapterEvaluation, evaluate_adapter
from rmn_pipeline.evaluation.tracking import champion_score, log_evaluation, run_exists
from rmn_pipeline.lora.datasets import load_training_set
from rmn_pipeline.lora.manifest import load_manifest

# Rows of the adapter's own tasks and of replayed ones, per profile.
_ROWS: dict[str, tuple[int, int]] = {"default": (32, 16), "smoke": (6, 2)}


@dataclass(frozen=True)
class TrackedEvaluation:
    """An evaluation with the gate's decision and where MLflow holds it."""

    evaluation: AdapterEvaluation
    decision: GateDecision
    experiment_id: str
    run_id: str
    model_version: str | None
    reused: bool


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    evaluation: AdapterEvaluation
    decision: GateDecision
    experiment_id: str
    run_id: str
    model_version: str | None


def evaluate_and_track(
    adapter_dir: Path | str,
    training_set_dir: Path | str,
    *,
    adapters_dir: Path | str,
    base_dir: Path | str,
    results_dir: Path | str,
    tracking_uri: str,
    profile: Literal["default", "smoke"] = "default",
    settings: GateSettings | None = None,
) -> TrackedEvaluation:
    """Evaluate an adapter, decide on its promotion and log both; an unchanged adapter's result is served again.

    Raises:
        EvaluationError: there is nothing to evaluate on, or the tracking store is of the wrong kind.
        AdapterError: the adapter cannot be used.
    """
    manifest = load_manifest(adapter_dir)
    stored_path = Path(results_dir) / f"{manifest.adapter_id}.json"
    key = hashlib.sha256(
        json.dumps([manifest.weights_digest, manifest.provenance_key(), profile, _ROWS[profile]]).encode()
    ).hexdigest()
    stored = _read(stored_path)
    if stored is not None and stored.key == key and run_exists(stored.run_id, tracking_uri):
        return _tracked(stored, reused=True)
    own_rows, replay_rows = _ROWS[profile]
    evaluation = evaluate_adapter(
        adapter_dir,
        load_training_set(training_set_dir),
        adapters_dir=adapters_dir,
        base_dir=base_dir,
        own_rows=own_rows,
        replay_rows=replay_rows,
    )
    decision = decide(
        score=evaluation.score.stack,
        chance=evaluation.score.chance or 0.0,
        rows=evaluation.score.rows,
        champion_score=champion_score(manifest.adapter_id, tracking_uri),
        retention=evaluation.kept,
        settings=settings,
    )
    logged = log_evaluation(evaluation, decision, adapter_dir=adapter_dir, tracking_uri=tracking_uri)
    result = _Stored(
        key=key,
        evaluation=evaluation,
        decision=decision,
        experiment_id=logged.experiment_id,
        run_id=logged.run_id,
        model_version=logged.model_version,
    )
    _write(stored_path, result)
    return _tracked(result, reused=False)


def _tracked(stored: _Stored, *, reused: bool) -> TrackedEvaluation:
    return TrackedEvaluation(
        evaluation=stored.evaluation,
        decision=stored.decision,
        experiment_id=stored.experiment_id,
        run_id=stored.run_id,
        model_version=stored.model_version,
        reused=reused,
    )


def _read(path: Path) -> _Stored | None:
    """Return a stored result; an unreadable one is made again."""
    try:
        return _Stored.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


def _write(path: Path, stored: _Stored) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(stored.model_dump_json(indent=1), encoding="utf-8")
    temporary.replace(path)
