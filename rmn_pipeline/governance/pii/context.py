"""Words that say what a number is: a person's, or a report's own.

A cue speaks for the next number only. Words for ids and counts have to stand right before it; words for phones,
cards and the like may stand a little farther off. What stands nearest decides.
"""

from __future__ import annotations

import re
from typing import Literal

Cue = Literal["dial", "phone", "card", "ssn", "device", "ip", "version", "report"]

_WINDOW_BEFORE = 48
_WINDOW_AFTER = 28
_FARTHEST = 26

_ID_SUFFIX = r"(?:[ _-]?(?:ids?|no|nr|num|numbers?|codes?))?"
_REPORT_WORDS = (
    # product codes
    r"gtins?|upcs?|eans?|isbn|issn|asins?|skus?|mpn|plu|tcin|dpci|ndc|sscc|barcodes?|scan ?codes?",
    # what a report counts rows by
    r"items?|products?|articles?|campaigns?|ad ?groups?|ads?|line ?items?|creatives?|keywords?|placements?|portfolios?|"
    r"retailers?|advertisers?|stores?|dc|lots?|batch|pallets?|containers?|rows?|pages?|weeks?|zips?|dma|audiences?|"
    r"segments?|aisle|shelf|models?|parts?|serial|events?|versions?|coupons?|promos?|vendors?|suppliers?|query",
    # papers and parcels
    r"orders?|invoices?|po|ref|references?|tickets?|cases?|tracking|shipments?|receipts?|rma|transactions?|txn|ts|"
    r"timestamps?|epoch|exported at|updated at|created at",
    # measures
    r"impressions?|imps|views?|clicks?|taps?|units?|sales|spend|revenue|cost|budget|bids?|qty|quantity|count|total|"
    r"conversions?|visits?|sessions?|households?|shoppers?|users?|reach|volume|score|rank|ids?",
)
_CUES: tuple[tuple[Cue, str], ...] = (
    ("ssn", r"ssn|ss#|soc(?:ial|\.)? ?sec(?:urity|\.)?|social|taxpayer|itin"),
    (
        "device",
        r"idfa|idfv|gaid|aaid|adid|gps_adid|maid|rida|tifa|imei|meid|advertis(?:ing|er)[ _-]?id|android[ _-]?id|"
        r"device|handset",
    ),
    (
        "card",
        r"cards?|credit|debit|visa|master ?card|amex|american express|discover|jcb|diners|maestro|cc|pan",
    ),
    # Said of a number that somebody dials, whatever its shape …
    (
        "dial",
        r"(?:tele)?phones?|tel|fax|whatsapp|dial|ring|rang|hotline|voicemail|telefon|handy|my number|sms|"
        r"call(?:ed|ing)? (?:me|us|him|her|them|back)|please call|text (?:me|us|him|her|them)|"
        r"reach(?: (?:me|us|him|her|them|out|the \w+))",
    ),
    # … and words that also name a screen or an advertisement: only with a number that is one by some country's plan.
    ("phone", r"cell(?:phone)?|mobile|call(?:back|ed|ing)?|text(?:ed)?|txt|contact"),
    ("version", r"versions?|ver|v|sdk|build|firmware|release|ios|android|chrome|safari|os|api|app"),
    ("ip", r"ip(?:v[46])?|host|src|dst|visitor|client|server|address"),
    ("report", "|".join(f"(?:{words})" for words in _REPORT_WORDS)),
)
_CUE = re.compile(
    # Underscores and capitals inside a word (campaignId, order_id) end a word here too.
    r"(?<![A-Za-z])(?:"
    + "|".join(f"(?P<{name}>(?:{words}){_ID_SUFFIX})" for name, words in _CUES)
    + r")(?![a-z])",
    re.IGNORECASE,
)
# What may stand between an id's name and the id; "EAN-13" and "GTIN14" carry digits of their own.
_FILLER = re.compile(
    r"(?:-?\d{1,2}(?!\d))?(?:[\s:#=.,'\"()\[\]<>_/-]|\b(?:no|nr|num|number|ids?|codes?|is|was|are|of|the|upc|ean|sku)\b)*",
    re.IGNORECASE,
)
_BREAK = re.compile(r"[;|\n\d]")
_COUNTED = re.compile(
    r"[\s)\"']*(?:(?:ad|total|unique|paid|product|page|item|video|measured|viewable)\s+)?"
    r"(?:impressions?|imps?|views?|clicks?|taps?|units?|orders?|sales|sold|served|delivered|purchases?|conversions?|"
    r"visits?|visitors?|sessions?|shoppers?|households?|customers?|users?|rows?|items?|pcs|pieces|packs?|ct|oz|"
    r"stores?|skus?|points?|usd|eur|dollars?|activations?|redemptions?|searches|queries|events?|records?|times|%)"
    r"(?![A-Za-z])",
    re.IGNORECASE,
)
_MONEY_BEFORE = re.compile(r"[$€£¥]\s?$")


def cue_before(text: str, start: int) -> Cue | None:
    """What the nearest cue says that the number at `start` is; None where none speaks for it."""
    window = text[max(0, start - _WINDOW_BEFORE) : start]
    if _MONEY_BEFORE.search(window):
        return "report"
    for found in reversed(list(_CUE.finditer(window))):
        cue: Cue = found.lastgroup  # type: ignore[assignment]
        gap = window[found.end() :]
        if cue == "report" and _FILLER.fullmatch(gap):
            return cue
        if cue != "report" and len(gap) <= _FARTHEST and not _BREAK.search(gap):
            return cue
    return None


def is_counted(text: str, end: int) -> bool:
    """Whether the number that ends at `end` is followed by what it counts: impressions, units, dollars."""
    return _COUNTED.match(text, end, end + _WINDOW_AFTER) is not None


def has_number_beside(text: str, start: int, end: int) -> bool:
    """Whether another number stands next to `text[start:end]` with nothing but blanks or commas between."""
    before = text[max(0, start - 3) : start].rstrip(" ,")
    after = text[end : end + 3].lstrip(" ,")
    return before[-1:].isdigit() or after[:1].isdigit()
