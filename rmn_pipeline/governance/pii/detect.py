"""`detect_pii`: every recognizer over the plain form of a text, overlaps settled, places in the original."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rmn_pipeline.governance.pii import gates
from rmn_pipeline.governance.pii.accounts import find_ibans
from rmn_pipeline.governance.pii.cards import find_cards
from rmn_pipeline.governance.pii.emails import find_emails
from rmn_pipeline.governance.pii.network import find_devices, find_ip_addresses
from rmn_pipeline.governance.pii.phones import find_phones
from rmn_pipeline.governance.pii.presidio import require_presidio
from rmn_pipeline.governance.pii.social_security import find_social_security_numbers
from rmn_pipeline.governance.pii.spans import ENTITY_TYPES, PiiSpan
from rmn_pipeline.governance.pii.streets import find_streets
from rmn_pipeline.governance.plain_text import PlainText, plain_form

Finder = Callable[[str], Iterator[PiiSpan]]


def _behind(gate: gates.Gate, find: Finder) -> tuple[int, Finder]:
    return 1 << gates.GATES.index(gate), find


_RECOGNIZERS: tuple[tuple[int, Finder], ...] = (
    _behind(gates.EMAIL_GATE, find_emails),
    _behind(gates.NUMBER_GATE, find_cards),
    _behind(gates.IBAN_GATE, find_ibans),
    _behind(gates.SSN_GATE, find_social_security_numbers),
    _behind(gates.NUMBER_GATE, find_phones),
    _behind(gates.IP_GATE, find_ip_addresses),
    _behind(gates.DEVICE_GATE, find_devices),
    _behind(gates.STREET_GATE, find_streets),
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
    return _spans(plain, gates.open_gates(plain.text))


def detect_behind_gates(text: str, open_gates: int) -> list[PiiSpan]:
    """The same for a text whose row of `gates.open_gates_expression` is known."""
    plain = plain_form(text)
    return _spans(plain, gates.open_gates(plain.text) if open_gates == gates.ALL_OPEN else open_gates)


def find_without_gates(text: str) -> list[PiiSpan]:
    """What all recognizers find when no gate holds any back; slow, and the measure of what gates may lose: nothing."""
    return _spans(plain_form(text), gates.ALL_OPEN)


def _spans(plain: PlainText, open_gates: int) -> list[PiiSpan]:
    found = [span for gate, find in _RECOGNIZERS if open_gates & gate for span in find(plain.text)]
    kept = _without_overlaps(found) if len(found) > 1 else found
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
