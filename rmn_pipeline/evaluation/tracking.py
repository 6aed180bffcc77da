"""Evaluations in MLflow: one run per adapter below a run per base, and the champion alias in the model registry.

Everything goes through a client on an explicit SQLite store: no global state, and MLflow's file store refuses to
work since 3.13. mlflow is imported inside the functions.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from rmn_pipeline.evaluation.errors import EvaluationError
from rmn_pipeline.evaluation.gate import GateDecision
from rmn_pipeline.evaluation.harness import AdapterEvaluation, MetricValue
from rmn_pipeline.lora.manifest import AdapterManifest, load_manifest

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "retail_media_adapters"
CHAMPION = "champion"
_PARENT_TAG = "rmn.base_digest"
_SQLITE = "sqlite:///"


@dataclass(frozen=True)
class LoggedRun:
    """Where an evaluation was logged; `model_version` is None where the gate did not pass."""

    experiment_id: str
    run_id: str
    parent_run_id: str
    model_version: str | None


def registered_model_name(adapter_id: str) -> str:
    """Return the name under which an adapter's versions are registered."""
    return f"adapter.{adapter_id}"


def champion_score(adapter_id: str, tracking_uri: str) -> float | None:
    """Return the score of the registered champion, or None where there is none yet."""
    client = _client(tracking_uri)
    from mlflow.exceptions import MlflowException

    try:
        version = client.get_model_version_by_alias(registered_model_name(adapter_id), CHAMPION)
        return client.get_run(str(version.run_id)).data.metrics.get("score.stack")
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise EvaluationError(
            f"{tracking_uri}: the champion of {adapter_id} cannot be read: {error}"
        ) from error


def run_exists(run_id: str, tracking_uri: str) -> bool:
    """Whether a run is still in the store."""
    client = _client(tracking_uri)
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id).info.lifecycle_stage == "active"
    except MlflowException:
        return False


def log_evaluation(
    evaluation: AdapterEvaluation,
    decision: GateDecision,
    *,
    adapter_dir: Path | str,
    tracking_uri: str,
) -> LoggedRun:
    """Log one evaluation with its training, and move the champion alias when the gate passed.

    Raises:
        EvaluationError: the tracking address is no SQLite store.
    """
    folder = Path(adapter_dir)
    manifest = load_manifest(folder)
    client = _client(tracking_uri)
    experiment_id = _experiment(client, tracking_uri)
    parent_id = _parent_run(client, experiment_id, manifest)
    run = client.create_run(
        experiment_id,
        run_name=manifest.adapter_id,
        tags={
            "mlflow.parentRunId": parent_id,
            "rmn.adapter_id": manifest.adapter_id,
            "rmn.dataset_fingerprint": manifest.dataset_fingerprint,
            "rmn.weights_digest": manifest.weights_digest,
            "rmn.gate_passed": str(decision.passed).lower(),
            "rmn.gate_reasons": "; ".join(decision.reasons) or "all conditions met",
        },
    )
    run_id = run.info.run_id
    client.log_batch(run_id, metrics=_metrics(evaluation, manifest), params=_params(manifest))
    _log_tables(client, run_id, evaluation)
    client.log_artifacts(run_id, str(folder), "adapter")
    client.set_terminated(run_id)
    version = _promote(client, run_id, manifest, decision) if decision.passed else None
    return LoggedRun(experiment_id, run_id, parent_id, version)


def _client(tracking_uri: str) -> MlflowClient:
    """Open a store; its folder is made. Telemetry is off before MLflow is first imported."""
    if not tracking_uri.startswith(_SQLITE):
        raise EvaluationError(
            f"{tracking_uri}: use an SQLite store such as sqlite:///mlruns/mlflow.db; "
            "MLflow's file store no longer works"
        )
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    Path(tracking_uri.removeprefix(_SQLITE)).parent.mkdir(parents=True, exist_ok=True)
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)


def _experiment(client: MlflowClient, tracking_uri: str) -> str:
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    # Artifacts lie beside the store: MLflow's default is a folder in whatever directory the process runs in.
    artifacts = Path(tracking_uri.removeprefix(_SQLITE)).resolve().parent / "artifacts"
    return str(client.create_experiment(EXPERIMENT, artifact_location=artifacts.as_uri()))


def _parent_run(client: MlflowClient, experiment_id: str, manifest: AdapterManifest) -> str:
    """Return the run that holds all adapters of one base, made at the first of them."""
    found = client.search_runs(
        [experiment_id], filter_string=f"tags.`{_PARENT_TAG}` = '{manifest.base_digest}'", max_results=1
    )
    if found:
        return str(found[0].info.run_id)
    run = client.create_run(
        experiment_id,
        run_name=f"adapters of {manifest.base_name}",
        tags={_PARENT_TAG: manifest.base_digest, "rmn.base_name": manifest.base_name},
    )
    client.set_terminated(run.info.run_id)
    return str(run.info.run_id)


def _params(manifest: AdapterManifest) -> list[Any]:
    from mlflow.entities import Param

    values = {
        **manifest.config,
        "base_digest": manifest.base_digest,
        "dataset_fingerprint": manifest.dataset_fingerprint,
        "parents": ", ".join(parent.adapter_id for parent in manifest.parents) or "none",
        "trained_stacks": len(manifest.trained_stacks),
        "code_version": manifest.code_version,
    }
    return [Param(name, str(value)) for name, value in values.items()]


def _metrics(evaluation: AdapterEvaluation, manifest: AdapterManifest) -> list[Any]:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    values = {
        f"training.{name}": float(value)
        for name, value in manifest.summary().items()
        if isinstance(value, int | float)
    }
    for figure in (evaluation.score, *evaluation.metrics):
        values.update(_figure_values(figure))
    if evaluation.retention is not None:
        values["retention"] = evaluation.retention
    metrics = [Metric(name, value, now, 0) for name, value in values.items()]
    return metrics + [Metric("loss", loss, now, step) for step, loss in enumerate(manifest.losses, start=1)]


def _figure_values(figure: MetricValue) -> dict[str, float]:
    values = {
        f"{figure.name}.stack": figure.stack,
        f"{figure.name}.stack_low": figure.stack_low,
        f"{figure.name}.stack_high": figure.stack_high,
        f"{figure.name}.base": figure.base,
    }
    return values if figure.chance is None else {**values, f"{figure.name}.chance": figure.chance}


def _log_tables(client: MlflowClient, run_id: str, evaluation: AdapterEvaluation) -> None:
    """Log tables in the form that MLflow's page shows: a JSON object of columns and rows."""
    for name, frame in (("wrong_answers", evaluation.wrong_answers), ("figures", evaluation.metrics_frame())):
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / f"{name}.json"
            path.write_text(_table_json(frame), encoding="utf-8")
            client.log_artifact(run_id, str(path), "tables")


def _table_json(frame: pl.DataFrame) -> str:
    return json.dumps({"columns": frame.columns, "data": [list(row) for row in frame.iter_rows()]})


def _promote(client: MlflowClient, run_id: str, manifest: AdapterManifest, decision: GateDecision) -> str:
    from mlflow.exceptions import MlflowException

    name = registered_model_name(manifest.adapter_id)
    try:
        client.create_registered_model(name, description=f"Versions of the adapter {manifest.adapter_id}.")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise EvaluationError(f"{name} cannot be registered: {error}") from error
    source = f"{client.get_run(run_id).info.artifact_uri}/adapter"
    version = client.create_model_version(
        name, source=source, run_id=run_id, tags={"rmn.weights_digest": manifest.weights_digest}
    )
    client.set_registered_model_alias(name, CHAMPION, version.version)
    return str(version.version)
