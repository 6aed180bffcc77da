"""What may be wrong with ad copy: codes, kinds of claims, and one violation.

The codes are the vocabulary of Amazon's pre-moderation where it has a word for it, and the same kind of word where it
has none, so that one code means the same for every network.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

TextField = Literal["title", "headline", "body", "call_to_action", "disclaimer"]
# What rules for wording look at; the disclaimer is written by lawyers and only has to be there.
WORDED_FIELDS: tuple[TextField, ...] = ("title", "headline", "body", "call_to_action")


class ViolationCode(StrEnum):
    """What kind of rule was broken."""

    TOO_LONG = "TOO_LONG"
    TOO_SHORT = "TOO_SHORT"
    BANNED_TERM = "BANNED_TERM"
    UNSUBSTANTIATED_CLAIM_VIOLATION = "UNSUBSTANTIATED_CLAIM_VIOLATION"
    PROHIBITED_CLAIM = "PROHIBITED_CLAIM"
    CAP_WORDS = "CAP_WORDS"
    PUNCTUATIONS = "PUNCTUATIONS"
    ELLIPSIS = "ELLIPSIS"
    SPECIAL_CHARACTERS = "SPECIAL_CHARACTERS"
    EMOJI = "EMOJI"
    LISTING_PRICES = "LISTING_PRICES"
    END_DATE = "END_DATE"
    SEASONAL_EVENTS_WORD = "SEASONAL_EVENTS_WORD"
    TIME_SENSITIVE_EVENT = "TIME_SENSITIVE_EVENT"
    RETAILER_SPECIFIC_TERM = "RETAILER_SPECIFIC_TERM"
    COMPETITOR_NAME = "COMPETITOR_NAME"
    SPONSOR_NAME_MISMATCH = "SPONSOR_NAME_MISMATCH"
    CONTACT_DATA = "CONTACT_DATA"
    DISCLAIMER_MISSING = "DISCLAIMER_MISSING"
    CTA_IN_ALL_CAPS = "CTA_IN_ALL_CAPS"
    AMBIGUOUS_CTA = "AMBIGUOUS_CTA"
    LANGUAGE_UNSUPPORTED = "LANGUAGE_UNSUPPORTED"
    PROFANE_WORDS = "PROFANE_WORDS"
    ADULT_WORDS = "ADULT_WORDS"
    PROHIBITED_CATEGORY = "PROHIBITED_CATEGORY"


class ClaimClass(StrEnum):
    """What kind of statement a claim is; the kind decides what it takes to be allowed."""

    PUFFERY = "puffery"
    OBJECTIVE = "objective"
    COMPARATIVE_SUPERLATIVE = "comparative_superlative"
    HEALTH = "health"
    ENVIRONMENTAL = "environmental"
    PRICE_SAVINGS = "price_savings"
    URGENCY = "urgency"
    ENDORSEMENT = "endorsement"
    TRADEMARK = "trademark"


@dataclass(frozen=True)
class Violation:
    """One broken rule.

    `span` is the place in `field` (both ends 0 where something is missing as a whole); `suggestion` is the text to
    put there, None where only a person can mend it; `source` is where the rule stands.
    """

    code: ViolationCode
    field: TextField
    span: tuple[int, int]
    message: str
    suggestion: str | None
    source: str
    claim: ClaimClass | None = None

    @property
    def is_mendable(self) -> bool:
        """Whether a suggestion could be computed."""
        return self.suggestion is not None
