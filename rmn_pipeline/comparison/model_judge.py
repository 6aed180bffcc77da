"""A judge for markets whose truth nobody knows: what the full-data model expects, draw by draw.

Each replicate is one posterior draw of every curve, the same for all plans, so that differences are paired as they
are in truth. What comes out is the model's opinion of the plans. It favours the plan that the same model made, and
it is labelled model-based wherever it is shown.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from rmn_pipeline.comparison.errors import ComparisonError
from rmn_pipeline.comparison.judge import ARM_KEYS, OUTCOME_COLUMNS
from rmn_pipeline.planning import Plan, PlannerSettings, PlanningView, PlanRequest, ResponseModel
from rmn_pipeline.planning.curves import Floats, response_at
from rmn_pipeline.planning.make_plan import incremental_draws, prepare


@dataclass(frozen=True)
class ModelJudgement:
    """Outcomes by replicate and arm, and by replicate."""

    arms: pl.DataFrame
    totals: pl.DataFrame


@dataclass(frozen=True)
class ModelJudge:
    """Carries plans out on posterior draws of the full-data model.

    Args:
        view: The full-data view.
        request: Says the brand; its lists and limits are not applied, so that any plan can be judged.
        start_date: First day of the plans.
        weeks: Their length.
        response: An earlier fit of the view.
        settings: The planner's choices.
    """

    view: PlanningView
    request: PlanRequest
    start_date: date
    weeks: int
    response: ResponseModel | None = None
    settings: PlannerSettings | None = None

    def realize(self, plan: Any, *, replicates: int, seed: int) -> ModelJudgement:
        """Expected outcomes under `replicates` posterior draws; the seed fixes the draws.

        Raises:
            ComparisonError: the plan funds an arm that the brand has never advertised: no model knows its curve.
        """
        if not isinstance(plan, Plan):
            raise ComparisonError(f"a model can only judge plans, not {type(plan).__name__}")
        open_request = PlanRequest(
            brand_id=self.request.brand_id, budget_usd=self.request.budget_usd, weeks=self.weeks
        )
        prepared = prepare(
            open_request, self.view, start_date=self.start_date, settings=self.settings or PlannerSettings(),
            response=self.response, enforce_stock=False,
        )  # fmt: skip
        initial, half = incremental_draws(prepared, replicates, seed)
        arms = pl.DataFrame(
            [
                (*arm.key, arm.margin_rate, arm.revenue_per_conversion_usd, arm.attributed_per_incremental,
                 arm.in_stock_probability, arm.curve_family == "log")
                for arm in prepared.scenario.arms
            ],
            schema=[*ARM_KEYS, "margin", "per_conversion", "attributed", "in_stock", "is_log"],
            orient="row",
        ).with_row_index("place")  # fmt: skip
        spend = plan.allocation_frame().group_by(ARM_KEYS).agg(pl.col("spend_usd").sum()).sort(ARM_KEYS)
        funded = spend.join(arms, on=ARM_KEYS, how="left", maintain_order="left")
        _check_known(funded, plan)
        place = funded["place"].to_numpy()
        weekly = funded["spend_usd"].to_numpy() / plan.weeks
        revenue = plan.weeks * response_at(
            initial[:, place], half[:, place], funded["is_log"].to_numpy()[None, :], spend=weekly
        )
        return _judgement(funded, revenue)


def _check_known(funded: pl.DataFrame, plan: Plan) -> None:
    unknown = funded.filter(pl.col("place").is_null())
    if not unknown.is_empty():
        raise ComparisonError(
            f"plan {plan.plan_id}: {unknown.height} arm(s) were never advertised, first "
            f"{unknown.select(ARM_KEYS).row(0)}; a model cannot judge them. Give the brand's campaign set-up to the "
            "clean-room view, so that its plan stays on arms that exist"
        )


def _judgement(funded: pl.DataFrame, revenue: Floats) -> ModelJudgement:
    replicates = revenue.shape[0]
    columns = {name: funded[name].to_numpy() for name in ("margin", "attributed", "per_conversion")}
    spend = funded["spend_usd"].to_numpy()
    wasted = spend * (1.0 - funded["in_stock"].to_numpy())
    values = {
        "spend_usd": np.broadcast_to(spend, revenue.shape),
        "incremental_revenue_usd": revenue,
        "incremental_margin_usd": revenue * columns["margin"],
        "attributed_revenue_usd": revenue * columns["attributed"],
        "conversions": revenue / columns["per_conversion"],
        "out_of_stock_spend_usd": np.broadcast_to(wasted, revenue.shape),
    }
    keys = pl.concat([funded.select(ARM_KEYS)] * replicates)
    arms = keys.with_columns(
        pl.Series("replicate", np.repeat(np.arange(replicates), funded.height)),
        *(pl.Series(name, values[name].reshape(-1)) for name in OUTCOME_COLUMNS),
    )
    totals = arms.group_by("replicate").agg(pl.col(OUTCOME_COLUMNS).sum()).sort("replicate")
    return ModelJudgement(arms, totals)
