"""A scenario as arrays: horizon-long concave curves, objective weights and constraint rows.

Every row reads  Σ spend_weight·x − Σ return_weight·f(x) ≤ limit  over its arms, so that budgets, caps, floors,
ROAS and cost-per-conversion limits are all one kind of thing to the solver, the certificate and the conflict search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rmn_pipeline.planning.curves import ConcaveCurves, Curves, Floats, family_mask
from rmn_pipeline.planning.observations import Integers
from rmn_pipeline.planning.scenario import Scenario


@dataclass(frozen=True)
class Row:
    """One constraint over some arms; `return_weight` is None where the row does not look at returns."""

    name: str
    arms: Integers
    limit: float
    spend_weight: float = 1.0
    return_weight: Floats | None = None

    @property
    def is_ratio(self) -> bool:
        """Whether the row ties spend to returns (ROAS, cost per conversion)."""
        return self.return_weight is not None


@dataclass(frozen=True)
class Problem:
    """Maximise Σ weight·f(x) − spend_charge·Σx over 0 ≤ x ≤ upper, subject to the rows. Dollars per horizon."""

    curves: ConcaveCurves
    weight: Floats
    upper: Floats
    rows: tuple[Row, ...]
    spend_charge: float
    segments: int

    def value(self, spend: Floats) -> float:
        """The objective, on the true curves."""
        return float((self.weight * self.curves.response(spend)).sum() - self.spend_charge * spend.sum())

    def excess(self, row: Row, spend: Floats) -> float:
        """How far a spend vector is over a row's limit (negative: under)."""
        used = row.spend_weight * spend[row.arms].sum()
        if row.return_weight is not None:
            used -= (row.return_weight * self.curves.response(spend)[row.arms]).sum()
        return float(used - row.limit)

    def without(self, names: set[str]) -> Problem:
        """The same problem with some rows left out."""
        return self.with_rows([row for row in self.rows if row.name not in names])

    def with_rows(self, rows: Sequence[Row]) -> Problem:
        """The same problem with other rows."""
        return Problem(self.curves, self.weight, self.upper, tuple(rows), self.spend_charge, self.segments)

    def with_weight(self, weight: Floats, spend_charge: float) -> Problem:
        """The same feasible set with another objective."""
        return Problem(self.curves, weight, self.upper, self.rows, spend_charge, self.segments)


def problem_of(scenario: Scenario) -> Problem:
    """Turn a validated scenario into arrays."""
    arms = scenario.arms
    stock = np.array([arm.in_stock_probability for arm in arms])
    initial = np.array([arm.initial_iroas for arm in arms]) * stock
    half = np.array([arm.half_saturation_usd_per_week for arm in arms])
    is_log = family_mask(np.array([arm.curve_family for arm in arms]))
    upper = np.array([np.inf if arm.max_spend_usd is None else arm.max_spend_usd for arm in arms])
    attributed = np.array([arm.attributed_per_incremental for arm in arms])
    basis = attributed if scenario.roas_basis == "attributed" else np.ones(len(arms))
    return Problem(
        curves=Curves(initial, half, is_log).over_weeks(scenario.weeks),
        weight=_objective_weight(scenario, basis),
        upper=np.minimum(upper, scenario.budget_usd),
        rows=tuple(_rows(scenario, basis)),
        spend_charge=scenario.unspent_dollar_value,
        segments=scenario.segments,
    )


def _objective_weight(scenario: Scenario, basis: Floats) -> Floats:
    if scenario.objective == "incremental_margin":
        return np.array([arm.margin_rate for arm in scenario.arms])
    if scenario.objective == "incremental_revenue":
        return np.ones(len(scenario.arms))
    # The best ROAS of a given budget is the most revenue, on the basis that ROAS is counted on.
    return basis


def _rows(scenario: Scenario, basis: Floats) -> list[Row]:
    everything = np.arange(len(scenario.arms))
    rows = [Row("budget", everything, scenario.budget_usd)]
    if scenario.min_roas is not None:
        rows.append(Row("min_roas", everything, 0.0, spend_weight=scenario.min_roas, return_weight=basis))
    if scenario.max_cpa is not None:
        value = np.array([arm.revenue_per_conversion_usd for arm in scenario.arms])
        rows.append(Row("max_cpa", everything, 0.0, return_weight=scenario.max_cpa * basis / value))
    rows.extend(_share_rows(scenario))
    rows.extend(_limit_rows(scenario))
    return rows


def _share_rows(scenario: Scenario) -> list[Row]:
    if scenario.max_retailer_share is None:
        return []
    retailers = np.array([arm.retailer_id for arm in scenario.arms])
    cap = scenario.max_retailer_share * scenario.budget_usd
    return [
        Row(f"max_retailer_share:{name}", np.flatnonzero(retailers == name), cap)
        for name in sorted(set(retailers.tolist()))
    ]


def _limit_rows(scenario: Scenario) -> list[Row]:
    rows = []
    for limit in scenario.spend_limits:
        arms = np.array([index for index, arm in enumerate(scenario.arms) if limit.covers(arm)])
        if limit.maximum_usd is not None:
            rows.append(Row(f"cap:{limit.name}", arms, limit.maximum_usd))
        if limit.minimum_usd > 0:
            rows.append(Row(f"floor:{limit.name}", arms, -limit.minimum_usd, spend_weight=-1.0))
    for index, arm in enumerate(scenario.arms):
        if arm.min_spend_usd > 0:
            name = "/".join(str(part) for part in arm.key if part is not None)
            rows.append(Row(f"arm_floor:{name}", np.array([index]), -arm.min_spend_usd, spend_weight=-1.0))
    return rows
