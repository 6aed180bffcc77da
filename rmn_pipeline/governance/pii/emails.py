"""E-mail addresses: written plainly (Presidio), with blanks around the @, or with its signs spelled out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rmn_pipeline.governance.pii.presidio import is_registered_host, presidio_matches
from rmn_pipeline.governance.pii.spans import PiiSpan

ENTITY = "EMAIL_ADDRESS"
_PLAIN_SCORE = 1.0
_SPELLED_SCORE = 0.85

# A local part may hold these by the standard; in a report they are a query string, JSON or markup around it.
_NOT_LOCAL = re.compile(r"[^A-Za-z0-9._'+-]")
_PART = r"[A-Za-z0-9_][A-Za-z0-9_+'-]*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_WORDED_DOT = r"(?: ?[\[({<] ?(?:dot|punkt|\.) ?[\])}>] ?| dot )"
_DOT = rf"(?:{_WORDED_DOT}|\.)"
_AT = r"(?P<at> ?[\[({<_] ?(?:at|@) ?[\])}>_] ?| at | ?@ ?)"
_SPELLED = re.compile(
    rf"(?<![\w.])(?P<local>{_PART}(?:{_DOT}{_PART})*){_AT}"
    rf"(?P<host>{_LABEL}(?:{_DOT}{_LABEL})*{_DOT}[A-Za-z]{{2,24}})(?![\w-])",
    re.IGNORECASE,
)
_ANY_DOT = re.compile(_DOT, re.IGNORECASE)
_WORDED = re.compile(_WORDED_DOT, re.IGNORECASE)
_MAIL_HOSTS = re.compile(
    r"(?:gmail|googlemail|yahoo|outlook|hotmail|icloud|aol|proton|gmx|web|live|msn)\.", re.IGNORECASE
)
# "on sale at brand dot com" and "deals @ shop.com" name a shop, not a mailbox.
_SHOP_WORDS = frozenset(
    {
        "available",
        "buy",
        "deal",
        "deals",
        "exclusively",
        "find",
        "get",
        "here",
        "it",
        "join",
        "meet",
        "more",
        "new",
    }
    | {
        "now",
        "offer",
        "on",
        "online",
        "only",
        "order",
        "out",
        "price",
        "sale",
        "save",
        "see",
        "shop",
        "shopping",
    }
    | {"sold", "stop", "today", "try", "us", "visit"}
)


def find_emails(text: str) -> Iterator[PiiSpan]:
    """E-mail addresses in a plain text."""
    if "@" in text:
        for match in presidio_matches("email", text):
            start = _local_start(text, match.start, match.end)
            if start is not None:
                yield PiiSpan(start, match.end, ENTITY, _PLAIN_SCORE)
    for found in _SPELLED.finditer(text):
        if _is_spelled_email(found):
            yield PiiSpan(found.start("local"), found.end("host"), ENTITY, _SPELLED_SCORE)


def _local_start(text: str, start: int, end: int) -> int | None:
    """Where the local part begins once a query string or markup before it is cut off; None where nothing is left."""
    at = text.rindex("@", start, end)
    cuts = [found.end() for found in _NOT_LOCAL.finditer(text, start, at)]
    first = cuts[-1] if cuts else start
    while first < at and text[first] in ".'-":
        first += 1
    return first if first < at else None


def _is_spelled_email(found: re.Match[str]) -> bool:
    at = found["at"].lower()
    if at == "@":
        return False
    host = _ANY_DOT.sub(".", found["host"])
    last_word = re.split(r"[ .]", found["local"])[-1].lower()
    plain_at = at in (" at ", " @ ", "@ ", " @")
    if plain_at and last_word in _SHOP_WORDS:
        return False
    if at == " at " and not _WORDED.search(found["host"]) and not _MAIL_HOSTS.match(host):
        return False
    return is_registered_host(host)
