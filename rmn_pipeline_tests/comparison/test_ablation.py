import pytest

from rmn_pipeline.comparison.ablation import Reading, ablation
from rmn_pipeline.comparison.result import Ablation
from rmn_pipeline_tests.comparison.field_market import FieldMarket, field_market
from rmn_pipeline_tests.planning.simulated import START


@pytest.fixture(scope="module")
def market() -> FieldMarket:
    return field_market(seed=3, skus=4, weeks=8)


def measured(market: FieldMarket, without: Reading) -> Ablation:
    found = ablation(
        with_adapter=Reading(market.request, ("industry", "manufacturer", "task")),
        without_adapter=without,
        views={"full_data": market.full, "clean_room": market.clean},
        judge=market.judge,
        start_date=START,
        replicates=6,
        seed=1,
    )
    assert found is not None
    return found


def test_a_brief_understood_alike_gives_the_adapter_nothing(market: FieldMarket):
    found = measured(market, Reading(market.request, ("industry", "task")))
    assert (found.adapter_effect.value, found.interaction.value) == (0, 0)
    assert not found.adapter_effect.excludes_zero
    assert found.data_effect.value != 0
    assert [cell.same_request for cell in found.cells] == [True] * 4


def test_a_misread_line_costs_what_it_costs_on_either_data(market: FieldMarket):
    line = market.full.skus["line_id"][0]
    misread = market.request.model_copy(update={"include_lines": (line,)})
    found = measured(market, Reading(misread, ("industry", "task")))
    values = {(cell.data, cell.brand_adapter): cell.objective.value for cell in found.cells}
    adapter = (
        values["full_data", True]
        - values["full_data", False]
        + values["clean_room", True]
        - values["clean_room", False]
    ) / 2
    assert found.adapter_effect.value == pytest.approx(adapter)
    assert found.adapter_effect.value > 0 and found.adapter_effect.excludes_zero


def test_a_refused_brief_is_no_plan_and_counts_as_nothing(market: FieldMarket):
    found = measured(market, Reading(None, (), "the brief was not understood: 'crunch line'"))
    refused = [cell for cell in found.cells if not cell.brand_adapter]
    assert [cell.planned for cell in refused] == [False, False]
    assert all(
        cell.objective.value == 0 and "crunch line" in (cell.refused_because or "") for cell in refused
    )
    whole = [cell.objective.value for cell in found.cells if cell.brand_adapter]
    assert found.adapter_effect.value == pytest.approx(sum(whole) / 2)


def test_a_brief_that_nobody_understood_has_no_ablation(market: FieldMarket):
    views = {"full_data": market.full, "clean_room": market.clean}
    nothing = Reading(None, (), "no budget")
    assert (
        ablation(
            with_adapter=nothing, without_adapter=nothing, views=views, judge=market.judge, start_date=START
        )
        is None
    )
