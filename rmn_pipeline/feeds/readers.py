"""Readers for what networks send. Text formats come back as text: typing is the mapping's work, not a guess."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import itertools
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from rmn_pipeline.feeds.errors import FeedError

FileFormat = Literal["csv", "tsv", "json_array", "json_lines", "parquet"]
Compression = Literal["auto", "none", "gzip"]

GZIP_MAGIC = b"\x1f\x8b"
SOURCE_COLUMNS = ("source_file", "source_row")


@dataclass(frozen=True)
class ReportFormat:
    """How a report file is written. `compression="auto"` looks at the first two bytes."""

    format: FileFormat
    compression: Compression = "auto"
    encoding: str = "utf-8"
    delimiter: str | None = None
    # Named groups become the source's `name_fields`: account, period, as_of …
    name_pattern: str | None = None


def _raw_bytes(path: Path, compression: Compression) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FeedError(
            path, f"cannot be read ({error.strerror})", "Check that it exists and is readable."
        ) from error
    if not content:
        raise FeedError(path, "the file is empty (0 bytes)", "Fetch the report again.")
    is_gzip = content.startswith(GZIP_MAGIC)
    if compression == "gzip" and not is_gzip:
        raise FeedError(
            path, "declared as gzip, but it does not start like one", "Declare compression: none, or auto."
        )
    return _gunzip(path, content) if is_gzip and compression != "none" else content


def _gunzip(path: Path, content: bytes) -> bytes:
    try:
        plain = gzip.decompress(content)
    except EOFError as error:
        raise FeedError(
            path, "the gzip stream ends too early (truncated download)", "Fetch the report again."
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise FeedError(path, f"the gzip stream is corrupt ({error})", "Fetch the report again.") from error
    if not plain:
        raise FeedError(path, "the gzip stream holds nothing (0 bytes)", "Fetch the report again.")
    return plain


def _decoded(path: Path, content: bytes, encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
    except LookupError as error:
        raise FeedError(
            path, f"unknown encoding '{encoding}'", "Declare one that Python knows, e.g. utf-8 or cp1252."
        ) from error
    try:
        text = content.decode("utf-8-sig" if name == "utf-8" else name)
    except UnicodeDecodeError as error:
        raise FeedError(
            path,
            f"byte {error.start} is not valid {encoding}",
            "Declare the encoding that the network uses (often cp1252) in the mapping's source.",
        ) from error
    if not text.strip():
        raise FeedError(path, "the file holds nothing but blanks", "Fetch the report again.")
    return text


def _read_delimited(path: Path, text: str, delimiter: str) -> pl.DataFrame:
    _check_header(path, text, delimiter)
    try:
        return pl.read_csv(
            io.BytesIO(text.encode("utf-8")), separator=delimiter, infer_schema=False, quote_char='"'
        )
    except pl.exceptions.PolarsError as error:
        first_line = str(error).strip().splitlines()[0]
        raise FeedError(
            path,
            f"not readable as text separated by {delimiter!r} ({first_line})",
            "Check the delimiter and the quoting, or fetch the report again.",
        ) from error


def _check_header(path: Path, text: str, delimiter: str) -> None:
    """A header twice would make one of the two columns unreachable, so it is an error."""
    try:
        header = next(csv.reader(io.StringIO(text), delimiter=delimiter))
    except (csv.Error, StopIteration) as error:
        raise FeedError(path, f"no header line could be read ({error})", "Fetch the report again.") from error
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise FeedError(
            path, f"the header names {', '.join(map(repr, twice))} more than once", "Rename one of them."
        )


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _text_column(name: str, rows: list[dict[str, Any]]) -> pl.Series:
    values = [row.get(name) for row in rows]
    if not all(value is None or type(value) is str for value in values):
        values = [_as_text(value) for value in values]
    return pl.Series(name, values, dtype=pl.String)


def _frame_of_objects(path: Path, rows: list[Any]) -> pl.DataFrame:
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise FeedError(
                path, f"element {number} is no JSON object", "A report is a list of objects, one per row."
            )
    names = dict.fromkeys(itertools.chain.from_iterable(rows))
    try:
        return pl.DataFrame([_text_column(name, rows) for name in names])
    except UnicodeEncodeError as error:
        raise FeedError(
            path, f"a text holds half a character ({error.reason})", "Fetch the report again."
        ) from error


def _parse_json(path: Path, text: str, where: str = "") -> Any:
    try:
        # Numbers stay the text that was sent: 31.80 and an 18-digit id survive unchanged.
        return json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except json.JSONDecodeError as error:
        line = where or f"line {error.lineno}, column {error.colno}"
        raise FeedError(path, f"broken JSON at {line}: {error.msg}", "Fetch the report again.") from error
    except RecursionError as error:
        raise FeedError(path, "JSON nested too deep to be a report", "Fetch the report again.") from error


def _read_json_array(path: Path, text: str) -> pl.DataFrame:
    content = _parse_json(path, text)
    if not isinstance(content, list):
        raise FeedError(path, "the JSON is no array", "Declare json_lines if there is one object per line.")
    return _frame_of_objects(path, content)


def _read_json_lines(path: Path, text: str) -> pl.DataFrame:
    rows = [
        _parse_json(path, line, where=f"line {number}")
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip()
    ]
    return _frame_of_objects(path, rows)


def _read_parquet(path: Path, content: bytes) -> pl.DataFrame:
    try:
        return pl.read_parquet(io.BytesIO(content))
    except pl.exceptions.PolarsError as error:
        raise FeedError(path, f"not readable as Parquet ({error})", "Fetch the report again.") from error


def _read_text(path: Path, content: bytes, spec: ReportFormat) -> pl.DataFrame:
    text = _decoded(path, content, spec.encoding)
    readers: dict[str, Callable[[], pl.DataFrame]] = {
        "csv": lambda: _read_delimited(path, text, spec.delimiter or ","),
        "tsv": lambda: _read_delimited(path, text, spec.delimiter or "\t"),
        "json_array": lambda: _read_json_array(path, text),
        "json_lines": lambda: _read_json_lines(path, text),
    }
    return readers[spec.format]()


def read_report(path: Path | str, spec: ReportFormat) -> pl.DataFrame:
    """The rows of one report file, as sent, with `source_file` (name) and `source_row` (1-based) added.

    Every column of a text format is text (null where the field was empty); Parquet keeps its own types.
    """
    file = Path(path)
    content = _raw_bytes(file, spec.compression)
    frame = _read_parquet(file, content) if spec.format == "parquet" else _read_text(file, content, spec)
    taken = [name for name in SOURCE_COLUMNS if name in frame.columns]
    if taken:
        raise FeedError(file, f"has a column of its own named {taken[0]!r}", "Rename it before landing.")
    return frame.with_columns(
        pl.lit(file.name).alias("source_file"),
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("source_row"),
    )
