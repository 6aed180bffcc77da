"""Previews: readable, and without confidential columns."""

import polars as pl

from rmn_pipeline.defs.metadata import CONFIDENTIAL_COLUMNS, markdown_table, public_columns, table_metadata


def test_confidential_columns_are_in_the_schema_but_never_in_the_preview() -> None:
    frame = pl.DataFrame({"sku_id": ["1"], "margin": [0.123], "customer_id": ["c-9"], "cost": [1.5]})
    metadata = table_metadata(frame)
    shown = metadata["preview"].md_str
    assert "0.123" not in shown and "c-9" not in shown and "1.5" in shown
    assert [column.name for column in metadata["dagster/column_schema"].columns] == frame.columns
    assert {"margin", "customer_id"} <= CONFIDENTIAL_COLUMNS


def test_columns_that_are_empty_throughout_are_not_shown() -> None:
    frame = pl.DataFrame({"a": [1], "b": [None]}, schema={"a": pl.Int64, "b": pl.String})
    assert public_columns(frame).columns == ["a"]


def test_a_cell_cannot_break_the_table() -> None:
    text = markdown_table(pl.DataFrame({"name": ["a|b\nc"]}))
    assert text.splitlines()[2] == "| a\\|b c |"


def test_an_empty_frame_says_so() -> None:
    assert markdown_table(pl.DataFrame({"a": []})) == "_no rows_"
