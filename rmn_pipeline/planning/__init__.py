"""Plans a brand's budget over retailer × placement × audience × SKU: view, response, scenario, optimizer."""

from rmn_pipeline.planning.baselines import BaselineKind, baseline_plan, oracle_plan
from rmn_pipeline.planning.errors import PlanError, ScenarioError
from rmn_pipeline.planning.make_plan import make_plan
from rmn_pipeline.planning.optimizer import optimize
from rmn_pipeline.planning.packages import optimize_packages
from rmn_pipeline.planning.plan import AllocationItem, Plan, Predicted, Relaxation
from rmn_pipeline.planning.request import PlanRequest, RequestDefaults, ResolvedRequest, resolve
from rmn_pipeline.planning.response import ResponseModel, fit_response
from rmn_pipeline.planning.risk import optimize_at_risk
from rmn_pipeline.planning.scenario import (
    Arm,
    ArmTable,
    ChangeLimit,
    ReturnLimit,
    Scenario,
    SkuChoice,
    SpendLimit,
)
from rmn_pipeline.planning.settings import PlannerSettings
from rmn_pipeline.planning.view import PlanningView, clean_room_view, full_data_view, observed_weeks

__all__ = [
    "AllocationItem",
    "Arm",
    "ArmTable",
    "BaselineKind",
    "ChangeLimit",
    "Plan",
    "PlanError",
    "PlanRequest",
    "PlannerSettings",
    "PlanningView",
    "Predicted",
    "Relaxation",
    "RequestDefaults",
    "ResolvedRequest",
    "ResponseModel",
    "ReturnLimit",
    "Scenario",
    "ScenarioError",
    "SkuChoice",
    "SpendLimit",
    "baseline_plan",
    "clean_room_view",
    "fit_response",
    "full_data_view",
    "make_plan",
    "observed_weeks",
    "optimize",
    "optimize_at_risk",
    "optimize_packages",
    "oracle_plan",
    "resolve",
]
