"""The privacy ledger: what each data set's people have already given away, and the answers it paid for.

One SQLite file, one account per data set (not per analyst), in integer millionths of ε. A charge, its
stored release and its audit entry are one transaction, committed before an answer leaves the room. A process killed at
any moment leaves either all three or none, so ε charged is exactly the sum over the stored releases.
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rmn_pipeline.cleanroom.audit import (
    AUDIT_SCHEMA,
    AuditEntry,
    AuditVerdict,
    Decision,
    append_entry,
    verify_chain,
)
from rmn_pipeline.cleanroom.errors import CleanRoomError, ErrorCode, LedgerError

_LEDGER_SCHEMA = """
CREATE TABLE IF NOT EXISTS datasets (
    dataset_id TEXT PRIMARY KEY,
    salt BLOB NOT NULL,
    spent_micro INTEGER NOT NULL DEFAULT 0 CHECK (spent_micro >= 0)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS releases (
    dataset_id TEXT NOT NULL REFERENCES datasets,
    release_key TEXT NOT NULL,
    epsilon_micro INTEGER NOT NULL CHECK (epsilon_micro > 0),
    payload BLOB NOT NULL,
    PRIMARY KEY (dataset_id, release_key)
) WITHOUT ROWID;
"""

# Writers wait for one another rather than fail; a transaction takes milliseconds.
_BUSY_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class StoredRelease:
    """An answer that was paid for, and whether this very call paid."""

    payload: bytes
    epsilon_micro: int
    charged_now: bool


@dataclass(frozen=True)
class Account:
    """The state of one data set's budget."""

    spent_micro: int
    releases: int
    #: Sum over the stored releases; must equal `spent_micro`.
    released_micro: int


class Ledger:
    """Durable budget accounts, safe for concurrent processes."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # The file holds the salts: it is the retailer's, readable by its owner alone.
        self.path.touch(mode=0o600)
        with self._transaction() as connection:
            # `executescript` would commit the open transaction first, so statements run one by one.
            for statement in _statements(_LEDGER_SCHEMA + AUDIT_SCHEMA):
                connection.execute(statement)

    def open_dataset(self, dataset_id: str) -> bytes:
        """Return the data set's secret salt, opening its account on first use."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO datasets (dataset_id, salt) VALUES (?, ?)",
                (dataset_id, secrets.token_bytes(32)),
            )
            row = connection.execute(
                "SELECT salt FROM datasets WHERE dataset_id = ?", (dataset_id,)
            ).fetchone()
        return bytes(row[0])

    def account(self, dataset_id: str) -> Account:
        """Read one data set's account."""
        with self._connection() as connection:
            row = connection.execute(
                "SELECT d.spent_micro, count(r.release_key), coalesce(sum(r.epsilon_micro), 0) FROM datasets d"
                " LEFT JOIN releases r USING (dataset_id) WHERE d.dataset_id = ? GROUP BY d.dataset_id",
                (dataset_id,),
            ).fetchone()
        return Account(*row) if row else Account(0, 0, 0)

    def serve_stored(self, release_key: str, entry: AuditEntry) -> StoredRelease | None:
        """Return the stored answer to a request that was answered before, and log the serving."""
        with self._connection() as connection:
            found = _find_release(connection, entry.dataset_id, release_key)
        if found is not None:
            self.log(entry)
        return found

    def charge(self, release_key: str, payload: bytes, entry: AuditEntry, limit_micro: int) -> StoredRelease:
        """Charge ε, store the release and log it, in one transaction; refuse if the budget does not cover it.

        Where another process answered the same request in the meantime, its release is returned and nothing is
        charged; the payload passed in is dropped unseen.
        """
        with self._transaction() as connection:
            found = _find_release(connection, entry.dataset_id, release_key)
            if found is None:
                _spend(connection, entry.dataset_id, entry.epsilon_micro, limit_micro)
                connection.execute(
                    "INSERT INTO releases VALUES (?, ?, ?, ?)",
                    (entry.dataset_id, release_key, entry.epsilon_micro, payload),
                )
                append_entry(connection, entry)
        if found is None:
            return StoredRelease(payload, entry.epsilon_micro, charged_now=True)
        self.log(AuditEntry(entry.dataset_id, entry.analyst, Decision.SERVED_STORED, entry.request, 0))
        return found

    def log(self, entry: AuditEntry) -> None:
        """Record a decision that costs nothing."""
        with self._transaction() as connection:
            append_entry(connection, entry)

    def verify_audit(self, expected_head: str | None = None) -> AuditVerdict:
        """Check the audit log's hash chain."""
        with self._connection() as connection:
            return verify_chain(connection, expected_head)

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT_SECONDS, isolation_level=None)
            with contextlib.closing(connection):
                connection.execute("PRAGMA journal_mode = WAL")
                # An answered query must stay charged through a power cut too.
                connection.execute("PRAGMA synchronous = FULL")
                yield connection
        except sqlite3.Error as error:
            raise LedgerError(
                f"{self.path}: the privacy ledger cannot be used ({error}); restore the file or its permissions"
            ) from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")


def _find_release(connection: sqlite3.Connection, dataset_id: str, release_key: str) -> StoredRelease | None:
    row = connection.execute(
        "SELECT payload, epsilon_micro FROM releases WHERE dataset_id = ? AND release_key = ?",
        (dataset_id, release_key),
    ).fetchone()
    return StoredRelease(bytes(row[0]), int(row[1]), charged_now=False) if row else None


def _spend(connection: sqlite3.Connection, dataset_id: str, epsilon_micro: int, limit_micro: int) -> None:
    changed = connection.execute(
        "UPDATE datasets SET spent_micro = spent_micro + ? WHERE dataset_id = ? AND spent_micro + ? <= ?",
        (epsilon_micro, dataset_id, epsilon_micro, limit_micro),
    ).rowcount
    if changed != 1:
        raise CleanRoomError(ErrorCode.PRIVACY_BUDGET_EXHAUSTED)


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
