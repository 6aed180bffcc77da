"""The audit log: who asked what, when, what was decided and what it cost.

Entries are chained by hash and live in the ledger's file, so that a charge and its entry are one transaction:
neither can exist without the other. Free text of an analyst never enters; a permitted request is logged in its
canonical form, which holds declared values only, and a refused one as a fingerprint.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import sqlite3
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

GENESIS = hashlib.sha256(b"rmn_pipeline clean-room audit log").hexdigest()

AUDIT_SCHEMA = """
CREATE TABLE IF NOT EXISTS audit_log (
    sequence INTEGER PRIMARY KEY,
    entry TEXT NOT NULL,
    entry_hash TEXT NOT NULL
);
CREATE TRIGGER IF NOT EXISTS audit_log_is_append_only_on_update BEFORE UPDATE ON audit_log
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER IF NOT EXISTS audit_log_is_append_only_on_delete BEFORE DELETE ON audit_log
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
"""


class Decision(StrEnum):
    """What became of a request."""

    ANSWERED = "answered"
    SERVED_STORED = "served_stored"
    #: The budget was spent, so an earlier answer of the same shape was given, and called that.
    SERVED_EARLIER = "served_earlier"
    REFUSED = "refused"


@dataclass(frozen=True)
class AuditEntry:
    """One decision, without its place in the chain."""

    dataset_id: str
    analyst: str
    decision: Decision
    #: The canonical request, or the fingerprint of a refused one.
    request: str
    epsilon_micro: int
    error_code: str | None = None
    policy_version: int | None = None
    #: The release that was paid for, and the SHA-256 of its answer as stored.
    release_key: str | None = None
    answer_sha256: str | None = None


@dataclass(frozen=True)
class AuditVerdict:
    """Whether the chain holds, and where it first breaks."""

    intact: bool
    entries: int
    #: Hash of the last entry: written down elsewhere, it also proves that no tail was cut off.
    head: str
    first_broken_sequence: int | None = None
    #: What the accounts beside the log say differently from it: data sets and stored answers.
    disagreements: tuple[str, ...] = ()


def append_entry(connection: sqlite3.Connection, entry: AuditEntry) -> None:
    """Add an entry inside the caller's write transaction."""
    last = connection.execute(
        "SELECT sequence, entry_hash FROM audit_log ORDER BY sequence DESC LIMIT 1"
    ).fetchone()
    sequence, previous = (last[0] + 1, last[1]) if last else (1, GENESIS)
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
    text = json.dumps(
        {"sequence": sequence, "at": at, **asdict(entry)}, sort_keys=True, separators=(",", ":")
    )
    connection.execute(
        "INSERT INTO audit_log VALUES (?, ?, ?)", (sequence, text, _chain(previous, text.encode()))
    )


def verify_chain(
    connection: sqlite3.Connection,
    expected_head: str | None = None,
    look_at: Callable[[dict[str, Any]], None] | None = None,
) -> AuditVerdict:
    """Recompute the chain from its start.

    Args:
        connection: the ledger.
        expected_head: a head noted earlier; it must still be part of the chain.
        look_at: called with every entry that holds.
    """
    previous, expected = GENESIS, 1
    noted = expected_head in (None, GENESIS)
    # As bytes: what somebody wrote there need not be text at all.
    rows = connection.execute(
        "SELECT sequence, CAST(entry AS BLOB), CAST(entry_hash AS BLOB) FROM audit_log ORDER BY sequence"
    )
    for sequence, entry, entry_hash in rows:
        expected_hash = _chain(previous, entry or b"")
        if sequence != expected or entry_hash != expected_hash.encode():
            return AuditVerdict(False, expected - 1, previous, first_broken_sequence=expected)
        previous, expected = expected_hash, expected + 1
        noted = noted or previous == expected_head
        if look_at is not None:
            look_at(json.loads(entry))
    return AuditVerdict(noted, expected - 1, previous, first_broken_sequence=None if noted else expected)


def _chain(previous: str, entry: bytes) -> str:
    return hashlib.sha256(previous.encode() + b"\n" + entry).hexdigest()
