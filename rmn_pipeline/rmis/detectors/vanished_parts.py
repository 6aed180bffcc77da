"""A placement, campaign or audience that carried a good part of the impressions and is gone while the rest runs on.

Campaigns pause and end, so a part is only told if it was there almost every day, and stays away for longer than it
and its like do at other times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from rmn_pipeline.rmis.detectors.anomaly import Anomaly, DaySpan
from rmn_pipeline.rmis.detectors.evidence import Evidence, finite_sum
from rmn_pipeline.rmis.detectors.settings import AnomalySettings

DIMENSIONS = ("placement_type", "campaign_id", "audience_id")
_WINDOW_DAYS = 28
_LEAST_HISTORY_DAYS = 21
_STEADY_SHARE = 0.9
# An absence is news when it is so many times as long as the other ones,
_LONGER_THAN_ELSEWHERE = 2
# of this part, and of more than this share of the other parts: flights pause, and then pauses are no news.
_PAUSING_SHARE = 0.2
_MOST_PARTS = 50
# A part that begins when another ends, at a similar size, may be the same under a new name.
_SUCCESSOR_DAYS = 2
_SUCCESSOR_RATIO = 2.0


@dataclass(frozen=True)
class _Parts:
    """Impressions per day (rows) and part (columns) of one dimension, on the days that have any event."""

    dimension: str
    days: list[date]
    names: list[str]
    impressions: npt.NDArray[np.float64]

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        return self.impressions > 0


@dataclass(frozen=True)
class _Gap:
    """Positions of the first and the last day of an absence."""

    first: int
    last: int

    @property
    def days(self) -> int:
        return self.last - self.first + 1


def vanished_parts(evidence: Evidence) -> Iterator[Anomaly]:
    """Parts that stay away, per dimension."""
    if len(evidence.days) < evidence.settings.min_days:
        return
    for dimension in DIMENSIONS:
        parts = _parts(dimension, evidence)
        if len(parts.names) > 1:
            yield from _absences(parts, evidence.settings)


def _parts(dimension: str, evidence: Evidence) -> _Parts:
    daily = (
        evidence.usable_events.filter(pl.col(dimension).is_not_null())
        .group_by("date", dimension)
        .agg(finite_sum("impressions"))
        .collect(engine="streaming")
    )
    largest = daily.group_by(dimension).agg(pl.col("impressions").sum()).sort("impressions", dimension)
    names = largest[dimension].to_list()[::-1][:_MOST_PARTS]
    wide = pl.DataFrame({"date": evidence.days}, schema={"date": pl.Date}).join(
        daily.filter(pl.col(dimension).is_in(names)), on="date", how="left"
    )
    row = {day: index for index, day in enumerate(evidence.days)}
    column = {name: index for index, name in enumerate(names)}
    table = np.zeros((len(evidence.days), len(names)))
    for day, name, impressions in wide.drop_nulls().iter_rows():
        table[row[day], column[name]] = impressions
    return _Parts(dimension, evidence.days, names, table)


def _absences(parts: _Parts, settings: AnomalySettings) -> Iterator[Anomaly]:
    gaps = [_gaps(parts.present[:, column]) for column in range(len(parts.names))]
    for column, mine in enumerate(gaps):
        for gap in mine:
            if gap.days >= settings.min_absent_days and not _is_usual(gap, column, gaps):
                share = _share_before(parts, column, gap.first)
                if share >= settings.min_part_share:
                    yield _gone(parts, column, gap, share)


def _is_usual(gap: _Gap, column: int, gaps: list[list[_Gap]]) -> bool:
    """Whether this part, or more than a few others, stay away about as long at other times too."""
    longest = [max((other.days for other in part if other.first != gap.first), default=0) for part in gaps]
    long_enough = [_LONGER_THAN_ELSEWHERE * days > gap.days for days in longest]
    others = [long for index, long in enumerate(long_enough) if index != column]
    return long_enough[column] or sum(others) > _PAUSING_SHARE * len(others)


def _gaps(present: npt.NDArray[np.bool_]) -> list[_Gap]:
    """Every absence after the first presence."""
    seen = np.flatnonzero(present)
    if len(seen) == 0:
        return []
    ends = [*seen[1:].tolist(), len(present)]
    return [_Gap(int(at) + 1, end - 1) for at, end in zip(seen, ends, strict=True) if end - at > 1]


def _share_before(parts: _Parts, column: int, first: int) -> float:
    """The part's share of impressions in the weeks before it went; 0 where it was not steadily there."""
    before = slice(max(0, first - _WINDOW_DAYS), first)
    presence = parts.present[before, column]
    if len(presence) < _LEAST_HISTORY_DAYS or presence.mean() < _STEADY_SHARE:
        return 0.0
    total = float(parts.impressions[before].sum())
    return float(parts.impressions[before, column].sum()) / total if total > 0 else 0.0


def _gone(parts: _Parts, column: int, gap: _Gap, share: float) -> Anomaly:
    first, last = gap.first, gap.last
    to_end = last == len(parts.days) - 1
    span = DaySpan(parts.days[first], parts.days[last])
    when = f"since {span.first}" if to_end else f"from {span.first} to {span.last}"
    successor = _successor(parts, column, first)
    hint = f"; {successor!r} began then at a similar size: renamed?" if successor else ""
    return Anomaly(
        f"vanished.{parts.dimension}",
        "warn",
        f"{parts.dimension} {parts.names[column]!r} has no impressions {when}; it had {share:.0%} of all in the "
        f"{min(first, _WINDOW_DAYS)} days before, and the rest runs on{hint}",
        (span,),
        subject=parts.names[column],
    )


def _successor(parts: _Parts, column: int, first: int) -> str | None:
    usual = float(np.median(parts.impressions[max(0, first - _WINDOW_DAYS) : first, column]))
    for other, name in enumerate(parts.names):
        seen = np.flatnonzero(parts.present[:, other])
        if other == column or len(seen) == 0 or abs(int(seen[0]) - first) > _SUCCESSOR_DAYS:
            continue
        begun = float(np.median(parts.impressions[seen[0] : seen[0] + _WINDOW_DAYS, other]))
        if usual / _SUCCESSOR_RATIO <= begun <= usual * _SUCCESSOR_RATIO:
            return name
    return None
