"""The words of retail media: how networks call the fields of RMIS, in general terms.

No vendor's header stands here; phrases are what any network could say. Used by mapping proposals only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Evidence = Literal["date", "count", "number", "text", "code", "any"]


@dataclass(frozen=True)
class Concept:
    """One target: the phrases that name it, and what its values look like."""

    field: str
    phrases: tuple[str, ...]
    evidence: Evidence


# Phrases stand in the order of preference: where a report has orders and units, orders are the conversions.
CONCEPTS: tuple[Concept, ...] = (
    Concept("date", ("date", "day", "report date", "start date", "event date"), "date"),
    Concept(
        "sku_id",
        (
            "product id",
            "item id",
            "sku id",
            "product sku",
            "advertised asin",
            "gtin",
            "upc",
            "ean",
            "scan code",
        ),
        "code",
    ),
    Concept("impressions", ("impressions", "ad impressions", "ads shown", "views", "times shown"), "count"),
    Concept("clicks", ("clicks", "ad clicks", "click count"), "count"),
    Concept("cost", ("cost", "spend", "ad spend", "ad cost", "amount spent", "media cost"), "number"),
    Concept(
        "revenue",
        ("attributed sales", "sales", "total sales", "attributed revenue", "revenue", "sales amount"),
        "number",
    ),
    Concept(
        "conversions",
        (
            "attributed orders",
            "orders",
            "total orders",
            "purchases",
            "conversions",
            "attributed units",
            "units sold",
        ),
        "number",
    ),
    Concept("currency", ("currency", "currency code"), "text"),
    Concept("placement_type", ("placement", "placement type", "page type", "ad placement"), "text"),
    Concept("campaign_id", ("campaign id", "campaign identifier"), "code"),
    Concept("ad_group_id", ("ad group id", "line item id", "ad set id"), "code"),
    Concept("audience_id", ("audience", "audience segment", "segment"), "text"),
    Concept("retailer_id", ("retailer id", "retailer", "marketplace"), "any"),
)

# Words that turn a metric into another one: a rate, a part of it, a target.
QUALIFIERS = frozenset(
    (
        *("rate", "ctr", "cpc", "cpo", "cpa", "acos", "roas", "per", "average", "avg", "percent", "share"),
        *("same", "other", "halo", "direct", "related", "brand", "ntb", "new", "assisted", "view", "offline"),
        *("budget", "bid", "status", "type", "name", "match"),
    )
)
# An attribution window in a header. Fourteen days is the commonest default where several stand side by side.
PREFERRED_WINDOW_DAYS = 14
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_WINDOW = re.compile(r"(\d+)\s*_?\s*(?:d|days?|tage|giorni)(?![a-z])", re.IGNORECASE)


def words_of(header: str) -> tuple[str, ...]:
    """The words of a header, singular and lower-case: 'numAdsShown' is num, ad, shown. Windows are no words."""
    words = [word.lower() for word in _WORDS.findall(_WINDOW.sub(" ", header))]
    plural = [len(word) > 3 and word.endswith("s") and not word.endswith("ss") for word in words]
    return tuple(word[:-1] if many else word for word, many in zip(words, plural, strict=True))


def window_days(header: str) -> int | None:
    """The attribution window that a header names."""
    found = _WINDOW.search(header)
    return int(found.group(1)) if found else None
