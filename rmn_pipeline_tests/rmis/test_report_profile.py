"""Report profiles: exact over all rows, the same however the rows are cut into batches, bounded, never raising."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmn_pipeline.feeds import ReportFormat, report_sources
from rmn_pipeline.rmis import LakeError
from rmn_pipeline.rmis.feed_profile import (
    FeedProfiler,
    read_feed_profile,
    read_previous_feed_profile,
    write_feed_profile,
)
from rmn_pipeline.rmis.report_profile import SAMPLE_ROWS, ColumnProfile, ReportProfile, sketch_overlap
from rmn_pipeline.rmis.twin_columns import find_twins

REPORT = pl.DataFrame(
    {
        "day": ["2026-01-05", "2026-01-06", "2026-13-06", "2026-01-08"] * 15,
        "spend": ["1.50", "-", "2.25", ""] * 15,
        "shown": ["100", "200", "0", "400"] * 15,
        "note": ["a b", None, "c-1", "d"] * 15,
        "unused": [None, "", "--", "-"] * 15,
        "source_file": ["report.csv"] * 60,
        "source_row": list(range(1, 61)),
    }
)


def profile_of(*batches: pl.DataFrame) -> dict[str, ColumnProfile]:
    profile = ReportProfile()
    for batch in batches:
        profile.update(batch)
    return {column.name: column for column in profile.columns()}


def test_counts_empty_values_and_totals_are_exact() -> None:
    columns = profile_of(REPORT)
    assert [(c.name, c.nulls, c.total) for c in columns.values()] == [
        ("day", 0, None),
        ("spend", 30, 56.25),
        ("shown", 0, 10_500.0),
        ("note", 15, None),
        ("unused", 60, None),
    ]
    assert all(column.rows == 60 for column in columns.values())


def test_kinds_are_told_and_a_day_that_does_not_exist_is_still_a_date() -> None:
    kinds = {name: (column.kind, column.date_form) for name, column in profile_of(REPORT).items()}
    assert kinds == {
        "day": ("date", "Y-9-9"),
        "spend": ("decimal", ""),
        "shown": ("integer", ""),
        "note": ("text", ""),
        "unused": ("empty", ""),
    }


@pytest.mark.parametrize(
    ("values", "total"),
    [
        (["1.290,50", "12.040,00", "3,5"], 13_334.0),
        (["$1,290.50", "$12,040.00", "$3.50"], 13_334.0),
        (["1 290,50", "12 040,00", "3,50"], 13_334.0),
    ],
)
def test_totals_know_how_the_network_writes_numbers(values: list[str], total: float) -> None:
    assert profile_of(pl.DataFrame({"money": values * 10}))["money"].total == pytest.approx(10 * total)


def test_total_rows_are_left_out() -> None:
    marked = REPORT.with_columns(source_total=pl.int_range(pl.len()) == 2)
    assert profile_of(marked)["spend"].total == 54.0


def test_typed_columns_count_like_text() -> None:
    typed = pl.DataFrame(
        {"shown": [1, 2, None], "tags": [["a"], ["b", "c"], None], "ok": [True, False, None]}
    )
    columns = profile_of(typed)
    assert (columns["shown"].total, columns["shown"].nulls) == (3.0, 1)
    assert columns["tags"].kind == "text"


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 60), max_size=4))
def test_batches_of_any_size_give_one_profile(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), 60]
    batches = [REPORT.slice(low, high - low) for low, high in pairwise(edges)]
    assert profile_of(*batches) == profile_of(REPORT)


def test_merged_profiles_count_what_both_read() -> None:
    left, right = ReportProfile(), ReportProfile()
    left.update(REPORT.head(20))
    right.update(REPORT.tail(40).with_columns(late=pl.lit("5")))
    left.merge(right)
    columns = {column.name: column for column in left.columns()}
    assert (columns["spend"].total, columns["spend"].nulls) == (56.25, 30)
    assert (columns["late"].total, columns["late"].nulls) == (200.0, 20)


def test_the_sample_stays_small_however_many_rows_there_are() -> None:
    profile = ReportProfile()
    rows = pl.DataFrame({"n": np.arange(30_000)}).cast(pl.String)
    for start in range(0, 30_000, 7_000):
        profile.update(rows.slice(start, 7_000))
    table = profile.numbers()
    assert SAMPLE_ROWS / 2 <= len(table.sample) <= SAMPLE_ROWS
    # Even over all rows: the sample's quartiles are those of the whole.
    assert np.allclose(np.quantile(table.sample, [0.25, 0.75]), [7_500, 22_500], rtol=0.01)
    assert table.totals[0] == 30_000 * 29_999 / 2


def test_one_unequal_row_in_a_hundred_thousand_is_noticed() -> None:
    numbers = np.random.default_rng(1).gamma(2, 50, 100_000).round(2)
    other = numbers.copy()
    other[77_777] += 0.01
    profile = ReportProfile()
    profile.update(pl.DataFrame({"cost": numbers, "spend": numbers, "billed": other}).cast(pl.String))
    found = {(pair.left, pair.right): pair.everywhere for pair in find_twins(profile.numbers())}
    assert found == {("cost", "spend"): True, ("cost", "billed"): False, ("spend", "billed"): False}


def test_headers_that_look_like_patterns_are_names() -> None:
    columns = profile_of(
        pl.DataFrame({"*": ["1", "2"], "^a.*$": ["3", "4"], "": ["5", "-"], "ab": ["7", "8"]})
    )
    assert [column.total for column in columns.values()] == [3.0, 7.0, 5.0, 15.0]


def test_sketches_tell_how_many_values_two_columns_share() -> None:
    def sketch(values: range) -> tuple[str, ...]:
        return profile_of(pl.DataFrame({"id": [f"campaign {v}" for v in values]}))["id"].sketch

    assert sketch_overlap(sketch(range(100)), sketch(range(100))) == 1.0
    assert sketch_overlap(sketch(range(1000)), sketch(range(500, 1500))) == pytest.approx(0.5, abs=0.15)
    assert sketch_overlap(sketch(range(100)), sketch(range(100, 200))) == 0.0
    assert sketch_overlap((), sketch(range(5))) == 0.0


cells = st.one_of(st.none(), st.text(max_size=8), st.floats().map(str), st.integers().map(str))
wild_batches = st.lists(
    st.dictionaries(st.text(max_size=4), st.lists(cells, min_size=3, max_size=3), max_size=4).map(
        lambda columns: pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    ),
    max_size=4,
)


@settings(max_examples=40, deadline=None)
@given(wild_batches, wild_batches)
def test_no_report_breaks_its_profile(batches: list[pl.DataFrame], others: list[pl.DataFrame]) -> None:
    profile, other = ReportProfile(), ReportProfile()
    for batch in batches:
        profile.update(batch)
    for batch in others:
        other.update(batch)
    profile.merge(other)
    for column in profile.columns():
        assert 0 <= column.nulls <= column.rows == profile.rows
    find_twins(profile.numbers())


def write_reports(folder: Path) -> list[Path]:
    first, second = folder / "report_01.csv", folder / "report_02.csv"
    first.write_text("day,spend\n2026-01-01,1.5\n2026-01-02,2.5\n")
    second.write_text("day,spend,clicks\n2026-02-01,1.5,7\n")
    return [first, second]


def feed_profile(paths: list[Path]):
    profiler = FeedProfiler()
    for source in report_sources(paths, ReportFormat("csv")):
        profiler.read(source)
    return profiler.profile("shop")


def test_files_with_one_header_are_one_edition(tmp_path: Path) -> None:
    paths = write_reports(tmp_path)
    third = tmp_path / "report_03.csv"
    third.write_text(paths[1].read_text())
    profile = feed_profile([*paths, third])
    assert [edition.header for edition in profile.editions] == [("day", "spend"), ("day", "spend", "clicks")]
    assert [(file.name, file.rows, file.edition) for file in profile.files] == [
        ("report_01.csv", 2, 0),
        ("report_02.csv", 1, 1),
        ("report_03.csv", 1, 1),
    ]
    assert profile.editions[1].columns[1].total == 3.0


def test_a_feed_profile_is_read_as_it_was_written_and_the_one_before_is_kept(tmp_path: Path) -> None:
    paths, lake = write_reports(tmp_path), tmp_path / "lake"
    old, new = feed_profile(paths[:1]), feed_profile(paths)
    for profile in (old, old, new, new):
        write_feed_profile(lake, profile)
    assert read_feed_profile(lake, "shop") == new
    assert read_previous_feed_profile(lake, "shop") == old
    assert not list(lake.glob("*.writing"))


def test_a_feed_without_or_with_a_broken_profile_says_how_to_mend_it(tmp_path: Path) -> None:
    assert read_previous_feed_profile(tmp_path, "shop") is None
    with pytest.raises(LakeError, match=r"materialize raw_feed for 'shop' first"):
        read_feed_profile(tmp_path, "shop")
    (tmp_path / "shop.profile.json").write_text('{"retailer_id": 7}')
    with pytest.raises(LakeError, match=r"delete it and materialize raw_feed"):
        read_feed_profile(tmp_path, "shop")
