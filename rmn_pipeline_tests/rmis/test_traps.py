"""What goes wrong with retail media feeds in general, one test a trap: meaning, numbers and text, rows."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from rmn_pipeline.rmis import HarmonizeResult, harmonize, parse_mapping
from rmn_pipeline_tests.rmis.fixtures import BASE, CATALOG, GTINS, mapping, row, write_csv


def events_of(tmp_path: Path, rows: list[dict[str, str]], **changes: Any) -> HarmonizeResult:
    result = harmonize(mapping(**changes), [write_csv(tmp_path, *rows)], CATALOG)
    assert result.report.conserved
    return result


def only(result: HarmonizeResult) -> dict[str, Any]:
    assert result.rejects.is_empty(), result.rejects.to_dicts()
    assert result.events.height == 1
    return result.events.row(0, named=True)


# Meaning


def test_a_column_is_what_the_mapping_says_and_not_what_its_name_says(tmp_path: Path) -> None:
    """Trap 1: `revenue` is the advertiser's cost, and `ad cost` a percentage of sales."""
    told = {"revenue": "8.10", "ad cost": "31.8 %", "turnover": "25.50"}
    columns = {"cost": {"from": "revenue", "type": "money"}, "revenue": {"from": "turnover", "type": "money"}}
    event = only(events_of(tmp_path, [row(**told)], columns=columns))
    assert (event["cost"], event["revenue"]) == (8.10, 25.50)


def test_a_column_named_sales_can_be_a_count(tmp_path: Path) -> None:
    """Trap 2: `sales` counts, and its twin holds the money."""
    columns = {
        "conversions": {"from": "sales", "type": "decimal"},
        "revenue": {"from": "sales_amount", "type": "money"},
    }
    event = only(events_of(tmp_path, [row(sales="3", sales_amount="41.97")], columns=columns))
    assert (event["conversions"], event["revenue"]) == (3.0, 41.97)


def test_one_sum_under_two_names_is_used_once(tmp_path: Path) -> None:
    """Trap 3: cost and spend are one number."""
    columns = {"cost": {"from": ["cost", "spend"], "type": "money"}}
    assert only(events_of(tmp_path, [row(cost="8.10", spend="8.10")], columns=columns))["cost"] == 8.10


def test_windows_side_by_side_are_a_choice_or_facts_of_their_own(tmp_path: Path) -> None:
    """Trap 4: 7 and 14 days overlap; as two families they are two facts, told apart by attr_model."""
    content = mapping(
        columns={"revenue": {"from": "sales_14", "type": "money"}},
        families={
            "window_14": {"constants": {"attr_model": "click_14d"}},
            "window_7": {
                "columns": {"revenue": {"from": "sales_7", "type": "money"}},
                "constants": {"attr_model": "click_7d", "impressions": 0, "clicks": 0, "cost": 0},
            },
        },
    )
    result = harmonize(content, [write_csv(tmp_path, row(sales_7="10.00", sales_14="25.50"))], CATALOG)
    told = dict(result.events.select("attr_model", "revenue").iter_rows())
    assert told == {"click_14d": 25.50, "click_7d": 10.00}
    assert result.events["event_id"].n_unique() == 2
    assert (result.report.rows_in, result.report.readings) == (1, 2)
    assert result.report.conserved
    assert result.events["cost"].sum() == 8.10


def test_tax_and_fees_in_the_spend_are_taken_out_when_declared(tmp_path: Path) -> None:
    """Trap 5: the invoice amount includes 22 % VAT and 10 % fees."""
    conversion = {"sent": "media_fees_and_tax", "report": "media", "fee_rate": 0.10, "tax_rate": 0.22}
    event = only(events_of(tmp_path, [row(spend="134.20")], cost_conversion=conversion, constants={}))
    assert event["cost"] == pytest.approx(100.0)
    assert event["cost_basis"] == "media"


# Numbers and text


@pytest.mark.parametrize(
    ("text", "rule", "value"),
    [
        ("31840000", {"scale": "micros"}, 31.84),
        ("3184000000", {"scale": "microcents"}, 31.84),
        ("3184000", {"scale": "millicents"}, 31.84),
        ("€ 1.290,50", {"decimal_mark": ",", "thousands_mark": "."}, 1290.50),
        ("1\u00a0290,50", {"decimal_mark": ",", "thousands_mark": " "}, 1290.50),
        ("$1,290.50", {"thousands_mark": ","}, 1290.50),
        (".51", {}, 0.51),
        ("USD 7.00", {}, 7.00),
    ],
)
def test_money_is_read_in_its_declared_unit_and_marks(
    tmp_path: Path, text: str, rule: dict[str, Any], value: float
) -> None:
    """Trap 6: microcents beside decimals, currency prefixes, decimal commas, no-break blanks."""
    columns = {"revenue": {"from": "sales", "type": "money", **rule}}
    assert only(events_of(tmp_path, [row(sales=text)], columns=columns))["revenue"] == pytest.approx(value)


def test_preamble_total_row_and_semicolons_are_no_facts(tmp_path: Path) -> None:
    """Trap 7: lines before the header, a localised total, cp1252, semicolons, several header editions."""
    path = tmp_path / "report_2026-01_asof_2026-02-01.csv"
    path.write_bytes(
        (
            "Bericht: Tägliche Leistung\r\n"
            "Tag;Kampagne;page;item;shown;clicks;orders;sales;spend\r\n"
            "05.01.2026;c1;Search;N1;1.000;20;2;25,50;8,10\r\n"
            "Gesamt;;;;1.000;20;2;25,50;8,10\r\n"
        ).encode("cp1252")
    )
    content = mapping(
        source={
            "files": "*.csv",
            "format": "csv",
            "encoding": "cp1252",
            "delimiter": ";",
            "skip_lines": 1,
        },
        numbers={"decimal_mark": ",", "thousands_mark": "."},
        columns={
            "date": {"from": ["day", "Tag"], "type": "date", "format": "%d.%m.%Y"},
            "campaign_id": {"from": ["campaign", "Kampagne"]},
        },
    )
    result = harmonize(content, [path], CATALOG)
    assert result.events.select("date", "impressions", "revenue").row(0) == (date(2026, 1, 5), 1000, 25.5)
    assert result.rejects.select("rule", "severity").rows() == [("total_row", "info")]
    assert result.report.total_rows == 1


def test_blanks_around_headers_and_dashes_for_nothing_are_read(tmp_path: Path) -> None:
    """Trap 8: ' advertised_asin', '--' as null, impressions null while clicks are 0."""
    told = {" Sales ": "--", **{name: value for name, value in row().items() if name != "sales"}}
    columns = {"revenue": {"from": "sales", "type": "money", "default": 0}}
    assert only(events_of(tmp_path, [told], columns=columns))["revenue"] == 0.0


def test_day_and_month_follow_the_declared_order(tmp_path: Path) -> None:
    """Trap 9: 03/02/2026 is March 2 in one country and February 3 in the next."""
    for form, day in (("%m/%d/%Y", date(2026, 1, 2)), ("%d/%m/%Y", date(2026, 2, 1))):
        columns = {"date": {"from": "day", "type": "date", "format": form}}
        told = events_of(tmp_path, [row(day="01/02/2026")], columns=columns, rules=[])
        assert only(told)["date"] == day


def test_a_timestamp_with_a_false_z_keeps_the_advertisers_day(tmp_path: Path) -> None:
    """Trap 9: printed with Z, but in the advertiser's time: the day is the printed one, the instant is not."""
    columns = {
        "event_at": {
            "from": "day",
            "type": "timestamp",
            "format": "%Y-%m-%dT%H:%M:%SZ",
            "time_zone": "America/Los_Angeles",
        },
        "date": {
            "from": "day",
            "extract": {"regex": r"^(\d{4}-\d{2}-\d{2})"},
            "type": "date",
            "format": "%Y-%m-%d",
        },
    }
    event = only(events_of(tmp_path, [row(day="2026-01-05T22:30:00Z")], columns=columns))
    assert event["date"] == date(2026, 1, 5)
    assert event["event_at"].astimezone(UTC) == datetime(2026, 1, 6, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("12345678905", GTINS[1]),
        ("012345678905", GTINS[1]),
        ("0012345678905", GTINS[1]),
        ("7.42676E+11", "gtin_unrecoverable.sku_id"),
        ("2012345678903", "gtin_restricted.sku_id"),
        ("012345678906", "gtin_invalid.sku_id"),
    ],
)
def test_product_codes_are_mended_where_that_is_safe_and_named_where_not(
    tmp_path: Path, code: str, outcome: str
) -> None:
    """Trap 10: lost zeros come back; scientific notation, shop-internal and mistyped codes do not."""
    result = events_of(tmp_path, [row(item=code)], sku={"kind": "gtin", "from": "item"})
    told = [*result.events["sku_id"], *result.rejects["rule"]]
    assert told == [outcome]


# Rows


def test_correction_rows_stay_and_only_their_sum_must_not_be_negative(tmp_path: Path) -> None:
    """Trap 11: dropping negative deltas overstates spend."""
    rows = [row(), row(shown="-100", clicks="-2", orders="-1", sales="-12.75", spend="-0.90")]
    too_much = row(item="N2", shown="-5", clicks="0", orders="0", sales="0", spend="0")
    result = events_of(tmp_path, [*rows, too_much], repeats="corrections")
    assert result.events["impressions"].sum() == 900
    assert result.events["cost"].sum() == pytest.approx(7.20)
    assert result.events["event_id"].n_unique() == result.events.height == 2
    assert result.rejects["rule"].to_list() == ["range.impressions"]


def test_a_delivery_that_comes_twice_counts_once(tmp_path: Path) -> None:
    """Trap 12: at-least-once delivery with an idempotency key."""
    rows = [row(delivery="d1"), row(delivery="d1"), row(delivery="d2")]
    result = events_of(tmp_path, rows, repeats="corrections", dedupe_key=["delivery"])
    assert result.events["impressions"].sum() == 2000
    assert result.rejects["rule"].to_list() == ["duplicate"]


def test_a_cell_that_should_have_been_suppressed_is_told(tmp_path: Path) -> None:
    """Trap 13: networks suppress rows under a minimum; one that comes through is worth a warning."""
    rules = [
        {"check": "min_cell", "field": "impressions", "min": 10, "severity": "warn", "unless": "cost > 0"}
    ]
    small = row(shown="3", clicks="0", spend="0.00")
    paid = row(item="N2", shown="3", clicks="0", spend="0.40")
    result = events_of(tmp_path, [row(item="N3"), small, paid], rules=rules)
    assert result.events.height == 3
    assert sum(result.report.warnings.values()) == 1


def test_an_identifier_in_a_keyword_column_is_no_keyword(tmp_path: Path) -> None:
    """Trap 14: an all-digit keyword is an item id; a filter keeps such rows out and says so."""
    rows = [row(keyword="mango tea"), row(item="N2", keyword="500100203")]
    filters = [{"name": "buy_box", "from": "keyword", "drop": ["500100203"]}]
    result = events_of(tmp_path, rows, filters=filters)
    assert result.events.height == 1
    assert result.rejects.select("rule", "severity").rows() == [("filtered.buy_box", "info")]


def test_renamed_columns_are_aliases_and_appended_ones_are_told(tmp_path: Path) -> None:
    """Trap 15: an edition renames headers and appends columns at the end."""
    columns = {"impressions": {"from": ["impressions_v3", "shown"], "type": "int"}}
    old = write_csv(tmp_path, row())
    renamed = {
        ("impressions_v3" if name == "shown" else name): value for name, value in row(item="N2").items()
    }
    new = write_csv(tmp_path, {**renamed, "new_metric": "1"}, name="later")
    result = harmonize(mapping(columns=columns), [old, new], CATALOG)
    assert result.events["impressions"].to_list() == [1000, 1000]
    assert result.report.unmapped_columns == ("new_metric",)


def test_amounts_in_two_currencies_are_converted_by_the_days_rate(tmp_path: Path) -> None:
    """Trap 3 again: one amount in two currencies is a choice; another currency needs a dated rate."""
    (tmp_path / "rates.csv").write_text(
        "date,currency_from,currency_to,rate\n2026-01-02,EUR,USD,1.10\n2026-01-05,EUR,USD,1.20\n"
    )
    told_by_the_file = {
        **BASE,
        "columns": {**BASE["columns"], "currency": {"from": "currency"}},
        "constants": {name: value for name, value in BASE["constants"].items() if name != "currency"},
        "currency_conversion": {"to": "USD", "rates": "rates.csv", "max_age_days": 7},
    }
    content = parse_mapping(yaml.safe_dump(told_by_the_file))
    rows = [
        row(currency="EUR"),
        row(item="N2", currency="EUR", day="2026-01-03"),
        row(item="N3", currency="USD"),
        row(item="N4", currency="GBP"),
    ]
    result = harmonize(content, [write_csv(tmp_path, *rows)], CATALOG)
    told = dict(result.events.select("sku_id", "cost").iter_rows())
    assert told == pytest.approx({GTINS[0]: 9.72, GTINS[1]: 8.91, GTINS[2]: 8.10})
    assert set(result.events["currency"]) == {"USD"}
    assert result.events.filter(pl.col("original_currency") == "EUR").height == 2
    assert result.rejects.height == 1
    assert "GBP" in result.rejects["message"][0]
