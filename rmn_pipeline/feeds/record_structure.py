"""Where records and cells begin and end in delimited text, found without a loop over rows.

A quote encloses a field only where the field begins with it. If every opening quote stands at a field's begin
and every closing one at a field's end (or before another quote, which makes both a quote sign), then counting
quotes tells inside from outside, and everything here may be counted on arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Small enough that the arrays made from one slice stay in the processor's cache.
SLICE_BYTES = 1 << 19
LF, CR = ord("\n"), ord("\r")


@dataclass(frozen=True)
class Dialect:
    """The two signs that structure a text; `quote` is empty where fields are never quoted."""

    delimiter: bytes
    quote: bytes

    def is_quoted(self, block: bytes) -> bool:
        """Whether any quote occurs."""
        return bool(self.quote) and self.quote in block


@dataclass(frozen=True)
class Structure:
    """The records of a block: where each begins and ends (its line end left out), its first line, its cells."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    lines: NDArray[np.int64]  # counted from 0 at the block's begin
    cells: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts)

    def text(self, block: bytes, index: int | np.integer) -> str:
        """One record as it stands in the block."""
        return block[self.starts[index] : self.ends[index]].decode("utf-8")


def quotes_are_in_place(block: bytes, dialect: Dialect) -> bool:
    """Whether quotes stand only where they open or close a field, the block's begin being a record's."""
    text = np.frombuffer(block, np.uint8)
    quote = dialect.quote[0]
    around = np.zeros(256, bool)
    around[[dialect.delimiter[0], LF, quote]] = True
    counted = 0
    for start in range(0, len(text), SLICE_BYTES):
        quotes = np.flatnonzero(text[start : start + SLICE_BYTES] == quote) + start
        opening, closing = quotes[counted % 2 :: 2], quotes[1 - counted % 2 :: 2]
        counted += len(quotes)
        if not (_may_open(text, opening, around) and _may_close(text, closing, around)):
            return False
    return True


def begins_no_field(block: bytes, dialect: Dialect) -> bool:
    """Whether all quotes stand inside of cells, where they are text (a pan of 12"), the block's begin a record's."""
    text = np.frombuffer(block, np.uint8)
    quotes = _positions(block, dialect.quote[0])
    before = text[quotes[quotes > 0] - 1]
    return bool(quotes[0] != 0 and not np.isin(before, [dialect.delimiter[0], LF]).any())


def _may_open(text: NDArray[np.uint8], opening: NDArray[np.int64], around: NDArray[np.bool_]) -> bool:
    inner = opening[1:] if len(opening) and opening[0] == 0 else opening
    return bool(around[text[inner - 1]].all())


def _may_close(text: NDArray[np.uint8], closing: NDArray[np.int64], around: NDArray[np.bool_]) -> bool:
    inner = closing[:-1] if len(closing) and closing[-1] == len(text) - 1 else closing
    sound = around[text[inner + 1]]
    if sound.all():
        return True
    odd = inner[~sound]
    ends_line = (text[odd + 1] == CR) & (text[np.minimum(odd + 2, len(text) - 1)] == LF)
    return bool(ends_line.all())


def last_record_end(block: bytes, limit: int, dialect: Dialect) -> int:
    """Where the last record that ends within `limit` bytes ends, its line end included; 0 if none does."""
    end = block.rfind(b"\n", 0, limit)
    if not dialect.is_quoted(block):
        return end + 1
    inside = block.count(dialect.quote, 0, end + 1) % 2 if end >= 0 else 0
    while end >= 0 and inside:
        earlier = block.rfind(b"\n", 0, end)
        inside ^= block.count(dialect.quote, earlier + 1, end + 1) % 2
        end = earlier
    return end + 1


def line_count(block: bytes) -> int:
    """How many physical lines the block has."""
    return block.count(b"\n") + (not block.endswith(b"\n") and bool(block))


def outer_delimiters(block: bytes, dialect: Dialect) -> int:
    """How many delimiters separate cells."""
    return sum(int(np.count_nonzero(outer)) for _, outer in _outer(block, dialect, dialect.delimiter[0]))


def structure(block: bytes, dialect: Dialect) -> Structure:
    """Every record of a block that begins and ends between records."""
    ends = _outer_positions(block, dialect, LF)
    if block and not block.endswith(b"\n"):
        ends = np.append(ends, len(block))
    starts = np.concatenate([[0], ends + 1])[: len(ends)]
    line_ends = _positions(block, LF)
    separators = _outer_positions(block, dialect, dialect.delimiter[0])
    cells = np.diff(np.searchsorted(separators, ends), prepend=0) + 1
    return Structure(starts, ends, np.searchsorted(line_ends, starts), cells)


def record_lines(block: bytes, dialect: Dialect) -> NDArray[np.int64]:
    """The line, from 0, that each record begins in."""
    lines: list[NDArray[np.int64]] = [np.zeros(1, np.int64)]
    seen = 0
    text = np.frombuffer(block, np.uint8)
    for start, outer in _outer(block, dialect, LF):
        line_ends = np.flatnonzero(text[start : start + SLICE_BYTES] == LF)
        lines.append(np.flatnonzero(outer[line_ends]) + seen + 1)
        seen += len(line_ends)
    found = np.concatenate(lines)
    return found[:-1] if block.endswith(b"\n") else found


def _positions(block: bytes, sign: int) -> NDArray[np.int64]:
    return np.flatnonzero(np.frombuffer(block, np.uint8) == sign)


def _outer_positions(block: bytes, dialect: Dialect, sign: int) -> NDArray[np.int64]:
    found = [np.flatnonzero(outer) + start for start, outer in _outer(block, dialect, sign)]
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def _outer(block: bytes, dialect: Dialect, sign: int) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Slice by slice: its offset, and where `sign` stands outside of quotes."""
    text = np.frombuffer(block, np.uint8)
    quoted = dialect.is_quoted(block)
    inside = 0
    for start in range(0, len(text), SLICE_BYTES):
        part = text[start : start + SLICE_BYTES]
        found = part == sign
        if quoted:
            # The count may overflow: only whether it is even matters.
            passed = np.cumsum(part == dialect.quote[0], dtype=np.uint8) + np.uint8(inside)
            found &= (passed & 1) == 0
            inside = int(passed[-1] & 1)
        yield start, found
