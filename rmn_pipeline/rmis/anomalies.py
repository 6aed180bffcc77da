"""What looks wrong in one retailer's events although every row is well formed, by robust statistics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import polars as pl

AnomalySeverity = Literal["warn", "error"]

_METRICS = ("impressions", "clicks", "conversions", "revenue", "cost")
_OPTIONAL_KEYS = ("audience_id", "campaign_id", "ad_group_id")
# Makes the median absolute deviation an estimate of the standard deviation.
_MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True)
class Anomaly:
    """One finding: a stable code, how bad it is, and a sentence with numbers."""

    code: str
    severity: AnomalySeverity
    message: str


@dataclass(frozen=True)
class AnomalySettings:
    """When a finding is worth telling."""

    max_null_share: float = 0.05
    max_robust_z: float = 6.0
    # A shift must also be large in itself: quiet series have tiny deviations.
    min_relative_shift: float = 0.5
    min_same_weekdays: int = 6


def find_anomalies(
    events: pl.DataFrame, *, today: date, settings: AnomalySettings | None = None
) -> list[Anomaly]:
    """All findings over one retailer's events; `today` is the first day that cannot have been reported."""
    chosen = settings or AnomalySettings()
    if events.is_empty():
        return [Anomaly("no_events", "error", "there are no events")]
    return [
        *_null_shares(events, chosen),
        *_impossible_rows(events, today),
        *_missing_days(events),
        *_level_shifts(events, chosen),
    ]


def _null_shares(events: pl.DataFrame, settings: AnomalySettings) -> Iterator[Anomaly]:
    for name in _OPTIONAL_KEYS:
        share = events[name].null_count() / events.height
        # A column that the network never sends is no anomaly.
        if settings.max_null_share < share < 1:
            yield Anomaly(
                f"null_share.{name}", "warn", f"{name} is empty in {share:.1%} of {events.height} events"
            )


def _impossible_rows(events: pl.DataFrame, today: date) -> Iterator[Anomaly]:
    conditions: dict[str, tuple[AnomalySeverity, str, pl.Expr]] = {
        "negative_cost": ("warn", "have a negative cost", pl.col("cost") < 0),
        "future_date": ("error", f"are dated {today} or later", pl.col("date") >= today),
        "ctr_above_one": (
            "error",
            "have more clicks than impressions",
            pl.col("clicks") > pl.col("impressions"),
        ),
        "spend_without_impressions": (
            "warn",
            "cost money without an impression",
            (pl.col("cost") > 0) & (pl.col("impressions") == 0),
        ),
    }
    for code, (severity, what, condition) in conditions.items():
        found = events.filter(condition)
        if not found.is_empty():
            days = found["date"].sort()
            when = f"{days[0]} to {days[-1]}"
            yield Anomaly(code, severity, f"{found.height} of {events.height} events {what} ({when})")


def _missing_days(events: pl.DataFrame) -> Iterator[Anomaly]:
    days = events["date"].unique().sort()
    every = pl.date_range(days[0], days[-1], eager=True)
    missing = [day for day in every.to_list() if day not in set(days.to_list())]
    if missing:
        shown = ", ".join(map(str, missing[:5])) + (", …" if len(missing) > 5 else "")
        yield Anomaly("missing_days", "error", f"{len(missing)} days without any event: {shown}")


def daily_totals(events: pl.DataFrame) -> pl.DataFrame:
    """Sums per day, every day of the range present."""
    totals = events.group_by("date").agg(pl.col(name).sum().cast(pl.Float64) for name in _METRICS)
    first, last = totals["date"].min(), totals["date"].max()
    calendar = pl.select(pl.date_range(pl.lit(first), pl.lit(last)).alias("date"))
    return calendar.join(totals, on="date", how="left").sort("date").fill_null(0.0)


def _level_shifts(events: pl.DataFrame, settings: AnomalySettings) -> Iterator[Anomaly]:
    """Days far from the median of the same weekday, told as spans, one finding per metric."""
    long = (
        daily_totals(events)
        .unpivot(index="date", variable_name="metric", value_name="total")
        .with_columns(weekday=pl.col("date").dt.weekday())
    )
    group = ["metric", "weekday"]
    scored = (
        long.with_columns(middle=pl.col("total").median().over(group), days=pl.len().over(group))
        .with_columns(away=(pl.col("total") - pl.col("middle")).abs())
        .with_columns(sigma=pl.col("away").median().over(group) * _MAD_TO_SIGMA)
        .filter(
            (pl.col("days") >= settings.min_same_weekdays)
            & (pl.col("away") > settings.max_robust_z * pl.col("sigma"))
            & (pl.col("away") > settings.min_relative_shift * pl.col("middle").abs())
        )
        .sort("metric", "date")
    )
    for (metric,), found in scored.partition_by("metric", as_dict=True).items():
        worst = found.sort("away", descending=True).row(0, named=True)
        yield Anomaly(
            f"level_shift.{metric}",
            "warn",
            f"{found.height} days far from the same weekday's median, in {_spans(found['date'].to_list())}; "
            f"worst {worst['date']}: {worst['total']:,.0f} against {worst['middle']:,.0f}",
        )


def _spans(days: list[date]) -> str:
    spans: list[list[date]] = []
    for day in days:
        if spans and day - spans[-1][1] <= timedelta(days=1):
            spans[-1][1] = day
        else:
            spans.append([day, day])
    told = [str(first) if first == last else f"{first} to {last}" for first, last in spans]
    return ", ".join(told[:4]) + (", …" if len(told) > 4 else "")
