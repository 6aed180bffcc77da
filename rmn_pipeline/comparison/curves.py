"""What both planners believed about the arms that they fund most differently, and the stock behind their money."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from rmn_pipeline.comparison.regret import Truth
from rmn_pipeline.comparison.result import CurveBand, CurvePanel, StockWeek
from rmn_pipeline.planning import Plan, PlannerSettings, PlanningView, PlanRequest, ResponseModel
from rmn_pipeline.planning.curves import Floats, response_at
from rmn_pipeline.planning.make_plan import Prepared, incremental_draws, prepare

PANELS = 6
POINTS = 25
DRAWS = 300
SEED = 11
CELL = ("retailer_id", "placement_type", "sku_id")
# The chart reaches this far beyond the larger of the two plans.
REACH = 1.6

Cell = tuple[str, str, str]


@dataclass(frozen=True)
class _Beliefs:
    """Posterior draws of one planner, with the part of a cell's spend that each of its arms gets."""

    prepared: Prepared
    initial: Floats
    half: Floats
    cells: list[Cell]
    usual: Floats


def curve_panels(
    request: PlanRequest,
    views: Mapping[str, PlanningView],
    plans: Mapping[str, Plan],
    skus: pl.DataFrame,
    *,
    start_date: date,
    truth: Truth | None = None,
    settings: PlannerSettings | None = None,
    responses: Mapping[str, ResponseModel] | None = None,
) -> tuple[CurvePanel, ...]:
    """Curves with 90 % intervals for the cells (retailer, placement, product) that two plans fund most differently.

    Args:
        request: What both plans answer.
        views: By mode, what each planner saw.
        plans: By mode; only the modes of `views` are drawn.
        skus: sku_id and title.
        start_date: First day of the plans.
        truth: The market's arms, where they are known.
        settings: The planner's choices.
        responses: Earlier fits of the views, by mode.
    """
    if any(plans[mode].status == "infeasible" for mode in views):
        return ()
    known = settings or PlannerSettings()
    fits = responses or {}
    beliefs = {
        mode: _beliefs(request, view, start_date, known, fits.get(mode)) for mode, view in views.items()
    }
    spends = {mode: _spend_by_cell(plans[mode]) for mode in views}
    titles = dict(skus.select("sku_id", "title").iter_rows())
    return tuple(
        _panel(cell, titles.get(cell[2], cell[2]), beliefs, spends, plans, truth)
        for cell in _most_different(beliefs, spends)
    )


def stock_by_week(full: PlanningView, plans: Mapping[str, Plan]) -> tuple[StockWeek, ...]:
    """Share of time on the shelf, week by week of history, of what each plan funds and of everything."""
    if full.sales_weeks is None:
        return ()
    weeks = full.sales_weeks.select("retailer_id", "sku_id", "week", "in_stock_share").drop_nulls()
    weights = {
        mode: plan.allocation_frame().group_by("retailer_id", "sku_id").agg(pl.col("spend_usd").sum())
        for mode, plan in plans.items()
        if plan.allocation
    }
    means = {
        mode: dict(
            weeks.join(frame, on=["retailer_id", "sku_id"])
            .group_by("week")
            .agg((pl.col("in_stock_share") * pl.col("spend_usd")).sum() / pl.col("spend_usd").sum())
            .iter_rows()
        )
        for mode, frame in weights.items()
    }
    everything = weeks.group_by("week").agg(pl.col("in_stock_share").mean()).sort("week")
    return tuple(
        StockWeek(
            week=week,
            all_shelves=share,
            by_plan={mode: found[week] for mode, found in means.items() if week in found},
        )
        for week, share in everything.iter_rows()
    )


def _beliefs(
    request: PlanRequest,
    view: PlanningView,
    start: date,
    settings: PlannerSettings,
    response: ResponseModel | None,
) -> _Beliefs:
    prepared = prepare(
        request, view, start_date=start, settings=settings, response=response, enforce_stock=False
    )
    initial, half = incremental_draws(prepared, DRAWS, SEED)
    arms = prepared.scenario.arms
    return _Beliefs(
        prepared,
        initial,
        half,
        [(arm.retailer_id, arm.placement_type, arm.sku_id) for arm in arms],
        prepared.usual_spend_usd_per_week,
    )


def _spend_by_cell(plan: Plan) -> dict[Cell, float]:
    frame = plan.allocation_frame().group_by(CELL).agg(pl.col("spend_usd").sum() / plan.weeks)
    return {(row[0], row[1], row[2]): row[3] for row in frame.iter_rows()}


def _most_different(beliefs: Mapping[str, _Beliefs], spends: Mapping[str, dict[Cell, float]]) -> list[Cell]:
    common = set.intersection(*(set(found.cells) for found in beliefs.values()))
    first, second = (spends[mode] for mode in beliefs)
    ranked = sorted(common, key=lambda cell: (-abs(first.get(cell, 0.0) - second.get(cell, 0.0)), cell))
    return ranked[:PANELS]


def _panel(
    cell: Cell,
    title: str,
    beliefs: Mapping[str, _Beliefs],
    spends: Mapping[str, dict[Cell, float]],
    plans: Mapping[str, Plan],
    truth: Truth | None,
) -> CurvePanel:
    chosen = {mode: spends[mode].get(cell, 0.0) for mode in beliefs}
    points = np.linspace(0.0, max(REACH * max(chosen.values()), 10.0), POINTS)
    return CurvePanel(
        retailer_id=cell[0],
        placement_type=cell[1],
        sku_id=cell[2],
        title=title,
        spend_usd_per_week=_rounded(points),
        bands={mode: _band(found, cell, points, chosen[mode]) for mode, found in beliefs.items()},
        truth=None if truth is None else _true_curve(truth, cell, points),
    )


def _band(found: _Beliefs, cell: Cell, points: Floats, chosen: float) -> CurveBand:
    mine = np.array([index for index, name in enumerate(found.cells) if name == cell])
    share = found.usual[mine] / found.usual[mine].sum()
    arms = found.prepared.scenario.arms
    is_log = np.array([arms[index].curve_family == "log" for index in mine.tolist()])
    values = np.stack(
        [
            response_at(
                found.initial[:, mine], found.half[:, mine], is_log[None, :], spend=share * point
            ).sum(axis=1)
            for point in (*points, chosen)
        ],
        axis=1,
    )
    low, high = np.quantile(values, [0.05, 0.95], axis=0)
    mean = values.mean(axis=0)
    return CurveBand(
        mean=_rounded(mean[:-1]),
        low=_rounded(low[:-1]),
        high=_rounded(high[:-1]),
        chosen_spend_usd_per_week=chosen,
        chosen_mean_usd_per_week=float(mean[-1]),
    )


def _true_curve(truth: Truth, cell: Cell, points: Floats) -> tuple[float, ...] | None:
    rows = truth.arms
    for name, value in zip(CELL, cell, strict=True):
        rows = rows.filter(pl.col(name) == value)
    if rows.is_empty():
        return None
    spend = rows["reference_spend_usd_per_week"].to_numpy()
    share = spend / spend.sum()
    initial, half = rows["initial_iroas"].to_numpy(), rows["half_saturation_usd_per_week"].to_numpy()
    is_log = (rows["curve_family"] == "log").to_numpy() if "curve_family" in rows.columns else None
    return _rounded(
        np.array([response_at(initial, half, is_log, spend=share * point).sum() for point in points])
    )


def _rounded(values: Floats) -> tuple[float, ...]:
    return tuple(round(float(value), 2) for value in values)
