"""Requests made from the runtime's own description: whatever is sent, it never fails, and answers as described."""

from __future__ import annotations

from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from rmn_pipeline.federation import Federation
from rmn_pipeline.serving import FederationEngine, Limits, RuntimeSettings, create_app, hash_key
from rmn_pipeline_tests.serving.conftest import KEYS


@pytest.fixture(scope="module")
def described(adapters_dir: Path) -> object:
    tenant = {
        "tenant_id": "agency_x",
        "key_sha256": [hash_key(KEYS["agency_x"])],
        "retailers": ["alpha"],
        "brands": ["brand_x"],
        "requests_per_minute": 1_000_000,
    }
    runtime = RuntimeSettings.model_validate({"tenants": [tenant], "limits": {"max_tokens": 4}})
    engine = FederationEngine(
        Federation.load(
            adapters_dir,
        ),
        Limits(max_tokens=4),
    )
    return schemathesis.openapi.from_asgi("/openapi.json", create_app(runtime, engine))


schema = schemathesis.pytest.from_fixture("described")


@schema.parametrize()
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_request_breaks_the_runtime(case: schemathesis.Case) -> None:
    case.headers = {**(case.headers or {}), "Authorization": f"Bearer {KEYS['agency_x']}"}
    response = case.call()
    assert response.status_code < 500, (case.as_curl_command(), response.text)
    case.validate_response(response)
