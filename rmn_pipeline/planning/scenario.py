"""`Scenario` and `Arm`: a fully stated allocation question, validated before anything is solved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import get_args

from rmn_pipeline.planning.curves import CurveFamily
from rmn_pipeline.planning.errors import ScenarioError
from rmn_pipeline.planning.request import Objective, RoasBasis

ArmKey = tuple[str, str, str | None, str]


@dataclass(frozen=True, slots=True)
class Arm:
    """One place where money can go, with its response per week: a concave curve of a family (see `curves`).

    `initial_iroas` is the return of the first dollar, `half_saturation_usd_per_week` the curve's scale of spend.

    `in_stock_probability` scales the response: spend in weeks without stock earns nothing.
    `attributed_per_incremental` is the network's attributed revenue per dollar of incremental revenue.
    Spend limits are for the whole horizon; no upper limit means the budget.
    """

    retailer_id: str
    placement_type: str
    sku_id: str
    initial_iroas: float
    half_saturation_usd_per_week: float
    audience_id: str | None = None
    margin_rate: float = 1.0
    revenue_per_conversion_usd: float = 1.0
    attributed_per_incremental: float = 1.0
    in_stock_probability: float = 1.0
    min_spend_usd: float = 0.0
    max_spend_usd: float | None = None
    line_id: str | None = None
    curve_family: CurveFamily = "hill"

    @property
    def key(self) -> ArmKey:
        """The arm's identity."""
        return (self.retailer_id, self.placement_type, self.audience_id, self.sku_id)


@dataclass(frozen=True, slots=True)
class SpendLimit:
    """A floor and a cap on the spend of any node: all arms that match every field that is set."""

    name: str
    minimum_usd: float = 0.0
    maximum_usd: float | None = None
    retailer_id: str | None = None
    placement_type: str | None = None
    audience_id: str | None = None
    sku_id: str | None = None
    line_id: str | None = None

    def covers(self, arm: Arm) -> bool:
        """Whether the arm belongs to the node."""
        names = ("retailer_id", "placement_type", "audience_id", "sku_id", "line_id")
        return all(getattr(self, name) in (None, getattr(arm, name)) for name in names)


@dataclass(frozen=True)
class Scenario:
    """Arms, budget and limits. Constructing one checks it: contradictions raise `ScenarioError` naming the culprit.

    `max_retailer_share` is a share of the budget. `unspent_dollar_value` is what a dollar kept is worth to the
    objective: 0 spends whatever still earns anything, 1 with incremental margin plans for profit after ad spend.
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

    def __post_init__(self) -> None:
        if not self.arms:
            raise ScenarioError("the scenario has no arms; nothing can be funded")
        _check_scalars(self)
        seen: set[ArmKey] = set()
        for arm in self.arms:
            _check_arm(arm)
            if arm.key in seen:
                raise ScenarioError(f"arm {arm.key} is listed twice; merge its two entries")
            seen.add(arm.key)
        _check_limits(self)


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
    if scenario.objective not in get_args(Objective):
        raise ScenarioError(
            f"objective must be one of {list(get_args(Objective))}, got '{scenario.objective}'"
        )
    if not (math.isfinite(scenario.unspent_dollar_value) and scenario.unspent_dollar_value >= 0):
        raise ScenarioError(f"unspent_dollar_value must not be negative, got {scenario.unspent_dollar_value}")


def _positive(name: str, value: float, where: str = "") -> None:
    if not (math.isfinite(value) and value > 0):
        raise ScenarioError(f"{name} must be a positive number, got {value}{where}")


def _check_arm(arm: Arm) -> None:
    where = f" (arm {arm.key})"
    _positive("initial_iroas", arm.initial_iroas, where)
    _positive("half_saturation_usd_per_week", arm.half_saturation_usd_per_week, where)
    _positive("revenue_per_conversion_usd", arm.revenue_per_conversion_usd, where)
    _positive("attributed_per_incremental", arm.attributed_per_incremental, where)
    if arm.curve_family not in get_args(CurveFamily):
        raise ScenarioError(
            f"curve_family must be one of {list(get_args(CurveFamily))}, got '{arm.curve_family}'{where}"
        )
    if not -1.0 <= arm.margin_rate <= 1.0:
        raise ScenarioError(
            f"margin_rate is a fraction of revenue between -1 and 1, got {arm.margin_rate}{where}"
        )
    if not 0.0 <= arm.in_stock_probability <= 1.0:
        raise ScenarioError(
            f"in_stock_probability must lie between 0 and 1, got {arm.in_stock_probability}{where}"
        )
    _check_range(arm.min_spend_usd, arm.max_spend_usd, where)


def _check_range(minimum: float, maximum: float | None, where: str) -> None:
    if not (math.isfinite(minimum) and minimum >= 0):
        raise ScenarioError(f"the minimum spend must be a number of at least 0, got {minimum}{where}")
    if maximum is not None and (math.isnan(maximum) or maximum < minimum):
        raise ScenarioError(f"the maximum spend {maximum} lies below the minimum {minimum}{where}")


def _check_limits(scenario: Scenario) -> None:
    names = [limit.name for limit in scenario.spend_limits]
    if len(set(names)) != len(names):
        raise ScenarioError(f"spend limits need names of their own, got {names}")
    for limit in scenario.spend_limits:
        _check_range(limit.minimum_usd, limit.maximum_usd, f" (spend limit '{limit.name}')")
        if not any(limit.covers(arm) for arm in scenario.arms):
            raise ScenarioError(f"spend limit '{limit.name}' covers no arm of the scenario; check its ids")
