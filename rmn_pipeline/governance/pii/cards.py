"""Payment cards: the schemes' number ranges and lengths, the Luhn check, and Presidio's wider pattern beside a cue.

A run of 12 to 14 digits with a right GTIN check digit is a product code, not a card, unless the text calls it one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rmn_pipeline.governance.pii.checks import is_card_number, is_product_code, passes_luhn
from rmn_pipeline.governance.pii.context import cue_before, is_counted
from rmn_pipeline.governance.pii.presidio import presidio_matches
from rmn_pipeline.governance.pii.spans import PiiSpan

ENTITY = "CREDIT_CARD"
_CUED_SCORE = 1.0
_SCORE = 0.9
_SHORTEST = 12

_MARK = r"( {1,2}|-|\.)"
_GROUPED = (
    rf"\d{{4}}{_MARK}\d{{4}}\1\d{{4}}(?:\1\d{{1,4}}(?:\1\d{{1,3}})?)?",
    rf"\d{{4}}{_MARK}\d{{6}}\2\d{{4,5}}",
)
_NUMBER = re.compile(rf"(?<![\w.-])(?:\d{{12,19}}|{_GROUPED[0]}|{_GROUPED[1]})(?![\w-]|\.\d)")


def find_cards(text: str) -> Iterator[PiiSpan]:
    """Card numbers in a plain text."""
    for found in _NUMBER.finditer(text):
        yield from _judged(text, found.start(), found.end())
    if any(cue in text.lower() for cue in ("card", "credit", "debit")):
        for match in presidio_matches("card", text):
            if _digits(text, match.start, match.end) and cue_before(text, match.start) == "card":
                yield PiiSpan(match.start, match.end, ENTITY, _SCORE)


def _digits(text: str, start: int, end: int) -> str:
    """The digits of a candidate; empty where they are too few, or no card number."""
    digits = "".join(char for char in text[start:end] if char.isdigit())
    return digits if len(digits) >= _SHORTEST and passes_luhn(digits) else ""


def _judged(text: str, start: int, end: int) -> Iterator[PiiSpan]:
    digits = _digits(text, start, end)
    if not digits:
        return
    cue = cue_before(text, start)
    if cue == "card":
        yield PiiSpan(start, end, ENTITY, _CUED_SCORE)
    if cue == "card" or not is_card_number(digits):
        return
    is_grouped = end - start > len(digits)
    is_reports_own = cue in ("report", "device") or is_counted(text, end) or is_product_code(digits)
    if is_grouped or not is_reports_own:
        yield PiiSpan(start, end, ENTITY, _SCORE)
