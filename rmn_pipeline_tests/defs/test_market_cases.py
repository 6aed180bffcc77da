"""Cases of the sensitivity study: real markets, real clean rooms, small."""

import numpy as np
import pytest

from rmn_pipeline.comparison.sensitivity import WorldCase
from rmn_pipeline.defs.market_cases import PLANNED_WEEKS, MarketSize, market_case, market_cases
from rmn_pipeline.defs.project import Project
from rmn_pipeline.planning import make_plan
from rmn_pipeline.world.presets import preset
from rmn_pipeline_tests.conftest import ROOT

SIZE = MarketSize(arms=32, skus=8, days=49, customers_per_retailer=6_000)


@pytest.fixture(scope="module")
def case() -> WorldCase:
    return market_case(Project(ROOT), "messy", preset("messy", seed=5, **SIZE.knobs()))


def test_a_case_holds_both_views_of_one_market(case: WorldCase):
    assert case.full.brand_id == case.clean.brand_id == case.request.brand_id
    assert case.full.first_plan_monday == case.start_date
    assert case.clean.panel.height < case.full.panel.height
    assert case.clean.panel["audience_id"].null_count() == case.clean.panel.height
    assert case.request.weeks == PLANNED_WEEKS
    assert {"oracle", "status_quo"} == set(case.references)


def test_shuffling_the_truth_after_the_views_are_made_leaves_every_plan_as_it_was(case: WorldCase):
    def plans() -> list[str]:
        return [
            make_plan(case.request, view, start_date=case.start_date).model_dump_json()
            for view in (case.full, case.clean)
        ]

    plan = make_plan(case.request, case.full, start_date=case.start_date)
    before, judged = plans(), case.judge.realize(plan, replicates=2, seed=1).totals
    initial = case.judge.response.initial_iroas  # type: ignore[attr-defined]
    flat = initial.reshape(-1)
    kept = flat.copy()
    flat[:] = np.random.default_rng(0).permutation(kept)
    try:
        assert plans() == before
        assert not case.judge.realize(plan, replicates=2, seed=1).totals.equals(judged)
    finally:
        flat[:] = kept


def test_markets_come_seed_by_seed_through_all_presets():
    found = market_cases(Project(ROOT), ("textbook", "messy"), (1, 2), SIZE)
    assert [(case.preset, case.seed) for case in (next(found), next(found), next(found))] == [
        ("textbook", 1), ("messy", 1), ("textbook", 2),
    ]  # fmt: skip
