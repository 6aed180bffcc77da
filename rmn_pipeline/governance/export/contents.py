"""What stands in a table or file, as columns of values with names and records of values that belong together.

Read are data frames, Parquet, CSV, TSV, JSON, JSON lines, HTML, Markdown and plain text. A file of any other kind
cannot be looked into and is refused: what nobody can read nobody can release.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from rmn_pipeline.governance.errors import ExportRefused
from rmn_pipeline.governance.export.html_text import read_html

BATCH_ROWS = 50_000


@dataclass(frozen=True)
class Part:
    """A part of an export: columns of values, and how a row of them is called.

    Rows of a table are called by their number, those of a page or a document by what `places` says.
    """

    frame: pl.DataFrame
    first_row: int = 1
    places: tuple[str, ...] | None = None

    def place(self, row: int, column: str | None = None) -> str:
        """How a person finds a cell, or a row."""
        where = self.places[row] if self.places is not None else f"row {self.first_row + row}"
        return f"column {column}, {where}" if column else where


def read_contents(export: pl.DataFrame | Path | str) -> Iterator[Part]:
    """Everything in a table or file, part by part.

    Raises:
        ExportRefused: the file is missing, broken, or of a kind that cannot be looked into.
    """
    if isinstance(export, pl.DataFrame):
        yield from _sliced(export)
        return
    path = Path(export)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ExportRefused(
            f"{path}: a file of kind {path.suffix or 'without suffix'!r} cannot be looked into, so it is not released; "
            f"export one of {', '.join(sorted(_READERS))}"
        )
    if not path.is_file():
        raise ExportRefused(f"{path}: there is no such file to release; write it first")
    try:
        yield from reader(path)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        cause = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ExportRefused(f"{path}: cannot be read as {path.suffix} ({cause}); write it anew") from error


def _sliced(frame: pl.DataFrame) -> Iterator[Part]:
    for start in range(0, max(frame.height, 1), BATCH_ROWS):
        yield Part(_without_nesting(frame.slice(start, BATCH_ROWS)), first_row=start + 1)


def _without_nesting(frame: pl.DataFrame) -> pl.DataFrame:
    """Lists, structs and bytes as text, so that nothing hides in them."""
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested() or dtype == pl.Binary]
    as_text = [
        pl.Series(
            name, [None if value is None else _text(value) for value in frame[name].to_list()], pl.String
        )
        for name in nested
    ]
    return frame.with_columns(as_text)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else json.dumps(value, default=str)


def _parquet(path: Path) -> Iterator[Part]:
    yield from _batches(pl.scan_parquet(path, hive_partitioning=False))


def _csv(separator: str) -> Callable[[Path], Iterator[Part]]:
    def read(path: Path) -> Iterator[Part]:
        yield from _batches(pl.scan_csv(path, separator=separator, infer_schema=False))

    return read


def _batches(lazy: pl.LazyFrame) -> Iterator[Part]:
    first_row = 1
    for batch in lazy.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True):
        yield Part(_without_nesting(batch), first_row=first_row)
        first_row += batch.height


def _json(path: Path) -> Iterator[Part]:
    yield from _records(_objects("$", json.loads(path.read_text(encoding="utf-8"))))


def _json_lines(path: Path) -> Iterator[Part]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield from _records(_objects(f"line {number}", json.loads(line)))


def _objects(path: str, value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object in a JSON value with its path: its own plain values, lists of plain values among them."""
    if isinstance(value, dict):
        own = {key: item for key, item in value.items() if not _is_nested(item)}
        if own:
            yield path, own
        for key, item in value.items():
            if _is_nested(item):
                yield from _objects(f"{path}.{key}", item)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _objects(f"{path}[{place}]", item)
    else:
        yield path, {"": value}


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(item, dict | list) for item in value)
    )


def _records(objects: Iterator[tuple[str, dict[str, Any]]]) -> Iterator[Part]:
    """Objects with the same keys are rows of one part."""
    by_keys: dict[tuple[str, ...], list[tuple[str, dict[str, Any]]]] = {}
    for path, own in objects:
        by_keys.setdefault(tuple(own), []).append((path, own))
    for keys, rows in by_keys.items():
        columns = {key: [_scalar(own[key]) for _, own in rows] for key in keys}
        frame = pl.DataFrame({key: pl.Series(values, dtype=pl.String) for key, values in columns.items()})
        places = tuple(path for path, _ in rows)
        yield Part(frame, places=places)


def _scalar(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _html(path: Path) -> Iterator[Part]:
    page = read_html(path.read_text(encoding="utf-8"))
    yield Part(
        pl.DataFrame({"text": pl.Series([text for _, text in page.texts], dtype=pl.String)}),
        places=tuple(f"line {line}" for line, _ in page.texts),
    )
    for table in page.tables:
        yield Part(
            pl.DataFrame(
                {name: pl.Series(values, dtype=pl.String) for name, values in table.columns.items()}
            ),
            places=tuple(f"line {line}" for line in table.lines),
        )


def _lines(path: Path) -> Iterator[Part]:
    lines = path.read_text(encoding="utf-8").splitlines()
    yield Part(
        pl.DataFrame({"text": pl.Series(lines, dtype=pl.String)}),
        places=tuple(f"line {number}" for number in range(1, len(lines) + 1)),
    )


_READERS: dict[str, Callable[[Path], Iterator[Part]]] = {
    ".parquet": _parquet,
    ".csv": _csv(","),
    ".tsv": _csv("\t"),
    ".json": _json,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".html": _html,
    ".md": _lines,
    ".txt": _lines,
}
