"""Totals that leave their own history: a lasting change of level, or single odd days, against the same weekday."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from rmn_pipeline.rmis.detectors.anomaly import (
    Anomaly,
    AnomalySeverity,
    DaySpan,
    spans_of,
    told_days,
    told_spans,
)
from rmn_pipeline.rmis.detectors.evidence import EVENTS_PER_DAY, METRICS, Evidence
from rmn_pipeline.rmis.detectors.series import OddRun, SeriesReading, Step, read_series
from rmn_pipeline.rmis.detectors.settings import AnomalySettings

# What each series counts, where it counts at all: the fewer, the wilder by nature.
_COUNTED_BY = {
    EVENTS_PER_DAY: EVENTS_PER_DAY,
    "impressions": "impressions",
    "clicks": "clicks",
    "conversions": "conversions",
    "revenue": "conversions",
    "cost": "clicks",
    "ctr": "clicks",
    "cpc": "clicks",
    "roas": "conversions",
}
# These come in for weeks after the day that they are booked on.
_LATE = frozenset({"conversions", "revenue", "roas"})
# A young day may be low, but not this low once it is two days old.
_YOUNG_LEAST_FACTOR, _YOUNGEST_DAYS = 0.2, 2
# An up and a down undo each other if so much of the step is gone.
_UNDONE_SHARE = 0.65
# Days before and after a change whose medians are told.
_TOLD_WINDOW = 14


@dataclass(frozen=True)
class Episode:
    """A level that began at `step` and ended before position `end`; None: it lasts."""

    step: Step
    end: int | None


def metric_readings(evidence: Evidence) -> dict[str, SeriesReading]:
    """The reading of every total that has a history long enough."""
    return readings_of(evidence.daily, (EVENTS_PER_DAY, *METRICS), evidence.settings)


def readings_of(
    daily: pl.DataFrame, names: Sequence[str], settings: AnomalySettings
) -> dict[str, SeriesReading]:
    """Readings of some columns of a table that has one row per day."""
    days = daily["date"].to_list()
    readings = {}
    for name in names:
        floor = _counting_noise(daily, name)
        reading = read_series(days, daily[name].to_numpy(), settings, noise_floor=floor)
        if reading is not None:
            readings[name] = reading
    return readings


def _counting_noise(daily: pl.DataFrame, name: str) -> float:
    """Relative deviation of a count of the usual size."""
    counts = daily[_COUNTED_BY[name]].drop_nulls()
    usual = float(np.median(counts.to_numpy())) if len(counts) else 0.0
    return 1 / float(np.sqrt(max(usual, 1.0)))


def level_shifts(evidence: Evidence) -> Iterator[Anomaly]:
    """Lasting changes and odd days of the totals."""
    for name, reading in metric_readings(evidence).items():
        yield from departures(name, reading, evidence)


def departures(name: str, reading: SeriesReading, evidence: Evidence) -> Iterator[Anomaly]:
    """What a reading found, as findings: each lasting change, and all odd days of the series together."""
    is_young = _Youth(name, reading, evidence)
    for episode in episodes(reading.steps):
        if not is_young(episode.step.index, episode.step.factor):
            yield _shift(name, reading, episode, evidence.settings)
    odd = [run for run in reading.odd_runs if not is_young(run.first, run.factor)]
    if odd:
        yield _odd_days(name, reading, odd, evidence.settings)


def episodes(steps: Sequence[Step]) -> list[Episode]:
    """Steps, with an up and the down that undoes it told as one."""
    told: list[Episode] = []
    rest = list(steps)
    while rest:
        step = rest.pop(0)
        undone = rest and abs(np.log(step.factor * rest[0].factor)) < (1 - _UNDONE_SHARE) * abs(
            np.log(step.factor)
        )
        told.append(Episode(step, rest.pop(0).index if undone else None))
    return told


class _Youth:
    """Whether a fall may only mean that the newest days are not complete yet."""

    def __init__(self, name: str, reading: SeriesReading, evidence: Evidence) -> None:
        self._days = reading.days
        self._applies = name in _LATE
        self._young_days = evidence.settings.young_days
        self._as_of = _newest_statement(evidence) if self._applies else None

    def __call__(self, index: int, factor: float) -> bool:
        if not self._applies or factor >= 1:
            return False
        newest = self._as_of or self._days[-1] + timedelta(days=1)
        age = (newest - self._days[index]).days
        return age <= self._young_days and (factor >= _YOUNG_LEAST_FACTOR or age <= _YOUNGEST_DAYS)


def _newest_statement(evidence: Evidence) -> date | None:
    return evidence.usable_events.select(pl.col("as_of").max()).collect().item()


def _shift(name: str, reading: SeriesReading, episode: Episode, settings: AnomalySettings) -> Anomaly:
    step, days = episode.step, reading.days
    last = (len(days) if episode.end is None else episode.end) - 1
    span = DaySpan(days[step.index], days[last])
    before = float(np.median(reading.observed[max(0, step.index - _TOLD_WINDOW) : step.index]))
    after = float(np.median(reading.observed[step.index : min(last + 1, step.index + _TOLD_WINDOW)]))
    when = f"from {span.first} on" if episode.end is None else f"from {span.first} to {span.last}"
    return Anomaly(
        f"level_shift.{name}",
        _severity(span, days, settings),
        f"{name} {when}: {step.factor:.3g} times the level before, weekdays compared with themselves; "
        f"{told_number(after)} on the median day of the {_TOLD_WINDOW} after, {told_number(before)} of those before "
        f"(robust z {min(step.score, 99):.0f})",
        (span,),
    )


def _odd_days(name: str, reading: SeriesReading, runs: list[OddRun], settings: AnomalySettings) -> Anomaly:
    days = [day for run in runs for day in reading.days[run.first : run.last + 1]]
    spans = spans_of(days)
    worst = max(runs, key=lambda run: run.score)
    at = max(
        range(worst.first, worst.last + 1),
        key=lambda index: abs(np.log((reading.observed[index] + 1) / (reading.expected[index] + 1))),
    )
    unfinished = days[-1] == reading.days[-1] and runs[-1].factor < 1
    return Anomaly(
        f"odd_days.{name}",
        _severity(spans[-1], reading.days, settings),
        f"{name}: {told_days(len(days))} far from what the weekday and the weeks around let expect, in "
        f"{told_spans(spans)}; worst {reading.days[at]}: {told_number(reading.observed[at])} against "
        f"{told_number(reading.expected[at])} (robust z {min(worst.score, 99):.0f})"
        + ("; the last day may be incomplete" if unfinished else ""),
        spans,
    )


def _severity(span: DaySpan, days: Sequence[date], settings: AnomalySettings) -> AnomalySeverity:
    """What began long ago is history by now."""
    return "info" if (days[-1] - span.first).days > settings.history_days else "warn"


def told_number(value: float) -> str:
    """A number with as many digits as matter."""
    if value >= 100 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.3g}"
