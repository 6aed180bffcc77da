"""Suggestions: applied until nothing is left they give copy that keeps to the policy, or a refusal that says why."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmn_pipeline.governance.ad_copy import (
    AdCopy,
    apply_suggestions,
    check_copy,
    copy_policy_for,
    mend_copy,
    network_names,
)
from rmn_pipeline.governance.ad_copy.mending import shorten
from rmn_pipeline.governance.errors import CopyNotMendableError

SECTION = {
    "max_title_characters": 35,
    "max_headline_characters": 40,
    "max_body_characters": 60,
    "banned_terms": ["best", "hurry", "honest", "click here"],
}
POLICIES = {network: copy_policy_for(network, SECTION) for network in network_names()}

_MENDABLE_WORDS = st.sampled_from(
    [
        *(
            "oats",
            "Granola",
            "with",
            "and",
            "the",
            "crunchy",
            "morning",
            "for",
            "breakfast",
            "honey",
            "A",
            "I",
        ),
        *(
            "BEST",
            "best",
            "Hurry",
            "hurry up",
            "HONEST",
            "CLICK HERE",
            "click here",
            "last chance",
            "damn",
            "finest",
        ),
        *(
            "!!!",
            "...",
            "…",
            ",,",
            "--",
            "😀",
            "❤\ufe0f",
            "#",
            "~",
            "*",
            "(",
            ")",
            "<b>",
            "_",
            "|",
            ":",
            "-",
            ".",
        ),
        *("CRUNCH", "LOVE IT", "GrAnOlA", "İSTANBUL", "ẞ", "ＯＡＴＳ", "о\u200bats"),
    ]
)
_ANY_WORDS = st.one_of(
    _MENDABLE_WORDS, st.text(max_size=12), st.sampled_from(["$4.99", "20% off", "Amazon", "eco"])
)


def copies(words: st.SearchStrategy[str]) -> st.SearchStrategy[AdCopy]:
    texts = st.lists(words, max_size=12).map(" ".join)
    return st.builds(
        AdCopy,
        placement=st.sampled_from(["display", "video"]),
        title=st.none() | texts,
        headline=texts,
        body=st.none() | texts,
        call_to_action=st.sampled_from([None, "Shop now", "SHOP NOW", "Go!", "click here"]),
        category=st.sampled_from([None, "snacks", "supplements", "alcohol"]),
    )


@settings(max_examples=250, deadline=None)
@given(copies(_ANY_WORDS), st.sampled_from(network_names()))
def test_mended_copy_is_compliant_or_refused_for_something_that_no_suggestion_mends(
    copy: AdCopy, network: str
) -> None:
    policy = POLICIES[network]
    try:
        mended = mend_copy(copy, policy)
    except CopyNotMendableError:
        assert _hopeless_on_the_way(copy, network)
    else:
        assert check_copy(mended, policy) == []


def _hopeless_on_the_way(copy: AdCopy, network: str) -> bool:
    """Whether applying suggestions step by step meets a violation without one, and does so in few steps."""
    for _ in range(40):
        violations = check_copy(copy, POLICIES[network])
        if any(not violation.is_mendable for violation in violations):
            return True
        copy = apply_suggestions(copy, violations)
    return False


@pytest.mark.parametrize(
    ("headline", "mended"),
    [
        ("BEST granola, hurry!!", "Granola"),
        ("Last chance: CRUNCHY oats 😀", "CRUNCHY oats"),
        ("Morning crunch for busy days with oats and honey", "Morning crunch for busy days with oats"),
    ],
)
def test_copy_is_mended_as_a_person_would(headline: str, mended: str) -> None:
    result = mend_copy(AdCopy(placement="display", headline=headline), POLICIES["amazon_ads"])
    assert result.headline is not None and result.headline.lower() == mended.lower()


def test_a_refusal_lists_everything_that_has_to_be_written_anew() -> None:
    copy = AdCopy(placement="display", headline="Granola $4.99, eco-friendly")
    with pytest.raises(CopyNotMendableError) as raised:
        mend_copy(copy, POLICIES["amazon_ads"])
    first, *listed = str(raised.value).splitlines()
    assert "amazon_ads has to be written anew" in first
    assert [line.split(":")[1].strip() for line in listed] == [
        "LISTING_PRICES",
        "UNSUBSTANTIATED_CLAIM_VIOLATION",
    ]
    assert listed[0].endswith("'$4.99'") and listed[1].endswith("'eco-friendly'")


@given(st.text(max_size=80), st.integers(1, 60))
def test_shortened_text_fits_and_begins_as_it_did(text: str, most: int) -> None:
    short = shorten(text, most)
    if short is not None:
        assert 0 < len(short) <= most or short == text
        assert " ".join(text.split()).startswith(" ".join(short.split()))


@pytest.mark.parametrize(
    ("text", "most", "short"),
    [
        ("Oats and honey", 14, "Oats and honey"),
        ("Oats and honey", 13, "Oats"),
        ("Oats (with honey) daily", 14, "Oats"),
        ("Oats, honey", 6, "Oats"),
        ("Unbreakable", 5, None),
    ],
)
def test_text_is_cut_at_word_borders(text: str, most: int, short: str | None) -> None:
    assert shorten(text, most) == short
