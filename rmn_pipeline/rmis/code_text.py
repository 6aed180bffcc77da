"""A product code's text as feeds and spreadsheets mangle it, to its bare characters.

Belongs here: what surrounds the digits (labels, apostrophes, blanks, dashes, number formats). What the digits mean
is `gtin`'s matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

CodeKind = Literal["upc_a", "upc_e", "ean_8", "ean_13", "gtin_14", "isbn_10", "isbn_13"]
Mend = Literal[
    "label",
    "spreadsheet_text",
    "full_width_digits",
    "decimal_tail",
    "thousands_marks",
    "separators",
    "leading_zero",
    "upc_e_expanded",
    "isbn_10_converted",
    "check_digit_added",
]

# Digits, X and dash of East Asian keyboards. Other scripts' digits are no product code that anybody prints.
_FULL_WIDTH = {0xFF10 + digit: str(digit) for digit in range(10)} | {0xFF0D: "-", 0xFF38: "X", 0xFF58: "x"}
# Marks without width: byte order mark, zero-width blanks and joiners, direction marks.
_INVISIBLE = re.compile("[\ufeff\u200b-\u200f\u2060]")
# ="0123", '0123', "0123", and the lone apostrophe that makes a spreadsheet cell text.
_WRAPPED = re.compile(r"""^=?\s*(["'’])(?P<inner>.*)\1$|^['’](?P<started>.*)$""", re.DOTALL)
# A number that belongs to a label is tied to it and ends before a blank or a colon: in 'EAN 8 501234 567890' the 8
# is the first digit of the code.
_LABEL = re.compile(
    r"(?P<name>gtin|isbn|barcode|upc|ean|jan)(?:\s?code)?"
    r"(?P<form>-?[ae](?=[\s:#=])|-?(?:8|10|12|13|14)(?=[\s:#=])|\s(?:8|10|12|13|14)(?=\s*:))?"
    r"[\s:#=-]*"
    r"|\((?P<identifier>01)\)\s*",
    re.IGNORECASE,
)
_SCIENTIFIC = re.compile(r"[+-]?\d+([.,]\d*)?\s*[eE]\s?[+-]?\d+")
_DECIMAL_TAIL = re.compile(r"(\d+)[.,]0{1,2}")
_THOUSANDS = re.compile(r"\d{1,3}([.,'’])\d{3}(?:\1\d{3})+")
_SEPARATORS = re.compile(r"[\s\u2010-\u2015\u2212-]+")
_CODE = re.compile(r"\d+|\d{1,9}X", re.ASCII)

# A bare 'UPC' may be UPC-A or UPC-E, so it says nothing; a bare 'EAN' or 'GTIN' is never a UPC-E.
_LABEL_KINDS: dict[str, CodeKind] = {
    "01": "gtin_14",
    "ean": "ean_13",
    "ean8": "ean_8",
    "ean13": "ean_13",
    "ean14": "gtin_14",
    "gtin": "gtin_14",
    "gtin8": "ean_8",
    "gtin12": "upc_a",
    "gtin13": "ean_13",
    "gtin14": "gtin_14",
    "isbn": "isbn_10",
    "isbn10": "isbn_10",
    "isbn13": "isbn_13",
    "jan": "ean_13",
    "jan8": "ean_8",
    "jan13": "ean_13",
    "upca": "upc_a",
    "upc12": "upc_a",
    "upce": "upc_e",
}


@dataclass(frozen=True)
class CodeText:
    """The characters of a code: digits, where an ISBN-10 may end in X.

    Args:
        characters: the bare code.
        label: what the text itself calls the code ('UPC-E: …'), where it says so.
        mended: what had to be taken off.
    """

    characters: str
    label: CodeKind | None = None
    mended: tuple[Mend, ...] = ()


class NoCodeError(ValueError):
    """The text holds no product code."""


class LostDigitsError(NoCodeError):
    """The text held a product code once; a spreadsheet's number format has dropped digits of it."""


def _without_wrapping(text: str) -> str:
    found = _WRAPPED.match(text)
    if found is None:
        return text
    inner = found["inner"] if found["inner"] is not None else found["started"]
    return inner.strip()


def _without_label(text: str) -> tuple[str, CodeKind | None]:
    found = _LABEL.match(text)
    if found is None:
        return text, None
    if found["identifier"]:
        return text[found.end() :], _LABEL_KINDS["01"]
    form = re.sub(r"[\s-]", "", found["form"] or "")
    return text[found.end() :], _LABEL_KINDS.get((found["name"] + form).lower())


def _without_number_format(text: str) -> tuple[str, Mend | None]:
    """The digits of a code that was stored or printed as a number: 85021001007.0, 85,021,001,007."""
    if _THOUSANDS.fullmatch(text):
        return re.sub(r"\D", "", text), "thousands_marks"
    tail = _DECIMAL_TAIL.fullmatch(text)
    if tail is not None:
        return tail[1], "decimal_tail"
    return text, None


def _joined(text: str) -> str:
    """The code without the blanks and dashes between its groups; a dash at an end belongs to no code."""
    groups = _SEPARATORS.split(text)
    return "".join(groups) if all(groups) else text


def read_code_text(text: str) -> CodeText:
    """The bare characters of a code.

    Raises:
        LostDigitsError: scientific notation.
        NoCodeError: anything else than digits remains.
    """
    if text.isascii() and text.isdigit():
        return CodeText(text)
    mended: list[Mend] = []

    def note(mend: Mend | None, before: str, after: str) -> str:
        if mend is not None and after != before:
            mended.append(mend)
        return after

    code = _INVISIBLE.sub("", text).strip()
    code = note("full_width_digits", code, code.translate(_FULL_WIDTH))
    code = note("spreadsheet_text", code, _without_wrapping(code))
    bare, label = _without_label(code)
    code = note("label", code, _without_wrapping(bare))
    if _SCIENTIFIC.fullmatch(code):
        raise LostDigitsError("scientific notation has lost digits of the code")
    number, number_mend = _without_number_format(code)
    code = note(number_mend, code, number)
    code = note("separators", code, _joined(code)).upper()
    if not _CODE.fullmatch(code):
        raise NoCodeError("not a number")
    return CodeText(code, label, tuple(mended))
