"""Expressions: what they compute, what they refuse and where, and that no text does anything else."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmn_pipeline.rmis.expression_syntax import MAX_DEPTH, ExpressionError, names_in, parse_expression
from rmn_pipeline.rmis.expressions import FUNCTION_NAMES, Kind, compile_expression

KINDS: dict[str, Kind] = {
    "spend": "number",
    "fees": "number",
    "shown": "number",
    "page": "text",
    "day": "date",
    "paid": "boolean",
}
ROW = {"spend": 10.0, "fees": 2.5, "shown": 1000, "page": " Home ", "day": date(2026, 3, 2), "paid": True}
SCHEMA = {
    "spend": pl.Float64,
    "fees": pl.Float64,
    "shown": pl.Int64,
    "page": pl.String,
    "day": pl.Date,
    "paid": pl.Boolean,
}


def value(text: str, **changes: Any) -> Any:
    frame = pl.DataFrame([{**ROW, **changes}], schema=SCHEMA)
    return frame.with_columns(compile_expression(text, KINDS).value.alias("x"))["x"][0]


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("spend + fees * 2", 15.0),
        ("(spend + fees) * 2", 25.0),
        ("spend - fees - 1", 6.5),
        ("-spend / -4", 2.5),
        ("--spend", 10.0),
        ("1.5e1", 15.0),
        (".5 + 1.", 1.5),
        ("shown > 999 and fees < 3", True),
        ("not paid or spend == 10", True),
        ("not (spend == 10)", False),
        ("spend != fees", True),
        ("page == ' Home '", True),
        ('trim(lower(page)) in ["home", "cart"]', True),
        ("spend not in [1, -10]", True),
        ("if(paid, spend, fees)", 10.0),
        ("coalesce(fees, 0)", 2.5),
        ("min(spend, fees, 7)", 2.5),
        ("max(spend, fees)", 10.0),
        ("abs(fees - spend)", 7.5),
        ("round(2.345, 2)", 2.35),
        ("round(0 - 2.5)", -3.0),
        ("upper(trim(page))", "HOME"),
        ("concat(trim(page), '/', 'x')", "Home/x"),
        ("contains(page, 'om')", True),
        ("starts_with(page, 'H')", False),
        ("ends_with(trim(page), 'e')", True),
        ("matches(trim(page), '[A-Z].*')", True),
        ("matches(page, 'Home')", False),
        ("if(paid, spend)", 10.0),
        ("if(not paid, spend)", None),
        ("is_empty(fees)", False),
        ("days_between(day, date('2026-03-12'))", 10.0),
        ("day >= date('2026-01-01')", True),
        ("true", True),
    ],
)
def test_values(text: str, result: Any) -> None:
    assert value(text) == result


@pytest.mark.parametrize(
    "text",
    ["spend / (fees - fees)", "0 / 0", "fees + spend", "max(spend, fees)", "concat(page, 'x')", "1e308 * 10"],
)
def test_what_cannot_be_known_is_empty(text: str) -> None:
    assert value(text, fees=0.0 if "fees - fees" in text else None, page=None) is None


def test_an_empty_condition_counts_as_false_and_an_empty_part_may_still_decide() -> None:
    assert value("if(fees > 1, 1, 2)", fees=None) == 2
    assert value("fees > 1 or spend > 1", fees=None) is True
    assert value("fees > 1 and spend > 1", fees=None) is None
    assert value("coalesce(fees, spend)", fees=None) == 10.0
    assert value("is_empty(fees)", fees=None) is True


@pytest.mark.parametrize(
    ("text", "at", "words"),
    [
        ("spend + vat", 8, "'vat' is no input and no field here"),
        ("spend + fee", 8, "did you mean 'fees'?"),
        ("spend +", 7, "ends too early"),
        ("spend fees", 6, "'fees' cannot stand here"),
        ("(spend", 6, "')' is missing at the end"),
        ("round(spend, 2 fees", 15, "')' is missing before 'fees'"),
        ("spend = 3", 6, "'==' compares"),
        ("1 < spend < 3", 10, "join with 'and'"),
        ("spend @ 2", 6, "'@' has no meaning here"),
        ("page == 'x", 8, "a quote is not closed"),
        ("spend + page", 6, "'+' wants a number, this is a text"),
        ("not spend", 0, "'not' wants a boolean"),
        ("spend and paid", 6, "'and' wants a boolean"),
        ("page == 3", 5, "a text cannot be compared with a number"),
        ("paid > true", 5, "true and false have no order"),
        ("spend in ['a']", 10, "a number cannot be in a list with a text"),
        ("spend in [fees]", 10, "a list holds numbers or texts only"),
        ("spend not 3", 6, "'not' stands before a value"),
        ("sum(spend)", 0, "there is no function 'sum'"),
        ("rond(spend)", 0, "did you mean 'round'?"),
        ("abs(spend, fees)", 0, "'abs' takes 1 values, not 2"),
        ("abs()", 0, "'abs' takes 1 values, not 0"),
        ("if(paid, spend, page)", 0, "two answers of one kind"),
        ("if(spend, 1, 2)", 0, "'if' wants a boolean"),
        ("coalesce(spend, page)", 16, "values of one kind, not number and text"),
        ("matches(page, page)", 14, "its pattern in quotes"),
        ("matches(page, '(')", 14, "not a usable pattern"),
        ("matches(page, '(?=x)')", 14, "not a usable pattern"),
        ("max(page, page)", 0, "wants numbers or dates"),
        ("round(spend, fees)", 13, "0 to 9 digits"),
        ("round(spend, 2.5)", 13, "0 to 9 digits"),
        ("date('yesterday')", 5, "a day in quotes"),
        ("date(page)", 5, "a day in quotes"),
        ("1e999", 0, "too large"),
        ("", 0, "ends too early"),
        ("spend.real", 5, "'.' has no meaning here"),
        ("spend[0]", 5, "'[' cannot stand here"),
        ("__import__('os')", 0, "there is no function '__import__'"),
        ("spend ** 2", 7, "'*' cannot stand here"),
        ("lambda: 1", 6, "':' has no meaning here"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, at: int, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text, KINDS)
    assert (caught.value.at, words in caught.value.message) == (at, True), caught.value.message


def test_size_and_depth_are_limited() -> None:
    with pytest.raises(ExpressionError, match="nested deeper"):
        compile_expression("(" * (MAX_DEPTH + 1) + "1" + ")" * (MAX_DEPTH + 1), KINDS)
    with pytest.raises(ExpressionError, match="longer than 1000 characters"):
        compile_expression("1" * 1001, KINDS)
    with pytest.raises(ExpressionError, match="more than 200 parts"):
        compile_expression("+".join(["1"] * 101), KINDS)
    assert value("+".join(["1"] * 100)) == 100.0
    assert value("-" * 198 + "1") == 1.0


def test_nested_calls_stay_small() -> None:
    for open_call, close in (("max(1, ", ")"), ("if(paid, 1, ", ")"), ("1 / (", ")"), ("abs(", ")")):
        assert value(open_call * 25 + "2" + close * 25) > 0
    assert value("if(" * 9 + "paid" + ", paid, paid)" * 9) is True


def test_the_names_that_an_expression_reads() -> None:
    text = "if(paid and page in ['a'], -spend, coalesce(fees, 1)) + 2"
    assert names_in(parse_expression(text)) == {"paid", "page", "spend", "fees"}


SIGNS = ["(", ")", "[", "]", ",", "+", "-", "*", "/", "==", "!=", "<", ">", "<=", ">=", "=", "if("]
VALUES = ["1", "2.5", "0", "'x'", '"y"', "date('2026-01-01')", "true", "and", "or", "not", "in"]
WORDS = st.sampled_from([*KINDS, *FUNCTION_NAMES, *SIGNS, *VALUES])


@settings(max_examples=300, deadline=None)
@given(text=st.one_of(st.text(max_size=40), st.lists(WORDS, max_size=25).map(" ".join)))
def test_any_text_is_refused_with_a_place_inside_of_it_or_computes(text: str) -> None:
    try:
        compiled = compile_expression(text, KINDS)
    except ExpressionError as error:
        assert 0 <= error.at <= max(len(text), 1)
        return
    frame = pl.DataFrame([ROW, dict.fromkeys(ROW)], schema=SCHEMA)
    assert frame.with_columns(compiled.value.alias("x")).height == 2
    assert compiled.names <= set(KINDS)
