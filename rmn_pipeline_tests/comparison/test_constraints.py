from collections.abc import Mapping

import numpy as np
import polars as pl
import pytest

from rmn_pipeline.comparison import ComparisonResult, compare
from rmn_pipeline.comparison.result import ConstraintCheck, ModeResult
from rmn_pipeline.planning import Plan, PlanRequest
from rmn_pipeline_tests.comparison.conftest import SKUS
from rmn_pipeline_tests.comparison.simulated import SimulatedJudge, item, plan_of


def broken(mode: ModeResult) -> dict[str, ConstraintCheck]:
    return {check.constraint: check for check in mode.constraint_violations}


def compared(
    plans: Mapping[str, Plan], judge: SimulatedJudge, skus: pl.DataFrame, request: PlanRequest
) -> ComparisonResult:
    return compare(
        brand_id="brand_x", plans=plans, judge=judge, request=request, skus=skus, replicates=50, seed=7
    )


def test_a_realized_roas_below_the_brief_is_listed_with_its_amount_and_frequency(result: ComparisonResult):
    # Status quo: 100 × 4 + 200 × 4.5 + 700 × 2 = 2700 on 1000 USD, against at least 3.0 asked.
    check = broken(result.modes["status_quo"])["min_roas"]
    assert check.limit == 3.0
    assert check.realized == pytest.approx(2.7, abs=0.15)
    assert check.shortfall == pytest.approx(3.0 - check.realized)
    assert 0.5 < check.share_of_replicates_violated <= 1.0
    assert check.worst_shortfall > check.shortfall


def test_a_limit_kept_on_average_still_shows_how_often_it_was_broken(result: ComparisonResult):
    kept = {check.constraint: check for check in result.modes["equal_split"].constraints_kept}["min_roas"]
    assert kept.shortfall == 0
    assert 0 < kept.share_of_replicates_violated < 0.6


def test_money_on_products_out_of_stock_when_planning_breaks_the_exclusion(result: ComparisonResult):
    check = broken(result.modes["clean_room"])["exclude_out_of_stock"]
    assert check.shortfall == pytest.approx(300)
    assert "exclude_out_of_stock" not in broken(result.modes["full_data"])


def test_a_sold_out_product_counts_as_out_of_stock(
    plans: dict[str, Plan], judge: SimulatedJudge, skus: pl.DataFrame, request_of_brand: PlanRequest
) -> None:
    stock = pl.DataFrame({"retailer_id": ["alpha"], "sku_id": SKUS[:1], "in_stock_probability": [0.9]})
    outcome = compare(
        brand_id="brand_x", plans=plans, judge=judge, request=request_of_brand, skus=skus,
        availability=stock.with_columns(stock_units=0.0), replicates=50, seed=7,
    )  # fmt: skip
    assert broken(outcome.modes["full_data"])["exclude_out_of_stock"].shortfall == pytest.approx(800)


def test_the_oracle_owes_no_experiments(
    plans: dict[str, Plan], judge: SimulatedJudge, skus: pl.DataFrame, request_of_brand: PlanRequest
) -> None:
    without = plan_of("oracle", [item(SKUS[0], 1000, 4000)], request_of_brand)
    idle = plan_of("status_quo", [item(SKUS[0], 1000, 4000)], request_of_brand)
    modes = compared({**plans, "oracle": without, "status_quo": idle}, judge, skus, request_of_brand).modes
    assert "experiment_share" not in broken(modes["oracle"])
    assert broken(modes["status_quo"])["experiment_share"].shortfall == pytest.approx(0.1)


def test_every_limit_of_the_brief_is_checked(
    plans: dict[str, Plan], judge: SimulatedJudge, skus: pl.DataFrame
) -> None:
    strict = PlanRequest(
        brand_id="brand_x", budget_usd=900, weeks=26, max_cpa=2.0, experiment_share=0.2,
        max_retailer_share=0.5, retailers=["beta"], placements=["home"], include_lines=["granola"],
    )  # fmt: skip
    checks = broken(compared(plans, judge, skus, strict).modes["full_data"])
    assert checks["budget"].shortfall == pytest.approx(100)
    assert checks["max_cpa"].shortfall == pytest.approx(1000 / (4100 / 12.5) - 2.0, abs=0.2)
    assert checks["experiment_share"].shortfall == pytest.approx(0.1)
    assert checks["max_retailer_share"].scope == "alpha"
    assert checks["max_retailer_share"].shortfall == pytest.approx(1000 / 900 - 0.5)
    assert checks["retailers"].shortfall == pytest.approx(1000)
    assert checks["placements"].shortfall == pytest.approx(1000)
    assert checks["include_lines"].shortfall == pytest.approx(200)


def test_attributed_basis_is_held_against_attributed_revenue(
    plans: dict[str, Plan], judge: SimulatedJudge, skus: pl.DataFrame
) -> None:
    request = PlanRequest(
        brand_id="brand_x", budget_usd=1000, weeks=26, min_roas=3.0, roas_basis="attributed"
    )
    kept = compared(plans, judge, skus, request).modes["status_quo"].constraints_kept
    check = next(check for check in kept if check.constraint == "min_roas (attributed)")
    assert check.realized == pytest.approx(1.4 * 2.7, abs=0.2)


def test_excluded_lines_and_exact_limits_are_told_apart(
    plans: dict[str, Plan], judge: SimulatedJudge, skus: pl.DataFrame
) -> None:
    request = PlanRequest(
        brand_id="brand_x", budget_usd=1000, weeks=26, exclude_lines=["fruit_bars"], max_retailer_share=1.0
    )
    allocation = [item(SKUS[0], part, 4 * part) for part in np.full(3, 1000 / 3)]
    changed = {**plans, "full_data": plan_of("full_data", allocation, request)}
    outcome = compared(changed, judge, skus, request)
    assert broken(outcome.modes["full_data"]) == {}
    assert broken(outcome.modes["clean_room"])["exclude_lines"].shortfall == pytest.approx(500)
