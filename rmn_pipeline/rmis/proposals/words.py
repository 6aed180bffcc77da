"""A header taken apart: words folded to one spelling, the attribution window, nothing about their meaning."""

from __future__ import annotations

import re
import unicodedata

# Words that end in s without being plurals.
_NO_PLURALS = frozenset(
    (
        "roas",
        "acos",
        "tacos",
        "cos",
        "cps",
        "has",
        "is",
        "was",
        "its",
        "status",
        "gross",
        "bus",
        "les",
        "des",
        "dos",
    )
)
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[^\W\d_A-Za-z]+|\d+|[#%]")
_DAY_UNIT = r"(?:d|days?|tage?n?|jours?|j|giorn[io]|dias?|dag(?:en)?)"
_WEEK_UNIT = r"(?:w|weeks?|wochen?|semaines?|settiman[ae]|semanas?|weken)"
_WINDOW = re.compile(rf"(?<!\d)(\d{{1,3}})[\s_-]*(?:{_DAY_UNIT}|({_WEEK_UNIT}))(?![a-z])", re.IGNORECASE)
_LEVEL = re.compile(r"(?<![A-Za-z])[Ll]?\d+(?![A-Za-z])")


def fold(text: str) -> str:
    """Accents and compatibility forms dropped; case stays, since it separates words."""
    decomposed = unicodedata.normalize("NFKD", text.replace("ß", "ss").replace("\ufeff", ""))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def _singular(word: str) -> str:
    if len(word) < 3 or word in _NO_PLURALS or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-1]


def window_days(header: str) -> int | None:
    """The attribution window that a header names, in days."""
    found = _WINDOW.search(fold(header))
    if found is None:
        return None
    return int(found.group(1)) * (7 if found.group(2) else 1)


def words_of(header: str) -> tuple[str, ...]:
    """The words of a header, singular and lower-case, without windows and numbers: 'numAdsShown' is num, ad, shown."""
    bare = _LEVEL.sub(" ", _WINDOW.sub(" ", fold(header)))
    words = [word.lower() for word in _WORD.findall(bare)]
    return tuple(_singular(word) for word in words if not word.isdigit())
