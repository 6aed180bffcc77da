"""Who may use what, and how often."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from rmn_pipeline.serving.engine import AdapterInfo, Ask
from rmn_pipeline.serving.settings import Tenant


def may_use(tenant: Tenant, adapter: AdapterInfo) -> bool:
    """Industry and task adapters are everybody's; those of a retailer or a manufacturer are their tenants'."""
    if adapter.kind == "retailer":
        return adapter.subject_id in tenant.retailers
    if adapter.kind == "manufacturer":
        return adapter.subject_id in tenant.brands
    return True


def may_ask(tenant: Tenant, ask: Ask, adapters: Iterable[AdapterInfo]) -> bool:
    """Whether a tenant may ask this at all. What is not there and what is another's give the same no."""
    if ask.retailer_id is not None and ask.retailer_id not in tenant.retailers:
        return False
    if ask.brand_id is not None and ask.brand_id not in tenant.brands:
        return False
    own = {adapter.adapter_id for adapter in adapters if may_use(tenant, adapter)}
    return ask.adapters is None or set(ask.adapters) <= own


@dataclass
class _Bucket:
    tokens: float
    filled_at: float


@dataclass
class RateLimiter:
    """A bucket per tenant that fills steadily and holds a quarter of a minute's requests, at least one."""

    clock: Callable[[], float] = time.monotonic
    _buckets: dict[str, _Bucket] = field(default_factory=dict)

    def seconds_to_wait(self, tenant: Tenant) -> float:
        """Takes one request from the tenant's bucket; where it is empty, takes none and says how long to wait."""
        per_second = tenant.requests_per_minute / 60
        size = max(1.0, tenant.requests_per_minute / 4)
        now = self.clock()
        bucket = self._buckets.setdefault(tenant.tenant_id, _Bucket(size, now))
        bucket.tokens = min(size, bucket.tokens + (now - bucket.filled_at) * per_second)
        bucket.filled_at = now
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / per_second
        bucket.tokens -= 1
        return 0.0
