"""Parquet files with constant columns: every reader finds what Polars itself would have written."""

from __future__ import annotations

import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmn_pipeline.rmis.constant_columns import write_parquet_compactly
from rmn_pipeline.rmis.spill import compact
from rmn_pipeline.rmis.thrift_compact import decode, encode

VALUES: dict[pl.DataType, st.SearchStrategy[Any]] = {
    pl.String(): st.text(st.characters(exclude_categories=("Cs",)), max_size=20),
    pl.Int64(): st.integers(-(2**63), 2**63 - 1),
    pl.Float64(): st.floats(allow_nan=True),
    pl.Date(): st.dates(date(1800, 1, 1), date(2300, 1, 1)),
    pl.Boolean(): st.booleans(),
    pl.Datetime("us", "UTC"): st.datetimes(
        datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)
    ),
}


def footer_of(path: Path) -> bytes:
    content = path.read_bytes()
    length = int.from_bytes(content[-8:-4], "little")
    return content[-8 - length : -8]


@st.composite
def tables(draw: st.DrawFn) -> pl.DataFrame:
    height = draw(st.integers(1, 5))
    columns = []
    for number, dtype in enumerate(draw(st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=6))):
        value = VALUES[dtype] | st.none()
        if draw(st.booleans()):
            values = [draw(value)] * height
        else:
            values = draw(st.lists(value, min_size=height, max_size=height))
        columns.append(pl.Series(f"c{number}", values, dtype=dtype))
    return pl.DataFrame(columns)


@settings(max_examples=80, deadline=None)
@given(table=tables())
def test_three_readers_find_what_polars_writes(table: pl.DataFrame) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder) / "ours.parquet", Path(folder) / "theirs.parquet"
        write_parquet_compactly(compact(table), ours, 1)
        table.write_parquet(theirs)
        assert pl.read_parquet(ours).equals(table)
        assert pl.read_parquet(ours).schema == table.schema
        assert pq.read_table(ours).schema == pq.read_table(theirs).schema
        assert pl.DataFrame(pq.read_table(ours)).equals(pl.DataFrame(pq.read_table(theirs)))
        with duckdb.connect() as connection:
            found = [connection.sql(f"SELECT * FROM '{path}'") for path in (ours, theirs)]
            assert found[0].types == found[1].types
            assert str(found[0].fetchall()) == str(found[1].fetchall())


@pytest.mark.parametrize("rows", [1, 63, 64, 65, 20_000, 300_000])
def test_any_number_of_rows_and_row_groups_is_right(tmp_path: Path, rows: int) -> None:
    table = pl.DataFrame({"id": range(rows)}).with_columns(
        shop=pl.lit("shop"),
        day=pl.lit(date(2026, 1, 5)),
        none=pl.lit(None, pl.String),
        n=pl.lit(-7, pl.Int64),
    )
    path = tmp_path / "table.parquet"
    write_parquet_compactly(compact(table), path, 1)
    assert pl.read_parquet(path).equals(table)
    metadata = pq.ParquetFile(path).metadata
    assert metadata.num_row_groups == (1 if rows < 250_000 else metadata.num_row_groups)
    assert metadata.num_rows == rows
    assert pq.read_table(path, columns=["shop", "none"]).num_rows == rows
    with duckdb.connect() as connection:
        counted = connection.sql(
            f"SELECT count(*), count(none), sum(n), min(day) FROM '{path}' WHERE shop = 'shop'"
        )
        assert counted.fetchall() == [(rows, 0, -7 * rows, date(2026, 1, 5))]


def test_statistics_let_readers_skip_and_never_skip_too_much(tmp_path: Path) -> None:
    table = pl.DataFrame({"id": [1, 2]}).with_columns(shop=pl.lit("b"), day=pl.lit(date(2026, 1, 5)))
    path = tmp_path / "table.parquet"
    write_parquet_compactly(compact(table), path, 1)
    statistics = pq.ParquetFile(path).metadata.row_group(0).column(1).statistics
    assert (statistics.min, statistics.max, statistics.null_count) == ("b", "b", 0)
    scan = pl.scan_parquet(path)
    assert scan.filter(pl.col("shop") == "b", pl.col("day") >= date(2026, 1, 5)).collect().equals(table)
    assert scan.filter(pl.col("shop") > "b").collect().is_empty()
    assert scan.filter(pl.col("day") < date(2026, 1, 5)).collect().is_empty()


def test_constants_cost_no_room(tmp_path: Path) -> None:
    table = pl.DataFrame({"id": range(10_000)})
    write_parquet_compactly(compact(table), tmp_path / "few.parquet", 1)
    wide = table.with_columns(pl.lit("a constant text").alias(f"c{number}") for number in range(20))
    write_parquet_compactly(compact(wide), tmp_path / "many.parquet", 1)
    sizes = [(tmp_path / name).stat().st_size for name in ("few.parquet", "many.parquet")]
    assert sizes[1] - sizes[0] < 20 * 400


def test_a_footer_survives_decoding_and_encoding_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    frame = pl.DataFrame({"text": ["a", None], "list": [[1], []], "flag": [True, False], "x": [1.5, -0.0]})
    frame.write_parquet(path)
    assert encode(decode(footer_of(path))) == footer_of(path)
    pq.write_table(frame.to_arrow(), path)
    assert encode(decode(footer_of(path))) == footer_of(path)
