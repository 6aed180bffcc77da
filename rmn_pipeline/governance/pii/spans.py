"""What is found in a text: where, what, and how sure."""

from __future__ import annotations

from dataclasses import dataclass

ENTITY_TYPES: tuple[str, ...] = (
    "EMAIL_ADDRESS",
    "CREDIT_CARD",
    "IBAN_CODE",
    "US_SSN",
    "PHONE_NUMBER",
    "IP_ADDRESS",
    "DEVICE_ID",
    "STREET_ADDRESS",
)


@dataclass(frozen=True)
class PiiSpan:
    """Personal data at `text[start:end]`; `score` lies in (0, 1]."""

    start: int
    end: int
    entity_type: str
    score: float
