"""Evaluation: adapters and stacks judged on held-out rows, tracked in MLflow, promoted by a gate.

Nothing heavy is imported here: torch and mlflow come with the first evaluation.
"""

from rmn_pipeline.evaluation.errors import EvaluationError
from rmn_pipeline.evaluation.gate import GateDecision, GateSettings, Retention, decide
from rmn_pipeline.evaluation.harness import (
    AdapterEvaluation,
    MetricValue,
    evaluate_adapter,
    evaluate_stack,
)
from rmn_pipeline.evaluation.metrics import Interval, bootstrap_interval
from rmn_pipeline.evaluation.tracked import TrackedEvaluation, evaluate_and_track
from rmn_pipeline.evaluation.tracking import LoggedRun, champion_score, log_evaluation

__all__ = [
    "AdapterEvaluation",
    "EvaluationError",
    "GateDecision",
    "GateSettings",
    "Interval",
    "LoggedRun",
    "MetricValue",
    "Retention",
    "TrackedEvaluation",
    "bootstrap_interval",
    "champion_score",
    "decide",
    "evaluate_adapter",
    "evaluate_and_track",
    "evaluate_stack",
    "log_evaluation",
]
