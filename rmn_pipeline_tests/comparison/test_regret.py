import pytest

from rmn_pipeline.comparison.regret import Truth, regret_split
from rmn_pipeline.planning import PlanningView, PlanRequest, make_plan
from rmn_pipeline_tests.comparison.field_market import FieldMarket, field_market
from rmn_pipeline_tests.planning.simulated import START

PIECES = ("piecewise", "estimation", "constraint_misjudgement", "experiments")


@pytest.fixture(scope="module")
def market() -> FieldMarket:
    return field_market(seed=2)


def split_of(market: FieldMarket, view: PlanningView, request: PlanRequest):
    plan = make_plan(request, view, start_date=START)
    return regret_split(
        plan, request=request, view=view, truth=Truth(market.true_arms()), judge=market.judge, start_date=START,
        replicates=10, seed=3,
    )  # fmt: skip


def test_the_pieces_sum_to_the_total(market: FieldMarket):
    request = market.request.model_copy(update={"min_roas": 3.0, "experiment_share": 0.1})
    for view in (market.full, market.clean):
        split = split_of(market, view, request)
        assert split is not None
        total = sum(getattr(split, name).value for name in PIECES)
        assert total == pytest.approx(split.total.value, rel=1e-9)


def test_without_limits_and_experiments_only_estimation_is_left(market: FieldMarket):
    split = split_of(market, market.full, market.request)
    assert split is not None
    assert split.experiments.value == 0
    assert abs(split.piecewise.value) < 0.002 * split.oracle.value
    # The same program solved twice, once on the planner's side and once here, on straight segments.
    assert abs(split.constraint_misjudgement.value) < 0.005 * split.oracle.value
    assert split.estimation.value > 0


def test_noisier_data_loses_more_to_estimation(market: FieldMarket):
    full, clean = (split_of(market, view, market.request) for view in (market.full, market.clean))
    assert full is not None and clean is not None
    assert clean.estimation.value > full.estimation.value


def test_no_split_where_no_plan_or_no_sum(market: FieldMarket):
    assert split_of(market, market.full, market.request.model_copy(update={"min_roas": 500.0})) is None
    assert split_of(market, market.full, market.request.model_copy(update={"objective": "roas"})) is None
