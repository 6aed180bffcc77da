"""The clean room itself: the one door between an analyst and a retailer's customer-level log."""

from __future__ import annotations

import datetime
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import polars as pl

from rmn_pipeline.cleanroom.audit import AuditEntry, AuditVerdict, Decision
from rmn_pipeline.cleanroom.bounded_log import BoundedLog, Events
from rmn_pipeline.cleanroom.enforcement import NoisyCells, privatize
from rmn_pipeline.cleanroom.errors import CleanRoomError, ErrorCode
from rmn_pipeline.cleanroom.layout import Layout
from rmn_pipeline.cleanroom.ledger import Account, Ledger, NewRelease, StoredRelease
from rmn_pipeline.cleanroom.policy import MICRO, CleanRoomPolicy
from rmn_pipeline.cleanroom.request import Domains, PermittedRequest, Question, understand

MAX_ANALYST_CHARACTERS = 200


@dataclass(frozen=True)
class CleanRoomResult:
    """An answer.

    `rows` holds the cells above the threshold: dimensions, metrics (revenue and cost in USD) and `<metric>_error95`.
    Values are unbiased for the bounded log and may therefore be negative. Cells below the threshold, empty ones
    included, are only counted: `suppressed_cells`. An answer to SQL has the labels and the order of the statement.
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
    #: Whom ε protects. A record-level answer promises nothing about a person.
    privacy_unit: Literal["customer", "record"]
    policy_version: int
    #: The days that the answer is about.
    first_day: datetime.date
    last_day: datetime.date
    #: When the answer was computed, ISO 8601 UTC; empty for answers of the ledger's first version.
    answered_at: str
    #: An earlier answer of the same shape, given because the budget does not cover a new one.
    is_stale: bool = False
    #: What a reader must know about the guarantee: record level, a refreshed budget, staleness.
    notices: tuple[str, ...] = ()


class CleanRoom:
    """Answers permitted requests about one data set, within its privacy budget.

    `events` is the retailer's customer-level log: a Polars frame, a Parquet file or a glob. `sku_ids` is the declared
    key domain of `sku_id` where the policy says `catalogue`. `dataset_id` names the *people* in the log: whoever
    opens a room over the same people must use the same id and the same ledger, or the budget means nothing. `today`
    tells the budget period under a refresh rule.
    """

    def __init__(
        self,
        events: Events,
        policy: CleanRoomPolicy,
        *,
        ledger: Path | str,
        sku_ids: Sequence[str] | None = None,
        dataset_id: str | None = None,
        today: Callable[[], datetime.date] = lambda: datetime.datetime.now(datetime.UTC).date(),
    ) -> None:
        self.policy = policy
        name = dataset_id or policy.retailer_id
        # ε of a record and ε of a customer do not add up to anything: one account per privacy unit.
        self.dataset_id = name if policy.contribution_unit == "customer" else f"{name}#record"
        self._today = today
        self._domains = Domains.of(policy, sku_ids)
        self._ledger = Ledger(ledger)
        self._log = BoundedLog(events, policy, self._domains, self._ledger.open_dataset(self.dataset_id))

    def query(self, request: object, *, analyst: str = "analyst") -> CleanRoomResult:
        """Answer a request or raise `CleanRoomError`.

        A request is structured, `{dimensions, metrics, filters, epsilon}`, or SQL: one SELECT, bare or as
        `{"sql": SELECT, "epsilon": ε}`. Filters of a structured request are `{"date": {"from": day, "to": day}}`, both
        ends included, and lists of declared values. A request that was answered before, in whatever order or
        spelling, is served the same answer at no charge.
        """
        return self._audited(request, analyst, self._answer)

    def latest(self, request: object, *, analyst: str = "analyst") -> CleanRoomResult:
        """The last answer that was given to a request of this shape, whatever its days, its ε and the log's state then.

        It costs nothing, says `is_stale`, and carries the days that it is about. The request must be permitted by
        today's policy, and privacy terms that changed since leave nothing to serve.

        Raises:
            CleanRoomError: a refused request; PRIVACY_BUDGET_EXHAUSTED where there is no such answer.
        """
        return self._audited(request, analyst, self._earlier)

    def covers(self, requests: Iterable[object]) -> bool:
        """Whether the budget covers all these requests together; what was answered before costs nothing.

        Raises:
            CleanRoomError: one of them is not permitted at all.
        """
        needed: dict[str, int] = {}
        for request in requests:
            permitted = understand(request, self.policy, self._domains).permitted
            key = self._release_key(permitted)
            if self._ledger.find(self.dataset_id, key, self._period())[0] is None:
                needed[key] = permitted.epsilon_micro
        return self.account().spent_micro + sum(needed.values()) <= self.policy.epsilon_total_micro

    def canonical_key(self, request: object) -> str:
        """The identity of a request's release: equal for requests that mean the same; raise `CleanRoomError`."""
        return self._release_key(understand(request, self.policy, self._domains).permitted)

    def prepare(self) -> None:
        """Read and bound the log now rather than with the first new answer."""
        self._log.prepare()

    def account(self) -> Account:
        """The data set's budget account, as of the current period."""
        return self._ledger.account(self.dataset_id, self._period())

    def remaining_epsilon(self) -> float:
        """ε that is left for requests not answered before."""
        return max(0, self.policy.epsilon_total_micro - self.account().spent_micro) / MICRO

    def verify_audit(self, expected_head: str | None = None) -> AuditVerdict:
        """Check the audit log's hash chain, and the accounts and stored answers against it."""
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

    def _audited(
        self, request: object, analyst: str, answer: Callable[[Question, str], CleanRoomResult]
    ) -> CleanRoomResult:
        who = analyst[:MAX_ANALYST_CHARACTERS]
        try:
            return answer(understand(request, self.policy, self._domains), who)
        except CleanRoomError as refusal:
            self._ledger.log(self._entry(who, Decision.REFUSED, _fingerprint(request), code=refusal.code))
            raise

    def _answer(self, question: Question, analyst: str) -> CleanRoomResult:
        permitted = question.permitted
        key = self._release_key(permitted)
        stored, spent_micro = self._ledger.find(self.dataset_id, key, self._period())
        if stored is not None:
            self._ledger.log(self._entry(analyst, Decision.SERVED_STORED, permitted.canonical_json()))
            return self._result(stored, permitted, question.layout)
        # Refuse before the data is touched, so that the timing of a refusal cannot depend on it.
        if spent_micro + permitted.epsilon_micro > self.policy.epsilon_total_micro:
            raise CleanRoomError(ErrorCode.PRIVACY_BUDGET_EXHAUSTED)
        noisy = privatize(self._log.aggregate(permitted), permitted, self.policy, self._domains)
        release = self._ledger.charge(
            NewRelease(
                key=key,
                payload=_pack(noisy),
                request=permitted.canonical_json(),
                shape=permitted.shape_json(),
                terms=self._terms_digest(),
                period=self._period(),
            ),
            self._entry(
                analyst, Decision.ANSWERED, permitted.canonical_json(), epsilon_micro=permitted.epsilon_micro
            ),
            self.policy.epsilon_total_micro,
        )
        return self._result(release, permitted, question.layout)

    def _earlier(self, question: Question, analyst: str) -> CleanRoomResult:
        shape = question.permitted.shape_json()
        release = self._ledger.latest(self.dataset_id, shape, self._terms_digest())
        if release is None:
            raise CleanRoomError(ErrorCode.PRIVACY_BUDGET_EXHAUSTED)
        self._ledger.log(self._entry(analyst, Decision.SERVED_EARLIER, release.request))
        return self._result(release, question.permitted, question.layout, is_stale=True)

    def _period(self) -> str:
        refresh = self.policy.budget_refresh
        return refresh.period(self._today()) if refresh is not None else ""

    def _terms_digest(self) -> str:
        return hashlib.sha256(json.dumps(self.policy.privacy_terms(), sort_keys=True).encode()).hexdigest()

    def _release_key(self, permitted: PermittedRequest) -> str:
        """The identity of a release: the request, and everything else that its numbers depend on."""
        terms = [
            permitted.canonical_json(),
            json.dumps(self.policy.privacy_terms(), sort_keys=True),
            self._domains.digest(),
            self._log.fingerprint,
        ]
        return hashlib.sha256("\n".join(terms).encode()).hexdigest()

    def _entry(
        self,
        analyst: str,
        decision: Decision,
        request: str,
        *,
        epsilon_micro: int = 0,
        code: ErrorCode | None = None,
    ) -> AuditEntry:
        return AuditEntry(
            dataset_id=self.dataset_id,
            analyst=analyst,
            decision=decision,
            request=request,
            epsilon_micro=epsilon_micro,
            error_code=code.value if code is not None else None,
            policy_version=self.policy.version,
        )

    def _result(
        self,
        release: StoredRelease,
        permitted: PermittedRequest,
        layout: Layout | None,
        *,
        is_stale: bool = False,
    ) -> CleanRoomResult:
        noisy = _unpack(release.payload)
        first, last = permitted.first_day, permitted.last_day
        notices = self.policy.notices
        if is_stale:
            first, last = (
                datetime.date.fromisoformat(day) for day in json.loads(release.request)["filters"]["date"]
            )
            notices = (*notices, _STALE_NOTICE.format(on=release.answered_at[:10], first=first, last=last))
        return CleanRoomResult(
            rows=layout.arrange(noisy.rows) if layout is not None else noisy.rows,
            error_bounds=noisy.error_bounds,
            suppressed_cells=noisy.suppressed_cells,
            epsilon_spent=release.epsilon_micro / MICRO if release.charged_now else 0.0,
            release_epsilon=release.epsilon_micro / MICRO,
            blocked_fields=tuple(self.policy.blocked_fields),
            privacy_unit=self.policy.contribution_unit,
            policy_version=self.policy.version,
            first_day=first,
            last_day=last,
            answered_at=release.answered_at,
            is_stale=is_stale,
            notices=notices,
        )


_STALE_NOTICE = (
    "The privacy budget does not cover a new answer: this one was computed on {on} and is about the days "
    "{first} to {last}."
)


def _fingerprint(request: object) -> str:
    """A refused request in the audit log: it can be recognized by who has it, and not be read."""
    try:
        text = request if isinstance(request, str) else repr(request)
    except RecursionError:
        text = f"{type(request).__name__} nested too deeply"
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def _pack(noisy: NoisyCells) -> bytes:
    buffer = io.BytesIO()
    noisy.rows.write_ipc(buffer, compression="zstd")
    terms = {"error_bounds": noisy.error_bounds, "suppressed_cells": noisy.suppressed_cells}
    return json.dumps(terms).encode() + b"\n" + buffer.getvalue()


def _unpack(payload: bytes) -> NoisyCells:
    head, _, body = payload.partition(b"\n")
    terms: dict[str, Any] = json.loads(head)
    return NoisyCells(pl.read_ipc(io.BytesIO(body)), terms["error_bounds"], terms["suppressed_cells"])
