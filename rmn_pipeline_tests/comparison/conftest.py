from dataclasses import replace

import polars as pl
import pytest

from rmn_pipeline.comparison import ComparisonResult, compare
from rmn_pipeline.planning import Plan, PlanRequest
from rmn_pipeline_tests.comparison.simulated import SimulatedJudge, item, plan_of

SKUS = tuple(f"0000000000000{number}" for number in range(1, 5))


@pytest.fixture(scope="session")
def request_of_brand() -> PlanRequest:
    return PlanRequest(
        brand_id="brand_x",
        budget_usd=1000,
        weeks=26,
        objective="incremental_margin",
        min_roas=3.0,
        experiment_share=0.1,
        exclude_out_of_stock=True,
    )


@pytest.fixture(scope="session")
def judge() -> SimulatedJudge:
    """Products 1 and 2 sell alike, but 1 carries four times the margin of 2; 3 hardly responds; 4 is often gone."""
    return SimulatedJudge(
        true_iroas=dict(zip(SKUS, (4.0, 4.5, 2.0, 5.0), strict=True)),
        margin_rate=dict(zip(SKUS, (0.4, 0.1, 0.3, 0.3), strict=True)),
        out_of_stock_share={SKUS[3]: 0.5},
    )


@pytest.fixture(scope="session")
def plans(request_of_brand: PlanRequest) -> dict[str, Plan]:
    def plan(mode: str, *spend: float, forecast: float = 4.0) -> Plan:
        allocation = [
            item(
                sku,
                part * amount,
                part * amount * forecast,
                predicted_margin_usd=part * amount,
                purpose=purpose,
            )
            for sku, amount in zip(SKUS, spend, strict=False)
            if amount > 0
            for part, purpose in ((0.9, "working"), (0.1, "experiment"))
        ]
        withheld = mode == "clean_room"
        return plan_of(
            mode,
            allocation,
            request_of_brand,
            adapters_used=("task_planning",),
            blocked_fields=("margin", "stock_level") if withheld else (),
            notes=("margin withheld: assumed 0.34 of revenue",) if withheld else (),
        )

    return {
        "full_data": plan("full_data", 800, 200),
        "clean_room": plan("clean_room", 200, 500, 0, 300),
        "oracle": plan("oracle", 1000),
        "status_quo": plan("status_quo", 100, 200, 700),
        "equal_split": plan("equal_split", 250, 250, 250, 250),
    }


@pytest.fixture(scope="session")
def skus() -> pl.DataFrame:
    titles = ["Granola <Honey> & Oat", "Fruit Bar", "Cold Brew", "Sparkling"]
    lines = ["granola", "fruit_bars", "cold_brew", "sparkling"]
    return pl.DataFrame({"sku_id": SKUS, "title": titles, "line_id": lines})


@pytest.fixture(scope="session")
def availability() -> pl.DataFrame:
    return pl.DataFrame(
        {"retailer_id": ["alpha"] * 4, "sku_id": SKUS, "in_stock_probability": [1.0, 0.95, 0.9, 0.5]}
    )


@pytest.fixture(scope="session")
def result(
    plans: dict[str, Plan],
    judge: SimulatedJudge,
    request_of_brand: PlanRequest,
    skus: pl.DataFrame,
    availability: pl.DataFrame,
) -> ComparisonResult:
    return compare(
        brand_id="brand_x", plans=plans, judge=judge, request=request_of_brand, skus=skus,
        availability=availability, replicates=50, seed=7,
    )  # fmt: skip


@pytest.fixture(scope="session")
def certain(
    plans: dict[str, Plan],
    judge: SimulatedJudge,
    request_of_brand: PlanRequest,
    skus: pl.DataFrame,
    availability: pl.DataFrame,
) -> ComparisonResult:
    """The same market without luck: every number can be worked out by hand."""
    return compare(
        brand_id="brand_x", plans=plans, judge=replace(judge, noise=0.0), request=request_of_brand, skus=skus,
        availability=availability, replicates=50, seed=7,
    )  # fmt: skip
