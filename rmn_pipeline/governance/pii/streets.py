"""Street addresses: number, name and kind of street, in English order and in four others; post-office boxes.

Reports are full of "12 Pack Wall Street Mustard", so a name may not hold a pack size, and kinds of street that are
also ordinary words (way, court, place …) need a long house number, a unit, a direction or a word like "ship to".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rmn_pipeline.governance.pii.gates import FOREIGN_STREET_WORDS, STREET_ENDINGS, STREET_WORDS
from rmn_pipeline.governance.pii.spans import PiiSpan

ENTITY = "STREET_ADDRESS"
_SCORE = 0.7

_DIRECTION = r"(?:[NSEW]|N[EW]|S[EW]|North|South|East|West)\b\.?"
_UNIT = r"(?:,? (?:Apt|Apartment|Suite|Ste|Unit|Floor|Fl|Rm|Room|#)\.? ?#?\w{1,6}\b)"
_NAME = r"(?:[A-Z][A-Za-z'.-]*|\d{1,3}(?:st|nd|rd|th))"
_ENGLISH = re.compile(
    rf"(?<![\w.,$-])(?P<number>\d{{1,6}}[A-Za-z]?)(?:-\d{{1,4}})?,? (?:{_DIRECTION} )?(?P<name>(?:{_NAME} ){{1,3}})"
    rf"(?P<kind>(?i:{STREET_WORDS}))\b\.?(?P<after> {_DIRECTION}(?!\w))?(?P<unit>{_UNIT})?"
)
_BOX = re.compile(r"\bP\.? ?O\.? ?Box +\d{1,7}\b", re.IGNORECASE)
_ROMANCE = re.compile(
    r"(?<![\w.,$-])\d{1,4}(?: ?(?:bis|ter))?,? (?:rue|avenue|boulevard|place|chemin|allee|impasse|quai) "
    r"(?:de la |de l'|du |des |de |d'|la )?[A-Z][\w'-]*"
)
_ROMANCE_NUMBER_LAST = re.compile(
    rf"\b(?=[CAPVR])(?:(?i:{FOREIGN_STREET_WORDS})|Plaza)\b\.? (?:de la |del |de |della |d')?[A-Z][\w'-]*"
    r"(?: [A-Z][\w'-]*)?,? (?:n\.? ?)?\d{1,4}\b"
)
_GERMAN = re.compile(rf"\b[A-Z][A-Za-z-]*(?i:{STREET_ENDINGS}) ?\d{{1,4}} ?[a-z]?\b")
_AMBIGUOUS = frozenset(
    "way court ct place pl circle cir square sq close loop trail trl plaza crescent cres drive dr alley lane ln ter".split()
)
_PACK_WORDS = frozenset(
    "pack packs pk ct count oz fl lb lbs ml kg case cases bag bags can cans box boxes bottle bottles day days week "
    "weeks piece pieces pcs each for off free new pair rolls sheets loads servings inch in ft milky subway".split()
)
_LONG_NUMBER = 3
_PLACE_CUE = re.compile(
    r"(?:ship(?:ped|ping)?|deliver(?:ed|y)?|liv(?:e|es|ing)|resid(?:e|es|ing)|mail(?:ed)?|sen[dt]|leave it|drop it) "
    r"(?:to|at|it to)|address|home|moved to",
    re.IGNORECASE,
)
_CUE_WINDOW = 24


def find_streets(text: str) -> Iterator[PiiSpan]:
    """Street addresses and post-office boxes in a plain text."""
    for found in _ENGLISH.finditer(text):
        if _is_address(text, found):
            yield PiiSpan(found.start(), found.end(), ENTITY, _SCORE)
    for pattern in (_BOX, _ROMANCE, _ROMANCE_NUMBER_LAST, _GERMAN):
        for found in pattern.finditer(text):
            yield PiiSpan(found.start(), found.end(), ENTITY, _SCORE)


def _is_address(text: str, found: re.Match[str]) -> bool:
    words = {word.strip(".,").lower() for word in found["name"].split()}
    if words & _PACK_WORDS:
        return False
    if found["kind"].lower() not in _AMBIGUOUS or found["unit"] or found["after"]:
        return True
    is_long = sum(char.isdigit() for char in found["number"]) >= _LONG_NUMBER
    before = text[max(0, found.start() - _CUE_WINDOW) : found.start()]
    return is_long or _PLACE_CUE.search(before) is not None
