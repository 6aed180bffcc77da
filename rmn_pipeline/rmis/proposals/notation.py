"""How a report writes numbers and dates: marks, currencies, day and month. Found from values, never assumed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

DecimalMark = Literal[".", ","]
ThousandsMark = Literal[",", ".", " ", "'"]
Floats = npt.NDArray[np.float64]

_BLANK = "[ \u00a0\u202f\u2009]"
_CURRENCY = r"(?:\p{Sc}|[A-Z]{1,3}\p{Sc}|\b[A-Z]{3}\b|\bRs\.?|\bkr\b|zł)"
_NUMBER = rf"^[+-]?\d+(?:[.,'\u2019]\d+|{_BLANK}\d{{3}})*(?:[eE][+-]?\d+)?$|^[+-]?[.,]\d+$"
# What a comma or a point can only be as the decimal mark, and what it can only be between thousands.
_COMMA_IS_DECIMAL = rf"^[+-]?\d*,(?:\d{{1,2}}|\d{{4,}})$|(?:[.']|{_BLANK})\d{{3}},\d+$"
_POINT_IS_DECIMAL = r"^[+-]?\d*\.(?:\d{1,2}|\d{4,})$|,\d{3}\.\d+$|[eE]|^[+-]?0\.\d+$|^[+-]?\d{4,}\.\d+$"
_NULLS = ("", "-", "--", "—", "n/a", "N/A", "NA", "null", "NULL", "None", "nan", "NaN")

DATE_FORMATS: tuple[str, ...] = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y%m%d",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m-%d-%Y",
    "%d-%m-%Y",
    "%d.%m.%Y",
    "%m/%d/%y",
    "%d/%m/%y",
    "%d.%m.%y",
    "%d-%m-%y",
    "%b %d, %Y",
    "%d %b %Y",
    "%d-%b-%Y",
)
_TIME_SUFFIXES = (" %H:%M:%S", "T%H:%M:%S", " %H:%M:%S%.f", "T%H:%M:%SZ", "T%H:%M:%S%.fZ", "T%H:%M:%S%z")
_DATE_LIKE = (
    r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[ T]|$)|^(?:19|20)\d{6}$"
    r"|^\d{1,2}[ -][A-Za-z]{3}[ -]\d{4}|^[A-Z][a-z]{2} \d"
)
_FIRST_YEAR, _LAST_YEAR = 2005, 2100
_FITTING_SHARE = 0.9


@dataclass(frozen=True)
class NumberNotation:
    """The marks of a column's numbers, and what stands beside them."""

    decimal_mark: DecimalMark
    thousands_mark: ThousandsMark | None
    has_currency: bool
    has_percent: bool


def mean_of(values: pl.Series) -> float:
    """The mean of numbers or truths; 0 where there are none."""
    return float(values.cast(pl.Float64).mean() or 0.0)  # type: ignore[arg-type]


def given_values(values: pl.Series) -> pl.Series:
    """The cells that say something, outer blanks dropped."""
    stripped = values.cast(pl.String).str.strip_chars()
    return stripped.filter(stripped.is_not_null() & ~stripped.is_in(list(_NULLS)))


def bare_numbers(values: pl.Series) -> pl.Series:
    """Values without currency, percent sign and accountant's brackets; what is no number stays as it is."""
    bare = values.cast(pl.String).str.strip_chars()
    bare = bare.str.replace(r"^\((.+)\)$", "-$1").str.replace(rf"{_BLANK}*%$", "")
    bare = bare.str.replace(rf"^([+-]?){_BLANK}*{_CURRENCY}{_BLANK}*([+-]?)", "$1$2")
    return bare.str.replace(rf"{_BLANK}*{_CURRENCY}$", "")


def number_share(given: pl.Series) -> float:
    """Which share of the given values is a number in some notation."""
    return mean_of(bare_numbers(given).str.contains(_NUMBER))


def decimal_votes(given: pl.Series) -> tuple[int, int]:
    """How many values can only be read with a decimal point, and with a decimal comma."""
    bare = bare_numbers(given)
    return int(bare.str.contains(_POINT_IS_DECIMAL).sum()), int(bare.str.contains(_COMMA_IS_DECIMAL).sum())


def notation_of(given: pl.Series, table_mark: DecimalMark) -> NumberNotation:
    """The notation of one column; where its own values leave it open, the table's decimal mark holds."""
    point, comma = decimal_votes(given)
    mark: DecimalMark = table_mark if point == comma else "." if point > comma else ","
    bare = bare_numbers(given)
    thousands: ThousandsMark | None = None
    for candidate in (",", ".", "'", " "):
        pattern = rf"\d{_BLANK if candidate == ' ' else '[.]' if candidate == '.' else candidate}\d{{3}}"
        if candidate != mark and bare.str.contains(pattern).any():
            thousands = candidate
            break
    return NumberNotation(
        mark,
        thousands,
        has_currency=bool(given.str.contains(r"\p{Sc}|\b[A-Z]{3}\b|Rs").any()),
        has_percent=bool(given.str.contains(r"%$").any()),
    )


def to_numbers(values: pl.Series, notation: NumberNotation) -> Floats:
    """The values as numbers, NaN where there is none."""
    bare = bare_numbers(values)
    if notation.thousands_mark is not None:
        mark = _BLANK if notation.thousands_mark == " " else f"[{notation.thousands_mark}]"
        bare = bare.str.replace_all(mark, "")
    if notation.decimal_mark == ",":
        bare = bare.str.replace(",", ".", literal=True)
    return bare.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy().astype(np.float64)


@dataclass(frozen=True)
class DateReading:
    """Every format that the values fit, but for a few faults, and the days that each makes of them."""

    formats: tuple[str, ...]
    days: dict[str, tuple[dt.date, ...]]
    has_time_of_day: bool

    @property
    def is_date(self) -> bool:
        """Whether any format fits."""
        return bool(self.formats)


NO_DATE = DateReading((), {}, False)


def _days(given: pl.Series, form: str) -> tuple[dt.date, ...]:
    """The days that a format makes of the values; empty where too many values do not fit it."""
    days = given.str.to_date(form, strict=False, exact=True)
    days = days.filter(days.dt.year().is_between(_FIRST_YEAR, _LAST_YEAR))
    return tuple(sorted(days.to_list())) if len(days) >= _FITTING_SHARE * len(given) else ()


def _fitting(given: pl.Series, suffixes: tuple[str, ...]) -> dict[str, tuple[dt.date, ...]]:
    """The formats that fit the most values: a fault fits none, a wrong order of day and month loses real dates."""
    found = {
        form + end: days for form in DATE_FORMATS for end in suffixes if (days := _days(given, form + end))
    }
    most = max((len(days) for days in found.values()), default=0)
    return {form: days for form, days in found.items() if len(days) == most}


def read_dates(given: pl.Series) -> DateReading:
    """Which date formats fit the given values of a column."""
    distinct = given.unique()
    if mean_of(distinct.str.contains(_DATE_LIKE)) < _FITTING_SHARE:
        return NO_DATE
    plain = _fitting(distinct, ("",))
    if plain:
        return DateReading(tuple(plain), plain, False)
    timed = _fitting(distinct, _TIME_SUFFIXES)
    midnight = mean_of(distinct.str.contains(r"[ T]00:00:00")) >= _FITTING_SHARE
    return DateReading(tuple(timed), timed, bool(timed) and not midnight)


@dataclass(frozen=True)
class DateChoice:
    """The date format that is proposed, why, and whether a person still has to say so."""

    format: str | None
    reason: str
    is_certain: bool
    alternatives: tuple[str, ...] = ()


def _is_month_first(form: str) -> bool:
    return form.startswith("%m")


def choose_date_format(
    reading: DateReading, hints: Iterable[str], other_dates: Iterable[DateReading]
) -> DateChoice:
    """The format of a date column: by its values, by the report's other dates, by the country, by its span."""
    if not reading.formats:
        return DateChoice(None, "no known format fits every value", False)
    if len(reading.formats) == 1:
        return DateChoice(reading.formats[0], "the only format that fits every value", True)
    fitting = set(reading.formats)
    for other in other_dates:
        shared = fitting & set(other.formats)
        if len(shared) == 1:
            return DateChoice(shared.pop(), "another date column of the report fits this order only", True)
    rest = reading.formats
    order = _order_by_hint(hints)
    for form in rest:
        if order is not None and _is_month_first(form) == (order[0] == "month"):
            return DateChoice(form, order[1], True, tuple(other for other in rest if other != form))
    return _by_span(reading)


def _order_by_hint(hints: Iterable[str]) -> tuple[str, str] | None:
    for hint in hints:
        folded = hint.strip().casefold()
        if folded in ("united states", "us", "usa"):
            return "month", f"month first, since the report's country is {hint.strip()!r}"
        if folded in ("dd/mm", "day_first"):
            return "day", "day first, since the report writes its numbers with a decimal comma"
    return None


def _by_span(reading: DateReading) -> DateChoice:
    """Days of one report lie close together: the reading that spans less is the likelier, but not certain."""
    span = {form: (days[-1] - days[0]).days for form, days in reading.days.items()}
    best = min(reading.formats, key=lambda form: span[form])
    others = tuple(form for form in reading.formats if form != best)
    told = ", ".join(f"{form} spans {span[form] + 1} days" for form in reading.formats)
    return DateChoice(best, f"every value fits several orders ({told}); ask the network", False, others)
