"""Frames whose columns are known only when all are read: kept until then, on disk once they are many."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from rmn_pipeline.feeds.errors import FeedError

HELD_BYTES = 128 << 20


def with_same_columns(
    frames: Iterable[pl.DataFrame], last_columns: tuple[str, ...], path: Path, held_bytes: int = HELD_BYTES
) -> Iterator[pl.DataFrame]:
    """The same frames, each with the columns of all of them (null where it had none), `last_columns` at the end."""
    with tempfile.TemporaryDirectory(prefix="rmn-feeds-") as folder:
        try:
            spooled = _Spool(Path(folder), held_bytes)
            for frame in frames:
                spooled.add(frame)
            yield from spooled.frames(last_columns)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise FeedError(
                path,
                f"its rows cannot be kept in {folder} ({error})",
                "Make room on that disk, or set TMPDIR.",
            ) from error


class _Spool:
    """Frames in the order they came: the first ones held, the others on disk."""

    def __init__(self, folder: Path, held_bytes: int) -> None:
        self._folder = folder
        self._free_bytes = held_bytes
        self._held: list[pl.DataFrame | Path] = []
        self._columns: dict[str, pl.DataType] = {}

    def add(self, frame: pl.DataFrame) -> None:
        self._columns.update(frame.schema)
        size = int(frame.estimated_size())
        if size <= self._free_bytes:
            self._free_bytes -= size
            self._held.append(frame)
            return
        self._free_bytes = 0
        target = self._folder / f"{len(self._held)}.arrow"
        frame.write_ipc(target, compression="lz4")
        self._held.append(target)

    def frames(self, last_columns: tuple[str, ...]) -> Iterator[pl.DataFrame]:
        """Each frame once, let go as soon as it is handed out."""
        last = [name for name in last_columns if name in self._columns]
        names = [name for name in self._columns if name not in last_columns] + last
        while self._held:
            held = self._held.pop(0)
            frame = pl.read_ipc(held, memory_map=False) if isinstance(held, Path) else held
            missing = [
                pl.lit(None, self._columns[name]).alias(name) for name in names if name not in frame.columns
            ]
            yield frame.with_columns(missing).select(names)
