"""The engine of harmonization: reports in batches through the row transform, into day buckets, settled day by day.

Memory is bounded whatever the number of rows: a few batches at a time, buckets up to a budget, one or two days at a
time. Reading, transforming and settling overlap in threads (Polars works outside of Python's lock).
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Generic, TypeVar

import polars as pl

from rmn_pipeline.feeds import ReportSource
from rmn_pipeline.rmis.deliveries import Deliveries, delivery_keys
from rmn_pipeline.rmis.models import REJECTS_SCHEMA
from rmn_pipeline.rmis.restatement import (
    DEDUPE_KEY,
    REPEATED_DELIVERY,
    SOURCE_INDEX,
    Settled,
    StatementRules,
    settle,
)
from rmn_pipeline.rmis.row_transform import BoundTransform, RowTransform, raw_row_json
from rmn_pipeline.rmis.spill import Buckets, CompactRows, compact

Given = TypeVar("Given")
Made = TypeVar("Made")
# Index of a report, and number of a stretch of its rows.
_Block = tuple[int, int]
# Rejects are brought into the order of the reports in blocks of so many report rows.
_BLOCK_ROWS = 1_000_000


@dataclass(frozen=True)
class Limits:
    """How much is in memory at a time. None of it changes the outcome."""

    batch_rows: int = 250_000
    bucket_bytes: int = 256_000_000
    reject_bytes: int = 64_000_000
    day_rows: int = 2_000_000
    # Polars has threads of its own: more than two keep batches waiting in memory.
    workers: int = field(default_factory=lambda: min(2, pl.thread_pool_size()))


@dataclass
class Tally:
    """Counts over everything that was read and settled."""

    files: dict[str, int] = field(default_factory=dict)
    rows_in: int = 0
    readings: int = 0
    events: int = 0
    history: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    severities: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    conversions: Counter[str] = field(default_factory=Counter)
    unmapped_columns: dict[str, None] = field(default_factory=dict)

    def count_rejects(self, rejects: pl.DataFrame) -> None:
        """Adds rejects, by rule and by severity."""
        for column, counter in (("rule", self.rules), ("severity", self.severities)):
            counted = rejects.group_by(column).len()
            counter.update({str(name): int(count) for name, count in counted.iter_rows()})


@dataclass(frozen=True)
class _Prepared:
    """A batch after the row transform, taken apart by day."""

    source_index: int
    rows: int
    readings: int
    days: list[tuple[date, CompactRows, int]]
    rejects: pl.DataFrame
    warnings: dict[str, int]
    conversions: dict[str, int]
    deliveries: pl.DataFrame | None


@dataclass(frozen=True)
class _DayDone(Generic[Made]):
    """A settled day: what the writer made of it, and what the engine still has to keep."""

    day: date
    made: Made
    events: int
    history: int
    rejects: pl.DataFrame
    warnings: Counter[str]


def by_day(events: pl.DataFrame) -> list[tuple[date, CompactRows, int]]:
    """The events of each day, with their size in bytes; the order within a day stays."""
    runs = events["date"].rle()
    if runs.struct.field("value").n_unique() < runs.len():
        events = events.sort("date", maintain_order=True)
        runs = events["date"].rle()
    rows = compact(events)
    row_bytes = rows.varying.estimated_size() / max(rows.height, 1)
    parts, start = [], 0
    for run in runs:
        length = run["len"]
        parts.append((run["value"], rows.slice(start, length), int(length * row_bytes)))
        start += length
    return parts


def _prepare(bound: BoundTransform, batch: pl.DataFrame, source_index: int) -> _Prepared:
    done = bound.apply(batch)
    events = done.events.with_columns(pl.lit(source_index, pl.Int32).alias(SOURCE_INDEX))
    return _Prepared(
        source_index=source_index,
        rows=batch.height,
        readings=done.rows_in,
        days=by_day(events),
        rejects=done.rejects,
        warnings=done.warnings,
        conversions=done.conversions,
        deliveries=delivery_keys(events) if DEDUPE_KEY in events.columns else None,
    )


def in_order(
    work: Callable[[Given], Made], items: Iterable[Given], pool: ThreadPoolExecutor, ahead: int
) -> Iterator[Made]:
    """Results of `work` in the order of the items, at most `ahead` of them under way or waiting."""
    pending: deque[Future[Made]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) >= ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()


class Engine:
    """One harmonization: `read` everything, then settle the `days`, then take the `rejects`."""

    def __init__(
        self,
        transform: RowTransform,
        rules: StatementRules,
        sources: Sequence[ReportSource],
        scratch: Path | None,
        limits: Limits,
    ) -> None:
        self.tally = Tally()
        self._transform = transform
        self._rules = rules
        self._sources = sources
        self._scratch = scratch
        self._limits = limits
        self._days: Buckets[date] = Buckets(self._folder("days"), limits.bucket_bytes)
        self._rejects: Buckets[_Block] = Buckets(self._folder("rejects"), limits.reject_bytes)
        self._deliveries = Deliveries(self._folder("deliveries"), limits.reject_bytes)
        self._repeated: pl.DataFrame | None = None
        # Places of late rejects whose row as sent has to be fetched again, by source.
        self._wanted: dict[int, list[pl.Series]] = {}

    def _folder(self, name: str) -> Path | None:
        return self._scratch / name if self._scratch is not None else None

    def read(self) -> None:
        """Reads and transforms every batch of every report."""
        with ThreadPoolExecutor(self._limits.workers) as pool:
            ahead = self._limits.workers + 1
            for prepared in in_order(lambda item: _prepare(*item), self._batches(), pool, ahead):
                self._take(prepared)
        repeated = self._deliveries.repeated()
        self._repeated = None if repeated.is_empty() else repeated

    def _batches(self) -> Iterator[tuple[BoundTransform, pl.DataFrame, int]]:
        for index, source in enumerate(self._sources):
            bound: BoundTransform | None = None
            for batch in source.batches(self._limits.batch_rows):
                if bound is None:
                    bound = self._transform.bind(source, batch.columns)
                    self.tally.unmapped_columns.update(dict.fromkeys(bound.unmapped_columns))
                yield bound, batch, index

    def _take(self, prepared: _Prepared) -> None:
        tally, name = self.tally, self._sources[prepared.source_index].name
        tally.files[name] = tally.files.get(name, 0) + prepared.rows
        tally.rows_in += prepared.rows
        tally.readings += prepared.readings
        tally.warnings.update(prepared.warnings)
        tally.conversions.update(prepared.conversions)
        for day, rows, size in prepared.days:
            self._days.add(day, rows, size)
        if prepared.deliveries is not None:
            self._deliveries.add(prepared.deliveries)
        self._keep_rejects(prepared.rejects.with_columns(pl.lit(prepared.source_index).alias(SOURCE_INDEX)))

    def _keep_rejects(self, rejects: pl.DataFrame) -> None:
        self.tally.count_rejects(rejects)
        for block, rows in rejects.group_by(SOURCE_INDEX, _block(), maintain_order=True):
            self._rejects.add(_as_block(block), compact(rows), int(rows.estimated_size()))

    def days(self, write: Callable[[date, Iterator[Settled]], Made]) -> Iterator[Made]:
        """Settles day by day and hands each to `write`, in threads; what that makes comes in the order of days."""
        with ThreadPoolExecutor(self._limits.workers) as pool:
            ahead = self._limits.workers + 1
            days = sorted(self._days)
            for done in in_order(lambda day: self._settle_day(day, write), days, pool, ahead):
                self._days.drop(done.day)
                self.tally.events += done.events
                self.tally.history += done.history
                self.tally.warnings.update(done.warnings)
                self._keep_late_rejects(done.rejects)
                yield done.made

    def _settle_day(self, day: date, write: Callable[[date, Iterator[Settled]], Made]) -> _DayDone[Made]:
        rejects: list[pl.DataFrame] = []
        counts: Counter[str] = Counter()
        warnings: Counter[str] = Counter()

        def watched() -> Iterator[Settled]:
            for part in self._parts_of(day):
                counts.update(events=part.events.height, history=part.history.height)
                rejects.append(part.rejects)
                warnings.update(part.warnings)
                yield part

        made = write(day, watched())
        return _DayDone(day, made, counts["events"], counts["history"], pl.concat(rejects), warnings)

    def _parts_of(self, day: date) -> Iterator[Settled]:
        """The day's rows, settled: all at once, or, if they are too many, some natural keys at a time."""
        # Equal events may have keys of different parts.
        together = bool(self._rules.unique_rules)
        number = 1 if together else math.ceil(self._days.height(day) / self._limits.day_rows)
        if number <= 1:
            yield self._settled(self._days.read(day))
            return
        parts: Buckets[int] = Buckets(self._folder(f"parts-{day}"), self._limits.reject_bytes)
        # Within one process the hash of equal keys is the same for every piece.
        part_of = pl.struct(self._rules.natural_key).hash() % number
        for piece in self._days.pieces(day):
            for (part,), rows in piece.whole().group_by(part_of, maintain_order=True):
                parts.add(int(str(part)), compact(rows), int(rows.estimated_size()))
        for part in sorted(parts):
            yield self._settled(parts.read(part))
            parts.drop(part)

    def _settled(self, rows: CompactRows) -> Settled:
        """The rows settled, with a mark on those that were delivered before, where there are any."""
        if self._repeated is None:
            return settle(rows, self._rules)
        marks = self._repeated.with_columns(pl.lit(True).alias(REPEATED_DELIVERY))
        marked = rows.whole().join(marks, on=[SOURCE_INDEX, "source_row"], how="left", maintain_order="left")
        return settle(compact(marked.with_columns(pl.col(REPEATED_DELIVERY).fill_null(False))), self._rules)

    def _keep_late_rejects(self, late: pl.DataFrame) -> None:
        """Rejects of settling. What is said elsewhere, typed, needs no copy of the row as sent; the others do."""
        told = late.with_columns(
            pl.lit(self._transform.mapping.retailer_id).alias("retailer_id"),
            pl.lit(None, pl.Int64).alias("source_line"),
            pl.lit(None, pl.String).alias("raw_row"),
        ).select(*REJECTS_SCHEMA, SOURCE_INDEX)
        self._keep_rejects(told)
        for (index,), rows in told.filter(pl.col("severity") != "info").group_by(SOURCE_INDEX):
            self._wanted.setdefault(int(str(index)), []).append(rows["source_row"])

    def rejects(self) -> Iterator[pl.DataFrame]:
        """All rejects, in the order of the reports and their rows."""
        for index, source in enumerate(self._sources):
            blocks = sorted(block for block in self._rejects if block[0] == index)
            if not blocks:
                continue
            as_sent = self._fetch(source, index)
            for block in blocks:
                rows = self._rejects.read(block).whole()
                self._rejects.drop(block)
                yield _in_row_order(_with_raw_rows(rows, as_sent, block))

    def _fetch(self, source: ReportSource, index: int) -> Buckets[_Block]:
        """Reads a report again for the rows as sent that are still missing."""
        as_sent: Buckets[_Block] = Buckets(self._folder(f"raw-{index}"), self._limits.reject_bytes)
        if index not in self._wanted:
            return as_sent
        wanted = pl.concat(self._wanted.pop(index)).unique().sort()
        last = wanted[-1]
        for batch in source.batches(self._limits.batch_rows):
            found = batch.filter(pl.col("source_row").is_in(wanted.implode()))
            rows = found.select(
                "source_row", "source_line", raw_row_json(found).alias("raw_row")
            ).with_columns(pl.lit(index, pl.Int32).alias(SOURCE_INDEX))
            for block, part in rows.group_by(SOURCE_INDEX, _block(), maintain_order=True):
                as_sent.add(_as_block(block), compact(part), int(part.estimated_size()))
            if not batch.is_empty() and batch["source_row"][-1] >= last:
                break
        return as_sent


def _block() -> pl.Expr:
    return (pl.col("source_row") // _BLOCK_ROWS).alias("block")


def _as_block(key: tuple[object, ...]) -> _Block:
    source, block = key
    return int(str(source)), int(str(block))


def _with_raw_rows(rejects: pl.DataFrame, as_sent: Buckets[_Block], block: _Block) -> pl.DataFrame:
    if block not in as_sent:
        return rejects
    sent = as_sent.read(block).whole().drop(SOURCE_INDEX)
    as_sent.drop(block)
    missing = (pl.col("raw_row").is_null()) & (pl.col("severity") != "info")
    joined = rejects.join(sent, on="source_row", how="left", suffix=":sent", maintain_order="left")
    return joined.with_columns(
        pl.when(missing).then(f"{name}:sent").otherwise(name).alias(name)
        for name in ("source_line", "raw_row")
    )


def _in_row_order(rejects: pl.DataFrame) -> pl.DataFrame:
    return rejects.sort("source_row", "rule", "message", maintain_order=True).select(*REJECTS_SCHEMA)
