"""The report with everything behind it, judged in truth and, on the same market, by the model alone."""

import json
import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from rmn_pipeline.comparison import (
    ComparisonError,
    ComparisonResult,
    compare,
    plain_summary,
    render_html,
    render_json,
)
from rmn_pipeline.comparison.ablation import Reading, ablation
from rmn_pipeline.comparison.compare import Details
from rmn_pipeline.comparison.curves import curve_panels, stock_by_week
from rmn_pipeline.comparison.field_values import field_values, play_fields
from rmn_pipeline.comparison.formats import format_value, resolve_path
from rmn_pipeline.comparison.judge import Judge
from rmn_pipeline.comparison.model_judge import ModelJudge
from rmn_pipeline.comparison.pdf import _story, render_pdf
from rmn_pipeline.comparison.regret import Truth, regret_split
from rmn_pipeline.planning import Plan, baseline_plan, make_plan, oracle_plan
from rmn_pipeline_tests.comparison.field_market import WEEKS, FieldMarket, field_market
from rmn_pipeline_tests.comparison.test_report import Figures
from rmn_pipeline_tests.planning.simulated import START

REPLICATES = 8
ADAPTERS = ("industry_retail_media", "task_planning")
TITLES = (
    "What each withheld field is worth", "What the plans miss of the oracle", "What the planners believed",
    "Stock behind the money", "Data or adapter?",
)  # fmt: skip


@pytest.fixture(scope="module")
def market() -> FieldMarket:
    return field_market(seed=6, skus=5, weeks=10)


@pytest.fixture(scope="module")
def plans(market: FieldMarket) -> dict[str, Plan]:
    made = {
        mode: make_plan(market.request, view, start_date=START, adapters_used=ADAPTERS)
        for mode, view in (("full_data", market.full), ("clean_room", market.clean))
    }
    for kind in ("status_quo", "equal_split", "proportional_to_sales"):
        made[kind] = baseline_plan(market.request, market.full, kind, start_date=START)
    return made


def details(market: FieldMarket, plans: dict[str, Plan], judge: Judge, truth: Truth | None) -> Details:
    views = {"full_data": market.full, "clean_room": market.clean}
    splits = {}
    for mode, view in views.items():
        if truth is not None:
            split = regret_split(
                plans[mode], request=market.request, view=view, truth=truth, judge=judge, start_date=START,
                replicates=REPLICATES,
            )  # fmt: skip
            assert split is not None
            splits[mode] = split
    reading = Reading(market.request, ADAPTERS)
    played = play_fields(
        request=market.request, full=market.full, clean=market.clean, judge=judge, start_date=START,
        replicates=REPLICATES,
    )  # fmt: skip
    return Details(
        field_values=field_values(played),
        regret_splits=splits,
        ablation=ablation(
            with_adapter=reading, without_adapter=reading, views=views, judge=judge, start_date=START,
            replicates=REPLICATES,
        ),
        curves=curve_panels(market.request, views, plans, market.full.skus, start_date=START, truth=truth),
        stock=stock_by_week(market.full, {mode: plans[mode] for mode in views}),
    )  # fmt: skip


@pytest.fixture(scope="module")
def result(market: FieldMarket, plans: dict[str, Plan]) -> ComparisonResult:
    truth = Truth(market.true_arms())
    oracle = oracle_plan(market.request, truth.arms, start_date=START)
    return compare(
        brand_id="brand_x", plans={**plans, "oracle": oracle}, judge=market.judge, request=market.request,
        skus=market.full.skus, availability=market.full.availability, replicates=REPLICATES,
        details=details(market, plans, market.judge, truth),
    )  # fmt: skip


@pytest.fixture(scope="module")
def modelled(market: FieldMarket, plans: dict[str, Plan]) -> ComparisonResult:
    judge = ModelJudge(market.full, market.request, START, WEEKS)
    return compare(
        brand_id="brand_x", plans=plans, judge=judge, request=market.request, skus=market.full.skus,
        replicates=REPLICATES, details=details(market, plans, judge, None), judged_by="model",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["result", "modelled"])
def test_every_figure_of_the_long_report_has_its_place_in_the_json(name: str, request: pytest.FixtureRequest):
    found: ComparisonResult = request.getfixturevalue(name)
    page, document = Figures(), json.loads(render_json(found))
    page.feed(render_html(found))
    assert len(page.figures) > 400
    for path, style, shown in page.figures:
        assert shown == format_value(resolve_path(document, path), style), path
    fixed = re.compile(r"1\s−\sWAPE|(?:ex|in)cludes 0|start at 0|Above 0|rough below 50|SHA-256|brand_x")
    assert [text for text in page.loose if re.search(r"\d", fixed.sub("", text))] == []


def test_the_summary_tells_shares_prices_causes_and_the_two_by_two(result: ComparisonResult):
    text = " ".join(plain_summary(result))
    gap = result.field_values.games["incremental_margin_usd"].gap.value  # type: ignore[union-attr]
    assert f"they sum to {format_value(gap, '+usd_short')}" in text
    assert gap == pytest.approx(result.differences["incremental_margin_usd"].value, rel=1e-9)
    for phrase in ("Price sheet:", "by cause:", "the whole difference is the data's"):
        assert phrase in text


def test_charts_of_everything_are_on_the_page(result: ComparisonResult):
    html = render_html(result)
    for title in TITLES:
        assert title in html
    for name in ("waterfall", "regret", "curves", "stock", "federation"):
        assert f'id="{name}-' in html


def test_without_truth_the_same_report_is_labelled_model_based(modelled: ComparisonResult):
    html = render_html(modelled)
    assert modelled.judged_by == "model"
    assert "model-based, no truth known" in html and "known truth" not in html.replace("no truth known", "")
    assert plain_summary(modelled)[1].startswith("Model-based:")
    assert "oracle" not in modelled.modes
    assert modelled.field_values is not None and modelled.modes["full_data"].regret_split is None
    assert all(panel.truth is None for panel in modelled.curves)


def test_the_model_judges_all_plans_on_the_same_draws(market: FieldMarket, plans: dict[str, Plan]):
    judge = ModelJudge(market.full, market.request, START, WEEKS)
    first = judge.realize(plans["full_data"], replicates=6, seed=4).totals
    again = judge.realize(plans["full_data"], replicates=6, seed=4).totals
    assert first.equals(again)
    assert not first.equals(judge.realize(plans["full_data"], replicates=6, seed=5).totals)
    halved = [
        item.model_copy(update={"spend_usd": item.spend_usd / 2}) for item in plans["full_data"].allocation
    ]
    half = plans["full_data"].model_copy(update={"allocation": tuple(halved)})
    pair = [
        judge.realize(plan, replicates=30, seed=4).totals["incremental_revenue_usd"]
        for plan in (plans["full_data"], half)
    ]
    assert np.corrcoef(*pair)[0, 1] > 0.9
    # The model expects of its own plan what the plan itself forecast.
    many = judge.realize(plans["full_data"], replicates=400, seed=4).totals["incremental_revenue_usd"].mean()
    assert many == pytest.approx(plans["full_data"].predicted.incremental_revenue_usd, rel=0.05)


def test_the_model_refuses_arms_that_it_has_never_seen(market: FieldMarket, plans: dict[str, Plan]):
    stranger = plans["full_data"].allocation[0].model_copy(update={"audience_id": "martians"})
    plan = plans["full_data"].model_copy(update={"allocation": (stranger,)})
    with pytest.raises(ComparisonError, match="martians"):
        ModelJudge(market.full, market.request, START, WEEKS).realize(plan, replicates=2, seed=1)


def test_the_pdf_holds_the_summary_and_repeats(result: ComparisonResult):
    content = render_pdf(result)
    assert content.startswith(b"%PDF")
    assert content == render_pdf(result)
    texts = [getattr(part, "text", "") for part in _story(result)]
    for sentence in plain_summary(result)[1:]:
        assert sentence.replace("&", "&amp;") in texts


def test_chosen_points_lie_on_the_curves(result: ComparisonResult):
    for panel in result.curves:
        for band in panel.bands.values():
            on_curve = np.interp(band.chosen_spend_usd_per_week, panel.spend_usd_per_week, band.mean)
            assert band.chosen_mean_usd_per_week == pytest.approx(on_curve, rel=0.05, abs=1.0)
            assert all(low <= high for low, high in zip(band.low, band.high, strict=True))


def test_plans_do_not_change_when_the_truth_does(market: FieldMarket, plans: dict[str, Plan]):
    generator = np.random.default_rng(0)
    order = generator.permutation(market.judge.truth.height).tolist()
    shuffled = market.judge.truth.with_columns(pl.col("initial", "half").gather(order))
    judge = replace(market.judge, truth=shuffled)
    for mode, view in (("full_data", market.full), ("clean_room", market.clean)):
        again = make_plan(market.request, view, start_date=START, adapters_used=ADAPTERS)
        assert again.model_dump_json() == plans[mode].model_dump_json()
        before = market.judge.realize(again, replicates=2, seed=1).totals["incremental_revenue_usd"].mean()
        after = judge.realize(again, replicates=2, seed=1).totals["incremental_revenue_usd"].mean()
        assert abs(after - before) > 1.0
