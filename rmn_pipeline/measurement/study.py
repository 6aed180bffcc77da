"""Coverage, size and power of the fallback methods on panels drawn from the published study's process."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from rmn_pipeline.measurement.assignment import chosen_assignment
from rmn_pipeline.measurement.estimates import LiftEstimate, Method
from rmn_pipeline.measurement.geo_lift import LiftSettings, lift_window
from rmn_pipeline.measurement.lift_methods import METHODS
from rmn_pipeline.measurement.published_study import STUDY_CELLS, StudyCell, StudyPanel, study_panel

STUDY_METHODS: tuple[Method, ...] = ("did_ar1", "synthetic_control", "tbr")
STUDY_LIFT = 0.075

STUDY_SCHEMA = {
    "cell": pl.String,
    "method": pl.String,
    "runs": pl.Int64,
    "coverage": pl.Float64,
    "coverage_null": pl.Float64,
    "false_positives": pl.Float64,
    "power": pl.Float64,
    "width_per_day": pl.Float64,
    "bias_points": pl.Float64,
}


def study_table(
    runs: int,
    seed: int,
    cells: Sequence[str] = tuple(STUDY_CELLS),
    methods: Sequence[Method] = STUDY_METHODS,
    alpha: float = 0.05,
) -> pl.DataFrame:
    """One row per cell and method; every method sees the same panels, each with no lift and with 7.5 %.

    Rates are shares; `width_per_day` is the mean width of the interval of the treated geo's extra sales per day;
    `bias_points` is the mean estimated lift less the true one, in percentage points.
    """
    rows = []
    for name in cells:
        generator = np.random.default_rng([seed, sum(name.encode())])
        found: dict[Method, list[tuple[float, ...]]] = {method: [] for method in methods}
        for _ in range(runs):
            null = study_panel(STUDY_CELLS[name], 0.0, generator)
            lifted = study_panel(STUDY_CELLS[name], STUDY_LIFT, generator)
            for method in methods:
                found[method].append(_scores(method, STUDY_CELLS[name], null, lifted, alpha))
        for method, scores in found.items():
            rows.append((name, method, runs, *np.mean(scores, axis=0).tolist()))
    return pl.DataFrame(rows, schema=STUDY_SCHEMA, orient="row")


def _scores(
    method: Method, cell: StudyCell, null: StudyPanel, lifted: StudyPanel, alpha: float
) -> tuple[float, ...]:
    without, sold_null = _estimate(method, null, alpha)
    with_lift, sold = _estimate(method, lifted, alpha)
    low, high = (_per_day(value, sold, cell) for value in (with_lift.low, with_lift.high))
    return (
        float(low <= lifted.true_daily_effect <= high),
        float(_per_day(without.low, sold_null, cell) <= 0.0 <= _per_day(without.high, sold_null, cell)),
        float(without.is_significant),
        float(with_lift.is_significant),
        high - low,
        100.0 * (with_lift.lift - STUDY_LIFT),
    )


def _estimate(method: Method, case: StudyPanel, alpha: float) -> tuple[LiftEstimate, float]:
    assignment = chosen_assignment(case.panel.geos, [case.treated])
    window, _ = lift_window(case.panel, assignment, case.start, case.end, LiftSettings(alpha=alpha))
    return METHODS[method](window, alpha), float(window.treated_after.sum())


def _per_day(lift: float, sold: float, cell: StudyCell) -> float:
    if lift <= -1.0:
        return -np.inf
    return sold / cell.days_after * (1.0 if np.isinf(lift) else lift / (1.0 + lift))
