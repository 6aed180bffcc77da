"""kill -9 in a materialization: the lake holds the old state or the new one, and the next run completes the new."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from rmn_pipeline.rmis import Limits, harmonize, harmonize_to_lake, read_events, read_history, read_table
from rmn_pipeline_tests.rmis.fixtures import CATALOG, mapping, row, write_csv

KILLS = 50
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


@pytest.fixture(scope="module")
def spawner() -> multiprocessing.context.ForkServerContext:
    """Processes that start in milliseconds: forked from one that has loaded the libraries and done nothing else."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def killed_after(
    spawner: multiprocessing.context.ForkServerContext, seconds: float, paths: list[Path], lake: Path
) -> bool:
    """Whether the materialization was still at work when it was killed."""
    process = spawner.Process(target=materialize, args=(paths, lake))
    process.start()
    process.join(seconds)
    alive = process.is_alive()
    if alive and process.pid is not None:
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    return alive


def test_fifty_kills_at_random_points_leave_the_old_or_the_new_state(
    tmp_path: Path, spawner: multiprocessing.context.ForkServerContext
) -> None:
    lake = tmp_path / "lake"
    old_paths, new_paths = deliveries(tmp_path)
    expected = []
    for paths in (old_paths, new_paths):
        result = harmonize(mapping(), paths, CATALOG)
        expected.append((result.events, result.history, result.rejects))
    materialize(old_paths, lake)
    assert same(state_in(lake), expected[0])
    assert not killed_after(spawner, 60, old_paths, lake)
    started = time.monotonic()
    assert not killed_after(spawner, 60, new_paths, lake)
    whole = time.monotonic() - started
    moment, present, seen = random.Random(9), 1, {"hit": 0, "old": 0, "new": 0}
    while seen["hit"] < KILLS:
        before, after = present, 1 - present
        if not killed_after(spawner, moment.uniform(0, whole), (old_paths, new_paths)[after], lake):
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
