"""What attacks are aimed at: synthetic logs, the real room over them, and rooms without its protection.

The logs are made here and hold nobody. The real room runs under the terms that the retailers' policies ship with,
unless an attack says what it changed to be stronger.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rmn_pipeline.cleanroom.bounded_log import BoundedLog
from rmn_pipeline.cleanroom.noise import add_laplace
from rmn_pipeline.cleanroom.policy import CleanRoomPolicy, to_micro
from rmn_pipeline.cleanroom.request import Domains, PermittedRequest, parse_request
from rmn_pipeline.cleanroom.room import CleanRoom
from rmn_pipeline.cleanroom.schema import SUMMED_METRICS

FIRST_DAY = datetime.date(2026, 1, 1)
LAST_DAY = datetime.date(2027, 12, 31)
PLACEMENTS = ("search", "category", "product_detail", "home", "offsite")
AUDIENCES = ("loyal", "lapsed", "new_to_brand", "in_market")
RETAILER_ID = "target"

# The terms of data/retailers/*/policy.yaml; a test holds the two together.
SHIPPED_TERMS: dict[str, Any] = {
    "k": 100,
    "epsilon_total": 8.0,
    "epsilon_per_query": 6.0,
    "delta": 1e-9,
    "contribution_bounds": {
        "max_cells_per_customer": 16,
        "maximum_per_cell": {
            "impressions": 100,
            "clicks": 6,
            "conversions": 6,
            "revenue": 120.0,
            "cost": 10.0,
        },
        "maximum_per_customer": {
            "impressions": 400,
            "clicks": 10,
            "conversions": 6,
            "revenue": 150.0,
            "cost": 30.0,
        },
    },
    "epsilon_weights": {
        "customers": 6,
        "impressions": 1,
        "clicks": 1,
        "conversions": 4,
        "revenue": 8,
        "cost": 4,
    },
    "date_range": {"first": FIRST_DAY, "last": LAST_DAY},
    "allowed_dimensions": {
        "week": "date_range",
        "date": "date_range",
        "placement_type": list(PLACEMENTS),
        "audience_id": list(AUDIENCES),
        "sku_id": "catalogue",
    },
    "allowed_metrics": ["customers", "impressions", "clicks", "conversions", "revenue", "cost"],
    "allowed_filters": ["date", "placement_type", "audience_id", "sku_id"],
}


def shipped_policy(**changes: Any) -> CleanRoomPolicy:
    """The shipped terms, with what an attack changes."""
    return CleanRoomPolicy.model_validate({"retailer_id": RETAILER_ID, **SHIPPED_TERMS, **changes})


def one_cell_per_customer() -> dict[str, Any]:
    """Bounds under which a count has the least noise that its ε permits: the attacker's favourite."""
    bounds = dict(SHIPPED_TERMS["contribution_bounds"])
    return {"contribution_bounds": bounds | {"max_cells_per_customer": 1}}


def sku_ids(count: int) -> list[str]:
    """Made-up product ids."""
    return [f"sku{number:05d}" for number in range(count)]


def make_log(customer_id: Sequence[int] | np.ndarray, **columns: Any) -> pl.DataFrame:
    """A log with one row per given customer id; other columns are given whole, as one value, or left out."""
    rows = len(customer_id)
    defaults: dict[str, Any] = {
        "date": FIRST_DAY,
        "sku_id": "sku00000",
        "placement_type": PLACEMENTS[0],
        "audience_id": AUDIENCES[0],
        "brand_id": "brand",
        "impressions": 1,
        "clicks": 0,
        "conversions": 0.0,
        "revenue_cents": 0,
        "cost_cents": 0,
    }
    values = {
        name: value if hasattr(value, "__len__") and not isinstance(value, str) else [value] * rows
        for name, value in (defaults | columns).items()
    }
    return pl.DataFrame({"customer_id": customer_id, **values})


def days_from(first: datetime.date, offsets: np.ndarray) -> pl.Series:
    """Dates at these distances from the first day."""
    return pl.Series(np.datetime64(first, "D") + np.asarray(offsets).astype("timedelta64[D]")).cast(pl.Date)


def date_filter(first: datetime.date, last: datetime.date) -> dict[str, str]:
    """A request's filter on whole days, both ends included."""
    return {"from": first.isoformat(), "to": last.isoformat()}


class ProtectedTarget:
    """The real room, asked through its public interface; every trial has a budget of its own."""

    def __init__(
        self,
        events: pl.DataFrame,
        policy: CleanRoomPolicy,
        skus: Sequence[str],
        folder: Path,
        trial: int = 0,
    ) -> None:
        self.room = CleanRoom(
            events,
            policy,
            ledger=folder / "ledger.sqlite",
            sku_ids=skus,
            dataset_id=f"{policy.retailer_id}-{trial}",
        )

    def ask(self, request: Mapping[str, Any]) -> pl.DataFrame:
        """The released rows."""
        return self.room.query(dict(request), analyst="attacker").rows

    def close(self) -> None:
        """Forget the data."""
        self.room.close()


class UnprotectedTarget:
    """The same questions over the same log, without the room's protection.

    Args:
        minimum: rows with fewer distinct customers are left out, exactly: a threshold alone.
        epsilon: fresh noise of this ε for every answer, and no ledger; None for exact answers.
    """

    def __init__(
        self,
        events: pl.DataFrame,
        policy: CleanRoomPolicy,
        skus: Sequence[str],
        *,
        minimum: int,
        epsilon: float | None = None,
    ) -> None:
        self._policy = policy
        self._domains = Domains.of(policy, skus)
        self._log = BoundedLog(events, policy, self._domains, bytes(32))
        self._minimum = minimum
        self._epsilon = epsilon

    def ask(self, request: Mapping[str, Any]) -> pl.DataFrame:
        """Rows at or above the minimum."""
        permitted = parse_request({**request, "epsilon": None}, self._policy, self._domains)
        found = self._log.aggregate(permitted).filter(pl.col("customers") >= self._minimum)
        return found.select(
            *permitted.dimensions, *(self._value(name, found, permitted) for name in permitted.metrics)
        )

    def close(self) -> None:
        """Forget the data."""
        self._log.close()

    def _value(self, name: str, found: pl.DataFrame, permitted: PermittedRequest) -> pl.Series:
        steps = found[name].fill_null(0).to_list()
        sensitivity = 1 if name == "customers" else self._policy.maximum_steps_per_customer(name)
        if self._epsilon is not None and steps:
            share = to_micro(self._epsilon) // len(permitted.metrics)
            steps = add_laplace(steps, sensitivity, share).values
        unit = 1 if name == "customers" else SUMMED_METRICS[name].steps_per_unit
        return (
            pl.Series(name, steps, dtype=pl.Int64) / unit
            if unit > 1
            else pl.Series(name, steps, dtype=pl.Int64)
        )


def single_value(rows: pl.DataFrame, metric: str) -> float | None:
    """The one value of a request without dimensions; None where it was suppressed."""
    return float(rows[metric][0]) if rows.height else None
