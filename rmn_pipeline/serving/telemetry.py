"""What operators see: one JSON line per request, and Prometheus metrics. No prompt, no tenant in the metrics."""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

LOGGER = logging.getLogger("rmn_pipeline.serving")


class Telemetry:
    """Counts and logs of one application."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "rmn_requests", "Requests by route and status.", ["route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "rmn_request_seconds",
            "Time from acceptance to the last byte.",
            ["route"],
            buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
            registry=self._registry,
        )
        self._tokens = Counter("rmn_tokens", "Tokens by direction.", ["direction"], registry=self._registry)
        self._pending = Gauge("rmn_pending_requests", "Requests that wait or run.", registry=self._registry)

    def finished(self, route: str, status: int, started: float, **fields: Any) -> None:
        """Count and log a request."""
        seconds = time.monotonic() - started
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)
        record = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "route": route,
            "status": status,
            "seconds": round(seconds, 4),
            **{name: value for name, value in fields.items() if value is not None},
        }
        LOGGER.info(json.dumps(record, ensure_ascii=False))

    def tokens(self, prompt: int, completion: int) -> None:
        """Count an answer's tokens."""
        self._tokens.labels("prompt").inc(prompt)
        self._tokens.labels("completion").inc(completion)

    def pending(self, count: int) -> None:
        """Set how many requests are in the house."""
        self._pending.set(count)

    def exposition(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self._registry)
