"""The clean room itself: the one door between an analyst and a retailer's customer-level log."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import polars as pl

from rmn_pipeline.cleanroom.audit import AuditEntry, AuditVerdict, Decision
from rmn_pipeline.cleanroom.bounding import BoundedLog, Events
from rmn_pipeline.cleanroom.enforcement import NoisyCells, privatize
from rmn_pipeline.cleanroom.errors import CleanRoomError, ErrorCode
from rmn_pipeline.cleanroom.ledger import Account, Ledger, StoredRelease
from rmn_pipeline.cleanroom.policy import MICRO, CleanRoomPolicy
from rmn_pipeline.cleanroom.request import Domains, PermittedRequest, parse_request


@dataclass(frozen=True)
class CleanRoomResult:
    """An answer.

    `rows` holds the cells above the threshold: dimensions, metrics (revenue and cost in USD) and `<metric>_error95`.
    Values are unbiased for the bounded log and may therefore be negative. Cells below the threshold, empty ones
    included, are only counted: `suppressed_cells`.
    """

    rows: pl.DataFrame
    #: 95 % bound of the noise in each value, per metric; it does not cover what contribution bounding cuts off.
    error_bounds: dict[str, float]
    suppressed_cells: int
    #: ε charged by this very call: 0 if the answer was stored.
    epsilon_spent: float
    #: ε that was charged when the answer was first given.
    release_epsilon: float
    blocked_fields: tuple[str, ...]


class CleanRoom:
    """Answers permitted requests about one data set, within its privacy budget.

    `events` is the retailer's customer-level log: a Polars frame, a Parquet file or a glob. `sku_ids` is the declared
    key domain of `sku_id` where the policy says `catalogue`. `dataset_id` names the *people* in the log: whoever
    opens a room over the same people must use the same id and the same ledger, or the budget means nothing.
    """

    def __init__(
        self,
        events: Events,
        policy: CleanRoomPolicy,
        *,
        ledger: Path | str,
        sku_ids: Sequence[str] | None = None,
        dataset_id: str | None = None,
    ) -> None:
        self.policy = policy
        self.dataset_id = dataset_id or policy.retailer_id
        self._domains = Domains.of(policy, sku_ids)
        self._ledger = Ledger(ledger)
        self._log = BoundedLog(events, policy, self._domains, self._ledger.open_dataset(self.dataset_id))

    def query(self, request: object, *, analyst: str = "analyst") -> CleanRoomResult:
        """Answer a structured request `{dimensions, metrics, filters, epsilon}` or raise `CleanRoomError`.

        Filters are `{"date": {"from": day, "to": day}}`, both ends included, and lists of declared values. A request
        that was answered before, in whatever order or spelling, is served the same answer at no charge.
        """
        try:
            permitted = parse_request(request, self.policy, self._domains)
            release = self._answer(permitted, analyst)
        except CleanRoomError as refusal:
            self._ledger.log(self._refusal(request, analyst, refusal.code))
            raise
        return self._result(release)

    def account(self) -> Account:
        """The data set's budget account."""
        return self._ledger.account(self.dataset_id)

    def remaining_epsilon(self) -> float:
        """ε that is left for requests not answered before."""
        return max(0, self.policy.epsilon_total_micro - self.account().spent_micro) / MICRO

    def verify_audit(self, expected_head: str | None = None) -> AuditVerdict:
        """Check the audit log's hash chain."""
        return self._ledger.verify_audit(expected_head)

    def close(self) -> None:
        """Forget the data; the ledger stays."""
        self._log.close()

    def __enter__(self) -> CleanRoom:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answer(self, permitted: PermittedRequest, analyst: str) -> StoredRelease:
        canonical, key = permitted.canonical_json(), self._release_key(permitted)
        stored = self._ledger.serve_stored(
            key, AuditEntry(self.dataset_id, analyst, Decision.SERVED_STORED, canonical, 0)
        )
        if stored is not None:
            return stored
        # Refuse before the data is touched, so that the timing of a refusal cannot depend on it.
        if self.account().spent_micro + permitted.epsilon_micro > self.policy.epsilon_total_micro:
            raise CleanRoomError(ErrorCode.PRIVACY_BUDGET_EXHAUSTED)
        noisy = privatize(self._log.aggregate(permitted), permitted, self.policy, self._domains)
        return self._ledger.charge(
            key,
            _pack(noisy),
            AuditEntry(self.dataset_id, analyst, Decision.ANSWERED, canonical, permitted.epsilon_micro),
            self.policy.epsilon_total_micro,
        )

    def _release_key(self, permitted: PermittedRequest) -> str:
        """The identity of a release: the request, and everything else that its numbers depend on."""
        terms = [
            permitted.canonical_json(),
            json.dumps(self.policy.privacy_terms(), sort_keys=True),
            self._domains.digest(),
            self._log.fingerprint,
        ]
        return hashlib.sha256("\n".join(terms).encode()).hexdigest()

    def _refusal(self, request: object, analyst: str, code: ErrorCode) -> AuditEntry:
        fingerprint = hashlib.sha256(repr(request).encode("utf-8", "backslashreplace")).hexdigest()
        return AuditEntry(self.dataset_id, analyst, Decision.REFUSED, fingerprint, 0, code.value)

    def _result(self, release: StoredRelease) -> CleanRoomResult:
        noisy = _unpack(release.payload)
        return CleanRoomResult(
            rows=noisy.rows,
            error_bounds=noisy.error_bounds,
            suppressed_cells=noisy.suppressed_cells,
            epsilon_spent=release.epsilon_micro / MICRO if release.charged_now else 0.0,
            release_epsilon=release.epsilon_micro / MICRO,
            blocked_fields=tuple(self.policy.blocked_fields),
        )


def _pack(noisy: NoisyCells) -> bytes:
    buffer = io.BytesIO()
    noisy.rows.write_ipc(buffer, compression="zstd")
    terms = {"error_bounds": noisy.error_bounds, "suppressed_cells": noisy.suppressed_cells}
    return json.dumps(terms).encode() + b"\n" + buffer.getvalue()


def _unpack(payload: bytes) -> NoisyCells:
    head, _, body = payload.partition(b"\n")
    terms: dict[str, Any] = json.loads(head)
    return NoisyCells(pl.read_ipc(io.BytesIO(body)), terms["error_bounds"], terms["suppressed_cells"])
