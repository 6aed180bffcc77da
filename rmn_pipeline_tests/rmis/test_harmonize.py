"""Harmonization: each trap, conservation, idempotence, and restatement that no order of files can change."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rmn_pipeline.feeds import FeedError
from rmn_pipeline.rmis import (
    EVENTS_SCHEMA,
    HarmonizeError,
    HarmonizeResult,
    RMISRecord,
    check_table,
    harmonize,
)
from rmn_pipeline_tests.rmis.fixtures import CATALOG, GTINS, mapping, row, write_csv, write_json_gz


def run(tmp_path: Path, *rows: dict[str, str], **changes: Any) -> HarmonizeResult:
    return harmonize(mapping(**changes), [write_csv(tmp_path, *rows)], CATALOG)


def rules_of(result: HarmonizeResult) -> list[str]:
    return result.rejects["rule"].to_list()


def test_a_good_row_becomes_an_event(tmp_path: Path) -> None:
    result = run(tmp_path, row())
    event = result.events.row(0, named=True)
    assert dict(result.events.schema) == EVENTS_SCHEMA
    assert check_table(result.events, RMISRecord) == []
    assert event["date"] == date(2026, 1, 5)
    assert (event["sku_id"], event["placement_type"]) == (GTINS[0], "search")
    assert (event["impressions"], event["clicks"], event["conversions"]) == (1000, 20, 2.0)
    assert (event["revenue"], event["cost"], event["currency"]) == (25.50, 8.10, "USD")
    assert (event["as_of"], event["source_row"]) == (date(2026, 2, 1), 1)
    assert event["margin"] is None
    assert event["audience_id"] is None


@pytest.mark.parametrize(
    ("change", "rule", "words"),
    [
        ({"item": "N99"}, "unknown.sku_id", "product 'N99' is not in the catalog"),
        ({"item": ""}, "not_null.sku_id", "sku_id is empty"),
        ({"page": "Checkout"}, "unmapped.placement_type", "'Checkout' is no known placement_type"),
        ({"page": ""}, "not_null.placement_type", "placement_type is empty (from 'page')"),
        ({"day": "2026-13-05"}, "invalid.date", "'2026-13-05' is no valid date"),
        ({"day": "2027-01-05"}, "not_after.date", "date 2027-01-05 lies after as_of 2026-02-01"),
        ({"shown": "-5", "clicks": "0"}, "range.impressions", "impressions -5 is not at least 0"),
        ({"shown": "many"}, "invalid.impressions", "'many' is no valid impressions"),
        ({"clicks": "1001"}, "monotone.impressions_clicks", "impressions=1000, clicks=1001"),
        ({"spend": "--"}, "not_null.cost", "cost is empty"),
    ],
)
def test_a_bad_row_is_rejected_by_name_with_the_row_as_sent(
    tmp_path: Path, change: dict[str, str], rule: str, words: str
) -> None:
    result = run(tmp_path, row(), row(campaign="c2", **change))
    rejected = result.rejects.row(0, named=True)
    assert result.events.height == 1
    assert (rejected["rule"], rejected["severity"], rejected["source_row"]) == (rule, "reject", 2)
    assert words in rejected["message"]
    assert json.loads(rejected["raw_row"]) == row(campaign="c2", **change)
    assert result.report.rule_counts == {rule: 1}


def test_a_row_with_several_faults_is_one_reject_that_tells_all(tmp_path: Path) -> None:
    result = run(tmp_path, row(shown="-5", item="N99"))
    assert rules_of(result) == ["unknown.sku_id"]
    assert "not in the catalog; impressions -5" in result.rejects["message"][0]


def test_a_warning_is_counted_and_the_row_stays(tmp_path: Path) -> None:
    rule = {"check": "range", "field": "revenue", "min": 0, "severity": "warn"}
    result = run(tmp_path, row(sales="-3.00"), rules=[rule])
    assert result.events["revenue"].to_list() == [-3.0]
    assert (result.report.warnings, result.report.rejects) == ({"range.revenue": 1}, 0)


def test_negative_corrections_pass_where_the_mapping_does_not_forbid_them(tmp_path: Path) -> None:
    result = run(tmp_path, row(shown="-5", clicks="-6"), rules=[])
    assert result.events["impressions"].to_list() == [-5]


def test_headers_are_matched_without_case_and_outer_blanks_and_by_alias(tmp_path: Path) -> None:
    renamed = {
        " Item ": "N1",
        **{name: value for name, value in row().items() if name not in ("item", "spend")},
    }
    renamed["COST"] = "8.10"
    result = harmonize(
        mapping(columns={"cost": {"from": ["spend", "cost"], "type": "money"}}),
        [write_csv(tmp_path, renamed)],
        CATALOG,
    )
    assert result.events["cost"].to_list() == [8.10]


def test_two_columns_with_one_folded_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HarmonizeError, match="same name but for case"):
        run(tmp_path, {**row(), "SPEND": "1"})


def test_a_missing_column_names_file_field_and_nearest_column(tmp_path: Path) -> None:
    sent = row()
    sent["spends"] = sent.pop("spend")
    with pytest.raises(
        HarmonizeError, match=r"report_.*no column 'spend' for the field 'cost'; did you mean 'spends'"
    ):
        run(tmp_path, sent)


def test_an_optional_column_may_be_missing_and_a_default_fills_empty_cells_only(tmp_path: Path) -> None:
    columns = {
        "audience_id": {"from": "segment", "optional": True},
        "impressions": {"from": "shown", "type": "int", "default": 0},
    }
    result = run(tmp_path, row(shown="", clicks="0"), row(shown="x", campaign="c2"), columns=columns)
    assert result.events["impressions"].to_list() == [0]
    assert result.events["audience_id"].to_list() == [None]
    assert rules_of(result) == ["invalid.impressions"]


def test_new_columns_are_reported_and_kept_in_the_raw_row(tmp_path: Path) -> None:
    result = run(tmp_path, {**row(item="N99"), "brandNew": "7"})
    assert result.report.unmapped_columns == ("brandNew",)
    assert json.loads(result.rejects["raw_row"][0])["brandNew"] == "7"


def test_unknown_products_can_be_kept_under_the_retailers_own_id(tmp_path: Path) -> None:
    result = run(tmp_path, row(item="N99"), sku={"kind": "native", "from": "item", "unknown": "keep"})
    assert result.events["sku_id"].to_list() == ["shop:N99"]


def test_bar_codes_are_normalized_and_lost_digits_rejected(tmp_path: Path) -> None:
    codes = ["085021001007", "85021001007", "0085021001007", "8.50211E+10", "085021001008", "00070177154240"]
    rows = [row(item=code, campaign=f"c{number}") for number, code in enumerate(codes)]
    known = CATALOG.head(4)
    result = harmonize(mapping(sku={"kind": "gtin", "from": "item"}), [write_csv(tmp_path, *rows)], known)
    assert result.events["sku_id"].to_list() == [GTINS[0]] * 3
    assert rules_of(result) == ["gtin_unrecoverable.sku_id", "gtin_invalid.sku_id", "unknown.sku_id"]


def test_a_side_file_names_the_campaigns_of_a_report(tmp_path: Path) -> None:
    (tmp_path / "names.csv").write_text("campaign,title\nc1,x | search | loyal\nc2,broken\n")
    joins = {"names": {"file": "names.csv", "key": "campaign", "take": "title"}}
    placement = {"from": "names.title", "extract": {"split": "|", "part": 2, "of": 3}}
    columns = {
        "placement_type": {**placement, "values": {"search": "search"}, "unmapped": "reject"},
        "audience_id": {"from": "names.title", "extract": {"split": "|", "part": 3, "of": 3}},
    }
    rows = [row(), row(campaign="c2"), row(campaign="c3")]
    result = run(tmp_path, *rows, joins=joins, columns=columns)
    assert result.events.select("placement_type", "audience_id").rows() == [("search", "loyal")]
    assert rules_of(result) == ["extract.placement_type", "not_null.placement_type"]
    assert result.report.conserved


def test_a_side_file_with_two_answers_for_a_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "names.csv").write_text("campaign,title\nc1,a\nc1,b\n")
    joins = {"names": {"file": "names.csv", "key": "campaign", "take": "title"}}
    with pytest.raises(HarmonizeError, match=r"several answers for \('c1',\)"):
        run(tmp_path, row(), joins=joins, columns={"audience_id": {"from": "names.title"}})


def test_a_missing_side_file_is_a_feed_error(tmp_path: Path) -> None:
    joins = {"names": {"file": "names.csv", "key": "campaign", "take": "title"}}
    with pytest.raises(FeedError, match=r"names\.csv: cannot be read"):
        run(tmp_path, row(), joins=joins, columns={"audience_id": {"from": "names.title"}})


def test_rows_of_another_retailer_in_the_same_file_are_rejected(tmp_path: Path) -> None:
    columns = {"retailer_id": {"from": "page", "values": {"Search": "shop"}, "unmapped": "reject"}}
    result = run(tmp_path, row(), row(page="Product Page"), columns=columns)
    assert (result.events.height, rules_of(result)) == (1, ["unmapped.retailer_id"])


def test_native_ids_need_a_crosswalk_and_a_crosswalk_one_answer(tmp_path: Path) -> None:
    path = write_csv(tmp_path, row())
    with pytest.raises(HarmonizeError, match="pass crosswalk"):
        harmonize(mapping(), [path])
    twice = pl.DataFrame({"native_id": ["N1", "N1"], "sku_id": list(GTINS[:2])})
    with pytest.raises(HarmonizeError, match="ties one native_id to several products"):
        harmonize(mapping(), [path], twice)


def test_no_files_and_a_name_without_as_of_are_errors(tmp_path: Path) -> None:
    with pytest.raises(HarmonizeError, match="no report files were given"):
        harmonize(mapping(), [], CATALOG)
    with pytest.raises(HarmonizeError, match="does not say when the report was made"):
        harmonize(mapping(), [write_csv(tmp_path, row()).rename(tmp_path / "plain.csv")], CATALOG)


def test_an_empty_report_gives_empty_tables(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert (result.events.height, result.rejects.height, result.report.rows_in) == (0, 0, 0)
    assert dict(result.events.schema) == EVENTS_SCHEMA


def test_json_and_csv_of_the_same_rows_give_the_same_events(tmp_path: Path) -> None:
    numbers = {**row(), "shown": 1000, "clicks": 20, "orders": 2, "sales": 25.5, "spend": 8.1}
    from_json = harmonize(
        mapping(source={"files": "*", "format": "json_array"}), [write_json_gz(tmp_path, [numbers])], CATALOG
    )
    from_csv = run(tmp_path, row())
    assert from_json.events.drop("source_file").equals(from_csv.events.drop("source_file"))


def test_the_event_id_is_the_hash_of_the_natural_key_in_every_process(tmp_path: Path) -> None:
    event_id = run(tmp_path, row()).events["event_id"][0]
    # The first 24 digits that `xxhsum -H128` prints for shop␟2026-01-05␟c1␟00085021001007␟search.
    assert event_id == "f780e36220b7fdf556eaa86f"
    code = (
        "import sys; from pathlib import Path; from rmn_pipeline.rmis import harmonize;"
        "from rmn_pipeline_tests.rmis.fixtures import *;"
        "print(harmonize(mapping(), [Path(sys.argv[1])], CATALOG).events['event_id'][0])"
    )
    path = next(tmp_path.glob("*.csv"))
    root = Path(__file__).parents[2]
    other = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True, cwd=root
    )
    assert other.stdout.strip() == event_id


def test_loading_a_file_twice_changes_nothing_but_the_counts(tmp_path: Path) -> None:
    path = write_csv(tmp_path, row(), row(item="N2"), row(item="N99"))
    again = tmp_path / "delivered_again" / path.name
    again.parent.mkdir()
    shutil.copy(path, again)
    once, twice = harmonize(mapping(), [path], CATALOG), harmonize(mapping(), [again, path], CATALOG)
    assert twice.events.equals(once.events)
    assert harmonize(mapping(), [path, path], CATALOG).report == once.report
    assert twice.report.rule_counts == {"duplicate": 2, "unknown.sku_id": 2}
    assert (twice.report.rows_in, twice.report.conserved, twice.report.broken) == (6, True, 2)


def test_equal_keys_with_different_numbers_are_a_conflict_not_a_sum(tmp_path: Path) -> None:
    result = run(tmp_path, row(), row(sales="99.00"))
    assert result.events["revenue"].to_list() == [25.50]
    assert result.rejects.select("rule", "severity").rows() == [("conflicting_duplicate", "warn")]


def restated(tmp_path: Path, *statements: tuple[str, str], window: int | None = 14) -> HarmonizeResult:
    paths = [
        write_csv(tmp_path, row(day="2026-01-20", sales=sales), as_of=as_of, name=f"r{number}")
        for number, (as_of, sales) in enumerate(statements)
    ]
    return harmonize(mapping(restatement_window_days=window), paths, CATALOG)


def test_a_later_statement_replaces_an_open_one(tmp_path: Path) -> None:
    result = restated(tmp_path, ("2026-02-01", "20.00"), ("2026-02-20", "25.00"))
    assert result.events.select("revenue", "as_of").rows() == [(25.0, date(2026, 2, 20))]
    assert result.rejects.select("rule", "severity", "message").rows() == [
        ("superseded_by_restatement", "info", "restated as of 2026-02-20")
    ]
    assert (result.report.superseded, result.report.conserved) == (1, True)


def test_a_statement_after_the_window_closed_cannot_be_restated(tmp_path: Path) -> None:
    result = restated(tmp_path, ("2026-02-20", "25.00"), ("2026-03-20", "1.00"))
    assert result.events["revenue"].to_list() == [25.0]
    assert result.rejects.select("rule", "severity").rows() == [("restatement_outside_window", "warn")]


def test_a_late_statement_that_says_the_same_is_a_duplicate(tmp_path: Path) -> None:
    result = restated(tmp_path, ("2026-02-20", "25.00"), ("2026-03-20", "25.00"))
    assert rules_of(result) == ["duplicate"]


def test_without_a_documented_window_the_latest_statement_always_holds(tmp_path: Path) -> None:
    result = restated(tmp_path, ("2026-02-20", "25.00"), ("2026-06-20", "1.00"), window=None)
    assert result.events["revenue"].to_list() == [1.0]


STATEMENTS = st.lists(
    st.tuples(
        st.sampled_from(["2026-01-21", "2026-02-01", "2026-02-03", "2026-02-04", "2026-03-01", "2026-04-01"]),
        st.lists(
            st.tuples(
                st.sampled_from(["N1", "N2", "N99"]),
                st.sampled_from(["10.00", "20.00", "x", ""]),
                st.sampled_from(["Search", "Cart"]),
            ),
            max_size=4,
        ),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    statements=STATEMENTS, shuffle=st.randoms(use_true_random=False), window=st.sampled_from([None, 0, 14])
)
def test_any_order_and_repetition_of_files_gives_the_same_events_and_loses_no_row(
    tmp_path: Path, statements: list[tuple[str, list[tuple[str, str, str]]]], shuffle: Any, window: int | None
) -> None:
    paths = []
    for number, (as_of, cells) in enumerate(statements):
        rows = [row(day="2026-01-20", item=item, sales=sales, page=page) for item, sales, page in cells]
        paths.append(write_csv(tmp_path, *rows, as_of=as_of, name=f"s{number}"))
    chosen = mapping(restatement_window_days=window)
    once = harmonize(chosen, paths, CATALOG)
    again = [*paths, *shuffle.choices(paths, k=2)]
    shuffle.shuffle(again)
    repeated = harmonize(chosen, again, CATALOG)
    assert repeated.events.equals(once.events)
    assert once.report.rows_in == sum(len(cells) for _, cells in statements)
    for result in (once, repeated):
        assert result.report.conserved
        assert result.events["event_id"].is_unique().all()
        assert check_table(result.events, RMISRecord) == []
