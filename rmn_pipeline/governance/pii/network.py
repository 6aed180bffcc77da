"""What names a device or its place on the net: IP addresses, MAC addresses, advertising ids, IMEIs.

UUIDs and long hexadecimal texts are ordinary ids in reports (campaigns, image files); they count only beside a word
that says they name a device.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from rmn_pipeline.governance.pii.checks import passes_luhn
from rmn_pipeline.governance.pii.context import cue_before
from rmn_pipeline.governance.pii.presidio import presidio_matches
from rmn_pipeline.governance.pii.spans import PiiSpan

IP_ENTITY = "IP_ADDRESS"
DEVICE_ENTITY = "DEVICE_ID"
_LEAST_IP_SCORE = 0.35
_LEAST_IP_CHARACTERS = 5
_SCORE = 0.85
_CUED_SCORE = 0.95
# A dotted quad whose parts are all smaller is a version or a section number until a word says otherwise.
_LEAST_OCTET = 16

_PHRASE_COLON = re.compile(r"(?<!:):(?=\s|$)")
_ADVERTISING_ID = re.compile(
    r"(?<![\w-])(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}|[0-9a-f]{16})(?![\w-])",
    re.IGNORECASE,
)
_IMEI = re.compile(r"(?<![\w-])(?:\d{15}|\d{2}-\d{6}-\d{6}-\d)(?![\w-])")


def find_ip_addresses(text: str) -> Iterator[PiiSpan]:
    """IPv4 and IPv6 addresses in a plain text."""
    # A colon that ends a phrase would be taken for a part of the address before it.
    for match in presidio_matches("ip", _PHRASE_COLON.sub(";", text)):
        cue = cue_before(text, match.start)
        address = text[match.start : match.end]
        if match.score < _LEAST_IP_SCORE or cue in ("version", "report") or not _is_somebodys(address):
            continue
        if cue == "ip" or not _looks_like_version(address):
            yield PiiSpan(match.start, match.end, IP_ENTITY, _CUED_SCORE if cue == "ip" else _SCORE)


def _is_somebodys(address: str) -> bool:
    """Whether the address is neither this machine nor none, nor a slice of code ("a[1::2]")."""
    parsed = ipaddress.ip_interface(address).ip
    hexadecimal = sum(char.isalnum() for char in address)
    return not parsed.is_loopback and not parsed.is_unspecified and hexadecimal >= _LEAST_IP_CHARACTERS


def _looks_like_version(address: str) -> bool:
    parts = address.partition("/")[0].split(".")
    return ":" not in address and all(int(part) < _LEAST_OCTET for part in parts)


def find_devices(text: str) -> Iterator[PiiSpan]:
    """MAC addresses, advertising ids and IMEIs in a plain text."""
    for match in presidio_matches("mac", text):
        if (
            re.search(r"[A-Fa-f:]", text[match.start : match.end])
            or cue_before(text, match.start) == "device"
        ):
            yield PiiSpan(match.start, match.end, DEVICE_ENTITY, _SCORE)
    for pattern in (_ADVERTISING_ID, _IMEI):
        for found in pattern.finditer(text):
            is_imei = pattern is _IMEI
            if cue_before(text, found.start()) != "device":
                continue
            if not is_imei or passes_luhn(found.group().replace("-", "")):
                yield PiiSpan(found.start(), found.end(), DEVICE_ENTITY, _CUED_SCORE)
