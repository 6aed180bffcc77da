"""Click rates, click prices and returns far outside of the retailer's own distribution, on the log scale.

Two views: the daily rate of the whole feed, read like the totals; and single events against the other events of
their placement, where mere counting noise is allowed for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import polars as pl

from rmn_pipeline.rmis.detectors.anomaly import Anomaly, spans_of, told_spans
from rmn_pipeline.rmis.detectors.evidence import Evidence, finite
from rmn_pipeline.rmis.detectors.level_shifts import departures, metric_readings, readings_of, told_number
from rmn_pipeline.rmis.detectors.series import MAD_TO_SIGMA, SeriesReading

_LEAST_EVENTS = 50
_LEAST_SIGMA = 0.05
_SAME_STEP_DAYS = 3


@dataclass(frozen=True)
class Ratio:
    """A rate, and the count that its counting noise comes from."""

    name: str
    over: str
    under: str
    counted_by: str

    def of_events(self) -> pl.Expr:
        """The rate's logarithm in one event; null where it has none. Half a click stands for none."""
        over = pl.col(self.over) + (0.5 if self.over == "clicks" else 0.0)
        return pl.when((over > 0) & (pl.col(self.under) > 0)).then((over / pl.col(self.under)).log())

    def of_days(self) -> pl.Expr:
        """The rate of a day's sums."""
        under = pl.col(self.under)
        return pl.when(under > 0).then(pl.col(self.over) / under).fill_null(0.0).alias(self.name)


RATIOS = (
    Ratio("ctr", "clicks", "impressions", "clicks"),
    Ratio("cpc", "cost", "clicks", "clicks"),
    Ratio("roas", "revenue", "cost", "conversions"),
)


def ratio_readings(evidence: Evidence) -> dict[str, SeriesReading]:
    """The reading of every daily rate."""
    daily = evidence.daily.with_columns(ratio.of_days() for ratio in RATIOS)
    return readings_of(daily, [ratio.name for ratio in RATIOS], evidence.settings)


def unusual_ratios(evidence: Evidence) -> Iterator[Anomaly]:
    """Departures of the daily rates, and single events with a rate far off."""
    totals = metric_readings(evidence)
    readings = ratio_readings(evidence)
    for ratio in RATIOS:
        if ratio.name in readings:
            parts = [totals[name] for name in (ratio.over, ratio.under) if name in totals]
            yield from departures(ratio.name, _news(readings[ratio.name], parts), evidence)
    if evidence.days:
        for ratio in RATIOS:
            yield from _far_events(ratio, evidence)


def _news(rate: SeriesReading, parts: list[SeriesReading]) -> SeriesReading:
    """A rate's reading without what one of its two totals shows by itself: one cause is told once."""
    steps = [step.index for part in parts for step in part.steps]
    odd = {at for part in parts for run in part.odd_runs for at in range(run.first, run.last + 1)}
    return replace(
        rate,
        steps=tuple(
            step for step in rate.steps if all(abs(step.index - at) > _SAME_STEP_DAYS for at in steps)
        ),
        odd_runs=tuple(run for run in rate.odd_runs if odd.isdisjoint(range(run.first, run.last + 1))),
    )


def _far_events(ratio: Ratio, evidence: Evidence) -> Iterator[Anomaly]:
    settings = evidence.settings
    columns = dict.fromkeys((ratio.over, ratio.under, ratio.counted_by))
    events = (
        evidence.usable_events.select(
            "date", "placement_type", *(finite(name).alias(name) for name in columns)
        )
        .with_columns(ratio.of_events().alias("rate"))
        .filter(pl.col("rate").is_finite())
    )
    away = (pl.col("rate") - pl.col("usual")).abs()
    usual = events.group_by("placement_type").agg(
        pl.col("rate").median().alias("usual"), pl.len().alias("events")
    )
    spread = (
        events.join(usual, on="placement_type", nulls_equal=True)
        .group_by("placement_type", "usual", "events")
        .agg((away.median() * MAD_TO_SIGMA).alias("spread"))
        .filter(pl.col("events") >= _LEAST_EVENTS)
    )
    # The spread of the bulk holds the counting noise of usual counts; rare counts have more.
    deviation = (
        pl.max_horizontal(pl.col("spread"), _LEAST_SIGMA).pow(2)
        + 1 / (pl.max_horizontal(pl.col(ratio.counted_by), 0.0) + 0.5)
    ).sqrt()
    far = (
        events.join(spread, on="placement_type", nulls_equal=True)
        .with_columns(away.alias("away"), (away / deviation).alias("score"))
        .filter(
            (pl.col("score") > settings.row_ratio_z) & (pl.col("away") > pl.lit(settings.row_ratio).log())
        )
        .sort("score", "date", descending=True)
        .collect(engine="streaming")
    )
    if not far.is_empty():
        yield _told(ratio, far)


def _told(ratio: Ratio, far: pl.DataFrame) -> Anomaly:
    worst = far.with_columns(pl.col("rate", "usual").exp()).row(0, named=True)
    spans = spans_of(far["date"].to_list())
    return Anomaly(
        f"unusual_ratio.{ratio.name}",
        "warn",
        f"{ratio.name} ({ratio.over} / {ratio.under}) of {far.height} events is far from the other events of "
        f"their placement, on {told_spans(spans)}; worst {worst['date']}, {worst['placement_type']}: "
        f"{told_number(worst['rate'])} against {told_number(worst['usual'])} (robust z {min(worst['score'], 99):.0f})",
        spans,
        far.height,
    )
