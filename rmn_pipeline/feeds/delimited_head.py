"""The head of a delimited file: which delimiter it has, where its header line is and where its rows begin."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from rmn_pipeline.feeds.byte_streams import Piece
from rmn_pipeline.feeds.errors import FeedError
from rmn_pipeline.feeds.formats import ReportFormat
from rmn_pipeline.feeds.headers import (
    DECLARE_HEADER,
    Record,
    column_names,
    header_index,
    holds_names,
    known_header_index,
    table_width,
)

CANDIDATES = (",", ";", "\t", "|")
SAMPLE_RECORDS = 300
# A delimiter that fewer records agree on than this only happens to occur in the text.
LEAST_AGREEMENT = 0.9
DECLARE_DELIMITER = "Declare the delimiter in the mapping's source."


@dataclass(frozen=True)
class DelimitedHead:
    """What the head of one file says about its table."""

    delimiter: str
    columns: tuple[str, ...]
    body_offset: int  # bytes of text before the first row
    body_line: int  # the physical line, from 1, that the rows begin in
    preamble_lines: int
    header_cells: tuple[str, ...] = ()  # the header as sent; empty where the file has none


@dataclass(frozen=True)
class _Reading:
    """The head's records as one delimiter splits them, and which of them is then the header."""

    delimiter: str
    records: tuple[Record, ...]
    header: int | None

    @property
    def width(self) -> int:
        return table_width(self.records) if self.header is None else self.records[self.header].width

    @property
    def agreement(self) -> float:
        """The share of records, from the header on, that are as wide as the table."""
        table = self.records[self.header or 0 :]
        return sum(1 for record in table if record.width == self.width) / len(table)


def read_head(
    piece: Piece, head: bytes, head_is_all: bool, spec: ReportFormat, kind: str = "csv"
) -> DelimitedHead:
    """Delimiter, header and the place where rows begin. What is not certain is a FeedError saying what to declare."""
    kept = _kept_lines(piece, head, head_is_all)
    skipped = spec.skip_lines or 0
    readings = [
        _Reading(delimiter, tuple(_filled_records(kept, skipped, delimiter, spec.quote)), None)
        for delimiter in _candidates(spec, kind)
    ]
    readings = [reading for reading in readings if reading.records]
    if not readings:
        raise piece.error(f"no header line could be read after {skipped} lines", DECLARE_HEADER)
    if spec.columns:
        return _headless(piece, readings, kept, spec)
    chosen = _chosen(piece, readings, spec)
    header = chosen.records[chosen.header or 0]
    return DelimitedHead(
        delimiter=chosen.delimiter,
        columns=column_names(piece, header.cells, spec),
        body_offset=_byte_length(kept[: header.end_line]),
        body_line=header.end_line + 1,
        preamble_lines=header.line - 1,
        header_cells=header.cells,
    )


def read_part_head(
    piece: Piece, head: bytes, head_is_all: bool, spec: ReportFormat, first: DelimitedHead
) -> DelimitedHead:
    """The head of a later part, which has the first part's header again or begins with rows at once."""
    lines = _kept_lines(piece, head, head_is_all)
    records = list(_filled_records(lines, 0, first.delimiter, spec.quote))
    index = known_header_index(piece, records, first.header_cells) if first.header_cells else None
    end_line = 0 if index is None else records[index].end_line
    return replace(
        first,
        body_offset=_byte_length(lines[:end_line]),
        body_line=end_line + 1,
        preamble_lines=0 if index is None else records[index].line - 1,
    )


def _kept_lines(piece: Piece, head: bytes, head_is_all: bool) -> list[str]:
    lines = _whole_lines(piece, head, head_is_all).decode("utf-8").split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _whole_lines(piece: Piece, head: bytes, head_is_all: bool) -> bytes:
    if head_is_all:
        return head
    end = head.rfind(b"\n") + 1
    if not end:
        raise piece.error(
            f"the first line is longer than {len(head)} bytes", "Check that it is a text table."
        )
    return head[:end]


def _candidates(spec: ReportFormat, kind: str) -> tuple[str, ...]:
    if spec.delimiter is not None:
        return (spec.delimiter,)
    return ("\t",) if kind == "tsv" else CANDIDATES


def csv_records(lines: Iterable[str], delimiter: str, quote: str) -> Iterator[tuple[list[str], int]]:
    """Each record's cells, and how many of `lines` were read when it ended; csv.Error on false quoting."""
    if quote:
        reader = csv.reader(lines, delimiter=delimiter, quotechar=quote, strict=True)
    else:
        reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE, strict=True)
    for cells in reader:
        yield cells, reader.line_num


def _filled_records(lines: list[str], skipped: int, delimiter: str, quote: str) -> Iterator[Record]:
    ended = skipped
    try:
        for number, (cells, read) in enumerate(csv_records(lines[skipped:], delimiter, quote)):
            record = Record(tuple(cells), ended + 1, skipped + read)
            ended = record.end_line
            if record.filled:
                yield record
            if number >= SAMPLE_RECORDS:
                return
    except csv.Error:
        # What follows is the rows' reader to judge; with the wrong delimiter, false quoting is no surprise.
        return


def _byte_length(lines: list[str]) -> int:
    return sum(len(line.encode("utf-8")) for line in lines)


def _headless(piece: Piece, readings: list[_Reading], lines: list[str], spec: ReportFormat) -> DelimitedHead:
    """The head of a file whose column names are declared: all that is asked of it is its delimiter."""
    fitting = [reading for reading in readings if reading.records[0].width == len(spec.columns)]
    if len(fitting) != 1 and spec.delimiter is None:
        raise piece.error(
            f"its delimiter is not certain: {len(fitting)} of the usual ones give the first row "
            f"{len(spec.columns)} cells",
            DECLARE_DELIMITER,
        )
    first = (fitting or readings)[0].records[0]
    return DelimitedHead(
        delimiter=(fitting or readings)[0].delimiter,
        columns=column_names(piece, spec.columns, spec),
        body_offset=_byte_length(lines[: first.line - 1]),
        body_line=first.line,
        preamble_lines=first.line - 1,
    )


def _chosen(piece: Piece, readings: list[_Reading], spec: ReportFormat) -> _Reading:
    found = [_with_header(reading, spec) for reading in readings]
    certain = [reading for reading in found if reading.header is not None]
    if spec.header:
        if not certain:
            raise _no_declared_header(piece, spec)
        return _widest(piece, certain)
    tables = [reading for reading in certain if reading.width > 1]
    # A first line that is a header in one reading outweighs a preamble in another.
    for group in (
        [reading for reading in tables if reading.header == 0],
        [reading for reading in tables if reading.header],
    ):
        agreed = [reading for reading in group if reading.agreement >= LEAST_AGREEMENT]
        if agreed or group:
            return _widest(piece, agreed or group)
    if all(reading.width == 1 for reading in found):
        return _Reading(found[0].delimiter, found[0].records, 0)
    raise _no_certain_header(piece, max(found, key=lambda reading: reading.width))


def _with_header(reading: _Reading, spec: ReportFormat) -> _Reading:
    records = reading.records
    if spec.header:
        index = next((i for i, record in enumerate(records) if holds_names(record, spec.header)), None)
    else:
        index = 0 if spec.skip_lines is not None else header_index(records)
    return _Reading(reading.delimiter, records, index)


def _widest(piece: Piece, readings: list[_Reading]) -> _Reading:
    """The reading with the most columns, if no other comes near it."""
    best, *others = sorted(readings, key=lambda reading: -reading.width)
    if others and others[0].width * 2 > best.width:
        shown = " and ".join(
            f"{reading.delimiter!r} ({reading.width} columns)" for reading in (best, others[0])
        )
        raise piece.error(f"its delimiter is not certain: {shown} both give a table", DECLARE_DELIMITER)
    return best


def _no_declared_header(piece: Piece, spec: ReportFormat) -> FeedError:
    return piece.error(
        f"no line among its first {SAMPLE_RECORDS} holds {', '.join(map(repr, spec.header))}",
        "Correct `header`, or the delimiter.",
    )


def _no_certain_header(piece: Piece, reading: _Reading) -> FeedError:
    first = reading.records[0]
    return piece.error(
        f"its header line is not certain: line {first.line} has {first.width} cells between "
        f"{reading.delimiter!r}, most have {reading.width}",
        DECLARE_HEADER,
    )
