"""Settling one day: repeats, corrections, rules on sums, deliveries, restatements and their history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmn_pipeline.rmis import EVENTS_SCHEMA
from rmn_pipeline.rmis.restatement import (
    DEDUPE_KEY,
    FAMILY,
    HISTORY_SCHEMA,
    REPEATED_DELIVERY,
    SOURCE_INDEX,
    StatementRules,
)
from rmn_pipeline.rmis.restatement import settle as settle_compact
from rmn_pipeline.rmis.rules import RowRule, UniqueFields
from rmn_pipeline.rmis.spill import compact
from rmn_pipeline.rmis.statements import Verdict

DAY = date(2026, 1, 20)
KEY = ("date", "campaign_id", "sku_id")
GOOD: dict[str, Any] = {
    "retailer_id": "shop",
    "date": DAY,
    "placement_type": "search",
    "ad_type": "sponsored_products",
    "sku_id": "00085021001007",
    "campaign_id": "c1",
    "impressions": 100,
    "clicks": 10,
    "conversions": 1.0,
    "conversion_unit": "orders",
    "revenue": 20.0,
    "revenue_scope": "total",
    "cost": 5.0,
    "cost_basis": "media",
    "currency": "USD",
    "attr_model": "click_14d",
    "date_basis": "ad_interaction",
    "report_timezone": "UTC",
}
PLAIN = StatementRules(KEY, 14)
NO_NEGATIVE_COST = RowRule(
    "range.cost", "reject", pl.col("cost") < 0, pl.format("cost {} is negative", "cost")
)
CORRECTIONS = StatementRules(KEY, 14, corrections=True, key_rules=(NO_NEGATIVE_COST,))


def said(as_of: int, *changes: dict[str, Any], source: int = 0, first_row: int = 1) -> list[dict[str, Any]]:
    """Rows of one file, stated on a day of February."""
    place = {"as_of": date(2026, 2, as_of), "source_file": f"r{source}.csv", SOURCE_INDEX: source}
    return [
        {**GOOD, **place, "source_row": number, **change} for number, change in enumerate(changes, first_row)
    ]


def frame(*parts: list[dict[str, Any]]) -> pl.DataFrame:
    """The rows as the engine hands them over."""
    schema = {name: dtype for name, dtype in EVENTS_SCHEMA.items() if name != "event_id"}
    extra = {
        SOURCE_INDEX: pl.Int32(),
        FAMILY: pl.String(),
        DEDUPE_KEY: pl.String(),
        REPEATED_DELIVERY: pl.Boolean(),
    }
    rows = [row for part in parts for row in part]
    schema |= {
        name: dtype
        for name, dtype in extra.items()
        if name == SOURCE_INDEX or any(name in row for row in rows)
    }
    return pl.DataFrame(rows, schema=schema)


@dataclass(frozen=True)
class Outcome:
    """What settling gave, as whole tables."""

    events: pl.DataFrame
    history: pl.DataFrame
    rejects: pl.DataFrame
    warnings: dict[str, int]


def settle(rows: pl.DataFrame, rules: StatementRules) -> Outcome:
    settled = settle_compact(compact(rows), rules)
    return Outcome(settled.events.whole(), settled.history.whole(), settled.rejects, settled.warnings)


def rules_of(settled: Outcome) -> list[tuple[str, str, int]]:
    return (
        settled.rejects.sort("source_file", "source_row").select("rule", "source_file", "source_row").rows()
    )


def test_rows_with_keys_of_their_own_are_events_in_the_order_of_their_places() -> None:
    settled = settle(frame(said(1, {"campaign_id": "b"}, source=1), said(1, {"campaign_id": "a"})), PLAIN)
    assert settled.events["campaign_id"].to_list() == ["a", "b"]
    assert dict(settled.events.schema) == EVENTS_SCHEMA
    assert dict(settled.history.schema) == HISTORY_SCHEMA
    assert settled.rejects.is_empty()


def test_an_exact_repeat_is_a_duplicate_and_a_different_one_a_conflict() -> None:
    settled = settle(frame(said(1, {}, {}, {"cost": 6.0}), said(1, {}, source=1)), PLAIN)
    assert settled.events.select("cost", "source_file", "source_row").rows() == [(5.0, "r0.csv", 1)]
    assert rules_of(settled) == [
        ("duplicate", "r0.csv", 2),
        ("conflicting_duplicate", "r0.csv", 3),
        ("duplicate", "r1.csv", 1),
    ]


def test_superseded_rows_are_rejects_and_typed_history_with_the_date_that_superseded_them() -> None:
    settled = settle(
        frame(said(1, {"cost": 1.0}), said(2, {"cost": 2.0}, source=1), said(3, {"cost": 3.0}, source=2)),
        PLAIN,
    )
    assert settled.events.select("cost", "as_of").rows() == [(3.0, date(2026, 2, 3))]
    assert settled.history.select("cost", "as_of", "superseded_by_as_of").rows() == [
        (1.0, date(2026, 2, 1), date(2026, 2, 2)),
        (2.0, date(2026, 2, 2), date(2026, 2, 3)),
    ]
    assert settled.history["event_id"].to_list() == settled.events["event_id"].to_list() * 2
    assert settled.rejects["message"].to_list() == ["restated as of 2026-02-02", "restated as of 2026-02-03"]


def test_a_repeat_within_a_superseded_statement_is_a_duplicate_and_no_second_history() -> None:
    settled = settle(frame(said(1, {}, {}), said(2, {"cost": 6.0}, source=1)), PLAIN)
    assert settled.history.height == 1
    assert [rule for rule, *_ in rules_of(settled)] == ["superseded_by_restatement", "duplicate"]


def test_the_first_final_statement_holds_whatever_comes_later() -> None:
    # The window of 14 days closes after the 3rd.
    parts = said(3, {"cost": 1.0}), said(4, {"cost": 2.0}, source=1), said(9, {"cost": 2.0}, source=2)
    settled = settle(frame(*parts, said(10, {"cost": 3.0}, source=3)), PLAIN)
    assert settled.events["cost"].to_list() == [2.0]
    assert [rule for rule, *_ in rules_of(settled)] == [
        "superseded_by_restatement",
        "duplicate",
        "restatement_outside_window",
    ]
    assert "final statement of 2026-02-04" in settled.rejects["message"][-1]


def test_files_whose_names_do_not_follow_their_dates_settle_alike() -> None:
    settled = settle(frame(said(2, {"cost": 2.0}), said(1, {"cost": 1.0}, source=1)), PLAIN)
    assert settled.events["cost"].to_list() == [2.0]
    assert settled.history["cost"].to_list() == [1.0]


def test_corrections_of_one_file_all_count_also_negative_and_equal_ones() -> None:
    rows = said(1, {"cost": 5.0}, {"cost": -2.0}, {"cost": 1.0}, {"cost": 1.0})
    settled = settle(frame(rows), CORRECTIONS)
    assert settled.events["cost"].to_list() == [5.0, -2.0, 1.0, 1.0]
    assert settled.events["event_id"].is_unique().all()
    assert settled.rejects.is_empty()


def test_the_same_file_delivered_twice_adds_nothing_to_corrections() -> None:
    rows = {"cost": 1.0}, {"cost": 1.0}, {"cost": -0.5}
    once = settle(frame(said(1, *rows)), CORRECTIONS)
    twice = settle(frame(said(1, *rows), said(1, *rows, source=1)), CORRECTIONS)
    assert twice.events.equals(once.events)
    assert [rule for rule, *_ in rules_of(twice)] == ["duplicate"] * 3
    more = settle(
        frame(said(1, *rows), said(1, {"cost": 1.0}, {"cost": 1.0}, {"cost": 1.0}, source=1)), CORRECTIONS
    )
    assert sorted(more.events["cost"].to_list()) == [-0.5, 1.0, 1.0, 1.0]


def test_a_rule_on_the_sum_rejects_the_whole_statement_and_the_one_before_holds() -> None:
    settled = settle(frame(said(1, {}), said(2, {"cost": 1.0}, {"cost": -3.0}, source=1)), CORRECTIONS)
    assert settled.events.select("cost", "as_of").rows() == [(5.0, date(2026, 2, 1))]
    assert rules_of(settled) == [("range.cost", "r1.csv", 1), ("range.cost", "r1.csv", 2)]
    assert settled.rejects.select("severity", "message").unique().rows() == [
        ("reject", "cost -2.0 is negative")
    ]
    assert settled.history.is_empty()


def test_a_rule_on_the_sum_that_only_warns_is_counted_per_holding_statement() -> None:
    warns = RowRule("range.revenue", "warn", pl.col("revenue") > 30, pl.lit("much"))
    rules = StatementRules(KEY, 14, corrections=True, key_rules=(warns,))
    settled = settle(frame(said(1, {}, {"cost": 1.0}, {"campaign_id": "c2"})), rules)
    assert (settled.events.height, settled.warnings) == (3, {"range.revenue": 1})


def test_a_later_statement_of_corrections_replaces_the_whole_earlier_one() -> None:
    settled = settle(
        frame(said(1, {"cost": 4.0}, {"cost": -1.0}), said(2, {"cost": 2.5}, source=1)), CORRECTIONS
    )
    assert settled.events["cost"].to_list() == [2.5]
    assert settled.history["cost"].to_list() == [4.0, -1.0]
    assert settled.history["superseded_by_as_of"].unique().to_list() == [date(2026, 2, 2)]


def test_a_late_statement_of_corrections_that_says_the_same_is_a_duplicate_as_a_whole() -> None:
    rows = {"cost": 4.0}, {"cost": -1.0}
    again = settle(frame(said(5, *rows), said(9, *reversed(rows), source=1)), CORRECTIONS)
    assert [rule for rule, *_ in rules_of(again)] == ["duplicate"] * 2
    differs = settle(frame(said(5, *rows), said(9, {"cost": 4.0}, source=1)), CORRECTIONS)
    assert [rule for rule, *_ in rules_of(differs)] == ["restatement_outside_window"]


def test_rows_delivered_before_are_duplicates_whatever_they_say() -> None:
    rows = said(
        1,
        {DEDUPE_KEY: "a", REPEATED_DELIVERY: False},
        {DEDUPE_KEY: "a", REPEATED_DELIVERY: True, "cost": 9.0},
    )
    settled = settle(frame(rows), CORRECTIONS)
    assert settled.events["cost"].to_list() == [5.0]
    assert settled.rejects.select("rule", "severity").rows() == [("duplicate", "info")]
    assert "'a'" in settled.rejects["message"][0]


def test_equal_corrections_with_delivery_keys_of_their_own_in_two_files_both_count() -> None:
    settled = settle(frame(said(1, {DEDUPE_KEY: "a"}), said(1, {DEDUPE_KEY: "b"}, source=1)), CORRECTIONS)
    assert settled.events.height == 2


def test_fact_families_of_one_row_are_facts_of_their_own() -> None:
    rows = said(1, {FAMILY: "click", "revenue": 1.0}) + said(1, {FAMILY: "view", "revenue": 2.0})
    settled = settle(frame(rows), PLAIN)
    assert settled.events["revenue"].to_list() == [1.0, 2.0]
    assert settled.events["event_id"].is_unique().all()


def test_a_unique_rule_rejects_all_but_the_first_of_the_events_that_hold() -> None:
    unique = UniqueFields("unique.sku_id_search_term", "reject", ("sku_id", "search_term"))
    rules = StatementRules(KEY, 14, unique_rules=(unique,))
    terms = [
        {"campaign_id": f"c{n}", "search_term": term} for n, term in enumerate(["a", "b", "a", None, None])
    ]
    restated = said(2, {"campaign_id": "c0", "search_term": "c"}, source=1)
    settled = settle(frame(said(1, *terms)), rules)
    assert settled.events["campaign_id"].to_list() == ["c0", "c1", "c3", "c4"]
    assert settled.rejects.select("rule", "severity", "source_row").rows() == [(unique.name, "reject", 3)]
    assert settle(frame(said(1, *terms), restated), rules).events.height == 5
    warns = StatementRules(KEY, 14, unique_rules=(UniqueFields("u", "warn", ("sku_id", "search_term")),))
    assert settle(frame(said(1, *terms)), warns).warnings == {"u": 1}


def test_every_verdict_but_holding_and_broken_has_a_rule() -> None:
    from rmn_pipeline.rmis import restatement

    assert set(restatement._RULES) == set(Verdict) - {Verdict.HOLDS, Verdict.BROKEN}


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "campaign_id": st.sampled_from(["a", "b", None]),
            "cost": st.sampled_from([1.0, 2.0, -1.0]),
            "as_of": st.sampled_from([date(2026, 2, day) for day in (1, 2, 4, 5)]),
            SOURCE_INDEX: st.integers(0, 3),
        }
    ),
    max_size=14,
)


@pytest.mark.parametrize("rules", [PLAIN, CORRECTIONS, StatementRules(KEY, None, corrections=True)])
@settings(max_examples=60, deadline=None)
@given(rows=ROWS, shuffle=st.randoms(use_true_random=False))
def test_each_row_ends_in_one_place_and_the_order_of_rows_does_not_matter(
    rules: StatementRules, rows: list[dict[str, Any]], shuffle: Any
) -> None:
    placed = [
        {**GOOD, **row, "source_row": number, "source_file": f"r{row[SOURCE_INDEX]}.csv"}
        for number, row in enumerate(rows, start=1)
    ]
    settled = settle(frame(placed), rules)
    assert settled.events.height + settled.rejects.height == len(rows)
    assert (
        settled.history.height == settled.rejects.filter(pl.col("rule") == "superseded_by_restatement").height
    )
    assert settled.events["event_id"].is_unique().all()
    one_date_holds = settled.events.group_by("campaign_id").agg(pl.col("as_of").n_unique())
    assert set(one_date_holds["as_of"]) <= {1}
    shuffle.shuffle(placed)
    assert settle(frame(placed), rules).events.equals(settled.events)
