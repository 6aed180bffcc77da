"""Anomalies: each is found when planted, and a quiet series has none."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from rmn_pipeline.rmis import EVENTS_SCHEMA, daily_totals, find_anomalies

START = date(2026, 1, 5)
TODAY = START + timedelta(days=70)


def quiet() -> pl.DataFrame:
    """Ten weeks with a weekday pattern and a little movement."""
    days = [START + timedelta(days=number) for number in range(70)]
    level = [1000 + 200 * day.weekday() + 7 * (number % 5) for number, day in enumerate(days)]
    columns: dict[str, Any] = {
        "date": days,
        "impressions": level,
        "clicks": [value // 20 for value in level],
        "conversions": [value / 400 for value in level],
        "revenue": [value / 20 for value in level],
        "cost": [value / 50 for value in level],
        "audience_id": ["loyal"] * 70,
    }
    frame = pl.DataFrame(columns)
    rest = [pl.lit(None, dtype).alias(name) for name, dtype in EVENTS_SCHEMA.items() if name not in columns]
    return frame.with_columns(rest).select(*EVENTS_SCHEMA).cast(EVENTS_SCHEMA)


def at(day: int, column: str, value: Any) -> pl.DataFrame:
    here = pl.col("date") == START + timedelta(days=day)
    return quiet().with_columns(pl.when(here).then(value).otherwise(column).alias(column)).cast(EVENTS_SCHEMA)


def codes(events: pl.DataFrame) -> set[str]:
    return {anomaly.code for anomaly in find_anomalies(events, today=TODAY)}


def test_a_quiet_series_has_no_anomalies() -> None:
    assert find_anomalies(quiet(), today=TODAY) == []


@pytest.mark.parametrize(
    ("events", "code"),
    [
        (at(20, "cost", -1.0), "negative_cost"),
        (at(20, "clicks", 999_999), "ctr_above_one"),
        (at(20, "impressions", 0), "spend_without_impressions"),
        (at(20, "revenue", 5000.0), "level_shift.revenue"),
        (quiet().filter(pl.col("date") != START + timedelta(days=9)), "missing_days"),
        (at(20, "date", TODAY), "future_date"),
        (
            quiet().with_columns(pl.when(pl.col("date") > START + timedelta(days=60)).then("audience_id")),
            "null_share.audience_id",
        ),
        (quiet().clear(), "no_events"),
    ],
)
def test_a_planted_anomaly_is_found(events: pl.DataFrame, code: str) -> None:
    assert code in codes(events)


def test_messages_hold_the_numbers() -> None:
    (found,) = find_anomalies(at(20, "revenue", 5000.0), today=TODAY)
    assert found.severity == "warn"
    assert "1 days far from the same weekday's median, in 2026-01-25" in found.message
    assert "5,000 against" in found.message


def test_daily_totals_hold_every_day() -> None:
    totals = daily_totals(quiet().filter(pl.col("date") != START + timedelta(days=9)))
    assert (totals.height, totals["cost"][9]) == (70, 0.0)
