"""The texts and tables of an HTML page: what a reader sees, and what stands in attributes, scripts and comments."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

# Drawings are long rows of numbers that are nobody's; pictures in the page cannot be read.
_DRAWING_ATTRIBUTES = frozenset(
    {
        "d",
        "points",
        "transform",
        "viewbox",
        "style",
        "class",
        "id",
        "x",
        "y",
        "x1",
        "x2",
        "y1",
        "y2",
        "cx",
        "cy",
        "r",
    }
    | {"width", "height", "xmlns", "clip-path", "stroke-dasharray", "fill", "stroke"}
)
_PICTURE = "data:image/"
_CELLS = frozenset({"td", "th"})


@dataclass
class PageTable:
    """One table: values by column name, and the line of each row."""

    columns: dict[str, list[str | None]] = field(default_factory=dict)
    lines: list[int] = field(default_factory=list)


@dataclass
class Page:
    """Texts with their lines, and tables."""

    texts: list[tuple[int, str]] = field(default_factory=list)
    tables: list[PageTable] = field(default_factory=list)


def read_html(source: str) -> Page:
    """The texts and tables of a page."""
    reader = _Reader()
    reader.feed(source)
    reader.close()
    return Page(reader.texts, [_table(rows) for rows in reader.tables if rows])


@dataclass
class _Row:
    line: int
    cells: list[str] = field(default_factory=list)
    is_header: bool = True


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[tuple[int, str]] = []
        self.tables: list[list[_Row]] = []
        self._open_tables: list[list[_Row]] = []
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._keep_attributes(attrs)
        if tag == "table":
            self.tables.append([])
            self._open_tables.append(self.tables[-1])
        elif tag == "tr" and self._open_tables:
            self._open_tables[-1].append(_Row(self.getpos()[0]))
        elif tag in _CELLS and self._open_tables and self._open_tables[-1]:
            row = self._open_tables[-1][-1]
            row.is_header = row.is_header and tag == "th"
            row.cells += [""] * _span(attrs)
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "table" and self._open_tables:
            self._open_tables.pop()
        if tag in _CELLS or tag == "table":
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        self._keep(data)
        if self._in_cell and self._open_tables and self._open_tables[-1] and self._open_tables[-1][-1].cells:
            cells = self._open_tables[-1][-1].cells
            cells[-1] = f"{cells[-1]} {data.strip()}".strip()

    def handle_comment(self, data: str) -> None:
        self._keep(data)

    def _keep_attributes(self, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name not in _DRAWING_ATTRIBUTES and not value.startswith(_PICTURE):
                self._keep(value)

    def _keep(self, text: str) -> None:
        line = self.getpos()[0]
        for offset, part in enumerate(text.split("\n")):
            if part.strip():
                self.texts.append((line + offset, part.strip()))


def _span(attrs: list[tuple[str, str | None]]) -> int:
    declared = dict(attrs).get("colspan") or "1"
    return int(declared) if declared.isdigit() and 0 < int(declared) <= 1000 else 1


def _table(rows: list[_Row]) -> PageTable:
    """Columns named by the last row of headers; columns without one by their number."""
    headers = [row for row in rows if row.is_header and row.cells]
    body = [row for row in rows if not row.is_header]
    width = max((len(row.cells) for row in rows), default=0)
    named = headers[-1].cells if headers else []
    names: list[str] = []
    for place in range(width):
        name = named[place] if place < len(named) and named[place] else f"column {place + 1}"
        names.append(name if name not in names else f"{name} ({place + 1})")
    columns: dict[str, list[str | None]] = {
        name: [row.cells[place] if place < len(row.cells) else None for row in body]
        for place, name in enumerate(names)
    }
    return PageTable(columns, [row.line for row in body])
