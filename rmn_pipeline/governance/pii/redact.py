"""Making personal data unreadable: masked, tagged with its kind, or replaced by a keyed hash of it."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from typing import Literal

from rmn_pipeline.governance.errors import RedactionError
from rmn_pipeline.governance.pii.detect import detect_pii
from rmn_pipeline.governance.pii.spans import PiiSpan
from rmn_pipeline.governance.plain_text import plain_form

RedactionMode = Literal["mask", "hash", "tag"]

# A shorter key can be guessed together with the few million phones or cards there are.
LEAST_SALT_BYTES = 16
_HASH_CHARACTERS = 16
_DIGITS_ONLY = frozenset({"PHONE_NUMBER", "CREDIT_CARD", "US_SSN"})


def redact(
    text: str,
    mode: RedactionMode = "mask",
    *,
    salt: bytes | None = None,
    spans: Sequence[PiiSpan] | None = None,
) -> str:
    """The text without its personal data.

    Args:
        text: what may hold personal data.
        mode: `mask` writes `*` over every character, `tag` the kind in angle brackets, `hash` the kind and the first
            16 hexadecimal digits of HMAC-SHA256 under `salt`: the same person gets the same hash in every table with
            the same salt, however the value was written (blanks, case and encoding do not count), and without the
            salt nobody can try out values.
        salt: a secret of at least 16 bytes; needed for `hash` and only there.
        spans: what `detect_pii` found, where it was called before.

    Raises:
        RedactionError: the mode is unknown, or `hash` has no salt or a short one.
    """
    replacement = _replacement(mode, salt)
    parts: list[str] = []
    position = 0
    for span in detect_pii(text) if spans is None else spans:
        parts += [text[position : span.start], replacement(text[span.start : span.end], span.entity_type)]
        position = span.end
    return "".join([*parts, text[position:]])


def _replacement(mode: str, salt: bytes | None) -> Callable[[str, str], str]:
    if mode == "mask":
        return lambda value, entity_type: "*" * len(value)
    if mode == "tag":
        return lambda value, entity_type: f"<{entity_type}>"
    if mode != "hash":
        raise RedactionError(f"redaction mode {mode!r} is unknown: use mask, hash or tag")
    if salt is None or len(salt) < LEAST_SALT_BYTES:
        raise RedactionError(
            f"redaction by hash needs a salt of at least {LEAST_SALT_BYTES} random bytes; "
            "make one with secrets.token_bytes(32) and keep it out of the table"
        )
    key = salt
    return lambda value, entity_type: f"<{entity_type}:{_keyed_hash(value, entity_type, key)}>"


def _keyed_hash(value: str, entity_type: str, salt: bytes) -> str:
    plain = re.sub(r"\s+", "", plain_form(value).text.casefold())
    if entity_type in _DIGITS_ONLY:
        plain = re.sub(r"[^0-9a-z]", "", plain)
    message = f"{entity_type}:{plain}".encode()
    return hmac.new(salt, message, hashlib.sha256).hexdigest()[:_HASH_CHARACTERS]
