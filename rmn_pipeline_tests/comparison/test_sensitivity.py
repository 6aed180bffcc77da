from dataclasses import replace

import pytest

from rmn_pipeline.comparison import ComparisonError
from rmn_pipeline.comparison.sensitivity import CaseResult, WorldCase, play_cases, summarize_cases
from rmn_pipeline.comparison.sensitivity_plot import sensitivity_png
from rmn_pipeline.planning import baseline_plan
from rmn_pipeline_tests.comparison.field_market import field_market
from rmn_pipeline_tests.planning.simulated import START

DESCRIPTIONS = {"plain": "Margins differ.", "blind": "Both views are the same."}


def case(preset: str, seed: int) -> WorldCase:
    market = field_market(seed=seed, skus=4, weeks=8)
    clean = replace(market.full, mode="clean_room") if preset == "blind" else market.clean
    return WorldCase(
        preset=preset,
        seed=seed,
        request=market.request,
        full=market.full,
        clean=clean,
        judge=market.judge,
        start_date=START,
        references={"status_quo": baseline_plan(market.request, market.full, start_date=START)},
    )


@pytest.fixture(scope="module")
def results() -> list[CaseResult]:
    return list(play_cases((case(name, seed) for seed in range(4) for name in DESCRIPTIONS), replicates=3))


def test_each_market_keeps_every_combination_and_reads_back(results: list[CaseResult]):
    assert len(results) == 8
    for result in results:
        assert len(result.objective) == 32
        assert CaseResult.model_validate_json(result.model_dump_json()) == result
        assert result.references["status_quo"] > 0


def test_a_kind_of_market_where_nothing_is_withheld_is_reported_as_such(results: list[CaseResult]):
    found = summarize_cases(results, DESCRIPTIONS, replicates=3)
    plain, blind = found.presets
    assert (plain.preset, plain.worlds, blind.preset) == ("plain", 4, "blind")
    assert plain.reading == "full data wins"
    assert plain.share_of_worlds_won == 1.0
    # With equal views all that may still differ is the margin, which the mask hides from the combinations between.
    assert blind.gap_per_budget_dollar.value == 0
    assert blind.reading == "no difference shown"
    for summary in found.presets:
        total = sum(bounds.value for bounds in summary.fields.values())
        assert total == pytest.approx(summary.gap_per_budget_dollar.value, abs=1e-9)
        assert summary.relative_gap.low <= summary.relative_gap.value <= summary.relative_gap.high


def test_the_picture_is_drawn(results: list[CaseResult]):
    assert sensitivity_png(summarize_cases(results, DESCRIPTIONS, replicates=3)).startswith(b"\x89PNG")


def test_studies_that_say_nothing_are_refused(results: list[CaseResult]):
    with pytest.raises(ComparisonError, match="nothing"):
        summarize_cases([], DESCRIPTIONS, replicates=3)
    with pytest.raises(ComparisonError, match="one market"):
        summarize_cases(results[:1], DESCRIPTIONS, replicates=3)
