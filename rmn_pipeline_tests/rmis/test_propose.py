"""Mapping proposals: what headers, values and the relations between columns lead to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rmn_pipeline.rmis import HarmonizeError, propose_mapping
from rmn_pipeline.rmis.proposals import shipped_ontology
from rmn_pipeline.rmis.proposals.headers import read_header
from rmn_pipeline.rmis.proposals.words import window_days, words_of
from rmn_pipeline_tests.rmis.fixtures import GTINS

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
# Five days of one product, as numbers that belong together.
IMPRESSIONS = [1200, 840, 2210, 95, 3050]
CLICKS = [12, 7, 31, 0, 44]
SPEND = [6.48, 3.01, 18.29, 0.0, 23.32]
ORDERS = [1, 0, 4, 0, 5]
SALES = [20.9, 0.0, 71.6, 0.0, 98.45]


def columns(**values: list[float] | list[str]) -> pl.DataFrame:
    return pl.DataFrame({name: [str(value) for value in cells] for name, cells in values.items()})


def test_headers_and_values_lead_to_the_fields() -> None:
    proposal = propose_mapping(REPORT)
    assert {raw: field for raw, field in proposal.columns.items() if field} == {
        "Report Date": "date",
        "Product ID": "sku_id",
        "Ad Impressions": "impressions",
        "Ad Clicks": "clicks",
        "Ad Spend": "cost",
        "Orders 14d": "conversions",
        "Sales 14d": "revenue",
    }
    assert proposal.keys == {"Campaign ID": "campaign_id"}
    assert proposal.date_format == "%d/%m/%Y"
    assert proposal.window_days == 14
    assert list(proposal.columns) == list(proposal.confidence) == REPORT.columns
    assert all(0 <= value <= 1 for value in proposal.confidence.values())


def test_a_column_whose_values_cannot_be_the_field_is_not_proposed() -> None:
    misleading = pl.DataFrame({"clicks": ["yes", "no"], "date": ["monday", "tuesday"], "cost": ["3%", "4%"]})
    assert set(propose_mapping(misleading).columns.values()) == {None}


@pytest.mark.parametrize(
    ("header", "words", "window"),
    [
        ("numAdsShown", ("num", "ad", "shown"), None),
        ("attributedSalesSameSku14d", ("attributed", "sale", "same", "sku"), 14),
        ("7 Day Total Sales ", ("total", "sale"), 7),
        ("sales_30_d", ("sale",), 30),
        ("Attributed Sales (14 Day)", ("attributed", "sale"), 14),
        ("Bestellungen (14 dagen)", ("bestellungen",), 14),
        ("2 week sales", ("sale",), 14),
        ("event.attributed_units_linear", ("event", "attributed", "unit", "linear"), None),
        ("Dépenses (€ HT)", ("depense", "ht"), None),
        ("\ufeffROAS", ("roas",), None),
        ("ProductCategory1", ("product", "category"), None),
        ("", (), None),
    ],
)
def test_a_header_is_taken_apart_into_words_and_window(
    header: str, words: tuple[str, ...], window: int | None
) -> None:
    assert words_of(header) == words
    assert window_days(header) == window


def test_words_are_known_by_their_parts_and_by_their_spelling() -> None:
    ontology = shipped_ontology()
    assert read_header("Kampagnenname", ontology).senses == {"campaign", "name"}
    assert "cost" in read_header("adspend", ontology).senses
    assert read_header("Impresssions", ontology).senses == {"impressions"}
    assert read_header("zorblax", ontology).unknown == ("zorblax",)


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("Click-Thru Rate (CTR)", "ctr"),
        ("Cost per order", "cpo"),
        ("costPerClick", "cpc"),
        ("Conversion Rate", "cvr"),
        ("roasClicks14d", "roas"),
        ("Total Advertising Cost of Sales (ACOS) ", "acos"),
        ("Klickrate", "ctr"),
    ],
)
def test_a_rate_is_named_and_never_taken_for_its_measures(header: str, kind: str) -> None:
    reading = read_header(header, shipped_ontology())
    assert reading.is_rate and reading.rate_kind == kind
    assert propose_mapping(columns(**{header: [0.4, 0.7, 0.9]})).columns[header] is None


def test_a_click_rate_reveals_which_unnamed_columns_are_clicks_and_impressions() -> None:
    rate = [clicks / shown for clicks, shown in zip(CLICKS, IMPRESSIONS, strict=True)]
    unnamed = columns(zorb=IMPRESSIONS, blax=CLICKS, quux=SPEND, ctr=[f"{value:.6f}" for value in rate])
    proposal = propose_mapping(unnamed)
    assert (proposal.columns["zorb"], proposal.columns["blax"]) == ("impressions", "clicks")
    assert "'ctr' is computed from it as clicks" in proposal.reasons["blax"]


def test_money_that_comes_and_goes_with_the_clicks_is_the_cost() -> None:
    proposal = propose_mapping(
        columns(impressions=IMPRESSIONS, clicks=CLICKS, zorb=SPEND, blax=[7.1, 8.2, 9.3, 4.4, 5.5])
    )
    assert proposal.columns["zorb"] == "cost"
    assert proposal.columns["blax"] is None


def test_the_reports_own_roas_tells_which_of_two_sales_columns_it_means() -> None:
    roas = [f"{sold / cost:.4f}" if cost else "" for sold, cost in zip(SALES, SPEND, strict=True)]
    other = [value * 1.31 + 2 for value in SALES]
    proposal = propose_mapping(columns(spend=SPEND, shop_sales=other, site_sales=SALES, roas=roas))
    assert {"site_sales": "revenue", "shop_sales": None}.items() <= proposal.columns.items()


def test_the_total_is_taken_before_its_parts() -> None:
    direct = [value * 0.6 for value in SALES]
    indirect = [total - part for total, part in zip(SALES, direct, strict=True)]
    proposal = propose_mapping(
        columns(direct_revenue=direct, indirect_revenue=indirect, revenue=SALES, clicks=CLICKS)
    )
    assert proposal.columns["revenue"] == "revenue"
    assert proposal.columns["direct_revenue"] is None and proposal.columns["indirect_revenue"] is None


def test_one_amount_under_two_names_feeds_the_cost_from_either() -> None:
    proposal = propose_mapping(columns(clicks=CLICKS, spend=SPEND, cost=SPEND, sales=SALES))
    assert [name for name, target in proposal.columns.items() if target == "cost"] == ["spend", "cost"]
    assert "from: [spend, cost]" in proposal.to_yaml()


def test_orders_come_before_units_and_units_stand_in_where_there_are_no_orders() -> None:
    units = [2, 0, 6, 0, 7]
    both = propose_mapping(columns(units_sold=units, orders=ORDERS, revenue=SALES))
    assert (both.columns["orders"], both.columns["units_sold"]) == ("conversions", None)
    alone = propose_mapping(columns(units_sold=units, revenue=SALES))
    assert alone.columns["units_sold"] == "conversions"


def test_a_window_with_sales_and_orders_is_taken_before_one_with_sales_only() -> None:
    proposal = propose_mapping(columns(sales_14d=SALES, sales_7d=SALES, orders_7d=ORDERS))
    assert proposal.window_days == 7
    assert (proposal.columns["sales_7d"], proposal.columns["orders_7d"]) == ("revenue", "conversions")
    assert proposal.columns["sales_14d"] is None


@pytest.mark.parametrize(
    "header",
    [
        "New-to-brand sales",
        "ntb orders",
        "assistedSales",
        "organic_units_quantity",
        "campaignBudgetAmount",
        "Max bid",
        "Returned units",
        "Add to cart",
        "Estimated revenue",
        "Previous period sales",
        "Unique reach",
    ],
)
def test_what_is_only_called_like_a_measure_is_left_out(header: str) -> None:
    assert propose_mapping(columns(**{header: SALES})).columns[header] is None


def test_check_digits_tell_a_product_code_whatever_it_is_called() -> None:
    codes = [code.lstrip("0") for code in GTINS]
    proposal = propose_mapping(columns(zorb=codes, blax=[f"8{number}" for number in range(5)], clicks=CLICKS))
    assert proposal.columns["zorb"] == "sku_id"
    assert "kind: gtin" in proposal.to_yaml()


def test_an_id_and_a_name_of_the_retailer_both_tell_the_retailer() -> None:
    proposal = propose_mapping(
        columns(retailerId=["7", "7"], retailerName=["Shop", "Shop"], clicks=["1", "2"])
    )
    assert proposal.columns["retailerId"] == proposal.columns["retailerName"] == "retailer_id"


def test_a_seller_code_without_another_product_column_is_the_product() -> None:
    alone = propose_mapping(columns(sku=["R-1", "R-2", "R-3"], clicks=["1", "2", "3"]))
    assert alone.columns["sku"] == "sku_id"
    beside = propose_mapping(columns(sku=["R-1", "R-2", "R-3"], itemId=["91", "92", "93"]))
    assert beside.columns == {"sku": "sku_dim.seller_sku", "itemId": "sku_id"}


def test_dates_that_fit_two_orders_are_left_to_a_person_with_the_likelier_first() -> None:
    proposal = propose_mapping(pl.DataFrame({"date": ["03/02/2026", "03/03/2026"]}))
    assert proposal.columns["date"] == "date"
    assert proposal.date_format is None
    assert "%m/%d/%Y or %d/%m/%Y" in proposal.to_yaml()


def test_the_country_or_a_decimal_comma_settles_day_and_month() -> None:
    american = pl.DataFrame({"date": ["03/02/2026", "03/03/2026"], "Country": ["United States"] * 2})
    assert propose_mapping(american).date_format == "%m/%d/%Y"
    comma = pl.DataFrame({"date": ["03/02/2026", "03/03/2026"], "Kosten": ["3,10", "12,90"]})
    assert propose_mapping(comma).date_format == "%d/%m/%Y"


def test_a_few_faults_do_not_hide_a_date_column() -> None:
    days = [f"2026-01-{day:02d}" for day in range(1, 31)]
    assert propose_mapping(pl.DataFrame({"date": [*days, "31.31.2026"]})).date_format == "%Y-%m-%d"


def _shoppers_word(header: str, values: list[str]) -> dict[str, float]:
    """What a person knows who has seen this network before."""
    return {"cost": 0.9} if header == "outlay" else {}


def test_a_vote_helps_where_nobody_knows_the_header() -> None:
    report = columns(outlay=SPEND, clicks=[1, 2, 3, 4, 5])
    assert propose_mapping(report).columns["outlay"] is None
    proposal = propose_mapping(report, vote=_shoppers_word)
    assert proposal.columns["outlay"] == "cost"
    assert "the model votes for cost (90%)" in proposal.reasons["outlay"]


def test_no_vote_makes_a_text_a_cost_nor_an_outright_header_something_else() -> None:
    def certain(field: str) -> Callable[[str, list[str]], dict[str, float]]:
        return lambda header, values: {field: 1.0}

    words = pl.DataFrame({"outlay": ["high", "low", "low"], "clicks": ["1", "2", "3"]})
    assert propose_mapping(words, vote=certain("cost")).columns == {"outlay": None, "clicks": "clicks"}
    named = columns(impressions=IMPRESSIONS, clicks=CLICKS, spend=SPEND)
    assert propose_mapping(named, vote=certain("currency")).columns == propose_mapping(named).columns


def test_a_vote_for_none_speaks_against_every_field_and_unknown_fields_are_ignored() -> None:
    report = columns(outlay=SPEND, clicks=CLICKS)
    assert propose_mapping(report).columns["outlay"] == "cost"
    assert propose_mapping(report, vote=lambda header, values: {"none": 0.95}).columns["outlay"] is None
    assert propose_mapping(report, vote=lambda header, values: {"moonphase": 1.0}).columns["outlay"] == "cost"


@pytest.mark.parametrize("probability", [float("nan"), -0.1, 1.2])
def test_a_vote_that_is_no_probability_is_refused_with_the_column(probability: float) -> None:
    with pytest.raises(HarmonizeError, match="'spend' is no probability"):
        propose_mapping(columns(spend=SPEND), vote=lambda header, values: {"cost": probability})


def test_a_vote_sees_every_header_with_at_most_three_of_its_values() -> None:
    seen: dict[str, list[str]] = {}

    def listen(header: str, values: list[str]) -> dict[str, float]:
        seen[header] = values
        return {}

    propose_mapping(columns(spend=SPEND, clicks=CLICKS), vote=listen)
    assert seen == {"spend": ["6.48", "3.01", "18.29"], "clicks": ["12", "7", "31"]}


def test_a_frame_without_columns_or_an_unknown_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HarmonizeError, match="without columns"):
        propose_mapping(pl.DataFrame())
    with pytest.raises(HarmonizeError, match="without columns"):
        propose_mapping(pl.DataFrame({"nested": [[1]]}))


def test_typed_frames_are_read_like_their_text() -> None:
    typed = pl.DataFrame(
        {"date": ["2026-01-05", "2026-01-06"], "clicks": [3, 4], "spend": [1.5, None]}
    ).with_columns(pl.col("date").str.to_date())
    assert propose_mapping(typed).columns == {"date": "date", "clicks": "clicks", "spend": "cost"}


cells = st.one_of(
    st.none(),
    st.text(max_size=12),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["--", "€ 1.290,50", "2026-02-30", "1e999", "0", "\u0000", "12.040", "B0TEST0001"]),
)
headers = st.one_of(
    st.text(max_size=15),
    st.sampled_from(["sales14d", "clicks", "ctr", "cost per click", "date", " spend ", "sku"]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(headers, st.lists(cells, min_size=4, max_size=4)), min_size=1, max_size=6))
def test_whatever_a_report_holds_it_gets_a_proposal_and_a_draft(
    table: list[tuple[str, list[str | None]]],
) -> None:
    frame = pl.DataFrame(dict(table), schema=dict.fromkeys(dict(table), pl.String))
    proposal = propose_mapping(frame)
    assert list(proposal.columns) == frame.columns
    assert all(0 <= value <= 1 for value in proposal.confidence.values())
    columns = yaml.safe_load(proposal.to_yaml())["columns"] or {}
    sources = [rule["from"] for rule in columns.values()]
    assert {name for source in sources for name in ([source] if isinstance(source, str) else source)} <= set(
        frame.columns
    )
