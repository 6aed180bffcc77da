"""What the judge reads of a plan: its arms as positions in the market, and the spend on each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import numpy as np

from rmn_pipeline.world.config import WorldError
from rmn_pipeline.world.market import Market
from rmn_pipeline.world.numbers import Array
from rmn_pipeline.world.saturation import ArmIndex

ARM_KEYS = ("retailer_id", "placement_type", "audience_id", "sku_id")


class PlannedArm(Protocol):
    """One line of a plan: an arm and its total spend over the horizon."""

    @property
    def retailer_id(self) -> str: ...  # noqa: D102

    @property
    def placement_type(self) -> str: ...  # noqa: D102

    @property
    def audience_id(self) -> str: ...  # noqa: D102

    @property
    def sku_id(self) -> str: ...  # noqa: D102

    @property
    def spend_usd(self) -> float: ...  # noqa: D102


class PlanLike(Protocol):
    """What the judge needs to know of a plan."""

    @property
    def brand_id(self) -> str: ...  # noqa: D102

    @property
    def start_date(self) -> date: ...  # noqa: D102

    @property
    def weeks(self) -> int: ...  # noqa: D102

    @property
    def allocation(self) -> Sequence[PlannedArm]: ...  # noqa: D102


@dataclass(frozen=True)
class PlannedSpend:
    """A plan's arms, each once, with their total spend over its weeks."""

    arms: ArmIndex
    total_usd: Array
    weeks: int

    @property
    def weekly_usd(self) -> Array:
        """Spend per arm and week: plans spend evenly."""
        return np.repeat(self.total_usd[:, None] / self.weeks, self.weeks, axis=1)


def read_plan(market: Market, plan: PlanLike) -> PlannedSpend:
    """Positions and spend of the plan's arms; several lines of one arm share that arm's saturation.

    Raises:
        WorldError: the plan has no week, or names something that the brand does not have in this market.
    """
    if plan.weeks < 1:
        raise WorldError(f"a plan is judged on at least 1 week, not {plan.weeks}")
    config = market.config
    if plan.brand_id not in {brand.brand_id for brand in config.brands}:
        known = ", ".join(brand.brand_id for brand in config.brands)
        raise WorldError(f"plan for unknown brand {plan.brand_id!r}; this market has {known}")
    places: dict[str, dict[str, int]] = {
        "retailer_id": {spec.retailer_id: i for i, spec in enumerate(config.retailers)},
        "placement_type": {spec.placement_type: i for i, spec in enumerate(config.placements)},
        "audience_id": {name: i for i, name in enumerate(config.audiences)},
        "sku_id": {sku.sku_id: i for i, sku in enumerate(market.skus) if sku.brand_id == plan.brand_id},
    }
    total: dict[tuple[int, ...], float] = {}
    for number, item in enumerate(plan.allocation):
        arm = tuple(_place(places, key, getattr(item, key), number, plan.brand_id) for key in ARM_KEYS)
        spend = float(item.spend_usd)
        if not np.isfinite(spend) or spend < 0:
            raise WorldError(f"allocation[{number}]: spend_usd must be a number of at least 0, not {spend}")
        total[arm] = total.get(arm, 0.0) + spend
    index = np.array(sorted(total), dtype=np.int64).reshape(-1, 4).T
    amounts = np.array([total[arm] for arm in sorted(total)], dtype=np.float64)
    return PlannedSpend(ArmIndex(*index), amounts, plan.weeks)


def _place(places: dict[str, dict[str, int]], key: str, value: str, number: int, brand_id: str) -> int:
    place = places[key].get(value)
    if place is None:
        known = list(places[key])
        shown = ", ".join(known[:8]) + (" …" if len(known) > 8 else "")
        raise WorldError(f"allocation[{number}]: unknown {key} {value!r} for {brand_id}; known: {shown}")
    return place


def arm_names(market: Market, arms: ArmIndex) -> dict[str, list[str]]:
    """The keys of arms as columns."""
    config = market.config
    return {
        "retailer_id": [config.retailers[i].retailer_id for i in arms.retailer],
        "placement_type": [config.placements[i].placement_type for i in arms.placement],
        "audience_id": [config.audiences[i] for i in arms.audience],
        "sku_id": [market.skus[i].sku_id for i in arms.sku],
    }
