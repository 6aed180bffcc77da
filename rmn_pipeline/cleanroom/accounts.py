"""Reconciliation: do the ledger's accounts and stored answers agree with the audit log?

The log is chained, the accounts are not: whoever lowers a balance or swaps an answer is found by comparing them.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from typing import Any

from rmn_pipeline.cleanroom.audit import Decision


class Reconciliation:
    """Adds up what the log says was answered, then compares it with the tables."""

    def __init__(self) -> None:
        self._charged: Counter[str] = Counter()
        self._answers: dict[tuple[str, str], str] = {}

    def take(self, entry: dict[str, Any]) -> None:
        """Note one entry of the log."""
        if entry.get("decision") != Decision.ANSWERED.value:
            return
        dataset_id = entry["dataset_id"]
        self._charged[dataset_id] += entry["epsilon_micro"]
        if entry.get("release_key"):
            self._answers[dataset_id, entry["release_key"]] = entry["answer_sha256"]

    def compare(self, connection: sqlite3.Connection) -> tuple[str, ...]:
        """Every data set and stored answer that is not as the log tells."""
        accounts = dict(connection.execute("SELECT dataset_id, spent_micro FROM datasets"))
        released: Counter[str] = Counter()
        found: dict[tuple[str, str], str] = {}
        for dataset_id, key, epsilon_micro, payload in connection.execute(
            "SELECT dataset_id, release_key, CAST(epsilon_micro AS INTEGER), CAST(payload AS BLOB) FROM releases"
        ):
            released[dataset_id] += epsilon_micro
            found[dataset_id, key] = hashlib.sha256(bytes(payload)).hexdigest()
        wrong = [
            f"data set {name}: {self._charged[name]} micro-ε in the log, {accounts.get(name, 0)} in the account, "
            f"{released[name]} in stored answers"
            for name in sorted({*accounts, *self._charged, *released})
            if not self._charged[name] == accounts.get(name, 0) == released[name]
        ]
        wrong += [
            f"data set {name}: stored answer {key[:12]} is not the one that was given"
            for (name, key), answer in sorted(self._answers.items())
            if found.get((name, key)) != answer
        ]
        return tuple(wrong)
