"""What a header speaks for: log-odds for each target, from the senses of its words together.

Numbers are evidence in natural logs: 4 means the header says it outright, 0 that it leaves it open, -5 that it
says something else. They were set by hand, on the meaning of the words, not fitted.
"""

from __future__ import annotations

from rmn_pipeline.rmis.proposals.headers import HeaderReading
from rmn_pipeline.rmis.proposals.targets import KEYS, MEASURES, TARGETS

OUTRIGHT, LIKELY, WEAK, OPEN = 4.0, 3.0, 1.5, 0.3
SILENT = -2.5
SAYS_OTHER = -5.0
NEVER = -8.0
_PER_UNKNOWN_WORD = 0.5
_MOST_FOR_UNKNOWN_WORDS = 1.5

# What a word takes away from a measure that it turns into a part of itself, or into something else.
_QUALIFIERS: dict[str, float] = {
    "new_to_brand": 6.0,
    "assisted": 6.0,
    "organic": 6.0,
    "comparison": 6.0,
    "invalid": 6.0,
    "plan": 5.0,
    "cancelled": 5.0,
    "incremental": 4.5,
    "bid": 6.0,
    "cart": 5.0,
    "reach": 5.0,
    "video": 4.0,
    "view_through": 3.0,
    "offline": 2.5,
    "halo": 3.5,
    "same": 2.5,
    "direct": 2.5,
    "viewable": 1.5,
    "all": 0.7,
    "coarse": 1.0,
    "rank": 4.0,
}
# A bare count beside one of these is a count of something else, or a number that names it.
_NO_COUNTS = (
    "id",
    "name",
    "date",
    "date_weak",
    "currency",
    "campaign",
    "ad_group",
    "keyword",
    "account",
    "size",
)
_ENTITIES = ("campaign", "ad_group", "keyword", "account", "audience", "other")
Scores = dict[str, float]


def header_scores(reading: HeaderReading) -> Scores:
    """For each target, how much the header alone speaks for it."""
    if not reading.is_understood:
        return {target: SILENT - (_penalty(reading) if target in MEASURES else 0.0) for target in TARGETS}
    scores = dict.fromkeys(TARGETS, SAYS_OTHER)
    if reading.has("currency"):
        scores["currency"] = OUTRIGHT - (2.0 if _measures(reading) else 0.0)
    if reading.is_rate:
        return scores
    measures = _measures(reading)
    if measures:
        scores |= {target: score - _penalty(reading) for target, score in measures.items()}
        if _is_order_number(reading):
            scores["conversions"] = SAYS_OTHER
    else:
        scores |= _date(reading) | _product(reading) | _places(reading) | _keys(reading)
    return {target: score - _for_unknown_words(reading, score) for target, score in scores.items()}


def _for_unknown_words(reading: HeaderReading, score: float) -> float:
    if score <= 0:
        return 0.0
    return min(_PER_UNKNOWN_WORD * len(reading.unknown), _MOST_FOR_UNKNOWN_WORDS)


def is_part(reading: HeaderReading) -> bool:
    """Whether the header's qualifiers make its measure a part of itself, or another one."""
    return _penalty(reading) > 0


def _penalty(reading: HeaderReading) -> float:
    penalty = sum(cost for sense, cost in _QUALIFIERS.items() if reading.has(sense))
    if reading.has("budget") and not reading.has("consumed"):
        penalty += 6.0
    product = reading.has("product", "sku", "asin", "gtin")
    if reading.has("advertised") and product and not reading.has("same", "halo"):
        penalty += 2.5
    # 'Brand sales' are the sales of the brand's other products; a click of a brand is not.
    if reading.has("brand") and reading.has("revenue", "sale", "orders", "units"):
        penalty += 3.5
    if reading.has("category") and reading.has("revenue", "sale", "orders", "units"):
        penalty += 3.0
    return penalty


def _is_order_number(reading: HeaderReading) -> bool:
    return reading.has("orders") and reading.has("id") and not reading.has("count")


def _measures(reading: HeaderReading) -> Scores:
    """The measures that the header names, before its qualifiers; empty where it names none."""
    # A sale campaign's id is no sale.
    if reading.has("id") and reading.has("campaign", "ad_group") and not reading.has("count"):
        return {}
    for find in (_money, _conversions, _traffic):
        found = find(reading)
        if found:
            return found
    return {}


def _money(reading: HeaderReading) -> Scores:
    has = reading.has
    if has("cost", "cost_weak") or (has("budget") and has("consumed")):
        strength = OUTRIGHT if has("cost") or has("consumed") else LIKELY - 0.5
        return {
            "cost": strength - (2.0 if has("revenue", "sale") else 0.0),
            "revenue": -1.0 if has("sale") else SAYS_OTHER,
        }
    bought = has("orders", "conversions", "sold")
    if has("revenue") or (has("sale") and has("amount")):
        return {"revenue": OUTRIGHT}
    if has("amount") and (bought or has("units")):
        return {"revenue": LIKELY}
    if has("sale") and not has("count", "units", "orders"):
        return {"revenue": LIKELY + 0.3, "conversions": 0.5}
    if has("amount") and not has("impressions", "clicks"):
        return {"revenue": WEAK - 0.3, "cost": WEAK - 0.7}
    return {}


def _conversions(reading: HeaderReading) -> Scores:
    has = reading.has
    if has("orders") and has("product") and has("id", "name") and not has("count"):
        return {}
    if has("units") or (has("sold") and has("product", "count")) or (has("orders") and has("product")):
        clicked = 0.7 if has("clicks") else 0.0
        return {"conversions": LIKELY - 0.4 - clicked}
    if has("orders"):
        return {"conversions": OUTRIGHT - (0.7 if has("clicks") else 0.0)}
    if has("conversions"):
        return {"conversions": OUTRIGHT - 0.2 - (0.7 if has("clicks") else 0.0)}
    if has("sale") and has("count"):
        return {"conversions": LIKELY + 0.2}
    if has("count") and not has("clicks", "impressions", "impressions_weak", *_NO_COUNTS):
        return {"conversions": LIKELY - 0.6 if not reading.unknown else WEAK - 0.5}
    if has("sold") and not has("id", "name", "product"):
        return {"conversions": LIKELY - 0.6}
    return {}


def _traffic(reading: HeaderReading) -> Scores:
    has = reading.has
    counted = 0.7 if has("count") else 0.0
    if has("clicks"):
        return {"clicks": OUTRIGHT - (3.0 if has("impressions") else 0.0)}
    if has("impressions"):
        return {"impressions": OUTRIGHT}
    if has("impressions_weak") and not has("name", "currency", "date") and (has("count") or not has("id")):
        return {"impressions": LIKELY - 0.6 + counted}
    return {}


def _date(reading: HeaderReading) -> Scores:
    if not reading.has("date", "date_weak"):
        return {"date": WEAK if reading.has("coarse") else SAYS_OTHER}
    score = OUTRIGHT if reading.has("date") else LIKELY - 0.5
    score += 0.3 if reading.has("date_start") else 0.0
    score -= 2.5 if reading.has("date_end") else 0.0
    score -= 6.0 if reading.has("date_other") else 0.0
    score -= 2.0 if reading.has("coarse") else 0.0
    score -= 3.5 if reading.has("campaign", "ad_group", "account", "product", "orders") else 0.0
    return {"date": score}


def _foreign(reading: HeaderReading) -> bool:
    """Whether the attribute is one of something else than the product."""
    return reading.has(*_ENTITIES) or (
        reading.has("ad") and not reading.has("product", "sku", "gtin", "asin")
    )


def _product(reading: HeaderReading) -> Scores:
    has = reading.has
    if _foreign(reading) and not (has("category") and not has(*_ENTITIES)):
        return {}
    scores = _attributes(reading)
    if scores:
        return scores
    if has("gtin"):
        return {"sku_id": OUTRIGHT + 0.5}
    if has("asin"):
        return {"sku_id": OUTRIGHT + 0.2}
    if has("sku"):
        own = has("seller")
        return {
            "sku_id": WEAK if own else LIKELY + 0.4,
            "sku_dim.seller_sku": OUTRIGHT if own else LIKELY - 0.4,
        }
    if has("product") and has("id"):
        return {
            "sku_id": OUTRIGHT - (2.5 if has("sold", "orders") else 0.0),
            "sku_dim.seller_sku": 0.5 if has("seller") else SAYS_OTHER,
        }
    if has("product"):
        return {"sku_id": WEAK + 0.3, "sku_dim.name": WEAK + 0.5}
    if (
        has("id")
        and not reading.unknown
        and not has("retailer", "seller", "placement", "placement_weak", "orders")
    ):
        return {"sku_id": -OPEN}
    return {}


def _attributes(reading: HeaderReading) -> Scores:
    has = reading.has
    named = {"sku_dim.brand": "brand", "sku_dim.category": "category", "sku_dim.size": "size"}
    for target, sense in named.items():
        if has(sense) and not has("retailer", "placement"):
            by_id = 3.0 if has("id") and not has("name") else 0.0
            return {target: OUTRIGHT - 0.2 - by_id}
    if has("name") and not has("retailer", "seller", "placement", "brand"):
        if has("product", "sku", "asin", "gtin"):
            return {"sku_dim.name": OUTRIGHT - (2.5 if has("sold", "orders") else 0.0)}
        return {"sku_dim.name": WEAK + 0.3} if not reading.unknown else {"sku_dim.name": OPEN}
    return {}


def _places(reading: HeaderReading) -> Scores:
    has = reading.has
    scores: Scores = {}
    if has("placement"):
        scores["placement_type"] = OUTRIGHT - (1.0 if has("id") else 0.0)
    elif has("placement_weak") and not has(*_ENTITIES):
        scores["placement_type"] = WEAK
    if has("retailer") and not has("campaign", "product", "sku"):
        scores["retailer_id"] = OUTRIGHT
    return scores


def _keys(reading: HeaderReading) -> Scores:
    has = reading.has
    scores: Scores = {}
    if has("other", "account", "date", "currency", "budget") or (has("keyword") and not has("audience")):
        return scores
    for target in KEYS:
        sense = target.removesuffix("_id")
        if has(sense):
            scores[target] = OUTRIGHT if has("id") else WEAK - 0.5
    if "ad_group_id" in scores:
        # 'Campaign ad group id' is one of the ad group.
        scores.pop("campaign_id", None)
    return scores
