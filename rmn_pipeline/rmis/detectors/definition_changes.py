"""Definitions that change over time: the currency, the attribution model, what a conversion is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import polars as pl

from rmn_pipeline.rmis.detectors.anomaly import Anomaly, AnomalySeverity, DaySpan
from rmn_pipeline.rmis.detectors.evidence import Evidence

# Sums over two currencies mean nothing; over two attribution models they compare badly.
_DEFINITIONS: dict[str, AnomalySeverity] = {
    "currency": "error",
    "attr_model": "warn",
    "conversion_unit": "warn",
    "revenue_scope": "warn",
    "cost_basis": "warn",
    "date_basis": "warn",
    "report_timezone": "warn",
}
_PERIODS_TOLD = 4


def definition_changes(evidence: Evidence) -> Iterator[Anomaly]:
    """One finding per definition that is not the same on all days."""
    if not evidence.days:
        return
    # Distinct combinations first: they are few, however many events there are.
    combinations = evidence.usable_events.group_by("date", *_DEFINITIONS).agg().collect(engine="streaming")
    daily = (
        combinations.group_by("date")
        .agg(pl.col(name).drop_nulls().unique().sort() for name in _DEFINITIONS)
        .sort("date")
    )
    for name, severity in _DEFINITIONS.items():
        periods = _periods(daily["date"].to_list(), daily[name].to_list())
        if len(periods) > 1:
            yield _changed(name, severity, periods)
        elif name == "currency" and periods and len(periods[0][1]) > 1:
            yield Anomaly(
                "mixed_currency",
                "warn",
                f"{' and '.join(periods[0][1])} stand side by side on every day: sums of cost and revenue over "
                "them mean nothing until they are converted",
            )


def _periods(days: list[date], values: list[list[str]]) -> list[tuple[DaySpan, tuple[str, ...]]]:
    periods: list[tuple[DaySpan, tuple[str, ...]]] = []
    for day, found in zip(days, values, strict=True):
        if not found:
            continue
        if periods and periods[-1][1] == tuple(found):
            periods[-1] = (DaySpan(periods[-1][0].first, day), periods[-1][1])
        else:
            periods.append((DaySpan(day, day), tuple(found)))
    return periods


def _changed(name: str, severity: AnomalySeverity, periods: list[tuple[DaySpan, tuple[str, ...]]]) -> Anomaly:
    told = "; ".join(f"{' and '.join(values)}: {span}" for span, values in periods[-_PERIODS_TOLD:])
    earlier = f"{len(periods)} periods, the latest: " if len(periods) > _PERIODS_TOLD else ""
    return Anomaly(
        f"changed_definition.{name}",
        severity,
        f"{name} changes over time: {earlier}{told}",
        tuple(span for span, _ in periods[1:]),
    )
