"""Product codes: UPC and EAN text, as feeds mangle it, to a verified GTIN-14."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import polars as pl
from stdnum import ean
from stdnum.exceptions import ValidationError as CodeError

GtinProblem = Literal["gtin_unrecoverable", "gtin_invalid"]

_SCIENTIFIC = re.compile(r"^[+-]?\d+([.,]\d*)?[eE][+-]?\d+$")
_SEPARATORS = re.compile(r"[\s\u00a0-]")
_SHORTEST, _LONGEST = 8, 14


@dataclass(frozen=True)
class Gtin:
    """What became of a product code: a GTIN-14, or the reason why there is none."""

    gtin14: str | None
    problem: GtinProblem | None = None
    reason: str | None = None


def normalize_gtin(text: str) -> Gtin:
    """The GTIN-14 of a UPC or EAN as sent.

    Blanks and dashes are dropped, lost leading zeros are put back, the check digit is verified. A code in
    scientific notation has lost its last digits for good, so it is not guessed at.
    """
    code = text.strip()
    if _SCIENTIFIC.match(code):
        return Gtin(None, "gtin_unrecoverable", "scientific notation has lost digits of the code")
    digits = _SEPARATORS.sub("", code.removesuffix(".0"))
    if not digits.isascii() or not digits.isdigit():
        return Gtin(None, "gtin_invalid", "not a number")
    if not _SHORTEST <= len(digits) <= _LONGEST:
        return Gtin(None, "gtin_invalid", f"{len(digits)} digits, a GTIN has 8 to 14")
    # The check digit is weighted from the right, so leading zeros never change it.
    padded = digits.zfill(_LONGEST)
    try:
        ean.validate(padded)
    except CodeError:
        return Gtin(None, "gtin_invalid", "the check digit is wrong")
    if int(padded) == 0:
        return Gtin(None, "gtin_invalid", "all digits are zero")
    return Gtin(padded)


def gtin_table(codes: pl.Series) -> pl.DataFrame:
    """One row per distinct code: code, gtin14, problem, reason. Reports repeat few codes over many rows."""
    distinct = codes.drop_nulls().unique().sort().to_list()
    results = [normalize_gtin(code) for code in distinct]
    return pl.DataFrame(
        {
            "code": distinct,
            "gtin14": [result.gtin14 for result in results],
            "problem": [result.problem for result in results],
            "reason": [result.reason for result in results],
        },
        schema=dict.fromkeys(("code", "gtin14", "problem", "reason"), pl.String),
    )
