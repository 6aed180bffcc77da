"""Which format a report has, by its first bytes. Only what they prove; the mapping may always say."""

from __future__ import annotations

import json

from rmn_pipeline.feeds.byte_streams import PARQUET_MAGIC, ZIP_MAGICS, Piece, opened
from rmn_pipeline.feeds.formats import ReportFormat
from rmn_pipeline.feeds.text_streams import opened_text
from rmn_pipeline.feeds.xlsx_workbook import OLE_MAGIC


def detected_format(piece: Piece, spec: ReportFormat) -> str:
    """The declared format; for auto the one that the file's begin shows."""
    if spec.format != "auto":
        return spec.format
    with opened(piece) as stream:
        start = stream.read(8)
    if start.startswith(PARQUET_MAGIC):
        return "parquet"
    if start.startswith((*ZIP_MAGICS, OLE_MAGIC)):
        # An archive was opened before; what is still packed here is a workbook.
        return "xlsx"
    with opened_text(piece, spec.encoding) as text:
        head = text.head.decode("utf-8", errors="ignore").lstrip()
    return _text_format(head, spec)


def _text_format(head: str, spec: ReportFormat) -> str:
    if head.startswith("["):
        # '[Report]' is a preamble line; a list of rows goes on with a row, or ends.
        return "json" if head[1:].lstrip()[:1] in ("{", "[", "]") else "csv"
    if not head.startswith("{"):
        return "tsv" if spec.delimiter == "\t" else "csv"
    first_line = head.partition("\n")[0]
    try:
        row = json.loads(first_line)
    except (json.JSONDecodeError, RecursionError):
        return "json"
    holds_rows = any(
        isinstance(value, list) and value and isinstance(value[0], dict) for value in row.values()
    )
    is_envelope = spec.records_path is not None or (holds_rows and not head.partition("\n")[2].strip())
    return "json" if is_envelope else "json_lines"
