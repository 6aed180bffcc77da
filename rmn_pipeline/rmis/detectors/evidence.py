"""What detectors look at: one retailer's events by day, and the tables beside them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import polars as pl

from rmn_pipeline.rmis.detectors.settings import AnomalySettings

METRICS = ("impressions", "clicks", "conversions", "revenue", "cost")
EVENTS_PER_DAY = "events"
# Days further from the rest than this are a fault in the date, not a gap in the feed.
_STRAY_GAP_DAYS = 366
# Nobody sold retail media before, and nobody has later days to look at.
_FIRST_DAY, _LAST_DAY = date(1990, 1, 1), date(2199, 12, 31)


@dataclass(frozen=True)
class Evidence:
    """One retailer's events, and where they exist the superseded statements and the rejects.

    Args:
        events: rows of `rmis_events`, lazily: a detector reads only the columns that it needs.
        today: the first day that no report can know.
        settings: when a finding is worth telling.
        superseded: statements that a later one replaced, with `as_of`.
        rejects: rows of `rmis_rejects`.
    """

    events: pl.LazyFrame
    today: date
    settings: AnomalySettings
    superseded: pl.LazyFrame | None = None
    rejects: pl.LazyFrame | None = None

    @cached_property
    def event_count(self) -> int:
        """Number of events."""
        return int(self.events.select(pl.len()).collect().item())

    @cached_property
    def events_per_day(self) -> dict[date, int]:
        """Number of events of every day that has some, future days included."""
        counted = self.events.drop_nulls("date").group_by("date").len().sort("date").collect()
        return {day: int(count) for day, count in counted.iter_rows()}

    @cached_property
    def days(self) -> list[date]:
        """The days that have events and can have them, in order: no future days, none that lie far off."""
        past = [day for day in self.events_per_day if day < self.today]
        return _densest_stretch([day for day in past if _FIRST_DAY <= day <= _LAST_DAY])

    @cached_property
    def stray_days(self) -> list[date]:
        """Days with events that lie more than a year away from the rest."""
        usable = set(self.days)
        return [day for day in self.events_per_day if day < self.today and day not in usable]

    @property
    def usable_events(self) -> pl.LazyFrame:
        """The events of `days`."""
        if not self.days:
            return self.events.clear()
        return self.events.filter(pl.col("date").is_between(self.days[0], self.days[-1]))

    @cached_property
    def daily(self) -> pl.DataFrame:
        """Number of events and sums per day of `days`; values that are no numbers count as zero."""
        return (
            self.usable_events.group_by("date")
            .agg(pl.len().cast(pl.Float64).alias(EVENTS_PER_DAY), *(finite_sum(name) for name in METRICS))
            .sort("date")
            .collect(engine="streaming")
        )


def finite(name: str) -> pl.Expr:
    """A metric as a decimal number, 0 where it is empty, infinite or not a number."""
    value = pl.col(name).cast(pl.Float64)
    return pl.when(value.is_finite()).then(value).otherwise(0.0)


def finite_sum(name: str) -> pl.Expr:
    """The sum of a metric."""
    return finite(name).sum().alias(name)


def _densest_stretch(days: list[date]) -> list[date]:
    """The part with the most days, where gaps of more than a year part them."""
    stretches: list[list[date]] = []
    for day in days:
        if stretches and day - stretches[-1][-1] <= timedelta(days=_STRAY_GAP_DAYS):
            stretches[-1].append(day)
        else:
            stretches.append([day])
    return max(stretches, key=len, default=[])
