"""Product codes: UPC, EAN, GTIN and ISBN text, as feeds mangle it, to a verified GTIN-14.

A text is read in every way that its length allows, and a reading counts only where its own check digit is right:

| digits | read as |
| --- | --- |
| 14, 13, 12 | GTIN-14, EAN-13 (ISBN-13 under 978 and 979), UPC-A |
| 11, 9 | UPC-A that lost leading zeros |
| 10 | the same, or ISBN-10 |
| 8 | EAN-8, or UPC-E with number system 0 or 1 |
| 7 | the same without a leading zero |
| 6 | UPC-E without number system and check digit: only where both are declared |

Two readings that give different products are `gtin_ambiguous` until the code's kind is declared, by `CodeSettings`
or by a label in the text itself ('UPC-E: 01234565'). One check digit in ten is right by chance, so nothing is
ever tried that was not sent: no digit is replaced, and a code that scientific notation has cut stays lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

from stdnum import ean, isbn
from stdnum.exceptions import ValidationError as CodeError

from rmn_pipeline.rmis.code_text import CodeKind, CodeText, LostDigitsError, Mend, NoCodeError, read_code_text
from rmn_pipeline.rmis.upc_e import NUMBER_SYSTEMS, expand_upc_e

GtinProblem = Literal["gtin_unrecoverable", "gtin_invalid", "gtin_restricted", "gtin_ambiguous"]
Packaging = Literal["unit", "case", "variable_measure"]

GTIN_PROBLEMS: tuple[GtinProblem, ...] = get_args(GtinProblem)

LONGEST = 14
_SHORTEST_GTIN = 8
# Lengths in which nothing was lost: EAN-8, UPC-A, EAN-13, GTIN-14.
_WHOLE_LENGTHS = frozenset({8, 12, 13, 14})
# A spreadsheet shows six significant digits of a number with more than eleven.
ROUNDED_DIGITS, LONG_NUMBER = 6, 11

WRONG_CHECK_DIGIT = "the check digit is wrong"
ALL_ZERO = "all digits are zero"
ROUNDED = "only zeros after the sixth digit: a spreadsheet has rounded the code"

WITHIN_REGION = "used within a region only"
WITHIN_COMPANY = "used within a company only"
# First and last GS1 Prefix (three digits), and what is numbered with it. GS1 General Specifications 1.4.2 (table of
# GS1 Prefixes); 2.1.11 and 2.1.12 say how restricted circulation numbers are used, 2.6 what coupons look like.
RESTRICTED_PREFIXES: tuple[tuple[int, int, str], ...] = (
    (20, 29, WITHIN_REGION),
    (40, 49, WITHIN_COMPANY),
    (50, 59, "reserved by GS1 US, formerly coupons"),
    (200, 299, WITHIN_REGION),
    (980, 980, "a refund receipt"),
    (981, 984, "a coupon"),
    (990, 999, "a coupon"),
)
# The same for GS1-8 Prefixes, which begin a GTIN-8: 000-099 and 200-299 (1.4.3).
RESTRICTED_GTIN_8_DIGITS = frozenset({0, 2})


@dataclass(frozen=True)
class CodeSettings:
    """What is known about a column of product codes.

    Args:
        kind: what the codes are. Texts up to that kind's length are read as that kind only; longer ones as the
            longer GTIN that they are. Undeclared: by length and check digit.
        check_digit: 'absent' where the network leaves it off; nothing can be verified then.
        restricted: whether numbers of restricted circulation, which mean another product at the next retailer, are
            a problem or kept and marked.
        trailing_zeros: whether a long code with only zeros after its sixth digit is taken for one that a
            spreadsheet has rounded, or kept.
    """

    kind: CodeKind | None = None
    check_digit: Literal["present", "absent"] = "present"
    restricted: Literal["reject", "keep"] = "reject"
    trailing_zeros: Literal["reject", "keep"] = "reject"


@dataclass(frozen=True)
class Gtin:
    """What became of a product code: a GTIN-14, or the reason why there is none.

    Args:
        gtin14: fourteen digits.
        problem: the code of what is wrong, when there is no GTIN-14.
        reason: the same in words.
        kind: what the code was read as.
        mended: what had to be done to the text.
        restricted: a number of restricted circulation that the settings let pass.
    """

    gtin14: str | None
    problem: GtinProblem | None = None
    reason: str | None = None
    kind: CodeKind | None = None
    mended: tuple[Mend, ...] = ()
    restricted: bool = False

    @property
    def packaging(self) -> Packaging | None:
        """By the GTIN-14's indicator digit: 1-8 is a case, another trade item than the unit in it; 9 is sold by
        measure."""
        return _packaging(self.gtin14[0]) if self.gtin14 else None


@dataclass(frozen=True)
class _Reading:
    """One way to read a code, with its check digit verified."""

    gtin14: str
    kind: CodeKind
    mended: tuple[Mend, ...] = ()


def _packaging(indicator: str) -> Packaging:
    if indicator == "0":
        return "unit"
    return "variable_measure" if indicator == "9" else "case"


def _problem(problem: GtinProblem, reason: str) -> Gtin:
    return Gtin(None, problem, reason)


def _kind_of_number(gtin14: str) -> CodeKind:
    """What a GTIN-14 is without the zeros that fill it up."""
    if gtin14[0] != "0":
        return "gtin_14"
    if gtin14[1] != "0":
        # 979-0 is sheet music (ISMN), not a book.
        is_book = gtin14[1:4] in ("978", "979") and gtin14[1:5] != "9790"
        return "isbn_13" if is_book else "ean_13"
    return "ean_8" if gtin14.startswith("000000") else "upc_a"


def _as_gtin(digits: str) -> Iterator[_Reading]:
    # The check digit is weighted from the right, so leading zeros never change it.
    padded = digits.zfill(LONGEST)
    try:
        ean.validate(padded)
    except CodeError:
        return
    lost: tuple[Mend, ...] = () if len(digits) in _WHOLE_LENGTHS else ("leading_zero",)
    yield _Reading(padded, _kind_of_number(padded), lost)


def _as_upc_e(digits: str) -> Iterator[_Reading]:
    """Number system, six digits, check digit; a spreadsheet drops the number system 0, and more zeros after it."""
    whole = digits.zfill(8)
    lost: tuple[Mend, ...] = ("leading_zero",) if len(digits) < len(whole) else ()
    if whole[0] not in NUMBER_SYSTEMS:
        return
    eleven = expand_upc_e(whole[0], whole[1:7])
    if eleven is not None and ean.calc_check_digit(eleven) == whole[7]:
        yield _Reading((eleven + whole[7]).zfill(LONGEST), "upc_e", (*lost, "upc_e_expanded"))


def _as_isbn_10(code: str) -> Iterator[_Reading]:
    whole = code.zfill(10)
    lost: tuple[Mend, ...] = ("leading_zero",) if len(code) < len(whole) else ()
    try:
        isbn.validate(whole)
    except CodeError:
        return
    yield _Reading(isbn.to_isbn13(whole).zfill(LONGEST), "isbn_10", (*lost, "isbn_10_converted"))


def _undeclared_readings(digits: str) -> Iterator[_Reading]:
    yield from _as_gtin(digits)
    if len(digits) == 10:
        yield from _as_isbn_10(digits)
    if len(digits) <= 8:
        yield from _as_upc_e(digits)


def _readings(code: str, kind: CodeKind | None) -> list[_Reading]:
    """Every verified reading of a code that has its check digit."""
    if code.endswith("X") or (kind == "isbn_10" and len(code) <= 10):
        return list(_as_isbn_10(code)) if len(code) <= 10 else []
    if kind == "upc_e" and len(code) <= 8:
        return list(_as_upc_e(code))
    if kind is None:
        return list(_undeclared_readings(code))
    return list(_as_gtin(code))


def _with_check_digit(digits: str, kind: CodeKind | None) -> _Reading | None:
    """The reading of a code that was sent without its check digit; None where it cannot be one."""
    added: tuple[Mend, ...] = ("check_digit_added",)
    if kind == "upc_e" and len(digits) <= 7:
        whole = digits.zfill(7)
        eleven = expand_upc_e(whole[0], whole[1:]) if whole[0] in NUMBER_SYSTEMS else None
        if eleven is None:
            return None
        gtin14 = (eleven + ean.calc_check_digit(eleven)).zfill(LONGEST)
        return _Reading(gtin14, "upc_e", ("upc_e_expanded", *added))
    if kind == "isbn_10" and len(digits) <= 9:
        thirteen = "978" + digits.zfill(9)
        gtin14 = (thirteen + ean.calc_check_digit(thirteen)).zfill(LONGEST)
        return _Reading(gtin14, "isbn_10", ("isbn_10_converted", *added))
    if not digits.isdigit() or len(digits) >= LONGEST:
        return None
    whole = digits.zfill(LONGEST - 1)
    gtin14 = whole + ean.calc_check_digit(whole)
    return _Reading(gtin14, _kind_of_number(gtin14), added)


def _shortest(kind: CodeKind | None, check_digit: str) -> int:
    """Fewer digits than this are an item number of the network's own, not a product code."""
    short = {"upc_e": 7, "ean_8": 7, "isbn_10": 7, None: 7}.get(kind, _SHORTEST_GTIN)
    return short if check_digit == "present" else 6


def _looks_rounded(code: str) -> bool:
    number = code.lstrip("0")
    return len(number) >= LONG_NUMBER and len(number.rstrip("0")) <= ROUNDED_DIGITS


def restriction(gtin14: str) -> str | None:
    """What a number of restricted circulation is used for; None for a number that is one product everywhere."""
    if gtin14.startswith("000000"):
        return WITHIN_COMPANY if int(gtin14[6]) in RESTRICTED_GTIN_8_DIGITS else None
    prefix = int(gtin14[1:4])
    for first, last, use in RESTRICTED_PREFIXES:
        if first <= prefix <= last:
            return use
    return None


def restricted_reason(use: str) -> str:
    """Why a number with that use is no product."""
    return f"restricted circulation ({use})"


def _choose(readings: list[_Reading]) -> _Reading | Gtin:
    """The only reading, or what is wrong with none or several."""
    if not readings:
        return _problem("gtin_invalid", WRONG_CHECK_DIGIT)
    if len({reading.gtin14 for reading in readings}) > 1:
        ways = " and ".join(f"{reading.kind} {reading.gtin14}" for reading in readings)
        return _problem("gtin_ambiguous", f"valid as {ways}; declare the kind of code")
    return readings[0]


def _read(code: str, settings: CodeSettings) -> _Reading | Gtin:
    shortest = _shortest(settings.kind, settings.check_digit)
    if not shortest <= len(code) <= LONGEST:
        return _problem("gtin_invalid", f"{len(code)} digits, a product code has {shortest} to {LONGEST}")
    if not code.strip("0"):
        return _problem("gtin_invalid", ALL_ZERO)
    if settings.trailing_zeros == "reject" and _looks_rounded(code):
        return _problem("gtin_unrecoverable", ROUNDED)
    if settings.check_digit == "absent":
        completed = _with_check_digit(code, settings.kind)
        return completed or _problem("gtin_invalid", "no code without its check digit has this form")
    return _choose(_readings(code, settings.kind))


def _finish(text: CodeText, reading: _Reading, settings: CodeSettings) -> Gtin:
    use = restriction(reading.gtin14)
    if use is not None and settings.restricted == "reject":
        return _problem("gtin_restricted", restricted_reason(use))
    mended = (*text.mended, *reading.mended)
    return Gtin(reading.gtin14, kind=reading.kind, mended=mended, restricted=use is not None)


def normalize_gtin(text: str, settings: CodeSettings | None = None) -> Gtin:
    """The GTIN-14 of a product code as sent, or the problem with it. No text raises."""
    settings = settings or CodeSettings()
    try:
        found = read_code_text(text)
    except LostDigitsError as error:
        return _problem("gtin_unrecoverable", str(error))
    except NoCodeError as error:
        return _problem("gtin_invalid", str(error))
    if settings.kind is None and found.label is not None:
        settings = replace(settings, kind=found.label)
    reading = _read(found.characters, settings)
    return reading if isinstance(reading, Gtin) else _finish(found, reading, settings)
