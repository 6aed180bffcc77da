"""Where in a JSON document the rows lie, and what stands around them: their column names, values for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rmn_pipeline.feeds.byte_streams import Piece
from rmn_pipeline.feeds.formats import ReportFormat
from rmn_pipeline.feeds.json_cursor import JsonCursor

COLUMN_KEYS = (
    "columns", "headers", "header", "fields", "column_names", "columnNames", "columnHeaders", "schema",
)  # fmt: skip
NAME_KEYS = ("name", "id", "key", "header", "field", "columnName", "column", "label")
DEEPEST_ROWS = 4
DEEPEST_LISTS = 20

Path = tuple[str, ...]


@dataclass
class Scope:
    """Values found in one object around the rows, and the scope around that one."""

    parent: Scope | None = None
    values: dict[Path, Any] = field(default_factory=dict)
    depth: int = 0

    def find(self, path: Path) -> tuple[bool, Any]:
        """Whether a value was found under a path, and the value."""
        if path in self.values:
            return True, self.values[path]
        return self.parent.find(path) if self.parent is not None else (False, None)


def dotted(path: str | None) -> Path:
    """'report.rows' as its parts."""
    return tuple(path.split(".")) if path else ()


def wanted_paths(spec: ReportFormat, records: Path) -> tuple[Path, ...]:
    """The values around the rows at `records` that somebody may ask for."""
    columns = (
        [dotted(spec.columns_path)] if spec.columns_path else [(*records[:-1], key) for key in COLUMN_KEYS]
    )
    return (*columns, *map(dotted, spec.envelope_fields))


def row_lists(cursor: JsonCursor, records: Path, wanted: Sequence[Path]) -> Iterator[Scope]:
    """Stops at each list of rows, for the caller to take or skip; scopes are complete when the walk is."""
    yield from _walk(cursor, records, (), wanted, Scope())


def _walk(
    cursor: JsonCursor, records: Path, here: Path, wanted: Sequence[Path], scope: Scope
) -> Iterator[Scope]:
    rest = records[len(here) :]
    sign = cursor.peek()
    if sign == "[" and not rest:
        yield scope
    elif sign == "[":
        depth = scope.depth + 1
        if depth > DEEPEST_LISTS:
            raise cursor.broken("lists nested too deep to be a report", 0)
        for _ in cursor.elements():
            yield from _walk(cursor, records, here, wanted, Scope(scope, depth=depth))
    elif sign == "{" and rest:
        for key in cursor.members():
            path = (*here, key)
            if key == rest[0]:
                yield from _walk(cursor, records, path, wanted, scope)
            else:
                _look_around(cursor, path, wanted, scope)
    elif sign in ("[", "{"):
        raise cursor.broken(f"{'.'.join(here) or 'the document'!r} is no list of rows", 0)
    else:
        cursor.skip()


def _look_around(cursor: JsonCursor, path: Path, wanted: Sequence[Path], scope: Scope) -> None:
    asked = [one for one in wanted if one[: len(path)] == path]
    if not asked:
        cursor.skip()
        return
    value = cursor.value()
    for one in asked:
        found = value
        for key in one[len(path) :]:
            found = found.get(key) if isinstance(found, dict) else None
        scope.values[one] = found


def find_records_path(piece: Piece, cursor: JsonCursor) -> str:
    """The path of the one list of rows that a document holds; several or none is a FeedError."""
    found = [".".join(path) for path in _lists(cursor, ())]
    if len(found) != 1:
        held = " and ".join(map(repr, found[:5])) or "none"
        raise piece.error(
            f"which list holds the rows is not certain: found {held}",
            "Declare records_path, e.g. report.rows.",
        )
    return found[0]


def _lists(cursor: JsonCursor, here: Path) -> Iterator[Path]:
    """The paths of lists whose elements are objects or lists, in objects alone."""
    for key in cursor.members():
        sign = cursor.peek()
        path = (*here, key)
        if sign == "{" and len(path) < DEEPEST_ROWS:
            yield from _lists(cursor, path)
        elif sign == "[" and key not in COLUMN_KEYS:
            if _skip_list(cursor):
                yield path
        else:
            cursor.skip()


def _skip_list(cursor: JsonCursor) -> bool:
    """Moves behind a list; whether its elements can be rows."""
    rows = 0
    others = 0
    for _ in cursor.elements():
        is_row = cursor.peek() in ("{", "[")
        rows += is_row
        others += not is_row
        cursor.skip()
    return rows > 0 and not others


def names_of(piece: Piece, columns: Any) -> tuple[str, ...]:
    """Column names out of what an envelope says of its columns: texts, or objects that have a name."""
    names = [_name(column) for column in columns] if isinstance(columns, list) else []
    if not names or None in names:
        raise piece.error(
            "its rows are lists, and no list of column names was found", "Declare columns_path, or `columns`."
        )
    return tuple(str(name) for name in names)


def _name(column: Any) -> str | None:
    if isinstance(column, dict):
        column = next((column[key] for key in NAME_KEYS if isinstance(column.get(key), str)), None)
    return column if isinstance(column, str) else None
