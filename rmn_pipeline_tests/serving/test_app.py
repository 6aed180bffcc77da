"""The routes: answers, refusals, limits, what is logged."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from rmn_pipeline.lora.prompts import TASKS
from rmn_pipeline.serving import RuntimeSettings
from rmn_pipeline.serving.messages import InferenceRequest
from rmn_pipeline_tests.serving.conftest import KEYS, PLANTED, QUESTION, Client, question


def run(work: Any) -> Any:
    return asyncio.run(work)


def test_the_wire_knows_every_task() -> None:
    assert InferenceRequest.model_json_schema()["properties"]["task"]["enum"] == list(TASKS)


def test_an_answer_says_what_made_it(client_of: Client) -> None:
    async def work() -> None:
        async with client_of() as client:
            response = await client.post("/inference", json=question(brand_id="brand_x"))
        assert response.status_code == 200, response.text
        body = response.json()
        assert body["text"] == PLANTED["brand_x"]
        assert body["adapters_used"] == ["industry_retail_media", "manufacturer_brand_x"]
        assert body["needs_confirmation"] == []
        assert (
            body["usage"]["total_tokens"]
            == body["usage"]["prompt_tokens"] + body["usage"]["completion_tokens"]
        )

    run(work())


@pytest.mark.parametrize(
    "wanted",
    [
        {"brand_id": "brand_y"},
        {"brand_id": "brand_nobody"},
        {"retailer_id": "beta"},
        {"retailer_id": "nowhere"},
        {"adapters": ["manufacturer_brand_y"]},
        {"adapters": ["manufacturer_brand_nobody"]},
        {"adapters": ["manufacturer_brand_x"], "mode": "clean_room"},
    ],
)
def test_what_is_anothers_and_what_is_nobodys_get_the_same_answer(
    client_of: Client, wanted: dict[str, Any]
) -> None:
    async def work() -> None:
        async with client_of() as client:
            response = await client.post("/inference", json=question(**wanted))
        assert response.status_code == 403
        assert response.json()["error"]["message"] == "This key may not use that composition."

    run(work())


def test_lists_show_a_tenant_its_own(client_of: Client) -> None:
    async def work() -> None:
        async with client_of("agency_y") as client:
            adapters = {item["adapter_id"] for item in (await client.get("/adapters")).json()}
            models = {item["id"] for item in (await client.get("/v1/models")).json()["data"]}
        assert adapters == {"industry_retail_media", "retailer_beta", "manufacturer_brand_y"}
        assert {"planning", "creative@beta", "definition@beta+brand_y", "planning@+brand_y"} <= models
        assert not any("brand_x" in name or "alpha" in name for name in models)

    run(work())


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic " + KEYS["agency_x"], "Bearer"])
def test_without_a_valid_key_nothing_is_told(client_of: Client, header: str | None) -> None:
    async def work() -> None:
        async with client_of(None) as client:
            headers = {} if header is None else {"Authorization": header}
            for path in ("/adapters", "/v1/models"):
                response = await client.get(path, headers=headers)
                assert response.status_code == 401
                assert response.headers["www-authenticate"] == "Bearer"
            assert (await client.get("/health")).json() == {"status": "ok", "pending": 0}

    run(work())


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (question(max_tokens=0), "max_tokens: Input should be greater"),
        (question(task="planing"), "task: Input should be 'mapping'"),
        (question(temperature=float("inf")), "temperature"),
        ({**question(), "messages": []}, "messages: List should have at least 1 item"),
        ({**question(), "messages": [{"role": "user", "content": "\ud800"}]}, "surrogate"),
        ({**question(), "messages": [{"role": "user", "content": "  "}]}, "no user message"),
        ({**question(), "messages": [{"role": "user", "content": "long " * 1000}]}, "the prompt takes"),
        (question(colour="red"), "colour: Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_answered_is_said_clearly(client_of: Client, body: dict[str, Any], told: str) -> None:
    async def work() -> None:
        async with client_of() as client:
            content = json.dumps(body).encode()
            response = await client.post(
                "/inference", content=content, headers={"Content-Type": "application/json"}
            )
        assert response.status_code == 422
        assert told in response.json()["error"]["message"]

    run(work())


def test_a_temperature_next_to_nothing_is_greedy(client_of: Client) -> None:
    async def work() -> None:
        async with client_of() as client:
            response = await client.post("/inference", json=question(brand_id="brand_x", temperature=5e-324))
        assert response.json()["text"] == PLANTED["brand_x"]

    run(work())


def test_a_body_above_the_limit_is_refused(client_of: Client) -> None:
    async def work() -> None:
        async with client_of() as client:
            response = await client.post("/inference", content=b"x" * 70_000)
        assert response.status_code == 413

    run(work())


def test_too_many_requests_are_told_when_to_come_back(client_of: Client, settings: RuntimeSettings) -> None:
    slow = [tenant.model_dump() | {"requests_per_minute": 4} for tenant in settings.tenants]

    async def work() -> None:
        async with client_of(tenants=slow) as client:
            first = await client.post("/inference", json=question())
            second = await client.post("/inference", json=question())
        assert (first.status_code, second.status_code) == (200, 429)
        assert 1 <= int(second.headers["retry-after"]) <= 15

    run(work())


def test_overload_sheds_and_says_when_to_come_back(client_of: Client) -> None:
    async def work() -> None:
        async with client_of(limits={"max_pending": 3, "max_tokens": 16, "timeout_seconds": 60}) as client:
            responses = await asyncio.gather(
                *(client.post("/inference", json=question(temperature=0.5)) for _ in range(12))
            )
        statuses = [response.status_code for response in responses]
        assert set(statuses) == {200, 503}
        assert statuses.count(200) >= 3
        assert all("retry-after" in response.headers for response in responses if response.status_code == 503)

    run(work())


def test_the_log_names_the_composition_and_not_the_prompt(
    client_of: Client, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> str:
        async with client_of() as client:
            await client.post("/inference", json=question(brand_id="brand_x"))
            return (await client.get("/metrics")).text

    with caplog.at_level(logging.INFO, logger="rmn_pipeline.serving"):
        metrics = run(work())
    record = json.loads(caplog.messages[0])
    assert record["tenant"] == "agency_x"
    assert record["adapters"] == ["industry_retail_media", "manufacturer_brand_x"]
    assert QUESTION not in caplog.text
    assert PLANTED["brand_x"] not in caplog.text
    assert 'rmn_requests_total{route="/inference",status="200"} 1.0' in metrics
    assert "agency" not in metrics


def test_prompts_are_logged_where_that_is_switched_on(
    client_of: Client, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        async with client_of(log_prompts=True) as client:
            await client.post("/inference", json=question())

    with caplog.at_level(logging.INFO, logger="rmn_pipeline.serving"):
        run(work())
    assert json.loads(caplog.messages[0])["prompt"] == QUESTION
