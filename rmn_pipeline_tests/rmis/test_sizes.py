"""Sizes in titles: what they come to, and that another pack is never taken for the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmn_pipeline.rmis.sizes import fold_text, read_size, sizes_agree


@pytest.mark.parametrize(
    ("text", "dimension", "total"),
    [
        ("Tea, 12 oz", "masses", 340.2),
        ("Tea 2.5-oz bag", "masses", 70.9),
        ("Mehl 1,000 g", "masses", 1000),
        ("Mehl 1,5 kg", "masses", 1500),
        ("Beans 1½ lb", "masses", 680.4),
        ("Wasser 0,33l", "volumes", 330),
        ("Milk 1/2 gal", "volumes", 1892.7),
        ("Soda 12 fl. oz", "volumes", 354.9),
        ("Soda 12 Fluid Ounces", "volumes", 354.9),
        ("Soda 6 x 330 ml", "volumes", 1980),
        ("Soda 6×330ml", "volumes", 1980),
        ("Soda 330 ml x 6", "volumes", 1980),
        ("Soda 330 ml (Pack of 6)", "volumes", 1980),
        ("6er-Pack Wasser 1,5 L", "volumes", 9000),
        ("Soda_12_pk_12_fl_oz", "volumes", 4258.6),
        ("Bars 6 ct", "counts", 6),
        ("Tee 20 Stück", "counts", 20),
        ("Soda 6-pack", "counts", 6),
        ("Case of 12", "counts", 12),
        ("Tea 20 bags (pack of 6)", "counts", 120),
    ],
)
def test_sizes_come_to_a_total(text: str, dimension: str, total: float) -> None:
    (found,) = getattr(read_size(text)[0], dimension)
    assert found == pytest.approx(total, abs=0.05)


@pytest.mark.parametrize(
    "text", ["Vitamin B12", "Windows 7 x 2", "3 in 1 shampoo", "No. 5", "", "1.2.3 g", "0 g"]
)
def test_other_numbers_are_no_size(text: str) -> None:
    size, _ = read_size(text)
    assert not size.known and size.pack == 1


def test_the_name_is_left_without_the_size() -> None:
    assert read_size("Crème Brûlée, 6 x 330 ML (Pack of 6)")[1] == "creme brulee, ( )"


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ("330 ml", "6 x 330 ml", False),
        ("6 x 330 ml", "330 ml (pack of 6)", True),
        ("6 x 330 ml", "12 x 330 ml", False),
        ("6 x 330 ml", "12 x 165 ml", False),
        ("12 oz", "340 g", True),
        ("12 oz", "12 fl oz", True),
        ("12 oz", "16 fl oz", False),
        ("12 fl oz", "355 ml", True),
        ("6 ct", "12 ct", False),
        ("6 ct", "6 pack", True),
        ("6 ct", "6 ct, 7.4 oz", True),
        ("12 ct, 12 fl oz", "12 x 12 fl oz", True),
        ("7.4 oz", "6 ct, 7.4 oz", None),
        ("1 kg", "2 x 500 g", None),
        ("6 ct", "12 oz", None),
        ("", "12 oz", None),
        ("", "", None),
    ],
)
def test_sizes_agree_differ_or_cannot_be_told(one: str, other: str, agree: bool | None) -> None:
    left, right = read_size(one)[0], read_size(other)[0]
    assert sizes_agree(left, right) is agree
    assert sizes_agree(right, left) is agree


@settings(max_examples=150, deadline=None)
@given(text=st.one_of(st.text(max_size=40), st.text("0123456789 .,/x½×-()ozgmlpackct", max_size=40)))
def test_any_text_has_a_size_or_none_and_agrees_with_itself(text: str) -> None:
    size, rest = read_size(text)
    assert sizes_agree(size, size) is (True if size.known else None)
    assert fold_text(rest) == rest


@settings(max_examples=80, deadline=None)
@given(
    amount=st.integers(1, 999),
    unit=st.sampled_from(["g", "kg", "ml", "l", "oz", "fl oz", "lb"]),
    first=st.integers(2, 48),
    second=st.integers(2, 48),
)
def test_two_packs_of_different_number_never_agree(amount: int, unit: str, first: int, second: int) -> None:
    one, other = (read_size(f"Tea {pack} x {amount} {unit}")[0] for pack in (first, second))
    assert sizes_agree(one, other) is (first == second)
    single = read_size(f"Tea {amount} {unit}")[0]
    assert sizes_agree(one, single) is False
