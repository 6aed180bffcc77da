"""One cell of a worksheet as the text that a person would read: dates as ISO, numbers at the sheet's precision."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum

# A spreadsheet keeps fifteen digits; a longer whole number has lost its end, so it is shown as what it is.
KEPT_DIGITS = 15
SECONDS_OF_DAY = 86_400
LAST_SERIAL = 2_958_466

_DATE_IDS = frozenset({*range(14, 18), *range(27, 32), 36, *range(50, 59)})
_TIME_IDS = frozenset({*range(18, 22), 32, 33, 34, 35, 45, 47})
_PERCENT_IDS = frozenset({9, 10})
_LITERALS = re.compile(r'"[^"]*"|\\.|_.|\*.|AM/PM|A/P|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
_DURATION = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


class Kind(Enum):
    """What a number format makes of a number."""

    NUMBER = "number"
    PERCENT = "percent"
    DATE = "date"
    TIME = "time"
    MOMENT = "moment"
    DURATION = "duration"


@dataclass(frozen=True)
class NumberFormat:
    """A cell style's number format: its kind, and how many digits a whole number is filled up to."""

    kind: Kind = Kind.NUMBER
    digits: int = 0


def number_format(number: int, code: str | None) -> NumberFormat:
    """The format with a number (the spreadsheet's own formats have fixed ones) and a code."""
    if number in _DATE_IDS:
        return NumberFormat(Kind.DATE)
    if number in _TIME_IDS:
        return NumberFormat(Kind.TIME)
    if number in _PERCENT_IDS:
        return NumberFormat(Kind.PERCENT)
    fixed = {22: Kind.MOMENT, 46: Kind.DURATION}.get(number)
    return NumberFormat(fixed) if fixed else _of_code(code or "General")


def _of_code(code: str) -> NumberFormat:
    plain = _LITERALS.sub("", code.split(";")[0]).lower()
    if plain.strip() in ("general", ""):
        return NumberFormat()
    if re.fullmatch(r"0{2,}", plain):
        return NumberFormat(digits=len(plain))
    if "%" in plain:
        return NumberFormat(Kind.PERCENT)
    if _DURATION.search(plain):
        return NumberFormat(Kind.DURATION)
    has_time = re.search("[hs]", plain) is not None
    has_date = re.search("[yd]" if has_time else "[ymd]", plain) is not None
    kinds = {
        (True, True): Kind.MOMENT,
        (True, False): Kind.DATE,
        (False, True): Kind.TIME,
        (False, False): Kind.NUMBER,
    }
    return NumberFormat(kinds[has_date, has_time])


@dataclass(frozen=True)
class CellReader:
    """Makes texts of cells: knows the workbook's shared texts, its styles and its calendar."""

    texts: Sequence[str]
    formats: Sequence[NumberFormat]
    counts_from_1904: bool

    def text(self, kind: str, style: int, content: str) -> str:
        """The text of a cell by its type and style; ValueError or IndexError if the workbook is inconsistent."""
        if kind == "s":
            return self._shared_text(int(content))
        if kind == "b":
            return "TRUE" if content.strip() == "1" else "FALSE"
        if kind in ("str", "inlineStr"):
            return unescaped(content)
        if kind in ("e", "d"):
            return content
        return self._number(content.strip(), self.formats[style] if self.formats else NumberFormat())

    def _shared_text(self, index: int) -> str:
        if index < 0:
            raise IndexError(f"there is no shared text {index}")
        return self.texts[index]

    def _number(self, content: str, shown: NumberFormat) -> str:
        if not content:
            return ""
        value = float(content)
        if shown.kind is Kind.NUMBER:
            return number_text(value).zfill(shown.digits if value.is_integer() else 0)
        if shown.kind is Kind.PERCENT:
            return f"{number_text(value * 100)}%"
        if not 0 <= value < LAST_SERIAL:
            return number_text(value)
        return self._moment_text(value, shown.kind)

    def _moment_text(self, serial: float, kind: Kind) -> str:
        seconds = round(serial * SECONDS_OF_DAY)
        if kind is Kind.DURATION:
            return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        moment = self._epoch(serial) + timedelta(seconds=seconds)
        shapes = {Kind.DATE: "%Y-%m-%d", Kind.TIME: "%H:%M:%S"}
        return moment.strftime(shapes.get(kind, "%Y-%m-%d %H:%M:%S"))

    def _epoch(self, serial: float) -> datetime:
        if self.counts_from_1904:
            return datetime(1904, 1, 1)
        # The calendar has a 29 February 1900 that never was, as serial 60.
        return datetime(1899, 12, 30) if serial >= 60 else datetime(1899, 12, 31)


def number_text(value: float) -> str:
    """A number at the precision that a spreadsheet keeps, written out; scientific where digits were lost."""
    if value != value or value in (float("inf"), float("-inf")):
        return str(value)
    text = f"{value:.{KEPT_DIGITS}g}"
    if abs(value) >= 10**KEPT_DIGITS:
        return f"{Decimal(text).normalize():E}"
    return f"{Decimal(text):f}" if "e" in text else text


def unescaped(text: str) -> str:
    """A text with the signs that XML cannot hold put back in."""
    if "_x" not in text:
        return text
    return _ESCAPED.sub(_sign, text)


def _sign(found: re.Match[str]) -> str:
    sign = chr(int(found[1], 16))
    is_text = sign != "\0" and not 0xD800 <= ord(sign) <= 0xDFFF
    return sign if is_text else found[0]
