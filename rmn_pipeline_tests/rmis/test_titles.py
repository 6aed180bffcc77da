"""Title matching: what is proposed, what is held back, and how often proposals are right."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmn_pipeline.rmis.errors import CatalogError
from rmn_pipeline.rmis.titles import (
    PROPOSALS_SCHEMA,
    WITHHELD_SCHEMA,
    TitleMatchSettings,
    match_titles,
    propose_title_matches,
)
from rmn_pipeline_tests.rmis.messy_titles import (
    HELD_OUT_WAYS,
    KNOWN_WAYS,
    Figures,
    Way,
    catalog_frame,
    invent_items,
    judge,
    questions,
)

CATALOG = pl.DataFrame(
    [
        ("S1", "Harvest Row Granola Vanilla, 6 ct", "harvest_row", "6 ct"),
        ("S2", "Harvest Row Granola Vanilla, 12 ct", "harvest_row", "12 ct"),
        ("S3", "Harvest Row Granola Honey, 6 ct", "harvest_row", "6 ct"),
        ("S4", "Harvest Row Cold Brew Coffee, 12 fl oz", "harvest_row", None),
        ("S5", "Clearwell Dish Soap Rose, 16 oz", "clearwell", None),
        ("S6", "Clearwell Dish Soap Rosemary, 16 oz", "clearwell", None),
        ("S7", "Clearwell Hand Soap Rose, 8 oz", "clearwell", None),
        ("S8", "Oatly Barista, 6 x 1 l", "oatly", None),
    ],
    schema=["sku_id", "title", "brand_id", "size"],
    orient="row",
)


def unknown(*rows: tuple[str, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"native_id": pl.String, "title": pl.String}, orient="row")


def proposed(title: str, **columns: str) -> str | None:
    frame = unknown(("N1", title)).with_columns(pl.lit(value).alias(name) for name, value in columns.items())
    found = propose_title_matches(frame, CATALOG)
    return found["sku_id"][0] if found.height else None


@pytest.mark.parametrize(
    ("title", "sku_id"),
    [
        ("HARVEST ROW granola - Vanilla (6 Count)", "S1"),
        ("Vanilla Granola by Harvest Row, 12-pack", "S2"),
        ("Harvest Row Granola Vanila 6ct", "S1"),
        ("Harvest Row Cold Brew Coffee 355 ml", "S4"),
        ("Clearwell Dish Soap Rosemary 454 g", "S6"),
        ("Clearwell Dish Soap Rose 454 g", "S5"),
        ("Oatly Barista 1L (Pack of 6)", "S8"),
    ],
)
def test_messy_titles_find_their_product(title: str, sku_id: str) -> None:
    assert proposed(title) == sku_id


@pytest.mark.parametrize(
    "title",
    [
        "Harvest Row Granola Vanilla, 24 ct",
        "Harvest Row Cold Brew Coffee 6 x 12 fl oz",
        "Oatly Barista 1 l",
        "Harvest Row Granola Coffee, 6 ct",
        "Clearwell Dish Soap Honey, 16 oz",
        "Unheard Of Thing",
        "",
        "6 ct",
    ],
)
def test_another_pack_or_another_variant_is_not_proposed(title: str) -> None:
    assert proposed(title) is None


def test_size_and_brand_columns_count_like_the_title() -> None:
    assert proposed("Granola Vanilla", brand="Harvest Row", size="12 ct") == "S2"
    assert proposed("Harvest Row Granola Vanilla", size="24 ct") is None


def test_a_proposal_shows_score_runner_up_and_what_agrees() -> None:
    found = propose_title_matches(unknown(("N1", "harvest row granola honey 6 ct")), CATALOG)
    assert dict(found.schema) == PROPOSALS_SCHEMA
    row = found.row(0, named=True)
    assert row == {
        "native_id": "N1",
        "title": "harvest row granola honey 6 ct",
        "sku_id": "S3",
        "matched_title": "Harvest Row Granola Honey, 6 ct",
        "score": 100.0,
        "runner_up_sku_id": "S1",
        "runner_up_score": row["runner_up_score"],
        "size_agrees": True,
        "brand_agrees": True,
        "also_proposed_for": "",
        "decision": "",
    }
    assert 0 < row["runner_up_score"] < 80


def test_an_unstated_size_is_proposed_below_certainty_and_marked() -> None:
    found = propose_title_matches(unknown(("N1", "Clearwell Hand Soap Rose")), CATALOG).row(0, named=True)
    assert (found["sku_id"], found["score"], found["size_agrees"]) == ("S7", 95.0, None)


def test_a_title_that_fits_two_products_alike_is_withheld_with_both() -> None:
    matches = match_titles(unknown(("N1", "Harvest Row Granola Vanilla")), CATALOG)
    assert matches.proposals.is_empty()
    assert dict(matches.withheld.schema) == WITHHELD_SCHEMA
    assert matches.withheld.row(0)[2] == (
        "the title 'Harvest Row Granola Vanilla' fits S1 (95.0) and S2 (95.0) alike"
    )


def test_an_id_whose_titles_are_several_products_is_a_placeholder_and_is_withheld() -> None:
    rows = [
        ("T-0", "Harvest Row Granola Honey, 6 ct"),
        ("T-0", "Clearwell Dish Soap Rose, 16 oz"),
        ("N2", "Harvest Row Granola Vanilla 6 ct"),
        ("N2", "HARVEST ROW Vanilla Granola, 6 count"),
        ("T-1", "Clearwell Hand Soap Rose 8 oz"),
        ("T-1", "Something else entirely"),
    ]
    matches = match_titles(unknown(*rows), CATALOG)
    assert matches.proposals.select("native_id", "sku_id").rows() == [("N2", "S1")]
    assert matches.withheld.rows() == [
        ("T-0", 2, "its titles lead to 2 products, 0 of them to none"),
        ("T-1", 2, "its titles lead to 1 products, 1 of them to none"),
    ]


@pytest.mark.parametrize("native_id", ["Unknown", "n/a", "999999999999", "0"])
def test_a_placeholder_is_no_item_id_even_with_one_title(native_id: str) -> None:
    matches = match_titles(unknown((native_id, "Harvest Row Granola Honey, 6 ct")), CATALOG)
    assert matches.proposals.is_empty()
    assert matches.withheld["reason"].to_list() == ["it is a placeholder, no item id"]


def test_two_ids_for_one_product_name_each_other() -> None:
    rows = [("N1", "Harvest Row Granola Honey 6 ct"), ("N2", "Harvest Row Honey Granola 6 pack")]
    found = propose_title_matches(unknown(*rows), CATALOG).sort("native_id")
    assert found.select("native_id", "sku_id", "also_proposed_for").rows() == [
        ("N1", "S3", "N2"),
        ("N2", "S3", "N1"),
    ]


def test_the_threshold_and_the_margin_are_the_callers() -> None:
    frame = unknown(("N1", "Harvest Row Cold Coffee 12 fl oz"))
    score = propose_title_matches(frame, CATALOG, TitleMatchSettings(threshold=50))["score"][0]
    assert 50 < score < 100
    assert propose_title_matches(frame, CATALOG, TitleMatchSettings(threshold=score + 0.1)).is_empty()
    assert match_titles(frame, CATALOG, TitleMatchSettings(threshold=50, margin=100)).withheld.height == 1


def test_nothing_to_match_gives_empty_tables_and_missing_columns_are_named() -> None:
    assert propose_title_matches(unknown(), CATALOG).is_empty()
    assert propose_title_matches(unknown(("N1", "Tea")), CATALOG.clear()).is_empty()
    with pytest.raises(CatalogError, match="unknown products has no column 'title'"):
        propose_title_matches(pl.DataFrame({"native_id": ["N1"]}), CATALOG)
    with pytest.raises(CatalogError, match="the catalog has no column 'brand_id'"):
        propose_title_matches(unknown(("N1", "Tea")), CATALOG.drop("brand_id"))


@settings(max_examples=60, deadline=None)
@given(
    titles=st.lists(st.text(max_size=30), max_size=5),
    known=st.lists(st.text("abcdefg 0123456789xozgml", max_size=30), min_size=1, max_size=5),
)
def test_any_titles_give_proposals_in_the_stated_range(titles: list[str], known: list[str]) -> None:
    catalog = pl.DataFrame(
        {
            "sku_id": [f"S{place}" for place in range(len(known))],
            "title": known,
            "brand_id": ["b"] * len(known),
        }
    )
    found = propose_title_matches(unknown(*[(f"N{i}", title) for i, title in enumerate(titles)]), catalog)
    assert dict(found.schema) == PROPOSALS_SCHEMA
    assert found["native_id"].is_unique().all()
    assert all(80 <= score <= 100 for score in found["score"])
    assert set(found["size_agrees"]) <= {True, None}


def figures(ways: dict[str, Way], seed: int) -> Figures:
    items = invent_items(seed)
    asked = questions(items, ways, seed)
    frame = unknown(*[(question.native_id, question.title) for question in asked])
    return judge(asked, propose_title_matches(frame, catalog_frame(items)))


def test_proposals_are_right_and_complete_on_the_ways_that_the_matcher_was_built_on() -> None:
    # Seeds 1 to 5: precision .973 to .979, recall .962 to .971. The best title of plain rapidfuzz, seed 1:
    # token_sort_ratio >= 90 gives .831 and .554, token_set_ratio >= 90 .753 and .685, WRatio >= 90 .848 and .662.
    found = figures(KNOWN_WAYS, seed=1)
    assert found.precision > 0.96 and found.recall > 0.94


def test_proposals_are_right_on_ways_that_nobody_built_for() -> None:
    # First run, seeds 21 to 23: precision .974 to .980, recall .718 to .759. Titles with underscores are read since:
    # .982 to .991, .829 to .846. What is missing is mostly titles without a size, which are held back where the
    # catalog has several sizes of the product.
    found = figures(HELD_OUT_WAYS, seed=21)
    assert found.precision > 0.96 and found.recall > 0.7
    assert found.by_way["other size"] > 0.94 and found.by_way["other flavour"] > 0.94
