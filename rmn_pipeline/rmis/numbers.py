"""Numbers as networks print them: the plain ones by a cast, the others by careful reading of their text."""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from rmn_pipeline.rmis.cells import Cells, encode, only_where
from rmn_pipeline.rmis.mapping_columns import DIVISORS, ColumnRule, DecimalMark, ThousandsMark

NUMERIC_TYPES = frozenset({"int", "decimal", "money", "percent"})

# What networks print between digit groups, for each mark that a mapping may name.
_THOUSANDS: dict[ThousandsMark, str] = {
    " ": "[ \u00a0\u2007\u2009\u202f]",
    "'": "['\u2019\u02bc]",
    ",": ",",
    ".": r"\.",
}
_MINUS = "[-\u2212\u2013]"
# A sign of any currency with up to three letters before it (US$, R$), a three-letter code, or an abbreviation.
_CURRENCY = r"(?:\p{L}{0,3}\p{Sc}|[A-Z]{3}|kr\.?|zł|Kč|Ft|lei|Rs\.?|R|Fr\.?|TL)"


@dataclass(frozen=True)
class NumberStyle:
    """How the numbers of one column are written, and what they count."""

    kind: str
    decimal_mark: DecimalMark = "."
    thousands_mark: ThousandsMark | None = None
    divisor: float | None = None
    points: bool = True

    @property
    def plain_cast_is_safe(self) -> bool:
        """A text that casts to a number means that number: '12.040' does not where the point marks thousands."""
        return self.decimal_mark == "."


def number_style(column: ColumnRule, kind: str, marks: NumberStyle | None = None) -> NumberStyle:
    """The style of a column; what it does not say is as in `marks`."""
    default = marks or NumberStyle(kind)
    divisor = column.divide_by if column.scale is None else DIVISORS[column.scale]
    return NumberStyle(
        kind,
        column.decimal_mark or default.decimal_mark,
        column.thousands_mark or default.thousands_mark,
        divisor,
        column.percent_as == "points",
    )


def read_numbers(values: pl.Series, clean: pl.Expr, style: NumberStyle) -> pl.Series:
    """Numbers (Float64, or Int64 for counts) of text or numeric cells; null where a cell holds none.

    `clean` makes the text of a column named 'text' ready for careful reading.
    """
    numbers = _quick(values, style)
    unread = (numbers.is_null() & values.is_not_null()).arg_true()
    if unread.is_empty() or values.dtype != pl.String:
        return numbers
    careful = _careful(encode(values.gather(unread)), clean, style)
    return numbers.scatter(unread, careful)


def _quick(values: pl.Series, style: NumberStyle) -> pl.Series:
    """What a plain cast reads rightly; null for everything else."""
    if values.dtype != pl.String:
        return _of_numeric(values, style)
    whole_only = style.kind == "int" and style.divisor is None
    if whole_only or not style.plain_cast_is_safe:
        # Nothing but a sign and digits casts to an integer, and that reads the same under all marks.
        whole = values.cast(pl.Int64, strict=False)
        return whole if whole_only else _scaled(whole.cast(pl.Float64), style)
    return _scaled(values.cast(pl.Float64, strict=False), style)


def _of_numeric(values: pl.Series, style: NumberStyle) -> pl.Series:
    if style.kind == "int" and style.divisor is None and values.dtype.is_integer():
        return values.cast(pl.Int64, strict=False)
    scaled = _scaled(values.cast(pl.Float64, strict=False), style)
    return to_whole(scaled) if style.kind == "int" and style.divisor is None else scaled


def to_whole(numbers: pl.Series) -> pl.Series:
    """Int64, null where a number is no whole one."""
    is_whole = (numbers == numbers.round(0)) & (numbers.abs() < 2.0**63)
    return only_where(is_whole, numbers).cast(pl.Int64)


def _scaled(numbers: pl.Series, style: NumberStyle, percent_signs: pl.Series | None = None) -> pl.Series:
    finite = numbers.is_finite()
    if not finite.all():
        numbers = only_where(finite, numbers)
    if style.kind == "percent" and style.points:
        numbers = _divided(numbers, 100)
    elif percent_signs is not None:
        numbers = numbers.zip_with(~percent_signs, _divided(numbers, 100))
    return numbers if style.divisor is None else _divided(numbers, style.divisor)


def _divided(numbers: pl.Series, divisor: float) -> pl.Series:
    """Divided one by one: with a single number Polars multiplies by its inverse, and 3184000 / 1e5 is not 31.84."""
    return numbers / pl.repeat(divisor, numbers.len(), dtype=pl.Float64, eager=True)


def _careful(cells: Cells, clean: pl.Expr, style: NumberStyle) -> pl.Series:
    frame = cells.values.to_frame("text").select(clean.alias("text"))
    sign = frame["text"].str.ends_with("%") if style.kind == "percent" else None
    plain = frame.select(plain_number(pl.col("text"), style)).to_series()
    if style.kind == "int" and style.divisor is None:
        return cells.spread(_whole(plain))
    numbers = _scaled(plain.cast(pl.Float64, strict=False), style, sign)
    return cells.spread(numbers)


def _whole(plain: pl.Series) -> pl.Series:
    """Whole numbers only; 12.0 is one, 12.5 and 1.2E+3 (digits lost) are not."""
    whole = plain.str.replace(r"\.0*$", "")
    digits = only_where(whole.str.contains(r"^-?\d+$"), whole)
    return digits.cast(pl.Int64, strict=False)


def plain_number(text: pl.Expr, style: NumberStyle) -> pl.Expr:
    """The number without currency, brackets and thousands marks; null where that is no number."""
    number = text
    if style.kind == "percent":
        number = number.str.replace(r"\s*%$", "")
    number = _minus_in_front(number)
    if style.kind == "money":
        number = number.str.replace(rf"^(-?)\s*{_CURRENCY}\s*", "$1")
        number = number.str.replace(rf"\s*{_CURRENCY}$", "")
        # The sign may stand inside of the currency as well: $-5.10, 5.10- EUR.
        number = _minus_in_front(number)
    thousands = _THOUSANDS[style.thousands_mark] if style.thousands_mark else None
    number = pl.when(number.str.contains(_shape(style.decimal_mark, thousands))).then(number)
    if thousands:
        number = number.str.replace_all(thousands, "")
    return number.str.replace(",", ".", literal=True) if style.decimal_mark == "," else number


def _minus_in_front(number: pl.Expr) -> pl.Expr:
    """'(12)', '12-' and '−12' are -12; '+12' is 12."""
    number = number.str.replace(rf"^\(([^-()]+)\)$|^([^-]+)\s*{_MINUS}$", "-$1$2")
    return number.str.replace(rf"^{_MINUS}\s*", "-").str.replace(r"^\+\s*", "")


def _shape(decimal_mark: DecimalMark, thousands: str | None) -> str:
    whole = r"\d+"
    if thousands:
        # Groups of three, or as in India groups of two before the last three.
        whole = (
            rf"(?:\d{{1,3}}(?:{thousands}\d{{3}})+|\d{{1,2}}(?:{thousands}\d{{2}})+{thousands}\d{{3}}|\d+)"
        )
    decimal = re.escape(decimal_mark)
    return rf"^-?(?:{whole}(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][+-]?\d+)?$"
