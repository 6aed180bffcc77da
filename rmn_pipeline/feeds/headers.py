"""Which record of a table is its header: declared, or found where only one answer is sound."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rmn_pipeline.feeds.byte_streams import Piece
from rmn_pipeline.feeds.formats import ReportFormat

RESERVED_COLUMNS = ("source_file", "source_row", "source_line", "source_total", "source_problem")
DECLARE_HEADER = "Declare `skip_lines` (lines before the header), or in `header` names that stand in it."
# Fewer columns than this are too few to tell a padded preamble line from a header.
FEWEST_PADDED_COLUMNS = 4
MOST_PADDED_CELLS = 2

# Values that hold letters: an amount with its currency code, an ISO timestamp.
_LETTERED_VALUE = re.compile(
    r"[A-Z]{3}\s?-?[\d.,\s]*\d|-?\d[\d.,\s]*[A-Z]{3}|\d{4}-\d\d-\d\d[T ].*", re.IGNORECASE
)


@dataclass(frozen=True)
class Record:
    """One record at the head of a file: its cells, the line it starts in, and where it ends."""

    cells: tuple[str, ...]
    line: int
    end_line: int

    @property
    def width(self) -> int:
        """How many cells it has."""
        return len(self.cells)

    @property
    def filled(self) -> int:
        """How many of its cells hold anything."""
        return sum(1 for cell in self.cells if cell.strip())


def header_index(records: Sequence[Record]) -> int | None:
    """Which of the filled `records` is the header of the table they belong to; None where that is not certain.

    The first record is, if the table is as wide as it. After lines of another width (a preamble), the first
    record of the table's width is, if it holds names alone and values follow.
    """
    if not records:
        return None
    width = table_width(records)
    first = next(index for index, record in enumerate(records) if record.width == width)
    padded = _after_padded_preamble(records, width)
    if padded is not None:
        return padded
    if first == 0:
        return 0
    narrower = all(record.width < width for record in records[:first])
    return first if narrower and has_names_over_values(records, first) else None


def table_width(records: Sequence[Record]) -> int:
    """The width that most records have; of two as frequent, the larger.

    Lines of one cell, a long preamble or footer, do not outnumber a table that the first line or any two belong to.
    """
    counts = Counter(record.width for record in records)
    wider = {width: count for width, count in counts.items() if width > 1}
    if wider and (records[0].width > 1 or max(wider.values()) > 1):
        counts = Counter(wider)
    return max(counts, key=lambda width: (counts[width], width))


def _after_padded_preamble(records: Sequence[Record], width: int) -> int | None:
    """Preamble lines that a spreadsheet has filled up with empty cells: 'Account;Brand X;;;'."""
    if width < FEWEST_PADDED_COLUMNS or records[0].filled > MOST_PADDED_CELLS:
        return None
    for index, record in enumerate(records):
        if record.filled > MOST_PADDED_CELLS:
            found = index > 0 and record.width == width and has_names_over_values(records, index)
            return index if found else None
    return None


def has_names_over_values(records: Sequence[Record], index: int, any_width: bool = False) -> bool:
    """Whether a record holds different names alone, and a record below it (as wide, unless any is) a value."""
    names = [cell.strip().casefold() for cell in records[index].cells]
    if not all(names) or len(set(names)) < len(names) or any(map(looks_like_value, names)):
        return False
    below = [record for record in records[index + 1 :] if any_width or record.width == len(names)]
    return any(looks_like_value(cell) for record in below for cell in record.cells)


def looks_like_value(cell: str) -> bool:
    """Whether a cell is a number, an amount or a date rather than a name."""
    text = cell.strip()
    if not any(map(str.isdigit, text)):
        return False
    return not any(map(str.isalpha, text)) or _LETTERED_VALUE.fullmatch(text) is not None


def holds_names(record: Record, names: Sequence[str]) -> bool:
    """Whether `names` all stand in the record, case and surrounding blanks aside."""
    cells = {cell.strip().casefold() for cell in record.cells}
    return all(name.strip().casefold() in cells for name in names)


def known_header_index(piece: Piece, records: Sequence[Record], known: Sequence[str]) -> int | None:
    """Which record of a later part is the report's header again; None if the part begins with rows at once."""
    for index, record in enumerate(records):
        if tuple(record.cells) == tuple(known):
            return index
        if 2 * len(set(record.cells) & set(known)) > len(known) > 1:
            raise piece.error(
                f"line {record.line} is a header, but not that of the report's first part",
                "Load parts of different reports separately.",
            )
    return None


def column_names(piece: Piece, cells: Sequence[str], spec: ReportFormat) -> tuple[str, ...]:
    """The header as sent. A name twice would make one of two columns unreachable, so it must be declared."""
    taken = [name for name in cells if name in RESERVED_COLUMNS]
    if taken:
        raise piece.error(f"it has a column of its own named {taken[0]!r}", "Rename it before landing.")
    twice = sorted({name for name, count in Counter(cells).items() if count > 1})
    if not twice:
        return tuple(cells)
    if spec.duplicate_headers == "error":
        raise piece.error(
            f"the header names {', '.join(map(repr, twice))} more than once",
            "Declare duplicate_headers: number, and the second is named 'Name (2)'.",
        )
    return _numbered(cells)


def _numbered(cells: Sequence[str]) -> tuple[str, ...]:
    seen: Counter[str] = Counter()
    used = set(cells)
    names: list[str] = []
    for cell in cells:
        seen[cell] += 1
        name = cell
        while name in used and seen[cell] > 1:
            name = f"{cell} ({seen[cell]})"
            seen[cell] += name in used
        used.add(name)
        names.append(name)
    return tuple(names)
