"""Rows of an XLSX report: which sheet, which row is the header, what stands before and after the table."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import polars as pl

from rmn_pipeline.feeds.byte_streams import Piece, opened_whole
from rmn_pipeline.feeds.facts import Tally
from rmn_pipeline.feeds.footers import MOST_FOOTER_RECORDS, footer_start
from rmn_pipeline.feeds.formats import ReportFormat
from rmn_pipeline.feeds.headers import (
    DECLARE_HEADER,
    Record,
    column_names,
    has_names_over_values,
    holds_names,
    known_header_index,
)
from rmn_pipeline.feeds.row_shape import RowShape
from rmn_pipeline.feeds.xlsx_workbook import Sheet, SheetRow, Workbook

SAMPLE_ROWS = 300
FRAME_ROWS = 50_000


@dataclass
class XlsxRows:
    """The rows of one XLSX piece."""

    piece: Piece
    spec: ReportFormat
    tally: Tally
    # The columns of the report's first part; later parts may have the header again or not.
    known: tuple[str, ...] | None = None

    def frames(self, batch_rows: int) -> Iterator[pl.DataFrame]:
        """The rows as text, with the sheet's row number as `source_line`."""
        with opened_whole(self.piece) as file:
            workbook = Workbook(self.piece, file)
            sheet = self._chosen_sheet(workbook)
            self.tally.sheet = sheet.name
            with closing(workbook.rows(sheet)) as rows:
                yield from self._table_frames(rows, batch_rows)

    def _chosen_sheet(self, workbook: Workbook) -> Sheet:
        names = ", ".join(repr(sheet.name) for sheet in workbook.sheets) or "none"
        if self.spec.sheet is not None:
            wanted = self.spec.sheet
            found = [sheet for sheet in workbook.sheets if sheet.name == wanted]
            if not found:
                raise self.piece.error(f"it has no sheet {wanted!r}; it has {names}", "Correct `sheet`.")
            return found[0]
        visible = [sheet for sheet in workbook.sheets if sheet.is_visible]
        filled = visible if len(visible) == 1 else [one for one in visible if self._is_filled(workbook, one)]
        if len(filled) != 1:
            raise self.piece.error(
                f"which sheet holds the report is not certain: {len(filled)} of {names} hold anything",
                "Declare `sheet`.",
            )
        return filled[0]

    def _is_filled(self, workbook: Workbook, sheet: Sheet) -> bool:
        with closing(workbook.rows(sheet)) as rows:
            return next(rows, None) is not None

    def _table_frames(self, rows: Iterator[SheetRow], batch_rows: int) -> Iterator[pl.DataFrame]:
        sample = list(itertools.islice(rows, SAMPLE_ROWS))
        if not sample:
            raise self.piece.error(f"the sheet {self.tally.sheet!r} holds nothing")
        columns, body = self._head(sample)
        self.tally.header = columns
        shape = RowShape(self.piece, columns, self.spec.ragged_rows, self.spec.total_labels, unit="sheet row")
        below = _with_gaps(itertools.chain(sample[body:], rows), self._last_head_row(sample, body))
        table = self._without_footer(below, len(columns))
        while chunk := list(itertools.islice(table, min(batch_rows, FRAME_ROWS))):
            frame = shape.frame(chunk, self.tally)
            if frame.height:
                yield frame

    def _head(self, sample: Sequence[SheetRow]) -> tuple[tuple[str, ...], int]:
        """The column names, and which of the sampled rows is the first below them."""
        if self.known is not None:
            return self.known, self._below_known_header(sample, self.known)
        first = next((i for i, row in enumerate(sample) if row.number > (self.spec.skip_lines or 0)), None)
        if first is None:
            raise self.piece.error(f"it has no row after row {self.spec.skip_lines}", DECLARE_HEADER)
        if self.spec.columns:
            self.tally.preamble_lines += first
            return column_names(self.piece, self.spec.columns, self.spec), first
        index = first if self.spec.skip_lines is not None else self._found_header(sample)
        if index is None:
            raise self.piece.error("its header row is not certain", DECLARE_HEADER)
        self.tally.preamble_lines += index
        return column_names(self.piece, sample[index].cells, self.spec), index + 1

    def _below_known_header(self, sample: Sequence[SheetRow], known: tuple[str, ...]) -> int:
        index = known_header_index(self.piece, [_record(row) for row in sample], known)
        self.tally.preamble_lines += index or 0
        return 0 if index is None else index + 1

    def _found_header(self, sample: Sequence[SheetRow]) -> int | None:
        """The first of the widest rows: surely so if it is the first, or holds names alone with values below."""
        records = [_record(row) for row in sample]
        if self.spec.header:
            return next(
                (index for index, one in enumerate(records) if holds_names(one, self.spec.header)), None
            )
        width = max(record.width for record in records)
        first = next(index for index, record in enumerate(records) if record.width == width)
        return first if first == 0 or has_names_over_values(records, first, any_width=True) else None

    def _last_head_row(self, sample: Sequence[SheetRow], body: int) -> int:
        return sample[body - 1].number if body else sample[0].number - 1

    def _without_footer(
        self, rows: Iterable[tuple[Sequence[str], int]], width: int
    ) -> Iterator[tuple[Sequence[str], int]]:
        """The rows filled up to the table's width; the last ones are looked at before they are let go."""
        kept: deque[tuple[Sequence[str], int]] = deque()
        for row in rows:
            kept.append(row)
            if len(kept) > 2 * MOST_FOOTER_RECORDS:
                yield _filled_up(*kept.popleft(), width)

        def cells_of(index: int) -> Sequence[str]:
            # A sheet keeps no empty cells, so a short row is none of a footer unless it has one cell alone.
            cells, number = kept[index]
            return cells if len(cells) == 1 else _filled_up(cells, number, width)[0]

        start = footer_start(len(kept), cells_of, width, False, self.spec.footer, self.spec.total_labels)
        self.tally.footer_lines += sum(1 for cells, _ in itertools.islice(kept, start, None) if cells)
        yield from (_filled_up(*row, width) for row in itertools.islice(kept, start))


def _record(row: SheetRow) -> Record:
    return Record(row.cells, row.number, row.number)


def _with_gaps(rows: Iterable[SheetRow], last_number: int) -> Iterator[tuple[Sequence[str], int]]:
    """The rows' cells and numbers; rows that are left out in the sheet come as one empty row."""
    for row in rows:
        if row.number > last_number + 1:
            yield (), last_number + 1
        last_number = row.number
        yield row.cells, row.number


def _filled_up(cells: Sequence[str], number: int, width: int) -> tuple[Sequence[str], int]:
    return (*cells, *[""] * (width - len(cells))) if cells else (), number
