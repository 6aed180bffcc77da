"""An advertisement's words, with what is needed to judge them."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from rmn_pipeline.governance.ad_copy.violations import TextField

Named = Annotated[str, Field(min_length=1)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Proof(_Record):
    """What backs a claim: the words of the claim as they stand in the copy, and where the proof is kept."""

    claim: Named
    reference: Named


class AdCopy(_Record):
    """One advertisement's words.

    `placement` is an ad product of the network (`sponsored_brands`, `display` …); `category` is the product's, which
    decides on disclaimers. `brand` is whom the advertisement is for, `competitors` whom it must not name, `proofs`
    what the brand can show. Without `last_day` words that go out of date are violations.
    """

    placement: Named
    title: str | None = None
    headline: str | None = None
    body: str | None = None
    call_to_action: str | None = None
    disclaimer: str | None = None
    language: Named = "en"
    category: str | None = None
    brand: str | None = None
    competitors: tuple[Named, ...] = ()
    proofs: tuple[Proof, ...] = ()
    last_day: datetime.date | None = None

    def text(self, field: TextField) -> str:
        """The words of one field; empty where it is not there."""
        return getattr(self, field) or ""

    def with_text(self, field: TextField, text: str) -> AdCopy:
        """The same copy with other words in one field; an empty field is not there."""
        return self.model_copy(update={field: text or None})
