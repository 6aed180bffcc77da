"""The request's limits held against what really happened: which were broken, by how much, and how often.

Where luck plays a part (ROAS, cost per conversion, spend) every replicate is checked; a limit counts as broken
when the mean over replicates is on the wrong side, and the share of replicates that broke it stands beside it
either way. Where only the plan decides (experiments, lists of retailers, placements and lines, stock at the time
of planning) the plan itself is checked.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from rmn_pipeline.comparison.metrics import JudgedPlan
from rmn_pipeline.comparison.result import ConstraintCheck, Unit
from rmn_pipeline.planning import PlanRequest, ResolvedRequest, resolve
from rmn_pipeline.planning.settings import PlannerSettings

RELATIVE_TOLERANCE = 1e-6
SPEND_TOLERANCE_USD = 0.01
# Amounts too small to book are dropped from plans, which moves shares in the fourth digit.
SHARE_TOLERANCE = 0.0005

Sense = Literal["at_least", "at_most"]


@dataclass(frozen=True)
class _Limit:
    """A limit before it is checked."""

    constraint: str
    scope: str
    sense: Sense
    limit: float
    unit: Unit
    planned: float | None = None


def check_constraints(
    judged: JudgedPlan, request: PlanRequest, skus: pl.DataFrame, availability: pl.DataFrame | None
) -> tuple[ConstraintCheck, ...]:
    """Every limit that the request sets, checked on one judged plan."""
    resolved = resolve(request)
    return (
        *_money_checks(judged, resolved),
        *_return_checks(judged, resolved),
        *_retailer_share_checks(judged, resolved),
        *_experiment_checks(judged, resolved),
        *_scope_checks(judged, resolved, skus),
        *_stock_checks(judged, resolved, availability),
    )


def violated(check: ConstraintCheck) -> bool:
    """Whether the mean outcome is on the wrong side of the limit."""
    return check.shortfall > 0


def _money_checks(judged: JudgedPlan, resolved: ResolvedRequest) -> Iterable[ConstraintCheck]:
    planned = float(judged.arms["planned_spend_usd"].sum())
    limit = _Limit("budget", "whole plan", "at_most", resolved.budget_usd, "usd", planned)
    yield _checked(limit, judged.outcomes.totals["spend_usd"])


def _return_checks(judged: JudgedPlan, resolved: ResolvedRequest) -> Iterable[ConstraintCheck]:
    request, totals, predicted = resolved.request, judged.outcomes.totals, judged.plan.predicted
    if request.min_roas is not None and totals["spend_usd"].min() > 0:
        incremental = resolved.roas_basis == "incremental"
        revenue = totals["incremental_revenue_usd" if incremental else "attributed_revenue_usd"]
        planned = predicted.iroas if incremental else predicted.roas
        name = "min_roas" if incremental else "min_roas (attributed)"
        limit = _Limit(name, "whole plan", "at_least", request.min_roas, "ratio", planned)
        yield _checked(limit, revenue / totals["spend_usd"])
    if request.max_cpa is not None and totals["conversions"].min() > 0:
        planned = predicted.spend_usd / predicted.conversions if predicted.conversions > 0 else None
        limit = _Limit("max_cpa", "whole plan", "at_most", request.max_cpa, "usd", planned)
        yield _checked(limit, totals["spend_usd"] / totals["conversions"])


def _retailer_share_checks(judged: JudgedPlan, resolved: ResolvedRequest) -> Iterable[ConstraintCheck]:
    share = resolved.request.max_retailer_share
    if share is None:
        return
    retailers = judged.arms["retailer_id"].to_numpy()
    planned = judged.arms["planned_spend_usd"].to_numpy()
    for retailer in sorted(set(retailers)):
        mine = retailers == retailer
        realized = judged.outcomes.by_arm["spend_usd"][:, mine].sum(axis=1) / resolved.budget_usd
        expected = float(planned[mine].sum() / resolved.budget_usd)
        yield _checked(_Limit("max_retailer_share", retailer, "at_most", share, "share", expected), realized)


def _experiment_checks(judged: JudgedPlan, resolved: ResolvedRequest) -> Iterable[ConstraintCheck]:
    spend = sum(item.spend_usd for item in judged.plan.allocation)
    # The oracle knows the curves: it has nothing to learn and is asked for no experiments.
    if resolved.experiment_share <= 0 or judged.plan.mode == "oracle":
        return
    share = experiment_spend_usd(judged) / spend
    limit = _Limit(
        "experiment_share", "spend of the plan", "at_least", resolved.experiment_share, "share", share
    )
    yield _checked(limit, np.array([share]))


def experiment_spend_usd(judged: JudgedPlan) -> float:
    """Planned money for experiments."""
    return float(sum(item.spend_usd for item in judged.plan.allocation if item.purpose == "experiment"))


def _scope_checks(
    judged: JudgedPlan, resolved: ResolvedRequest, skus: pl.DataFrame
) -> Iterable[ConstraintCheck]:
    request = resolved.request
    arms = judged.arms.join(skus.select("sku_id", "line_id"), on="sku_id", how="left")
    outside = {
        "retailers": (request.retailers, ~pl.col("retailer_id").is_in(list(request.retailers))),
        "placements": (request.placements, ~pl.col("placement_type").is_in(list(request.placements))),
        "include_lines": (request.include_lines, ~pl.col("line_id").is_in(list(request.include_lines))),
        "exclude_lines": (request.exclude_lines, pl.col("line_id").is_in(list(request.exclude_lines))),
    }
    for name, (asked, breaks_it) in outside.items():
        if asked:
            spend = float(arms.filter(breaks_it)["planned_spend_usd"].sum())
            limit = _Limit(name, ", ".join(asked), "at_most", 0.0, "usd", spend)
            yield _checked(limit, np.array([spend]))


def _stock_checks(
    judged: JudgedPlan, resolved: ResolvedRequest, availability: pl.DataFrame | None
) -> Iterable[ConstraintCheck]:
    # The oracle knows the stock to come, which this table of the past does not.
    if not resolved.exclude_out_of_stock or availability is None or judged.plan.mode == "oracle":
        return
    threshold = PlannerSettings().minimum_in_stock_probability
    out_of_stock = pl.col("in_stock_probability") < threshold
    if "stock_units" in availability.columns:
        out_of_stock |= pl.col("stock_units") <= 0
    gone = availability.filter(out_of_stock).select("retailer_id", "sku_id")
    hit = judged.arms.join(gone, on=["retailer_id", "sku_id"], how="semi")
    spend = float(hit["planned_spend_usd"].sum())
    scope = f"stock at planning time: under {threshold:.0%} or none"
    yield _checked(_Limit("exclude_out_of_stock", scope, "at_most", 0.0, "usd", spend), np.array([spend]))


def _checked(limit: _Limit, realized: np.ndarray) -> ConstraintCheck:
    tolerance = RELATIVE_TOLERANCE * max(1.0, abs(limit.limit))
    tolerance = max(tolerance, {"usd": SPEND_TOLERANCE_USD, "share": SHARE_TOLERANCE}.get(limit.unit, 0.0))
    sign = 1.0 if limit.sense == "at_most" else -1.0
    overshoot = sign * (realized - limit.limit)
    mean_overshoot = float(overshoot.mean())
    worst = float(overshoot.max())
    return ConstraintCheck(
        constraint=limit.constraint,
        scope=limit.scope,
        sense=limit.sense,
        limit=limit.limit,
        planned=limit.planned,
        realized=float(realized.mean()),
        shortfall=mean_overshoot if mean_overshoot > tolerance else 0.0,
        unit=limit.unit,
        share_of_replicates_violated=float((overshoot > tolerance).mean()),
        worst_shortfall=worst if worst > tolerance else 0.0,
        varies_by_replicate=realized.size > 1,
    )
