"""Plans to compare against: splits that people use without an optimizer, and the oracle that knows the curves.

Baselines spend the whole budget on the arms that the request's lists allow. They know no stock, ROAS or cost limit.
"""

from __future__ import annotations

from datetime import date
from typing import Literal, get_args

import numpy as np
import polars as pl

from rmn_pipeline.planning.curves import Floats
from rmn_pipeline.planning.errors import PlanError
from rmn_pipeline.planning.frames import require_columns, require_rows
from rmn_pipeline.planning.layout import Layout, PlanHeader, build_plan
from rmn_pipeline.planning.make_plan import Prepared, posterior_layout, prepare, scenario_for
from rmn_pipeline.planning.optimizer import solve_scenario
from rmn_pipeline.planning.plan import Plan
from rmn_pipeline.planning.problem import problem_of
from rmn_pipeline.planning.request import PlanRequest, ResolvedRequest, resolve
from rmn_pipeline.planning.response import ResponseModel
from rmn_pipeline.planning.scenario import Arm
from rmn_pipeline.planning.selection import allowed_arms, require_arms
from rmn_pipeline.planning.settings import PlannerSettings
from rmn_pipeline.planning.view import PlanningView

BaselineKind = Literal["status_quo", "equal_split", "proportional_to_sales"]

TRUE_ARM_COLUMNS = (
    "retailer_id",
    "placement_type",
    "audience_id",
    "sku_id",
    "line_id",
    "initial_iroas",
    "half_saturation_usd_per_week",
    "margin_rate",
    "revenue_per_conversion_usd",
    "in_stock_probability",
    "reference_spend_usd_per_week",
)


def baseline_plan(
    request: PlanRequest,
    view: PlanningView,
    kind: BaselineKind = "status_quo",
    *,
    start_date: date,
    settings: PlannerSettings | None = None,
    response: ResponseModel | None = None,
) -> Plan:
    """Split the budget by past spend (`status_quo`), evenly, or by attributed sales; predictions as for any plan."""
    if kind not in get_args(BaselineKind):
        raise PlanError(f"unknown baseline '{kind}'; known are {list(get_args(BaselineKind))}")
    known = settings or PlannerSettings()
    prepared = prepare(
        request, view, start_date=start_date, settings=known, response=response, enforce_stock=False
    )
    shares = _shares(kind, prepared)
    header = PlanHeader(
        mode="baseline",
        status="heuristic",
        request=request,
        blocked_fields=view.blocked_fields,
        notes=(f"baseline: {kind}", *prepared.notes),
    )
    spend = request.budget_usd * shares
    return build_plan(prepared.scenario, spend, header, layout=posterior_layout(prepared, known))


def oracle_plan(
    request: PlanRequest,
    true_arms: pl.DataFrame,
    *,
    start_date: date,
    settings: PlannerSettings | None = None,
) -> Plan:
    """The same optimizer on given (true) curves: what perfect knowledge would buy. No experiments: nothing to learn."""
    known = settings or PlannerSettings()
    resolved = resolve(request)
    require_columns(true_arms, TRUE_ARM_COLUMNS, "the table of true arms")
    require_rows(true_arms, f"the table of true arms is empty for brand '{request.brand_id}'")
    if resolved.roas_basis == "attributed":
        raise PlanError("the true curves are incremental; an oracle cannot judge an attributed ROAS")
    arms = true_arms.filter(allowed_arms(request, true_arms))
    require_arms(arms.height, request)
    if resolved.exclude_out_of_stock:
        arms = arms.filter(pl.col("in_stock_probability") >= known.minimum_in_stock_probability)
        require_arms(arms.height, request, "exclude_out_of_stock")
    # A curve that earns nothing cannot be funded, and a free arm does not exist.
    arms = arms.filter((pl.col("initial_iroas") > 0) & (pl.col("reference_spend_usd_per_week") > 0))
    require_arms(arms.height, request, "the truth: no allowed arm earns anything")
    scenario = scenario_for(resolved, _true_arms(arms, resolved, known), start_date, known)
    optimum = solve_scenario(scenario, problem_of(scenario))
    header = PlanHeader(
        mode="oracle",
        status=optimum.status,
        request=request,
        duals=optimum.duals,
        binding=optimum.binding,
        infeasible_because=optimum.infeasible_because,
        relaxations=optimum.relaxations,
        certified_gap=optimum.certified_gap,
        notes=optimum.notes,
    )
    return build_plan(scenario, optimum.spend, header, layout=Layout(known.minimum_booking_usd))


def _shares(kind: BaselineKind, prepared: Prepared) -> Floats:
    column = {"status_quo": "spend_usd", "proportional_to_sales": "attributed_revenue_usd"}.get(kind)
    arms = prepared.response.arms
    values = np.ones(arms.height) if column is None else np.maximum(arms[column].to_numpy(), 0.0)
    chosen = values[prepared.chosen]
    if chosen.sum() <= 0:
        raise PlanError(f"baseline '{kind}' has nothing to go by: the allowed arms have no {column}")
    return chosen / chosen.sum()


def _true_arms(arms: pl.DataFrame, resolved: ResolvedRequest, settings: PlannerSettings) -> list[Arm]:
    """Stock is already folded into the true initial iROAS, so it is not applied again."""
    reach = settings.maximum_spend_multiple * resolved.weeks
    return [
        Arm(
            retailer_id=row["retailer_id"],
            placement_type=row["placement_type"],
            audience_id=row["audience_id"],
            sku_id=row["sku_id"],
            line_id=row["line_id"],
            initial_iroas=row["initial_iroas"],
            half_saturation_usd_per_week=row["half_saturation_usd_per_week"],
            margin_rate=row["margin_rate"],
            revenue_per_conversion_usd=row["revenue_per_conversion_usd"],
            max_spend_usd=reach * row["reference_spend_usd_per_week"],
        )
        for row in arms.iter_rows(named=True)
    ]
