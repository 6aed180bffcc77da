"""Text to values: money, counts, percents and dates as networks write them."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmn_pipeline.rmis.cells import Cells, encode
from rmn_pipeline.rmis.mapping import ColumnRule, RegexPart, SplitPart, UseValue
from rmn_pipeline.rmis.reading import Read, compile_reading
from rmn_pipeline.rmis.values import clean_text, extract_part, map_values
from rmn_pipeline_tests.rmis.fixtures import mapping


def read(texts: list[str | None], field: str, coded: bool = False, **rule: Any) -> Read:
    column = ColumnRule.model_validate({"from": "x", **rule})
    series = pl.Series(texts, dtype=pl.String)
    return compile_reading(mapping(), field, column).read(encode(series) if coded else Cells(series))


def parsed(text: str | None, field: str, **rule: Any) -> Any:
    return read([text], field, **rule).values[0]


@pytest.mark.parametrize(
    ("text", "rule", "value"),
    [
        ("31.84", {}, 31.84),
        ("$1,290.50", {"thousands_mark": ","}, 1290.50),
        ("€ 1.290,50", {"thousands_mark": ".", "decimal_mark": ","}, 1290.50),
        ("1\u00a0290,50\u00a0€", {"thousands_mark": " ", "decimal_mark": ","}, 1290.50),
        ("USD 12.00", {}, 12.0),
        ("12.00 USD", {}, 12.0),
        ("-$5.10", {}, -5.10),
        ("$-5.10", {}, -5.10),
        ("($5.10)", {}, -5.10),
        (".51", {}, 0.51),
        ("1e-05", {}, 1e-05),
        ("31840000", {"divide_by": 1_000_000}, 31.84),
        ("31840000", {"scale": "micros"}, 31.84),
        ("3184000000", {"scale": "microcents"}, 31.84),
        ("3184000", {"scale": "millicents"}, 31.84),
        ("3184", {"scale": "cents"}, 31.84),
        ("31840", {"scale": "millis"}, 31.84),
        ("31.84", {"scale": "thousands"}, 31_840.0),
        ("1.290,50", {"thousands_mark": ".", "decimal_mark": ","}, 1290.50),
        ("12.040", {"thousands_mark": ".", "decimal_mark": ","}, 12040.0),
        ("1\u202f290,50", {"thousands_mark": " ", "decimal_mark": ","}, 1290.50),
        ("1'290.50", {"thousands_mark": "'"}, 1290.50),
        ("1\u2019290.50", {"thousands_mark": "'"}, 1290.50),
        ("12,34,567.50", {"thousands_mark": ","}, 1_234_567.50),
        ("US$ 12.00", {}, 12.0),
        ("R$ 12,00", {"decimal_mark": ","}, 12.0),
        ("12,00 zł", {"decimal_mark": ","}, 12.0),
        ("kr 12", {}, 12.0),
        ("5.10-", {}, -5.10),
        ("5.10- EUR", {}, -5.10),
        ("\u22125.10", {}, -5.10),
        ("(5.10)", {}, -5.10),
        ("+5.10", {}, 5.10),
        ("--5.10", {}, None),
        ("(-5.10)", {}, None),
        ("-5.10-", {}, None),
        ("$ $ 5", {}, None),
        ("12 apples", {}, None),
        ("infinity", {}, None),
        ("1,290.50", {}, None),
        ("1,29", {"thousands_mark": ","}, None),
        ("12.345,6", {"thousands_mark": ","}, None),
        ("abc", {}, None),
        ("", {}, None),
        ("$", {}, None),
        ("NaN", {}, None),
        ("1e999", {}, None),
    ],
)
def test_money(text: str, rule: dict[str, Any], value: float | None) -> None:
    assert parsed(text, "cost", type="money", **rule) == value


@pytest.mark.parametrize(
    ("text", "rule", "value"),
    [
        ("12040", {}, 12040),
        ("12,040", {"thousands_mark": ","}, 12040),
        ("12.040", {"thousands_mark": ".", "decimal_mark": ","}, 12040),
        ("12.0", {}, 12),
        ("+7", {}, 7),
        ("-7", {}, -7),
        ("(7)", {}, -7),
        ("7-", {}, -7),
        ("12\u00a0040", {"thousands_mark": " "}, 12040),
        ("12.5", {"scale": "thousands"}, 12500),
        ("1.2345", {"scale": "thousands"}, None),
        ("12.5", {}, None),
        ("1.2E+3", {}, None),
        ("99999999999999999999", {}, None),
    ],
)
def test_counts(text: str, rule: dict[str, Any], value: int | None) -> None:
    assert parsed(text, "impressions", type="int", **rule) == value


@pytest.mark.parametrize(
    ("text", "rule", "value"),
    [
        ("0.7973%", {}, 0.007973),
        ("8.33 %", {}, 0.0833),
        ("8.33", {}, 0.0833),
        ("8,33 %", {"decimal_mark": ","}, 0.0833),
        ("0.0833", {"percent_as": "fraction"}, 0.0833),
        ("8.33 %", {"percent_as": "fraction"}, 0.0833),
        (".51", {"percent_as": "fraction"}, 0.51),
        ("% 8", {}, None),
    ],
)
def test_percents_are_fractions_in_the_end(text: str, rule: dict[str, Any], value: float | None) -> None:
    found = parsed(text, "stock_level", type="percent", **rule)
    assert found == (value if value is None else pytest.approx(value))


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("Yes", True), ("1", True), ("N", False), ("0", False), ("ja", None)]
)
def test_booleans(text: str, value: bool | None) -> None:
    assert parsed(text, "promo_flag") is value
    assert parsed("Ja", "promo_flag", values={"ja": "true"}, unmapped="reject") is True


TEXTS = st.lists(
    st.one_of(
        st.none(),
        st.text(max_size=12),
        st.sampled_from(
            ["1", "2.5", "1,000", "--", "x", "(3)", "12.0", "Search", "2026-01-05", "a | b", " "]
        ),
    ),
    max_size=30,
)


@settings(max_examples=150, deadline=None)
@given(
    texts=TEXTS,
    field=st.sampled_from(["cost", "impressions", "placement_type", "campaign_id", "date", "promo_flag"]),
    extracted=st.booleans(),
    default=st.booleans(),
)
def test_texts_read_one_by_one_or_each_once_give_the_same(
    texts: list[str | None], field: str, extracted: bool, default: bool
) -> None:
    rule: dict[str, Any] = {"format": "%Y-%m-%d"} if field == "date" else {}
    if field == "cost":
        rule["thousands_mark"] = ","
    if extracted:
        rule["extract"] = {"split": "|", "part": 1}
    if default and field in ("cost", "impressions"):
        rule["default"] = 0
    one, other = read(texts, field, **rule), read(texts, field, coded=True, **rule)
    assert one.values.equals(other.values, null_equal=True, check_dtypes=True)
    told = [
        {
            (fault.rule, row, message)
            for fault in found.faults
            for row, message in zip(fault.rows, fault.messages, strict=True)
        }
        for found in (one, other)
    ]
    assert told[0] == told[1]
    # A row has a value, a fault, or an optional field is empty: nothing gets lost in silence.
    faulty = {row for _, row, _ in told[0]}
    assert all(one.values[row] is None for row in faulty)
    if field in ("cost", "impressions", "placement_type", "date"):
        assert faulty == set(one.values.is_null().arg_true())


def test_repeated_texts_are_held_once_and_varied_ones_row_by_row() -> None:
    repeated = encode(pl.Series(["a", "b", None] * 1000))
    assert (repeated.values.to_list(), repeated.codes is not None) == (["a", "b"], True)
    assert repeated.spread(repeated.values).to_list() == ["a", "b", None] * 1000
    varied = encode(pl.Series([str(number) for number in range(5000)]))
    assert varied.codes is None


@pytest.mark.parametrize(
    ("text", "date_format", "value"),
    [
        ("2026-03-02", "%Y-%m-%d", date(2026, 3, 2)),
        ("03/02/2026", "%m/%d/%Y", date(2026, 3, 2)),
        ("03/02/2026", "%d/%m/%Y", date(2026, 2, 3)),
        ("2026-13-02", "%Y-%m-%d", None),
        ("2026-02-30", "%Y-%m-%d", None),
        ("2026-03-02 extra", "%Y-%m-%d", None),
    ],
)
def test_dates_follow_the_declared_order_and_nothing_else(
    text: str, date_format: str, value: date | None
) -> None:
    assert parsed(text, "date", type="date", format=date_format) == value


@settings(max_examples=150, deadline=None)
@given(
    cents=st.integers(min_value=-(10**12), max_value=10**12),
    mark=st.sampled_from([(",", "."), (".", ","), (" ", ","), ("'", ".")]),
    prefix=st.sampled_from(["", "$", "€ ", "USD ", "£"]),
)
def test_any_amount_survives_being_printed_and_parsed(cents: int, mark: tuple[str, str], prefix: str) -> None:
    thousands, decimal = mark
    printed = f"{abs(cents) // 100:,}".replace(",", thousands) + f"{decimal}{abs(cents) % 100:02d}"
    sign = "-" if cents < 0 else ""
    value = parsed(
        f"{sign}{prefix}{printed}", "cost", type="money", thousands_mark=thousands, decimal_mark=decimal
    )
    assert round(value * 100) == cents


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=20), kind=st.sampled_from(["money", "decimal", "percent"]))
def test_no_text_breaks_the_number_parser(text: str, kind: str) -> None:
    value = parsed(text, "cost", type=kind, thousands_mark=",")
    assert value is None or abs(value) < float("inf")


def select(expression: pl.Expr, text: str | None) -> Any:
    return pl.DataFrame({"x": [text]}, schema={"x": pl.String}).select(expression).item()


def test_null_tokens_and_blanks_are_nothing() -> None:
    cells = {"--": None, " - ": None, "": None, "  ": None, " tea ": "tea", "0": "0"}
    assert {text: select(clean_text(pl.col("x"), ["-", "--"]), text) for text in cells} == cells


def test_parts_of_a_text() -> None:
    third = SplitPart(split="|", part=3, of=3)
    assert select(extract_part(pl.col("x"), third), "brand_x | search | loyal") == "loyal"
    assert select(extract_part(pl.col("x"), third), "brand_x | search") is None
    assert select(extract_part(pl.col("x"), third), "a | b | c | d") is None
    assert select(extract_part(pl.col("x"), third), "a | b | ") is None
    assert select(extract_part(pl.col("x"), RegexPart(regex=r"^SP_(\w+)_")), "SP_tea_auto") == "tea"
    assert select(extract_part(pl.col("x"), RegexPart(regex=r"^SP_(\w+)_")), "none") is None


def test_value_maps_fold_case_and_blanks_and_give_the_declared_answer() -> None:
    def mapped(text: str | None, unmapped: Any) -> Any:
        column = ColumnRule.model_validate(
            {"from": "x", "values": {"Product Page": "pdp"}, "unmapped": unmapped}
        )
        return select(map_values(pl.col("x"), column), text)

    assert mapped("product  PAGE", "reject") == "pdp"
    assert mapped("Cart", "reject") is None
    assert mapped("Cart", "keep") == "Cart"
    assert mapped("Cart", UseValue(use="other")) == "other"
    assert mapped(None, UseValue(use="other")) is None
