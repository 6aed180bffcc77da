"""Mapping proposals: a draft a person can finish, from headers and values alone."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from rmn_pipeline.rmis import HarmonizeError, MappingError, parse_mapping, propose_mapping

SAMPLES = Path(__file__).parents[3] / "shared" / "feeds"

REPORT = pl.DataFrame(
    {
        "Report Date": ["13/01/2026", "14/01/2026"],
        "Campaign ID": ["17", "17"],
        "Campaign Name": ["tea", "tea"],
        "Product ID": ["A1", "A2"],
        "Ad Impressions": ["1,200", "800"],
        "Ad Clicks": ["12", "8"],
        "Click Rate": ["0.01", "0.01"],
        "Ad Spend": ["3.10", "2.00"],
        "Orders 7d": ["1", "0"],
        "Orders 14d": ["2", "0"],
        "Sales 14d": ["19.90", "0.00"],
        "Sales Same SKU 14d": ["9.90", "0.00"],
    }
)


def test_headers_and_values_lead_to_the_fields() -> None:
    proposal = propose_mapping(REPORT)
    assert {raw: field for raw, field in proposal.columns.items() if field} == {
        "Report Date": "date",
        "Campaign ID": "campaign_id",
        "Product ID": "sku_id",
        "Ad Impressions": "impressions",
        "Ad Clicks": "clicks",
        "Ad Spend": "cost",
        "Orders 14d": "conversions",
        "Sales 14d": "revenue",
    }
    assert proposal.date_format == "%d/%m/%Y"
    assert all(0 <= value <= 1 for value in proposal.confidence.values())


def test_a_column_whose_values_cannot_be_the_field_is_not_proposed() -> None:
    misleading = pl.DataFrame({"clicks": ["yes", "no"], "date": ["monday", "tuesday"]})
    assert set(propose_mapping(misleading).columns.values()) == {None}


def test_dates_that_fit_two_orders_are_left_to_a_person() -> None:
    assert propose_mapping(pl.DataFrame({"date": ["03/02/2026"]})).date_format is None


def test_the_draft_is_yaml_that_names_every_open_decision() -> None:
    with pytest.raises(MappingError) as caught:
        parse_mapping(propose_mapping(REPORT).to_yaml())
    assert {problem.key for problem in caught.value.problems} >= {"retailer_id", "source.format", "sku.kind"}


def test_a_frame_without_columns_or_an_unknown_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HarmonizeError, match="without columns"):
        propose_mapping(pl.DataFrame())
    with pytest.raises(HarmonizeError, match="cannot be told from the name"):
        propose_mapping(tmp_path / "report.xyz")


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="shared/feeds, the network samples, is absent")
def test_proposals_for_the_sample_networks_beat_plain_name_matching() -> None:
    # Plain name matching reaches F1 0.52 on such header sets.
    cases = [
        ("amazon_ads/composed_spAdvertisedProduct_daily.json.gz", "amazon_ads/truth.json"),
        ("walmart_connect/composed_adItem_v2.csv.gz", "walmart_connect/truth.json"),
        ("criteo_retail_media/composed_lineitem_product.csv", "criteo_retail_media/truth.json"),
        ("instacart_ads/composed_v3_sponsored_product_product.csv", "instacart_ads/truth_v3.json"),
    ]
    # The truth tables map the fact's measures only; campaign and ad-group ids are kept by RMIS as well.
    not_judged = {"campaign_id", "ad_group_id"}
    right = proposed = wanted = 0
    for report, truth_file in cases:
        truth = json.loads((SAMPLES / truth_file).read_text())
        expected = {raw: field for raw, field in truth.items() if field and not field.startswith("sku_dim.")}
        got = {raw: field for raw, field in propose_mapping(SAMPLES / report).columns.items() if field}
        got = {raw: field for raw, field in got.items() if field not in not_judged}
        right += len(got.items() & expected.items())
        proposed, wanted = proposed + len(got), wanted + len(expected)
    assert 2 * right / (proposed + wanted) > 0.8
