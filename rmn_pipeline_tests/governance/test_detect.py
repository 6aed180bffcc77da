"""Single texts: what is found where, and what is a report's own."""

import subprocess
import sys
import time

import pytest

from rmn_pipeline.governance.errors import GovernanceDependencyError
from rmn_pipeline.governance.pii import detect_pii
from rmn_pipeline.governance.pii.checks import is_card_number, is_product_code


def found(text: str) -> list[tuple[str, str]]:
    return [(span.entity_type, text[span.start : span.end]) for span in detect_pii(text)]


@pytest.mark.parametrize(
    ("text", "entity_type", "value"),
    [
        ("mail ann.lee@example.com, thanks", "EMAIL_ADDRESS", "ann.lee@example.com"),
        ("?user=ann.lee%40example.com&x=1", "EMAIL_ADDRESS", "ann.lee%40example.com"),
        ("ann.lee@ехаmple.com", "EMAIL_ADDRESS", "ann.lee@ехаmple.com"),
        ("ann [at] example [dot] com", "EMAIL_ADDRESS", "ann [at] example [dot] com"),
        ("write to ann at gmail.com", "EMAIL_ADDRESS", "ann at gmail.com"),
        ("paid 4111 1111 1111 1111 today", "CREDIT_CARD", "4111 1111 1111 1111"),
        ("Mastercard 2221 0000 0000 0009", "CREDIT_CARD", "2221 0000 0000 0009"),
        ("maestro 501800000009", "CREDIT_CARD", "501800000009"),
        ("ssn 536-22-8726", "US_SSN", "536-22-8726"),
        ("ssn S36-2Z-87l6", "US_SSN", "S36-2Z-87l6"),
        ("social security 536228726", "US_SSN", "536228726"),
        ("(415) 555-2671 ext. 12", "PHONE_NUMBER", "(415) 555-2671 ext. 12"),
        ("call me: 4155552671", "PHONE_NUMBER", "4155552671"),
        ("+49 30 901820", "PHONE_NUMBER", "+49 30 901820"),
        ("from 81.2.69.142:443", "IP_ADDRESS", "81.2.69.142"),
        ("from 2001:db8:85a3::8a2e:370:7334: late", "IP_ADDRESS", "2001:db8:85a3::8a2e:370:7334"),
        ("DE89 3704 0044 0532 0130 00", "IBAN_CODE", "DE89 3704 0044 0532 0130 00"),
        ("to de89370400440532013000 please", "IBAN_CODE", "de89370400440532013000"),
        ("to 1600 Cedar Hill Ave NW, Apt 4", "STREET_ADDRESS", "1600 Cedar Hill Ave NW, Apt 4"),
        ("gaid: 38400000-8cf0-11bd-b23e-10b96e40000d", "DEVICE_ID", "38400000-8cf0-11bd-b23e-10b96e40000d"),
        ("00:1A:2B:3C:4D:5E", "DEVICE_ID", "00:1A:2B:3C:4D:5E"),
        ("imei 490154203237518", "DEVICE_ID", "490154203237518"),
    ],
)
def test_personal_data_is_found_where_it_stands(text: str, entity_type: str, value: str) -> None:
    assert found(text) == [(entity_type, value)]


@pytest.mark.parametrize(
    "text",
    [
        # A right GTIN check digit beats a right Luhn check.
        "4006381333931",
        "GTIN 00085021001007 Harvest Row Granola",
        "search 512 481 2033 impressions",
        "Order 4155552671 shipped 2026-07-04",
        "order id 114-1234567-7654321",
        "DPCI 245-12-3456",
        "item 536228726",
        "campaign 371449635398431 spend $12.50",
        "campaign 38400000-8cf0-11bd-b23e-10b96e40000d",
        "mobile 4128879021 impressions",
        "cell phone case item 4155552671",
        "SDK 10.4.2.1",
        "12 Pack Wall Street Deli Mustard",
        "24 ct Diet Dr Pepper",
        "available at brand dot com",
        "2 @ 5.99, cpc@0.65",
        "http://127.0.0.1:5000",
        "page views 415 555 2671 98 33",
        "$4155552671",
    ],
)
def test_what_a_report_calls_its_own_is_left_alone(text: str) -> None:
    assert found(text) == []


# Both pass the Luhn check; the first has a GTIN's check digit too.
CARD_AND_GTIN, CARD_ONLY = "4222222222305", "4222222222222"


def test_a_product_codes_check_digit_beats_luhn_until_the_text_says_card() -> None:
    assert is_card_number(CARD_AND_GTIN) and is_product_code(CARD_AND_GTIN)
    assert is_card_number(CARD_ONLY) and not is_product_code(CARD_ONLY)
    assert found(CARD_AND_GTIN) == []
    assert found(CARD_ONLY) == [("CREDIT_CARD", CARD_ONLY)]
    assert found(f"card {CARD_AND_GTIN}") == [("CREDIT_CARD", CARD_AND_GTIN)]
    assert found(f"GTIN {CARD_ONLY}") == []


def test_several_values_in_one_text_are_all_found_in_order() -> None:
    text = "ann@example.com, (415) 555-2671, 4111-1111-1111-1111"
    assert [entity_type for entity_type, _ in found(text)] == ["EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD"]


def test_a_cue_speaks_for_the_next_number_only() -> None:
    assert found("order 4471120098, call 4155552671") == [("PHONE_NUMBER", "4155552671")]


def test_names_of_persons_are_not_detected() -> None:
    assert found("Ann Lee from Columbus asked for a refund") == []


def test_without_presidio_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = __import__("importlib.util").util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "presidio_analyzer" else real(name)
    )
    with pytest.raises(GovernanceDependencyError, match=r"pip install 'rmn_pipeline\[governance\]'"):
        detect_pii("nothing here")


@pytest.mark.parametrize(
    "unit", ["1 ", "a@b.", "1.2.", "12 Aa Street ", "(at)a", "4111 1111 1111 1111 ", "%40", "a:"]
)
def test_time_grows_with_the_text_and_no_faster(unit: str) -> None:
    long = (unit * 20_000)[:20_000]
    start = time.process_time()
    detect_pii(long)
    assert time.process_time() - start < 5


def test_importing_the_room_imports_no_heavy_library() -> None:
    code = (
        "import sys, rmn_pipeline.governance, rmn_pipeline.governance.pii\n"
        "print([name for name in ('presidio_analyzer', 'spacy', 'torch', 'tldextract') if name in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    from rmn_pipeline.governance.pii import presidio

    presidio._suffix_list.cache_clear()
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a connection was opened"))
    assert found("ann@example.com") == [("EMAIL_ADDRESS", "ann@example.com")]
