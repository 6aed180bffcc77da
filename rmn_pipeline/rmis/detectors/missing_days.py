"""Days without a single event: a gap in the feed, or weekdays that the network does not report."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from rmn_pipeline.rmis.detectors.anomaly import Anomaly, DaySpan, spans_of, told_days, told_spans
from rmn_pipeline.rmis.detectors.evidence import Evidence

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# The same weekday missing so often in a row is a pattern and no accident.
_PATTERN_WEEKS = 4


def missing_days(evidence: Evidence) -> Iterator[Anomaly]:
    """Weekdays that stay away, told once each, and all other missing days."""
    if not evidence.days:
        return
    missing = absent_days(evidence)
    patterned: set[date] = set()
    by_start: dict[date, list[list[date]]] = {}
    for weekday in range(7):
        for run in _weekday_runs(weekday, missing, evidence):
            patterned.update(run)
            # Weekend days that stop in one week stop together.
            monday = run[0] - timedelta(days=run[0].weekday())
            by_start.setdefault(monday, []).append(run)
    for runs in by_start.values():
        yield _pattern(runs, evidence)
    accidental = [day for day in missing if day not in patterned]
    if accidental:
        spans = spans_of(accidental)
        yield Anomaly(
            "missing_days",
            "error",
            f"{told_days(len(accidental))} without any event between {evidence.days[0]} and "
            f"{evidence.days[-1]}: {told_spans(spans)}",
            spans,
        )


def absent_days(evidence: Evidence) -> list[date]:
    """Days between the first and the last one that have no event."""
    present = set(evidence.days)
    length = (evidence.days[-1] - evidence.days[0]).days
    every = (evidence.days[0] + timedelta(days=number) for number in range(length))
    return [day for day in every if day not in present]


def _weekday_runs(weekday: int, missing: list[date], evidence: Evidence) -> Iterator[list[date]]:
    """Runs of one weekday that is missing week after week while other days of those weeks are there."""
    present = set(evidence.days)
    run: list[date] = []
    for day in [day for day in missing if day.weekday() == weekday]:
        if not any(day + timedelta(days=away) in present for away in range(-3, 4)):
            continue
        if run and day - run[-1] > timedelta(days=7):
            if len(run) >= _PATTERN_WEEKS:
                yield run
            run = []
        run.append(day)
    if len(run) >= _PATTERN_WEEKS:
        yield run


def _pattern(runs: list[list[date]], evidence: Evidence) -> Anomaly:
    days = sorted(day for run in runs for day in run)
    names = " and ".join(_WEEKDAYS[weekday] for weekday in sorted({day.weekday() for day in days}))
    from_start = days[0] - evidence.days[0] <= timedelta(days=7)
    to_end = evidence.days[-1] - days[-1] <= timedelta(days=7)
    if from_start and to_end:
        when = "ever: does this network leave them out, or a filter?"
    else:
        when = f"from {days[0]} " + ("on" if to_end else f"to {days[-1]}")
    return Anomaly(
        "missing_weekdays",
        "warn",
        f"no event on any {names} {when} ({told_days(len(days))})",
        tuple(DaySpan(day, day) for day in days),
    )
