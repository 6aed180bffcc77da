"""The lake: RMIS tables as Parquet files, and how they are read.

    <lake>/rmis_events/retailer_id=<id>/date=<day>.parquet     events, one file per day
    <lake>/rmis_history/retailer_id=<id>/date=<day>.parquet    what restatements superseded, by the day it is about
    <lake>/rmis_rejects/<id>.parquet                           and other small tables: one file per partition

What one materialization writes of a retailer becomes visible as one state (`journal`). Single files are written under
a temporary name and renamed when complete; temporary files that a crash left behind are never read.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from types import TracebackType

import polars as pl

from rmn_pipeline.rmis.constant_columns import write_parquet_compactly
from rmn_pipeline.rmis.errors import LakeError
from rmn_pipeline.rmis.journal import Changes, Staging, finish_commit
from rmn_pipeline.rmis.models import EVENTS_SCHEMA, REJECTS_SCHEMA
from rmn_pipeline.rmis.restatement import HISTORY_SCHEMA
from rmn_pipeline.rmis.spill import CompactRows, compact

EVENTS, HISTORY, REJECTS = "rmis_events", "rmis_history", "rmis_rejects"
# Readers glob '*.parquet', so a name that ends otherwise is invisible to them.
_TEMPORARY_SUFFIX = ".writing"
# More rows than this go through scratch files on their way into one Parquet file.
_ROWS_AT_A_TIME = 1_000_000
# Level 1 costs a third less time than the default 3, for files of the same size within a few percent.
_ZSTD_LEVEL = 1


def write_parquet_atomically(frame: pl.DataFrame, path: Path) -> None:
    """Writes beside the target and renames: readers see the whole old file or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}{_TEMPORARY_SUFFIX}")
    try:
        frame.write_parquet(temporary)
        temporary.replace(path)
    except OSError as error:
        raise LakeError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        temporary.unlink(missing_ok=True)


def _retailer_folder(table: str, retailer_id: str) -> str:
    return f"{table}/retailer_id={retailer_id}"


def _day_file(table: str, retailer_id: str, day: date) -> str:
    return f"{_retailer_folder(table, retailer_id)}/date={day}.parquet"


def _day_of(path: Path) -> date:
    try:
        return date.fromisoformat(path.stem.removeprefix("date="))
    except ValueError as error:
        raise LakeError(
            f"{path}: is no day file (date=YYYY-MM-DD.parquet); move it out of the lake"
        ) from error


def _day_files(lake_dir: Path, table: str, retailer_id: str) -> dict[date, str]:
    """The day files that a retailer has, as paths relative to the lake."""
    folder = lake_dir / _retailer_folder(table, retailer_id)
    days = sorted(_day_of(path) for path in folder.glob("*.parquet"))
    return {day: _day_file(table, retailer_id, day) for day in days}


def _lies_within(day: date, days: Iterable[date]) -> bool:
    covered = sorted(days)
    return bool(covered) and covered[0] <= day <= covered[-1]


def _write_parquet(parts: Iterable[CompactRows], path: Path, scratch: Path) -> None:
    """Writes rows of one schema into one file, in bounded memory."""
    with _translated(path):
        first, second, rest = _taken(parts)
        if second is None:
            write_parquet_compactly(first, path, _ZSTD_LEVEL)
        else:
            _write_many(itertools.chain([first, second], rest), path, scratch)


def _taken(parts: Iterable[CompactRows]) -> tuple[CompactRows, CompactRows | None, Iterator[CompactRows]]:
    rest = iter(parts)
    return next(rest), next(rest, None), rest


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        raise LakeError(f"{path}: cannot be written ({error})") from error


def _write_many(parts: Iterable[CompactRows], path: Path, scratch: Path) -> None:
    """Parts go through scratch files, a good number of rows at a time, and are streamed into one file."""
    held: list[pl.DataFrame] = []
    files: list[Path] = []
    for part in parts:
        held.append(part.whole())
        if sum(frame.height for frame in held) > _ROWS_AT_A_TIME:
            files.append(_set_aside(held, scratch))
            held = []
    if not files:
        write_parquet_compactly(compact(pl.concat(held).rechunk()), path, _ZSTD_LEVEL)
        return
    if held:
        files.append(_set_aside(held, scratch))
    pl.scan_ipc(files).sink_parquet(path, compression_level=_ZSTD_LEVEL)
    for file in files:
        file.unlink()


def _set_aside(frames: list[pl.DataFrame], scratch: Path) -> Path:
    scratch.mkdir(parents=True, exist_ok=True)
    path = scratch / f"{uuid.uuid4().hex}.arrow"
    pl.concat(frames).write_ipc(path, compat_level=pl.CompatLevel.newest())
    return path


class RetailerWriter:
    """Writes a retailer's whole state: events, history and rejects. Nothing is visible before `commit`."""

    def __init__(self, lake_dir: Path | str, retailer_id: str) -> None:
        self._lake = Path(lake_dir)
        self._retailer_id = retailer_id
        self._staging = Staging(lake_dir, retailer_id)

    def __enter__(self) -> RetailerWriter:
        self._staging.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._staging.__exit__(kind, error, traceback)

    @property
    def scratch(self) -> Path:
        """A folder for what does not fit into memory; it goes with the writer."""
        return self._staging.scratch

    def write_day(self, day: date, table: str, parts: Iterable[CompactRows]) -> None:
        """Writes one day of a table; a day without rows gets no file."""
        filled = (part for part in parts if part.height)
        first = next(filled, None)
        if first is not None:
            path = self._staging.path(_day_file(table, self._retailer_id, day))
            _write_parquet(itertools.chain([first], filled), path, self.scratch)

    def write_rejects(self, frames: Iterable[pl.DataFrame]) -> None:
        """Writes the rejects; no rows are a table, too."""
        path = self._staging.path(f"{REJECTS}/{self._retailer_id}.parquet")
        tables = itertools.chain([pl.DataFrame(schema=REJECTS_SCHEMA)], frames)
        _write_parquet((compact(table) for table in tables), path, self.scratch)

    def commit(self) -> Changes:
        """Makes what was written the retailer's state; days that were not written now are gone."""
        return self._staging.commit(self._all_day_files)

    def _all_day_files(self) -> list[str]:
        tables = (EVENTS, HISTORY)
        return [
            name for table in tables for name in _day_files(self._lake, table, self._retailer_id).values()
        ]


def write_events(
    lake_dir: Path | str, retailer_id: str, events: pl.DataFrame, *, replace_all_days: bool = False
) -> list[Path]:
    """Replaces a retailer's days with these events, one file per day; returns the files written.

    Days inside the range that the events cover, but without an event now, are removed: the network took them
    back. Days outside of that range stay as they are, unless `replace_all_days` says that these events are the
    retailer's whole history.
    """
    if dict(events.schema) != EVENTS_SCHEMA:
        raise LakeError(f"{retailer_id}: these are no rmis_events: columns or types differ from the schema")
    others = events.filter(pl.col("retailer_id") != retailer_id)["retailer_id"].unique().to_list()
    if others:
        raise LakeError(f"{retailer_id}: the events hold rows of {', '.join(sorted(others))}")
    days = {key[0]: frame for key, frame in events.partition_by("date", as_dict=True).items()}
    lake = Path(lake_dir)

    def obsolete() -> Iterator[str]:
        for day, name in _day_files(lake, EVENTS, retailer_id).items():
            if replace_all_days or _lies_within(day, days):
                yield name

    names = [_day_file(EVENTS, retailer_id, day) for day in sorted(days)]
    with Staging(lake, retailer_id) as staging:
        for name, (_, frame) in zip(names, sorted(days.items()), strict=True):
            _write_parquet([compact(frame)], staging.path(name), staging.scratch)
        staging.commit(obsolete)
    return [lake / name for name in names]


def _scan_days(
    lake_dir: Path | str, table: str, retailer_id: str, schema: dict[str, pl.DataType]
) -> pl.LazyFrame | None:
    lake = Path(lake_dir)
    files = [lake / name for name in _day_files(lake, table, retailer_id).values()]
    if not files:
        return None
    return _scan(files, schema)


def _scan(files: list[Path], schema: dict[str, pl.DataType]) -> pl.LazyFrame:
    # A lake that an earlier version wrote may lack columns that are new since.
    return pl.scan_parquet(files, hive_partitioning=False, schema=schema, missing_columns="insert")


def _no_events(lake_dir: Path | str, retailer_id: str) -> LakeError:
    root = Path(lake_dir) / EVENTS
    return LakeError(f"{root}: no events of '{retailer_id}'; materialize rmis_events for it first")


def _retailers(lake_dir: Path | str, table: str, retailer_ids: Iterable[str] | None) -> list[str]:
    """Which retailers to read, after finishing what a crash left half-done."""
    if retailer_ids is not None:
        wanted = list(retailer_ids)
        for retailer_id in wanted:
            finish_commit(lake_dir, retailer_id)
        return wanted
    finish_commit(lake_dir)
    folders = (Path(lake_dir) / table).glob("retailer_id=*")
    return sorted(path.name.removeprefix("retailer_id=") for path in folders)


def read_events(lake_dir: Path | str, retailer_ids: Iterable[str] | None = None) -> pl.LazyFrame:
    """The events of these retailers (default: all), lazily. An empty lake is a LakeError.

    Each file is whole at any time. A frame that is collected while a commit is being applied may see some days from
    before and some from after it; collect again then.
    """
    scans = []
    for retailer_id in _retailers(lake_dir, EVENTS, retailer_ids):
        scan = _scan_days(lake_dir, EVENTS, retailer_id, EVENTS_SCHEMA)
        if scan is None and retailer_ids is not None:
            raise _no_events(lake_dir, retailer_id)
        scans += [scan] if scan is not None else []
    if not scans:
        root = Path(lake_dir) / EVENTS
        raise LakeError(f"{root}: the lake holds no events; materialize rmis_events first")
    return pl.concat(scans)


def read_event_days(lake_dir: Path | str, retailer_id: str) -> Iterator[pl.LazyFrame]:
    """A retailer's events day by day, lazily, for work whose memory must not grow with the table.

    Raises:
        LakeError: there are none.
    """
    finish_commit(lake_dir, retailer_id)
    files = _day_files(Path(lake_dir), EVENTS, retailer_id).values()
    if not files:
        raise _no_events(lake_dir, retailer_id)
    for name in files:
        yield _scan([Path(lake_dir) / name], EVENTS_SCHEMA)


def read_history(lake_dir: Path | str, retailer_ids: Iterable[str] | None = None) -> pl.LazyFrame:
    """What restatements superseded, typed as it was, with the as-of date that superseded it; may well be empty.

    The table as it was known on a day: rows of events and history with as_of up to that day, and, of history,
    superseded_by_as_of after it.
    """
    scans = [
        _scan_days(lake_dir, HISTORY, retailer_id, HISTORY_SCHEMA)
        for retailer_id in _retailers(lake_dir, HISTORY, retailer_ids)
    ]
    return pl.concat([pl.LazyFrame(schema=HISTORY_SCHEMA), *(scan for scan in scans if scan is not None)])


def _table_file(lake_dir: Path | str, name: str, partition: str) -> Path:
    return Path(lake_dir) / name / f"{partition}.parquet"


def write_table(lake_dir: Path | str, name: str, partition: str, frame: pl.DataFrame) -> Path:
    """Replaces one partition of a small table (rmis_skus, rmis_rejects, …)."""
    finish_commit(lake_dir, partition)
    path = _table_file(lake_dir, name, partition)
    write_parquet_atomically(frame, path)
    return path


def read_table(lake_dir: Path | str, name: str, partition: str | None = None) -> pl.DataFrame:
    """One partition of a small table, or all of them, in the order of their names."""
    finish_commit(lake_dir, partition)
    root = Path(lake_dir) / name
    if partition is not None:
        files = [path for path in [_table_file(lake_dir, name, partition)] if path.is_file()]
    else:
        files = sorted(root.glob("*.parquet"))
    if not files:
        which = f"partition '{partition}'" if partition else "partition"
        raise LakeError(f"{root}: the lake holds no {which} of {name}; materialize {name} first")
    try:
        return pl.concat([pl.read_parquet(path, hive_partitioning=False) for path in files])
    except pl.exceptions.PolarsError as error:
        raise LakeError(f"{root}: {name} cannot be read ({error})") from error
