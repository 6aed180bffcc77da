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
        ("12.5", {}, None),
        ("1.2E+3", {}, None),
        ("99999999999999999999", {}, None),
    ],
)
def test_counts(text: str, rule: dict[str, Any], value: int | None) -> None:
    assert parsed(text, "impressions", type="int", **rule) == value


def test_percent_strings_become_fractions() -> None:
    assert parsed("0.7973%", "stock_level", type="percent") == pytest.approx(0.007973)
    assert parsed("8.33 %", "stock_level", type="percent") == pytest.approx(0.0833)


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
