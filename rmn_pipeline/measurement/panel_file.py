"""Read a panel from a file as geo tools write it: BOM, several delimiters, day-first dates, their column names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Literal

import polars as pl

from rmn_pipeline.measurement.errors import PanelError
from rmn_pipeline.measurement.panel import Panel, panel_from_table

DateOrder = Literal["day_first", "month_first"]

# What the geo tools call our columns; the first name that the file has is taken.
COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    "geo": ("geo", "location", "dma", "region", "market", "city", "state", "geography"),
    "date": ("date", "day", "time", "week"),
    "value": ("value", "y", "sales", "revenue", "response", "kpi", "orders", "conversions"),
    "spend_usd": ("spend_usd", "spend", "cost"),
    "treatment": ("treatment", "treated", "assignment", "is_treated"),
}
REQUIRED = ("geo", "date", "value")
DELIMITERS = (",", ";", "\t", "|")
_NUMERIC_DATE = re.compile(r"^(\d{1,2})[/.\-](\d{1,2})[/.\-](\d{4})$")


def read_panel(
    path: Path | str, *, columns: Mapping[str, str] | None = None, date_order: DateOrder | None = None
) -> Panel:
    """A panel from a delimited text file.

    Args:
        path: UTF-8 text with a header, with or without byte-order mark.
        columns: our name → the file's, where the file's is none of `COLUMN_NAMES`.
        date_order: for dates like 03/04/2024; found out from the whole column where it is not given.

    Raises:
        PanelError: no such file, a column is missing, or a date or number cannot be read; names the line.
    """
    place = Path(path)
    try:
        text = place.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PanelError(f"{place}: cannot be read as UTF-8 text ({error})") from error
    header, _, body = text.partition("\n")
    if not body.strip():
        raise PanelError(f"{place}: no rows below the header")
    delimiter = max(DELIMITERS, key=header.count)
    raw = pl.read_csv(
        text.encode(),
        separator=delimiter,
        infer_schema=False,
        truncate_ragged_lines=False,
        null_values=["", "NA"],
    )
    raw = raw.rename({name: name.strip().strip('"') for name in raw.columns})
    names = _names(place, raw.columns, dict(columns or {}))
    table = raw.select(pl.col(theirs).str.strip_chars().alias(ours) for ours, theirs in names.items())
    table = table.filter(pl.any_horizontal(pl.all().is_not_null()))
    numbers = [name for name in ("value", "spend_usd", "treatment") if name in table.columns]
    return panel_from_table(
        table.with_columns(
            _dates(place, table["date"], date_order),
            *(_numbers(place, table[name], decimal_comma=delimiter == ";") for name in numbers),
        )
    )


def _names(place: Path, found: list[str], given: dict[str, str]) -> dict[str, str]:
    """Our column name → the file's."""
    lower = {name.lower(): name for name in found}
    names = {}
    for ours, candidates in COLUMN_NAMES.items():
        if ours in given and given[ours] not in found:
            raise PanelError(f"{place}: no column '{given[ours]}'; it has {', '.join(found)}")
        theirs = given.get(ours) or next((lower[name] for name in candidates if name in lower), None)
        if theirs is not None:
            names[ours] = theirs
        elif ours in REQUIRED:
            raise PanelError(
                f"{place}: no column for '{ours}' (looked for {', '.join(candidates)}; the file has "
                f"{', '.join(found)}); name it with columns={{'{ours}': …}}"
            )
    return names


def _numbers(place: Path, texts: pl.Series, *, decimal_comma: bool) -> pl.Series:
    plain = texts.str.replace_all(",", ".", literal=True) if decimal_comma else texts
    parsed = plain.cast(pl.Float64, strict=False)
    bad = (parsed.is_null() & texts.is_not_null()).arg_true()
    if bad.len():
        raise PanelError(
            f"{place}, line {bad[0] + 2}: '{texts[bad[0]]}' in column '{texts.name}' is not a number"
        )
    return parsed


def _dates(place: Path, texts: pl.Series, order: DateOrder | None) -> pl.Series:
    """Dates of a column that is ISO throughout, or day-first or month-first throughout."""
    iso = texts.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    if not iso.has_nulls():
        return iso
    compact = texts.str.to_date("%Y%m%d", strict=False)
    if not compact.has_nulls():
        return compact
    parts = [(_NUMERIC_DATE.match(text or ""), at) for at, text in enumerate(texts.to_list())]
    bad = next((at for match, at in parts if match is None), None)
    if bad is not None:
        raise PanelError(
            f"{place}, line {bad + 2}: '{texts[bad]}' is not a date like 2024-03-31 or 31/03/2024, as others are"
        )
    triples = [tuple(int(part) for part in match.groups()) for match, _ in parts if match is not None]
    chosen = order or _date_order(place, triples)
    return pl.Series("date", [_date(place, at, triple, chosen) for at, triple in enumerate(triples)])


def _date(place: Path, at: int, triple: tuple[int, ...], order: DateOrder) -> date:
    first, second, year = triple
    day, month = (first, second) if order == "day_first" else (second, first)
    try:
        return date(year, month, day)
    except ValueError as error:
        raise PanelError(
            f"{place}, line {at + 2}: {first}/{second}/{year} is no date when read {order.replace('_', ' ')}; "
            f"say date_order"
        ) from error


def _date_order(place: Path, triples: list[tuple[int, ...]]) -> DateOrder:
    """Which part is the day: the one that exceeds 12, else the reading under which days follow each other."""
    day_first, month_first = any(t[0] > 12 for t in triples), any(t[1] > 12 for t in triples)
    if day_first != month_first:
        return "day_first" if day_first else "month_first"
    if day_first:
        raise PanelError(f"{place}: some dates are day-first and some month-first; write them as 2024-03-31")
    kinds: tuple[DateOrder, DateOrder] = ("day_first", "month_first")
    longest = {kind: _span({_date(place, 0, triple, kind) for triple in triples}) for kind in kinds}
    if longest["day_first"] == longest["month_first"]:
        raise PanelError(
            f"{place}: dates such as {'/'.join(map(str, triples[0]))} can be read both ways; "
            f"pass date_order='day_first' or 'month_first'"
        )
    return min(kinds, key=lambda kind: longest[kind])


def _span(days: set[date]) -> int:
    return (max(days) - min(days)).days
