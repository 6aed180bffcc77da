"""Federation: which adapters answer a request, their exact composition, and answers grounded in the request.

Nothing heavy is imported here: torch comes with the first `Federation.load`.
"""

from rmn_pipeline.federation.errors import BriefError, FederationError
from rmn_pipeline.federation.generate import Generated, Sampling
from rmn_pipeline.federation.grounding import (
    Concern,
    GroundingContext,
    GroundingReport,
    ground_plan_call,
    states_budget,
)
from rmn_pipeline.federation.infer import Federation, Inference, PlanRequestAnswer
from rmn_pipeline.federation.numbers import Quantity, Reading, find_quantities
from rmn_pipeline.federation.registry import AdapterRegistry, RefusedAdapter, RegisteredAdapter
from rmn_pipeline.federation.selection import FederationPolicy, load_policy, select_adapters

__all__ = [
    "AdapterRegistry",
    "BriefError",
    "Concern",
    "Federation",
    "FederationError",
    "FederationPolicy",
    "Generated",
    "GroundingContext",
    "GroundingReport",
    "Inference",
    "PlanRequestAnswer",
    "Quantity",
    "Reading",
    "RefusedAdapter",
    "RegisteredAdapter",
    "Sampling",
    "find_quantities",
    "ground_plan_call",
    "load_policy",
    "select_adapters",
    "states_budget",
]
