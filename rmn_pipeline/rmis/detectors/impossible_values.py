"""Values that cannot be: negative cost, days to come, more clicks than impressions, spend for nothing.

Correction rows are legitimate, so signs and relations are judged on the sums of a key, never row by row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import polars as pl

from rmn_pipeline.rmis.detectors.anomaly import Anomaly, AnomalySeverity, spans_of, told_days, told_spans
from rmn_pipeline.rmis.detectors.evidence import METRICS, Evidence, finite, finite_sum

_KEY = (
    "date",
    "campaign_id",
    "ad_group_id",
    "sku_id",
    "placement_type",
    "ad_type",
    "audience_id",
    "attr_model",
)


@dataclass(frozen=True)
class _Impossible:
    """A condition on a key's sums that should never hold; `always`: even one row is worth telling."""

    code: str
    what: str
    holds: pl.Expr
    severity: AnomalySeverity
    always: bool = True


_IMPOSSIBLE = (
    _Impossible("negative_cost", "have a negative cost", pl.col("cost") < 0, "warn"),
    _Impossible(
        "negative_count",
        "have a negative number of impressions or clicks",
        (pl.col("impressions") < 0) | (pl.col("clicks") < 0),
        "error",
    ),
    _Impossible(
        "ctr_above_one",
        "have more clicks than impressions",
        (pl.col("clicks") > pl.col("impressions")) & (pl.col("impressions") >= 0),
        "error",
    ),
    _Impossible(
        "spend_without_impressions",
        "cost money without an impression",
        (pl.col("cost") > 0) & (pl.col("impressions") == 0),
        "warn",
        always=False,
    ),
    _Impossible(
        "clicks_without_spend",
        "have clicks that cost nothing",
        (pl.col("clicks") > 0) & (pl.col("cost") == 0),
        "warn",
        always=False,
    ),
)


def impossible_values(evidence: Evidence) -> Iterator[Anomaly]:
    """Days to come, days far off, values that are no numbers, and impossible sums."""
    yield from _future_days(evidence)
    yield from _stray_days(evidence)
    yield from _no_numbers(evidence)
    yield from _impossible_sums(evidence)


def _future_days(evidence: Evidence) -> Iterator[Anomaly]:
    known = pl.min_horizontal(pl.lit(evidence.today), pl.col("as_of").dt.offset_by("1d"))
    found = (
        evidence.events.filter(pl.col("date") >= known)
        .group_by("date")
        .agg(pl.len(), (pl.col("date") < evidence.today).sum().alias("after_report"))
        .collect()
    )
    if found.is_empty():
        return
    rows, spans = int(found["len"].sum()), spans_of(found["date"].to_list())
    after_report = int(found["after_report"].sum())
    yield Anomaly(
        "future_date",
        "error",
        f"{rows} of {evidence.event_count} events are dated {evidence.today} or later, or after the day their "
        f"report was made ({after_report} of them): {told_spans(spans)}",
        spans,
        rows,
    )


def _stray_days(evidence: Evidence) -> Iterator[Anomaly]:
    if not evidence.stray_days:
        return
    spans = spans_of(evidence.stray_days)
    rows = sum(evidence.events_per_day[day] for day in evidence.stray_days)
    yield Anomaly(
        "stray_date",
        "error",
        f"{rows} of {evidence.event_count} events {_far_from(evidence.days)}: {told_spans(spans)}; is the date "
        "format right?",
        spans,
        rows,
    )


def _far_from(days: list[date]) -> str:
    if not days:
        return "lie in no year of retail media"
    return f"lie more than a year away from the other {told_days(len(days))} ({days[0]} to {days[-1]})"


def _no_numbers(evidence: Evidence) -> Iterator[Anomaly]:
    decimals = [name for name in METRICS if evidence.events.collect_schema()[name] == pl.Float64]
    counts = evidence.events.select((~pl.col(name).is_finite()).sum() for name in decimals).collect()
    for name in decimals:
        rows = int(counts[name][0] or 0)
        if rows:
            yield Anomaly(
                "no_number", "error", f"{name} is infinite or not a number in {rows} events", rows=rows
            )


def _impossible_sums(evidence: Evidence) -> Iterator[Anomaly]:
    rows = evidence.events.with_columns(finite(name).alias(name) for name in METRICS)
    broken = pl.any_horizontal(
        *(condition.holds for condition in _IMPOSSIBLE), *(pl.col(name) < 0 for name in METRICS)
    )
    # Sums can only be impossible where a row is, or where negative rows cancel others: most feeds stop here.
    if not rows.select(broken.any()).collect().item():
        return
    keys = (
        rows.group_by(_KEY)
        .agg(pl.len().alias("events"), *(finite_sum(name) for name in METRICS))
        # Cents that cancel leave a rest of binary fractions.
        .with_columns(pl.col("cost").round(6), pl.col("revenue").round(6))
    )
    for condition in _IMPOSSIBLE:
        found = keys.filter(condition.holds).group_by("date").agg(pl.col("events").sum()).collect()
        rows_found = int(found["events"].sum())
        share = rows_found / max(evidence.event_count, 1)
        if rows_found and (condition.always or share >= evidence.settings.min_row_share):
            spans = spans_of(found["date"].drop_nulls().to_list())
            yield Anomaly(
                condition.code,
                # A click can come after midnight, on a day without the impression: few are no broken feed.
                condition.severity if share >= evidence.settings.min_row_share else "warn",
                f"{rows_found} of {evidence.event_count} events ({share:.2%}) {condition.what}, on "
                f"{told_days(sum(span.days for span in spans))}: {told_spans(spans)}",
                spans,
                rows_found,
            )
