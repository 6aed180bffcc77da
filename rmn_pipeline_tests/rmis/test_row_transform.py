"""The mapping language at work on rows: each feature, each trap, and no row lost whatever is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping as Dictionary
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmn_pipeline.feeds import FeedError, report_sources
from rmn_pipeline.rmis import EVENTS_SCHEMA, REJECTS_SCHEMA, HarmonizeError, Mapping, RMISRecord, check_table
from rmn_pipeline.rmis.row_transform import BoundTransform, RowTransform, TransformedBatch
from rmn_pipeline_tests.rmis.fixtures import BASE, CATALOG, GTINS, mapping, row

COLUMNS = [name for name in EVENTS_SCHEMA if name != "event_id"]


def bound(
    folder: Path, columns: list[str], chosen: Mapping, name: str = "r_asof_2026-02-01.csv"
) -> BoundTransform:
    path = folder / name
    path.write_text(",".join(columns) + "\n")
    (source,) = report_sources([path], chosen.source.report_format())
    return RowTransform(chosen, CATALOG).bind(source, columns)


def batch_of(*rows: Dictionary[str, str | None]) -> pl.DataFrame:
    frame = pl.DataFrame(list(rows), schema=dict.fromkeys(rows[0], pl.String))
    return frame.with_columns(
        pl.lit("r.csv").alias("source_file"),
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("source_row"),
        pl.int_range(2, pl.len() + 2, dtype=pl.Int64).alias("source_line"),
        pl.lit(False).alias("source_total"),
    )


def apply(folder: Path, *rows: Dictionary[str, str | None], **changes: Any) -> TransformedBatch:
    chosen = mapping(**changes)
    done = bound(folder, list(rows[0]), chosen).apply(batch_of(*rows))
    assert done.events.height + done.rejects.height == done.rows_in
    assert dict(done.rejects.schema) == REJECTS_SCHEMA
    return done


def event(done: TransformedBatch) -> dict[str, Any]:
    assert done.rejects["message"].to_list() == []
    return done.events.row(0, named=True)


def rules(done: TransformedBatch) -> list[tuple[str, str]]:
    return [(rule, severity) for rule, severity in done.rejects.select("rule", "severity").rows()]


def test_a_batch_gives_events_in_the_schema_and_rejects_with_their_line(tmp_path: Path) -> None:
    done = apply(tmp_path, row(), row(item="N99"))
    assert done.events.columns == COLUMNS
    whole = done.events.with_columns(pl.lit("id").alias("event_id")).select(*EVENTS_SCHEMA)
    assert check_table(whole, RMISRecord) == []
    rejected = done.rejects.row(0, named=True)
    assert (rejected["source_row"], rejected["source_line"]) == (2, 3)
    assert json.loads(rejected["raw_row"]) == row(item="N99")


# --- expressions and inputs ------------------------------------------------------------------------------------

FEES = {
    "inputs": {
        "media": {"from": "spend", "type": "money"},
        "fees": {"from": "fees", "type": "money", "default": 0},
        "vat": {"from": "vat", "type": "percent"},
    },
    "columns": {"cost": {"expression": "fees + media * (1 + vat)"}},
}


def test_a_field_is_computed_from_typed_inputs(tmp_path: Path) -> None:
    done = apply(tmp_path, {**row(spend="100.00"), "fees": "", "vat": "22 %"}, **FEES)
    assert event(done)["cost"] == pytest.approx(122.0)


def test_an_input_that_cannot_be_read_rejects_the_row_and_an_empty_one_gives_nothing(tmp_path: Path) -> None:
    rows = [{**row(spend="1"), "fees": fees, "vat": vat} for fees, vat in (("x", "5%"), ("1", ""))]
    done = apply(tmp_path, *rows, **FEES)
    assert rules(done) == [("invalid.fees", "reject"), ("not_null.cost", "reject")]
    assert "'x' is no valid fees" in done.rejects["message"][0]
    assert "gives no value" in done.rejects["message"][1]


def test_expressions_may_build_on_one_another_in_any_order(tmp_path: Path) -> None:
    columns = {
        "cost": {"expression": "round(gross / 2, 2)"},
        "conversions": {"expression": "if(revenue > 0, 1, 0)"},
        "placement_type": {"expression": "if(contains(lower(page_name), 'search'), 'search', 'home')"},
    }
    inputs = {
        "gross": {"expression": "net + 1"},
        "net": {"from": "spend", "type": "money"},
        "page_name": {"from": "page"},
    }
    made = event(apply(tmp_path, row(page="Top Search", spend="9.00"), columns=columns, inputs=inputs))
    assert (made["cost"], made["conversions"], made["placement_type"]) == (5.0, 1.0, "search")


def test_what_an_expression_gives_must_fit_its_field(tmp_path: Path) -> None:
    columns = {
        "impressions": {"expression": "clicks / 2"},
        "placement_type": {"expression": "lower(page_name)"},
    }
    inputs = {"page_name": {"from": "page"}}
    rows = [row(clicks="3", page="search"), row(clicks="4", page="shelf")]
    done = apply(tmp_path, *rows, columns=columns, inputs=inputs, rules=[])
    assert rules(done) == [("invalid.impressions", "reject"), ("in_set.placement_type", "reject")]
    assert done.rejects["message"].to_list() == [
        "'1.5' is no valid impressions",
        "'shelf' is no valid placement_type",
    ]


def test_division_by_zero_is_empty_and_a_default_may_stand_in(tmp_path: Path) -> None:
    columns = {"conversions": {"expression": "clicks / impressions", "default": 0}}
    done = apply(tmp_path, row(shown="0", clicks="0"), columns=columns, rules=[])
    assert event(done)["conversions"] == 0.0


# --- where values stand ------------------------------------------------------------------------------------------


def test_constants_and_the_as_of_date_come_from_the_file_name(tmp_path: Path) -> None:
    chosen = mapping(
        source={
            **BASE["source"],
            "name_pattern": r"^(?:(?P<account>[a-z]+)_)?(?P<made>\d{8})_(?P<day>\d{8})",
            "as_of": {"from": "file.made", "format": "%Y%m%d"},
        },
        columns={
            "account_id": {"from": "file.account"},
            "date": {"from": "file.day", "type": "date", "format": "%Y%m%d"},
        },
    )
    at = bound(tmp_path, list(row()), chosen, "acme_20260301_20260215.csv")
    made = event(at.apply(batch_of(row())))
    assert (made["account_id"], made["as_of"], made["date"]) == ("acme", date(2026, 3, 1), date(2026, 2, 15))
    with pytest.raises(HarmonizeError, match=r"no column 'file.account' for the field 'account_id'"):
        bound(tmp_path, list(row()), chosen, "20260301_20260215.csv")


def test_every_row_may_say_when_it_was_stated(tmp_path: Path) -> None:
    source = {**BASE["source"], "as_of": {"from": "made", "format": "%d/%m/%Y"}}
    rows = [{**row(), "made": "03/02/2026"}, {**row(), "made": "soon"}]
    done = apply(tmp_path, *rows, source=source)
    assert done.events["as_of"].to_list() == [date(2026, 2, 3)]
    assert rules(done) == [("invalid.as_of", "reject")]


def test_the_as_of_pattern_may_have_a_date_format_of_its_own(tmp_path: Path) -> None:
    source = {**BASE["source"], "as_of": {"file_name": r"-(\d{8})\.", "format": "%Y%m%d"}}
    chosen = mapping(source=source)
    at = bound(tmp_path, list(row()), chosen, "r-20260301.csv")
    assert event(at.apply(batch_of(row())))["as_of"] == date(2026, 3, 1)
    with pytest.raises(HarmonizeError, match="does not say when the report was made"):
        bound(tmp_path, list(row()), chosen, "r-20261301.csv")


def test_all_missing_columns_are_told_at_once(tmp_path: Path) -> None:
    sent = {name: value for name, value in row().items() if name not in ("spend", "shown")}
    with pytest.raises(HarmonizeError) as caught:
        apply(tmp_path, sent)
    assert "no column 'spend' for the field 'cost'" in str(caught.value)
    assert "no column 'shown' for the field 'impressions'" in str(caught.value)


def test_of_several_names_the_first_that_is_there_is_read_and_nothing_is_added(tmp_path: Path) -> None:
    columns = {"cost": {"from": ["cost_usd", "spend", "cost_eur"], "type": "money"}}
    made = event(apply(tmp_path, {**row(spend="8.10"), "cost_eur": "7.00"}, columns=columns))
    assert made["cost"] == 8.10


def test_a_product_stands_in_a_side_file_by_ad(tmp_path: Path) -> None:
    (tmp_path / "ads.jsonl").write_text(
        '{"ad": "a1", "sku": "N1", "updated": "2026-01-01"}\n{"ad": "a1", "sku": "N2", "updated": "2026-01-09"}\n'
        '{"ad": "a2", "sku": "N3", "updated": "2026-01-01"}\n'
    )
    ads = {"file": "ads.jsonl", "format": "json_lines", "key": "ad", "take": "sku", "latest_by": "updated"}
    rows = [{**row(), "ad": "a1"}, {**row(), "ad": "a2"}, {**row(), "ad": "a9"}]
    sku = {"kind": "native", "from": "ads.sku"}
    done = apply(tmp_path, *rows, joins={"ads": ads}, sku=sku)
    assert done.events["sku_id"].to_list() == [GTINS[1], GTINS[2]]
    assert rules(done) == [("not_null.sku_id", "reject")]
    strict = apply(tmp_path, *rows, joins={"ads": {**ads, "missing": "reject"}}, sku=sku)
    assert rules(strict) == [("unmatched.ads", "reject")]
    assert "no row in ads.jsonl for its ad" in strict.rejects["message"][0]


def test_a_key_of_many_texts_is_looked_up_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rmn_pipeline.rmis.side_files._LARGEST_TABLE", 1)
    (tmp_path / "names.csv").write_text("campaign,item,title\nc1,N1,first\nc1,N2,second\nc2,N1,third\n")
    joins = {"names": {"file": "names.csv", "key": ["campaign", "item"], "take": "title"}}
    rows = [row(campaign=campaign, item=item) for campaign in ("c1", "c2") for item in ("N1", "N2")]
    done = apply(tmp_path, *rows, joins=joins, columns={"audience_id": {"from": "names.title"}})
    assert done.events["audience_id"].to_list() == ["first", "second", "third", None]


# --- time ----------------------------------------------------------------------------------------------------------


def test_the_day_of_a_timestamp_is_counted_in_the_reports_zone(tmp_path: Path) -> None:
    content = mapping(constants={"report_timezone": "America/New_York"}).model_dump(
        by_alias=True, exclude_unset=True, mode="json"
    )
    del content["columns"]["date"]
    content["columns"]["event_at"] = {"from": "day", "format": "%Y-%m-%dT%H:%M:%S%z"}
    chosen = Mapping.model_validate(content)
    rows = [row(day="2026-01-05T03:30:00Z"), row(day="2026-01-05T23:30:00Z"), row(day="x"), row(day="")]
    done = bound(tmp_path, list(row()), chosen).apply(batch_of(*rows))
    assert done.events["date"].to_list() == [date(2026, 1, 4), date(2026, 1, 5)]
    assert done.events["event_at"][0] == datetime(2026, 1, 5, 3, 30, tzinfo=UTC)
    assert rules(done) == [("invalid.event_at", "reject"), ("not_null.date", "reject")]


def test_daily_rows_are_never_moved(tmp_path: Path) -> None:
    made = event(apply(tmp_path, row(), constants={"report_timezone": "Pacific/Kiritimati"}))
    assert (made["date"], made["event_at"]) == (date(2026, 1, 5), None)


# --- several facts from a row -------------------------------------------------------------------------------------

FAMILIES = {
    "click_7d": {
        "columns": {"revenue": {"from": "sales7", "type": "money"}},
        "constants": {"attr_model": "click_7d"},
    },
    "click_14d": {"constants": {"attr_model": "click_14d", "impressions": 0, "clicks": 0, "cost": 0}},
}


def test_each_row_gives_one_event_per_family(tmp_path: Path) -> None:
    rows = [{**row(sales="25.50"), "sales7": "20.00"}, {**row(sales="30.00"), "sales7": "x"}]
    done = apply(tmp_path, *rows, families=FAMILIES)
    assert done.rows_in == 4
    got = done.events.select("family", "attr_model", "revenue", "impressions", "cost").rows()
    assert got == [
        ("click_7d", "click_7d", 20.0, 1000, 8.1),
        ("click_14d", "click_14d", 25.5, 0, 0.0),
        ("click_14d", "click_14d", 30.0, 0, 0.0),
    ]
    assert done.rejects["message"].to_list() == ["'x' is no valid revenue (family click_7d)"]


# --- money -----------------------------------------------------------------------------------------------------------


def test_cost_is_brought_to_the_basis_that_the_mapping_asks_for(tmp_path: Path) -> None:
    constants = {name: value for name, value in BASE["constants"].items() if name != "cost_basis"}

    def cost(sent: str, report: str, spend: str = "134.20", **rates: Any) -> float:
        content = mapping().model_dump(by_alias=True, exclude_unset=True, mode="json")
        content |= {"constants": constants, "cost_conversion": {"sent": sent, "report": report, **rates}}
        content["inputs"] = {"rate": {"from": "rate", "type": "percent"}}
        made = bound(tmp_path, [*row(), "rate"], Mapping.model_validate(content)).apply(
            batch_of({**row(spend=spend), "rate": "22"})
        )
        assert event(made)["cost_basis"] == report
        return float(event(made)["cost"])

    assert cost("media_fees_and_tax", "media", fee_rate=0.10, tax_rate=0.22) == pytest.approx(100.0)
    assert cost("media_fees_and_tax", "media_and_fees", tax_rate="rate") == pytest.approx(110.0)
    assert cost("media_and_fees", "media", "110.00", fee_rate=0.10) == pytest.approx(100.0)
    assert cost("media_and_fees", "media", "100.00", fee_share=0.10) == pytest.approx(90.0)
    assert cost("media", "media_fees_and_tax", "100.00", fee_rate=0.10, tax_rate=0.22) == pytest.approx(134.2)
    assert cost("media", "media", "100.00") == 100.0


def test_a_cost_whose_rate_is_empty_is_rejected(tmp_path: Path) -> None:
    content = mapping().model_dump(by_alias=True, exclude_unset=True, mode="json")
    del content["constants"]["cost_basis"]
    content["inputs"] = {"rate": {"from": "rate", "type": "percent"}}
    content["cost_conversion"] = {"sent": "media_and_fees", "report": "media", "fee_rate": "rate"}
    chosen = Mapping.model_validate(content)
    done = bound(tmp_path, [*row(), "rate"], chosen).apply(batch_of({**row(), "rate": ""}))
    assert rules(done) == [("not_null.cost", "reject")]


RATES = """date,currency_from,currency_to,rate
2026-01-01,GBP,EUR,1.10
2026-01-04,GBP,EUR,1.20
2026-01-09,GBP,EUR,1.50
2026-01-04,EUR,USD,1.25
"""
TO_EUR = {
    "currency_conversion": {"to": "EUR", "rates": "fx.csv", "max_age_days": 5},
    "columns": {"currency": {"from": "money"}},
}


def foreign(tmp_path: Path, *cells: tuple[str, str], rates: str = RATES) -> TransformedBatch:
    (tmp_path / "fx.csv").write_text(rates)
    chosen = mapping().model_dump(by_alias=True, exclude_unset=True, mode="json")
    del chosen["constants"]["currency"]
    chosen["columns"] |= TO_EUR["columns"]
    chosen["currency_conversion"] = TO_EUR["currency_conversion"]
    rows = [{**row(day=day, sales="10.00", spend="2.00"), "money": money} for day, money in cells]
    done = bound(tmp_path, [*row(), "money"], Mapping.model_validate(chosen)).apply(batch_of(*rows))
    assert done.events.height + done.rejects.height == done.rows_in
    return done


def test_amounts_are_converted_by_the_last_rate_of_their_day(tmp_path: Path) -> None:
    done = foreign(tmp_path, ("2026-01-05", "GBP"), ("2026-01-05", "EUR"), ("2026-01-05", "USD"))
    columns = ("revenue", "cost", "currency", "original_currency", "exchange_rate")
    assert done.events.select(columns).rows() == [
        (12.0, 2.4, "EUR", "GBP", 1.2),
        (10.0, 2.0, "EUR", None, None),
        (8.0, 1.6, "EUR", "USD", 0.8),
    ]
    assert done.conversions == {"GBP to EUR": 1, "USD to EUR": 1}


def test_a_rate_that_is_too_old_or_comes_later_is_no_rate(tmp_path: Path) -> None:
    done = foreign(
        tmp_path, ("2025-12-31", "GBP"), ("2026-01-15", "GBP"), ("2026-01-14", "GBP"), ("2026-01-05", "SEK")
    )
    assert done.events["exchange_rate"].to_list() == [1.5]
    assert {rule for rule, _ in rules(done)} == {"no_rate.currency"}
    assert done.rejects["message"][2] == "no rate SEK to EUR on 2026-01-05 or in the 5 days before"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("2026-01-04,GBP,EUR,1.21", "several rates between GBP and EUR on 2026-01-04"),
        ("04.01.2026,GBP,EUR,1.2", "row 5 is no rate"),
        ("2026-01-05,GBP,EUR,0", "row 5 is no rate"),
        ("2026-01-05,pound,EUR,1.2", "row 5 is no rate"),
    ],
)
def test_an_unusable_table_of_rates_is_refused(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(HarmonizeError, match=words):
        foreign(tmp_path, ("2026-01-05", "GBP"), rates=RATES + line + "\n")


def test_a_missing_table_of_rates_is_named(tmp_path: Path) -> None:
    chosen = mapping(currency_conversion={"to": "EUR", "rates": "nowhere.csv"})
    with pytest.raises(FeedError, match=r"nowhere\.csv"):
        bound(tmp_path, list(row()), chosen)


# --- rows that are no facts ------------------------------------------------------------------------------------------


def test_total_rows_are_put_aside_as_the_reader_or_the_mapping_tells(tmp_path: Path) -> None:
    rows = [row(), row(campaign="Totale", day="")]
    frame = batch_of(*rows).with_columns(source_total=pl.col("source_row") == 2)
    at = bound(tmp_path, list(row()), mapping())
    assert rules(at.apply(frame)) == [("total_row", "info")]
    undetected = apply(tmp_path, *rows, total_rows={"from": "campaign", "values": ["TOTAL", "totale"]})
    assert rules(undetected) == [("total_row", "info")]
    assert undetected.rejects["message"][0] == "sums up other rows, as 'campaign' says"
    kept = bound(tmp_path, list(row()), mapping(total_rows="none")).apply(frame)
    assert rules(kept) == [("not_null.date", "reject")]


@pytest.mark.parametrize(
    ("one", "kept"),
    [
        ({"keep": ["C1"], "from": "campaign"}, ["c1"]),
        ({"drop": ["c1", "c3"], "from": "campaign"}, ["c2", None]),
        ({"keep": "impressions > 100"}, ["c1", "c3"]),
        ({"drop": "campaign_id == 'c1'"}, ["c2", "c3", None]),
        ({"keep": "campaign_id == 'c1'"}, ["c1"]),
        ({"drop": "starts_with(brand, 'x')"}, ["c2", "c3", None]),
    ],
)
def test_filters_keep_and_drop_by_raw_values_and_by_expressions(
    tmp_path: Path, one: dict[str, Any], kept: list[str | None]
) -> None:
    sent = [("c1", "500", "xa"), ("c2", "50", "y"), ("c3", "500", "z"), ("", "50", "")]
    rows = [{**row(campaign=campaign, shown=shown), "brand": brand} for campaign, shown, brand in sent]
    inputs = {"brand": {"from": "brand"}}
    done = apply(tmp_path, *rows, filters=[{"name": "wanted", **one}], inputs=inputs)
    assert done.events["campaign_id"].to_list() == kept
    assert set(rules(done)) == {("filtered.wanted", "info")}


def test_a_cell_that_cannot_be_read_is_no_reason_to_filter_its_row(tmp_path: Path) -> None:
    only_large = [{"name": "large", "keep": "impressions > 100"}]
    done = apply(tmp_path, row(shown="many"), row(shown="5", spend="x"), filters=only_large)
    assert rules(done) == [("invalid.impressions", "reject"), ("filtered.large", "info")]
    assert done.rejects["message"][1] == "not kept: impressions > 100"


def test_a_dedupe_key_goes_with_the_events(tmp_path: Path) -> None:
    rows = [{**row(), "delivery": "d1"}, {**row(item="N99"), "delivery": "d2"}, {**row(), "delivery": "--"}]
    done = apply(tmp_path, *rows, dedupe_key="delivery")
    assert done.events["dedupe:key"].to_list() == ["d1", None]
    both = apply(tmp_path, *rows, dedupe_key=["delivery", "campaign"])
    assert both.events["dedupe:key"].to_list() == ["d1\x1fc1", "\x1e\x1fc1"]


def test_rows_whose_cells_could_not_be_assigned_are_rejected(tmp_path: Path) -> None:
    frame = batch_of(row(), row()).with_columns(source_problem=pl.Series([None, "2 cells too many"]))
    done = bound(tmp_path, list(row()), mapping()).apply(frame)
    assert done.rejects.select("rule", "severity", "message").rows() == [
        ("ragged_row", "reject", "2 cells too many")
    ]


# --- rules -----------------------------------------------------------------------------------------------------------


FUNNEL = ["impressions", "clicks", "conversions"]
BROKEN_RULES: list[tuple[dict[str, Any], dict[str, str], str, str]] = [
    (
        {"check": "not_null", "field": "campaign_id"},
        {"campaign": ""},
        "not_null.campaign_id",
        "campaign_id is empty",
    ),
    (
        {"check": "in_set", "field": "campaign_id", "values": ["c1"]},
        {"campaign": "c9"},
        "in_set.campaign_id",
        "'c9' is none of c1",
    ),
    (
        {"check": "regex", "field": "campaign_id", "pattern": "c[0-9]"},
        {"campaign": "c10"},
        "regex.campaign_id",
        "'c10' does not fit c[0-9]",
    ),
    (
        {"check": "range", "field": "cost", "max": 5},
        {"spend": "5.01"},
        "range.cost",
        "cost 5.01 is not at most 5",
    ),
    (
        {"check": "min_cell", "field": "impressions", "min": 10},
        {"shown": "9", "clicks": "0"},
        "min_cell.impressions",
        "below the least cell of 10",
    ),
    (
        {"check": "monotone", "fields": FUNNEL},
        {"orders": "21"},
        "monotone.impressions_clicks_conversions",
        "clicks=20, conversions=21",
    ),
    (
        {"check": "not_after", "field": "date", "limit": "as_of"},
        {"day": "2026-02-02"},
        "not_after.date",
        "lies after as_of 2026-02-01",
    ),
    (
        {"check": "cross_field", "holds": "cost <= clicks * 2"},
        {"clicks": "4"},
        "cross_field.clicks_cost",
        "clicks=4, cost=8.1",
    ),
    (
        {"check": "range", "field": "cost", "max": 5, "name": "cheap"},
        {},
        "cheap",
        "cost 8.1 is not at most 5",
    ),
]


@pytest.mark.parametrize(("rule", "change", "name", "message"), BROKEN_RULES)
def test_each_rule_rejects_or_warns_by_name(
    tmp_path: Path, rule: dict[str, Any], change: dict[str, str], name: str, message: str
) -> None:
    rejected = apply(tmp_path, row(**change), rules=[rule])
    assert rules(rejected) == [(name, "reject")]
    assert message in rejected.rejects["message"][0]
    warned = apply(tmp_path, row(**change), row(item="N99", **change), rules=[{**rule, "severity": "warn"}])
    assert (warned.events.height, warned.warnings) == (1, {name: 1})


@pytest.mark.parametrize(
    ("shown", "spend", "kept"), [("0", "1", 1), ("-3", "1", 1), ("9", "0", 0), ("9", "1", 1)]
)
def test_a_least_cell_may_be_excused(tmp_path: Path, shown: str, spend: str, kept: int) -> None:
    rule = {"check": "min_cell", "field": "impressions", "min": 10, "unless": "cost > 0 or revenue > 100"}
    assert apply(tmp_path, row(shown=shown, spend=spend), rules=[rule]).events.height == kept


def test_rules_on_sums_are_left_to_the_statement_where_rows_are_corrections() -> None:
    every = [
        {"check": "range", "field": "cost", "min": 0},
        {"check": "range", "field": "impressions", "min": 0, "scope": "row"},
        {"check": "monotone", "fields": ["impressions", "clicks"], "name": "funnel"},
        {"check": "cross_field", "holds": "cost <= revenue * 100"},
        {"check": "cross_field", "holds": "cost <= 5 or currency == 'USD'"},
        {"check": "unique", "fields": ["campaign_id", "sku_id"]},
    ]
    corrections = RowTransform(mapping(rules=every, repeats="corrections"), CATALOG)
    assert [rule.name for rule in corrections.key_rules] == [
        "range.cost",
        "funnel",
        "cross_field.cost_revenue",
    ]
    assert [(rule.name, rule.fields) for rule in corrections.unique_rules] == [
        ("unique.campaign_id_sku_id", ("campaign_id", "sku_id"))
    ]
    assert RowTransform(mapping(rules=every), CATALOG).key_rules == []
    sums = pl.DataFrame(
        {"cost": [-1.0, 1.0], "impressions": [10, 1], "clicks": [1, 2], "revenue": [5.0, 5.0]}
    )
    broken = sums.select(rule.broken.alias(rule.name) for rule in corrections.key_rules)
    assert broken.rows() == [(True, False, False), (False, True, False)]


def test_correction_rows_pass_the_row_transform(tmp_path: Path) -> None:
    done = apply(
        tmp_path,
        row(spend="-2.00", shown="-10", clicks="0"),
        repeats="corrections",
        rules=[
            {"check": "range", "field": "cost", "min": 0},
            {"check": "range", "field": "impressions", "min": 0},
        ],
    )
    assert event(done)["cost"] == -2.0


# --- traps ------------------------------------------------------------------------------------------------------------


def test_one_rule_of_blame_the_first_one_and_all_messages(tmp_path: Path) -> None:
    done = apply(tmp_path, row(page="Checkout", shown="x", item="N99"))
    assert rules(done) == [("unmapped.placement_type", "reject")]
    assert done.rejects["message"][0] == (
        "'Checkout' is no known placement_type; 'x' is no valid impressions; product 'N99' is not in the catalog"
    )


def test_a_misleading_name_is_overruled_by_the_mapping(tmp_path: Path) -> None:
    sent = {**row(), "Ad Revenue": "8.10", "Ad Cost": "12 %", "Total Sales": "3", "Sales Amount": "$60.00"}
    columns = {
        "cost": {"from": "Ad Revenue", "type": "money"},
        "conversions": {"from": "Total Sales"},
        "revenue": {"from": "Sales Amount", "type": "money"},
    }
    done = event(apply(tmp_path, sent, columns=columns))
    assert (done["cost"], done["conversions"], done["revenue"]) == (8.1, 3.0, 60.0)


def test_same_sku_halo_and_total_sales_are_facts_of_their_own_and_add_up(tmp_path: Path) -> None:
    nothing = {"impressions": 0, "clicks": 0, "cost": 0}
    families = {
        "same_sku": {"columns": {"revenue": {"from": "same"}}, "constants": {"revenue_scope": "same_sku"}},
        "halo": {
            "columns": {"revenue": {"expression": "total - same"}},
            "constants": {"revenue_scope": "halo", **nothing},
        },
    }
    inputs = {"total": {"from": "sales", "type": "money"}, "same": {"from": "same", "type": "money"}}
    done = apply(tmp_path, {**row(sales="25.50"), "same": "20.00"}, families=families, inputs=inputs)
    assert done.events.select("revenue_scope", "revenue").rows() == [("same_sku", 20.0), ("halo", 5.5)]
    assert done.events["cost"].sum() == 8.1


def test_sales_in_stores_can_be_left_out(tmp_path: Path) -> None:
    rows = [{**row(), "salesChannel": "Online"}, {**row(), "salesChannel": "Offline"}]
    filters = [{"name": "stores", "from": "salesChannel", "drop": ["offline"]}]
    done = apply(tmp_path, *rows, filters=filters)
    assert rules(done) == [("filtered.stores", "info")]


def test_an_item_id_in_a_keyword_column_is_no_search_term(tmp_path: Path) -> None:
    inputs = {"keyword": {"from": "keyword"}}
    columns = {"search_term": {"expression": "if(not matches(keyword, '[0-9]+'), keyword)"}}
    rows = [{**row(), "keyword": keyword} for keyword in ("green tea", "55012345", "7up")]
    done = apply(tmp_path, *rows, inputs=inputs, columns=columns)
    assert done.events["search_term"].to_list() == ["green tea", None, "7up"]


def test_a_metric_that_changed_its_meaning_on_a_day_is_read_by_date(tmp_path: Path) -> None:
    inputs = {"served": {"from": "shown", "type": "int"}, "viewable": {"from": "viewable", "type": "int"}}
    columns = {"impressions": {"expression": "if(date < date('2026-01-05'), served, viewable)"}}
    rows = [{**row(day=day), "viewable": "700"} for day in ("2026-01-04", "2026-01-05")]
    done = apply(tmp_path, *rows, inputs=inputs, columns=columns)
    assert done.events["impressions"].to_list() == [1000, 700]


def test_money_with_a_currency_can_tell_the_currency_too(tmp_path: Path) -> None:
    columns = {
        "currency": {
            "from": "spend",
            "extract": {"regex": r"([A-Z]{3}|€)"},
            "values": {"€": "EUR", "USD": "USD"},
            "unmapped": "reject",
        },
    }
    content = mapping().model_dump(by_alias=True, exclude_unset=True, mode="json")
    del content["constants"]["currency"]
    content["columns"] |= columns
    content["numbers"] = {"decimal_mark": ",", "thousands_mark": "."}
    at = bound(tmp_path, list(row()), Mapping.model_validate(content))
    rows = [row(spend="€ 1.290,50"), row(spend="7,00 USD"), row(spend="7,00 GBP"), row(spend="7,00")]
    done = at.apply(batch_of(*(one | {"sales": "0", "orders": "1"} for one in rows)))
    assert done.events.select("cost", "currency").rows() == [(1290.5, "EUR"), (7.0, "USD")]
    assert rules(done) == [("unmapped.currency", "reject"), ("extract.currency", "reject")]


def test_a_currency_that_is_no_code_never_becomes_an_event(tmp_path: Path) -> None:
    content = mapping().model_dump(by_alias=True, exclude_unset=True, mode="json")
    del content["constants"]["currency"]
    content["columns"]["currency"] = {"from": "money"}
    at = bound(tmp_path, [*row(), "money"], Mapping.model_validate(content))
    done = at.apply(batch_of({**row(), "money": "usd"}, {**row(), "money": "USD"}))
    assert done.rejects["message"].to_list() == ["'usd' is no RMIS currency"]


def test_typed_columns_of_parquet_are_read_as_they_are(tmp_path: Path) -> None:
    chosen = mapping(
        source={"files": "*", "format": "parquet", "as_of": {"fixed": "2026-02-01"}},
        columns={"date": {"from": "day"}, "campaign_id": {"from": "campaign", "type": "int"}},
    )
    typed = batch_of(row()).with_columns(
        pl.lit(date(2026, 1, 5)).alias("day"),
        pl.lit(123, pl.Int32).alias("campaign"),
        pl.lit(12.0).alias("shown"),
        pl.lit(3, pl.UInt8).alias("clicks"),
        pl.lit(2.5, pl.Decimal(10, 2)).alias("orders"),
        pl.lit(9.5, pl.Float32).alias("sales"),
    )
    path = tmp_path / "r.parquet"
    typed.write_parquet(path)
    (source,) = report_sources([path], chosen.source.report_format())
    made = event(RowTransform(chosen, CATALOG).bind(source, typed.columns).apply(typed))
    assert (made["date"], made["campaign_id"], made["impressions"]) == (date(2026, 1, 5), "123", 12)
    assert (made["clicks"], made["conversions"], made["revenue"]) == (3, 2.5, 9.5)
    with pytest.raises(HarmonizeError, match="'shown' holds nested values"):
        nested = typed.with_columns(pl.concat_list("clicks").alias("shown"))
        RowTransform(chosen, CATALOG).bind(source, nested.columns).apply(nested)


CELLS = st.one_of(
    st.none(),
    st.text(max_size=10),
    st.sampled_from(
        ["1", "2.5", "-3", "x", "--", "N1", "N99", "Search", "2026-01-05", "USD", "€ 1,5", "c1", "Total"]
    ),
)
EVERYTHING = {
    "source": {**BASE["source"], "as_of": {"fixed": "2026-02-01"}},
    "inputs": {"media": {"from": "spend", "type": "money"}, "vat": {"from": "orders", "type": "percent"}},
    "columns": {"cost": {"expression": "media / vat"}, "search_term": {"from": "page", "optional": True}},
    "families": {
        "one": {"constants": {"attr_model": "a"}},
        "two": {"columns": {"revenue": {"expression": "cost * 2"}}, "constants": {"attr_model": "b"}},
    },
    "currency_conversion": {"to": "EUR", "rates": "fx.csv"},
    "total_rows": {"from": "campaign", "values": ["total"]},
    "filters": [{"name": "cheap", "drop": "cost < 1"}, {"name": "some", "from": "campaign", "drop": ["x"]}],
    "dedupe_key": ["campaign"],
    "sku": {"kind": "gtin", "from": "item"},
}


@pytest.fixture(scope="module")
def transforms(tmp_path_factory: pytest.TempPathFactory) -> tuple[BoundTransform, BoundTransform]:
    """The base mapping's, and that of a mapping with all that the language has."""
    folder = tmp_path_factory.mktemp("any")
    (folder / "fx.csv").write_text("date,currency_from,currency_to,rate\n2026-01-04,USD,EUR,0.8\n")
    return bound(folder, list(row()), mapping()), bound(folder, list(row()), mapping(**EVERYTHING))


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(st.fixed_dictionaries(dict.fromkeys(row(), CELLS)), min_size=1, max_size=8),
    everything=st.booleans(),
)
def test_any_batch_of_texts_is_conserved(
    transforms: tuple[BoundTransform, BoundTransform], rows: list[dict[str, str | None]], everything: bool
) -> None:
    done = transforms[everything].apply(batch_of(*rows))
    assert done.events.height + done.rejects.height == done.rows_in == len(rows) * (2 if everything else 1)
    assert done.rejects["rule"].null_count() == done.rejects["message"].null_count() == 0
    assert all(json.loads(text) in rows for text in done.rejects["raw_row"])
    whole = done.events.with_columns(pl.lit("id").alias("event_id")).select(*EVENTS_SCHEMA)
    assert check_table(whole, RMISRecord) == []


def test_an_empty_batch_gives_empty_tables(tmp_path: Path) -> None:
    done = bound(tmp_path, list(row()), mapping(**EVERYTHING | {"currency_conversion": None})).apply(
        batch_of(row()).clear()
    )
    assert (done.rows_in, done.events.height, done.rejects.height) == (0, 0, 0)
    assert done.events.columns == [*COLUMNS, "family", "dedupe:key"]
