"""Both plans, and the plans they are measured against, judged in one market under the same luck."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import polars as pl

from rmn_pipeline import __version__
from rmn_pipeline.comparison.constraints import check_constraints, experiment_spend_usd, violated
from rmn_pipeline.comparison.errors import ComparisonError
from rmn_pipeline.comparison.intervals import (
    LEVEL,
    MINIMUM_REPLICATES,
    Interval,
    Replicated,
    interval,
    paired_interval,
    unpaired_half_width,
)
from rmn_pipeline.comparison.judge import Judge, outcomes_of
from rmn_pipeline.comparison.metrics import (
    PREDICTION_METRICS,
    REALIZED_METRICS,
    JudgedPlan,
    judged_plan,
    prediction_metrics,
    realized_metrics,
    regret_metrics,
    regret_to,
)
from rmn_pipeline.comparison.result import (
    Ablation,
    ArmOutcomes,
    Better,
    BudgetCell,
    ComparisonResult,
    CurvePanel,
    Difference,
    Estimate,
    FieldValues,
    MetricInfo,
    ModeResult,
    PredictedMetrics,
    PredictionMetrics,
    Provenance,
    RealizedMetrics,
    RegretMetrics,
    RegretSplit,
    SkuShift,
    StockWeek,
    Verdict,
    Winner,
)
from rmn_pipeline.planning import Plan, PlanRequest, resolve

FULL_DATA, CLEAN_ROOM, ORACLE = "full_data", "clean_room", "oracle"
REFERENCES = (ORACLE, "status_quo", "equal_split")
REQUIRED_PLANS = (FULL_DATA, CLEAN_ROOM, *REFERENCES)
# Without truth there is no oracle.
REQUIRED_WITHOUT_TRUTH = tuple(mode for mode in REQUIRED_PLANS if mode != ORACLE)
LABELS = {
    FULL_DATA: "Full data",
    CLEAN_ROOM: "Clean room",
    ORACLE: "Oracle",
    "status_quo": "Status quo",
    "equal_split": "Equal split",
    "proportional_to_sales": "By attributed sales",
}
# What "doing better" means: the very quantity that both planners were asked to maximize. Net margin, which also
# counts money left unspent, stands beside it in every report.
OBJECTIVE_METRIC = {
    "incremental_margin": "incremental_margin_usd",
    "incremental_revenue": "incremental_revenue_usd",
    "roas": "iroas",
}
INTERVAL_METHOD = (
    "Paired t interval over replicates with common random numbers; delete-one jackknife pseudo-values for "
    "ratios, accuracy and shares."
)
ACCURACIES = tuple(name for name, info in PREDICTION_METRICS.items() if info.unit == "share")
SHIFTS_SHOWN = 12
SKU_COLUMNS = ("sku_id", "title", "line_id")
AVAILABILITY_COLUMNS = ("retailer_id", "sku_id", "in_stock_probability")

Measured = dict[str, Replicated | None]


@dataclass(frozen=True)
class Details:
    """What is measured beside the plans' outcomes, each by a module of its own; what is left out is not shown."""

    field_values: FieldValues | None = None
    regret_splits: Mapping[str, RegretSplit] = field(default_factory=dict)
    ablation: Ablation | None = None
    curves: tuple[CurvePanel, ...] = ()
    stock: tuple[StockWeek, ...] = ()


def compare(
    *,
    brand_id: str,
    plans: Mapping[str, Plan],
    judge: Judge,
    request: PlanRequest,
    skus: pl.DataFrame,
    availability: pl.DataFrame | None = None,
    replicates: int = 50,
    seed: int = 0,
    generated_at: datetime | None = None,
    notes: Mapping[str, str] | None = None,
    details: Details | None = None,
    judged_by: Literal["truth", "model"] = "truth",
) -> ComparisonResult:
    """Judge every plan in the same market and say what each brought in and how they differ.

    Args:
        brand_id: Whose plans these are.
        plans: By mode; `REQUIRED_PLANS` must be there, further plans are judged and shown too.
        judge: Carries a plan out in a market whose truth it knows.
        request: The limits that realized outcomes are held against.
        skus: One row per product: sku_id, title, line_id.
        availability: retailer_id, sku_id, in_stock_probability when the plans were made; without it the
            out-of-stock exclusion is not checked.
        replicates: How many times each plan is carried out.
        seed: Fixes the luck that all plans share.
        generated_at: Time stamp of the result; now if not given.
        notes: Further provenance, such as a run id or the digest of the market.
        details: Field values, regret splits, ablation, curves and stock, to be shown with the rest.
        judged_by: "model" where the judge is a model and not the truth; no oracle is asked for then.

    Raises:
        ComparisonError: A plan is missing or belongs to another brand or horizon, a table lacks a column, or
            the judge's outcomes do not fit the plan.
    """
    _check_plans(brand_id, plans, request, replicates, judged_by)
    more = details or Details()
    _check_table("skus", skus, SKU_COLUMNS)
    if availability is not None:
        _check_table("availability", availability, AVAILABILITY_COLUMNS)
    objective_metric = OBJECTIVE_METRIC[resolve(request).objective]
    judged = {
        mode: judged_plan(
            mode, plan, outcomes_of(judge.realize(plan, replicates=replicates, seed=seed), mode, replicates)
        )
        for mode, plan in plans.items()
        if is_feasible(plan)
    }
    _check_same_luck(judged)
    _check_skus_known(judged, skus)
    measured = _measure(judged, objective_metric)
    infos = {**REALIZED_METRICS, **PREDICTION_METRICS, **regret_metrics(objective_metric)}
    differences = _differences(measured, infos, FULL_DATA, CLEAN_ROOM)
    first = plans[FULL_DATA]
    return ComparisonResult(
        brand_id=brand_id,
        generated_at=generated_at or datetime.now(UTC),
        seed=seed,
        replicates=replicates,
        confidence_level=LEVEL,
        interval_method=INTERVAL_METHOD,
        start_date=first.start_date,
        weeks=first.weeks,
        request=request,
        metrics=infos,
        modes={
            mode: _mode_result(
                mode, plan, judged.get(mode), measured.get(mode), request, skus, availability
            ).model_copy(update={"regret_split": more.regret_splits.get(mode)})
            for mode, plan in plans.items()
        },
        verdict=_verdict(differences, objective_metric, plans),
        differences=differences,
        reference_differences={
            f"{mine}_minus_{other}": _differences(measured, infos, mine, other)
            for mine in (FULL_DATA, CLEAN_ROOM)
            for other in plans
            if other not in (FULL_DATA, CLEAN_ROOM) and mine in measured and other in measured
        },
        sku_shifts=_sku_shifts(judged, skus),
        provenance=_provenance(plans, judge, notes),
        judged_by=judged_by,
        field_values=more.field_values,
        ablation=more.ablation,
        curves=more.curves,
        stock=more.stock,
    )


def is_feasible(plan: Plan) -> bool:
    """Whether there is anything to judge."""
    return plan.status != "infeasible"


def _check_plans(
    brand_id: str, plans: Mapping[str, Plan], request: PlanRequest, replicates: int, judged_by: str
) -> None:
    required = REQUIRED_PLANS if judged_by == "truth" else REQUIRED_WITHOUT_TRUTH
    missing = [mode for mode in required if mode not in plans]
    if missing:
        raise ComparisonError(
            f"comparison of {brand_id}: no plan for {', '.join(missing)}; "
            f"pass one for each of {', '.join(required)}"
        )
    if replicates < MINIMUM_REPLICATES:
        raise ComparisonError(f"comparison of {brand_id}: {replicates} replicate(s); ask for 50 or more")
    if request.brand_id != brand_id:
        raise ComparisonError(f"comparison of {brand_id}: the request is for brand {request.brand_id!r}")
    first = plans[FULL_DATA]
    for mode, plan in plans.items():
        if plan.brand_id != brand_id:
            raise ComparisonError(f"comparison of {brand_id}: plan {mode!r} is for brand {plan.brand_id!r}")
        if is_feasible(plan) and not any(item.spend_usd > 0 for item in plan.allocation):
            raise ComparisonError(
                f"comparison of {brand_id}: plan {mode!r} spends nothing although its status is "
                f"{plan.status!r}; a plan without money must be infeasible and say why"
            )
        if (plan.start_date, plan.weeks) != (first.start_date, first.weeks):
            raise ComparisonError(
                f"comparison of {brand_id}: plan {mode!r} covers {plan.weeks} weeks from {plan.start_date}, "
                f"{FULL_DATA!r} covers {first.weeks} weeks from {first.start_date}; plan the same weeks"
            )


def _check_table(name: str, frame: pl.DataFrame, columns: tuple[str, ...]) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ComparisonError(f"{name}: lacks the column(s) {', '.join(missing)}; it has {frame.columns}")
    if name == "skus" and frame["sku_id"].n_unique() != frame.height:
        raise ComparisonError("skus: some sku_id stands in more than one row; pass one row per product")


def _check_same_luck(judged: Mapping[str, JudgedPlan]) -> None:
    known = [(mode, item.outcomes.replicates) for mode, item in judged.items()]
    for mode, replicates in known[1:]:
        if not (replicates == known[0][1]).all():
            raise ComparisonError(
                f"judge, plan {mode!r}: its replicates are numbered otherwise than those of {known[0][0]!r}; "
                "plans can only be paired replicate by replicate"
            )


def _check_skus_known(judged: Mapping[str, JudgedPlan], skus: pl.DataFrame) -> None:
    for mode, item in judged.items():
        unknown = item.arms.filter(~pl.col("sku_id").is_in(skus["sku_id"].to_list()))
        if not unknown.is_empty():
            raise ComparisonError(
                f"plan {mode!r}: sku_id {unknown['sku_id'][0]!r} is not in the product table; "
                "pass the table that the plan was made from"
            )


def _measure(judged: Mapping[str, JudgedPlan], objective_metric: str) -> dict[str, Measured]:
    realized = {mode: realized_metrics(item) for mode, item in judged.items()}
    nothing: Measured = {"regret": None, "regret_share": None}
    return {
        mode: {
            **realized[mode],
            **prediction_metrics(item),
            **(
                regret_to(realized[ORACLE], realized[mode], objective_metric)
                if ORACLE in realized
                else nothing
            ),
        }
        for mode, item in judged.items()
    }


def _estimates(measured: Measured, names: Mapping[str, Any]) -> dict[str, Estimate | None]:
    return {name: _estimate(measured[name], 1.0 if name in ACCURACIES else None) for name in names}


def _estimate(metric: Replicated | None, ceiling: float | None) -> Estimate | None:
    if metric is None:
        return None
    found = interval(metric)
    # 1 − WAPE cannot exceed 1, but a symmetric interval around it can.
    high = found.high if ceiling is None else min(found.high, ceiling)
    return Estimate(value=found.value, low=found.low, high=high, standard_error=found.standard_error)


def _mode_result(
    mode: str,
    plan: Plan,
    judged: JudgedPlan | None,
    measured: Measured | None,
    request: PlanRequest,
    skus: pl.DataFrame,
    availability: pl.DataFrame | None,
) -> ModeResult:
    about: dict[str, Any] = {
        "mode": mode,
        "label": LABELS.get(mode, mode.replace("_", " ").capitalize()),
        "plan_id": plan.plan_id,
        "status": plan.status,
        "feasible": judged is not None,
        "infeasible_because": (*plan.infeasible_because, *(item.text for item in plan.relaxations)),
        "adapters_used": plan.adapters_used,
        "blocked_fields": plan.blocked_fields,
        "binding": plan.binding,
        "notes": plan.notes,
        "certified_gap": plan.certified_gap,
    }
    if judged is None or measured is None:
        return ModeResult(**about, **_EMPTY_OUTCOME)
    checks = check_constraints(judged, request, skus, availability)
    funded = judged.arms.filter(pl.col("planned_spend_usd") > 0)
    return ModeResult(
        **about,
        arms_funded=funded.height,
        skus_funded=funded["sku_id"].n_unique(),
        experiment_spend_usd=experiment_spend_usd(judged),
        predicted=_predicted(plan),
        realized=RealizedMetrics(**_estimates(measured, RealizedMetrics.model_fields)),
        prediction=PredictionMetrics(**_estimates(measured, PredictionMetrics.model_fields)),
        regret=RegretMetrics(**_estimates(measured, RegretMetrics.model_fields)),
        constraint_violations=tuple(check for check in checks if violated(check)),
        constraints_kept=tuple(check for check in checks if not violated(check)),
        budget=_budget(judged, skus),
        arms=_arm_outcomes(judged) if mode in (FULL_DATA, CLEAN_ROOM) else None,
    )


_EMPTY_OUTCOME: dict[str, Any] = {
    "arms_funded": 0,
    "skus_funded": 0,
    "experiment_spend_usd": 0.0,
    "predicted": None,
    "realized": None,
    "prediction": None,
    "regret": None,
    "constraint_violations": (),
    "constraints_kept": (),
    "budget": (),
    "arms": None,
}


def _predicted(plan: Plan) -> PredictedMetrics:
    forecast = plan.predicted
    spend, margin = forecast.spend_usd, forecast.incremental_margin_usd
    return PredictedMetrics(
        spend_usd=spend,
        incremental_revenue_usd=forecast.incremental_revenue_usd,
        incremental_margin_usd=margin,
        net_margin_usd=margin - spend,
        iroas=forecast.incremental_revenue_usd / spend if spend > 0 else None,
        imroas=margin / spend if spend > 0 else None,
        conversions=forecast.conversions,
    )


def _mean_outcomes(judged: JudgedPlan) -> pl.DataFrame:
    """The arms with mean realized spend, revenue and margin beside the plan's numbers."""
    names = ("spend_usd", "incremental_revenue_usd", "incremental_margin_usd")
    return judged.arms.with_columns(
        pl.Series(f"realized_{name}", judged.outcomes.by_arm[name].mean(axis=0)) for name in names
    ).with_columns(
        (pl.col("realized_incremental_margin_usd") - pl.col("realized_spend_usd")).alias(
            "realized_net_margin_usd"
        )
    )


def _budget(judged: JudgedPlan, skus: pl.DataFrame) -> tuple[BudgetCell, ...]:
    cells = (
        _mean_outcomes(judged)
        .join(skus.select("sku_id", "line_id"), on="sku_id", how="left")
        .group_by("retailer_id", "placement_type", "line_id")
        .agg(
            pl.col("realized_spend_usd").sum().alias("spend_usd"),
            pl.col("realized_incremental_revenue_usd").sum().alias("incremental_revenue_usd"),
            pl.col("realized_net_margin_usd").sum().alias("net_margin_usd"),
        )
        .sort("retailer_id", "placement_type", "line_id")
    )
    return tuple(BudgetCell(**row) for row in cells.iter_rows(named=True))


def _arm_outcomes(judged: JudgedPlan) -> ArmOutcomes:
    funded = _mean_outcomes(judged).filter(pl.col("planned_spend_usd") > 0)
    cents = {
        name: tuple(funded[name].round(2).to_list())
        for name in (
            "predicted_incremental_revenue_usd",
            "realized_incremental_revenue_usd",
            "predicted_incremental_margin_usd",
            "realized_incremental_margin_usd",
        )
    }
    return ArmOutcomes(
        retailer_id=tuple(funded["retailer_id"]),
        placement_type=tuple(funded["placement_type"]),
        audience_id=tuple(funded["audience_id"]),
        sku_id=tuple(funded["sku_id"]),
        spend_usd=tuple(funded["realized_spend_usd"].round(2).to_list()),
        **cents,
    )


def _differences(
    measured: Mapping[str, Measured], infos: Mapping[str, MetricInfo], minuend: str, subtrahend: str
) -> dict[str, Difference]:
    if minuend not in measured or subtrahend not in measured:
        return {}
    found = {}
    for name, info in infos.items():
        mine, other = measured[minuend][name], measured[subtrahend][name]
        if mine is not None and other is not None:
            found[name] = _difference(mine, other, info, minuend, subtrahend)
    return found


def _difference(
    mine: Replicated, other: Replicated, info: MetricInfo, minuend: str, subtrahend: str
) -> Difference:
    gap = _without_rounding_error(paired_interval(mine, other), mine, other)
    excludes_zero = gap.low > 0 or gap.high < 0
    favours = None
    if excludes_zero and (gain := _gain(mine.value, other.value, info.better)):
        favours = minuend if gain > 0 else subtrahend
    return Difference(
        minuend=minuend,
        subtrahend=subtrahend,
        value=gap.value,
        low=gap.low,
        high=gap.high,
        standard_error=gap.standard_error,
        relative=gap.value / abs(other.value) if other.value != 0 else None,
        excludes_zero=excludes_zero,
        favours=favours,
        half_width=(gap.high - gap.low) / 2,
        unpaired_half_width=unpaired_half_width(mine, other),
    )


def _without_rounding_error(gap: Interval, mine: Replicated, other: Replicated) -> Interval:
    """Sums over thousands of arms differ in the last digits; such a difference must not count as one."""
    smallest = 1e-9 * max(abs(mine.value), abs(other.value), 1e-3)
    if max(abs(gap.low), abs(gap.high)) > smallest:
        return gap
    return Interval(value=0.0, low=0.0, high=0.0, standard_error=0.0)


def _gain(mine: float, other: float, better: Better) -> float:
    """How much better `mine` is; 0 where neither is, or where they miss a target of 1 on different sides."""
    if better == "closer_to_one":
        return abs(other - 1) - abs(mine - 1) if (mine - 1) * (other - 1) > 0 else 0.0
    return {"higher": mine - other, "lower": other - mine, "none": 0.0}[better]


def _verdict(
    differences: Mapping[str, Difference], objective_metric: str, plans: Mapping[str, Plan]
) -> Verdict:
    label = REALIZED_METRICS[objective_metric].label.lower()
    infeasible = [LABELS[mode].lower() for mode in (FULL_DATA, CLEAN_ROOM) if not is_feasible(plans[mode])]
    if infeasible:
        reason = f"no feasible plan exists for {' and '.join(infeasible)}."
        return Verdict(metric=objective_metric, winner="undecided", reason=reason)
    gap = differences.get(objective_metric)
    if gap is None:
        reason = f"one of the plans has no {label}, because nothing was spent."
        return Verdict(metric=objective_metric, winner="undecided", reason=reason)
    if not gap.excludes_zero:
        reason = f"the 95 % interval of the difference in {label} includes 0."
        return Verdict(metric=objective_metric, winner="neither", reason=reason)
    net = differences["net_margin_usd"]
    if objective_metric == "incremental_margin_usd" and net.favours not in (None, gap.favours):
        reason = f"{label} and margin net of ad spend point in opposite directions, both clearly."
        return Verdict(metric=objective_metric, winner="mixed", reason=reason)
    reason = f"the 95 % interval of the difference in {label} excludes 0."
    winner: Winner = "full_data" if gap.favours == FULL_DATA else "clean_room"
    return Verdict(metric=objective_metric, winner=winner, reason=reason)


def _sku_shifts(judged: Mapping[str, JudgedPlan], skus: pl.DataFrame) -> tuple[SkuShift, ...]:
    """The products whose budget differs most between the two plans."""
    if FULL_DATA not in judged or CLEAN_ROOM not in judged:
        return ()
    full, clean = (
        _mean_outcomes(judged[mode])
        .group_by("sku_id")
        .agg(
            pl.col("realized_spend_usd").sum().alias(f"{mode}_spend_usd"),
            pl.col("realized_net_margin_usd").sum().alias(f"{mode}_net_margin_usd"),
            pl.col("realized_incremental_margin_usd").sum().alias(f"{mode}_margin_usd"),
            pl.col("realized_incremental_revenue_usd").sum().alias(f"{mode}_revenue_usd"),
        )
        for mode in (FULL_DATA, CLEAN_ROOM)
    )
    revenue = pl.sum_horizontal("full_data_revenue_usd", "clean_room_revenue_usd")
    margin = pl.sum_horizontal("full_data_margin_usd", "clean_room_margin_usd")
    shifts = (
        full.join(clean, on="sku_id", how="full", coalesce=True)
        .with_columns(pl.exclude("sku_id").fill_null(0.0))
        .with_columns(
            (pl.col("full_data_spend_usd") - pl.col("clean_room_spend_usd")).alias("spend_difference_usd"),
            (pl.col("full_data_net_margin_usd") - pl.col("clean_room_net_margin_usd")).alias(
                "net_margin_difference_usd"
            ),
            pl.when(revenue > 0).then(margin / revenue).alias("margin_per_revenue"),
        )
        .join(skus.select(SKU_COLUMNS), on="sku_id", how="left")
        .sort(pl.col("spend_difference_usd").abs(), "sku_id", descending=[True, False])
        .head(SHIFTS_SHOWN)
        .select(*SkuShift.model_fields)
    )
    return tuple(SkuShift(**row) for row in shifts.iter_rows(named=True))


def _provenance(plans: Mapping[str, Plan], judge: Judge, notes: Mapping[str, str] | None) -> Provenance:
    return Provenance(
        package_version=__version__,
        judge=type(judge).__qualname__,
        plan_digests={
            mode: hashlib.sha256(plan.model_dump_json().encode()).hexdigest() for mode, plan in plans.items()
        },
        plan_ids={mode: plan.plan_id for mode, plan in plans.items()},
        notes=dict(notes or {}),
    )
