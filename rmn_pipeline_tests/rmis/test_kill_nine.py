"""kill -9 in a materialization: the lake holds the old state or the new one, and the next run completes the new."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Iterator
from datetime import date, timedelta
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

import polars as pl
import pytest

from rmn_pipeline.rmis import Limits, harmonize, harmonize_to_lake, read_events, read_history, read_table
from rmn_pipeline_tests.rmis.fixtures import CATALOG, mapping, row, write_csv

# Each costs a process that loads the libraries; benchmarks/kill_nine.py kills fifty real Dagster runs.
KILLS = 15
DAYS = [date(2026, 1, 1) + timedelta(days=number) for number in range(12)]
# Small batches and buckets, so that every part of the work happens many times and can be hit.
LIMITS = Limits(batch_rows=40, bucket_bytes=2_000, reject_bytes=500, day_rows=8)
State = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]


def deliveries(folder: Path) -> tuple[list[Path], list[Path]]:
    """What landed at first, and what has landed later: a restatement of most days, and new ones."""
    rows = [row(day=str(day), item=item) for day in DAYS for item in ("N1", "N2", "N3", "N4", "N99")]
    restated = [{**one, "sales": "99.00"} for one in rows[10:]]
    new = [row(day=str(DAYS[-1] + timedelta(days=number))) for number in range(1, 9)]
    first = write_csv(folder, *rows, as_of="2026-01-15", name="first")
    return [first], [first, write_csv(folder, *restated, *new, as_of="2026-01-25", name="second")]


def materialize(paths: list[Path], lake: Path) -> None:
    harmonize_to_lake(mapping(), paths, lake, CATALOG, limits=LIMITS)


def state_in(lake: Path) -> State:
    order = ["date", "source_file", "source_row"]
    tables = read_events(lake).collect().sort(order), read_history(lake).collect().sort(order)
    return (*tables, read_table(lake, "rmis_rejects", "shop"))


def same(one: State, other: State) -> bool:
    return all(mine.equals(theirs) for mine, theirs in zip(one, other, strict=True))


class Workers:
    """Processes that materialize, the next one always loading its libraries while the current one is at work.

    Spawned, not forked: the libraries start threads when they are loaded, and a fork would copy their locks.
    """

    def __init__(self, lake: Path) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._lake = lake
        self._next = self._start()

    def _start(self) -> tuple[SpawnProcess, Connection]:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=materialize_when_told, args=(theirs, self._lake))
        process.start()
        return process, ours

    def killed_after(self, seconds: float, paths: list[Path]) -> bool:
        """Whether the materialization was still at work when it was killed."""
        process, connection = self._next
        assert connection.recv() == "ready"
        self._next = self._start()
        connection.send(paths)
        ended = connection.poll(seconds)
        process.kill()
        process.join()
        return not ended

    def close(self) -> None:
        self._next[0].kill()
        self._next[0].join()


def materialize_when_told(connection: Connection, lake: Path) -> None:
    connection.send("ready")
    materialize(connection.recv(), lake)
    connection.send("done")


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    started = Workers(tmp_path / "lake")
    yield started
    started.close()


def test_kills_at_random_points_leave_the_old_or_the_new_state(tmp_path: Path, workers: Workers) -> None:
    lake = tmp_path / "lake"
    old_paths, new_paths = deliveries(tmp_path)
    expected = []
    for paths in (old_paths, new_paths):
        result = harmonize(mapping(), paths, CATALOG)
        expected.append((result.events, result.history, result.rejects))
    materialize(old_paths, lake)
    assert same(state_in(lake), expected[0])
    assert not workers.killed_after(60, old_paths)
    started = time.monotonic()
    assert not workers.killed_after(60, new_paths)
    whole = time.monotonic() - started
    moment, present, seen = random.Random(9), 1, {"hit": 0, "old": 0, "new": 0}
    while seen["hit"] < KILLS:
        before, after = present, 1 - present
        if not workers.killed_after(moment.uniform(0, whole), (old_paths, new_paths)[after]):
            present = after
            continue
        found = state_in(lake)
        assert same(found, expected[before]) or same(found, expected[after])
        seen["hit"] += 1
        seen["new" if same(found, expected[after]) else "old"] += 1
        materialize((old_paths, new_paths)[after], lake)
        assert same(state_in(lake), expected[after])
        assert [path.name for path in (lake / ".commits" / "shop").iterdir()] == ["lock"]
        present = after
    assert seen["old"] > 0
