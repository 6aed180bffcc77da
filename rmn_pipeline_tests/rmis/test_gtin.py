"""Product codes: every form and every fault that feeds send, and two ways of reading that must agree."""

from __future__ import annotations

from itertools import product

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from stdnum import ean, isbn

from rmn_pipeline.rmis import normalize_gtin
from rmn_pipeline.rmis.gtin import GTIN_PROBLEMS, CodeSettings, gtin_table
from rmn_pipeline.rmis.product_code import restriction
from rmn_pipeline.rmis.upc_e import expand_upc_e

KEEP_ALL = CodeSettings(restricted="keep", trailing_zeros="keep")


def with_check_digit(digits: str) -> str:
    return digits + ean.calc_check_digit(digits)


@pytest.mark.parametrize(
    ("text", "gtin14", "kind", "mended"),
    [
        ("085021001007", "00085021001007", "upc_a", ()),
        ("85021001007", "00085021001007", "upc_a", ("leading_zero",)),
        ("0085021001007", "00085021001007", "upc_a", ()),
        ("00085021001007", "00085021001007", "upc_a", ()),
        ("4006381333931", "04006381333931", "ean_13", ()),
        ("96385074", "00000096385074", "ean_8", ()),
        ("10085021001004", "10085021001004", "gtin_14", ()),
        ("9780306406157", "09780306406157", "isbn_13", ()),
        ("0306406152", "09780306406157", "isbn_10", ("isbn_10_converted",)),
        ("0-8044-2957-X", "09780804429573", "isbn_10", ("separators", "isbn_10_converted")),
        ("080442957x", "09780804429573", "isbn_10", ("isbn_10_converted",)),
        ("9790060115615", "09790060115615", "ean_13", ()),
        ("04252614", "00042100005264", "upc_e", ("upc_e_expanded",)),
        ("4252614", "00042100005264", "upc_e", ("leading_zero", "upc_e_expanded")),
        (" 0850-2100 1007 ", "00085021001007", "upc_a", ("separators",)),
        ("0\u00a085021\u202f00100\u20117", "00085021001007", "upc_a", ("separators",)),
        ("\ufeff085021001007\u200b", "00085021001007", "upc_a", ()),
        ("85021001007.0", "00085021001007", "upc_a", ("decimal_tail", "leading_zero")),
        ("85021001007,00", "00085021001007", "upc_a", ("decimal_tail", "leading_zero")),
        ("85,021,001,007", "00085021001007", "upc_a", ("thousands_marks", "leading_zero")),
        ("4.006.381.333.931", "04006381333931", "ean_13", ("thousands_marks",)),
        ("'085021001007", "00085021001007", "upc_a", ("spreadsheet_text",)),
        ('="085021001007"', "00085021001007", "upc_a", ("spreadsheet_text",)),
        ("UPC: 085021001007", "00085021001007", "upc_a", ("label",)),
        ("upc-a 0 85021 00100 7", "00085021001007", "upc_a", ("label", "separators")),
        ("UPC code: '085021001007'", "00085021001007", "upc_a", ("label",)),
        ("EAN-13: 4006381333931", "04006381333931", "ean_13", ("label",)),
        ("EAN 8 501234 567894", None, None, ()),
        ("EAN4006381333931", "04006381333931", "ean_13", ("label",)),
        ("ISBN-13: 978-0-306-40615-7", "09780306406157", "isbn_13", ("label", "separators")),
        ("ISBN 13: 9780306406157", "09780306406157", "isbn_13", ("label",)),
        ("(01)10085021001004", "10085021001004", "gtin_14", ("label",)),
        ("０８５０２１００１００７", "00085021001007", "upc_a", ("full_width_digits",)),
    ],
)
def test_codes_become_gtin14_and_say_what_was_mended(
    text: str, gtin14: str | None, kind: str | None, mended: tuple[str, ...]
) -> None:
    found = normalize_gtin(text)
    assert (found.gtin14, found.kind, found.mended) == (gtin14, kind, mended)


def test_a_blank_after_ean_does_not_eat_the_codes_first_digit() -> None:
    code = with_check_digit("850123456789")
    assert normalize_gtin(f"EAN {code[0]} {code[1:7]} {code[7:]}").gtin14 == f"0{code}"


@pytest.mark.parametrize(
    ("text", "problem", "reason"),
    [
        ("8.50211E+10", "gtin_unrecoverable", "scientific notation"),
        ("7.42676E+11", "gtin_unrecoverable", "scientific notation"),
        ("7,42676E+11", "gtin_unrecoverable", "scientific notation"),
        ("'7,42676e11", "gtin_unrecoverable", "scientific notation"),
        ("UPC: 7.42676 E+11", "gtin_unrecoverable", "scientific notation"),
        ("742676000000", "gtin_unrecoverable", "rounded"),
        ("4006380000000", "gtin_unrecoverable", "rounded"),
        ("085021001008", "gtin_invalid", "check digit"),
        ("0306406153", "gtin_invalid", "check digit"),
        ("123456", "gtin_invalid", "6 digits"),
        ("123456789012345", "gtin_invalid", "15 digits"),
        ("not scanned", "gtin_invalid", "not a number"),
        ("-85021001007", "gtin_invalid", "not a number"),
        ("850,210,01007", "gtin_invalid", "not a number"),
        ("٠٨٥٠٢١٠٠١٠٠٧", "gtin_invalid", "not a number"),
        ("00000000000000", "gtin_invalid", "zero"),
        ("", "gtin_invalid", "not a number"),
        ("X", "gtin_invalid", "not a number"),
    ],
)
def test_codes_that_cannot_be_trusted_say_why(text: str, problem: str, reason: str) -> None:
    found = normalize_gtin(text)
    assert (found.gtin14, found.problem) == (None, problem)
    assert found.reason is not None and reason in found.reason


# By form: 13-digit body of the number of which only the check digit is missing, and where it is in use.
RESTRICTED = {
    "0200000123456": "region",
    "020123456789": "region",
    "040123456789": "company",
    "050123456789": "reserved",
    "201234567890": "region",
    "299999999999": "region",
    "980123456789": "refund",
    "981376503001": "coupon",
    "984123456789": "coupon",
    "991234567890": "coupon",
    "2012345": "company",
    "00000012345": "company",
    "1201234567890": "region",
}


@pytest.mark.parametrize("body", RESTRICTED)
def test_numbers_of_restricted_circulation_are_a_problem_of_their_own(body: str) -> None:
    code = with_check_digit(body)
    found = normalize_gtin(code)
    assert found.problem == "gtin_restricted" and RESTRICTED[body] in str(found.reason)
    kept = normalize_gtin(code, CodeSettings(restricted="keep"))
    assert kept.restricted and kept.gtin14 == code.zfill(14)


@pytest.mark.parametrize(
    "body", ["030123456789", "060123456789", "300123456789", "977123456789", "985123456789"]
)
def test_neighbours_of_restricted_prefixes_are_products(body: str) -> None:
    found = normalize_gtin(with_check_digit(body))
    assert found.gtin14 is not None and not found.restricted


def test_a_case_is_another_trade_item_than_the_unit_in_it() -> None:
    unit = normalize_gtin("085021001007")
    case = normalize_gtin(with_check_digit("1" + str(unit.gtin14)[1:13]))
    weighed = normalize_gtin(with_check_digit("9" + str(unit.gtin14)[1:13]))
    assert len({unit.gtin14, case.gtin14, weighed.gtin14}) == 3
    assert [found.packaging for found in (unit, case, weighed)] == ["unit", "case", "variable_measure"]
    assert normalize_gtin("none").packaging is None


def shorten_upc_a(eleven: str) -> str | None:
    """The inverse of the expansion, from the rules for printing UPC-E."""
    maker, item = eleven[1:6], eleven[6:]
    if maker[2:] in ("000", "100", "200") and int(item) <= 999:
        return maker[:2] + item[2:] + maker[2]
    if maker[3:] == "00" and int(item) <= 99:
        return maker[:3] + item[3:] + "3"
    if maker[4] == "0" and int(item) <= 9:
        return maker[:4] + item[4] + "4"
    if maker[4] != "0" and 5 <= int(item) <= 9:
        return maker + item[4]
    return None


@settings(max_examples=300, deadline=None)
@given(system=st.sampled_from("01"), body=st.from_regex(r"[0-9]{6}", fullmatch=True))
@example(system="0", body="123643")
@example(system="0", body="120003")
def test_upc_e_expands_to_the_one_upc_a_that_shortens_to_it(system: str, body: str) -> None:
    eleven = expand_upc_e(system, body)
    if eleven is None:
        # Another rule would have written that UPC-A, so nobody prints this body.
        assert (body[5] == "3" and body[2] in "012") or body[4 if body[5] in "56789" else 3] == "0"
    else:
        assert shorten_upc_a(eleven) == body
        code = with_check_digit(eleven)
        declared = CodeSettings(kind="upc_e", restricted="keep", trailing_zeros="keep")
        found = normalize_gtin(system + body + code[-1], declared)
        if code.strip("0"):
            assert (found.gtin14, found.kind) == (code.zfill(14), "upc_e")


def test_upc_e_without_check_digit_or_number_system_only_where_declared() -> None:
    absent = CodeSettings(kind="upc_e", check_digit="absent")
    assert normalize_gtin("425261", absent).gtin14 == "00042100005264"
    assert normalize_gtin("0425261", absent).mended == ("upc_e_expanded", "check_digit_added")
    one = normalize_gtin("1425261", absent)
    assert one.gtin14 == with_check_digit("14210000526").zfill(14)
    assert normalize_gtin("425261").problem == "gtin_invalid"
    assert normalize_gtin("425261", CodeSettings(kind="upc_e")).problem == "gtin_invalid"
    assert normalize_gtin("2425261", absent).problem == "gtin_invalid"


def valid_both_ways(system: str) -> str:
    """The first 8-digit code that is both a right EAN-8 and a right UPC-E."""
    for digits in product("123456789", repeat=6):
        body = "".join(digits)
        eleven = expand_upc_e(system, body)
        code = with_check_digit(system + body)
        if eleven is not None and ean.calc_check_digit(eleven) == code[-1]:
            return code
    raise AssertionError("no such code")


@pytest.mark.parametrize("system", ["0", "1"])
def test_eight_digits_that_are_right_both_ways_need_a_declaration(system: str) -> None:
    code = valid_both_ways(system)
    found = normalize_gtin(code)
    assert found.problem == "gtin_ambiguous"
    assert "ean_8" in str(found.reason) and "upc_e" in str(found.reason)
    as_upc_e = normalize_gtin(code, CodeSettings(kind="upc_e"))
    as_ean_8 = normalize_gtin(code, CodeSettings(kind="ean_8", restricted="keep"))
    assert (as_upc_e.kind, as_ean_8.kind) == ("upc_e", "ean_8")
    assert as_upc_e.gtin14 != as_ean_8.gtin14
    assert normalize_gtin(f"UPC-E: {code}").gtin14 == as_upc_e.gtin14
    assert normalize_gtin(f"EAN-8 {code}", CodeSettings(restricted="keep")).gtin14 == as_ean_8.gtin14


def test_ten_digits_that_are_right_both_ways_need_a_declaration() -> None:
    codes = (with_check_digit(f"{number:09d}") for number in range(123456789, 123457789))
    code = next(code for code in codes if isbn.is_valid(code))
    assert normalize_gtin(code).problem == "gtin_ambiguous"
    assert normalize_gtin(code, CodeSettings(kind="upc_a")).gtin14 == code.zfill(14)
    assert normalize_gtin(code, CodeSettings(kind="isbn_10")).kind == "isbn_10"
    assert normalize_gtin(f"ISBN {code}").kind == "isbn_10"


def test_an_isbn_that_lost_its_zeros_is_read_where_isbns_are_declared() -> None:
    books = CodeSettings(kind="isbn_10")
    found = normalize_gtin("306406152", books)
    assert (found.gtin14, found.mended) == ("09780306406157", ("leading_zero", "isbn_10_converted"))
    assert normalize_gtin("9780306406157", books).kind == "isbn_13"


def test_codes_sent_without_check_digit_get_one_where_that_is_declared() -> None:
    absent = CodeSettings(check_digit="absent")
    found = normalize_gtin("0008502100100", absent)
    assert (found.gtin14, found.mended) == ("00085021001007", ("check_digit_added",))
    assert normalize_gtin("8502100100", absent).gtin14 == "00085021001007"
    book = normalize_gtin("030640615", CodeSettings(kind="isbn_10", check_digit="absent"))
    assert book.gtin14 == "09780306406157"
    assert normalize_gtin("10085021001004", absent).problem == "gtin_invalid"
    assert gtin_table(pl.Series(["0008502100100"]), absent)["gtin14"].to_list() == ["00085021001007"]


@settings(max_examples=200, deadline=None)
@given(body=st.integers(min_value=10**6, max_value=10**13 - 1), stripped=st.booleans())
def test_every_valid_code_survives_losing_its_zeros_and_no_wrong_digit_passes(
    body: int, stripped: bool
) -> None:
    code = with_check_digit(f"{body:013d}")
    sent = code.lstrip("0") if stripped else code
    # Short texts have a second reading; the declaration takes it away.
    declared = CodeSettings(kind="gtin_14", restricted="keep", trailing_zeros="keep")
    assert normalize_gtin(sent, declared).gtin14 == code
    wrong = code[:-1] + str((int(code[-1]) + 1) % 10)
    assert normalize_gtin(wrong, KEEP_ALL).problem == "gtin_invalid"


ALL_SETTINGS = st.builds(
    CodeSettings,
    kind=st.sampled_from([None, "upc_a", "upc_e", "ean_8", "ean_13", "gtin_14", "isbn_10", "isbn_13"]),
    check_digit=st.sampled_from(["present", "absent"]),
    restricted=st.sampled_from(["reject", "keep"]),
    trailing_zeros=st.sampled_from(["reject", "keep"]),
)
GROUPED = st.tuples(
    st.lists(st.from_regex(r"[0-9]{1,6}", fullmatch=True), min_size=1, max_size=5),
    st.sampled_from([" ", "-", "\u00a0", " - "]),
    st.sampled_from(["", "", " ", ".0", ".00", ",0"]),
).map(lambda parts: parts[1].join(parts[0]) + parts[2])
CODE_LIKE = st.one_of(
    GROUPED,
    st.text(max_size=20),
    st.text("0123456789 -.,'\"=eEXx:UPCEANISB()\u00a0０９", max_size=20),
    st.from_regex(r"0{0,6}[0-9]{6,14}", fullmatch=True),
    st.from_regex(r"[0-9]{7,13}", fullmatch=True).map(with_check_digit),
    st.from_regex(r"[1-9][0-9]{0,5}0{4,9}", fullmatch=True),
    st.from_regex(r"(02|04|05|2|98|99|978|979)[0-9]{9,10}", fullmatch=True).map(with_check_digit),
)


@settings(max_examples=300, deadline=None)
@given(text=CODE_LIKE, known=ALL_SETTINGS)
def test_any_text_gives_a_gtin_or_a_problem_and_normalising_twice_changes_nothing(
    text: str, known: CodeSettings
) -> None:
    found = normalize_gtin(text, known)
    assert (found.gtin14 is None) == (found.problem is not None) == (found.reason is not None)
    if found.gtin14 is None:
        assert found.problem in GTIN_PROBLEMS and found.kind is None
        return
    assert ean.is_valid(found.gtin14) and len(found.gtin14) == 14 and found.kind is not None
    assert found.restricted == (restriction(found.gtin14) is not None)
    again = normalize_gtin(found.gtin14, KEEP_ALL)
    assert (again.gtin14, again.mended) == (found.gtin14, ())


@settings(max_examples=80, deadline=None)
@given(texts=st.lists(CODE_LIKE, max_size=25), known=ALL_SETTINGS)
def test_the_table_of_a_column_is_what_each_code_gives_alone(texts: list[str], known: CodeSettings) -> None:
    table = gtin_table(pl.Series("upc", texts, dtype=pl.String), known)
    assert table["code"].to_list() == sorted(set(texts), key=lambda text: text.encode())
    for row in table.iter_rows(named=True):
        alone = normalize_gtin(row["code"], known)
        assert row == {
            "code": row["code"],
            "gtin14": alone.gtin14,
            "problem": alone.problem,
            "reason": alone.reason,
            "kind": alone.kind,
            "mended": ",".join(alone.mended) or None,
            "packaging": alone.packaging,
            "restricted": alone.restricted,
        }


def _with_last_digit(body: str, right: bool, other: str) -> str:
    return body + (ean.calc_check_digit(body) if right else other)


CODES = st.builds(
    _with_last_digit,
    st.one_of(
        st.text("0123456789", min_size=11, max_size=13),
        st.text("0123456789", min_size=7, max_size=9).map(lambda digits: digits.zfill(12)),
    ),
    st.booleans(),
    st.sampled_from("0123456789"),
)


@settings(max_examples=50, deadline=None)
@given(codes=st.lists(CODES))
def test_check_digits_of_a_column_are_those_of_python_stdnum(codes: list[str]) -> None:
    table = gtin_table(pl.Series("upc", codes, dtype=pl.String), KEEP_ALL)
    right = {code: ean.is_valid(code) and bool(code.strip("0")) for code in codes}
    assert dict(zip(table["code"], table["gtin14"].is_not_null(), strict=True)) == right


def test_an_empty_column_gives_an_empty_table_and_nulls_are_left_out() -> None:
    assert gtin_table(pl.Series([], dtype=pl.String)).is_empty()
    assert gtin_table(pl.Series([None, "96385074"])).height == 1
    assert gtin_table(pl.Series([96385074, 85021001007])).height == 2
