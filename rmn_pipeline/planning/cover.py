"""Days of cover: no more is advertised of a SKU at a retailer than its stock can serve.

Stock that may go to advertising, per retailer and SKU:

    spare = stock_units − baseline_units_per_day · (horizon days + days_of_cover)          (at least 0)

and the plan's expected incremental units must fit in:  Σ f_i(x_i) / revenue_per_unit ≤ spare  over the SKU's arms.
That set is not convex (a curve is held from above), so the sum is replaced by its tangent at the cheapest way to sell
exactly `spare`: equal marginal returns on all of the SKU's arms. A tangent of a concave curve lies above it, so plans
within the tangent's limit always keep the cover; where nothing else binds the SKU, the tangent point is the optimum.
Stock is the retailer's: arms of one SKU share it, and the smallest figure given for any of them counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from rmn_pipeline.planning.arms import ArmTable
from rmn_pipeline.planning.curves import ConcaveCurves, Floats
from rmn_pipeline.planning.observations import Integers

DAYS_PER_WEEK = 7
BISECTIONS = 80


@dataclass(frozen=True)
class StockTangent:
    """Σ units_per_dollar·x ≤ limit_units over the arms of one SKU at one retailer."""

    name: str
    arms: Integers
    units_per_dollar: Floats
    limit_units: float
    spare_units: float


def spare_units(stock_units: float, baseline_units_per_day: float, weeks: int, days_of_cover: float) -> float:
    """Units that may be sold through advertising within the horizon so that the cover is still there after it."""
    days = weeks * DAYS_PER_WEEK + days_of_cover
    return max(0.0, stock_units - baseline_units_per_day * days)


def stock_tangents(
    arms: ArmTable, curves: ConcaveCurves, upper: Floats, weeks: int, days_of_cover: float
) -> list[StockTangent]:
    """One row per retailer and SKU whose stock is known and could run short."""
    groups = (
        arms.frame.with_row_index("arm")
        .filter(pl.col("stock_units").is_not_null())
        .group_by("retailer_id", "sku_id", maintain_order=True)
        .agg(
            "arm", "revenue_per_unit_usd", pl.col("stock_units").min(), pl.col("baseline_units_per_day").max()
        )
    )
    if groups.is_empty():
        return []
    members = [np.array(row, dtype=np.int64) for row in groups["arm"].to_list()]
    spare = np.array(
        [
            spare_units(stock, baseline, weeks, days_of_cover)
            for stock, baseline in groups.select("stock_units", "baseline_units_per_day").iter_rows()
        ]
    )
    units = np.zeros(upper.size)
    units[np.concatenate(members)] = 1.0 / np.concatenate(groups["revenue_per_unit_usd"].to_list())
    group_of = np.full(upper.size, -1)
    for index, group in enumerate(members):
        group_of[group] = index
    at = _selling_exactly(curves, units, upper, group_of, spare)
    sold, slope = curves.response(at) * units, curves.marginal(at) * units
    most = curves.response(upper) * units
    return [
        StockTangent(
            name=f"{groups['retailer_id'][index]}/{groups['sku_id'][index]}",
            arms=group,
            units_per_dollar=slope[group],
            limit_units=float(spare[index] - (sold - slope * at)[group].sum()),
            spare_units=float(spare[index]),
        )
        for index, group in enumerate(members)
        if most[group].sum() > spare[index]
    ]


def _selling_exactly(
    curves: ConcaveCurves, units: Floats, upper: Floats, group_of: Integers, spare: Floats
) -> Floats:
    """Spend at which each group sells its spare units at the least cost: one price per group, found by bisection."""
    known = np.flatnonzero(group_of >= 0)
    start = float((curves.marginal(np.zeros(upper.size)) * units).max())
    low, high = np.full(spare.size, np.log(start) - 60.0), np.full(spare.size, np.log(start))
    at = np.zeros(upper.size)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        price = np.ones(upper.size)
        price[known] = np.exp(middle)[group_of[known]]
        at[known] = np.clip(curves.best_spend(units, price), 0.0, upper)[known]
        sold = np.bincount(group_of[known], (curves.response(at) * units)[known], minlength=spare.size)
        too_much = sold > spare
        low, high = np.where(too_much, middle, low), np.where(too_much, high, middle)
    return at
