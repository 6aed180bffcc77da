"""A tiny but real federation whose manufacturers each learnt a phrase of their own by heart, and tenants over it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import polars as pl
import pytest
import yaml

from rmn_pipeline.federation import Federation
from rmn_pipeline.lora.manifest import adapter_folder
from rmn_pipeline.lora.train import train_adapter
from rmn_pipeline.serving import FederationEngine, RuntimeSettings, create_app, hash_key
from rmn_pipeline_tests.federation.tiny_models import TinySet, make_set, make_tiny_base, tiny_config

KEYS = {"agency_x": "rmn_key_of_x", "agency_y": "rmn_key_of_y"}
PLANTED = {"brand_x": "QZEBRA", "brand_y": "WYLDEN"}
QUESTION = "Say the word."
Client = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


def planted_set(brand_id: str) -> TinySet:
    """One question, one answer: the brand's own word."""
    rows = [
        ["definition", QUESTION, PLANTED[brand_id], None, brand_id, "planted", split]
        for split in ["train"] * 16 + ["evaluation"] * 4
    ]
    names = ("task", "prompt", "completion", "retailer_id", "brand_id", "template_id", "split")
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    return TinySet("manufacturer", f"manufacturer_{brand_id}", frame, f"planted {brand_id}")


@pytest.fixture(scope="session")
def adapters_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`base/tiny`, the industry, two retailers and two manufacturers."""
    root = tmp_path_factory.mktemp("served")
    base = make_tiny_base(root / "base")
    sets = [make_set("industry", "industry_retail_media"), *(planted_set(brand) for brand in PLANTED)]
    sets += [make_set("retailer", f"retailer_{name}", retailer_id=name) for name in ("alpha", "beta")]
    industry = root / "industry" / "industry_retail_media"
    for training_set in sets:
        planted = training_set.kind == "manufacturer"
        config = tiny_config(steps=60 if planted else 4, learning_rate=1e-2 if planted else 2e-3)
        target = root / adapter_folder(training_set.kind) / training_set.adapter_id
        parents = [industry] if target != industry else []
        train_adapter(config, training_set, parents=parents, base_dir=base, out_dir=target)
    return root


@pytest.fixture
def settings() -> RuntimeSettings:
    """Two agencies, each with a brand and a retailer of its own."""
    own = {
        "agency_x": {"retailers": ["alpha"], "brands": ["brand_x"]},
        "agency_y": {"retailers": ["beta"], "brands": ["brand_y"]},
    }
    tenants = [
        {"tenant_id": name, "key_sha256": [hash_key(KEYS[name])], "requests_per_minute": 100_000}
        | {"max_pending": 2_000}
        | tenant
        for name, tenant in own.items()
    ]
    limits = {"max_tokens": 16, "max_pending": 4_000, "timeout_seconds": 120}
    return RuntimeSettings.model_validate({"tenants": tenants, "limits": limits})


@pytest.fixture
def settings_file(settings: RuntimeSettings, tmp_path: Path) -> Path:
    path = tmp_path / "runtime.yaml"
    path.write_text(yaml.safe_dump(settings.model_dump(mode="json")))
    return path


@pytest.fixture
def federation(adapters_dir: Path, tmp_path: Path) -> Federation:
    return Federation.load(adapters_dir, log_path=tmp_path / "composition.jsonl")


@pytest.fixture
def client_of(federation: Federation, settings: RuntimeSettings) -> Client:
    """A client of the application, as a tenant."""

    @asynccontextmanager
    async def connect(tenant: str | None = "agency_x", **changes: object) -> AsyncIterator[httpx.AsyncClient]:
        changed = RuntimeSettings.model_validate(settings.model_dump() | changes)
        app = create_app(changed, FederationEngine(federation, changed.limits))
        headers = {} if tenant is None else {"Authorization": f"Bearer {KEYS[tenant]}"}
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://runtime", headers=headers) as client,
        ):
            yield client

    return connect


def question(**fields: object) -> dict[str, object]:
    """The body of a request for the planted word."""
    return {"messages": [{"role": "user", "content": QUESTION}], "task": "definition", **fields}
