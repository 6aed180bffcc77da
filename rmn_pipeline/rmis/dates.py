"""Dates and timestamps in declared formats, and the check that declared formats can only be read one way."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal

import polars as pl

from rmn_pipeline.rmis.mapping_columns import ColumnRule

DATE_NAMED_FORMATS = ("excel_serial",)
TIMESTAMP_NAMED_FORMATS = ("unix_seconds", "unix_milliseconds")
UTC = "UTC"
# A day outside of these years is a misread one, such as 0026-01-05.
FIRST_DAY, LAST_DAY = dt.date(1990, 1, 1), dt.date(2099, 12, 31)

_EXCEL_EPOCH = dt.date(1899, 12, 30)
_OTHER_OFFSETS = ("%:z", "%::z", "%#z", "%+", "%Z")
_OFFSET = r"\s*(?:Z|[+-]\d{2}:?\d{2})$"
# No letter may follow a month's name: 'mar' is not the start of 'marzo'.
_END = r"\b"
_MICROSECONDS = {"unix_seconds": 1_000_000, "unix_milliseconds": 1_000}
Moment = Literal["date", "timestamp"]


def read_dates(text: pl.Expr, column: ColumnRule) -> pl.Expr:
    """Dates; null where the text fits no declared format or the day is out of all reason."""
    numbered, formats = _numbered_months(text, column)
    day = pl.coalesce(_date(numbered, one) for one in formats)
    return pl.when(day.is_between(FIRST_DAY, LAST_DAY)).then(day)


def read_timestamps(text: pl.Expr, column: ColumnRule) -> pl.Expr:
    """Moments in UTC; null where the text fits no format, or the clock never showed it."""
    numbered, formats = _numbered_months(text, column)
    moment = pl.coalesce(_moment(numbered, one, column) for one in formats)
    day = moment.dt.date()
    return pl.when(day.is_between(FIRST_DAY, LAST_DAY)).then(moment)


def day_in_zone(moment: pl.Expr, zone: str) -> pl.Expr:
    """The calendar day of a UTC moment, by the clocks of a zone."""
    return moment.dt.convert_time_zone(zone).dt.date()


def as_of_in_name(names: Sequence[str], pattern: str, date_format: str) -> dt.date | None:
    """The date that the pattern's only group finds in the first name that has it."""
    column = ColumnRule.model_validate({"from": "name", "format": date_format})
    texts = pl.DataFrame({"text": list(names)}, schema={"text": pl.String})
    found = texts.select(read_dates(pl.col("text").str.extract(pattern, 1), column)).to_series().drop_nulls()
    return None if found.is_empty() else found[0]


def _date(text: pl.Expr, date_format: str) -> pl.Expr:
    if date_format == "excel_serial":
        # Spreadsheets count days from 1899-12-30; an hour of the day stands behind the point.
        days = text.cast(pl.Float64, strict=False).floor()
        plausible = pl.when(days.is_between(0, 100_000)).then(days)
        return pl.lit(_EXCEL_EPOCH) + pl.duration(days=plausible.cast(pl.Int64))
    return text.str.to_date(date_format, strict=False, exact=True)


def _moment(text: pl.Expr, moment_format: str, column: ColumnRule) -> pl.Expr:
    if moment_format in _MICROSECONDS:
        ticks = text.cast(pl.Int64, strict=False)
        limit = 2**62 // _MICROSECONDS[moment_format]
        ticks = pl.when(ticks.is_between(-limit, limit)).then(ticks)
        return (ticks * _MICROSECONDS[moment_format]).cast(pl.Datetime("us")).dt.replace_time_zone(UTC)
    if "%z" in moment_format and column.offset == "read":
        return _parsed(text, moment_format.replace("%z", "%#z"))
    if "%z" in moment_format:
        text = text.str.replace(_OFFSET, "")
        moment_format = moment_format.replace("%z", "").rstrip()
    clock = _parsed(text, moment_format)
    ambiguous: Literal["earliest", "latest", "null"] = (
        "null" if column.ambiguous == "reject" else column.ambiguous
    )
    zoned = clock.dt.replace_time_zone(column.time_zone, ambiguous=ambiguous, non_existent="null")
    return zoned.dt.convert_time_zone(UTC)


def _parsed(text: pl.Expr, moment_format: str) -> pl.Expr:
    return text.str.to_datetime(moment_format, time_unit="us", strict=False, exact=True)


def _numbered_months(text: pl.Expr, column: ColumnRule) -> tuple[pl.Expr, Sequence[str]]:
    """Month names of the report's language replaced by numbers, and the formats that then fit."""
    formats = column.format or []
    if column.month_names is None:
        return text, formats
    for number, name in enumerate(column.month_names, start=1):
        # Digits, so that no name can be found in what another one left behind.
        text = text.str.replace(
            rf"(?i)\b{_escaped(name)}{_END if name[-1].isalnum() else ''}", f"{number:02d}"
        )
    return text, [one.replace("%B", "%m").replace("%b", "%m") for one in formats]


def _escaped(name: str) -> str:
    return "".join(f"\\{letter}" if not letter.isalnum() and letter.isascii() else letter for letter in name)


def _probes(moment: Moment) -> pl.Series:
    """Days of two years that tell all orders of day, month and year apart, at times that tell hours apart."""
    days = [dt.date(2025, 1, 1) + dt.timedelta(days=step) for step in range(0, 730, 3)]
    if moment == "date":
        return pl.Series(days)
    times = itertools.cycle([dt.time(1, 2), dt.time(13, 45), dt.time(0, 0), dt.time(23, 59)])
    return pl.Series([dt.datetime.combine(day, next(times)) for day in days])


def _printed(format_text: str, moment: Moment) -> pl.Series | None:
    probes = _probes(moment)
    if moment == "date":
        # Daily rows may print an hour that means nothing.
        probes = probes.cast(pl.Datetime("us"))
    elif "%z" in format_text:
        probes = probes.dt.replace_time_zone(UTC)
    try:
        return probes.dt.strftime(format_text)
    except pl.exceptions.ComputeError:
        return None


def _read_back(texts: pl.Series, format_text: str, moment: Moment) -> pl.Series | None:
    column = ColumnRule.model_validate({"from": "text", "format": format_text, "time_zone": UTC})
    read = read_dates if moment == "date" else read_timestamps
    try:
        back = texts.to_frame("text").select(read(pl.col("text"), column)).to_series()
    except pl.exceptions.ComputeError:
        return None
    return back if moment == "date" else back.dt.replace_time_zone(None)


@lru_cache(maxsize=256)
def _lone_mistake(format_text: str, moment: Moment) -> str | None:
    """What is wrong with one format, whatever stands beside it."""
    if any(sign in format_text for sign in _OTHER_OFFSETS):
        return f"'{format_text}': write the offset as %z, it reads Z, +0100 and +01:00"
    printed = _printed(format_text, moment)
    back = None if printed is None else _read_back(printed, format_text, moment)
    if back is not None and back.equals(_probes(moment)):
        return None
    what = "day, month and year" if moment == "date" else "day, month, year, hour and minute"
    named = ", ".join(DATE_NAMED_FORMATS if moment == "date" else TIMESTAMP_NAMED_FORMATS)
    return f"'{format_text}' does not give {what} (strftime signs such as %Y-%m-%d, or {named})"


@lru_cache(maxsize=256)
def _rivalry(first: str, second: str, moment: Moment) -> str | None:
    """A text that `first` prints and `second` reads as another day."""
    printed = _printed(first, moment)
    back = None if printed is None else _read_back(printed, second, moment)
    if printed is None or back is None:
        return None
    wrong = (back.is_not_null() & (back != _probes(moment))).arg_true()
    return None if wrong.is_empty() else str(printed[int(wrong[0])])


def format_mistakes(formats: Sequence[str], moment: Moment) -> Iterator[tuple[int, str]]:
    """What is wrong with declared formats: the position in the list, and the mistake."""
    named = DATE_NAMED_FORMATS if moment == "date" else TIMESTAMP_NAMED_FORMATS
    usable: list[str] = []
    for index, one in enumerate(formats):
        if one in named:
            continue
        mistake = _lone_mistake(one, moment)
        if mistake is not None:
            yield index, mistake
            continue
        for other in usable:
            text = _rivalry(other, one, moment) or _rivalry(one, other, moment)
            if text is not None:
                yield index, f"'{text}' is one day in '{other}' and another in '{one}'; keep one of them"
        usable.append(one)
