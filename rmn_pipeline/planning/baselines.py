"""Plans to compare against: splits that people use without an optimizer, and the oracle that knows the curves.

Baselines spend the whole budget on the arms that the request's lists allow. They know no stock, ROAS or cost limit.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Literal, get_args

import numpy as np
import polars as pl

from rmn_pipeline.planning.arms import KEY_COLUMNS
from rmn_pipeline.planning.curves import CurveFamily, Floats, TabulatedCurves, concave_envelope
from rmn_pipeline.planning.errors import PlanError
from rmn_pipeline.planning.frames import require_columns, require_rows
from rmn_pipeline.planning.layout import Layout, PlanHeader, build_plan
from rmn_pipeline.planning.make_plan import Prepared, posterior_layout, prepare, scenario_for
from rmn_pipeline.planning.optimizer import solve_scenario
from rmn_pipeline.planning.plan import Plan
from rmn_pipeline.planning.problem import problem_of
from rmn_pipeline.planning.request import PlanRequest, ResolvedRequest, resolve
from rmn_pipeline.planning.response import ResponseModel
from rmn_pipeline.planning.scenario import Arm, Scenario
from rmn_pipeline.planning.selection import allowed_arms, require_arms
from rmn_pipeline.planning.settings import PlannerSettings
from rmn_pipeline.planning.view import PlanningView

CURVE_COLUMNS = ("spend_usd_per_week", "incremental_revenue_usd_per_week")
ENVELOPE_NOTE = (
    "oracle on tabulated true curves: planned on their concave envelope, flat behind the last point; where a curve "
    "is not concave the oracle may earn less than it predicts"
)
FAMILY_NOTE = (
    "the true curves are of no known family and their points were not given: the oracle takes them for Hill curves "
    "with the same first dollar and scale, so it is not the best plan in truth"
)
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
    true_curves: pl.DataFrame | None = None,
) -> Plan:
    """The same optimizer on given (true) curves: what perfect knowledge would buy. No experiments: nothing to learn.

    `true_curves` gives, where the truth is no curve of a known family, points of each arm's weekly curve (arm keys,
    spend_usd_per_week, incremental_revenue_usd_per_week). They are planned on by their concave envelope: no plan can
    earn more than that promises, while an S-shaped curve may earn less at the spend chosen; the notes say so.
    """
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
    arms = _with_families(arms)
    # A curve that earns nothing cannot be funded, and a free arm does not exist.
    arms = arms.filter((pl.col("initial_iroas") > 0) & (pl.col("reference_spend_usd_per_week") > 0))
    require_arms(arms.height, request, "the truth: no allowed arm earns anything")
    scenario = scenario_for(resolved, _true_arms(arms, resolved, known), start_date, known)
    problem, curves = problem_of(scenario), None
    if true_curves is not None:
        curves = _enveloped(scenario, true_curves)
        problem = replace(problem, curves=curves)
    optimum = solve_scenario(scenario, problem)
    header = PlanHeader(
        mode="oracle",
        status=optimum.status,
        request=request,
        duals=optimum.duals,
        binding=optimum.binding,
        infeasible_because=optimum.infeasible_because,
        relaxations=optimum.relaxations,
        certified_gap=optimum.certified_gap,
        notes=(*_curve_notes(arms, curves), *optimum.notes),
    )
    return build_plan(
        scenario, optimum.spend, header, layout=Layout(known.minimum_booking_usd, curves=curves)
    )


def _with_families(arms: pl.DataFrame) -> pl.DataFrame:
    """Each arm's curve family; a truth of no known family stands as a Hill curve until its points are put in."""
    if "curve_family" not in arms.columns:
        return arms.with_columns(curve_family=pl.lit("hill"))
    known = pl.col("curve_family").is_in(list(get_args(CurveFamily)))
    return arms.with_columns(
        curve_family=pl.when(known).then("curve_family").otherwise(pl.lit("hill")),
        is_tabulated=~known,
    )


def _curve_notes(arms: pl.DataFrame, curves: TabulatedCurves | None) -> tuple[str, ...]:
    if curves is not None:
        return (ENVELOPE_NOTE,)
    return (FAMILY_NOTE,) if "is_tabulated" in arms.columns and arms["is_tabulated"].any() else ()


def _enveloped(scenario: Scenario, true_curves: pl.DataFrame) -> TabulatedCurves:
    """Points of weekly curves as concave curves of the whole horizon's spend, in the order of the scenario's arms."""
    require_columns(true_curves, (*KEY_COLUMNS, *CURVE_COLUMNS), "the table of true curves")
    arms = scenario.table.frame.select(KEY_COLUMNS)
    points = true_curves.filter(pl.col("spend_usd_per_week") > 0).sort("spend_usd_per_week")
    grouped = arms.join(
        points.group_by(KEY_COLUMNS).agg(CURVE_COLUMNS),
        on=KEY_COLUMNS,
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )
    counts = grouped["spend_usd_per_week"].list.len()
    if counts.null_count() or counts.n_unique() != 1:
        raise PlanError("the table of true curves needs the same number of points with spend for every arm")
    spend, revenue = (
        np.pad(np.array(grouped[name].to_list(), dtype=np.float64), ((0, 0), (1, 0)))
        for name in CURVE_COLUMNS
    )
    return concave_envelope(spend * scenario.weeks, revenue * scenario.weeks)


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
            curve_family=row["curve_family"],
            max_spend_usd=reach * row["reference_spend_usd_per_week"],
        )
        for row in arms.iter_rows(named=True)
    ]
