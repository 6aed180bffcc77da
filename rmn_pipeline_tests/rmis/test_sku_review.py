"""From a rejected product to an accepted match: what is read, what is kept, and what never joins by itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rmn_pipeline.rmis import harmonize
from rmn_pipeline.rmis.errors import CatalogError, LakeError
from rmn_pipeline.rmis.models import REJECTS_SCHEMA
from rmn_pipeline.rmis.retailer_products import load_retailer_products
from rmn_pipeline.rmis.sku_review import accepted_matches, read_review, review_file, update_review
from rmn_pipeline.rmis.titles import PROPOSALS_SCHEMA, propose_title_matches
from rmn_pipeline.rmis.unknown_products import header_words, title_column, unknown_products
from rmn_pipeline_tests.rmis.fixtures import mapping, row, write_csv


def rejects(*raw_rows: dict[str, Any] | str, rule: str = "unknown.sku_id") -> pl.DataFrame:
    rows = [
        {
            "retailer_id": "shop",
            "source_file": "r.csv",
            "source_row": place,
            "rule": rule,
            "severity": "reject",
            "message": "",
            "raw_row": raw if isinstance(raw, str) else json.dumps(raw),
        }
        for place, raw in enumerate(raw_rows, start=1)
    ]
    return pl.DataFrame(rows, schema=REJECTS_SCHEMA)


def test_unknown_products_come_with_title_brand_size_and_number_of_rows() -> None:
    tea = {
        "item": "N9",
        "product.name": "Green Tea",
        "brandName": "Leaf",
        "product_size": "20 ct",
        "clicks": "1",
    }
    found = unknown_products(rejects(tea, {**tea, "clicks": "2"}, {**tea, "item": 7}), mapping())
    assert found.products.sort("native_id").rows() == [
        ("7", "Green Tea", "Leaf", "20 ct", 1),
        ("N9", "Green Tea", "Leaf", "20 ct", 2),
    ]
    assert (found.title_column, found.rows, found.unread_rows, found.untitled) == ("product.name", 3, 0, 0)


def test_rows_that_do_not_hold_the_product_and_products_without_a_title_are_counted() -> None:
    found = unknown_products(
        rejects({"itemName": "Green Tea"}, {"item": "N1", "itemName": None}, {"item": "N2", "itemName": " "}),
        mapping(),
    )
    assert (found.unread_rows, found.untitled, found.products["native_id"].to_list()) == (1, 2, ["N1", "N2"])


def test_other_rejects_are_no_unknown_products_and_broken_ones_are_named() -> None:
    assert unknown_products(rejects({"item": "N1"}, rule="range.clicks"), mapping()).products.is_empty()
    with pytest.raises(LakeError, match="raw_row that is no JSON"):
        unknown_products(rejects("{"), mapping())


@pytest.mark.parametrize(
    ("headers", "title"),
    [
        (["itemId", "itemName"], "itemName"),
        (["advProductId", "brandName", "advProductName", "lineItemName", "campaignName"], "advProductName"),
        (["upc", "product", "product_size"], "product"),
        (["product.scan_code", "campaign.name", "product.name"], "product.name"),
        (["Item Description", "Ad Group Name"], "Item Description"),
        (["advertisedAsin", "campaignName", "adGroupName", "portfolioName"], None),
        (["productCategoryName", "retailerName"], None),
    ],
)
def test_the_title_column_is_found_by_its_header(headers: list[str], title: str | None) -> None:
    assert title_column([dict.fromkeys(headers, "Two words")]) == title


def test_a_column_of_codes_is_no_title_whatever_its_header_says() -> None:
    assert title_column([{"product": "N-17", "title": "Green Tea"}]) == "title"
    assert title_column([{"item name": "17"}, {"item name": None}]) is None
    assert title_column([]) is None


def test_headers_are_words_in_any_spelling() -> None:
    assert header_words("advProductName") == header_words("adv_product.name") == ("adv", "product", "name")
    assert header_words(" Item  Name ") == ("item", "name")


CATALOG = (
    "native_id,gtin,title,brand_id,category,line_id,size\n"
    "N1,85021001007,Leaf Green Tea,leaf,t,l,20 ct\n"
    "N2,,Leaf Black Tea,leaf,t,l,20 ct\n"
)
PRODUCTS = pl.DataFrame(
    {"native_id": ["X1", "X2"], "title": ["LEAF green tea 20ct", "leaf Black Tea (20 Count)"]}
)


def reference(folder: Path, crosswalk: str | None = None) -> Path:
    path = folder / "shop" / "reference"
    path.mkdir(parents=True, exist_ok=True)
    (path / "catalog.csv").write_text(CATALOG)
    if crosswalk is not None:
        (path / "crosswalk.csv").write_text(crosswalk)
    return path


def proposals(folder: Path) -> pl.DataFrame:
    return propose_title_matches(PRODUCTS, load_retailer_products(reference(folder), "shop").catalog)


def decide(lake: Path, **decisions: str) -> Path:
    """Writes decisions into the review as a person would, by item id."""
    path = review_file(lake, "shop")
    frame = pl.read_csv(path, infer_schema=False)
    answer = pl.col("native_id").replace_strict(decisions, default=pl.col("decision"))
    frame.with_columns(answer.alias("decision")).write_csv(path)
    return path


def test_proposals_wait_for_a_decision(tmp_path: Path) -> None:
    review = update_review(tmp_path, "shop", proposals(tmp_path))
    assert review.path.read_bytes().startswith(b"\xef\xbb\xbf")
    rows = read_review(review.path).sort("native_id")
    assert rows.select("native_id", "sku_id", "decision").rows() == [
        ("X1", "00085021001007", ""),
        ("X2", "shop:N2", ""),
    ]
    assert (review.count(""), review.count("accept")) == (2, 0)
    assert accepted_matches(review.path).is_empty()
    assert accepted_matches(tmp_path / "none.csv").is_empty()


def test_only_accepted_rows_join_the_crosswalk(tmp_path: Path) -> None:
    update_review(tmp_path, "shop", proposals(tmp_path))
    path = decide(tmp_path, X1=" Accept ", X2="reject")
    products = load_retailer_products(reference(tmp_path), "shop", review=path)
    assert products.accepted == 1
    assert sorted(products.crosswalk.rows()) == [
        ("N1", "00085021001007"),
        ("N2", "shop:N2"),
        ("X1", "00085021001007"),
    ]


def test_an_accepted_item_becomes_an_event(tmp_path: Path) -> None:
    report = write_csv(tmp_path, row(item="X1"), row(item="N1"))
    before = load_retailer_products(reference(tmp_path), "shop").crosswalk
    assert harmonize(mapping(), [report], before).report.rule_counts == {"unknown.sku_id": 1}
    update_review(tmp_path, "shop", proposals(tmp_path))
    path = decide(tmp_path, X1="accept")
    after = load_retailer_products(reference(tmp_path), "shop", review=path).crosswalk
    result = harmonize(mapping(), [report], after)
    # Both ids are one product now, so the second row repeats the first.
    assert result.report.rule_counts == {"duplicate": 1}
    assert result.events["sku_id"].to_list() == ["00085021001007"]


def test_decisions_outlive_new_proposals_and_rejected_pairs_do_not_come_back(tmp_path: Path) -> None:
    first = proposals(tmp_path)
    update_review(tmp_path, "shop", first)
    decide(tmp_path, X1="accept", X2="reject")
    again = update_review(tmp_path, "shop", first)
    assert sorted(again.rows.select("native_id", "decision").rows()) == [("X1", "accept"), ("X2", "reject")]
    other = first.with_columns(pl.lit("00085021001007").alias("sku_id"))
    third = update_review(tmp_path, "shop", other)
    assert sorted(third.rows.select("native_id", "sku_id", "decision").rows()) == [
        ("X1", "00085021001007", "accept"),
        ("X2", "00085021001007", ""),
        ("X2", "shop:N2", "reject"),
    ]
    assert dict(third.rows.schema) == PROPOSALS_SCHEMA
    emptied = update_review(tmp_path, "shop", first.clear())
    assert sorted(emptied.rows["decision"]) == ["accept", "reject"]
    kept = emptied.rows.filter(pl.col("native_id") == "X1").row(0, named=True)
    assert kept == {**first.filter(pl.col("native_id") == "X1").row(0, named=True), "decision": "accept"}


def test_a_review_that_a_spreadsheet_has_spoilt_is_refused(tmp_path: Path) -> None:
    catalog = load_retailer_products(reference(tmp_path), "shop").catalog
    update_review(tmp_path, "shop", proposals(tmp_path))
    path = decide(tmp_path, X1="accept")
    sound = path.read_text()
    path.write_text(sound.replace("00085021001007", "8.50E+10"))
    with pytest.raises(CatalogError, match=r"row \d: the sku_id '8\.50E\+10' is no product.*as text"):
        accepted_matches(path, catalog)
    path.write_text(sound.replace("X1", "1"))
    with pytest.raises(CatalogError, match=r"the native_id '1' was never proposed"):
        accepted_matches(path, catalog)


def test_wrong_and_contradicting_decisions_name_their_rows(tmp_path: Path) -> None:
    update_review(tmp_path, "shop", proposals(tmp_path))
    path = decide(tmp_path, X1="yes")
    with pytest.raises(CatalogError, match=r"row \d: the decision 'yes' is neither accept nor reject"):
        accepted_matches(path)
    with pytest.raises(CatalogError, match="'yes'"):
        update_review(tmp_path, "shop", proposals(tmp_path))
    assert "yes" in path.read_text()
    decide(tmp_path, X1="accept", X2="accept")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[1].replace("00085021001007", "shop:N2")]) + "\n")
    with pytest.raises(CatalogError, match=r"rows 1 and 3 accept 00085021001007 and shop:N2 for 'X1'"):
        accepted_matches(path)


def test_an_accepted_match_follows_a_product_that_gets_its_gtin(tmp_path: Path) -> None:
    update_review(tmp_path, "shop", proposals(tmp_path))
    path = decide(tmp_path, X2="accept")
    folder = reference(tmp_path, "native_id,gtin\nN2,4006381333931\n")
    products = load_retailer_products(folder, "shop", review=path)
    assert dict(products.crosswalk.iter_rows())["X2"] == "04006381333931"
    assert products.catalog.filter(pl.col("native_id") == "N2")["gtin"].item() == "04006381333931"


def test_an_accepted_match_that_contradicts_a_crosswalk_names_both_rows(tmp_path: Path) -> None:
    update_review(tmp_path, "shop", proposals(tmp_path))
    path = decide(tmp_path, X1="accept")
    folder = reference(tmp_path, "native_id,gtin\nX1,4006381333931\n")
    with pytest.raises(
        CatalogError, match=r"'X1' is 04006381333931 in crosswalk\.csv: row 1 and 0008.* row \d"
    ):
        load_retailer_products(folder, "shop", review=path)
