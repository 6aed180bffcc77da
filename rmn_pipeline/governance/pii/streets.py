"""Street addresses: number, name and kind of street, in English order and in four others; post-office boxes.

Reports are full of "12 Pack Wall Street Mustard", so a name may not hold a pack size. Kinds of street that are also
ordinary words (way, court, place …) need a long house number, and kinds that brands are named after (valley, mill …)
need more: a unit, a direction or a word like "ship to".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rmn_pipeline.governance.pii.spans import PiiSpan
from rmn_pipeline.governance.pii.street_words import (
    COUNTRY_STREETS,
    FRENCH_STREET_WORDS,
    PLAIN_STREETS,
    SOUTHERN_STREET_WORDS,
    STREET_ENDINGS,
    STREET_WORDS,
)

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
_FRENCH = re.compile(
    rf"(?<![\w.,$-])\d{{1,4}}(?: ?(?:bis|ter))?,? (?:{FRENCH_STREET_WORDS}) "
    r"(?:de la |de l'|du |des |de |d'|la )?[A-Z][\w'-]*"
)
_SOUTHERN = re.compile(
    rf"\b(?=[A-Z])(?i:{SOUTHERN_STREET_WORDS})\b\.? (?:de la |del |de |della |d')?[A-Z][\w'-]*"
    r"(?: [A-Z][\w'-]*)?,? (?:n\.? ?)?\d{1,4}\b"
)
_GERMAN = re.compile(rf"\b[A-Z][A-Za-z-]*(?i:{STREET_ENDINGS}) ?\d{{1,4}} ?[a-z]?\b")
_PLAIN = frozenset(PLAIN_STREETS.split("|"))
_COUNTRY = re.compile(COUNTRY_STREETS, re.IGNORECASE)
# "Diet Dr Pepper", "Court Yard": a wordy kind that goes on in capitals is part of a name.
_GOES_ON = re.compile(r" [A-Z][a-z]")
_PACK_WORDS = frozenset(
    {"pack", "packs", "pk", "ct", "count", "oz", "fl", "lb", "lbs", "ml", "kg", "ft", "in", "inch"}
    | {"case", "cases", "bag", "bags", "can", "cans", "box", "boxes", "bottle", "bottles", "rolls", "sheets"}
    | {"piece", "pieces", "pcs", "pair", "loads", "servings", "each", "for", "off", "free", "new"}
    | {"day", "days", "week", "weeks", "milky", "subway"}
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
    for pattern in (_BOX, _FRENCH, _SOUTHERN, _GERMAN):
        for found in pattern.finditer(text):
            yield PiiSpan(found.start(), found.end(), ENTITY, _SCORE)


def _is_address(text: str, found: re.Match[str]) -> bool:
    words = {word.strip(".,").lower() for word in found["name"].split()}
    if words & _PACK_WORDS:
        return False
    if found["kind"].lower() in _PLAIN or found["unit"] or found["after"]:
        return True
    before = text[max(0, found.start() - _CUE_WINDOW) : found.start()]
    if _PLACE_CUE.search(before):
        return True
    is_long = sum(char.isdigit() for char in found["number"]) >= _LONG_NUMBER
    is_name = _COUNTRY.fullmatch(found["kind"]) or _GOES_ON.match(text, found.end())
    return is_long and not is_name
