"""A small customer-level log and a policy over it, for the tests of this room."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rmn_pipeline.cleanroom import CleanRoom, CleanRoomPolicy

FIRST_DAY = datetime.date(2026, 1, 5)
LAST_DAY = datetime.date(2026, 2, 1)
PLACEMENTS = ["search", "home"]
AUDIENCES = ["loyal", "lapsed"]
SKUS = ["00085021001007", "00085021001106", "00085021001205"]
PERIOD = {"date": {"from": "2026-01-05", "to": "2026-02-01"}}


def sample_log(customers: int = 1500, rows: int = 9000, seed: int = 7) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    clicks = rng.binomial(2, 0.3, rows)
    conversions = rng.binomial(clicks, 0.3)
    return pl.DataFrame(
        {
            "customer_id": rng.integers(0, customers, rows),
            "date": [FIRST_DAY + datetime.timedelta(days=int(day)) for day in rng.integers(0, 28, rows)],
            "sku_id": rng.choice(SKUS[:2], rows),
            "placement_type": rng.choice(PLACEMENTS, rows, p=[0.7, 0.3]),
            "audience_id": rng.choice(AUDIENCES, rows),
            "brand_id": ["brand_x"] * rows,
            "impressions": rng.integers(1, 20, rows),
            "clicks": clicks,
            "conversions": conversions.astype(float),
            "revenue_cents": conversions * rng.integers(1000, 4000, rows),
            "cost_cents": clicks * rng.integers(50, 200, rows),
        }
    )


def entry(customer_id: int, *, day: int = 0, sku: int = 0, **values: float) -> dict[str, Any]:
    """One log row of a customer; amounts not named are zero."""
    return {
        "customer_id": customer_id,
        "date": FIRST_DAY + datetime.timedelta(days=day),
        "sku_id": SKUS[sku],
        "placement_type": "search",
        "audience_id": "loyal",
        "brand_id": "brand_x",
        "impressions": int(values.get("impressions", 0)),
        "clicks": int(values.get("clicks", 0)),
        "conversions": float(values.get("conversions", 0.0)),
        "revenue_cents": int(values.get("revenue_cents", 0)),
        "cost_cents": int(values.get("cost_cents", 0)),
    }


def sample_policy(**changes: Any) -> CleanRoomPolicy:
    terms: dict[str, Any] = {
        "retailer_id": "alpha",
        "k": 100,
        "epsilon_total": 8.0,
        "epsilon_per_query": 4.0,
        "contribution_bounds": {
            "max_cells_per_customer": 6,
            "maximum_per_cell": {
                "impressions": 20,
                "clicks": 2,
                "conversions": 2,
                "revenue": 60.0,
                "cost": 4.0,
            },
            "maximum_per_customer": {"revenue": 150.0},
        },
        "date_range": {"first": "2026-01-01", "last": "2026-12-31"},
        "allowed_dimensions": {
            "week": "date_range",
            "date": "date_range",
            "placement_type": PLACEMENTS,
            "audience_id": AUDIENCES,
            "sku_id": "catalogue",
        },
        "allowed_metrics": ["customers", "impressions", "clicks", "conversions", "revenue", "cost"],
        "allowed_filters": ["date", "placement_type", "sku_id"],
    }
    return CleanRoomPolicy.model_validate(terms | changes)


def open_room(ledger: Path, events: pl.DataFrame | None = None, **changes: Any) -> CleanRoom:
    log = sample_log() if events is None else events
    return CleanRoom(log, sample_policy(**changes), ledger=ledger / "ledger.sqlite", sku_ids=SKUS)
