"""When a feast is, and whether an advertisement still runs after it."""

from __future__ import annotations

import datetime

from rmn_pipeline.governance.ad_copy.rules import EasterDay, FixedDay, NthWeekday

# A feast so long past is the next year's, not a late advertisement of the last one.
_LATE_DAYS = 182


def feast_day(when: FixedDay | NthWeekday | EasterDay, year: int) -> datetime.date:
    """The day of a feast in a year."""
    if isinstance(when, FixedDay):
        return datetime.date(year, when.month, when.day)
    if isinstance(when, EasterDay):
        return easter_sunday(year) + datetime.timedelta(days=when.easter_plus_days)
    first = datetime.date(year, when.month, 1)
    to_weekday = (when.weekday - first.weekday()) % 7
    return first + datetime.timedelta(days=to_weekday + 7 * (when.nth - 1) + when.plus_days)


def easter_sunday(year: int) -> datetime.date:
    """Easter in the Gregorian calendar (the anonymous algorithm of 1876, as Meeus gives it)."""
    golden = year % 19
    century, rest = divmod(year, 100)
    leap_centuries, century_rest = divmod(century, 4)
    correction = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - leap_centuries - correction + 15) % 30
    leaps, year_rest = divmod(rest, 4)
    weekday = (32 + 2 * century_rest + 2 * leaps - epact - year_rest) % 7
    shift = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * shift + 114, 31)
    return datetime.date(year, month, day + 1)


def runs_past(
    when: FixedDay | NthWeekday | EasterDay, last_day: datetime.date, days_after: int
) -> datetime.date | None:
    """The feast that an advertisement outlives by more than `days_after` days; None where it ends in time."""
    for year in (last_day.year, last_day.year - 1):
        feast = feast_day(when, year)
        late = (last_day - feast).days
        if days_after < late <= _LATE_DAYS:
            return feast
    return None
