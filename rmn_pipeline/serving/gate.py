"""The way of a request through the house: whose key, how often, how much at once, what it may reach."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from rmn_pipeline.serving.access import RateLimiter, may_ask
from rmn_pipeline.serving.engine import Ask, Engine, UnknownCompositionError
from rmn_pipeline.serving.refusals import RefusalError, forbidden
from rmn_pipeline.serving.settings import RuntimeSettings, Tenant
from rmn_pipeline.serving.telemetry import Telemetry


class Gate:
    """Lets requests in, or refuses them with a reason that gives nothing away."""

    def __init__(self, settings: RuntimeSettings, engine: Engine, telemetry: Telemetry) -> None:
        self._settings = settings
        self._engine = engine
        self._telemetry = telemetry
        self._rates = RateLimiter()
        self._inside: Counter[str] = Counter()

    @property
    def pending(self) -> int:
        """Requests that were let in and are not yet answered."""
        return self._inside.total()

    def tenant(self, authorization: str | None) -> Tenant:
        """Whose key stands in the Authorization header; 401 without one."""
        scheme, _, key = (authorization or "").partition(" ")
        tenant = self._settings.tenant_of(key.strip()) if scheme.lower() == "bearer" else None
        if tenant is None:
            raise RefusalError(401, "invalid_api_key", "Send a valid key as 'Authorization: Bearer KEY'.")
        return tenant

    def check(self, tenant: Tenant, ask: Ask) -> None:
        """Raise where the request is too large or not the tenant's."""
        limits = self._settings.limits
        if not ask.prompt.strip():
            raise RefusalError(422, "empty_prompt", "There is no user message with text.")
        if len(ask.prompt) > limits.max_prompt_characters:
            text = f"The prompt is longer than {limits.max_prompt_characters} characters."
            raise RefusalError(422, "prompt_too_long", text)
        if not may_ask(tenant, ask, self._engine.adapters()):
            raise forbidden()
        try:
            self._engine.adapters_for(ask)
        except UnknownCompositionError as error:
            raise forbidden() from error

    @contextmanager
    def admitted(self, tenant: Tenant) -> Iterator[None]:
        """A place for the length of a block; 429 where the tenant asks too often or has too much under way."""
        if self._inside[tenant.tenant_id] >= tenant.max_pending:
            raise RefusalError(
                429, "too_many_pending", f"{tenant.max_pending} requests of this key are under way.", 1
            )
        wait = self._rates.seconds_to_wait(tenant)
        if wait > 0:
            text = f"This key may send {tenant.requests_per_minute} requests a minute."
            raise RefusalError(429, "rate_limited", text, wait)
        self._inside[tenant.tenant_id] += 1
        self._telemetry.pending(self.pending)
        try:
            yield
        finally:
            self._inside[tenant.tenant_id] -= 1
            self._telemetry.pending(self.pending)
