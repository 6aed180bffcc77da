"""Scanning columns: the vectorized look loses nothing, batches add up, examples show no value."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmn_pipeline.governance.errors import ScanError
from rmn_pipeline.governance.evaluation.labelled_set import clean_texts, labelled_texts
from rmn_pipeline.governance.pii import detect_pii, gates, scan_batches, scan_texts
from rmn_pipeline.governance.pii.detect import detect_behind_gates, find_without_gates

LABELLED = [item.text for item in labelled_texts("held_out", per_group=60)]
CLEAN = [item.text for item in clean_texts("held_out", 300)]

_FRAGMENTS = st.sampled_from(
    [
        *"@%&.-+ ()/:;,#|\n\t",
        *(
            "at",
            "dot",
            "com",
            "gmail",
            "call",
            "tel",
            "ssn",
            "card",
            "imei",
            "gtin",
            "order",
            "impressions",
            "apt",
        ),
        *(
            "Street",
            "Ave",
            "rue",
            "Calle",
            "PO Box",
            "strasse",
            "x12",
            "::",
            "0x",
            "%40",
            "&#64;",
            "＠",
            "\u200b",
        ),
        *(
            "415",
            "555",
            "2671",
            "4111",
            "1111",
            "536",
            "22",
            "8726",
            "l",
            "O",
            "DE89",
            "3704",
            "a1b2",
            "ff",
            "２",
        ),
    ]
)
MIXED_TEXTS = st.lists(st.one_of(_FRAGMENTS, st.text(max_size=4)), max_size=24).map("".join)
BROKEN_TEXTS = st.builds(
    lambda text, place, mark: text[:place] + mark + text[place:],
    st.sampled_from(LABELLED),
    st.integers(0, 60),
    st.one_of(_FRAGMENTS, st.characters()),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(MIXED_TEXTS, BROKEN_TEXTS), min_size=1, max_size=12))
def test_the_vectorized_look_never_loses_what_detect_pii_finds(texts: list[str]) -> None:
    opened = pl.DataFrame({"text": texts}).select(gates.open_gates_expression("text")).to_series()
    for text, mask in zip(texts, opened, strict=True):
        assert detect_behind_gates(text, mask) == detect_pii(text)


@settings(max_examples=150, deadline=None)
@given(st.one_of(MIXED_TEXTS, BROKEN_TEXTS))
def test_no_gate_shuts_out_what_its_recognizer_would_find(text: str) -> None:
    assert detect_pii(text) == find_without_gates(text)


def test_no_gate_shuts_out_anything_of_the_labelled_set() -> None:
    assert all(detect_pii(text) == find_without_gates(text) for text in [*LABELLED, *CLEAN])


def test_findings_of_a_series_are_those_of_its_texts() -> None:
    texts = [*LABELLED[:200], None, "", *CLEAN[:100]]
    findings = scan_texts(pl.Series("note", texts))
    expected = [
        (row, span.start, span.end, span.entity_type)
        for row, text in enumerate(texts)
        for span in detect_pii(text or "")
    ]
    assert findings.select("row", "start", "end", "entity_type").rows() == expected


def test_numbers_are_no_text() -> None:
    with pytest.raises(ScanError, match="'clicks' is Int64"):
        scan_texts(pl.Series("clicks", [1, 2]))


def test_batches_add_up_and_repeated_texts_are_read_once() -> None:
    batch = pl.DataFrame({"note": ["call 415-555-2671", "fine", None], "clicks": [1, 2, 3]})
    scan = scan_batches([batch, batch, batch])
    assert (scan.texts, scan.looked_at, scan.flagged) == (6, 1, 3)
    assert scan.by_type == {"PHONE_NUMBER": 3}
    assert scan.by_column == {"note": 3}
    assert scan.examples == {"PHONE_NUMBER": ("call <PHONE_NUMBER>",)}


def test_a_columns_name_says_what_its_numbers_are() -> None:
    batch = pl.DataFrame(
        {name: ["4155552671", "371449635398431"] for name in ("phone", "campaignId", "note")}
    )
    assert scan_batches([batch]).by_column == {"phone": 2, "note": 1}
    assert scan_batches([batch]).by_type == {"CREDIT_CARD": 2, "PHONE_NUMBER": 1}


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(ScanError, match=r"'remark'.*text columns are: note"):
        scan_batches([pl.DataFrame({"note": ["x"]})], ["remark"])


def test_examples_show_no_value() -> None:
    items = labelled_texts("held_out", per_group=30)
    scan = scan_batches([pl.DataFrame({"note": [item.text for item in items]})])
    shown = "\n".join(example for examples in scan.examples.values() for example in examples)
    values = [item.text[label.start : label.end] for item in items for label in item.labels]
    missed = [value for value, item in zip(values, items, strict=True) if not detect_pii(item.text)]
    assert not [value for value in values if value in shown and value not in missed]
