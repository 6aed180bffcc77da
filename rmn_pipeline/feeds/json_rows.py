"""Rows of JSON reports: one object (or list) a row, in an array, in an envelope, or one to a line."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import polars as pl

from rmn_pipeline.feeds.byte_streams import FETCH_AGAIN, Piece
from rmn_pipeline.feeds.facts import Tally
from rmn_pipeline.feeds.formats import ReportFormat
from rmn_pipeline.feeds.headers import column_names
from rmn_pipeline.feeds.json_cursor import (
    EXACT_DECODER,
    LARGEST_VALUE_SIGNS,
    READ_BYTES,
    TEXT_DECODER,
    JsonCursor,
    RepeatedKeyError,
    json_text,
)
from rmn_pipeline.feeds.json_envelope import (
    COLUMN_KEYS,
    Scope,
    dotted,
    find_records_path,
    names_of,
    row_lists,
    wanted_paths,
)
from rmn_pipeline.feeds.row_shape import PROBLEM, RowShape
from rmn_pipeline.feeds.text_streams import TextStream, opened_text

# Decoded rows take ten times their text's memory, so they become a frame before they are many.
FRAME_ROWS = 50_000


class JsonRow(NamedTuple):
    """One row as decoded."""

    values: dict[str, Any]
    text: str
    line: int | None = None  # of json_lines alone
    problem: str | None = None  # of a list with more or fewer values than there are columns
    around: Mapping[str, Any] = {}  # what stands around the list of rows that it is in


@dataclass
class JsonRows:
    """The rows of one JSON piece."""

    piece: Piece
    spec: ReportFormat
    format: str
    tally: Tally

    def frames(self, batch_rows: int) -> Iterator[pl.DataFrame]:
        """The rows as text; each frame has the columns that its own rows name, and `source_line`."""
        rows = self._lines() if self.format == "json_lines" else self._document()
        number = 1
        while chunk := list(itertools.islice(rows, min(batch_rows, FRAME_ROWS))):
            yield self._frame(chunk, number)
            number += len(chunk)

    def _lines(self) -> Iterator[JsonRow]:
        with opened_text(self.piece, self.spec.encoding) as stream:
            self.tally.encoding = stream.encoding
            rows = 0
            for number, line in enumerate(_text_lines(self.piece, stream), start=1):
                if not line or line.isspace():
                    self.tally.blank_lines += 1
                    continue
                rows += 1
                value = self._decoded(line, number)
                yield self._row(value, line, number, rows, self.spec.columns)

    def _decoded(self, line: str, number: int) -> Any:
        try:
            return TEXT_DECODER.decode(line)
        except json.JSONDecodeError as error:
            cause = f"broken JSON at line {number}, column {error.colno}: {error.msg}"
            raise self.piece.error(cause, FETCH_AGAIN) from error
        except RepeatedKeyError as error:
            raise self.piece.error(f"broken JSON at line {number}: {error}", FETCH_AGAIN) from error
        except RecursionError as error:
            raise self.piece.error("JSON nested too deep to be a report") from error

    def _document(self) -> Iterator[JsonRow]:
        records = self._records_path()
        around = _Surroundings(self.piece, self.spec, records)
        number = 0
        with opened_text(self.piece, self.spec.encoding) as stream:
            self.tally.encoding = stream.encoding
            cursor = JsonCursor(self.piece, stream)
            for index, _ in enumerate(row_lists(cursor, records, ())):
                fields = around.fields(index) if self.spec.envelope_fields else {}
                for _ in cursor.elements():
                    number += 1
                    columns = around.columns(index) if cursor.peek() == "[" else ()
                    value = cursor.value()
                    row = self._row(value, cursor.value_text(), None, number, columns)
                    yield row._replace(around=fields) if fields else row
            cursor.finish()

    def _records_path(self) -> tuple[str, ...]:
        """Where the rows lie: declared, the document itself if it is a list, or found."""
        if self.spec.records_path is not None:
            return dotted(self.spec.records_path)
        with opened_text(self.piece, self.spec.encoding) as stream:
            cursor = JsonCursor(self.piece, stream)
            if cursor.peek() == "[":
                return ()
            if self.format == "json_array" or cursor.peek() != "{":
                raise self.piece.error(
                    "the JSON is no array",
                    "Declare json_lines if there is one object per line, json with records_path for an envelope.",
                )
            return dotted(find_records_path(self.piece, cursor))

    def _row(self, value: Any, text: str, line: int | None, number: int, columns: tuple[str, ...]) -> JsonRow:
        if type(value) is dict:
            return JsonRow(value, text, line)
        if isinstance(value, list) and columns:
            problem = self._list_problem(value, columns, number)
            return JsonRow(dict(zip(columns, value, strict=False)), text, line, problem)
        raise self.piece.error(
            f"element {number} is no JSON object",
            "A report is a list of objects, one per row; `columns` names the cells of rows that are lists.",
        )

    def _list_problem(self, cells: Sequence[Any], columns: tuple[str, ...], number: int) -> str | None:
        if len(cells) == len(columns):
            return None
        shape = RowShape(self.piece, columns, self.spec.ragged_rows, self.spec.total_labels, unit="row")
        problem = shape.problem([_as_text(cell) or "" for cell in cells], number)
        self.tally.ragged_rows += problem is not None
        return problem

    def _frame(self, rows: list[JsonRow], number: int) -> pl.DataFrame:
        try:
            values = [{**row.around, **row.values} if row.around else row.values for row in rows]
            try:
                columns = self._columns(values)
            except TypeError:
                # Not all values are texts and nulls: seldom, so it is looked at only now.
                plain = (self._plain(row, index) for index, row in enumerate(rows, start=number))
                columns = self._columns(list(plain))
        except UnicodeEncodeError as error:
            raise self.piece.error(f"a text holds half a character ({error.reason})") from error
        except RecursionError as error:
            raise self.piece.error("JSON nested too deep to be a report") from error
        columns.append(pl.Series("source_line", [row.line for row in rows], pl.Int64))
        if self.spec.ragged_rows == "mark":
            columns.append(pl.Series(PROBLEM, [row.problem for row in rows], pl.String))
        return pl.DataFrame(columns)

    def _columns(self, rows: Sequence[dict[str, Any]]) -> list[pl.Series]:
        named = dict.fromkeys(itertools.chain.from_iterable(rows))
        names = column_names(self.piece, tuple(named), self.spec)
        return [pl.Series(name, [row.get(name) for row in rows], dtype=pl.String) for name in names]

    def _plain(self, row: JsonRow, number: int) -> dict[str, str | None]:
        """The row's values as texts: objects spread over columns ({"date": {"value": …}} is 'date.value')."""
        plain: dict[str, str | None] = {}
        for name, value in _spread({**row.around, **self._exact(row)}, ""):
            if name in plain:
                raise self.piece.error(f"element {number} names {name!r} twice, flat and nested")
            plain[name] = _as_text(value)
        return plain

    def _exact(self, row: JsonRow) -> dict[str, Any]:
        """The row's values, decoded again where numbers stand in lists, so that they come back as sent."""
        if not any(isinstance(value, list | dict) for value in row.values.values()):
            return row.values
        value = EXACT_DECODER.decode(row.text.strip())
        return value if isinstance(value, dict) else dict(zip(row.values, value, strict=False))


class _Surroundings:
    """What stands around each list of rows, before or after it: a pass of its own, made when it is asked for."""

    def __init__(self, piece: Piece, spec: ReportFormat, records: tuple[str, ...]) -> None:
        self._piece = piece
        self._spec = spec
        self._records = records
        self._scopes: list[Scope] | None = None
        self._named: dict[int, tuple[str, ...]] = {}

    def columns(self, index: int) -> tuple[str, ...]:
        """The column names of a list's rows that are lists themselves."""
        if self._spec.columns:
            return self._spec.columns
        if index not in self._named:
            self._named[index] = names_of(self._piece, self._sent_columns(self._scope(index)))
        return self._named[index]

    def fields(self, index: int) -> dict[str, Any]:
        """The declared values around a list. One that is not there is a FeedError: it would be null silently."""
        values: dict[str, Any] = {}
        for name in self._spec.envelope_fields:
            was_found, values[name] = self._scope(index).find(dotted(name))
            if not was_found:
                raise self._piece.error(f"there is no {name!r} around its rows", "Correct `envelope_fields`.")
        return values

    def _sent_columns(self, scope: Scope) -> Any:
        if self._spec.columns_path:
            return scope.find(dotted(self._spec.columns_path))[1]
        beside = (scope.find((*self._records[:-1], key)) for key in COLUMN_KEYS)
        return next((value for was_found, value in beside if was_found), None)

    def _scope(self, index: int) -> Scope:
        if self._scopes is None:
            self._scopes = list(self._walked())
        return self._scopes[index]

    def _walked(self) -> Iterator[Scope]:
        with opened_text(self._piece, self._spec.encoding) as stream:
            cursor = JsonCursor(self._piece, stream)
            for scope in row_lists(cursor, self._records, wanted_paths(self._spec, self._records)):
                yield scope
                cursor.skip()


def _text_lines(piece: Piece, stream: TextStream) -> Iterator[str]:
    carried = b""
    while content := stream.read(READ_BYTES):
        *lines, carried = (carried + content).split(b"\n")
        yield from (line.decode("utf-8") for line in lines)
        if len(carried) > LARGEST_VALUE_SIGNS:
            raise piece.error("a line is longer than 64 MiB", "Declare json_array if it is one document.")
    if carried:
        yield carried.decode("utf-8")


def _spread(row: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in row.items():
        if isinstance(value, dict) and value:
            yield from _spread(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", None if isinstance(value, dict) else value


def _as_text(value: Any) -> str | None:
    if value is None or type(value) is str:
        return value
    return json_text(value)
