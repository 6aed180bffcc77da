"""Plans a brand's budget over retailer × placement × audience × SKU: view, response, scenario, optimizer."""

from rmn_pipeline.planning.errors import PlanError, ScenarioError
from rmn_pipeline.planning.plan import AllocationItem, Plan, Predicted, Relaxation
from rmn_pipeline.planning.request import PlanRequest, RequestDefaults, ResolvedRequest, resolve

__all__ = [
    "AllocationItem",
    "Plan",
    "PlanError",
    "PlanRequest",
    "Predicted",
    "Relaxation",
    "RequestDefaults",
    "ResolvedRequest",
    "ScenarioError",
    "resolve",
]
