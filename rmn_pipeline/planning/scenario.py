"""`Scenario`: a fully stated allocation question, validated before anything is solved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import get_args

import numpy as np

from rmn_pipeline.planning.arms import Arm, ArmKey, ArmTable
from rmn_pipeline.planning.errors import ScenarioError
from rmn_pipeline.planning.limits import ChangeLimit, Limit, ReturnLimit, SkuChoice, SpendLimit
from rmn_pipeline.planning.request import Objective, RoasBasis

__all__ = ["Arm", "ArmKey", "ArmTable", "ChangeLimit", "ReturnLimit", "Scenario", "SkuChoice", "SpendLimit"]


@dataclass(frozen=True)
class Scenario:
    """Arms, budget and limits. Constructing one checks it: contradictions raise `ScenarioError` naming the culprit.

    `max_retailer_share` is a share of the budget. `unspent_dollar_value` is what a dollar kept is worth to the
    objective: 0 spends whatever still earns anything, 1 with incremental margin plans for profit after ad spend.
    The objective `roas` earns the most revenue on `roas_basis` with the budget given, which is the best ROAS of that
    budget. Lines that are excluded, or not among `include_lines` where those are given, get no money.
    `days_of_cover` asks that, after the horizon, stock for so many days of baseline sales is expected to be left
    (see `cover`). `spend_limits`, `return_limits`, `change_limits` and `sku_choices` hold at any node.
    """

    arms: Sequence[Arm]
    budget_usd: float
    weeks: int = 1
    brand_id: str = ""
    start_date: date = date(1970, 1, 5)
    objective: Objective = "incremental_revenue"
    min_roas: float | None = None
    roas_basis: RoasBasis = "incremental"
    max_cpa: float | None = None
    max_retailer_share: float | None = None
    spend_limits: Sequence[SpendLimit] = field(default=())
    unspent_dollar_value: float = 0.0
    segments: int = 20
    return_limits: Sequence[ReturnLimit] = field(default=())
    change_limits: Sequence[ChangeLimit] = field(default=())
    sku_choices: Sequence[SkuChoice] = field(default=())
    include_lines: Sequence[str] = field(default=())
    exclude_lines: Sequence[str] = field(default=())
    days_of_cover: float | None = None

    def __post_init__(self) -> None:
        if not len(self.arms):
            raise ScenarioError("the scenario has no arms; nothing can be funded")
        _check_scalars(self)
        self.table.check()
        _check_lines(self)
        _check_cover(self)
        for kind, limits in (
            ("spend limit", self.spend_limits),
            ("return limit", self.return_limits),
            ("change limit", self.change_limits),
            ("SKU choice", self.sku_choices),
        ):
            _check_limits(self, kind, limits)

    @cached_property
    def table(self) -> ArmTable:
        """The arms as columns."""
        return ArmTable.of(self.arms)


def _check_scalars(scenario: Scenario) -> None:
    _positive("budget_usd", scenario.budget_usd)
    for name in ("min_roas", "max_cpa", "max_retailer_share"):
        value = getattr(scenario, name)
        if value is not None:
            _positive(name, value)
    if scenario.max_retailer_share is not None and scenario.max_retailer_share > 1:
        raise ScenarioError(
            f"max_retailer_share is a fraction of the budget, at most 1, got {scenario.max_retailer_share}"
        )
    if scenario.weeks < 1 or scenario.segments < 1:
        raise ScenarioError(
            f"weeks and segments must be at least 1, got {scenario.weeks} and {scenario.segments}"
        )
    for name, value, known in (
        ("objective", scenario.objective, get_args(Objective)),
        ("roas_basis", scenario.roas_basis, get_args(RoasBasis)),
    ):
        if value not in known:
            raise ScenarioError(f"{name} must be one of {list(known)}, got '{value}'")
    if not (math.isfinite(scenario.unspent_dollar_value) and scenario.unspent_dollar_value >= 0):
        raise ScenarioError(f"unspent_dollar_value must not be negative, got {scenario.unspent_dollar_value}")


def _positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ScenarioError(f"{name} must be a positive number, got {value}")


def _check_lines(scenario: Scenario) -> None:
    known = set(scenario.table.frame["line_id"].drop_nulls().to_list())
    for name in ("include_lines", "exclude_lines"):
        unknown = [line for line in getattr(scenario, name) if line not in known]
        if unknown:
            raise ScenarioError(f"{name} names {unknown}, which no arm has; known are {sorted(known)}")
    both = sorted(set(scenario.include_lines) & set(scenario.exclude_lines))
    if both:
        raise ScenarioError(
            f"include_lines and exclude_lines both name {both}; keep each line in one of them"
        )


def _check_cover(scenario: Scenario) -> None:
    if scenario.days_of_cover is None:
        return
    if not (math.isfinite(scenario.days_of_cover) and scenario.days_of_cover >= 0):
        raise ScenarioError(f"days_of_cover must be a number of at least 0, got {scenario.days_of_cover}")
    known = scenario.table.frame["stock_units"].is_not_null()
    if not known.any():
        raise ScenarioError("days_of_cover needs the stock_units of at least one arm; none is known")
    priced = scenario.table.frame["revenue_per_unit_usd"].is_not_null()
    if (known & ~priced).any():
        first = scenario.table[int((known & ~priced).arg_max() or 0)]
        raise ScenarioError(
            f"days_of_cover needs revenue_per_unit_usd where stock is known (arm {first.key})"
        )


def _check_limits(scenario: Scenario, kind: str, limits: Sequence[Limit]) -> None:
    names = [limit.name for limit in limits]
    if len(set(names)) != len(names):
        raise ScenarioError(f"{kind}s need names of their own, got {names}")
    last = scenario.table.numbers("last_period_spend_usd")
    for limit in limits:
        limit.check()
        covered = limit.mask(scenario.table)
        if not covered.any():
            raise ScenarioError(f"{kind} '{limit.name}' covers no arm of the scenario; check its ids")
        if isinstance(limit, ChangeLimit) and np.isnan(last[covered]).any():
            first = scenario.table[int(np.flatnonzero(covered & np.isnan(last))[0])]
            raise ScenarioError(
                f"change limit '{limit.name}' needs last_period_spend_usd for each of its arms (arm {first.key})"
            )
