"""Reports in parts, names that carry facts, and what a source promises of its batches."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rmn_pipeline.feeds import FeedError, PartFacts, ReportFormat, read_report, report_sources
from rmn_pipeline_tests.feeds.reading import frame_of, rows_of, source_of, written

PARTS = r"_part(?P<part>\d+)(?:of(?P<total>\d+))?"
HEAD = "date,item,clicks\n"


def named(folder: Path, texts: dict[str, str]) -> list[Path]:
    return [written(folder, text, name) for name, text in texts.items()]


@pytest.mark.parametrize("second", ["2026,Y,2\n", HEAD + "2026,Y,2\n", "Page 2\n\n" + HEAD + "2026,Y,2\n"])
def test_parts_are_one_report_with_the_header_in_the_first_or_in_all(tmp_path: Path, second: str) -> None:
    texts = {"r_part2of2.csv": second, "r_part1of2.csv": HEAD + "2026,X,1"}
    (source,) = report_sources(named(tmp_path, texts), ReportFormat("csv", parts=PARTS))
    frame = frame_of(source)
    assert frame["item"].to_list() == ["X", "Y"]
    assert frame["source_row"].to_list() == [1, 2]
    assert frame["source_file"].unique().to_list() == ["r_part*of2.csv"]
    assert frame["source_line"].to_list() == [2, second.count("\n")]
    assert [path.name for path in source.paths] == ["r_part1of2.csv", "r_part2of2.csv"]
    assert source.facts.parts == (PartFacts("r_part1of2.csv", 1, 1), PartFacts("r_part2of2.csv", 1, 2))


def test_parts_are_in_the_order_of_their_numbers_and_reports_stay_apart(tmp_path: Path) -> None:
    texts = {f"{name}_part{n}.csv": f"{HEAD}2026,{name}{n},1\n" for n in range(1, 12) for name in "ba"}
    sources = report_sources(named(tmp_path, {**texts, "single.csv": HEAD}), ReportFormat("csv", parts=PARTS))
    assert [source.name for source in sources] == ["a_part*.csv", "b_part*.csv", "single.csv"]
    assert [row[1] for row in rows_of(sources[0])] == [f"a{n}" for n in range(1, 12)]


@pytest.mark.parametrize(
    ("names", "cause"),
    [
        (["r_part1of3.csv", "r_part3of3.csv"], r"r_part\*of3\.csv: part 2 is missing \(2 of 3 came\)"),
        (["r_part1.csv", "r_part4.csv"], "part 2, 3 is missing"),
        (["r_part2.csv"], "part 1 is missing"),
        (["r_part1of1.csv", "r_part2of1.csv"], "part 2 is beyond the 1 that the names promise"),
        (["r_part1.csv", "r_part01.csv"], r"part 1 came twice: r_part0?1\.csv and r_part0?1\.csv"),
    ],
)
def test_a_missing_or_doubled_part_is_named(tmp_path: Path, names: list[str], cause: str) -> None:
    with pytest.raises(FeedError, match=cause):
        report_sources(named(tmp_path, dict.fromkeys(names, HEAD)), ReportFormat("csv", parts=PARTS))


def test_parts_may_be_counted_from_zero(tmp_path: Path) -> None:
    paths = named(tmp_path, {"r_part0of2.csv": HEAD + "2026,X,1\n", "r_part1of2.csv": "2026,Y,1\n"})
    (source,) = report_sources(paths, ReportFormat("csv", parts=PARTS))
    assert len(rows_of(source)) == 2


def test_a_part_with_another_header_is_an_error(tmp_path: Path) -> None:
    texts = {"r_part1.csv": HEAD + "2026,X,1\n", "r_part2.csv": "date,item,views\n2026,Y,2\n"}
    (source,) = report_sources(named(tmp_path, texts), ReportFormat("csv", parts=PARTS))
    with pytest.raises(
        FeedError, match=r"r_part2\.csv: line 1 is a header, but not that of the report's first part"
    ):
        frame_of(source)


def test_parts_may_be_packed_members_of_one_archive(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("r_part1.json", '[{"a": 1}]')
        archive.writestr("r_part2.json", gzip.compress(b'[{"a": 2, "b": 3}]'))
    path = written(tmp_path, content.getvalue(), "r.zip")
    (source,) = report_sources([path], ReportFormat("json", parts=PARTS))
    assert source.name == "r.zip/r_part*.json"
    assert rows_of(source) == [("1", None), ("2", "3")]


def test_names_carry_account_and_period(tmp_path: Path) -> None:
    pattern = r"(?P<account>[a-z]+)_(?P<period>\d{4}-\d{2})(?:_(?P<kind>full))?"
    path = written(tmp_path, HEAD, "acme_2026-03.csv")
    assert source_of(path, format="csv", name_pattern=pattern).name_fields == {
        "account": "acme",
        "period": "2026-03",
    }
    with pytest.raises(FeedError, match=r"the name 'report\.csv' does not fit `name_pattern`"):
        source_of(written(tmp_path, HEAD), format="csv", name_pattern=pattern)


def test_a_members_name_and_its_archives_name_both_count(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("acct=7/data.csv", HEAD)
    path = written(tmp_path, content.getvalue(), "2026-03.zip")
    pattern = r"(?:acct=(?P<account>\d+))|(?P<period>\d{4}-\d{2})"
    assert source_of(path, format="csv", name_pattern=pattern).name_fields == {
        "period": "2026-03",
        "account": "7",
    }


@pytest.mark.parametrize("batch_rows", [1, 2, 3, 100])
def test_batches_have_the_same_columns_and_go_on_counting(tmp_path: Path, batch_rows: int) -> None:
    text = HEAD + "".join(f"2026,X{n},{n}\n" for n in range(5)) + "Total,,10\n"
    source = source_of(written(tmp_path, text))
    batches = list(source.batches(batch_rows))
    assert [batch.height for batch in batches] == [batch_rows] * (6 // batch_rows) + [6 % batch_rows] * (
        6 % batch_rows > 0
    )
    whole = pl.concat(batches)
    assert whole.columns == [
        "date",
        "item",
        "clicks",
        "source_file",
        "source_row",
        "source_line",
        "source_total",
    ]
    assert whole["source_row"].to_list() == list(range(1, 7))
    assert whole["source_total"].to_list() == [False] * 5 + [True]
    assert (source.facts.rows, source.facts.total_rows) == (6, 1)
    # A source may be read again.
    assert pl.concat(source.batches(batch_rows)).equals(whole)


@pytest.mark.parametrize("spec", [ReportFormat("csv"), ReportFormat("csv", ragged_rows="mark")])
def test_a_report_without_rows_is_one_empty_batch_with_its_columns(
    tmp_path: Path, spec: ReportFormat
) -> None:
    (batch,) = source_of(written(tmp_path, HEAD), spec).batches()
    (filled,) = source_of(written(tmp_path, HEAD + "2026,X,1\n", "filled.csv"), spec).batches()
    assert batch.schema == filled.schema
    assert batch.height == 0


def test_what_the_head_says_is_known_after_the_first_batch(tmp_path: Path) -> None:
    source = source_of(written(tmp_path, "Report\n\n" + HEAD + "2026,X,1\n2026,Y,2\n"))
    next(source.batches(1))
    facts = source.facts
    assert (facts.header, facts.delimiter, facts.preamble_lines, facts.rows) == (
        ("date", "item", "clicks"),
        ",",
        2,
        1,
    )


def test_a_batch_of_no_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds none"):
        next(source_of(written(tmp_path, HEAD)).batches(0))


def test_sources_come_by_name_and_path(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    paths = [written(tmp_path / folder, HEAD, name) for folder in "ba" for name in ("y.csv", "x.csv")]
    found = [
        (source.name, source.paths[0].parent.name) for source in report_sources(paths, ReportFormat("csv"))
    ]
    assert found == [("x.csv", "a"), ("x.csv", "b"), ("y.csv", "a"), ("y.csv", "b")]


def test_parquet_parts_must_agree_and_may_be_empty(tmp_path: Path) -> None:
    one = pl.DataFrame({"a": [1], "day": ["x"]})
    for number, frame in enumerate(
        [one, one.clear(), one.with_columns(pl.col("a").cast(pl.String))], start=1
    ):
        frame.write_parquet(tmp_path / f"r_part{number}.parquet")
    spec = ReportFormat("parquet", parts=PARTS)
    (source,) = report_sources(sorted(tmp_path.glob("*.parquet"))[:2], spec)
    assert frame_of(source).schema["a"] == pl.Int64
    (empty,) = report_sources([tmp_path / "r_part2.parquet"], ReportFormat("parquet"))
    assert frame_of(empty).schema["a"] == pl.Int64
    (source,) = report_sources(sorted(tmp_path.glob("*.parquet")), spec)
    with pytest.raises(FeedError, match="columns or their types differ"):
        frame_of(source)


def test_parquet_is_read_by_batches_with_its_own_types(tmp_path: Path) -> None:
    typed = pl.DataFrame({"day": ["2026-03-01"] * 5, "n": range(5), "cost": [1.5] * 5}).with_columns(
        pl.col("day").str.to_date(), pl.col("cost").cast(pl.Decimal(10, 2))
    )
    typed.write_parquet(tmp_path / "r.parquet", row_group_size=2)
    source = source_of(tmp_path / "r.parquet")
    batches = list(source.batches(2))
    assert [batch.height for batch in batches] == [2, 2, 1]
    assert pl.concat(batches).select("day", "n", "cost").equals(typed)
    assert batches[0]["source_line"].to_list() == [None, None]


def test_parquet_with_a_column_twice_needs_numbers(tmp_path: Path) -> None:
    arrays = [pa.array([1]), pa.array([2])]
    pq.write_table(pa.Table.from_arrays(arrays, names=["a", "a"]), tmp_path / "r.parquet")
    with pytest.raises(FeedError, match="names 'a' more than once"):
        frame_of(source_of(tmp_path / "r.parquet"))
    numbered = source_of(tmp_path / "r.parquet", format="parquet", duplicate_headers="number")
    assert rows_of(numbered) == [(1, 2)]


def test_members_with_different_columns_are_not_read_as_one(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a.csv", HEAD)
        archive.writestr("b.csv", "x,y\n1,2\n")
    with pytest.raises(FeedError, match="its members have different columns"):
        read_report(written(tmp_path, content.getvalue(), "r.zip"), ReportFormat("csv"))
