"""Sources: what one harmonization reads as one report, batch by batch, whatever files it lies in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from rmn_pipeline.feeds.byte_streams import Piece, find_pieces
from rmn_pipeline.feeds.errors import FeedError
from rmn_pipeline.feeds.facts import ReportFacts, Tally
from rmn_pipeline.feeds.formats import ReportFormat, check_format
from rmn_pipeline.feeds.parts import grouped
from rmn_pipeline.feeds.readers import report_frames
from rmn_pipeline.feeds.row_shape import PROBLEM
from rmn_pipeline.feeds.totals import total_flags

DEFAULT_BATCH_ROWS = 250_000
SOURCE_COLUMNS = ("source_file", "source_row", "source_line", "source_total")


class ReportSource:
    """One report: a file, a member of an archive, or one report that was sent in parts.

    Every batch has the report's own columns as sent (text, except for Parquet), then `source_file` (the source's
    name), `source_row` (from 1, over all parts), `source_line` (the physical line the row begins in, in its own
    part; an XLSX sheet's row; null for Parquet and JSON documents), `source_total` (whether the row says that it is
    a total), and `source_problem` where ragged rows are declared to be marked.
    """

    def __init__(
        self, name: str, pieces: tuple[Piece, ...], spec: ReportFormat, name_fields: dict[str, str]
    ) -> None:
        self.name = name
        self.pieces = pieces
        self.spec = spec
        self.name_fields = name_fields
        self._tally = Tally()

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that the report lies in."""
        return tuple(dict.fromkeys(piece.path for piece in self.pieces))

    @property
    def facts(self) -> ReportFacts:
        """What the latest reading has found so far: complete after the last batch."""
        return self._tally.facts()

    def batches(self, batch_rows: int = DEFAULT_BATCH_ROWS) -> Iterator[pl.DataFrame]:
        """The rows as sent, at most `batch_rows` at a time, all with the same columns; one empty batch if none."""
        if batch_rows < 1:
            raise ValueError(f"a batch of {batch_rows} rows holds none")
        tally = self._tally = Tally()
        read = report_frames(self.pieces, self.spec, tally, batch_rows)
        was_empty = True
        for frame, is_last in _batched(read, batch_rows):
            totals = total_flags(frame, self.spec.total_labels, was_empty, is_last)
            was_empty = False
            yield self._numbered(frame, totals, tally)
        if was_empty:
            empty = pl.DataFrame(schema=self._empty_schema(tally))
            yield self._numbered(empty, pl.Series([], dtype=pl.Boolean), tally)

    def _numbered(self, frame: pl.DataFrame, totals: pl.Series, tally: Tally) -> pl.DataFrame:
        first_row = tally.rows + 1
        tally.rows += frame.height
        tally.total_rows += int(totals.sum())
        own = [name for name in frame.columns if name not in (*SOURCE_COLUMNS, PROBLEM)]
        tally.header = tuple(own)
        last = [PROBLEM] if PROBLEM in frame.columns else []
        return frame.with_columns(
            pl.lit(self.name).alias("source_file"),
            pl.int_range(first_row, first_row + frame.height, dtype=pl.Int64).alias("source_row"),
            totals.alias("source_total"),
        ).select(*own, *SOURCE_COLUMNS, *last)

    def _empty_schema(self, tally: Tally) -> dict[str, pl.DataType]:
        own = tally.schema or {name: pl.String() for name in tally.header}
        problem = {PROBLEM: pl.String()} if self.spec.ragged_rows == "mark" else {}
        return {**own, "source_line": pl.Int64(), **problem}


def _batched(frames: Iterable[pl.DataFrame], batch_rows: int) -> Iterator[tuple[pl.DataFrame, bool]]:
    """The rows in frames of `batch_rows` (the last may have fewer), and whether each is the last."""
    held: list[pl.DataFrame] = []
    rows = 0
    for frame in frames:
        held.append(frame)
        rows += frame.height
        # One row more than a batch proves that the batch is not the last.
        if rows > batch_rows:
            whole = pl.concat(held)
            full = (rows - 1) // batch_rows * batch_rows
            for start in range(0, full, batch_rows):
                yield whole.slice(start, batch_rows), False
            held = [whole.slice(full)]
            rows -= full
            del whole
    if rows:
        yield pl.concat(held), True


def report_sources(paths: Sequence[Path | str], spec: ReportFormat) -> list[ReportSource]:
    """The sources that `paths` hold: parts put together, archives opened; by name and path."""
    files = sorted({Path(path) for path in paths}, key=lambda path: (path.name, str(path)))
    for path in files[:1]:
        check_format(spec, path)
    pieces = [piece for path in files for piece in find_pieces(path, spec)]
    sources = [
        ReportSource(group.name, group.pieces, spec, _name_fields(group.pieces[0], spec.name_pattern))
        for group in grouped(pieces, spec.parts)
    ]
    return sorted(sources, key=lambda source: (source.name, str(source.paths[0])))


def read_report(path: Path | str, spec: ReportFormat) -> pl.DataFrame:
    """The rows of one report file, as sent, with `source_file` and `source_row` added; held in memory whole.

    Members of an archive are put one below the other, if their columns are the same.
    """
    frames = [
        batch.drop("source_line", "source_total")
        for source in report_sources([path], replace(spec, parts=None))
        for batch in source.batches()
    ]
    if any(frame.schema != frames[0].schema for frame in frames):
        raise FeedError(
            path, "its members have different columns", "Read them one by one: `members` selects."
        )
    return pl.concat(frames)


def _name_fields(piece: Piece, pattern: str | None) -> dict[str, str]:
    """What the pattern finds in the member's name and in the file's; where both have a group, the member's."""
    if pattern is None:
        return {}
    names = [piece.path.name] if piece.member is None else [piece.path.name, piece.member]
    found = [match for name in names if (match := re.search(pattern, name))]
    if not found:
        raise FeedError(
            piece.path,
            f"the name {piece.name!r} does not fit `name_pattern`",
            "Rename it, or correct the pattern.",
        )
    return {key: value for match in found for key, value in match.groupdict().items() if value is not None}
