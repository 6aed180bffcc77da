"""Phone numbers: North American ones by their shape, all others by Presidio's recognizer, both judged by context.

Ten bare digits are an order id until a word says that they are a phone; digits that are grouped as phones are, or
begin with a country code, are one unless the report calls them something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rmn_pipeline.governance.pii.context import Cue, cue_before, has_number_beside, is_counted
from rmn_pipeline.governance.pii.presidio import presidio_matches
from rmn_pipeline.governance.pii.spans import PiiSpan

ENTITY = "PHONE_NUMBER"
_CUED_SCORE = 0.95
_SCORE = 0.75
_WEAK_SCORE = 0.6

_EXTENSION = r"(?:,? ?(?:x|ext\.?|extension) ?\.?\d{1,6})?"
# Area and exchange never begin with 0 or 1 (North American Numbering Plan).
_NORTH_AMERICAN = re.compile(
    r"(?<![\w$€£.,+-])(?:\+?1[ .-]?|001[ .-]?)?"
    r"(?:\((?P<area>[2-9]\d\d)\) ?|(?P<bare>[2-9]\d\d)(?P<mark>[-. /]?))"
    r"[2-9]\d\d(?P<second>[-. ]?)\d{4}" + _EXTENSION + r"(?![\w%]|[-.,]\d)",
    re.IGNORECASE,
)
# One sign, or brackets around a part; a slash between blanks separates two things.
_BETWEEN = r"(?: ?\(|\)[ -]?| ?\(0\) ?|[ ./-])?"
# A country code, or a trunk 0 and groups; what exactly they are is left to the number plans.
_WITH_CODE = re.compile(r"(?<![\w$€£.,])(?:\+|00)[1-9](?:" + _BETWEEN + r"\d){7,14}(?![\w%]|[-.,]\d)")
_NATIONAL = re.compile(r"(?<![\w$€£.,+-])\(?\d(?:" + _BETWEEN + r"\d){7,12}(?![\w%]|[-.,]\d)")
_NO_PHONE = re.compile(r"^\d{3}[- .]\d\d[- .]\d{4}$|\d{4}-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./]\d{2,4}")


def find_phones(text: str) -> Iterator[PiiSpan]:
    """Phone numbers in a plain text."""
    taken: list[tuple[int, int]] = []
    for pattern, judge in (
        (_NORTH_AMERICAN, _judge_north_american),
        (_WITH_CODE, _judge_code),
        (_NATIONAL, _judge_national),
    ):
        for found in pattern.finditer(text):
            if any(found.start() < end and start < found.end() for start, end in taken):
                continue
            if _NO_PHONE.search(found.group()):
                continue
            score = judge(text, found, cue_before(text, found.start()))
            if score:
                taken.append(found.span())
                yield PiiSpan(found.start(), found.end(), ENTITY, score)


def _is_reports_own(text: str, found: re.Match[str], cue: Cue | None) -> bool:
    return cue in ("report", "card", "device", "ssn") or is_counted(text, found.end())


def _is_by_plan(number: str) -> bool:
    """Whether the whole of `number` is a phone by some country's number plan."""
    return any(match.end - match.start == len(number) for match in presidio_matches("phone", number))


def _judge_north_american(text: str, found: re.Match[str], cue: Cue | None) -> float:
    if _is_reports_own(text, found, cue):
        return 0.0
    if cue in ("dial", "phone"):
        return _CUED_SCORE
    if found["area"] or found["mark"] in ("-", "/") or (found["mark"] == "." and found["second"] == "."):
        return _SCORE
    is_spaced = found["mark"] == " " and found["second"] in (" ", "-")
    is_bare = found.group().isdigit()
    if found.group().startswith(("+", "001")) and not is_bare:
        return _SCORE
    # Three numbers in a row may as well be counts of a report: then there are more of them.
    return _WEAK_SCORE if is_spaced and not has_number_beside(text, *found.span()) else 0.0


def _judge_code(text: str, found: re.Match[str], cue: Cue | None) -> float:
    if _is_reports_own(text, found, cue):
        return 0.0
    is_cued = cue in ("dial", "phone")
    if found.group().startswith("00") and not is_cued and " " not in found.group():
        # GTIN-14s of small products begin with zeros.
        return 0.0
    if is_cued:
        return _CUED_SCORE
    return _SCORE if _is_by_plan(re.sub(r"^00", "+", found.group())) else _WEAK_SCORE


def _judge_national(text: str, found: re.Match[str], cue: Cue | None) -> float:
    number = found.group()
    if _is_reports_own(text, found, cue):
        return 0.0
    if cue == "dial":
        return _CUED_SCORE
    is_grouped = any(char in number for char in " -/)")
    has_trunk = number.startswith(("0", "("))
    if cue != "phone" and not (is_grouped and has_trunk and not has_number_beside(text, *found.span())):
        return 0.0
    if not _is_by_plan(number):
        return 0.0
    return _CUED_SCORE if cue == "phone" else _WEAK_SCORE
