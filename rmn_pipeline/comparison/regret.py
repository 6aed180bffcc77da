"""What a plan misses of the oracle, piece by piece: straight segments, wrong curves, misjudged limits, experiments.

Four plans stand between the best one and the plan as made, each one step less knowing than the one before:

1. the oracle on very fine segments: true curves, true limits;
2. the same on the planner's own segments;
3. the planner's estimated curves in the objective, but limits and stock as they truly are;
4. the planner's curves in objective and limits alike, without a reserve for experiments;
5. the plan as made.

Each is carried out under the same luck, so that the pieces sum to the whole in every replicate. A piece may be
negative: a plan that breaks a true limit can earn more than one that keeps it. The violations stand beside it.
"""

from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise

import numpy as np
import polars as pl

from rmn_pipeline.comparison.intervals import Replicated, interval, mean_of
from rmn_pipeline.comparison.judge import ARM_KEYS, Judge, outcomes_of
from rmn_pipeline.comparison.result import Estimate, RegretSplit
from rmn_pipeline.planning import (
    Plan,
    PlanError,
    PlannerSettings,
    PlanningView,
    PlanRequest,
    ResolvedRequest,
    ResponseModel,
    make_plan,
    oracle_plan,
    resolve,
)
from rmn_pipeline.planning.curves import Floats, response_at
from rmn_pipeline.planning.layout import Layout, PlanHeader, build_plan
from rmn_pipeline.planning.make_plan import Prepared, prepare
from rmn_pipeline.planning.problem import Problem, problem_of

FINE_SEGMENTS = 200
SPLIT_METRIC = {
    "incremental_margin": "incremental_margin_usd",
    "incremental_revenue": "incremental_revenue_usd",
}


@dataclass(frozen=True)
class Truth:
    """What a judge knows and no planner: curves and stock of every arm, as `oracle_plan` takes them."""

    arms: pl.DataFrame


def regret_split(
    plan: Plan,
    *,
    request: PlanRequest,
    view: PlanningView,
    truth: Truth,
    judge: Judge,
    start_date: date,
    settings: PlannerSettings | None = None,
    response: ResponseModel | None = None,
    replicates: int = 50,
    seed: int = 0,
) -> RegretSplit | None:
    """Split a plan's regret; None where the objective is a ratio or one of the plans between cannot be made.

    Args:
        plan: As made from `view`.
        request: What it answers.
        view: What its planner saw.
        truth: The true arms.
        judge: Carries the plans out.
        start_date: First day of the plans.
        settings: The planner's choices.
        response: An earlier fit of the view.
        replicates: How often each plan is carried out.
        seed: Fixes the luck that all share.
    """
    metric = SPLIT_METRIC.get(resolve(request).objective)
    if metric is None or plan.status == "infeasible":
        return None
    try:
        steps = _steps(plan, request, view, truth, start_date, settings or PlannerSettings(), response)
    except PlanError:
        return None
    if any(step.status == "infeasible" or not step.allocation for step in steps):
        return None
    reached = [
        outcomes_of(judge.realize(step, replicates=replicates, seed=seed), step.mode, replicates).totals[
            metric
        ]
        for step in steps
    ]
    pieces = [_estimate(mean_of(better - worse)) for better, worse in pairwise(reached)]
    return RegretSplit(
        metric=metric,
        oracle=_estimate(mean_of(reached[0])),
        piecewise=pieces[0],
        estimation=pieces[1],
        constraint_misjudgement=pieces[2],
        experiments=pieces[3],
        total=_estimate(mean_of(reached[0] - reached[-1])),
    )


def _estimate(metric: Replicated) -> Estimate:
    found = interval(metric)
    return Estimate(value=found.value, low=found.low, high=found.high, standard_error=found.standard_error)


def _steps(
    plan: Plan,
    request: PlanRequest,
    view: PlanningView,
    truth: Truth,
    start: date,
    settings: PlannerSettings,
    response: ResponseModel | None,
) -> list[Plan]:
    fine = replace(settings, segments=FINE_SEGMENTS)
    bare = request.model_copy(update={"experiment_share": 0.0})
    return [
        oracle_plan(request, truth.arms, start_date=start, settings=fine),
        oracle_plan(request, truth.arms, start_date=start, settings=settings),
        _within_true_limits(request, view, truth, start, settings, response),
        make_plan(bare, view, start_date=start, settings=settings, response=response),
        plan,
    ]


def _within_true_limits(
    request: PlanRequest,
    view: PlanningView,
    truth: Truth,
    start: date,
    settings: PlannerSettings,
    response: ResponseModel | None,
) -> Plan:
    """The best plan by the view's curves among those that keep the limits in truth."""
    prepared = prepare(
        request, view, start_date=start, settings=settings, response=response, enforce_stock=False
    )
    problem = problem_of(prepared.scenario)
    points = problem.curves.breakpoints(
        np.zeros(problem.upper.size), _upper(prepared, problem, truth, settings), FINE_SEGMENTS
    )
    spend = _solved(prepared, problem, truth, points)
    header = PlanHeader(mode="scenario", status="optimal", request=request)
    layout = Layout(settings.minimum_booking_usd, prepared.audience_shares)
    return build_plan(prepared.scenario, spend, header, layout=layout)


def _parts(prepared: Prepared, truth: Truth) -> pl.DataFrame:
    """One row per planned arm and audience behind it, with that audience's share and its true curve."""
    rows: list[tuple[int, str, str, str | None, str, float]] = []
    for place, arm in enumerate(prepared.scenario.arms):
        shares = [(arm.audience_id, 1.0)]
        if arm.audience_id is None:
            shares = [*prepared.audience_shares.get((arm.retailer_id, arm.placement_type, arm.sku_id), [])]
        rows.extend(
            (place, arm.retailer_id, arm.placement_type, name, arm.sku_id, share) for name, share in shares
        )
    frame = pl.DataFrame(rows, schema=["place", *ARM_KEYS, "share"], orient="row")
    return frame.join(truth.arms, on=ARM_KEYS, how="inner", maintain_order="left")


def _upper(prepared: Prepared, problem: Problem, truth: Truth, settings: PlannerSettings) -> Floats:
    """The planner's own spend limits; nothing where the shelf is truly empty too often or no true arm stands behind."""
    parts = _parts(prepared, truth)
    upper = np.zeros(problem.upper.size)
    known = parts["place"].to_numpy()
    upper[known] = problem.upper[known]
    if prepared.resolved.exclude_out_of_stock:
        rare = parts.filter(pl.col("in_stock_probability") < settings.minimum_in_stock_probability)
        upper[rare["place"].to_numpy()] = 0.0
    return upper


def _true_response(prepared: Prepared, truth: Truth, points: Floats) -> Floats:
    parts = _parts(prepared, truth)
    place, share = parts["place"].to_numpy(), parts["share"].to_numpy()
    half = parts["half_saturation_usd_per_week"].to_numpy() * prepared.scenario.weeks
    is_log = (parts["curve_family"] == "log").to_numpy() if "curve_family" in parts.columns else None
    logs = None if is_log is None else is_log[:, None]
    initial = parts["initial_iroas"].to_numpy()
    returned = response_at(initial[:, None], half[:, None], logs, spend=points[place] * share[:, None])
    total = np.zeros_like(points)
    np.add.at(total, place, returned)
    return total


def _solved(prepared: Prepared, problem: Problem, truth: Truth, points: Floats) -> Floats:
    """The linear program over segments. Both gains fall from segment to segment, so segments fill in order."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_matrix

    widths = np.diff(points, axis=1)
    gain = np.diff(problem.weight[:, None] * problem.curves.response(points), axis=1)
    gain = gain - np.broadcast_to(np.asarray(problem.spend_charge), (1,)) * widths
    rows, limits = _true_rows(prepared, widths, np.diff(_true_response(prepared, truth, points), axis=1))
    found = linprog(
        -gain.ravel(), A_ub=csr_matrix(np.array(rows)), b_ub=limits, bounds=(0, 1), method="highs"
    )
    if not found.success:
        raise PlanError(f"no plan keeps the true limits on the estimated curves: {found.message}")
    return np.asarray((found.x.reshape(widths.shape) * widths).sum(axis=1), dtype=np.float64)


def _true_rows(prepared: Prepared, widths: Floats, returns: Floats) -> tuple[list[Floats], list[float]]:
    """Budget, ROAS, cost per conversion and retailer shares, over the share of each segment that is filled."""
    resolved: ResolvedRequest = prepared.resolved
    request, arms = resolved.request, prepared.scenario.arms
    rows, limits = [widths.ravel()], [request.budget_usd]
    if request.min_roas is not None and resolved.roas_basis == "incremental":
        rows.append((request.min_roas * widths - returns).ravel())
        limits.append(0.0)
    if request.max_cpa is not None:
        value = np.array([arm.revenue_per_conversion_usd for arm in arms])
        rows.append((widths - request.max_cpa * returns / value[:, None]).ravel())
        limits.append(0.0)
    if request.max_retailer_share is not None:
        retailers = np.array([arm.retailer_id for arm in arms])
        for name in sorted(set(retailers.tolist())):
            rows.append((widths * (retailers == name)[:, None]).ravel())
            limits.append(request.max_retailer_share * request.budget_usd)
    return rows, limits
