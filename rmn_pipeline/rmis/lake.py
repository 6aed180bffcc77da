"""The lake: RMIS tables as Parquet files, each written under a temporary name and renamed when complete.

`rmis_events` is one file per (retailer, date). A crash at any point leaves every file either old or new; temporary
files that a crash left behind are never read.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import polars as pl

from rmn_pipeline.rmis.errors import LakeError
from rmn_pipeline.rmis.models import EVENTS_SCHEMA

EVENTS = "rmis_events"
# Readers glob '*.parquet', so a name that ends otherwise is invisible to them.
_TEMPORARY_SUFFIX = ".writing"


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


def _events_folder(lake_dir: Path | str, retailer_id: str) -> Path:
    return Path(lake_dir) / EVENTS / f"retailer_id={retailer_id}"


def _day_of(path: Path) -> date:
    try:
        return date.fromisoformat(path.stem.removeprefix("date="))
    except ValueError as error:
        raise LakeError(
            f"{path}: is no day file (date=YYYY-MM-DD.parquet); move it out of the lake"
        ) from error


def _lies_within(day: date, days: Iterable[date]) -> bool:
    covered = sorted(days)
    return bool(covered) and covered[0] <= day <= covered[-1]


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
    folder = _events_folder(lake_dir, retailer_id)
    days = {key[0]: frame for key, frame in events.partition_by("date", as_dict=True).items()}
    written = []
    for day, frame in sorted(days.items()):
        path = folder / f"date={day}.parquet"
        write_parquet_atomically(frame, path)
        written.append(path)
    for path in sorted(folder.glob("*.parquet")):
        day = _day_of(path)
        if day not in days and (replace_all_days or _lies_within(day, days)):
            path.unlink(missing_ok=True)
    return written


def read_events(lake_dir: Path | str, retailer_ids: Iterable[str] | None = None) -> pl.LazyFrame:
    """The events of these retailers (default: all), lazily. An empty lake is a LakeError."""
    root = Path(lake_dir) / EVENTS
    if retailer_ids is None:
        wanted = sorted(path.name.removeprefix("retailer_id=") for path in root.glob("retailer_id=*"))
    else:
        wanted = list(retailer_ids)
    files: list[Path] = []
    for retailer_id in wanted:
        mine = sorted(_events_folder(lake_dir, retailer_id).glob("*.parquet"))
        if not mine:
            raise LakeError(f"{root}: no events of '{retailer_id}'; materialize rmis_events for it first")
        files += mine
    if not files:
        raise LakeError(f"{root}: the lake holds no events; materialize rmis_events first")
    return pl.scan_parquet(files, hive_partitioning=False, schema=EVENTS_SCHEMA)


def _table_file(lake_dir: Path | str, name: str, partition: str) -> Path:
    return Path(lake_dir) / name / f"{partition}.parquet"


def write_table(lake_dir: Path | str, name: str, partition: str, frame: pl.DataFrame) -> Path:
    """Replaces one partition of a small table (rmis_skus, rmis_rejects, …)."""
    path = _table_file(lake_dir, name, partition)
    write_parquet_atomically(frame, path)
    return path


def read_table(lake_dir: Path | str, name: str, partition: str | None = None) -> pl.DataFrame:
    """One partition of a small table, or all of them, in the order of their names."""
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
