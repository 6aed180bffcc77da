"""API keys: made once, shown once, kept only as hashes."""

from __future__ import annotations

import hashlib
import secrets

KEY_PREFIX = "rmn_"


def new_key() -> str:
    """A key of 256 random bits."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """What a settings file holds of a key. A fast hash is enough: nobody guesses 256 random bits."""
    return hashlib.sha256(key.encode()).hexdigest()
