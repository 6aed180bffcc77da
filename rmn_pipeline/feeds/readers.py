"""From a source's pieces to its rows: the reader of each format, and what later parts take over from the first.

Text formats come back as text: typing is the mapping's work, not a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import polars as pl

from rmn_pipeline.feeds.byte_streams import Piece
from rmn_pipeline.feeds.delimited import DelimitedRows
from rmn_pipeline.feeds.delimited_head import DelimitedHead, read_head, read_part_head
from rmn_pipeline.feeds.facts import PartFacts, Tally
from rmn_pipeline.feeds.format_detection import detected_format
from rmn_pipeline.feeds.formats import ReportFormat
from rmn_pipeline.feeds.json_rows import JsonRows
from rmn_pipeline.feeds.parquet_rows import ParquetRows
from rmn_pipeline.feeds.row_shape import PROBLEM
from rmn_pipeline.feeds.spool import with_same_columns
from rmn_pipeline.feeds.text_streams import opened_text
from rmn_pipeline.feeds.xlsx_rows import XlsxRows

PieceReader = Callable[[Piece], Iterator[pl.DataFrame]]


def report_frames(
    pieces: Sequence[Piece], spec: ReportFormat, tally: Tally, batch_rows: int
) -> Iterator[pl.DataFrame]:
    """The rows of all pieces, with `source_line` (and `source_problem`, if declared), in frames of same columns."""
    kind = detected_format(pieces[0], spec)
    tally.format = kind
    frames = _counted(pieces, _reader(kind, spec, tally, batch_rows), tally)
    if kind.startswith("json"):
        return with_same_columns(frames, ("source_line", PROBLEM), pieces[0].path)
    return frames


def _counted(pieces: Sequence[Piece], read: PieceReader, tally: Tally) -> Iterator[pl.DataFrame]:
    before = 0
    for piece in pieces:
        rows = 0
        for frame in read(piece):
            rows += frame.height
            yield frame
        tally.parts.append(PartFacts(piece.name, rows, before + 1 if rows else None))
        before += rows


def _reader(kind: str, spec: ReportFormat, tally: Tally, batch_rows: int) -> PieceReader:
    if kind.startswith("json"):
        return lambda piece: JsonRows(piece, spec, kind, tally).frames(batch_rows)
    if kind == "parquet":
        return lambda piece: ParquetRows(piece, spec, tally).frames(batch_rows)
    if kind == "xlsx":
        return _of_sheets(spec, tally, batch_rows)
    return _of_delimited(kind, spec, tally)


def _of_sheets(spec: ReportFormat, tally: Tally, batch_rows: int) -> PieceReader:
    def read(piece: Piece) -> Iterator[pl.DataFrame]:
        # What the first part has found is known to the later ones.
        return XlsxRows(piece, spec, tally, known=tally.header or None).frames(batch_rows)

    return read


def _of_delimited(kind: str, spec: ReportFormat, tally: Tally) -> PieceReader:
    heads: list[DelimitedHead] = []

    def read(piece: Piece) -> Iterator[pl.DataFrame]:
        with opened_text(piece, spec.encoding) as stream:
            if heads:
                head = read_part_head(piece, stream.head, stream.head_is_all, spec, heads[0])
            else:
                head = read_head(piece, stream.head, stream.head_is_all, spec, kind)
                tally.delimiter, tally.encoding = head.delimiter, stream.encoding
                tally.header = head.columns
            heads.append(head)
            tally.preamble_lines += head.preamble_lines
            yield from DelimitedRows(piece, spec, head, tally).frames(stream)

    return read
