"""Every metric of a judged plan, from its forecast and its outcomes, as values over replicates.

Gross margin is incremental margin before ad spend; net margin is what is left after it. Ratios are ratios of
totals (mean revenue over mean spend), never means of ratios over arms.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from rmn_pipeline.comparison.errors import ComparisonError
from rmn_pipeline.comparison.intervals import Replicated, jackknifed, mean_of
from rmn_pipeline.comparison.judge import ARM_KEYS, Outcomes
from rmn_pipeline.comparison.result import MetricInfo
from rmn_pipeline.planning import Plan

REALIZED_METRICS: dict[str, MetricInfo] = {
    "net_margin_usd": MetricInfo(
        label="Margin net of ad spend",
        unit="usd",
        better="higher",
        description="Incremental gross margin minus ad spend.",
    ),
    "incremental_margin_usd": MetricInfo(
        label="Incremental margin",
        unit="usd",
        better="higher",
        description="Gross margin on incremental revenue, before ad spend.",
    ),
    "incremental_revenue_usd": MetricInfo(
        label="Incremental revenue",
        unit="usd",
        better="higher",
        description="Revenue that would not have come without the ads.",
    ),
    "iroas": MetricInfo(
        label="Incremental ROAS", unit="ratio", better="higher", description="Incremental revenue / ad spend."
    ),
    "imroas": MetricInfo(
        label="Incremental margin ROAS",
        unit="ratio",
        better="higher",
        description="Incremental margin / ad spend; above 1 the ads pay for themselves.",
    ),
    "attributed_roas": MetricInfo(
        label="Attributed ROAS",
        unit="ratio",
        better="none",
        description="Revenue that the networks credit to the ads / ad spend; includes organic sales.",
    ),
    "conversions": MetricInfo(
        label="Conversions",
        unit="count",
        better="higher",
        description="Conversions that would not have come without the ads, in each network's own unit.",
    ),
    "cost_per_conversion_usd": MetricInfo(
        label="Cost per conversion", unit="usd", better="lower", description="Ad spend / conversions."
    ),
    "spend_usd": MetricInfo(
        label="Ad spend", unit="usd", better="none", description="Ad spend over the horizon."
    ),
    "out_of_stock_spend_usd": MetricInfo(
        label="Spend on out-of-stock SKU-weeks",
        unit="usd",
        better="lower",
        description="Ad spend while the advertised product could not be bought.",
    ),
    "out_of_stock_spend_share": MetricInfo(
        label="Share of spend on out-of-stock SKU-weeks",
        unit="share",
        better="lower",
        description="The same as a share of ad spend.",
    ),
    "skus_with_positive_margin": MetricInfo(
        label="Funded SKUs with positive margin",
        unit="count",
        better="higher",
        description="Funded SKUs whose realized incremental margin is above 0, mean over replicates.",
    ),
    "skus_with_positive_net_margin": MetricInfo(
        label="Funded SKUs that pay for their ads",
        unit="count",
        better="higher",
        description="Funded SKUs whose incremental margin exceeds their ad spend, mean over replicates.",
    ),
}

PREDICTION_METRICS: dict[str, MetricInfo] = {
    "accuracy_by_arm": MetricInfo(
        label="Forecast accuracy by arm, revenue",
        unit="share",
        better="higher",
        description="1 − WAPE over funded arms: predicted against mean realized incremental revenue. "
        "Below 0 the forecast is worse than forecasting nothing.",
    ),
    "accuracy_in_total": MetricInfo(
        label="Forecast accuracy in total, revenue",
        unit="share",
        better="higher",
        description="1 − |predicted − realized| / realized incremental revenue of the whole plan.",
    ),
    "margin_accuracy_by_arm": MetricInfo(
        label="Forecast accuracy by arm, margin",
        unit="share",
        better="higher",
        description="1 − WAPE over funded arms, on incremental margin.",
    ),
    "margin_accuracy_in_total": MetricInfo(
        label="Forecast accuracy in total, margin",
        unit="share",
        better="higher",
        description="1 − |predicted − realized| / realized incremental margin of the whole plan.",
    ),
    "calibration_ratio": MetricInfo(
        label="Calibration of revenue",
        unit="ratio",
        better="closer_to_one",
        description="Realized / predicted incremental revenue; below 1 the plan promised too much.",
    ),
    "margin_calibration_ratio": MetricInfo(
        label="Calibration of margin",
        unit="ratio",
        better="closer_to_one",
        description="Realized / predicted incremental margin.",
    ),
    "calibration_slope": MetricInfo(
        label="Calibration slope by arm, revenue",
        unit="ratio",
        better="closer_to_one",
        description="Slope of the regression of mean realized on predicted incremental revenue over funded arms; "
        "below 1 the plan sees larger differences between arms than there are.",
    ),
}


def regret_metrics(objective_metric: str) -> dict[str, MetricInfo]:
    """The two regret metrics, in the unit of the metric that they are measured on."""
    objective = REALIZED_METRICS[objective_metric]
    return {
        "regret": MetricInfo(
            label=f"Regret to the oracle ({objective.label.lower()})",
            unit=objective.unit,
            better="lower",
            description="What the oracle plan brings more than this one.",
        ),
        "regret_share": MetricInfo(
            label="Regret to the oracle, share",
            unit="share",
            better="lower",
            description=f"1 − {objective.label.lower()} of this plan / of the oracle plan.",
        ),
    }


@dataclass(frozen=True)
class JudgedPlan:
    """A plan's forecast and outcomes on the same arms in the same order."""

    mode: str
    plan: Plan
    arms: pl.DataFrame
    outcomes: Outcomes
    predicted_revenue: np.ndarray
    predicted_margin: np.ndarray


def judged_plan(mode: str, plan: Plan, outcomes: Outcomes) -> JudgedPlan:
    """Line up the funded arms of a plan with their outcomes; an arm that the judge left out is an error."""
    funded = funded_arms(plan)
    lined_up = outcomes.arms.with_row_index("position").join(
        funded, on=list(ARM_KEYS), how="full", coalesce=True, nulls_equal=True
    )
    unjudged = lined_up.filter(pl.col("position").is_null())
    if not unjudged.is_empty():
        raise ComparisonError(
            f"judge, plan {mode!r}: no outcome for {unjudged.height} funded arm(s), the first is "
            f"{dict(unjudged.select(ARM_KEYS).row(0, named=True))}; the judged market must hold every planned arm"
        )
    lined_up = lined_up.sort("position").with_columns(pl.exclude(*ARM_KEYS).fill_null(0.0))
    return JudgedPlan(
        mode=mode,
        plan=plan,
        arms=lined_up.drop("position"),
        outcomes=outcomes,
        predicted_revenue=lined_up["predicted_incremental_revenue_usd"].to_numpy(),
        predicted_margin=lined_up["predicted_incremental_margin_usd"].to_numpy(),
    )


def funded_arms(plan: Plan) -> pl.DataFrame:
    """One row per arm with money: planned spend and the forecast, working and experiment money together."""
    return (
        plan.allocation_frame()
        .filter(pl.col("spend_usd") > 0)
        .group_by(ARM_KEYS)
        .agg(
            pl.col("spend_usd").sum().alias("planned_spend_usd"),
            pl.col("predicted_incremental_revenue_usd").sum(),
            pl.col("predicted_incremental_margin_usd").sum(),
        )
        .sort(ARM_KEYS)
    )


def realized_metrics(judged: JudgedPlan) -> dict[str, Replicated | None]:
    """All of `REALIZED_METRICS`; a ratio over nothing is None."""
    totals = judged.outcomes.totals
    spend, revenue = totals["spend_usd"], totals["incremental_revenue_usd"]
    margin, conversions = totals["incremental_margin_usd"], totals["conversions"]
    wasted = totals["out_of_stock_spend_usd"]
    gross_by_sku, net_by_sku = _margin_by_sku(judged)
    return {
        "net_margin_usd": mean_of(margin - spend),
        "incremental_margin_usd": mean_of(margin),
        "incremental_revenue_usd": mean_of(revenue),
        "iroas": ratio(revenue, spend),
        "imroas": ratio(margin, spend),
        "attributed_roas": ratio(totals["attributed_revenue_usd"], spend),
        "conversions": mean_of(conversions),
        "cost_per_conversion_usd": ratio(spend, conversions),
        "spend_usd": mean_of(spend),
        "out_of_stock_spend_usd": mean_of(wasted),
        "out_of_stock_spend_share": ratio(wasted, spend),
        "skus_with_positive_margin": mean_of((gross_by_sku > 0).sum(axis=1)),
        "skus_with_positive_net_margin": mean_of((net_by_sku > 0).sum(axis=1)),
    }


def prediction_metrics(judged: JudgedPlan) -> dict[str, Replicated | None]:
    """All of `PREDICTION_METRICS`: the forecast against the mean outcome."""
    revenue = judged.outcomes.by_arm["incremental_revenue_usd"]
    margin = judged.outcomes.by_arm["incremental_margin_usd"]
    predicted_revenue, predicted_margin = judged.predicted_revenue, judged.predicted_margin
    return {
        "accuracy_by_arm": accuracy(predicted_revenue, revenue),
        "accuracy_in_total": accuracy(_total(predicted_revenue), _total(revenue)),
        "margin_accuracy_by_arm": accuracy(predicted_margin, margin),
        "margin_accuracy_in_total": accuracy(_total(predicted_margin), _total(margin)),
        "calibration_ratio": _calibration(predicted_revenue, revenue),
        "margin_calibration_ratio": _calibration(predicted_margin, margin),
        "calibration_slope": calibration_slope(predicted_revenue, revenue),
    }


def regret_to(
    oracle: dict[str, Replicated | None], plan: dict[str, Replicated | None], objective_metric: str
) -> dict[str, Replicated | None]:
    """What the oracle brings more than a plan on the objective's metric, and the same as a share."""
    best, reached = oracle[objective_metric], plan[objective_metric]
    if best is None or reached is None:
        return {"regret": None, "regret_share": None}
    regret = Replicated(best.value - reached.value, best.replicate_values - reached.replicate_values)
    if best.value <= 0:
        return {"regret": regret, "regret_share": None}
    return {"regret": regret, "regret_share": ratio(regret.replicate_values, best.replicate_values)}


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> Replicated | None:
    """A ratio of means over replicates; None where any leave-one-out denominator is not above 0."""
    count = denominator.size
    if count < 2 or denominator.sum() - denominator.max() <= 0:
        return None
    samples = np.column_stack([numerator, denominator]).astype(float)
    return jackknifed(samples, lambda means: means[..., 0] / means[..., 1])


def accuracy(predicted: np.ndarray, realized: np.ndarray) -> Replicated | None:
    """1 − WAPE of a forecast per arm against the mean of `realized` (replicate × arm); None if nothing came."""
    if realized.size == 0 or np.abs(realized.mean(axis=0)).sum() == 0:
        return None
    return jackknifed(
        realized,
        lambda means: 1.0 - np.abs(predicted - means).sum(axis=-1) / np.abs(means).sum(axis=-1),
    )


def _total(values: np.ndarray) -> np.ndarray:
    return values.sum(axis=-1, keepdims=True)


def _calibration(predicted: np.ndarray, realized: np.ndarray) -> Replicated | None:
    promised = float(predicted.sum())
    if promised <= 0:
        return None
    return mean_of(realized.sum(axis=1) / promised)


def calibration_slope(predicted: np.ndarray, realized: np.ndarray) -> Replicated | None:
    """Slope of mean realized on predicted over arms, with intercept; None where all predictions are alike."""
    if predicted.size < 2:
        return None
    centred = predicted - predicted.mean()
    scale = float((centred**2).sum())
    if scale <= 1e-12 * float((predicted**2).sum()):
        return None
    # Linear in the outcome: each replicate has its own slope, and their mean is that of the mean outcome.
    return mean_of(realized @ centred / scale)


def _margin_by_sku(judged: JudgedPlan) -> tuple[np.ndarray, np.ndarray]:
    """Gross and net margin, replicate × funded SKU."""
    funded = judged.arms["planned_spend_usd"].to_numpy() > 0
    skus = judged.arms["sku_id"].to_numpy()[funded]
    names, position = np.unique(skus, return_inverse=True)
    member = np.zeros((skus.size, names.size))
    member[np.arange(skus.size), position] = 1.0
    gross = judged.outcomes.by_arm["incremental_margin_usd"][:, funded] @ member
    spend = judged.outcomes.by_arm["spend_usd"][:, funded] @ member
    return gross, gross - spend
