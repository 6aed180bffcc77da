"""From text to values: one Polars expression per type of the mapping language. What does not fit becomes null."""

from __future__ import annotations

import re
from typing import Any

import polars as pl

from rmn_pipeline.rmis.mapping import ColumnRule, ColumnType, RegexPart, SplitPart, UseValue
from rmn_pipeline.rmis.models import EVENTS_SCHEMA

# What networks print between digit groups when they mean a blank.
_BLANKS = "[ \u00a0\u202f]"
_TYPE_OF: dict[pl.DataType, ColumnType] = {
    pl.String(): "text",
    pl.Int64(): "int",
    pl.Float64(): "decimal",
    pl.Date(): "date",
    pl.Boolean(): "text",
}


def column_type(field: str, column: ColumnRule) -> ColumnType:
    """The declared type, or the one that the RMIS field asks for."""
    return column.type or _TYPE_OF[EVENTS_SCHEMA[field]]


def clean_text(text: pl.Expr, null_values: list[str]) -> pl.Expr:
    """Outer blanks dropped; what the network writes for 'nothing' is null."""
    stripped = text.str.strip_chars()
    return pl.when(stripped.is_in(["", *null_values])).then(None).otherwise(stripped)


def extract_part(text: pl.Expr, part: SplitPart | RegexPart | None) -> pl.Expr:
    """The wanted part of a text; null where the text has no such part."""
    if part is None:
        return text
    if isinstance(part, RegexPart):
        found = text.str.extract(part.regex, 1).str.strip_chars()
    else:
        pieces = text.str.split(part.split)
        piece = pieces.list.get(part.part - 1, null_on_oob=True).str.strip_chars()
        found = piece if part.of is None else pl.when(pieces.list.len() == part.of).then(piece)
    return pl.when(found != "").then(found)


def map_values(text: pl.Expr, column: ColumnRule) -> pl.Expr:
    """The value map's answer for each text; null where the declared answer is to reject."""
    if column.values is None:
        return text
    folded = {" ".join(raw.split()).casefold(): value for raw, value in column.values.items()}
    key = text.str.replace_all(r"\s+", " ").str.to_lowercase()
    known = key.replace_strict(list(folded), list(folded.values()), default=None, return_dtype=pl.String)
    if column.unmapped == "keep":
        return pl.coalesce(known, text)
    if isinstance(column.unmapped, UseValue):
        return pl.when(text.is_not_null()).then(known.fill_null(column.unmapped.use))
    return known


def _plain_number(text: pl.Expr, column: ColumnRule, money: bool) -> pl.Expr:
    """The number with its currency, brackets and thousands marks taken off; null where that is not a number."""
    number = text
    if money:
        # (12.00) is an accountant's minus; the currency stands before or after the amount, as sign or as code.
        number = number.str.replace(r"^\((.+)\)$", "-$1")
        number = number.str.replace(r"^([+-]?)\s*(?:\p{Sc}|[A-Z]{3})\s*([+-]?)", "$1$2")
        number = number.str.replace(r"\s*(?:\p{Sc}|[A-Z]{3})$", "")
    mark = column.thousands_mark
    thousands = _BLANKS if mark == " " else re.escape(mark) if mark else None
    decimal = re.escape(column.decimal_mark)
    whole = rf"(?:\d{{1,3}}(?:{thousands}\d{{3}})+|\d+)" if thousands else r"\d+"
    shape = rf"^[+-]?(?:{whole}(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][+-]?\d+)?$"
    number = pl.when(number.str.contains(shape)).then(number)
    if thousands:
        number = number.str.replace_all(thousands, "")
    return (
        number.str.replace(column.decimal_mark, ".", literal=True) if column.decimal_mark != "." else number
    )


def _to_float(number: pl.Expr) -> pl.Expr:
    value = number.cast(pl.Float64, strict=False)
    return pl.when(value.is_finite()).then(value)


def _to_int(number: pl.Expr) -> pl.Expr:
    """Whole numbers only; 12.0 is one, 12.5 and 1.2E+3 (digits lost) are not."""
    whole = number.str.replace(r"\.0*$", "")
    return pl.when(whole.str.contains(r"^[+-]?\d+$")).then(
        whole.str.strip_prefix("+").cast(pl.Int64, strict=False)
    )


def parse_values(text: pl.Expr, field: str, column: ColumnRule) -> pl.Expr:
    """The typed values of a column; null where the text does not fit the type."""
    kind = column_type(field, column)
    target = EVENTS_SCHEMA[field]
    if kind == "text":
        value = text
    elif kind == "date":
        value = text.str.to_date(column.format, strict=False, exact=True)
    elif kind == "int":
        value = _to_int(_plain_number(text, column, money=False))
    elif kind == "percent":
        value = _to_float(_plain_number(text.str.replace(r"\s*%$", ""), column, money=False)) / 100
    else:
        value = _to_float(_plain_number(text, column, money=kind == "money"))
    if column.divide_by is not None:
        value = value / column.divide_by
    return value.cast(target, strict=False)


def with_default(value: pl.Expr, text: pl.Expr, default: Any, field: str) -> pl.Expr:
    """The default stands in for an empty cell only, never for one that could not be read."""
    if default is None:
        return value
    return pl.when(text.is_null()).then(pl.lit(default).cast(EVENTS_SCHEMA[field])).otherwise(value)
