"""Every kind of rule on copy that breaks it and on copy that keeps to it."""

import datetime

import pytest

from rmn_pipeline.governance.ad_copy import (
    AdCopy,
    ClaimClass,
    Proof,
    ViolationCode,
    check_copy,
    copy_policy,
    copy_policy_for,
    network_names,
)
from rmn_pipeline.governance.ad_copy.rules import EasterDay, FixedDay, NthWeekday
from rmn_pipeline.governance.ad_copy.seasons import easter_sunday, feast_day, runs_past
from rmn_pipeline.governance.errors import CopyPolicyError

RETAILER_SECTION = {
    "max_title_characters": 50,
    "max_headline_characters": 30,
    "max_body_characters": 100,
    "banned_terms": ["best", "click here", "free"],
}


def codes(headline: str, network: str = "amazon_ads", **more: object) -> set[str]:
    copy = AdCopy.model_validate({"placement": "display", "headline": headline, **more})
    return {violation.code.value for violation in check_copy(copy, copy_policy(network))}


@pytest.mark.parametrize("network", ["amazon_ads", "walmart_connect", "criteo_retail_media", "instacart_ads"])
def test_plain_copy_keeps_to_every_network(network: str) -> None:
    assert network in network_names()
    assert codes("Crunchy oat granola", network, body="For busy mornings", call_to_action="Shop now") == set()


@pytest.mark.parametrize(
    ("headline", "code"),
    [
        ("Granola " * 8, "TOO_LONG"),
        ("", "TOO_SHORT"),
        ("\u200b", "TOO_SHORT"),
        ("Granola you'll LOVE", "CAP_WORDS"),
        ("GrAnOlA iS HeRe", "CAP_WORDS"),
        ("Granola, oats,, honey", "PUNCTUATIONS"),
        ("...and granola", "ELLIPSIS"),
        ("Granola <now>", "SPECIAL_CHARACTERS"),
        ("Granola 😀", "EMOJI"),
        ("Granola ❤\ufe0f", "EMOJI"),
        ("Granola for $4.99", "LISTING_PRICES"),
        ("Granola at 20% off", "LISTING_PRICES"),
        ("Granola until 12/31", "END_DATE"),
        ("Granola, ends Sunday", "END_DATE"),
        ("Merry Christmas granola", "SEASONAL_EVENTS_WORD"),
        ("Last chance for granola", "TIME_SENSITIVE_EVENT"),
        ("Granola: click here", "AMBIGUOUS_CTA"),
        ("Granola on Amazon", "RETAILER_SPECIFIC_TERM"),
        ("Granola as at Walmart", "COMPETITOR_NAME"),
        ("Granola at oats.com", "CONTACT_DATA"),
        ("Call 415-555-2671", "CONTACT_DATA"),
        ("Damn good granola", "PROFANE_WORDS"),
    ],
)
def test_a_broken_rule_has_its_code(headline: str, code: str) -> None:
    assert code in codes(headline)


@pytest.mark.parametrize(
    ("headline", "claim"),
    [
        ("America's #1 granola", ClaimClass.COMPARATIVE_SUPERLATIVE),
        ("The best granola", ClaimClass.COMPARATIVE_SUPERLATIVE),
        ("50% more oats", ClaimClass.OBJECTIVE),
        ("Clinically proven granola", ClaimClass.HEALTH),
        ("Supports immunity", ClaimClass.HEALTH),
        ("Eco-friendly granola", ClaimClass.ENVIRONMENTAL),
        ("A recyclable pack", ClaimClass.ENVIRONMENTAL),
        ("The lowest price", ClaimClass.PRICE_SAVINGS),
        ("Free granola", ClaimClass.PRICE_SAVINGS),
        ("Recommended by chefs", ClaimClass.ENDORSEMENT),
    ],
)
def test_a_claim_needs_a_proof_and_is_fine_with_one(headline: str, claim: ClaimClass) -> None:
    copy = AdCopy(placement="display", headline=headline)
    policy = copy_policy("criteo_retail_media")
    assert claim in {violation.claim for violation in check_copy(copy, policy)}
    proven = copy.model_copy(update={"proofs": (Proof(claim=headline, reference="study 2026-03, page 4"),)})
    assert claim not in {violation.claim for violation in check_copy(proven, policy)}


def test_a_proof_of_one_claim_does_not_cover_another() -> None:
    proof = Proof(claim="50% more oats", reference="recipe sheet 12")
    copy = AdCopy(placement="display", headline="50% more oats, eco-friendly", proofs=(proof,))
    claims = {violation.claim for violation in check_copy(copy, copy_policy("criteo_retail_media"))}
    assert claims == {ClaimClass.ENVIRONMENTAL}


def test_no_proof_makes_a_cure_of_a_food() -> None:
    proof = Proof(claim="cures flu", reference="study")
    assert "PROHIBITED_CLAIM" in codes("Granola cures flu", proofs=(proof,))


@pytest.mark.parametrize(
    "headline",
    ["Delicious morning crunch", "Eggs of free-range hens", "Best before breakfast", "Free of nuts"],
)
def test_puffery_and_words_with_another_meaning_are_no_claims(headline: str) -> None:
    assert codes(headline, "criteo_retail_media") == set()


@pytest.mark.parametrize(
    "headline", ["Clіck here", "Click\u200b here", "Ｃlick here", "click-here", "CLICK  HERE"]
)
def test_a_disguised_term_is_found(headline: str) -> None:
    assert "AMBIGUOUS_CTA" in codes(headline)


def test_the_span_of_a_disguised_term_is_that_of_the_original() -> None:
    headline = "Oats: clіck\u200b here now"
    copy = AdCopy(placement="display", headline=headline)
    spans = [
        v.span for v in check_copy(copy, copy_policy("amazon_ads")) if v.code is ViolationCode.AMBIGUOUS_CTA
    ]
    assert [headline[start:end] for start, end in spans] == ["clіck\u200b here"]


def test_lengths_differ_by_placement_and_language() -> None:
    thirty_one = "あ" * 31
    assert "TOO_LONG" in codes(thirty_one, language="ja")
    assert "TOO_LONG" not in codes("a" * 31)
    assert "TOO_LONG" in codes("a" * 23, "instacart_ads")
    assert "TOO_SHORT" not in codes("", placement="sponsored_products")


def test_copy_in_a_language_without_wording_rules_goes_to_a_person() -> None:
    assert "LANGUAGE_UNSUPPORTED" in codes("Knuspriges Granola", language="de")


def test_competitors_that_the_brand_lists_are_not_named() -> None:
    assert "COMPETITOR_NAME" in codes("Tastier than OatCo granola", competitors=("OatCo",))


def test_the_promoted_brand_is_the_sponsor() -> None:
    wrong = codes("Oats", "walmart_connect", placement="sponsored_brands", title="OatCo", brand="Harvest Row")
    right = codes(
        "Oats", "walmart_connect", placement="sponsored_brands", title="Harvest Row", brand="Harvest Row"
    )
    assert "SPONSOR_NAME_MISMATCH" in wrong and not right


@pytest.mark.parametrize("category", ["supplements", "alcohol", "infant_food", "otc_medicine"])
def test_some_categories_need_a_disclaimer(category: str) -> None:
    copy = AdCopy(placement="display", headline="New in store", category=category)
    policy = copy_policy("criteo_retail_media")
    missing = [v for v in check_copy(copy, policy) if v.code is ViolationCode.DISCLAIMER_MISSING]
    assert len(missing) == 1 and missing[0].suggestion
    assert not check_copy(copy.with_text("disclaimer", missing[0].suggestion), policy)


def test_tobacco_is_not_advertised() -> None:
    assert "PROHIBITED_CATEGORY" in codes("Smooth taste", category="tobacco")


def test_calls_to_action_come_from_the_list() -> None:
    assert "CTA_IN_ALL_CAPS" in codes("Oats", call_to_action="SHOP NOW")
    assert "AMBIGUOUS_CTA" in codes("Oats", call_to_action="Go")
    assert codes("Oats", call_to_action="Shop now") == set()


def test_a_seasons_words_are_fine_until_a_day_after_it() -> None:
    for last_day, allowed in (
        ("2026-12-20", True),
        ("2026-12-26", True),
        ("2026-12-27", False),
        ("2027-01-05", False),
    ):
        found = codes("Christmas granola", last_day=datetime.date.fromisoformat(last_day))
        assert ("SEASONAL_EVENTS_WORD" not in found) == allowed, last_day


def test_feasts_fall_on_their_days() -> None:
    assert easter_sunday(2026) == datetime.date(2026, 4, 5)
    assert easter_sunday(2027) == datetime.date(2027, 3, 28)
    assert feast_day(EasterDay(easter_plus_days=1), 2024) == datetime.date(2024, 4, 1)
    assert feast_day(NthWeekday(month=11, weekday=3, nth=4, plus_days=1), 2026) == datetime.date(2026, 11, 27)
    new_year = FixedDay(month=1, day=1)
    assert runs_past(new_year, datetime.date(2026, 12, 28), 1) is None
    assert runs_past(new_year, datetime.date(2027, 1, 9), 1) == datetime.date(2027, 1, 1)


def test_the_stricter_of_network_and_retailer_holds() -> None:
    policy = copy_policy_for("amazon_ads", RETAILER_SECTION)
    own_limit = AdCopy(placement="display", headline="a" * 31)
    networks_limit = AdCopy(placement="display", headline="a" * 51)
    assert [v.message for v in check_copy(own_limit, policy)] == [
        "the retailer's limit for a headline: 31 characters, at most 30 are shown"
    ]
    assert len(check_copy(networks_limit, policy)) == 2
    lenient = copy_policy_for("amazon_ads", {**RETAILER_SECTION, "max_headline_characters": 500})
    assert [v.code for v in check_copy(networks_limit, lenient)] == [ViolationCode.TOO_LONG]


def test_what_the_retailer_bans_is_banned() -> None:
    policy = copy_policy_for("criteo_retail_media", {**RETAILER_SECTION, "banned_terms": ["crunch*"]})
    found = check_copy(AdCopy(placement="display", headline="Crunchy oats"), policy)
    assert [(v.code, v.span, v.suggestion) for v in found] == [(ViolationCode.BANNED_TERM, (0, 7), "")]


def test_unknown_names_are_refused_with_what_there_is() -> None:
    with pytest.raises(CopyPolicyError, match=r"'myspace' has no rule file.*amazon_ads, criteo_retail_media"):
        copy_policy("myspace")
    with pytest.raises(
        CopyPolicyError, match="placement 'billboard' is unknown to amazon_ads; it has: sponsored"
    ):
        check_copy(AdCopy(placement="billboard", headline="x"), copy_policy("amazon_ads"))
    with pytest.raises(CopyPolicyError, match=r"alpha/policy.yaml: copy: banned_terms: Field required"):
        copy_policy_for(
            "amazon_ads",
            {name: value for name, value in RETAILER_SECTION.items() if name != "banned_terms"},
            where="alpha/policy.yaml: copy",
        )
