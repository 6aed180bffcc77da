"""The project's own four mappings, on the sample networks' files and on the committed sample market."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from rmn_pipeline.feeds import list_landing
from rmn_pipeline.rmis import (
    HarmonizeResult,
    Mapping,
    RMISRecord,
    check_table,
    harmonize,
    load_audiences,
    load_catalog,
    load_mapping,
    parse_mapping,
    skus_frame,
)

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT.parent / "shared" / "feeds"
LANDING = ROOT / "data" / "landing"
AS_OF = {"as_of": {"fixed": "2026-03-20"}}
# In the samples the placement is not part of any name.
NO_PLACEMENT: dict[str, Any] = {"constants": {"placement_type": "unspecified"}}

needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="shared/feeds, the network samples, is absent"
)
needs_landing = pytest.mark.skipif(
    not LANDING.is_dir(), reason="the sample market has not been written (make sample)"
)


def adapted(retailer_id: str, drop: tuple[str, ...] = (), **changes: dict[str, Any]) -> Mapping:
    """A mapping of the project's, for another client of the same network."""
    content = yaml.safe_load((ROOT / "data" / "retailers" / retailer_id / "mapping.yaml").read_text())
    for name in drop:
        content["columns"].pop(name)
    for part, change in changes.items():
        content[part] = {**content[part], **change}
    content["source"] |= AS_OF
    return parse_mapping(yaml.safe_dump(content))


def crosswalk(native: str) -> pl.DataFrame:
    table = pl.read_csv(SAMPLES / "sku_crosswalk.csv", infer_schema=False)
    return table.select(pl.col(native).alias("native_id"), pl.col("gtin14").alias("sku_id"))


def assert_as_expected(result: HarmonizeResult, network: str, unrecoverable: int = 0) -> None:
    expected = pl.read_csv(
        SAMPLES / network / "expected_rmis.csv",
        infer_schema_length=None,
        schema_overrides={"sku_id": pl.String},
    )
    stated = expected.filter(pl.col("sku_id").str.contains(r"^\d{14}$")).sort("sku_id")
    assert expected.height - stated.height == unrecoverable
    got = result.events.sort("sku_id")
    assert got["sku_id"].to_list() == stated["sku_id"].to_list()
    assert got["date"].cast(pl.String).to_list() == stated["date"].cast(pl.String).to_list()
    for name in ("impressions", "clicks", "conversions", "revenue", "cost"):
        assert got[name].to_list() == stated[name].to_list(), name
    # expected_rmis.csv adds remarks behind some values: "click_14d_view_1d(request)", "units (fractional, linear)".
    for name in ("attr_model", "conversion_unit"):
        assert all(note.startswith(value) for value, note in zip(got[name], stated[name], strict=True)), name
    assert set(stated["currency"]) <= {"USD", "account currency"}
    assert result.report.conserved


@needs_samples
def test_amazon_ads_sample_gives_the_expected_events() -> None:
    mapping = adapted("alpha", ("placement_type", "audience_id"), **NO_PLACEMENT)
    result = harmonize(
        mapping,
        [SAMPLES / "amazon_ads" / "composed_spAdvertisedProduct_daily.json.gz"],
        crosswalk("amazon_asin"),
    )
    assert_as_expected(result, "amazon_ads")


@needs_samples
def test_walmart_connect_sample_gives_the_expected_events() -> None:
    content = yaml.safe_load((ROOT / "data" / "retailers" / "beta" / "mapping.yaml").read_text())
    del content["joins"], content["columns"]["placement_type"], content["columns"]["audience_id"]
    content["constants"]["placement_type"] = "unspecified"
    content["source"] |= AS_OF
    result = harmonize(
        parse_mapping(yaml.safe_dump(content)),
        [SAMPLES / "walmart_connect" / "composed_adItem_v2.csv.gz"],
        crosswalk("walmart_item_id"),
    )
    assert_as_expected(result, "walmart_connect")


@needs_samples
@pytest.mark.parametrize(
    ("file", "file_format"),
    [
        ("composed_lineitem_product.csv", "csv"),
        ("composed_lineitem_product.json_newline.jsonl", "json_lines"),
    ],
)
def test_criteo_sample_gives_the_expected_events_in_both_formats(file: str, file_format: str) -> None:
    mapping = adapted("gamma", ("retailer_id", "audience_id"), source={"format": file_format})
    result = harmonize(mapping, [SAMPLES / "criteo_retail_media" / file], crosswalk("criteo_retailer_sku"))
    assert_as_expected(result, "criteo_retail_media")
    placements = result.events.sort("sku_id")["placement_type"].to_list()
    assert placements == ["search", "category", "product_detail", "home", "search"]


@needs_samples
@pytest.mark.parametrize("file", ["composed_v2_products.csv", "composed_v3_sponsored_product_product.csv"])
def test_instacart_sample_gives_the_expected_events_in_both_header_editions(file: str) -> None:
    mapping = adapted("delta", ("placement_type", "audience_id"), **NO_PLACEMENT)
    result = harmonize(mapping, [SAMPLES / "instacart_ads" / file], crosswalk("instacart_product_id"))
    assert_as_expected(result, "instacart_ads", unrecoverable=1)
    assert result.rejects.select("rule", "source_row").rows() == [("gtin_unrecoverable.sku_id", 5)]


@needs_samples
@pytest.mark.parametrize(
    ("file", "source", "number", "columns"),
    [
        (
            "composed_console_search_term_en_US.csv",
            {"encoding": "utf-8"},
            {"thousands_mark": ","},
            {
                "date": ("Start Date", "%m/%d/%Y"),
                "cost": "Spend",
                "revenue": "7 Day Total Sales",
                "impressions": "Impressions",
                "clicks": "Clicks",
                "conversions": "7 Day Total Orders (#)",
                "campaign": "Campaign Name",
            },
        ),
        (
            "composed_console_search_term_it_IT_cp1252.csv",
            {"encoding": "cp1252", "delimiter": ";"},
            {"thousands_mark": ".", "decimal_mark": ","},
            {
                "date": ("Data di inizio", "%d/%m/%Y"),
                "cost": "Spesa",
                "revenue": "Vendite totali (€) 7 giorni",
                "impressions": "Impressioni",
                "clicks": "Clic",
                "conversions": "Totale ordini (#) 7 giorni",
                "campaign": "Nome campagna",
            },
        ),
    ],
)
def test_console_exports_of_two_countries_give_the_same_first_row(
    file: str, source: dict[str, str], number: dict[str, str], columns: dict[str, Any]
) -> None:
    content = yaml.safe_load((ROOT / "data" / "retailers" / "alpha" / "mapping.yaml").read_text())
    day, day_format = columns["date"]
    content["source"] = {"files": "*.csv", "format": "csv", **source, **AS_OF}
    content["columns"] = {
        "date": {"from": day, "type": "date", "format": day_format},
        "campaign_id": {"from": columns["campaign"]},
        **{name: {"from": columns[name], "type": "money", **number} for name in ("cost", "revenue")},
        **{name: {"from": columns[name], "type": "int", **number} for name in ("impressions", "clicks")},
        "conversions": {"from": columns["conversions"], "type": "decimal", **number},
    }
    content["constants"] |= {"placement_type": "search", "currency": "USD"}
    content["rules"] = []
    # The search-term report has no product; the campaign stands in for it, as the retailer's own id.
    content["sku"] = {"kind": "native", "from": columns["campaign"], "unknown": "keep"}
    content["natural_key"] = ["date", "campaign_id", "impressions"]
    nothing = pl.DataFrame(schema={"native_id": pl.String, "sku_id": pl.String})
    result = harmonize(parse_mapping(yaml.safe_dump(content)), [SAMPLES / "amazon_ads" / file], nothing)
    first = result.events.sort("impressions", descending=True).row(0, named=True)
    assert (first["date"], first["impressions"], first["clicks"]) == (date(2026, 3, 2), 12040, 96)
    assert (first["cost"], first["revenue"], first["conversions"]) == (31.84, 1290.50, 8.0)
    assert result.rejects.is_empty()


def harmonized(retailer_id: str) -> HarmonizeResult:
    mapping = load_mapping(ROOT / "data" / "retailers" / retailer_id / "mapping.yaml")
    files = list_landing(LANDING / retailer_id / "reports", mapping.source.files)
    return harmonize(
        mapping, [file.path for file in files], load_catalog(LANDING / retailer_id / "reference/catalog.csv")
    )


@needs_landing
@pytest.mark.parametrize("retailer_id", ["alpha", "beta", "gamma", "delta"])
def test_the_sample_market_is_harmonized_almost_whole_and_its_faults_are_found(retailer_id: str) -> None:
    started = time.process_time()
    result = harmonized(retailer_id)
    assert time.process_time() - started < 10
    assert result.report.conserved
    assert check_table(result.events, RMISRecord) == []
    assert 0 < result.report.broken < 0.01 * result.report.rows_in
    assert result.report.duplicates == 0
    audiences = set(load_audiences(LANDING / retailer_id / "reference/audiences.csv")["audience_id"])
    assert set(result.events["audience_id"]) == audiences
    assert (result.report.superseded > 0) == (retailer_id != "delta")


@needs_landing
def test_every_product_of_the_sample_market_is_known_everywhere() -> None:
    catalogs = [
        load_catalog(LANDING / name / "reference/catalog.csv") for name in ("alpha", "beta", "gamma", "delta")
    ]
    skus = skus_frame(catalogs)
    assert skus.height == catalogs[0].height
    assert skus["sku_id"].str.contains(r"^\d{14}$").all()
