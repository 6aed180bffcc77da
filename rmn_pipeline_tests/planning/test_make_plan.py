import time
from dataclasses import replace

import polars as pl
import pytest

from rmn_pipeline.planning import (
    Plan,
    PlanError,
    PlannerSettings,
    PlanningView,
    PlanRequest,
    baseline_plan,
    clean_room_view,
    fit_response,
    make_plan,
    oracle_plan,
)
from rmn_pipeline.planning.make_plan import STOCK_NOT_ENFORCEABLE
from rmn_pipeline_tests.planning.simulated import AUDIENCES, START, Simulated, released_cells, simulate

REQUEST = PlanRequest(brand_id="brand_x", budget_usd=600_000, weeks=10)


@pytest.fixture(scope="module")
def simulated() -> Simulated:
    return simulate(0)


def asked(**changes: object) -> PlanRequest:
    return PlanRequest.model_validate(REQUEST.model_dump() | changes)


def planned(view: PlanningView, **changes: object) -> Plan:
    return make_plan(asked(**changes), view, start_date=START)


def clean(view: PlanningView, audiences: bool = True) -> PlanningView:
    cells, audience_cells = released_cells(view, 50.0)
    return clean_room_view(
        cells,
        audience_cells if audiences else None,
        view.skus.drop("margin_rate", "price_usd"),
        view.incrementality,
        "brand_x",
        0.34,
        ("margin", "stock_level", "promo_flag", "price"),
    )


def test_the_budget_is_spent_to_the_cent_and_never_exceeded(simulated: Simulated) -> None:
    plan = planned(simulated.view)
    total = sum(item.spend_usd for item in plan.allocation)
    assert plan.status == "optimal" and plan.weeks == 10
    assert total == pytest.approx(plan.predicted.spend_usd)
    assert 600_000 - 5 < total <= 600_000
    assert plan.unspent_usd == pytest.approx(600_000 - total, abs=0.01)
    assert plan.binding == ("budget",)
    assert plan.predicted.iroas_low < plan.predicted.iroas < plan.predicted.iroas_high


def test_a_plan_is_deterministic_down_to_its_id(simulated: Simulated) -> None:
    assert planned(simulated.view, experiment_share=0.1) == planned(simulated.view, experiment_share=0.1)


def test_a_plan_survives_json(simulated: Simulated) -> None:
    plan = planned(simulated.view)
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_the_experiment_reserve_is_its_share_of_the_money_and_is_spread(simulated: Simulated) -> None:
    plan = planned(simulated.view, experiment_share=0.1)
    spend = (
        plan.allocation_frame().group_by("purpose").agg(pl.col("spend_usd").sum(), pl.len()).sort("purpose")
    )
    experiment, working = spend["spend_usd"].to_list()
    assert 0.1 <= experiment / (experiment + working) < 0.1001
    assert working == pytest.approx(540_000, abs=100)
    funded_by_optimum = planned(simulated.view)
    tried = {(i.retailer_id, i.placement_type, i.audience_id, i.sku_id) for i in plan.allocation}
    sure = {(i.retailer_id, i.placement_type, i.audience_id, i.sku_id) for i in funded_by_optimum.allocation}
    assert len(tried - sure) > 0
    propensities = [i.exploration_propensity for i in plan.allocation if i.purpose == "experiment"]
    assert all(value is not None and 0 < value <= 1 for value in propensities)
    assert min(propensities) < 1


def test_experiments_go_where_the_posterior_is_wide(simulated: Simulated) -> None:
    short = simulated.view.panel.filter(
        (pl.col("placement_type") != "home") | (pl.col("week") < pl.date(2026, 1, 19))
    )
    thin, thick = (
        planned(replace(simulated.view, panel=panel), experiment_share=0.2)
        for panel in (short, simulated.view.panel)
    )

    def uncertain_arms(plan: Plan) -> float:
        items = [i for i in plan.allocation if i.placement_type == "home" and i.purpose == "experiment"]
        return sum(1 for i in items if i.exploration_propensity not in (0.0, 1.0)) / max(len(items), 1)

    assert uncertain_arms(thin) > uncertain_arms(thick)


def test_min_roas_holds_with_experiments_and_unspent_money_is_reported(simulated: Simulated) -> None:
    plan = planned(simulated.view, budget_usd=5_000_000, min_roas=3.2, experiment_share=0.1)
    assert "min_roas" in plan.binding
    assert plan.predicted.iroas >= 3.2 - 1e-6
    assert plan.unspent_usd > 1_000_000
    assert any("stays unspent" in note for note in plan.notes)
    share = sum(i.spend_usd for i in plan.allocation if i.purpose == "experiment") / plan.predicted.spend_usd
    assert 0.1 <= share < 0.1001


def test_a_min_roas_out_of_reach_is_refused_and_never_relaxed(simulated: Simulated) -> None:
    plan = planned(simulated.view, min_roas=50)
    assert plan.status == "infeasible" and plan.infeasible_because == ("min_roas",)
    assert plan.allocation == () and plan.predicted.spend_usd == 0
    assert 1 < plan.relaxations[0].needed < 50


def test_lists_and_shares_are_obeyed(simulated: Simulated) -> None:
    plan = planned(
        simulated.view,
        placements=["search", "home"],
        include_lines=["line0", "line1"],
        exclude_lines=["line2"],
        max_retailer_share=0.6,
    )
    frame = plan.allocation_frame()
    assert set(frame["placement_type"]) <= {"search", "home"}
    lines = frame.join(simulated.view.skus, on="sku_id")["line_id"]
    assert set(lines) <= {"line0", "line1"}
    assert frame.group_by("retailer_id").agg(pl.col("spend_usd").sum())["spend_usd"].max() <= 360_000
    only = planned(simulated.view, retailers=["beta"])
    assert {item.retailer_id for item in only.allocation} == {"beta"}


def test_max_cpa_holds(simulated: Simulated) -> None:
    plan = planned(simulated.view, budget_usd=5_000_000, max_cpa=4.0)
    assert plan.predicted.spend_usd / plan.predicted.conversions <= 4.0 + 1e-6
    assert "max_cpa" in plan.binding


def test_out_of_stock_skus_are_left_out_when_asked() -> None:
    view = simulate(2, stock_outs=True).view
    free, strict = planned(view), planned(view, exclude_out_of_stock=True)
    assert "sku000" not in {item.sku_id for item in strict.allocation}
    assert strict.predicted.spend_usd == pytest.approx(600_000, abs=5)
    assert strict.predicted.incremental_margin_usd <= free.predicted.incremental_margin_usd * 1.001
    gone = replace(view, availability=view.availability.with_columns(stock_units=pl.lit(0)))
    with pytest.raises(PlanError, match="exclude_out_of_stock"):
        planned(gone, exclude_out_of_stock=True)


def test_clean_room_plans_assume_the_margin_split_audiences_and_admit_the_stock(simulated: Simulated) -> None:
    view = clean(simulated.view)
    plan = planned(view, exclude_out_of_stock=True, experiment_share=0.1)
    assert plan.mode == "clean_room" and plan.blocked_fields == (
        "margin",
        "stock_level",
        "promo_flag",
        "price",
    )
    assert STOCK_NOT_ENFORCEABLE in plan.notes
    assert plan.predicted.incremental_margin_usd == pytest.approx(
        0.34 * plan.predicted.incremental_revenue_usd
    )
    assert {item.audience_id for item in plan.allocation} == set(AUDIENCES)
    shares = {(r, p, a): s for r, p, a, s in view.audience_shares.iter_rows()}
    arm = plan.allocation[0]
    same = [
        i
        for i in plan.allocation
        if (i.retailer_id, i.placement_type, i.sku_id, i.purpose)
        == (arm.retailer_id, arm.placement_type, arm.sku_id, arm.purpose)
    ]
    share = arm.spend_usd / sum(i.spend_usd for i in same)
    assert share == pytest.approx(shares[arm.retailer_id, arm.placement_type, arm.audience_id], abs=1e-3)
    assert 600_000 - 10 < plan.predicted.spend_usd <= 600_000


def test_audiences_are_split_equally_where_no_share_was_released(simulated: Simulated) -> None:
    view = clean(simulated.view)
    partial = replace(view, audience_shares=view.audience_shares.filter(pl.col("placement_type") == "search"))
    plan = planned(partial, placements=["home"])
    assert any("split equally" in note for note in plan.notes)
    frame = plan.allocation_frame().group_by("audience_id").agg(pl.col("spend_usd").sum())
    assert frame["spend_usd"].min() == pytest.approx(frame["spend_usd"].max(), rel=1e-4)
    live = pl.DataFrame(
        {"retailer_id": "alpha", "placement_type": "home", "sku_id": "sku001", "audience_id": ["lapsed"]}
    )
    told = planned(replace(view, campaigns=live), placements=["home"], retailers=["alpha"])
    assert {i.audience_id for i in told.allocation if i.sku_id == "sku001"} == {"lapsed"}
    bare = planned(clean(simulated.view, audiences=False))
    assert {item.audience_id for item in bare.allocation} == {None}
    assert any("no audience cells" in note for note in bare.notes)


def test_baselines_spend_the_budget_by_their_rule(simulated: Simulated) -> None:
    fitted = fit_response(simulated.view)
    plans = {
        kind: baseline_plan(REQUEST, simulated.view, kind, start_date=START, response=fitted)
        for kind in ("status_quo", "equal_split", "proportional_to_sales")
    }
    for plan in plans.values():
        assert plan.status == "heuristic" and plan.mode == "baseline"
        assert plan.predicted.spend_usd == pytest.approx(600_000, abs=5)
    equal = [item.spend_usd for item in plans["equal_split"].allocation]
    assert max(equal) - min(equal) < 0.02
    history = simulated.view.panel.group_by("retailer_id").agg(pl.col("spend_usd").sum()).sort("retailer_id")
    kept = plans["status_quo"].allocation_frame().group_by("retailer_id").agg(pl.col("spend_usd").sum())
    expected = history["spend_usd"] / history["spend_usd"].sum()
    assert (kept.sort("retailer_id")["spend_usd"] / 600_000).to_list() == pytest.approx(
        expected.to_list(), abs=1e-4
    )
    best = make_plan(REQUEST, simulated.view, start_date=START, response=fitted)
    assert best.predicted.incremental_margin_usd > max(
        p.predicted.incremental_margin_usd for p in plans.values()
    )
    with pytest.raises(PlanError, match="unknown baseline"):
        baseline_plan(REQUEST, simulated.view, "gut_feeling", start_date=START)


def truth_of(simulated: Simulated) -> pl.DataFrame:
    usual = simulated.view.panel.group_by("retailer_id", "placement_type", "audience_id", "sku_id").agg(
        reference_spend_usd_per_week=pl.col("spend_usd").mean()
    )
    return (
        simulated.truth.join(simulated.view.skus.select("sku_id", "line_id", "margin_rate"), on="sku_id")
        .join(usual, on=["retailer_id", "placement_type", "audience_id", "sku_id"])
        .with_columns(
            initial_iroas=pl.col("initial"),
            half_saturation_usd_per_week=pl.col("half"),
            revenue_per_conversion_usd=pl.lit(12.0),
            in_stock_probability=pl.lit(1.0),
        )
    )


def test_the_plan_comes_close_to_the_oracle_and_beats_the_splits_in_truth(simulated: Simulated) -> None:
    truth = truth_of(simulated)

    def true_margin(plan: Plan) -> float:
        keys = ["retailer_id", "placement_type", "audience_id", "sku_id"]
        spend = plan.allocation_frame().group_by(keys).agg(pl.col("spend_usd").sum() / plan.weeks)
        joined = spend.join(truth, on=keys)
        weekly = pl.col("initial_iroas") * pl.col("spend_usd") / (1 + pl.col("spend_usd") / pl.col("half"))
        return plan.weeks * float(joined.select((weekly * pl.col("margin_rate")).sum()).item())

    oracle = true_margin(oracle_plan(REQUEST, truth, start_date=START))
    mine = true_margin(planned(simulated.view))
    equal = true_margin(baseline_plan(REQUEST, simulated.view, "equal_split", start_date=START))
    assert mine <= oracle * 1.0015
    assert mine > 0.96 * oracle
    assert mine > equal


def test_an_oracle_on_points_of_the_curves_is_the_oracle_on_the_curves(simulated: Simulated) -> None:
    truth = truth_of(simulated)
    multiples = pl.DataFrame({"multiple": [5.0 * (step / 60) ** 2 for step in range(61)]})
    points = truth.join(multiples, how="cross").with_columns(
        spend_usd_per_week=pl.col("multiple") * pl.col("reference_spend_usd_per_week")
    )
    spend = pl.col("spend_usd_per_week")
    points = points.with_columns(
        incremental_revenue_usd_per_week=pl.col("initial_iroas") * spend / (1 + spend / pl.col("half"))
    )
    tabulated = truth.with_columns(curve_family=pl.lit("tabulated"))
    assert "no known family" in oracle_plan(REQUEST, tabulated, start_date=START).notes[0]
    read = oracle_plan(REQUEST, tabulated, start_date=START, true_curves=points)
    exact = oracle_plan(REQUEST, truth, start_date=START)
    assert read.predicted.incremental_margin_usd == pytest.approx(
        exact.predicted.incremental_margin_usd, rel=2e-3
    )
    assert "concave envelope" in read.notes[0]
    with pytest.raises(PlanError, match="same number of points"):
        oracle_plan(REQUEST, tabulated, start_date=START, true_curves=points[5:])


def test_bad_input_is_one_clear_error(simulated: Simulated) -> None:
    for changes, text in (
        ({"brand_id": "brand_q"}, "brand_q"),
        ({"retailers": ["omega"]}, "retailers names \\['omega'\\].*alpha"),
        ({"placements": ["in_store"]}, "placements"),
        ({"include_lines": ["line9"]}, "line9.*line0"),
    ):
        with pytest.raises(PlanError, match=text):
            planned(simulated.view, **changes)
    with pytest.raises(PlanError, match="no arm"):
        planned(simulated.view, exclude_lines=["line0", "line1", "line2"])


def test_three_hundred_arms_plan_within_five_cpu_seconds_with_exploration() -> None:
    big = simulate(5, skus=26).view
    begun = time.process_time()
    plan = make_plan(
        PlanRequest(brand_id="brand_x", budget_usd=2_500_000, weeks=26, min_roas=3.0, experiment_share=0.1),
        big,
        start_date=START,
        settings=PlannerSettings(),
    )
    assert plan.status == "optimal"
    assert time.process_time() - begun < 5.0
