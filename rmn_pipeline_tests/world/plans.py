"""Plans for the judge to play, without the planner: this room knows nothing of planning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl

from rmn_pipeline.world.numbers import Array

START = date(2026, 7, 6)
KEYS = ["retailer_id", "placement_type", "audience_id", "sku_id"]


@dataclass(frozen=True)
class Item:
    retailer_id: str
    placement_type: str
    audience_id: str
    sku_id: str
    spend_usd: float


@dataclass(frozen=True)
class SomePlan:
    allocation: tuple[Item, ...]
    brand_id: str = "brand_x"
    start_date: date = START
    weeks: int = 8


def plan_over(arms: pl.DataFrame, spend_usd: float | Array, **more: object) -> SomePlan:
    spend = np.broadcast_to(spend_usd, len(arms))
    items = tuple(Item(*row, float(usd)) for row, usd in zip(arms.select(KEYS).rows(), spend, strict=True))
    return replace(SomePlan(items), **more)  # type: ignore[arg-type]
