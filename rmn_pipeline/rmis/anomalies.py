"""What looks wrong in one retailer's events although every row is well formed, by robust statistics."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import polars as pl

from rmn_pipeline.rmis.detectors import (
    DETECTORS,
    Anomaly,
    AnomalySettings,
    AnomalySeverity,
    Detector,
    Evidence,
)
from rmn_pipeline.rmis.detectors.evidence import METRICS, finite_sum

__all__ = [
    "Anomaly",
    "AnomalySettings",
    "AnomalySeverity",
    "daily_totals",
    "examine",
    "find_anomalies",
    "worst_severity",
]

_ORDER: tuple[AnomalySeverity, ...] = ("error", "warn", "info")


def find_anomalies(
    events: pl.DataFrame | pl.LazyFrame,
    *,
    today: date,
    settings: AnomalySettings | None = None,
    superseded: pl.DataFrame | pl.LazyFrame | None = None,
    rejects: pl.DataFrame | pl.LazyFrame | None = None,
    detectors: Iterable[Detector] = DETECTORS,
) -> list[Anomaly]:
    """All findings over one retailer's events, the worst first.

    Args:
        events: rows of `rmis_events`; given lazily, only the columns that are needed are read.
        today: the first day that cannot have been reported.
        settings: when a finding is worth telling.
        superseded: statements that later reports replaced; with them, the lag of every report is known.
        rejects: rows of `rmis_rejects`; with them, files with many broken rows are found.
        detectors: the kinds to look for.
    """
    evidence = Evidence(
        events=events.lazy(),
        today=today,
        settings=settings or AnomalySettings(),
        superseded=None if superseded is None else superseded.lazy(),
        rejects=None if rejects is None else rejects.lazy(),
    )
    return examine(evidence, detectors)


def examine(evidence: Evidence, detectors: Iterable[Detector] = DETECTORS) -> list[Anomaly]:
    """All findings over some evidence, the worst first."""
    if evidence.event_count == 0:
        return [Anomaly("no_events", "error", "there are no events", rows=0)]
    found = [anomaly for detector in detectors for anomaly in detector.find(evidence)]
    return sorted(found, key=lambda anomaly: _ORDER.index(anomaly.severity))


def worst_severity(anomalies: Iterable[Anomaly]) -> AnomalySeverity | None:
    """The worst severity among findings; None where there are none."""
    severities = {anomaly.severity for anomaly in anomalies}
    return next((severity for severity in _ORDER if severity in severities), None)


def daily_totals(events: pl.DataFrame) -> pl.DataFrame:
    """Sums per day, every day of the range present."""
    totals = events.drop_nulls("date").group_by("date").agg(finite_sum(name) for name in METRICS)
    calendar = totals.select(pl.date_range(pl.col("date").min(), pl.col("date").max()).alias("date"))
    return calendar.join(totals, on="date", how="left").sort("date").fill_null(0.0)
