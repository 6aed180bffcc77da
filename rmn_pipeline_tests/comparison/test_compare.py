from dataclasses import dataclass, replace
from typing import Any

import polars as pl
import pytest

from rmn_pipeline.comparison import REQUIRED_PLANS, ComparisonError, ComparisonResult, compare
from rmn_pipeline.planning import Plan, PlanRequest
from rmn_pipeline_tests.comparison.simulated import SimulatedJudge, SimulatedJudgement


@pytest.fixture
def inputs(
    plans: dict[str, Plan], judge: SimulatedJudge, request_of_brand: PlanRequest, skus: pl.DataFrame
) -> dict[str, Any]:
    return {"brand_id": "brand_x", "plans": plans, "judge": judge, "request": request_of_brand, "skus": skus}


def test_full_data_wins_where_margins_differ_and_by_the_true_amount(result: ComparisonResult):
    # Truth: 1370 against 200×4×0.4 + 500×4.5×0.1 + 300×5×0.5×0.3 = 770.
    gap = result.differences["incremental_margin_usd"]
    assert result.verdict.winner == "full_data"
    assert gap.low <= 600 <= gap.high
    assert gap.excludes_zero and gap.favours == "full_data"
    assert gap.half_width < gap.unpaired_half_width


def test_the_clean_room_can_win_and_is_then_named(inputs: dict[str, Any], plans: dict[str, Plan]):
    swapped = {**plans, "full_data": plans["status_quo"], "clean_room": plans["oracle"]}
    verdict = compare(**{**inputs, "plans": swapped}).verdict
    assert verdict.winner == "clean_room"


def test_equal_plans_show_no_winner(inputs: dict[str, Any], plans: dict[str, Plan]):
    same = {**plans, "clean_room": plans["full_data"]}
    found = compare(**{**inputs, "plans": same})
    assert found.verdict.winner == "neither"
    assert all(gap.value == 0 and not gap.excludes_zero for gap in found.differences.values())


def test_every_metric_that_varies_has_a_paired_difference(result: ComparisonResult):
    assert set(result.differences) == set(result.metrics)
    for gap in result.differences.values():
        assert gap.low <= gap.value <= gap.high


def test_both_plans_are_held_against_every_reference(result: ComparisonResult):
    assert set(result.reference_differences) == {
        f"{mine}_minus_{other}"
        for mine in ("full_data", "clean_room")
        for other in ("oracle", "status_quo", "equal_split")
    }


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(
    inputs: dict[str, Any], result: ComparisonResult
):
    again = compare(**inputs, seed=7)
    other = compare(**inputs, seed=8)
    assert again.differences == result.differences
    assert other.differences != result.differences


def test_the_products_funded_most_differently_come_first(certain: ComparisonResult):
    first = certain.sku_shifts[0]
    assert first.title == "Granola <Honey> & Oat"
    assert first.spend_difference_usd == pytest.approx(600)
    assert first.margin_per_revenue == pytest.approx(0.4)


def test_budget_cells_add_up_to_the_spend(result: ComparisonResult):
    for mode in result.modes.values():
        assert sum(cell.spend_usd for cell in mode.budget) == pytest.approx(mode.realized.spend_usd.value)


def test_an_infeasible_plan_shows_its_reasons_and_no_numbers(inputs: dict[str, Any], plans: dict[str, Plan]):
    changes = {
        "status": "infeasible",
        "allocation": (),
        "infeasible_because": ("min_roas cannot be reached",),
    }
    stuck = {**plans, "clean_room": plans["clean_room"].model_copy(update=changes)}
    found = compare(**{**inputs, "plans": stuck})
    mode = found.modes["clean_room"]
    assert not mode.feasible
    assert mode.infeasible_because == ("min_roas cannot be reached",)
    assert (mode.predicted, mode.realized, mode.prediction, mode.regret) == (None, None, None, None)
    assert found.verdict.winner == "undecided"
    assert found.differences == {}
    assert found.modes["full_data"].realized is not None


def test_an_infeasible_oracle_leaves_regret_undefined(inputs: dict[str, Any], plans: dict[str, Plan]):
    stuck = {**plans, "oracle": plans["oracle"].model_copy(update={"status": "infeasible", "allocation": ()})}
    found = compare(**{**inputs, "plans": stuck})
    assert found.modes["full_data"].regret.regret is None
    assert found.verdict.winner == "full_data"


def test_a_plan_that_spends_nothing_without_saying_why_is_refused(
    inputs: dict[str, Any], plans: dict[str, Plan]
):
    idle = plans["status_quo"].model_copy(update={"allocation": ()})
    with pytest.raises(ComparisonError, match="spends nothing"):
        compare(**{**inputs, "plans": {**plans, "status_quo": idle}})


@pytest.mark.parametrize("mode", REQUIRED_PLANS)
def test_a_missing_plan_is_named(inputs: dict[str, Any], plans: dict[str, Plan], mode: str):
    with pytest.raises(ComparisonError, match=f"no plan for {mode}"):
        compare(**{**inputs, "plans": {key: plan for key, plan in plans.items() if key != mode}})


def test_plans_for_other_brands_or_weeks_are_refused(inputs: dict[str, Any], plans: dict[str, Plan]):
    foreign = {**plans, "oracle": plans["oracle"].model_copy(update={"brand_id": "brand_y"})}
    with pytest.raises(ComparisonError, match="'oracle' is for brand 'brand_y'"):
        compare(**{**inputs, "plans": foreign})
    shorter = {**plans, "oracle": plans["oracle"].model_copy(update={"weeks": 13})}
    with pytest.raises(ComparisonError, match="covers 13 weeks"):
        compare(**{**inputs, "plans": shorter})


def test_a_product_table_that_does_not_fit_is_refused(inputs: dict[str, Any], skus: pl.DataFrame):
    with pytest.raises(ComparisonError, match="lacks the column"):
        compare(**{**inputs, "skus": skus.drop("line_id")})
    with pytest.raises(ComparisonError, match="not in the product table"):
        compare(**{**inputs, "skus": skus.head(1)})
    with pytest.raises(ComparisonError, match="more than one row"):
        compare(**{**inputs, "skus": pl.concat([skus, skus])})


@dataclass(frozen=True)
class FaultyJudge:
    """Spoils what a sound judge returns."""

    sound: SimulatedJudge
    fault: str

    def realize(self, plan: Plan, *, replicates: int, seed: int) -> SimulatedJudgement:
        whole = self.sound.realize(plan, replicates=replicates, seed=seed)
        spoiled = {
            "totals": replace(whole, totals=whole.totals.with_columns(pl.col("spend_usd") * 2)),
            "column": replace(whole, arms=whole.arms.drop("conversions")),
            "replicate": replace(whole, totals=whole.totals.head(3)),
            "arm": replace(whole, arms=whole.arms.slice(1)),
            "number": replace(whole, arms=whole.arms.with_columns(pl.lit(float("nan")).alias("conversions"))),
        }
        return spoiled[self.fault]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("totals", "totals of spend_usd differ"),
        ("column", "lacks the column.* conversions"),
        ("replicate", "3 rows of totals for 50 replicates"),
        ("arm", "every arm in every replicate"),
        ("number", "not finite"),
    ],
)
def test_a_judgement_that_does_not_fit_is_refused(
    inputs: dict[str, Any], judge: SimulatedJudge, fault: str, message: str
):
    with pytest.raises(ComparisonError, match=message):
        compare(**{**inputs, "judge": FaultyJudge(judge, fault)})
