import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmn_pipeline.federation.numbers import find_quantities
from rmn_pipeline.lora.corpus.values import number_words


def _only(text: str):
    found = find_quantities(text)
    assert len(found) == 1, [quantity.text for quantity in found]
    return found[0]


@pytest.mark.parametrize(
    ("text", "unit", "value", "span"),
    [
        ("a budget of $2.5 million in total", "money", 2_500_000, "$2.5 million"),
        ("spend 2,500,000 dollars", "money", 2_500_000, "2,500,000 dollars"),
        ("USD 250k please", "money", 250_000, "USD 250k"),
        ("US$3M", "money", 3_000_000, "US$3M"),
        ("about 2 500 000 this time", "number", 2_500_000, "2 500 000"),
        ("two and a half million dollars", "money", 2_500_000, "two and a half million dollars"),
        ("a million and a half", "money", 1_500_000, "a million and a half"),
        ("half a million", "money", 500_000, "half a million"),
        ("three quarters of a million dollars", "money", 750_000, "three quarters of a million dollars"),
        ("one hundred grand", "money", 100_000, "one hundred grand"),
        ("two point five million", "money", 2_500_000, "two point five million"),
        ("for twenty-six weeks", "weeks", 26, "twenty-six weeks"),
        ("a 26-week plan", "weeks", 26, "26-week"),
        ("26w", "weeks", 26, "26w"),
        ("the next quarter", "weeks", 13, "quarter"),
        ("half a year", "weeks", 26, "half a year"),
        ("a half-year plan", "weeks", 26, "a half-year"),
        ("one full year", "weeks", 52, "one full year"),
        ("two quarters", "weeks", 26, "two quarters"),
        ("six months", "weeks", 26, "six months"),
        ("10 % for tests", "share", 0.1, "10 %"),
        ("ten per cent", "share", 0.1, "ten per cent"),
        ("a tenth", "share", 0.1, "a tenth"),
        ("one dollar in ten", "share", 0.1, "one dollar in ten"),
        ("three fifths", "share", 0.6, "three fifths"),
        ("3x", "ratio", 3, "3x"),
        ("3.0:1", "ratio", 3, "3.0:1"),
        ("three to one", "ratio", 3, "three to one"),
        ("300% return", "ratio", 3, "300%"),
        ("at least 3.5", "number", 3.5, "3.5"),
        ("three and a half", "number", 3.5, "three and a half"),
    ],
)
def test_a_quantity_is_read_with_its_unit_and_its_span(text, unit, value, span):
    quantity = _only(text)
    assert quantity.means(value, [unit])
    assert quantity.text == span
    assert text[quantity.start : quantity.end] == span


@pytest.mark.parametrize(
    "text",
    [
        "brand_k7 and shop_12",
        "this one is for anyone",
        "no words with numbers",
        "",
        "retailer_3's shelf",
        "sku_9a",
    ],
)
def test_names_and_pronouns_are_no_quantities(text):
    assert find_quantities(text) == []


def test_a_unit_on_the_next_line_does_not_belong_to_the_number():
    budget, weeks = find_quantities("budget - USD 14,500,000\nWeeks - 53")
    assert budget.means(14_500_000, ["money"])
    assert weeks.means(53, ["number"])


def test_quantities_come_in_order_without_overlap():
    text = "$2.5M over 26 weeks, ROAS 3.0, 10% for tests and no retailer above two fifths"
    found = find_quantities(text)
    assert [quantity.text for quantity in found] == ["$2.5M", "26 weeks", "3.0", "10%", "two fifths"]
    assert all(left.end <= right.start for left, right in pairwise(found))


@given(st.integers(min_value=2, max_value=999_999_999))
def test_every_whole_number_is_read_in_digits_separators_and_words(value):
    for text in (f"${value}", f"{value:,} dollars", f"USD {value:,}", f"{number_words(value)} dollars"):
        assert _only(text).means(value, ["money"]), text


@given(st.integers(min_value=1, max_value=99_999))
def test_suffixes_scale_their_number(thousands):
    value = thousands * 1000
    for text in (f"${thousands}k", f"{thousands} thousand dollars", f"{thousands} grand"):
        assert _only(text).means(value, ["money"]), text
    millions = f"{thousands / 1000:.3f}".rstrip("0").rstrip(".")
    for text in (f"${millions}M", f"{millions} million USD", f"${millions} mn"):
        assert _only(text).means(value, ["money"]), text


@given(st.integers(min_value=2, max_value=104))
def test_weeks_are_weeks_however_they_are_written(weeks):
    for text in (
        f"{weeks} weeks",
        f"{weeks}-week",
        f"{weeks}w",
        f"{weeks} wks",
        f"{number_words(weeks)} full weeks",
    ):
        assert _only(text).means(weeks, ["weeks"]), text


@given(st.integers(min_value=1, max_value=1000))
def test_percents_are_shares(tenths):
    text = f"{tenths / 10:g}"
    for form in (f"{text}%", f"{text} %", f"{text} percent", f"{text} per cent", f"{text}pct"):
        quantity = _only(form)
        assert any(
            reading.unit == "share" and math.isclose(reading.value, tenths / 1000)
            for reading in quantity.readings
        ), form


@given(st.text(max_size=120))
def test_any_text_is_read_without_an_error_and_spans_lie_inside_it(text):
    for quantity in find_quantities(text):
        assert text[quantity.start : quantity.end] == quantity.text
        assert quantity.readings
