"""Two tenants at once: no answer was made with the other's adapters."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path

import httpx

from rmn_pipeline.federation import Federation
from rmn_pipeline_tests.serving.conftest import KEYS, PLANTED, Client, question

REQUESTS_PER_TENANT = 1_000
BRANDS = {"agency_x": "brand_x", "agency_y": "brand_y"}


def test_a_thousand_interleaved_requests_of_two_tenants_never_cross(
    client_of: Client, federation: Federation, tmp_path: Path
) -> None:
    async def ask(client: httpx.AsyncClient, tenant: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {KEYS[tenant]}"}
        body = question(brand_id=BRANDS[tenant], max_tokens=8)
        return await client.post("/inference", json=body, headers=headers, timeout=300)

    async def work() -> list[tuple[str, httpx.Response]]:
        order = [tenant for _ in range(REQUESTS_PER_TENANT) for tenant in BRANDS]
        async with client_of(None) as client:
            responses = await asyncio.gather(*(ask(client, tenant) for tenant in order))
        return list(zip(order, responses, strict=True))

    answered = asyncio.run(work())
    assert len(answered) == 2 * REQUESTS_PER_TENANT
    for tenant, response in answered:
        assert response.status_code == 200, response.text
        body, brand = response.json(), BRANDS[tenant]
        assert body["adapters_used"] == ["industry_retail_media", f"manufacturer_{brand}"]
        assert body["text"] == PLANTED[brand]
    logged = [json.loads(line)["adapters"][-1] for line in (tmp_path / "composition.jsonl").open()]
    switches = sum(one != other for one, other in itertools.pairwise(logged))
    # They did take turns: batches of one composition, not first all of one tenant and then all of the other.
    assert switches > 20
