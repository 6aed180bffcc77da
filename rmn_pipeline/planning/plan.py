"""`Plan` and its parts: the frozen outcome of planning, at full arm grain, that everything downstream reads."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from rmn_pipeline.planning.request import PlanRequest

PlanMode = Literal["full_data", "clean_room", "oracle", "baseline", "scenario"]
PlanStatus = Literal["optimal", "infeasible", "heuristic"]
Purpose = Literal["working", "experiment"]

ALLOCATION_SCHEMA: dict[str, pl.DataType] = {
    "retailer_id": pl.String(),
    "placement_type": pl.String(),
    "audience_id": pl.String(),
    "sku_id": pl.String(),
    "spend_usd": pl.Float64(),
    "purpose": pl.String(),
    "predicted_incremental_revenue_usd": pl.Float64(),
    "predicted_incremental_margin_usd": pl.Float64(),
    "predicted_conversions": pl.Float64(),
    "exploration_propensity": pl.Float64(),
}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AllocationItem(_Frozen):
    """Money for one arm over the whole horizon, spent evenly per week.

    An arm can have a `working` and an `experiment` item; its predicted effect is split between them by spend.
    `exploration_propensity` is the share of posterior draws that funded the arm (null without experiments).
    """

    retailer_id: str
    placement_type: str
    audience_id: str | None
    sku_id: str
    spend_usd: float = Field(ge=0)
    purpose: Purpose = "working"
    predicted_incremental_revenue_usd: float
    predicted_incremental_margin_usd: float
    predicted_conversions: float
    exploration_propensity: float | None = None


class Predicted(_Frozen):
    """What the planner itself expects of the whole plan; margins are gross, before ad spend.

    The `_low`/`_high` bounds are the planner's own 90 % interval; null where no posterior stands behind the plan.
    """

    spend_usd: float
    incremental_revenue_usd: float
    incremental_margin_usd: float
    iroas: float | None
    conversions: float
    attributed_revenue_usd: float
    roas: float | None
    iroas_low: float | None = None
    iroas_high: float | None = None


class Relaxation(_Frozen):
    """The smallest change to one constraint that makes an infeasible request feasible again."""

    constraint: str
    asked: float
    needed: float
    unit: str
    text: str


class Plan(_Frozen):
    """A budget laid out over arms, with what it is expected to earn and what held it back.

    `duals` says, per binding constraint, how much more of the objective (in dollars) one more unit of that
    constraint's limit would earn: a dollar of budget, one point of ROAS given up, a dollar of CPA, a unit of stock, a
    dollar of a floor given up. `certified_gap` is an upper bound on the share of the attainable objective that the
    optimizer left on the table before exploration.
    """

    plan_id: str
    brand_id: str
    mode: PlanMode
    request: PlanRequest | None
    start_date: date
    weeks: int = Field(ge=1)
    status: PlanStatus
    objective: str
    budget_usd: float
    allocation: tuple[AllocationItem, ...]
    predicted: Predicted
    unspent_usd: float
    duals: dict[str, float] = Field(default_factory=dict)
    binding: tuple[str, ...] = ()
    infeasible_because: tuple[str, ...] = ()
    relaxations: tuple[Relaxation, ...] = ()
    certified_gap: float | None = None
    blocked_fields: tuple[str, ...] = ()
    adapters_used: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def allocation_frame(self) -> pl.DataFrame:
        """The allocation as a table with one row per item; empty plans keep the columns."""
        return pl.DataFrame([item.model_dump() for item in self.allocation], schema=ALLOCATION_SCHEMA)

    def explain_duals(self) -> tuple[str, ...]:
        """One plain sentence per constraint that holds the plan back, largest effect first."""
        ranked = sorted(self.duals.items(), key=lambda entry: -abs(entry[1]))
        return tuple(_dual_sentence(name, value, self.objective) for name, value in ranked)


def plan_digest(*parts: str) -> str:
    """A short stable id from the texts that determine a plan."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16]


def _dual_sentence(name: str, value: float, objective: str) -> str:
    kind, _, node = name.partition(":")
    where = f" of '{node}'" if node else ""
    unit = {
        "budget": "One more dollar of budget",
        "min_roas": f"Lowering the minimum ROAS{where} by 0.1",
        "max_cpa": f"Raising the maximum cost per conversion{where} by one dollar",
        "days_of_cover": f"One more unit in stock{where}",
        "floor": f"One dollar less of the floor{where}",
        "change_floor": f"One dollar less of what must be kept from last period{where}",
        "min_spend_if_in": f"One dollar less of the minimum spend if in{where}",
        "arm_floor": f"One dollar less of the floor{where}",
    }.get(kind, f"One more dollar under '{name}'")
    earned = value * 0.1 if kind == "min_roas" else value
    return f"{unit} earns {earned:,.2f} dollars of {objective.replace('_', ' ')}."
