"""`detect_pii`: every recognizer over the plain form of a text, overlaps settled, places in the original."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rmn_pipeline.governance.pii import gates
from rmn_pipeline.governance.pii.accounts import find_ibans
from rmn_pipeline.governance.pii.cards import find_cards
from rmn_pipeline.governance.pii.emails import find_emails
from rmn_pipeline.governance.pii.network import find_devices, find_ip_addresses
from rmn_pipeline.governance.pii.normalize import plain_form
from rmn_pipeline.governance.pii.phones import find_phones
from rmn_pipeline.governance.pii.presidio import require_presidio
from rmn_pipeline.governance.pii.social_security import find_social_security_numbers
from rmn_pipeline.governance.pii.spans import ENTITY_TYPES, PiiSpan
from rmn_pipeline.governance.pii.streets import find_streets


@dataclass(frozen=True)
class _Recognizer:
    """A finder and the gate before it."""

    gate: gates.Gate
    find: Callable[[str], Iterator[PiiSpan]]


_RECOGNIZERS: tuple[_Recognizer, ...] = (
    _Recognizer(gates.EMAIL_GATE, find_emails),
    _Recognizer(gates.NUMBER_GATE, find_cards),
    _Recognizer(gates.IBAN_GATE, find_ibans),
    _Recognizer(gates.SSN_GATE, find_social_security_numbers),
    _Recognizer(gates.NUMBER_GATE, find_phones),
    _Recognizer(gates.IP_GATE, find_ip_addresses),
    _Recognizer(gates.DEVICE_GATE, find_devices),
    _Recognizer(gates.STREET_GATE, find_streets),
)
_RANK = {name: place for place, name in enumerate(ENTITY_TYPES)}


def detect_pii(text: str) -> list[PiiSpan]:
    """Personal data in a text, in the order of its places; spans do not overlap.

    Names of persons are not detected: that takes a language model, and none is used.

    Raises:
        GovernanceDependencyError: Presidio is not installed.
    """
    require_presidio()
    plain = plain_form(text)
    found = [
        span
        for recognizer in _RECOGNIZERS
        if recognizer.gate.opens(plain.text)
        for span in recognizer.find(plain.text)
    ]
    kept = _without_overlaps(found)
    return [
        PiiSpan(*plain.original_span(span.start, span.end), span.entity_type, span.score) for span in kept
    ]


def _without_overlaps(found: list[PiiSpan]) -> list[PiiSpan]:
    """Of overlapping spans the surest stays; among equals the rarer kind, then the longer span."""
    kept: list[PiiSpan] = []
    for span in sorted(found, key=lambda span: (-span.score, _RANK[span.entity_type], span.start - span.end)):
        if all(span.end <= other.start or other.end <= span.start for other in kept):
            kept.append(span)
    return sorted(kept, key=lambda span: span.start)
