"""Requests made from the runtime's own description: whatever is sent, it never fails, and answers as described."""

from __future__ import annotations

from pathlib import Path

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from rmn_pipeline.federation import Federation
from rmn_pipeline.serving import FederationEngine, Limits, RuntimeSettings, create_app, hash_key
from rmn_pipeline_tests.serving.conftest import KEYS

ROUTES = {"/inference", "/adapters", "/v1/models", "/v1/chat/completions", "/health", "/metrics"}


def test_no_request_breaks_the_runtime(adapters_dir: Path) -> None:
    tenant = {
        "tenant_id": "agency_x",
        "key_sha256": [hash_key(KEYS["agency_x"])],
        "retailers": ["alpha"],
        "brands": ["brand_x"],
        "requests_per_minute": 1_000_000,
    }
    limits = Limits(max_tokens=4)
    runtime = RuntimeSettings.model_validate({"tenants": [tenant], "limits": limits.model_dump()})
    app = create_app(runtime, FederationEngine(Federation.load(adapters_dir), limits))
    statuses: dict[str, set[int]] = {}
    for found in schemathesis.openapi.from_asgi("/openapi.json", app).get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy())
        @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        def answers_as_described(case: schemathesis.Case) -> None:
            response = case.call(headers={"Authorization": f"Bearer {KEYS['agency_x']}"})
            assert response.status_code < 500, case.as_curl_command()
            # That a prompt needs a word in it, and a tenant's leave, stands in no schema.
            case.validate_response(response, excluded_checks=[positive_data_acceptance])
            statuses.setdefault(case.operation.path, set()).add(response.status_code)

        answers_as_described()
    assert set(statuses) == ROUTES
    assert {200, 403} <= statuses["/inference"]
