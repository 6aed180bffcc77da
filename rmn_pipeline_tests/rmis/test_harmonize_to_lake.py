"""The streaming engine: the same outcome as in memory whatever its limits, one state in the lake, little rewritten."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rmn_pipeline.feeds import FeedError
from rmn_pipeline.rmis import (
    HarmonizeError,
    HarmonizeReport,
    Limits,
    RMISRecord,
    check_table,
    harmonize,
    harmonize_to_lake,
    read_events,
    read_history,
    read_table,
)
from rmn_pipeline.rmis import lake as lake_module
from rmn_pipeline.rmis.deliveries import Deliveries, delivery_keys
from rmn_pipeline.rmis.engine import by_day
from rmn_pipeline.rmis.restatement import SOURCE_INDEX
from rmn_pipeline.rmis.row_transform import DEDUPE_KEY
from rmn_pipeline_tests.rmis.fixtures import CATALOG, mapping, row, write_csv

TIGHT = Limits(batch_rows=3, bucket_bytes=200, reject_bytes=200, day_rows=4, workers=2)


def reports(folder: Path) -> list[Path]:
    """Two months and a restatement, with faults, repeats, conflicts and days out of order."""
    days = ["2026-01-07", "2026-01-05", "2026-01-06"]
    first = [
        row(day=day, item=item, campaign=f"c{n}") for n in range(3) for day in days for item in ("N1", "N2")
    ]
    faulty = [row(item="N99"), row(shown="-1", clicks="0"), first[0], {**first[1], "sales": "1.00"}]
    later = [{**line, "sales": "99.00"} for line in first[:6]]
    return [
        write_csv(folder, *first, *faulty, as_of="2026-01-10", name="a"),
        write_csv(folder, *later, as_of="2026-01-12", name="b"),
        write_csv(folder, row(day="2026-02-01"), as_of="2026-02-10", name="c"),
    ]


def tables(lake: Path) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    order = ["date", "source_file", "source_row"]
    return (
        read_events(lake).collect().sort(order),
        read_history(lake).collect().sort(order),
        read_table(lake, "rmis_rejects", "shop"),
    )


def to_lake(lake: Path, paths: list[Path], limits: Limits | None = None, **changes: Any) -> HarmonizeReport:
    return harmonize_to_lake(mapping(**changes), paths, lake, CATALOG, limits=limits)


@pytest.mark.parametrize("limits", [Limits(), TIGHT])
def test_the_lake_holds_what_harmonization_in_memory_gives(tmp_path: Path, limits: Limits) -> None:
    paths = reports(tmp_path)
    memory = harmonize(mapping(), paths, CATALOG)
    report = to_lake(tmp_path / "lake", paths, limits)
    events, history, rejects = tables(tmp_path / "lake")
    assert events.equals(memory.events)
    assert history.equals(memory.history)
    assert rejects.equals(memory.rejects)
    assert check_table(events, RMISRecord) == []
    assert (report.rule_counts, report.rows_in) == (memory.report.rule_counts, 29)
    assert report.rule_counts == {
        "superseded_by_restatement": 6,
        "conflicting_duplicate": 1,
        "duplicate": 1,
        "range.impressions": 1,
        "unknown.sku_id": 1,
    }
    assert (report.conserved, report.events, report.broken) == (True, 19, 3)
    assert (report.days_written, report.days_unchanged, report.days_removed) == (4, 0, 0)


def test_tables_larger_than_what_is_held_at_a_time_are_streamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lake_module, "_ROWS_AT_A_TIME", 1)
    paths = reports(tmp_path)
    memory = harmonize(mapping(), paths, CATALOG)
    to_lake(tmp_path / "lake", paths, TIGHT)
    events, history, rejects = tables(tmp_path / "lake")
    assert events.equals(memory.events)
    assert history.equals(memory.history)
    assert rejects.equals(memory.rejects)


def test_rejects_stand_in_the_order_of_the_reports_and_conflicts_keep_the_row_as_sent(tmp_path: Path) -> None:
    paths = reports(tmp_path)
    to_lake(tmp_path / "lake", paths, TIGHT)
    rejects = read_table(tmp_path / "lake", "rmis_rejects", "shop")
    assert rejects.select("source_file", "source_row").rows() == sorted(
        rejects.select("source_file", "source_row").rows()
    )
    told = {rule: raw for rule, raw in rejects.select("rule", "raw_row").iter_rows()}
    assert json.loads(told["conflicting_duplicate"])["sales"] == "1.00"
    assert json.loads(told["unknown.sku_id"])["item"] == "N99"
    # What is said elsewhere, typed, is not kept a second time.
    assert told["duplicate"] is None
    assert told["superseded_by_restatement"] is None


def test_days_that_come_out_the_same_keep_their_files_and_days_taken_back_lose_theirs(tmp_path: Path) -> None:
    lake, paths = tmp_path / "lake", reports(tmp_path)
    to_lake(lake, paths)
    stamps = {path: path.stat().st_mtime_ns for path in lake.rglob("*.parquet")}
    report = to_lake(lake, paths)
    assert {path: path.stat().st_mtime_ns for path in lake.rglob("*.parquet")} == stamps
    assert (report.days_written, report.days_unchanged) == (0, 4)
    report = to_lake(lake, paths[:2])
    assert (report.days_written, report.days_unchanged, report.days_removed) == (0, 3, 1)
    assert read_events(lake).select("date").max().collect().item() == date(2026, 1, 7)


@pytest.mark.parametrize("break_it", ["truncated", "missing column"])
def test_a_run_that_fails_leaves_the_lake_as_it_was(tmp_path: Path, break_it: str) -> None:
    lake, paths = tmp_path / "lake", reports(tmp_path)
    to_lake(lake, paths)
    before = tables(lake)
    if break_it == "truncated":
        paths[2].write_bytes(b"")
    else:
        paths[2].write_text("day,campaign\n2026-01-05,c1\n")
    with pytest.raises((FeedError, HarmonizeError)):
        to_lake(lake, paths, TIGHT)
    assert all(table.equals(old) for table, old in zip(tables(lake), before, strict=True))
    assert [path.name for path in (lake / ".commits" / "shop").iterdir()] == ["lock"]


def test_a_harmonization_without_any_event_empties_the_retailers_days(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    to_lake(lake, reports(tmp_path))
    (tmp_path / "x").mkdir()
    report = to_lake(lake, [write_csv(tmp_path / "x", row(item="N99"))])
    assert (report.events, report.rejects, report.days_removed) == (0, 1, 4)
    assert list((lake / "rmis_events").rglob("*.parquet")) == []


def test_the_table_as_it_was_known_on_a_day_can_be_read_back(tmp_path: Path) -> None:
    paths = [
        write_csv(tmp_path, row(sales=sales), as_of=as_of, name=f"r{as_of}")
        for as_of, sales in (("2026-01-07", "1.00"), ("2026-01-09", "2.00"), ("2026-01-11", "3.00"))
    ]
    to_lake(tmp_path / "lake", paths)
    events, history, _ = tables(tmp_path / "lake")
    known = date(2026, 1, 10)
    then = pl.concat([events, history], how="diagonal").filter(
        pl.col("as_of") <= known,
        pl.col("superseded_by_as_of").is_null() | (pl.col("superseded_by_as_of") > known),
    )
    assert then["revenue"].to_list() == [2.0]


def test_a_natural_key_without_the_day_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HarmonizeError, match="natural key must have 'date'"):
        keyless = mapping().model_copy(update={"natural_key": ["campaign_id"]})
        harmonize_to_lake(keyless, reports(tmp_path), tmp_path / "lake", CATALOG)


def test_days_out_of_order_are_taken_apart_and_keep_their_rows_in_order() -> None:
    days = [date(2026, 1, 2), date(2026, 1, 1), date(2026, 1, 2)]
    parts = by_day(pl.DataFrame({"date": days, "n": [1, 2, 3]}))
    assert [(day, rows.whole()["n"].to_list()) for day, rows, _ in parts] == [
        (days[1], [2]),
        (days[0], [1, 3]),
    ]
    assert by_day(pl.DataFrame(schema={"date": pl.Date, "n": pl.Int64})) == []


def test_a_delivery_that_comes_again_in_any_file_of_one_date_is_found(tmp_path: Path) -> None:
    first, second = date(2026, 1, 1), date(2026, 1, 2)
    rows = [
        (1, 1, first, "a"),
        (0, 7, first, "a"),
        (0, 7, first, "a"),
        (0, 8, second, "a"),
        (0, 9, first, "b"),
        (1, 2, first, None),
        (1, 3, first, None),
    ]
    schema = {SOURCE_INDEX: pl.Int32, "source_row": pl.Int64, "as_of": pl.Date, DEDUPE_KEY: pl.String}
    deliveries = Deliveries(tmp_path / "scratch", 0)
    for row_ in rows:
        deliveries.add(delivery_keys(pl.DataFrame([row_], schema=schema, orient="row")))
    # Row 7 of the first file is one delivery, though it tells two facts; without a key nothing is a repeat.
    assert deliveries.repeated().rows() == [(1, 1)]


def test_corrections_deliveries_families_and_unique_rules_of_a_mapping_reach_the_lake(tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    rows = [
        {**row(spend="8.00"), "delivery": "d1"},
        {**row(spend="-3.00", shown="0", clicks="0"), "delivery": "d2"},
        {**row(spend="-3.00", shown="0", clicks="0"), "delivery": "d2"},
        {**row(campaign="c2", spend="-1.00"), "delivery": "d3"},
    ]
    families = {
        "click": {"constants": {"attr_model": "click_14d"}},
        "view": {
            "columns": {"revenue": {"from": "sales", "type": "money"}},
            "constants": {"attr_model": "view_1d"},
        },
    }
    report = to_lake(
        tmp_path / "lake",
        [write_csv(folder, *rows)],
        repeats="corrections",
        dedupe_key=["delivery"],
        families=families,
        rules=[{"check": "range", "field": "cost", "min": 0}],
    )
    events, _, rejects = tables(tmp_path / "lake")
    assert events.select("cost", "attr_model").rows() == [
        (8.0, "click_14d"),
        (8.0, "view_1d"),
        (-3.0, "click_14d"),
        (-3.0, "view_1d"),
    ]
    assert events["event_id"].is_unique().all()
    assert (report.rows_in, report.readings, report.conserved) == (4, 8, True)
    assert report.rule_counts == {"duplicate": 2, "range.cost": 2}
    assert json.loads(rejects.filter(pl.col("rule") == "range.cost")["raw_row"][0])["delivery"] == "d3"


CELLS = st.tuples(
    st.sampled_from(["2026-01-20", "2026-01-21", "20.1.2026"]),
    st.sampled_from(["N1", "N2", "N99"]),
    st.sampled_from(["10.00", "20.00", "x", ""]),
)
FILES = st.lists(
    st.tuples(
        st.sampled_from(["2026-01-21", "2026-02-03", "2026-02-04", "2026-03-01"]), st.lists(CELLS, max_size=6)
    ),
    min_size=1,
    max_size=4,
)
LIMITS = st.builds(
    Limits,
    batch_rows=st.integers(1, 5),
    bucket_bytes=st.sampled_from([0, 300, 10**9]),
    reject_bytes=st.sampled_from([0, 10**9]),
    day_rows=st.sampled_from([1, 3, 10**6]),
    workers=st.integers(1, 3),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=FILES, shuffle=st.randoms(use_true_random=False), limits=LIMITS)
def test_any_interleaving_of_files_and_any_limits_give_the_same_lake(
    tmp_path: Path, files: list[tuple[str, list[tuple[str, str, str]]]], shuffle: Any, limits: Limits
) -> None:
    shutil.rmtree(tmp_path)
    (tmp_path / "again").mkdir(parents=True)
    paths = []
    for number, (as_of, cells) in enumerate(files):
        rows = [row(day=day, item=item, sales=sales) for day, item, sales in cells]
        paths.append(write_csv(tmp_path, *rows, as_of=as_of, name=f"s{number}"))
    memory = harmonize(mapping(), paths, CATALOG)
    assert memory.report.conserved
    assert memory.report.rows_in == sum(len(cells) for _, cells in files)
    repeats = [Path(shutil.copy(path, tmp_path / "again")) for path in shuffle.choices(paths, k=2)]
    mixed = [*paths, *dict.fromkeys(repeats)]
    shuffle.shuffle(mixed)
    report = to_lake(tmp_path / "lake", mixed, limits)
    assert report.conserved
    if memory.events.is_empty():
        assert list((tmp_path / "lake").rglob("date=*.parquet")) == []
        return
    events, history, _ = tables(tmp_path / "lake")
    assert events.equals(memory.events)
    assert history.equals(memory.history)
