"""A scenario as arrays: horizon-long concave curves, objective weights and constraint rows.

Every row reads  Σ spend_weight·x − Σ return_weight·f(x) ≤ limit  over its arms, so that budgets, caps, floors,
ROAS and cost-per-conversion limits are all one kind of thing to the solver, the certificate and the conflict search.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl

from rmn_pipeline.planning.arms import ArmTable
from rmn_pipeline.planning.cover import stock_tangents
from rmn_pipeline.planning.curves import ConcaveCurves, Floats
from rmn_pipeline.planning.limits import ReturnLimit, SkuChoice
from rmn_pipeline.planning.observations import Integers
from rmn_pipeline.planning.request import RoasBasis
from rmn_pipeline.planning.scenario import Scenario

# What a person would change about a row: dollars, a ROAS, a cost per conversion, units of stock.
RowUnit = Literal["usd", "roas", "cpa", "units"]


@dataclass(frozen=True)
class Row:
    """One constraint over some arms; `return_weight` is None where the row does not look at returns.

    `asked` is the limit as it was asked for, in `unit`: for a ROAS row the ROAS, while `limit` is 0.
    """

    name: str
    arms: Integers
    limit: float
    spend_weight: float | Floats = 1.0
    return_weight: Floats | None = None
    unit: RowUnit = "usd"
    asked: float = 0.0

    @property
    def is_ratio(self) -> bool:
        """Whether the row ties spend to returns (ROAS, cost per conversion)."""
        return self.return_weight is not None

    @property
    def is_floor(self) -> bool:
        """Whether the row asks for spend instead of holding it back."""
        return not isinstance(self.spend_weight, np.ndarray) and self.spend_weight < 0


@dataclass(frozen=True)
class Choice:
    """Each group of arms, one per SKU, is out (no spend) or in (`minimum_usd` or more); `max_groups` at most are in."""

    name: str
    skus: tuple[str, ...]
    groups: tuple[Integers, ...]
    max_groups: int | None
    minimum_usd: float


@dataclass(frozen=True)
class Problem:
    """Maximise Σ weight·f(x) − spend_charge·Σx over lower ≤ x ≤ upper, subject to the rows and choices.

    Everything is in dollars per horizon.
    """

    curves: ConcaveCurves
    weight: Floats
    lower: Floats
    upper: Floats
    rows: tuple[Row, ...]
    spend_charge: float | Floats
    segments: int
    choices: tuple[Choice, ...] = ()

    def value(self, spend: Floats) -> float:
        """The objective, on the true curves."""
        return float((self.weight * self.curves.response(spend)).sum() - (self.spend_charge * spend).sum())

    def excess(self, row: Row, spend: Floats) -> float:
        """How far a spend vector is over a row's limit (negative: under)."""
        used = (row.spend_weight * spend[row.arms]).sum()
        if row.return_weight is not None:
            used -= (row.return_weight * self.curves.response(spend)[row.arms]).sum()
        return float(used - row.limit)

    def without(self, names: set[str]) -> Problem:
        """The same problem with some rows and choices left out."""
        return replace(
            self,
            rows=tuple(row for row in self.rows if row.name not in names),
            choices=tuple(choice for choice in self.choices if choice.name not in names),
        )

    def with_rows(self, rows: Sequence[Row]) -> Problem:
        """The same problem with other rows."""
        return replace(self, rows=tuple(rows))

    def with_weight(self, weight: Floats, spend_charge: float | Floats) -> Problem:
        """The same feasible set with another objective."""
        return replace(self, weight=weight, spend_charge=spend_charge)


def problem_of(scenario: Scenario) -> Problem:
    """Turn a validated scenario into arrays."""
    arms = scenario.table
    curves = arms.curves(scenario.weeks)
    lower, upper = _boxes(scenario)
    return Problem(
        curves=curves,
        weight=_objective_weight(scenario),
        lower=lower,
        upper=upper,
        rows=(*_rows(scenario), *_cover_rows(scenario, curves, upper)),
        spend_charge=scenario.unspent_dollar_value,
        segments=scenario.segments,
        choices=tuple(_choice(node, arms) for choice in scenario.sku_choices for node in choice.nodes(arms)),
    )


def basis_factor(arms: ArmTable, basis: RoasBasis) -> Floats:
    """Revenue as a ROAS counts it, per dollar of incremental revenue."""
    return arms.numbers("attributed_per_incremental") if basis == "attributed" else np.ones(len(arms))


def _boxes(scenario: Scenario) -> tuple[Floats, Floats]:
    arms = scenario.table
    lower, upper = arms.numbers("min_spend_usd").copy(), arms.numbers("max_spend_usd", np.inf).copy()
    last = arms.numbers("last_period_spend_usd", 0.0)
    for limit in scenario.change_limits:
        if not limit.each_arm:
            continue
        covered = limit.mask(arms)
        if limit.max_decrease is not None:
            lower[covered] = np.maximum(lower, (1.0 - limit.max_decrease) * last)[covered]
        if limit.max_increase is not None:
            upper[covered] = np.minimum(upper, (1.0 + limit.max_increase) * last)[covered]
    lines = arms.frame["line_id"]
    if scenario.include_lines:
        upper[~lines.is_in(list(scenario.include_lines)).fill_null(False).to_numpy()] = 0.0
    if scenario.exclude_lines:
        upper[lines.is_in(list(scenario.exclude_lines)).fill_null(False).to_numpy()] = 0.0
    # No arm can take more than the budget, but a floor above the budget must stay visible as the conflict it is.
    return lower, np.minimum(upper, np.maximum(scenario.budget_usd, lower))


def _objective_weight(scenario: Scenario) -> Floats:
    if scenario.objective == "incremental_margin":
        return scenario.table.numbers("margin_rate")
    if scenario.objective == "incremental_revenue":
        return np.ones(len(scenario.table))
    # The best ROAS of a given budget is the most revenue, on the basis that ROAS is counted on.
    return basis_factor(scenario.table, scenario.roas_basis)


def _rows(scenario: Scenario) -> Iterator[Row]:
    everything = np.arange(len(scenario.table))
    yield Row("budget", everything, scenario.budget_usd, asked=scenario.budget_usd)
    whole = ReturnLimit("", scenario.min_roas, scenario.max_cpa, scenario.roas_basis)
    yield from _return_rows(scenario.table, whole)
    yield from _share_rows(scenario)
    yield from _spend_rows(scenario)
    for limit in scenario.return_limits:
        yield from _return_rows(scenario.table, limit)


def _return_rows(table: ArmTable, limit: ReturnLimit) -> Iterator[Row]:
    arms = np.flatnonzero(limit.mask(table))
    basis = basis_factor(table, limit.basis)[arms]
    suffix = f":{limit.name}" if limit.name else ""
    if limit.min_roas is not None:
        yield Row(f"min_roas{suffix}", arms, 0.0, limit.min_roas, basis, "roas", limit.min_roas)
    if limit.max_cpa is not None:
        conversions = basis / table.numbers("revenue_per_conversion_usd")[arms]
        yield Row(f"max_cpa{suffix}", arms, 0.0, 1.0, limit.max_cpa * conversions, "cpa", limit.max_cpa)


def _share_rows(scenario: Scenario) -> Iterator[Row]:
    if scenario.max_retailer_share is None:
        return
    retailers = scenario.table.frame["retailer_id"]
    cap = scenario.max_retailer_share * scenario.budget_usd
    for name in sorted(retailers.unique().to_list()):
        yield Row(f"max_retailer_share:{name}", _where(retailers == name), cap, asked=cap)


def _spend_rows(scenario: Scenario) -> Iterator[Row]:
    """Caps and floors: absolute ones, and those that follow from last period's spend."""
    table = scenario.table
    for limit in scenario.spend_limits:
        arms = np.flatnonzero(limit.mask(table))
        if limit.maximum_usd is not None:
            yield _cap(f"cap:{limit.name}", arms, limit.maximum_usd)
        if limit.minimum_usd > 0:
            yield _floor(f"floor:{limit.name}", arms, limit.minimum_usd)
    last = table.numbers("last_period_spend_usd", 0.0)
    for change in scenario.change_limits:
        if change.each_arm:
            continue
        arms = np.flatnonzero(change.mask(table))
        spent = float(last[arms].sum())
        if change.max_increase is not None:
            yield _cap(f"change_cap:{change.name}", arms, (1.0 + change.max_increase) * spent)
        if change.max_decrease is not None and change.max_decrease < 1:
            yield _floor(f"change_floor:{change.name}", arms, (1.0 - change.max_decrease) * spent)


def _cap(name: str, arms: Integers, dollars: float) -> Row:
    return Row(name, arms, dollars, asked=dollars)


def _floor(name: str, arms: Integers, dollars: float) -> Row:
    return Row(name, arms, -dollars, spend_weight=-1.0, asked=dollars)


def _cover_rows(scenario: Scenario, curves: ConcaveCurves, upper: Floats) -> Iterator[Row]:
    if scenario.days_of_cover is None:
        return
    for tangent in stock_tangents(scenario.table, curves, upper, scenario.weeks, scenario.days_of_cover):
        yield Row(
            f"days_of_cover:{tangent.name}",
            tangent.arms,
            tangent.limit_units,
            tangent.units_per_dollar,
            unit="units",
            asked=tangent.spare_units,
        )


def _choice(node: SkuChoice, table: ArmTable) -> Choice:
    arms = np.flatnonzero(node.mask(table))
    skus = table.frame["sku_id"].gather(arms)
    groups = pl.DataFrame({"sku_id": skus, "arm": arms}).group_by("sku_id", maintain_order=True).agg("arm")
    return Choice(
        name=f"sku_choice:{node.name}",
        skus=tuple(groups["sku_id"].to_list()),
        groups=tuple(np.array(members, dtype=np.int64) for members in groups["arm"].to_list()),
        max_groups=node.max_skus,
        minimum_usd=node.min_spend_per_sku_usd,
    )


def _where(mask: pl.Series) -> Integers:
    return np.flatnonzero(mask.fill_null(False).to_numpy())
