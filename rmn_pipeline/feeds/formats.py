"""How a network writes its reports: the one declaration that every reader takes."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rmn_pipeline.feeds.errors import FeedError

FileFormat = Literal["auto", "csv", "tsv", "json", "json_array", "json_lines", "parquet", "xlsx"]
Compression = Literal["auto", "none", "gzip", "zip"]
RaggedRows = Literal["error", "fill", "mark"]
DuplicateHeaders = Literal["error", "number"]

# Python knows these as text encodings, but no file is written in them.
NO_FILE_ENCODINGS = frozenset({"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"})


@dataclass(frozen=True)
class ReportFormat:
    """How report files are written. What has a default is found in the file itself, where that is safe."""

    # auto: Parquet and XLSX by their first bytes, JSON by its first sign, delimited text otherwise.
    format: FileFormat
    # auto: gzip and zip by their first bytes (a zipped XLSX is one file, not an archive).
    compression: Compression = "auto"
    # auto: a byte order mark decides; without one the file must be UTF-8. Single-byte code pages and UTF-16
    # without a mark are never guessed: any byte is a valid cp1252 letter, so a guess could not be checked.
    encoding: str = "auto"
    # None: tab for tsv; for csv the one of comma, semicolon, tab and pipe that the head of the file agrees on.
    delimiter: str | None = None
    # Searched in the file's name (in an archive: the member's, then the archive's). Its named groups become
    # the source's `name_fields`: account, period, as_of …
    name_pattern: str | None = None
    # Which members of a zip archive hold a report: globs, any of which may fit (on path or bare name).
    members: str | tuple[str, ...] = "*"
    # What encloses fields that hold a delimiter or a line end; "" where the network never quotes.
    quote: str = '"'
    # Physical lines before the header line. None: found.
    skip_lines: int | None = None
    # Names that stand in the header line: it is the first line that holds them all. (): found.
    header: tuple[str, ...] = ()
    # The columns' names, for files that have no header line and for JSON rows that are bare lists.
    columns: tuple[str, ...] = ()
    # Pattern of the first line after the last row; that line and all after it are no rows. None: found.
    footer: str | None = None
    # What the first filled cell of a total row says, case and blanks folded. None: the usual words in many
    # languages, and only on rows whose other cells are numbers or empty. (): no row is a total.
    total_labels: tuple[str, ...] | None = None
    # A row with more or fewer cells than the header. error: the file is refused, and the line named. fill:
    # missing cells are empty; surplus cells must be empty and go. mark: as fill, but surplus text goes too,
    # and the column `source_problem` says so (null for sound rows).
    ragged_rows: RaggedRows = "error"
    # A header name that comes twice. number: the second 'Cost' is named 'Cost (2)'.
    duplicate_headers: DuplicateHeaders = "error"
    # Pattern with the groups (?P<part>…) and, where names have it, (?P<total>…): files whose names differ
    # in these numbers alone are one report, in the order of the part numbers.
    parts: str | None = None
    # Where the rows of a JSON document lie: 'report.rows'. Lists on the way are walked through.
    records_path: str | None = None
    # Where the column names of rows that are lists lie. None: beside the rows, under a usual name.
    columns_path: str | None = None
    # Dotted paths of values around the rows, given to every row under the same dotted name.
    envelope_fields: tuple[str, ...] = ()
    # Name of the XLSX sheet. None: the only one, or the only visible one that holds anything.
    sheet: str | None = None


def check_format(spec: ReportFormat, path: Path) -> None:
    """A declaration that cannot be meant is an error before any file is opened."""
    _check_characters(spec, path)
    _check_encoding(spec.encoding, path)
    for name in ("name_pattern", "footer", "parts"):
        _check_pattern(name, getattr(spec, name), path)
    if spec.parts is not None and "part" not in re.compile(spec.parts).groupindex:
        raise FeedError(path, "`parts` has no group named part", "Write the number as (?P<part>[0-9]+).")
    if spec.skip_lines is not None and spec.skip_lines < 0:
        raise FeedError(path, "`skip_lines` is below 0", "Declare how many lines stand before the header.")
    if spec.header and spec.columns:
        raise FeedError(
            path,
            "`header` and `columns` are both declared",
            "`columns` is for files without a header line.",
        )
    if len(set(spec.columns)) < len(spec.columns):
        raise FeedError(path, "`columns` names a column twice", "Give every column a name of its own.")


def _check_characters(spec: ReportFormat, path: Path) -> None:
    delimiter, quote = spec.delimiter, spec.quote
    if delimiter is not None and not _is_single_sign(delimiter):
        raise FeedError(
            path, f"{delimiter!r} cannot be a delimiter", "Declare one ASCII character, e.g. ',' or ';'."
        )
    if quote and (not _is_single_sign(quote) or quote == "\t"):
        raise FeedError(path, f"{quote!r} cannot be a quote", "Declare one ASCII character, or '' for none.")
    if quote and quote == delimiter:
        raise FeedError(path, f"{quote!r} cannot be delimiter and quote", "Declare two different characters.")


def _is_single_sign(text: str) -> bool:
    return len(text) == 1 and text.isascii() and text not in "\r\n\0 "


def _check_encoding(encoding: str, path: Path) -> None:
    if encoding == "auto":
        return
    mend = "Declare one that Python knows, e.g. utf-8, utf-16-le or cp1252."
    try:
        info = codecs.lookup(encoding)
        # Refuses what turns text into text or bytes into bytes.
        b"text".decode(encoding, errors="replace")
    except (LookupError, UnicodeError, ValueError) as error:
        raise FeedError(path, f"unknown encoding {encoding!r}", mend) from error
    if info.name in NO_FILE_ENCODINGS or info.incrementaldecoder is None:
        raise FeedError(path, f"{encoding!r} is no encoding of text files", mend)


def _check_pattern(name: str, pattern: str | None, path: Path) -> None:
    try:
        re.compile(pattern or "")
    except re.error as error:
        raise FeedError(
            path, f"`{name}` is no regular expression ({error})", "Correct the pattern."
        ) from error
