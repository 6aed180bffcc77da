"""The lake: whole files or none, days replaced, leftovers of a crash never read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from rmn_pipeline.rmis import (
    EVENTS_SCHEMA,
    LakeError,
    harmonize,
    read_events,
    read_table,
    write_events,
    write_table,
)
from rmn_pipeline_tests.rmis.fixtures import CATALOG, mapping, row, write_csv


def events_of(tmp_path: Path, *days: str, sales: str = "25.50") -> pl.DataFrame:
    report = write_csv(tmp_path, *[row(day=day, sales=sales) for day in days])
    return harmonize(mapping(), [report], CATALOG).events


def days_in(lake: Path) -> list[date]:
    return read_events(lake).select("date").collect()["date"].sort().to_list()


def test_events_come_back_as_they_were_written(tmp_path: Path) -> None:
    events = events_of(tmp_path, "2026-01-05", "2026-01-06")
    written = write_events(tmp_path / "lake", "shop", events)
    assert [path.name for path in written] == ["date=2026-01-05.parquet", "date=2026-01-06.parquet"]
    frame = read_events(tmp_path / "lake", ["shop"])
    assert isinstance(frame, pl.LazyFrame)
    assert frame.collect().equals(events)
    assert frame.collect_schema() == EVENTS_SCHEMA


def test_a_day_that_the_network_took_back_goes_and_days_outside_stay(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    write_events(lake, "shop", events_of(tmp_path, "2026-01-04", "2026-01-05", "2026-01-06", "2026-01-07"))
    write_events(lake, "shop", events_of(tmp_path, "2026-01-05", "2026-01-07", sales="9.00"))
    assert [day.day for day in days_in(lake)] == [4, 5, 7]
    assert read_events(lake).collect().sort("date")["revenue"].to_list() == [25.50, 9.0, 9.0]


def test_a_whole_history_replaces_all_days(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    write_events(lake, "shop", events_of(tmp_path, "2026-01-04", "2026-01-05"))
    write_events(lake, "shop", events_of(tmp_path, "2026-01-05"), replace_all_days=True)
    assert [day.day for day in days_in(lake)] == [5]


def test_unfinished_files_of_a_crash_are_not_read(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    (path,) = write_events(lake, "shop", events_of(tmp_path, "2026-01-05"))
    path.with_name(".date=2026-01-06.parquet.0123.writing").write_bytes(b"PAR1 half")
    assert len(days_in(lake)) == 1


def test_a_failed_write_leaves_the_old_file_and_no_leftover(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    target = lake / "rmis_skus" / "shop.parquet"
    target.mkdir(parents=True)
    with pytest.raises(LakeError, match="cannot be written"):
        write_table(lake, "rmis_skus", "shop", pl.DataFrame({"a": [1]}))
    assert [path.name for path in target.parent.iterdir()] == ["shop.parquet"]


def test_a_killed_writer_leaves_whole_tables_only(tmp_path: Path) -> None:
    code = (
        "import sys, polars as pl; from rmn_pipeline.rmis import write_table\n"
        "number = 0\n"
        "while True:\n"
        "    number += 1\n"
        "    write_table(sys.argv[1], 'numbers', 'shop', pl.DataFrame({'n': [number] * 200_000}))\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=Path(__file__).parents[2])
    table = tmp_path / "numbers" / "shop.parquet"
    try:
        deadline = time.monotonic() + 60
        while not table.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        for _ in range(20):
            assert read_table(tmp_path, "numbers", "shop")["n"].n_unique() == 1
    finally:
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
    assert read_table(tmp_path, "numbers").height == 200_000


def test_an_empty_lake_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="holds no events; materialize rmis_events first"):
        read_events(tmp_path)
    write_events(tmp_path, "shop", events_of(tmp_path, "2026-01-05"))
    with pytest.raises(LakeError, match="no events of 'other'"):
        read_events(tmp_path, ["shop", "other"])
    with pytest.raises(LakeError, match="holds no partition of rmis_skus"):
        read_table(tmp_path, "rmis_skus")


def test_only_events_of_the_named_retailer_are_written(tmp_path: Path) -> None:
    events = events_of(tmp_path, "2026-01-05")
    with pytest.raises(LakeError, match="hold rows of shop"):
        write_events(tmp_path, "other", events)
    with pytest.raises(LakeError, match="columns or types differ"):
        write_events(tmp_path, "shop", events.drop("cost"))


def test_small_tables_are_replaced_by_partition(tmp_path: Path) -> None:
    for partition, value in (("b", 1), ("a", 2), ("b", 3)):
        write_table(tmp_path, "rmis_skus", partition, pl.DataFrame({"n": [value]}))
    assert read_table(tmp_path, "rmis_skus")["n"].to_list() == [2, 3]
    assert read_table(tmp_path, "rmis_skus", "b")["n"].to_list() == [3]
