"""A feed that is quiet but noisy, made from a seed: three campaigns on three placements, with weekdays and noise."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from rmn_pipeline.rmis import EVENTS_SCHEMA

Array = npt.NDArray[np.float64]

START = date(2026, 1, 5)
WEEKDAY_LEVEL = np.array([1.0, 0.95, 0.93, 0.97, 1.1, 1.35, 1.25])
CAMPAIGNS = {"c_search": ("search", 9000), "c_category": ("category", 5000), "c_home": ("home", 3000)}
CLICK_RATE, CLICK_PRICE, ORDER_RATE, BASKET = 0.03, 1.4, 0.12, 24.0


def weekday_noise(days: int, rng: np.random.Generator, deviation: float = 0.15) -> Array:
    """Relative levels: a weekday pattern times lognormal noise."""
    return WEEKDAY_LEVEL[np.arange(days) % 7] * np.exp(rng.normal(0.0, deviation, days))


def steady_feed(days: int = 120, seed: int = 1) -> pl.DataFrame:
    """Events of a retailer with whom nothing is wrong; every day is reported on the next one."""
    rng = np.random.default_rng(seed)
    together = weekday_noise(days, rng, 0.1)
    return pl.concat(
        [
            _campaign(name, placement, level * together * np.exp(rng.normal(0.0, 0.05, days)), rng)
            for name, (placement, level) in CAMPAIGNS.items()
        ]
    ).sort("date", "campaign_id")


def _campaign(name: str, placement: str, level: Array, rng: np.random.Generator) -> pl.DataFrame:
    days = [START + timedelta(days=number) for number in range(len(level))]
    clicks = rng.poisson(level * CLICK_RATE)
    orders = rng.poisson(clicks * ORDER_RATE)
    return as_events(
        {
            "date": days,
            "campaign_id": name,
            "ad_group_id": f"{name}_1",
            "audience_id": "loyal" if name != "c_home" else "lapsed",
            "sku_id": "00085021001007",
            "placement_type": placement,
            "ad_type": "sponsored_products",
            "impressions": level.round(),
            "clicks": clicks,
            "conversions": orders.astype(float),
            "revenue": (orders * BASKET * np.exp(rng.normal(0.0, 0.05, len(level)))).round(2),
            "cost": (clicks * CLICK_PRICE * np.exp(rng.normal(0.0, 0.05, len(level)))).round(2),
            "currency": "USD",
            "attr_model": "click_14d",
            "conversion_unit": "orders",
            "revenue_scope": "total",
            "cost_basis": "media",
            "date_basis": "ad_interaction",
            "report_timezone": "UTC",
            "retailer_id": "shop",
            "as_of": [day + timedelta(days=1) for day in days],
            "source_file": [f"report_{day:%Y-%m}.csv" for day in days],
            "source_row": list(range(1, len(days) + 1)),
        }
    )


def as_events(columns: dict[str, Any]) -> pl.DataFrame:
    """Columns, and nulls for the rest of the schema."""
    frame = pl.DataFrame(columns)
    rest = [pl.lit(None, dtype).alias(name) for name, dtype in EVENTS_SCHEMA.items() if name not in columns]
    return frame.with_columns(rest).select(*EVENTS_SCHEMA).cast(EVENTS_SCHEMA)  # type: ignore[arg-type]


def day(number: int) -> date:
    """The feed's day of this number, from 0."""
    return START + timedelta(days=number)


def on(first: int, last: int | None = None) -> pl.Expr:
    """Whether an event lies on these days."""
    return pl.col("date").is_between(day(first), day(first if last is None else last))


def changed(events: pl.DataFrame, where: pl.Expr, **values: Any) -> pl.DataFrame:
    """The events with other values in some rows."""
    return events.with_columns(
        pl.when(where).then(value).otherwise(pl.col(name)).cast(EVENTS_SCHEMA[name]).alias(name)
        for name, value in values.items()
    )
