"""Product codes by the column: every distinct code of a report to its GTIN-14 or its problem.

What a single code means is `product_code`'s matter. Here 11 to 14 digits, nearly all that feeds send, are judged as
numbers, all at once; what is left is read one by one. Both ways give the same answer, which property tests hold,
against python-stdnum too.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from rmn_pipeline.rmis.product_code import (
    ALL_ZERO,
    GTIN_PROBLEMS,
    LONG_NUMBER,
    LONGEST,
    RESTRICTED_GTIN_8_DIGITS,
    RESTRICTED_PREFIXES,
    ROUNDED,
    ROUNDED_DIGITS,
    WITHIN_COMPANY,
    WRONG_CHECK_DIGIT,
    CodeSettings,
    Gtin,
    GtinProblem,
    normalize_gtin,
    restricted_reason,
)

__all__ = ["GTIN_PROBLEMS", "CodeSettings", "Gtin", "GtinProblem", "gtin_table", "normalize_gtin"]

_SCHEMA: dict[str, pl.DataType] = {
    "code": pl.String(),
    "gtin14": pl.String(),
    "problem": pl.String(),
    "reason": pl.String(),
    "kind": pl.String(),
    "mended": pl.String(),
    "packaging": pl.String(),
    "restricted": pl.Boolean(),
}
# What is read as a number, all at once: digits, in groups or with the tail of a decimal number.
_GROUPED = r"^[0-9]+(?:[ \u00a0-]+[0-9]+)*$"
_DECIMAL = r"^[0-9]+\.0{1,2}$"
_PLAIN = r"^[0-9]{11,14}$"
# GTIN-8s are the numbers below this; the digit before the last seven is their first.
_GTIN_8_LIMIT, _GTIN_8_FIRST = 10**8, 10**7
_PREFIX_UNIT = 10**10
# The one plain length that only a lost zero explains.
_LOST_ZERO_LENGTH = 11

_USES = [None, *sorted({use for _, _, use in RESTRICTED_PREFIXES} | {WITHIN_COMPANY})]


def _uses_by_prefix() -> npt.NDArray[np.int8]:
    """For each GS1 Prefix the place of its restricted use in `_USES`; 0 where it has none."""
    places = np.zeros(1000, dtype=np.int8)
    for first, last, use in RESTRICTED_PREFIXES:
        places[first : last + 1] = _USES.index(use)
    return places


_USE_BY_PREFIX = _uses_by_prefix()
_USE_BY_GTIN_8_DIGIT = np.array(
    [_USES.index(WITHIN_COMPANY) if digit in RESTRICTED_GTIN_8_DIGITS else 0 for digit in range(10)],
    dtype=np.int8,
)


def _check_digit_is_right(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Digits weighted 1, 3, 1, 3 … from the right add up to a multiple of ten."""
    total = np.zeros(len(numbers), dtype=np.int64)
    for place in range(LONGEST):
        total += (numbers // 10**place % 10) * (3 if place % 2 else 1)
    return total % 10 == 0


def _restricted_use(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int8]:
    by_prefix = _USE_BY_PREFIX[numbers // _PREFIX_UNIT % 1000]
    by_first_digit = _USE_BY_GTIN_8_DIGIT[np.minimum(numbers // _GTIN_8_FIRST, 9)]
    return np.where(numbers < _GTIN_8_LIMIT, by_first_digit, by_prefix)


def _kind() -> pl.Expr:
    padded, number = pl.col("gtin14"), pl.col("number")
    book = padded.str.contains("^097[89]") & ~padded.str.starts_with("09790")
    return (
        pl.when(number < _GTIN_8_LIMIT)
        .then(pl.lit("ean_8"))
        .when(padded.str.starts_with("00"))
        .then(pl.lit("upc_a"))
        .when(book)
        .then(pl.lit("isbn_13"))
        .when(padded.str.starts_with("0"))
        .then(pl.lit("ean_13"))
        .otherwise(pl.lit("gtin_14"))
    )


def _packaging() -> pl.Expr:
    indicator = pl.col("gtin14").str.slice(0, 1)
    names = {"0": "unit", "9": "variable_measure"}
    return indicator.replace_strict(list(names), list(names.values()), default="case", return_dtype=pl.String)


def _problem(settings: CodeSettings) -> tuple[pl.Expr, pl.Expr]:
    """Problem and reason, in the order in which a single code is judged."""
    significant = pl.col("digits").str.strip_chars_start("0")
    rounded = pl.lit(False)
    if settings.trailing_zeros == "reject":
        shown = significant.str.strip_chars_end("0").str.len_bytes()
        rounded = (significant.str.len_bytes() >= LONG_NUMBER) & (shown <= ROUNDED_DIGITS)
    restricted = (pl.col("use") > 0) if settings.restricted == "reject" else pl.lit(False)
    uses = [restricted_reason(use) for use in _USES if use]
    reason_of_use = pl.col("use").replace_strict(
        range(1, len(_USES)), uses, default=None, return_dtype=pl.String
    )
    cases: list[tuple[pl.Expr, GtinProblem, pl.Expr]] = [
        (pl.col("number") == 0, "gtin_invalid", pl.lit(ALL_ZERO)),
        (rounded, "gtin_unrecoverable", pl.lit(ROUNDED)),
        (~pl.col("right"), "gtin_invalid", pl.lit(WRONG_CHECK_DIGIT)),
        (restricted, "gtin_restricted", reason_of_use),
    ]
    problem = pl.coalesce(pl.when(case).then(pl.lit(name)) for case, name, _ in cases)
    reason = pl.coalesce(pl.when(case).then(words) for case, _, words in cases)
    return problem, reason


def _digits(codes: pl.Series) -> pl.Series:
    """The bare digits of codes that can be judged as numbers; null for all others."""
    code = pl.col("code")
    bare = (
        pl.when(code.str.contains(_GROUPED))
        .then(code.str.replace_all(r"[ \u00a0-]", ""))
        .when(code.str.contains(_DECIMAL))
        .then(code.str.replace(r"\..*$", ""))
    )
    digits = pl.col("digits")
    frame = pl.DataFrame({"code": codes}).select(bare.alias("digits"))
    return frame.select(pl.when(digits.str.contains(_PLAIN)).then(digits))["digits"]


def _mended() -> pl.Expr:
    code, digits = pl.col("code"), pl.col("digits")
    mends = [
        pl.when(code.str.contains(".", literal=True)).then(pl.lit("decimal_tail")),
        pl.when(code.str.contains(r"[ \u00a0-]")).then(pl.lit("separators")),
        pl.when(digits.str.len_bytes() == _LOST_ZERO_LENGTH).then(pl.lit("leading_zero")),
    ]
    joined = pl.concat_str(mends, separator=",", ignore_nulls=True)
    return pl.when(joined != "").then(joined)


def _as_numbers(codes: pl.Series, digits: pl.Series, settings: CodeSettings) -> pl.DataFrame:
    """The table of codes whose bare digits are known."""
    padded = digits.str.zfill(LONGEST)
    numbers = padded.cast(pl.Int64).to_numpy()
    judged = pl.DataFrame(
        {
            "code": codes,
            "digits": digits,
            "gtin14": padded,
            "number": numbers,
            "right": _check_digit_is_right(numbers),
            "use": _restricted_use(numbers),
        }
    )
    problem, reason = _problem(settings)
    good = pl.col("problem").is_null()
    return (
        judged.with_columns(problem.alias("problem"), reason.alias("reason"))
        .with_columns(
            pl.when(good).then(_kind()).alias("kind"),
            pl.when(good).then(_mended()).alias("mended"),
            pl.when(good).then(_packaging()).alias("packaging"),
            (good & (pl.col("use") > 0)).alias("restricted"),
            pl.when(good).then("gtin14").alias("gtin14"),
        )
        .select(*_SCHEMA)
    )


def _one_by_one(codes: pl.Series, settings: CodeSettings) -> pl.DataFrame:
    rows = []
    for code in codes.to_list():
        found = normalize_gtin(code, settings)
        mended = ",".join(found.mended) or None
        rows.append(
            (
                code,
                found.gtin14,
                found.problem,
                found.reason,
                found.kind,
                mended,
                found.packaging,
                found.restricted,
            )
        )
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def gtin_table(codes: pl.Series, settings: CodeSettings | None = None) -> pl.DataFrame:
    """One row per distinct code, sorted by it; nulls are left out.

    Columns: code, gtin14, problem (one of `GTIN_PROBLEMS`), reason, kind, mended (what was done to the text,
    separated by commas; null for nothing), packaging (unit, case, variable_measure), restricted (a number of
    restricted circulation that the settings let pass).
    """
    settings = settings or CodeSettings()
    distinct = codes.drop_nulls().cast(pl.String).unique().rename("code")
    digits = _digits(distinct)
    if settings.check_digit == "absent":
        digits = pl.Series("digits", [None] * len(digits), dtype=pl.String)
    easy = digits.is_not_null()
    tables = [
        _as_numbers(distinct.filter(easy), digits.filter(easy), settings),
        _one_by_one(distinct.filter(~easy), settings),
    ]
    return pl.concat(tables).sort("code")
