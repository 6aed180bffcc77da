"""Columns that are filled in some events and empty in others."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from rmn_pipeline.rmis.detectors.anomaly import Anomaly, spans_of, told_spans
from rmn_pipeline.rmis.detectors.evidence import Evidence
from rmn_pipeline.rmis.detectors.series import robust_sigma

# What a report may leave out. A column that the network never sends is no anomaly.
OPTIONAL_COLUMNS = ("audience_id", "campaign_id", "ad_group_id")
_FAR = 6.0


def null_rates(evidence: Evidence) -> Iterator[Anomaly]:
    """Partly filled columns, and the days on which they are filled otherwise than usual."""
    if not evidence.days:
        return
    daily = daily_null_shares(evidence)
    for name in OPTIONAL_COLUMNS:
        yield from _partly_filled(name, daily, evidence)


def daily_null_shares(evidence: Evidence) -> pl.DataFrame:
    """Events per day, and per column the share of them in which it is empty."""
    return (
        evidence.usable_events.group_by("date")
        .agg(pl.len().alias("events"), *(pl.col(name).is_null().mean() for name in OPTIONAL_COLUMNS))
        .sort("date")
        .collect()
    )


def _partly_filled(name: str, daily: pl.DataFrame, evidence: Evidence) -> Iterator[Anomaly]:
    shares = daily[name].to_numpy()
    empty = float((daily[name] * daily["events"]).sum())
    share = empty / float(daily["events"].sum())
    usual = float(np.median(shares))
    # With few events a day, one empty value is a large share of them.
    counting = np.sqrt(np.maximum(usual * (1 - usual), 0.01) / daily["events"].to_numpy())
    limit = np.maximum(evidence.settings.max_null_share, _FAR * np.maximum(robust_sigma(shares), counting))
    odd = np.abs(shares - usual) > limit
    partly = evidence.settings.max_null_share < share < 1
    if not (partly or odd.any()) or share == 1:
        return
    spans = spans_of(daily.filter(pl.Series(odd))["date"].to_list())
    where = f"; usually {usual:.1%} of a day, otherwise on {told_spans(spans)}" if spans else ""
    yield Anomaly(
        f"null_share.{name}",
        "warn",
        f"{name} is empty in {share:.1%} of {evidence.event_count} events{where}",
        spans,
        round(empty),
    )
