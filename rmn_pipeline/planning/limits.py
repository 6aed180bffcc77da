"""Limits on the nodes of a plan: spend, return, change against the last period, and how many SKUs may be in.

A node is all arms that match every selector that is set, so any level of brand → retailer → placement → audience →
SKU, a product line, or any crossing of them. Each limit has a name, by which duals and conflicts refer to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from rmn_pipeline.planning.arms import Arm, ArmTable
from rmn_pipeline.planning.curves import Booleans
from rmn_pipeline.planning.errors import ScenarioError
from rmn_pipeline.planning.request import RoasBasis

SELECTORS = ("retailer_id", "placement_type", "audience_id", "sku_id", "line_id")


class _Selecting:
    """What all limits share: choosing their arms."""

    __slots__ = ()

    def selectors(self) -> dict[str, str]:
        """The selectors that are set."""
        chosen = {name: getattr(self, name) for name in SELECTORS}
        return {name: value for name, value in chosen.items() if value is not None}

    def covers(self, arm: Arm) -> bool:
        """Whether the arm belongs to the node."""
        return all(value == getattr(arm, name) for name, value in self.selectors().items())

    def mask(self, arms: ArmTable) -> Booleans:
        """Which arms belong to the node."""
        found = np.ones(len(arms), dtype=np.bool_)
        for name, value in self.selectors().items():
            found &= (arms.frame[name] == value).fill_null(False).to_numpy()
        return found


@dataclass(frozen=True, slots=True)
class SpendLimit(_Selecting):
    """A floor and a cap on the spend of a node over the horizon."""

    name: str
    minimum_usd: float = 0.0
    maximum_usd: float | None = None
    retailer_id: str | None = None
    placement_type: str | None = None
    audience_id: str | None = None
    sku_id: str | None = None
    line_id: str | None = None

    def check(self) -> None:
        """Refuse impossible numbers."""
        where = f" (spend limit '{self.name}')"
        if not (math.isfinite(self.minimum_usd) and self.minimum_usd >= 0):
            raise ScenarioError(
                f"the minimum spend must be a number of at least 0, got {self.minimum_usd}{where}"
            )
        if self.maximum_usd is not None and not self.maximum_usd >= self.minimum_usd:
            raise ScenarioError(
                f"the maximum spend {self.maximum_usd} lies below the minimum {self.minimum_usd}{where}"
            )


@dataclass(frozen=True, slots=True)
class ReturnLimit(_Selecting):
    """What a node's money must bring: a ROAS of at least `min_roas`, a cost per conversion of at most `max_cpa`.

    Both are ratios of the node's sums, on incremental or on attributed returns (`basis`); spending nothing meets them.
    """

    name: str
    min_roas: float | None = None
    max_cpa: float | None = None
    basis: RoasBasis = "incremental"
    retailer_id: str | None = None
    placement_type: str | None = None
    audience_id: str | None = None
    sku_id: str | None = None
    line_id: str | None = None

    def check(self) -> None:
        """Refuse impossible numbers and a limit that limits nothing."""
        given = [value for value in (self.min_roas, self.max_cpa) if value is not None]
        if not given or not all(math.isfinite(value) and value > 0 for value in given):
            raise ScenarioError(
                f"return limit '{self.name}' needs a positive min_roas or max_cpa, "
                f"got {self.min_roas} and {self.max_cpa}"
            )


@dataclass(frozen=True, slots=True)
class ChangeLimit(_Selecting):
    """How far a node's spend may move from last period's, as shares of it (0.3 is 30 %); None is no limit.

    `each_arm` holds every arm of the node to the shares instead of their sum. Arms need `last_period_spend_usd`.
    """

    name: str
    max_decrease: float | None = None
    max_increase: float | None = None
    each_arm: bool = False
    retailer_id: str | None = None
    placement_type: str | None = None
    audience_id: str | None = None
    sku_id: str | None = None
    line_id: str | None = None

    def check(self) -> None:
        """Refuse impossible shares."""
        if self.max_decrease is not None and not 0 <= self.max_decrease <= 1:
            raise ScenarioError(
                f"max_decrease is a share between 0 and 1, got {self.max_decrease} (change limit '{self.name}')"
            )
        if self.max_increase is not None and not self.max_increase >= 0:
            raise ScenarioError(
                f"max_increase is a share of at least 0, got {self.max_increase} (change limit '{self.name}')"
            )


@dataclass(frozen=True, slots=True)
class SkuChoice(_Selecting):
    """Each SKU of a node is in or out: in with at least `min_spend_per_sku_usd`, and at most `max_skus` are in.

    `per` names selectors ("retailer_id", "placement_type"): the choice then holds for each of their combinations.
    """

    name: str
    max_skus: int | None = None
    min_spend_per_sku_usd: float = 0.0
    per: tuple[str, ...] = ()
    retailer_id: str | None = None
    placement_type: str | None = None
    audience_id: str | None = None
    sku_id: str | None = None
    line_id: str | None = None

    def check(self) -> None:
        """Refuse impossible numbers."""
        if self.max_skus is not None and self.max_skus < 0:
            raise ScenarioError(f"max_skus must not be negative, got {self.max_skus} (choice '{self.name}')")
        if not (math.isfinite(self.min_spend_per_sku_usd) and self.min_spend_per_sku_usd >= 0):
            raise ScenarioError(
                f"min_spend_per_sku_usd must be a number of at least 0, got {self.min_spend_per_sku_usd} "
                f"(choice '{self.name}')"
            )
        unknown = [name for name in self.per if name not in SELECTORS]
        if unknown:
            raise ScenarioError(f"per names {unknown}; known are {list(SELECTORS)} (choice '{self.name}')")

    def nodes(self, arms: ArmTable) -> list[SkuChoice]:
        """The choice for each combination that `per` asks for, with the combination in its name."""
        if not self.per:
            return [self]
        covered = arms.frame.filter(pl.Series(self.mask(arms), dtype=pl.Boolean))
        combinations = covered.select(self.per).unique().drop_nulls().sort(self.per)
        return [
            replace(
                self,
                name=f"{self.name}:{'/'.join(values)}",
                per=(),
                **dict(zip(self.per, values, strict=True)),
            )
            for values in combinations.iter_rows()
        ]


Limit = SpendLimit | ReturnLimit | ChangeLimit | SkuChoice
