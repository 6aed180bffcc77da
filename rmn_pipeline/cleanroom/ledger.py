"""The privacy ledger: what each data set's people have already given away, and the answers it paid for.

One SQLite file, one account per data set (not per analyst), in integer millionths of ε. A charge, its
stored release and its audit entry are one transaction, committed before an answer leaves the room. A process killed at
any moment leaves either all three or none, so ε charged is exactly the sum over the stored releases.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import secrets
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rmn_pipeline.cleanroom.accounts import Reconciliation
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
# Columns that a ledger of the first version lacks; a ledger is never thrown away, so they are added to it.
_LATER_RELEASE_COLUMNS = ("period", "answered_at", "request", "shape", "terms")

# Writers wait for one another rather than fail; a transaction takes milliseconds.
_BUSY_TIMEOUT_SECONDS = 60.0
_FOR_EVER = ""


@dataclass(frozen=True)
class NewRelease:
    """An answer that is about to be paid for."""

    key: str
    payload: bytes
    #: The request in canonical form, and without its days and ε.
    request: str = ""
    shape: str = ""
    #: Fingerprint of the privacy terms that the answer was made under.
    terms: str = ""
    #: The budget period that it is charged to; empty without a refresh rule.
    period: str = _FOR_EVER


@dataclass(frozen=True)
class StoredRelease:
    """An answer that was paid for, and whether this very call paid."""

    payload: bytes
    epsilon_micro: int
    charged_now: bool
    #: ISO 8601, UTC; empty for answers of the ledger's first version.
    answered_at: str = ""
    request: str = ""


@dataclass(frozen=True)
class Account:
    """The state of one data set's budget."""

    #: Charged to the period that was asked about; without a refresh rule, all that was ever charged.
    spent_micro: int
    releases: int
    #: Sum over all stored releases; must equal `lifetime_micro`.
    released_micro: int
    lifetime_micro: int


class Ledger:
    """Durable budget accounts, safe for concurrent processes."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # The file holds the salts: it is the retailer's, readable by its owner alone.
        self.path.touch(mode=0o600)
        with self._connection() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        with self._transaction() as connection:
            # `executescript` would commit the open transaction first, so statements run one by one.
            for statement in _statements(_LEDGER_SCHEMA + AUDIT_SCHEMA):
                connection.execute(statement)
            _add_later_columns(connection)

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

    def account(self, dataset_id: str, period: str = _FOR_EVER) -> Account:
        """Read one data set's account, as of one budget period."""
        with self._connection() as connection:
            row = connection.execute(
                "SELECT count(r.release_key), coalesce(sum(r.epsilon_micro), 0), d.spent_micro FROM datasets d"
                " LEFT JOIN releases r USING (dataset_id) WHERE d.dataset_id = ? GROUP BY d.dataset_id",
                (dataset_id,),
            ).fetchone()
            spent = _spent(connection, dataset_id, period)
        return Account(spent, *row) if row else Account(0, 0, 0, 0)

    def find(
        self, dataset_id: str, release_key: str, period: str = _FOR_EVER
    ) -> tuple[StoredRelease | None, int]:
        """The stored answer to a request, if there is one, and what the period has spent."""
        with self._connection() as connection:
            return _find_release(connection, dataset_id, release_key), _spent(connection, dataset_id, period)

    def latest(self, dataset_id: str, shape: str, terms: str) -> StoredRelease | None:
        """The last answer of a shape under the same privacy terms, whatever its days and the log's state then."""
        with self._connection() as connection:
            row = connection.execute(
                f"SELECT {_RELEASE_COLUMNS} FROM releases WHERE dataset_id = ? AND shape = ? AND terms = ?"
                " ORDER BY answered_at DESC LIMIT 1",
                (dataset_id, shape, terms),
            ).fetchone()
        return _stored(row)

    def charge(self, release: NewRelease, entry: AuditEntry, limit_micro: int) -> StoredRelease:
        """Charge ε, store the release and log it, in one transaction; refuse if the budget does not cover it.

        Where another process answered the same request in the meantime, its release is returned and nothing is
        charged; the payload passed in is dropped unseen.
        """
        answered_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
        answer = hashlib.sha256(release.payload).hexdigest()
        with self._transaction() as connection:
            found = _find_release(connection, entry.dataset_id, release.key)
            if found is None:
                _spend(connection, entry, release.period, limit_micro)
                connection.execute(
                    "INSERT INTO releases (dataset_id, release_key, epsilon_micro, payload, period, answered_at,"
                    " request, shape, terms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (entry.dataset_id, release.key, entry.epsilon_micro, release.payload, release.period,
                     answered_at, release.request, release.shape, release.terms),
                )  # fmt: skip
                append_entry(connection, replace(entry, release_key=release.key, answer_sha256=answer))
        if found is None:
            return StoredRelease(release.payload, entry.epsilon_micro, True, answered_at, release.request)
        self.log(replace(entry, decision=Decision.SERVED_STORED, epsilon_micro=0))
        return found

    def log(self, entry: AuditEntry) -> None:
        """Record a decision that costs nothing."""
        with self._transaction() as connection:
            append_entry(connection, entry)

    def verify_audit(self, expected_head: str | None = None) -> AuditVerdict:
        """Check the audit log's hash chain, and that accounts and stored answers are the ones that it tells of."""
        with self._connection() as connection:
            connection.execute("BEGIN")
            reconciliation = Reconciliation()
            verdict = verify_chain(connection, expected_head, reconciliation.take)
            if verdict.first_broken_sequence is not None:
                return verdict
            disagreements = reconciliation.compare(connection)
        return replace(verdict, intact=verdict.intact and not disagreements, disagreements=disagreements)

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT_SECONDS, isolation_level=None)
            with contextlib.closing(connection):
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


_RELEASE_COLUMNS = "payload, epsilon_micro, answered_at, request"


def _stored(row: tuple[bytes, int, str, str] | None) -> StoredRelease | None:
    if row is None:
        return None
    payload, epsilon_micro, answered_at, request = row
    return StoredRelease(bytes(payload), int(epsilon_micro), False, answered_at, request)


def _find_release(connection: sqlite3.Connection, dataset_id: str, release_key: str) -> StoredRelease | None:
    row = connection.execute(
        f"SELECT {_RELEASE_COLUMNS} FROM releases WHERE dataset_id = ? AND release_key = ?",
        (dataset_id, release_key),
    ).fetchone()
    return _stored(row)


def _spent(connection: sqlite3.Connection, dataset_id: str, period: str) -> int:
    """What counts against the limit: without a refresh rule everything, whatever rule held when it was charged."""
    if period == _FOR_EVER:
        sql, parameters = "SELECT spent_micro FROM datasets WHERE dataset_id = ?", (dataset_id,)
    else:
        sql = "SELECT coalesce(sum(epsilon_micro), 0) FROM releases WHERE dataset_id = ? AND period = ?"
        parameters = (dataset_id, period)  # type: ignore[assignment]
    row = connection.execute(sql, parameters).fetchone()
    return int(row[0]) if row else 0


def _spend(connection: sqlite3.Connection, entry: AuditEntry, period: str, limit_micro: int) -> None:
    if _spent(connection, entry.dataset_id, period) + entry.epsilon_micro > limit_micro:
        raise CleanRoomError(ErrorCode.PRIVACY_BUDGET_EXHAUSTED)
    changed = connection.execute(
        "UPDATE datasets SET spent_micro = spent_micro + ? WHERE dataset_id = ?",
        (entry.epsilon_micro, entry.dataset_id),
    ).rowcount
    if changed != 1:
        raise LedgerError(f"data set {entry.dataset_id!r} has no account; open it before charging it")


def _add_later_columns(connection: sqlite3.Connection) -> None:
    present = {row[1] for row in connection.execute("PRAGMA table_info(releases)")}
    for name in _LATER_RELEASE_COLUMNS:
        if name not in present:
            connection.execute(f"ALTER TABLE releases ADD COLUMN {name} TEXT NOT NULL DEFAULT ''")


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
