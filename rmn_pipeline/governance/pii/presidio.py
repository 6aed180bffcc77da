"""Presidio's pattern recognizers, called directly: no language model, no NLP engine, nothing downloaded.

Only recognizers of data that reports may hold by accident are used. Presidio's recognizers of dates, URLs, UUIDs,
bank and passport numbers are not: in a retail report they find nearly every line.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from rmn_pipeline.governance.errors import GovernanceDependencyError

Recognizer = Literal["email", "card", "ssn", "iban", "ip", "mac", "phone"]

# Countries whose national formats are known to the phone recognizer; with a country code any is.
PHONE_REGIONS = ("US", "GB", "DE", "FR", "AU", "IN", "JP", "ES", "BR", "IT", "NL", "MX", "CN")
# phonenumbers' STRICT_GROUPING: grouped as that country groups its numbers, or not at all.
_PHONE_LENIENCY = 2
_PHONE_CONTEXT = 0.4


@dataclass(frozen=True)
class Match:
    """What a Presidio recognizer found in a text."""

    start: int
    end: int
    score: float


def require_presidio() -> None:
    """Raise `GovernanceDependencyError` where Presidio is not installed; imports nothing."""
    if importlib.util.find_spec("presidio_analyzer") is None:
        raise GovernanceDependencyError("presidio-analyzer")


def presidio_matches(recognizer: Recognizer, text: str) -> Iterator[Match]:
    """What one of Presidio's recognizers finds in `text`."""
    for found in _recognizers()[recognizer].analyze(text, [], None):
        yield Match(found.start, found.end, found.score)


def is_registered_host(host: str) -> bool:
    """Whether a host name ends in a public suffix and has a name before it, by the list that tldextract ships."""
    return bool(_suffix_list()(host).fqdn)


@lru_cache(maxsize=1)
def _suffix_list() -> Any:
    import tldextract

    # Without URLs and cache folder it neither downloads a newer list nor writes one to disk.
    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)


@lru_cache(maxsize=1)
def _recognizers() -> dict[str, Any]:
    require_presidio()
    from presidio_analyzer.predefined_recognizers import (
        CreditCardRecognizer,
        EmailRecognizer,
        IbanRecognizer,
        IpRecognizer,
        MacAddressRecognizer,
        PhoneRecognizer,
        UsSsnRecognizer,
    )

    class OfflineEmailRecognizer(EmailRecognizer):
        """Presidio's, with the suffix list of this module instead of one that is downloaded."""

        def validate_result(self, pattern_text: str) -> bool:
            return is_registered_host(pattern_text.rpartition("@")[2])

    return {
        "email": OfflineEmailRecognizer(),
        "card": CreditCardRecognizer(),
        "ssn": UsSsnRecognizer(),
        "iban": IbanRecognizer(),
        "ip": IpRecognizer(),
        "mac": MacAddressRecognizer(),
        "phone": PhoneRecognizer(supported_regions=PHONE_REGIONS, leniency=_PHONE_LENIENCY),
    }
