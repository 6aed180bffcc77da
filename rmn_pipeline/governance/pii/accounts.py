"""Bank accounts: IBANs as Presidio finds them, and in lower case or run into the words around them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rmn_pipeline.governance.pii.checks import IBAN_LENGTHS, is_iban
from rmn_pipeline.governance.pii.presidio import presidio_matches
from rmn_pipeline.governance.pii.spans import PiiSpan

ENTITY = "IBAN_CODE"
_SCORE = 1.0
_BEGIN = re.compile(r"(?<![A-Za-z0-9-])[A-Za-z]{2}\d{2}(?=[ -]?[A-Za-z0-9])")


def find_ibans(text: str) -> Iterator[PiiSpan]:
    """IBANs in a plain text."""
    for match in presidio_matches("iban", text):
        if text[match.start - 1 : match.start] == "-":
            # The tail of a UUID.
            continue
        yield PiiSpan(match.start, match.end, ENTITY, _SCORE)
    for found in _BEGIN.finditer(text):
        end = _end_of_iban(text, found.start())
        if end is not None:
            yield PiiSpan(found.start(), end, ENTITY, _SCORE)


def _end_of_iban(text: str, start: int) -> int | None:
    """Where the account that begins at `start` ends: its country says how many characters it has."""
    length = IBAN_LENGTHS.get(text[start : start + 2].upper())
    compact = ""
    place = start
    while length is not None and place < len(text) and len(compact) < length:
        char = text[place]
        if char.isascii() and char.isalnum():
            compact += char.upper()
        elif char not in " -" or text[place - 1] in " -":
            return None
        place += 1
    ends_here = place == len(text) or not text[place].isalnum()
    return place if length is not None and ends_here and is_iban(compact) else None
