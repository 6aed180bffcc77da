"""What a detector finds: a code, how bad it is, a sentence with numbers, and the days and rows concerned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

AnomalySeverity = Literal["info", "warn", "error"]

_SPANS_TOLD = 4


@dataclass(frozen=True, order=True)
class DaySpan:
    """Days without a gap, both ends included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many days."""
        return (self.last - self.first).days + 1

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"


@dataclass(frozen=True)
class Anomaly:
    """One finding.

    Args:
        code: stable name of the kind, with the column or metric after a dot.
        severity: info is worth knowing; warn is worth a look; error means that the data must not be trusted.
        message: a sentence with numbers.
        spans: the days concerned, where days are concerned.
        rows: how many events are concerned, where events are.
        subject: the campaign, file or other part concerned, where it is one.
    """

    code: str
    severity: AnomalySeverity
    message: str
    spans: tuple[DaySpan, ...] = ()
    rows: int | None = None
    subject: str = ""


def spans_of(days: Iterable[date]) -> tuple[DaySpan, ...]:
    """Single days joined to spans."""
    spans: list[DaySpan] = []
    for day in sorted(set(days)):
        if spans and day - spans[-1].last == timedelta(days=1):
            spans[-1] = DaySpan(spans[-1].first, day)
        else:
            spans.append(DaySpan(day, day))
    return tuple(spans)


def told_spans(spans: Iterable[DaySpan]) -> str:
    """Spans in words: the latest ones, since they are what somebody can still act on."""
    every = sorted(spans)
    told = ", ".join(str(span) for span in every[-_SPANS_TOLD:])
    return told if len(every) <= _SPANS_TOLD else f"{len(every)} spans, the latest {told}"


def told_days(count: int) -> str:
    """A number of days in words."""
    return "1 day" if count == 1 else f"{count} days"
