"""An XLSX workbook, read as the packed XML that it is: sheet by name, row by row, in bounded memory.

Spreadsheet libraries build the whole rectangle between a sheet's first and last cell, so that one stray cell far
out takes gigabytes, and they forget number formats, which hold the leading zeros of product codes.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import BinaryIO
from xml.parsers import expat

from rmn_pipeline.feeds.byte_streams import (
    READ_BYTES,
    ZIP_ERRORS,
    Piece,
    check_inflation,
)
from rmn_pipeline.feeds.errors import FeedError
from rmn_pipeline.feeds.xlsx_cells import CellReader, NumberFormat, number_format, unescaped

OLE_MAGIC = bytes.fromhex("d0cf11e0a1b11ae1")
LAST_COLUMN = 16_384
_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]+)")

Attributes = dict[str, str]


@dataclass(frozen=True)
class Sheet:
    """One worksheet: its name, where it lies in the file, whether a person sees it."""

    name: str
    member: str
    is_visible: bool


@dataclass(frozen=True)
class SheetRow:
    """One row that has cells: its number in the sheet, and the cells' texts up to the last that is not empty."""

    number: int
    cells: tuple[str, ...]


class _InconsistentError(Exception):
    """Something in the XML that no workbook has."""


class Workbook:
    """An opened workbook."""

    def __init__(self, piece: Piece, file: BinaryIO) -> None:
        self._piece = piece
        if file.read(len(OLE_MAGIC)) == OLE_MAGIC:
            raise piece.error(
                "it is protected by a password, or an old .xls workbook",
                "Ask for an XLSX file without a password, or save it as one.",
            )
        file.seek(0)
        try:
            self._archive = zipfile.ZipFile(file)
        except ZIP_ERRORS as error:
            raise piece.error(f"not readable as XLSX ({error})") from error
        self._counts_from_1904 = False
        self.sheets = self._read_sheets()
        self._reader: CellReader | None = None

    def rows(self, sheet: Sheet) -> Generator[SheetRow, None, None]:
        """The sheet's rows that hold anything."""
        if self._reader is None:
            self._reader = CellReader(self._read_texts(), self._read_formats(), self._counts_from_1904)
        parser = _RowParser(self._reader)
        for _ in self._parsed(sheet.member, parser.start, parser.end, parser.text):
            yield from parser.taken()

    def _read_sheets(self) -> list[Sheet]:
        targets: dict[str, str] = {}
        found: list[tuple[str, str, bool]] = []

        def start_relation(name: str, attributes: Attributes) -> None:
            if name == "Relationship" and attributes.get("Type", "").endswith("/worksheet"):
                targets[attributes.get("Id", "")] = attributes.get("Target", "")

        def start_sheet(name: str, attributes: Attributes) -> None:
            if name == "sheet":
                relation = next((value for key, value in attributes.items() if key.endswith(":id")), "")
                visible = attributes.get("state", "visible") == "visible"
                found.append((attributes.get("name", ""), relation, visible))
            elif name == "workbookPr":
                self._counts_from_1904 = attributes.get("date1904", "0") in ("1", "true")

        self._read("xl/_rels/workbook.xml.rels", start_relation)
        self._read("xl/workbook.xml", start_sheet)
        return [
            Sheet(name, _member(targets[relation]), visible)
            for name, relation, visible in found
            if relation in targets
        ]

    def _read_texts(self) -> list[str]:
        texts: list[str] = []
        if "xl/sharedStrings.xml" in self._archive.namelist():
            parser = _TextParser(texts)
            for _ in self._parsed("xl/sharedStrings.xml", parser.start, parser.end, parser.text):
                pass
        return texts

    def _read_formats(self) -> list[NumberFormat]:
        codes: dict[int, str] = {}
        numbers: list[int] = []
        inside: list[str] = []

        def end(_: str) -> None:
            inside.pop()

        def start(name: str, attributes: Attributes) -> None:
            inside.append(name)
            if name == "numFmt":
                codes[int(attributes.get("numFmtId", 0))] = attributes.get("formatCode", "")
            elif name == "xf" and "cellXfs" in inside:
                numbers.append(int(attributes.get("numFmtId", 0)))

        if "xl/styles.xml" in self._archive.namelist():
            self._read("xl/styles.xml", start, end)
        return [number_format(number, codes.get(number)) for number in numbers]

    def _read(
        self,
        member: str,
        start: Callable[[str, Attributes], None],
        end: Callable[[str], None] = lambda _: None,
    ) -> None:
        for _ in self._parsed(member, start, end, lambda _: None):
            pass

    def _parsed(
        self,
        member: str,
        start: Callable[[str, Attributes], None],
        end: Callable[[str], None],
        text: Callable[[str], None],
    ) -> Iterator[None]:
        """Feeds a member's XML to the handlers, and stops after each stretch of it."""
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = lambda name, attributes: start(_local(name), attributes)
        parser.EndElementHandler = lambda name: end(_local(name))
        parser.CharacterDataHandler = text
        parser.StartDoctypeDeclHandler = _refuse_doctype
        try:
            info = self._archive.getinfo(member)
            with self._archive.open(info) as stream:
                inflated = 0
                while content := stream.read(READ_BYTES):
                    inflated += len(content)
                    check_inflation(self._piece, max(info.compress_size, 1), inflated)
                    parser.Parse(content, False)
                    yield
                parser.Parse(b"", True)
                yield
        except KeyError as error:
            raise self._error(f"it has no {member}") from error
        except (*ZIP_ERRORS, expat.ExpatError, _InconsistentError, LookupError) as error:
            raise self._error(f"{member}: {error}") from error

    def _error(self, what: str) -> FeedError:
        return self._piece.error(f"not readable as XLSX ({what})", "Fetch the report again.")


def _local(name: str) -> str:
    """The name without its namespace's prefix, which few workbooks have."""
    return name.rpartition(":")[2] if ":" in name else name


def _refuse_doctype(*_: object) -> None:
    raise _InconsistentError("it declares a document type")


def _member(target: str) -> str:
    return target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"xl/{target}")


class _TextParser:
    """Collects shared texts: runs of one text joined, readings of ideographs left out."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts
        self._runs: list[str] = []
        self._takes = False
        self._is_reading = False

    def start(self, name: str, _: Attributes) -> None:
        if name == "si":
            self._runs = []
        elif name == "rPh":
            self._is_reading = True
        elif name == "t":
            self._takes = not self._is_reading

    def end(self, name: str) -> None:
        if name == "si":
            self._texts.append(unescaped("".join(self._runs)))
        elif name == "rPh":
            self._is_reading = False
        elif name == "t":
            self._takes = False

    def text(self, content: str) -> None:
        if self._takes:
            self._runs.append(content)


class _RowParser:
    """Collects a sheet's rows."""

    def __init__(self, reader: CellReader) -> None:
        self._reader = reader
        self._rows: list[SheetRow] = []
        self._number = 0
        self._cells: list[str] = []
        self._column = 0
        self._kind = "n"
        self._style = 0
        self._content: list[str] = []
        self._takes = False
        self._is_reading = False

    def taken(self) -> list[SheetRow]:
        """The rows that are complete, each once."""
        rows, self._rows = self._rows, []
        return rows

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "c":
            self._start_cell(attributes)
        elif name == "v" or (name == "t" and not self._is_reading):
            self._takes = True
        elif name == "row":
            self._number = int(attributes.get("r", self._number + 1))
            self._cells = []
            self._column = 0
        elif name == "rPh":
            self._is_reading = True

    def _start_cell(self, attributes: Attributes) -> None:
        reference = attributes.get("r")
        self._column = _column_of(reference) if reference else self._column + 1
        if not len(self._cells) < self._column <= LAST_COLUMN:
            raise _InconsistentError(f"cell {reference} stands out of order")
        self._kind = attributes.get("t", "n")
        self._style = int(attributes.get("s", 0))
        self._content = []

    def end(self, name: str) -> None:
        if name in ("v", "t"):
            self._takes = False
        elif name == "c":
            self._end_cell()
        elif name == "row":
            if any(self._cells):
                self._rows.append(SheetRow(self._number, tuple(self._cells)))
        elif name == "rPh":
            self._is_reading = False

    def _end_cell(self) -> None:
        content = "".join(self._content)
        text = self._reader.text(self._kind, self._style, content) if content else ""
        if text:
            self._cells.extend([""] * (self._column - 1 - len(self._cells)))
            self._cells.append(text)

    def text(self, content: str) -> None:
        if self._takes:
            self._content.append(content)


def _column_of(reference: str) -> int:
    """The column's number: C5 is in the third."""
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise _InconsistentError(f"{reference!r} is no cell")
    number = 0
    for letter in found[1]:
        number = number * 26 + ord(letter) - 64
    return number
