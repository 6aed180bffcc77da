"""Delimited text to frames, block by block: parsed by Polars, judged on arrays, mended record by record.

A block begins and ends between records. Where its quotes stand in place, Polars parses it whole; where a quote
stands inside of an unquoted cell (a pan of 12"), its records are read one by one, which is slower and the same.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from rmn_pipeline.feeds.byte_streams import FETCH_AGAIN, Piece
from rmn_pipeline.feeds.delimited_head import DelimitedHead, csv_records
from rmn_pipeline.feeds.facts import Tally
from rmn_pipeline.feeds.footers import footer_start
from rmn_pipeline.feeds.formats import ReportFormat
from rmn_pipeline.feeds.record_structure import (
    Dialect,
    Structure,
    begins_no_field,
    last_record_end,
    line_count,
    outer_delimiters,
    quotes_are_in_place,
    record_lines,
    structure,
)
from rmn_pipeline.feeds.row_shape import PROBLEM, RowShape
from rmn_pipeline.feeds.text_streams import TextStream

# Small enough that a block stays in the processor's cache from being read to being parsed; records that are
# read one by one take many times their text's memory besides.
BLOCK_BYTES = 4 << 20
# So much of the text's end is kept back for the last block, where footers are looked for.
TAIL_BYTES = 64 << 10
LARGEST_RECORD_BYTES = 64 << 20


class BlockCutter:
    """Cuts a text into blocks that end between records, and keeps the text's tail for the last one."""

    def __init__(self, stream: TextStream, dialect: Dialect, skipped: int, tail_bytes: int) -> None:
        self._stream = stream
        self._dialect = dialect
        self._tail_bytes = tail_bytes
        self._buffer = stream.read(1)[skipped:]
        self._at_end = False

    def next(self, size: int) -> tuple[bytes, bool]:
        """A block of about `size` bytes, empty if no record ends within them, and whether it is the last."""
        self._fill(size + self._tail_bytes)
        if self._at_end:
            block, self._buffer = self._buffer, b""
            return block, True
        return self._take(self._cut(len(self._buffer) - self._tail_bytes)), False

    def put_back(self, rest: bytes) -> None:
        """What a block held beyond its last whole record."""
        self._buffer = rest + self._buffer

    def _fill(self, wanted: int) -> None:
        parts = [self._buffer]
        held = len(self._buffer)
        while held < wanted and not self._at_end:
            part = self._stream.read(wanted - held)
            self._at_end = not part
            parts.append(part)
            held += len(part)
        self._buffer = b"".join(parts) if len(parts) > 1 else self._buffer

    def _cut(self, limit: int) -> int:
        cut = last_record_end(self._buffer, limit, self._dialect)
        if cut or not self._dialect.is_quoted(self._buffer):
            return cut
        # Every line end is inside of quotes: of a long cell, or because a stray quote was counted.
        sound = quotes_are_in_place(self._buffer[:limit], self._dialect)
        return 0 if sound else self._buffer.rfind(b"\n", 0, limit) + 1

    def _take(self, cut: int) -> bytes:
        block, self._buffer = self._buffer[:cut], self._buffer[cut:]
        return block


@dataclass
class DelimitedRows:
    """The rows of one delimited piece."""

    piece: Piece
    spec: ReportFormat
    head: DelimitedHead
    tally: Tally

    def __post_init__(self) -> None:
        self._dialect = Dialect(self.head.delimiter.encode(), self.spec.quote.encode())
        self._shape = RowShape(self.piece, self.head.columns, self.spec.ragged_rows, self.spec.total_labels)
        self._line = self.head.body_line

    def frames(
        self, stream: TextStream, block_bytes: int = BLOCK_BYTES, tail_bytes: int = TAIL_BYTES
    ) -> Iterator[pl.DataFrame]:
        """The rows as text with `source_line`, a frame for each block of about `block_bytes`."""
        cutter = BlockCutter(stream, self._dialect, self.head.body_offset, tail_bytes)
        is_last = False
        wanted = block_bytes
        while not is_last:
            block, is_last = cutter.next(wanted)
            frame, rest = self._read(block, is_last)
            cutter.put_back(rest)
            is_last = is_last and not rest
            # A record that is longer than the block needs a longer one.
            wanted = block_bytes if len(rest) < len(block) else 2 * wanted
            if wanted > LARGEST_RECORD_BYTES:
                raise self.piece.error(
                    f"the record in line {self._line} is longer than {LARGEST_RECORD_BYTES >> 20} MiB",
                    "Check that a quote opened there is closed; declare quote: '' if cells are never quoted.",
                )
            if frame.height:
                yield frame

    def _read(self, block: bytes, is_last: bool) -> tuple[pl.DataFrame, bytes]:
        """The block's rows, and what of it is no whole record."""
        dialect = self._dialect
        if dialect.is_quoted(block) and not self._is_sound(block):
            if not begins_no_field(block, dialect):
                return self._read_singly(block, is_last)
            dialect = replace(dialect, quote=b"")
        return self._read_block(block, is_last, dialect), b""

    def _is_sound(self, block: bytes) -> bool:
        return block.count(self._dialect.quote) % 2 == 0 and quotes_are_in_place(block, self._dialect)

    def _read_block(self, block: bytes, is_last: bool, dialect: Dialect) -> pl.DataFrame:
        """The rows of a block whose quotes, as far as the dialect has them, stand in place."""
        if is_last:
            block = self._without_footer(block, dialect)
        if not block:
            return self._shape.frame([], self.tally)
        first_line = self._line
        parsed = self._parsed(block, dialect)
        if parsed is None or not self._is_regular(block, parsed, dialect):
            self._line += line_count(block)
            return self._read_irregular(block, first_line, dialect)
        # Without quotes every line is a record, be it blank.
        count = line_count(block) if dialect.is_quoted(block) else parsed.height
        self._line += count
        if parsed.height == count:
            lines = pl.int_range(first_line, first_line + count, dtype=pl.Int64, eager=True)
        else:
            lines = pl.Series(record_lines(block, dialect) + first_line)
        return self._finished(parsed, lines)

    def _parsed(self, block: bytes, dialect: Dialect) -> pl.DataFrame | None:
        """What Polars makes of the block; None where rows are too long for it."""
        scan = pl.scan_csv(
            block,
            has_header=False,
            schema={name: pl.String() for name in self._shape.columns},
            separator=self.head.delimiter,
            quote_char=dialect.quote.decode() or None,
        )
        try:
            return scan.collect(engine="in-memory")
        except pl.exceptions.PolarsError:
            return None

    def _is_regular(self, block: bytes, parsed: pl.DataFrame, dialect: Dialect) -> bool:
        """Whether no row is short. The parser fills short ones up, so a last column without gaps proves it."""
        if not parsed.to_series(-1).null_count():
            return True
        return outer_delimiters(block, dialect) == parsed.height * (self._shape.width - 1)

    def _read_irregular(self, block: bytes, first_line: int, dialect: Dialect) -> pl.DataFrame:
        """A block with short or long records: those are read one by one, the others by Polars."""
        found = structure(block, dialect)
        lines = found.lines + first_line
        odd = found.cells != self._shape.width
        singly = self._shape.frame(
            ((self._cells(found.text(block, index)), int(lines[index])) for index in np.flatnonzero(odd)),
            self.tally,
        )
        if odd.all():
            return singly
        parsed = self._parsed(_joined(block, found, np.flatnonzero(~odd)), dialect)
        if parsed is None or parsed.height != np.count_nonzero(~odd):
            raise self.piece.error(
                f"not readable as text separated by {self.head.delimiter!r}",
                f"Check the delimiter and the quoting. {FETCH_AGAIN}",
            )
        regular = self._finished(parsed, pl.Series(lines[~odd]))
        return pl.concat([regular, singly]).sort("source_line")

    def _finished(self, parsed: pl.DataFrame, lines: pl.Series) -> pl.DataFrame:
        """The parsed rows with their lines, without those that hold nothing."""
        frame = parsed.insert_column(parsed.width, lines.alias("source_line"))
        if self.spec.ragged_rows == "mark":
            frame = frame.with_columns(pl.lit(None, pl.String).alias(PROBLEM))
        if not frame.to_series(self._shape.width - 1).null_count():
            return frame
        blank = frame.select(pl.all_horizontal(pl.col(self._shape.columns).is_null())).to_series()
        self.tally.blank_lines += int(blank.sum())
        return frame.filter(~blank) if blank.any() else frame

    def _cells(self, text: str) -> list[str]:
        """The cells of one record; none if it holds blanks alone."""
        if not text.strip():
            return []
        try:
            return next(csv_records(_lines(text), self.head.delimiter, self.spec.quote))[0]
        except csv.Error as error:
            raise self.piece.error(
                f"not readable as text separated by {self.head.delimiter!r}: {text[:80]!r} ({error})",
                f"Check the delimiter and the quoting. {FETCH_AGAIN}",
            ) from error

    def _without_footer(self, block: bytes, dialect: Dialect) -> bytes:
        filled = block.rstrip()
        last_line = filled[filled.rfind(b"\n") + 1 :]
        if self.spec.footer is None and last_line.count(dialect.delimiter) >= self._shape.width - 1:
            return block
        found = structure(block, dialect)
        start = self._footer_start(
            len(found), lambda index: self._cells(found.text(block, index)), block.endswith(b"\n")
        )
        self._count_footer([self._cells(found.text(block, index)) for index in range(start, len(found))])
        return block[: found.starts[start]] if start < len(found) else block

    def _footer_start(
        self, count: int, cells_of: Callable[[int], Sequence[str]], ends_with_line_end: bool
    ) -> int:
        return footer_start(
            count,
            cells_of,
            self._shape.width,
            ends_with_line_end,
            self.spec.footer,
            self.spec.total_labels,
        )

    def _count_footer(self, footer: Sequence[Sequence[str]]) -> None:
        filled = sum(1 for cells in footer if any(cells))
        self.tally.footer_lines += filled
        self.tally.blank_lines += len(footer) - filled

    def _read_singly(self, block: bytes, is_last: bool) -> tuple[pl.DataFrame, bytes]:
        """The rows of a block with quotes astray, and what of the block is no whole record."""
        lines = _lines(block.decode("utf-8"))
        rows, read = self._records(lines, is_last)
        if is_last:
            start = self._footer_start(
                len(rows), lambda index: _unless_blank(rows[index][0]), block.endswith(b"\n")
            )
            self._count_footer([_unless_blank(cells) for cells, _ in rows[start:]])
            rows = rows[:start]
        frame = self._shape.frame(rows, self.tally)
        self._line += read
        return frame, block[sum(len(line.encode("utf-8")) for line in lines[:read]) :]

    def _records(self, lines: list[str], ends_text: bool) -> tuple[list[tuple[list[str], int]], int]:
        """The whole records that begin `lines`, each with its line, and how many lines they take."""
        fed = _Fed(lines)
        rows: list[tuple[list[str], int]] = []
        read = 0
        try:
            for cells, ended in csv_records(fed, self.head.delimiter, self.spec.quote):
                rows.append((cells, self._line + read))
                read = ended
        except csv.Error as error:
            if ends_text or not fed.is_exhausted:
                raise self.piece.error(
                    f"the quoting in line {self._line + read} is false ({error})",
                    "Quotes inside of quoted cells must be doubled; declare quote: '' if cells are never quoted.",
                ) from error
        return rows, read


class _Fed:
    """Lines on their way to a reader, which knows whether the reader has had them all."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = iter(lines)
        self.is_exhausted = False

    def __iter__(self) -> _Fed:
        return self

    def __next__(self) -> str:
        try:
            return next(self._lines)
        except StopIteration:
            self.is_exhausted = True
            raise


def _lines(text: str) -> list[str]:
    """Physical lines with their ends. `splitlines` would also split at signs that end no line in a table."""
    lines = [line + "\n" for line in text.split("\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def _unless_blank(cells: list[str]) -> list[str]:
    return [] if len(cells) == 1 and not cells[0].strip() else cells


def _joined(block: bytes, found: Structure, indices: np.ndarray) -> bytes:
    """The text of some records; neighbours are copied as one stretch."""
    breaks = np.flatnonzero(np.diff(indices) > 1)
    firsts = indices[np.concatenate([[0], breaks + 1])]
    lasts = indices[np.concatenate([breaks, [len(indices) - 1]])]
    stretches = [
        block[found.starts[first] : found.ends[last]] for first, last in zip(firsts, lasts, strict=True)
    ]
    return b"\n".join(stretches) + b"\n"
