"""Two by two: what the data is worth, and what the manufacturer's adapter is worth that reads the brief.

The adapter decides what request the brief becomes; the data decides what is planned for it. All four plans are
judged against what the brief means, under the same luck. A brief that is refused gives no plan and counts as nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np

from rmn_pipeline.comparison.field_values import GAME_OF_OBJECTIVE
from rmn_pipeline.comparison.intervals import interval, mean_of
from rmn_pipeline.comparison.judge import Judge, outcomes_of
from rmn_pipeline.comparison.result import Ablation, AblationCell, Bounds, Estimate
from rmn_pipeline.planning import (
    Plan,
    PlanError,
    PlannerSettings,
    PlanningView,
    PlanRequest,
    ResponseModel,
    fit_response,
    make_plan,
    resolve,
)
from rmn_pipeline.planning.curves import Floats

DataMode = Literal["full_data", "clean_room"]
DATA: tuple[DataMode, ...] = ("full_data", "clean_room")


@dataclass(frozen=True)
class Reading:
    """What a brief became, with or without the brand's adapter; without a request it was refused."""

    request: PlanRequest | None
    adapters_used: tuple[str, ...]
    refused_because: str | None = None


def ablation(
    *,
    with_adapter: Reading,
    without_adapter: Reading,
    views: Mapping[str, PlanningView],
    judge: Judge,
    start_date: date,
    settings: PlannerSettings | None = None,
    replicates: int = 50,
    seed: int = 0,
    responses: Mapping[str, ResponseModel] | None = None,
) -> Ablation | None:
    """Plan and judge all four combinations; None where even the full stack refused the brief.

    Args:
        with_adapter: The brief as the full stack of adapters understood it.
        without_adapter: The same without the manufacturer's adapter.
        views: "full_data" and "clean_room".
        judge: Carries the plans out.
        start_date: First day of the plans.
        settings: The planner's choices.
        replicates: How often each plan is carried out.
        seed: Fixes the luck that all share.
        responses: Earlier fits of the views, by the same names.
    """
    if with_adapter.request is None:
        return None
    known = settings or PlannerSettings()
    metric = GAME_OF_OBJECTIVE[resolve(with_adapter.request).objective]
    cells, reached = [], {}
    for data in DATA:
        fitted = (responses or {}).get(data) or fit_response(views[data], known)
        for has_adapter, reading in ((True, with_adapter), (False, without_adapter)):
            plan, refusal = None, reading.refused_because
            if reading.request is not None:
                try:
                    plan = make_plan(
                        reading.request, views[data], start_date=start_date, settings=known, response=fitted
                    )
                    refusal = ", ".join(plan.infeasible_because) or None
                except PlanError as error:
                    refusal = str(error)
            gained, net = _outcome(plan, judge, metric, replicates, seed)
            reached[data, has_adapter] = gained
            cells.append(
                AblationCell(
                    data=data,
                    brand_adapter=has_adapter,
                    planned=plan is not None and plan.status != "infeasible",
                    refused_because=refusal,
                    adapters_used=reading.adapters_used,
                    same_request=reading.request == with_adapter.request,
                    objective=_estimate(gained),
                    net_margin_usd=_estimate(net),
                )
            )
    data_with = reached["full_data", True] - reached["clean_room", True]
    data_without = reached["full_data", False] - reached["clean_room", False]
    adapter = (
        reached["full_data", True]
        - reached["full_data", False]
        + reached["clean_room", True]
        - reached["clean_room", False]
    ) / 2
    return Ablation(
        metric=metric,
        cells=tuple(cells),
        data_effect=_bounds((data_with + data_without) / 2),
        adapter_effect=_bounds(adapter),
        interaction=_bounds(data_with - data_without),
    )


def _outcome(
    plan: Plan | None, judge: Judge, metric: str, replicates: int, seed: int
) -> tuple[Floats, Floats]:
    if plan is None or plan.status == "infeasible":
        return np.zeros(replicates), np.zeros(replicates)
    judgement = judge.realize(plan, replicates=replicates, seed=seed)
    totals = outcomes_of(judgement, plan.mode, replicates).totals
    return totals[metric], totals["incremental_margin_usd"] - totals["spend_usd"]


def _estimate(values: Floats) -> Estimate:
    found = interval(mean_of(values))
    return Estimate(value=found.value, low=found.low, high=found.high, standard_error=found.standard_error)


def _bounds(values: Floats) -> Bounds:
    found = interval(mean_of(values))
    return Bounds(
        value=found.value, low=found.low, high=found.high, excludes_zero=found.low > 0 or found.high < 0
    )
