"""The plain form of a text, and the way back to the original's places."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmn_pipeline.governance.plain_text import plain_form


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("nothing to undo: 20% off & more", "nothing to undo: 20% off & more"),
        ("a%40b.de", "a@b.de"),
        ("a%2540b.de", "a@b.de"),
        ("%C3%A9t%C3%A9", "ete"),
        ("a&#64;b &commat; &#x40;", "a@b @ @"),
        ("ｆｕｌｌ＠ｗｉｄｔｈ", "full@width"),
        ("раураl", "paypal"),
        ("zero\u200bwidth\u00ad\u2060", "zerowidth"),
        ("415\u2011555\u00a02671", "415-555 2671"),
        ("٤١٥", "415"),
        ("Hauptstraße", "Hauptstrasse"),
    ],
)
def test_what_hides_a_value_is_undone(text: str, plain: str) -> None:
    assert plain_form(text).text == plain


def test_bytes_that_are_no_text_stay_as_written() -> None:
    assert plain_form("%E4%zz 100%").text == "%E4%zz 100%"


def test_places_lead_back_to_what_was_written() -> None:
    text = "to: ann%2540exａmple.de!"
    plain = plain_form(text)
    start = plain.text.index("ann@example.de")
    assert text[slice(*plain.original_span(start, start + len("ann@example.de")))] == "ann%2540exａmple.de"


@given(st.text(max_size=60))
def test_every_place_lies_in_the_original_and_places_never_go_back(text: str) -> None:
    plain = plain_form(text)
    spans = [plain.original_span(place, place + 1) for place in range(len(plain.text))]
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert spans == sorted(spans)


@given(
    st.text(alphabet=st.characters(max_codepoint=127), max_size=60).filter(
        lambda text: not {"%", "&"} & set(text)
    )
)
def test_plain_ascii_is_its_own_plain_form(text: str) -> None:
    assert plain_form(text).text == text
