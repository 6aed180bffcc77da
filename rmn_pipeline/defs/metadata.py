"""What every materialization shows: row counts, column schema, a preview, a plot.

Belongs here: turning frames and figures into Dagster metadata, without confidential columns.
"""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

# Never shown in a preview: Dagster's event log is read by more people than the lake.
CONFIDENTIAL_COLUMNS = frozenset(
    {
        "margin",
        "margin_rate",
        "unit_cost_usd",
        "price",
        "price_usd",
        "stock_level",
        "stock_units",
        "promo_flag",
        "customer_id",
        "geo_detail",
        "raw_row",
    }
)
PREVIEW_ROWS = 8


def table_metadata(frame: pl.DataFrame, preview_rows: int = PREVIEW_ROWS) -> dict[str, Any]:
    """Row count, column schema and a preview of the columns that everybody may see."""
    return {
        "dagster/row_count": frame.height,
        "dagster/column_schema": dg.TableSchema(
            columns=[dg.TableColumn(name=name, type=str(kind)) for name, kind in frame.schema.items()]
        ),
        "preview": dg.MetadataValue.md(markdown_table(public_columns(frame).head(preview_rows))),
    }


def public_columns(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame without confidential columns and without columns that are empty throughout."""
    shown = [
        name for name in frame.columns if name not in CONFIDENTIAL_COLUMNS and not _all_null(frame[name])
    ]
    return frame.select(shown)


def _all_null(column: pl.Series) -> bool:
    return column.len() > 0 and column.null_count() == column.len()


def markdown_table(frame: pl.DataFrame) -> str:
    """A small frame as a Markdown table."""
    if frame.is_empty() or not frame.columns:
        return "_no rows_"
    lines = ["| " + " | ".join(frame.columns) + " |", "|" + " --- |" * frame.width]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in frame.iter_rows()]
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def counts_table(counts: Mapping[str, int | float], key: str, value: str) -> str:
    """A mapping as a two-column Markdown table."""
    rows = [{key: name, value: count} for name, count in counts.items()]
    return markdown_table(pl.DataFrame(rows)) if rows else "_none_"


def image_markdown(png: bytes, alternative: str) -> dg.MarkdownMetadataValue:
    """A PNG inside Markdown, so that it shows in the UI without a file server."""
    return dg.MetadataValue.md(f"![{alternative}](data:image/png;base64,{base64.b64encode(png).decode()})")


def image_file_markdown(path: Path, alternative: str) -> dg.MarkdownMetadataValue:
    """The same from a file."""
    return image_markdown(path.read_bytes(), alternative)
