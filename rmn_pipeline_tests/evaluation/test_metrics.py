import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmn_pipeline.evaluation.metrics import (
    bootstrap_interval,
    bootstrap_statistic,
    call_ast_match,
    call_strict_match,
    chance_level,
    copy_complies,
    execution_figures,
    field_accuracy,
    mapping_f1,
    score_row,
    token_f1,
)
from rmn_pipeline.federation import GroundingContext

CALL = '{"brand_id":"brand_x","retailers":["alpha","beta"],"budget_usd":2500000,"weeks":null}'


@pytest.mark.parametrize(
    ("answer", "strict", "ast", "fields"),
    [
        (CALL, True, True, 1.0),
        (CALL.replace('"weeks":null', '"weeks": null'), True, True, 1.0),
        (CALL.replace("2500000", "2500000.0"), True, True, 1.0),
        (CALL.replace('["alpha","beta"]', '["beta","alpha"]'), False, True, 1.0),
        (CALL.replace(',"weeks":null', ""), False, True, 1.0),
        (CALL.replace("brand_x", "Brand X"), False, True, 1.0),
        (CALL.replace("2500000", "250000"), False, False, 0.75),
        (CALL.replace('"weeks"', '"week"'), False, False, 1.0),
        (CALL[:-1], False, False, 0.0),
        ("[1]", False, False, 0.0),
    ],
)
def test_calls_are_matched_strictly_by_meaning_and_by_field(answer, strict, ast, fields):
    assert call_strict_match(CALL, answer) is strict
    assert call_ast_match(CALL, answer) is ast
    assert field_accuracy(CALL, answer) == fields


@pytest.mark.parametrize(
    ("answer", "complies"),
    [
        ("Morning oats, honest", True),
        ("", False),
        ("The best oats", False),
        ("Oats that go on and on and on and on", False),
    ],
)
def test_copy_keeps_to_the_limit_and_the_banned_words_of_its_prompt(answer, complies):
    prompt = "product: Oats\nsize: 6 ct\npoints: honest\nlimit: 24\navoid: best, free"
    assert copy_complies(prompt, answer) is complies
    assert (
        copy_complies("Oats, 6 ct: one line of copy, at most 24 characters. Avoid: best.", answer) is complies
    )


@pytest.mark.parametrize(
    ("answer", "figures"),
    [
        (CALL, {"executed": 1.0, "wrong_executed": 0.0}),
        (CALL.replace("2500000", "250000"), {"executed": 0.0, "wrong_executed": 0.0}),
        (CALL.replace('["alpha","beta"]', '["alpha"]'), {"executed": 0.0, "wrong_executed": 0.0}),
        ("no call", {"executed": 0.0, "wrong_executed": 0.0}),
    ],
)
def test_a_wrong_call_is_asked_back_and_a_right_one_executed(answer, figures):
    context = GroundingContext("brand_x", ("alpha", "beta", "gamma"))
    assert execution_figures("Spend $2.5 million at alpha and beta.", CALL, answer, context) == figures


def test_a_wrong_call_that_the_check_lets_through_counts_as_wrongly_executed():
    other = CALL.replace('"weeks":null', '"weeks":26')
    figures = execution_figures(
        "Spend $2.5 million at alpha and beta.", other, CALL, GroundingContext("brand_x")
    )
    assert figures == {"executed": 1.0, "wrong_executed": 1.0}


def test_mapping_f1_counts_none_as_no_statement():
    assert mapping_f1(["clicks", "none", "cost"], ["clicks", "none", "cost"]) == 1.0
    assert mapping_f1(["clicks", "none", "cost"], ["clicks", "cost", "none"]) == pytest.approx(0.5)
    assert mapping_f1(["none"], ["none"]) == 0.0


def test_chance_is_one_of_the_offered_fields_or_the_commonest_answer():
    prompt = "header: a\nvalues: 1\nfields: clicks, cost, date, none"
    assert chance_level("mapping", [prompt] * 4, ["clicks", "cost", "date", "none"]) == 0.25
    assert chance_level("mapping", [prompt] * 3, ["none", "none", "cost"]) == 0.5
    assert chance_level("planning", ["a", "b"], ["x", "y"]) == 0.0
    assert chance_level("planning", [], []) == 0.0


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_a_bootstrap_interval_holds_its_mean(values):
    interval = bootstrap_interval([float(value) for value in values], resamples=200)
    assert interval.low <= interval.value <= interval.high
    assert interval.value == pytest.approx(sum(values) / len(values))
    assert interval.rows == len(values)


def test_intervals_are_the_same_on_every_run_and_narrow_with_more_rows():
    few, many = bootstrap_interval([0.0, 1.0] * 8), bootstrap_interval([0.0, 1.0] * 200)
    assert few == bootstrap_interval([0.0, 1.0] * 8)
    assert many.high - many.low < few.high - few.low
    total = bootstrap_statistic(lambda rows: sum(rows) / len(rows), 5)
    assert (total.value, total.rows) == (2.0, 5)
    with pytest.raises(ValueError, match="no values"):
        bootstrap_interval([])


def test_every_task_says_what_counts_as_correct():
    assert score_row("mapping", "", "clicks", " clicks\n")["correct"] == 1.0
    assert score_row("planning", "", CALL, CALL)["json_parse_rate"] == 1.0
    assert score_row("planning", "", CALL, "no call")["json_parse_rate"] == 0.0
    copy = score_row("creative", "limit: 40\navoid: best", "Try Hill Oats", "Meet Hill Oats")
    assert copy["correct"] == 1.0
    assert token_f1("Try Hill Oats", "nothing shared") == 0.0
