"""A header read as a whole: which senses its words have together, and what rate it names if it is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rmn_pipeline.rmis.proposals.ontology import Ontology, Words
from rmn_pipeline.rmis.proposals.words import window_days, words_of

MEASURE_SENSES = frozenset(
    (
        *("impressions", "impressions_weak", "clicks", "cost", "cost_weak", "revenue", "sale"),
        *("amount", "orders", "conversions", "units"),
    )
)
_NAMED_RATES = frozenset(
    ("rate_ctr", "rate_cpc", "rate_cpm", "rate_roas", "rate_acos", "rate_cpo", "rate_cvr", "rate_aov")
)
_ORDER_LIKE = frozenset(("orders", "conversions", "sale", "units"))
# Words that say of what kind something is, but not what it is.
_SAYS_NOTHING = frozenset(("neutral", "total", "all", "advertised", "ad", "same", "halo", "direct"))


@dataclass(frozen=True)
class HeaderReading:
    """One header: its words, what they can stand for, and the words that nobody knows."""

    header: str
    words: Words
    senses: frozenset[str]
    unknown: Words
    window_days: int | None

    def has(self, *senses: str) -> bool:
        """Whether one of `senses` is in the header."""
        return not self.senses.isdisjoint(senses)

    @property
    def is_rate(self) -> bool:
        """A rate or an average: made of measures, no measure itself."""
        return self.has(*_NAMED_RATES, "rate", "average") or self._is_quotient

    @property
    def _is_quotient(self) -> bool:
        return self.has("per") and len(self.senses & MEASURE_SENSES) >= 2

    @property
    def rate_kind(self) -> str | None:
        """Which rate it is, where the words say so: 'cpc', 'ctr', 'roas' …"""
        named = sorted(self.senses & _NAMED_RATES)
        if named:
            return named[0].removeprefix("rate_")
        if self.has("rate"):
            return "cvr" if self.has("conversions") else "ctr" if self.has("clicks") else None
        if self._is_quotient and self.has("cost"):
            return "cpc" if self.has("clicks") else "cpo" if self.senses & _ORDER_LIKE else None
        return None

    @property
    def is_understood(self) -> bool:
        """Whether a word of it means anything at all."""
        return bool(self.senses - _SAYS_NOTHING)


def _spans(words: Words, ontology: Ontology) -> list[tuple[Words, frozenset[str] | None]]:
    """The words cut into known phrases, the longest first; what is left stands alone."""
    spans: list[tuple[Words, frozenset[str] | None]] = []
    place = 0
    while place < len(words):
        for length in range(min(ontology.longest, len(words) - place), 0, -1):
            phrase = words[place : place + length]
            found = ontology.find(phrase)
            if found is not None or length == 1:
                spans.append((phrase, found))
                place += length
                break
    return spans


def read_header(header: str, ontology: Ontology, prefix: str | None = None) -> HeaderReading:
    """What `header` can mean by its words alone; `prefix` is a first word that says nothing of its own."""
    words = words_of(header)
    if prefix is not None and words[:1] == (prefix,):
        words = words[1:]
    senses: set[str] = set()
    unknown: list[str] = []
    for phrase, found in _spans(words, ontology):
        known = found if found is not None else ontology.find_like(phrase[0])
        if known is None:
            unknown.append(phrase[0])
        else:
            senses |= known
    return HeaderReading(header, words, frozenset(senses), tuple(unknown), window_days(header))


def _billing_prefix(headers: Sequence[str], ontology: Ontology) -> str | None:
    """A rate's name in front of clicks, impressions and money alike is the way of billing: cpc_clicks, cpc_sales."""
    followers: dict[str, set[str]] = {}
    for words in map(words_of, headers):
        if len(words) > 1 and (ontology.find(words[:1]) or frozenset()) & _NAMED_RATES:
            known = [found for _, found in _spans(words[1:], ontology) if found]
            followers.setdefault(words[0], set()).update(*known)
    for prefix, senses in followers.items():
        if {"clicks", "impressions"} <= senses and senses & {"cost", "cost_weak", "revenue", "sale"}:
            return prefix
    return None


def read_headers(headers: Sequence[str], ontology: Ontology) -> list[HeaderReading]:
    """The same for all headers of a report."""
    prefix = _billing_prefix(headers, ontology)
    return [read_header(header, ontology, prefix) for header in headers]
