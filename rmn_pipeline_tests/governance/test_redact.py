"""Redaction: nothing of a value stays, and a keyed hash joins without telling."""

import re

import pytest

from rmn_pipeline.governance.errors import RedactionError
from rmn_pipeline.governance.evaluation.labelled_set import labelled_texts
from rmn_pipeline.governance.pii import detect_pii, redact

SALT = bytes(range(32))
NOTE = "ann@example.com or (415) 555-2671"


def test_mask_keeps_the_length_and_nothing_else() -> None:
    assert redact(NOTE, "mask") == "*" * 15 + " or " + "*" * 14


def test_tag_names_the_kind() -> None:
    assert redact(NOTE, "tag") == "<EMAIL_ADDRESS> or <PHONE_NUMBER>"


def test_hash_is_the_same_however_the_value_was_written() -> None:
    ways = ["415-555-2671", "(415) 555-2671", "415.555.2671", "４１５-555-2671"]
    assert len({redact(way, "hash", salt=SALT) for way in ways}) == 1
    mails = ["ann@example.com", "ANN@example.com", "ann%40example.com", "аnn@example.com"]
    assert len({redact(mail, "hash", salt=SALT) for mail in mails}) == 1


def test_hash_needs_its_salt_to_be_repeated() -> None:
    first, second = redact(NOTE, "hash", salt=SALT), redact(NOTE, "hash", salt=SALT[::-1])
    assert re.fullmatch(r"<EMAIL_ADDRESS:[0-9a-f]{16}> or <PHONE_NUMBER:[0-9a-f]{16}>", first)
    assert first != second


@pytest.mark.parametrize("salt", [None, b"", b"short"])
def test_hash_without_a_long_salt_is_refused(salt: bytes | None) -> None:
    with pytest.raises(RedactionError, match="at least 16"):
        redact(NOTE, "hash", salt=salt)


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(RedactionError, match="'blur' is unknown"):
        redact(NOTE, "blur")  # type: ignore[arg-type]


def test_what_was_found_is_gone_in_every_mode() -> None:
    for item in labelled_texts("held_out", per_group=20):
        for span in detect_pii(item.text):
            value = item.text[span.start : span.end]
            for mode in ("mask", "tag", "hash"):
                assert value not in redact(item.text, mode, salt=SALT if mode == "hash" else None)  # type: ignore[arg-type]
