"""US social security numbers, also as scanners damage them: letters that look like digits are read as digits.

Grouped 3-2-4 they are taken unless the report calls them its own; nine bare digits need a word that says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rmn_pipeline.governance.pii.context import cue_before, has_number_beside, is_counted
from rmn_pipeline.governance.pii.gates import DIGIT_LIKE
from rmn_pipeline.governance.pii.presidio import presidio_matches
from rmn_pipeline.governance.pii.spans import PiiSpan

ENTITY = "US_SSN"
_CUED_SCORE = 0.95
_SCORE = 0.8
_DAMAGED_SCORE = 0.7
# Fewer true digits than this are a word or a lot code.
_LEAST_DIGITS = 4

_READ_AS = str.maketrans("OoQDIl|!iZzSsGbBgq", "000011111225566899")
_GROUPED = re.compile(
    rf"(?<![\w.|-])({DIGIT_LIKE}{{3}})(?P<mark> - |[ .-])({DIGIT_LIKE}{{2}})(?P=mark)({DIGIT_LIKE}{{4}})(?![\w|-]|\.\d)"
)
_BARE = re.compile(r"(?<![\w.-])(?:\d{9}|\d{5}-\d{4}|\d{3}-\d{6})(?![\w-]|\.\d)")


def find_social_security_numbers(text: str) -> Iterator[PiiSpan]:
    """Social security numbers in a plain text."""
    for found in _GROUPED.finditer(text):
        score = _judge_grouped(text, found)
        if score:
            yield PiiSpan(found.start(), found.end(), ENTITY, score)
    for found in _BARE.finditer(text):
        if cue_before(text, found.start()) == "ssn" and _is_issued(re.sub(r"\D", "", found.group())):
            yield PiiSpan(found.start(), found.end(), ENTITY, _CUED_SCORE)


def _judge_grouped(text: str, found: re.Match[str]) -> float:
    digits = "".join(found.groups()[0:1] + found.groups()[2:])
    read = digits.translate(_READ_AS)
    is_damaged = read != digits
    if sum(char.isdigit() for char in digits) < _LEAST_DIGITS or not _is_issued(read):
        return 0.0
    cue = cue_before(text, found.start())
    if cue == "ssn":
        return _CUED_SCORE
    if cue in ("report", "card") or is_counted(text, found.end()) or read[0] == "9":
        return 0.0
    if found["mark"] in (" ", ".") and (is_damaged or has_number_beside(text, *found.span())):
        return 0.0
    return _DAMAGED_SCORE if is_damaged else _SCORE


def _is_issued(digits: str) -> bool:
    """Whether Presidio's recognizer takes the number: no group of zeros, no area 000 or 666, no sample number."""
    grouped = f"{digits[:3]}-{digits[3:5]}-{digits[5:]}"
    return any(match.end - match.start == len(grouped) for match in presidio_matches("ssn", grouped))
