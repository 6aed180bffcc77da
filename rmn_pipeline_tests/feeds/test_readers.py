"""What the readers promise: text as sent, rows numbered, and one clear error for whatever is broken."""

from __future__ import annotations

import gzip
import json
import pickle
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rmn_pipeline.feeds import FeedError, FileFormat, ReportFormat, read_report

CSV = ReportFormat("csv")
ROWS = [{"id": 158410630682987123, "cost": 31.80, "name": "tè", "note": None, "on": True}]


def written(tmp_path: Path, content: bytes, name: str = "report.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def test_csv_columns_stay_text_and_rows_are_numbered(tmp_path: Path) -> None:
    frame = read_report(written(tmp_path, b"upc,cost\n0742676234104,1.50\n7.42676E+11,\n"), CSV)
    assert frame["upc"].to_list() == ["0742676234104", "7.42676E+11"]
    assert frame["cost"].to_list() == ["1.50", None]
    assert frame["source_file"].to_list() == ["report.csv", "report.csv"]
    assert frame["source_row"].to_list() == [1, 2]


@pytest.mark.parametrize("spec", [CSV, ReportFormat("csv", compression="gzip")])
def test_gzipped_csv_is_recognized_and_can_be_declared(tmp_path: Path, spec: ReportFormat) -> None:
    frame = read_report(written(tmp_path, gzip.compress(b"a,b\n1,2\n"), "r.csv.gz"), spec)
    assert frame.row(0) == ("1", "2", "r.csv.gz", 1)


def test_a_byte_order_mark_is_no_part_of_the_first_header(tmp_path: Path) -> None:
    assert read_report(written(tmp_path, b"\xef\xbb\xbfdate,b\n1,2\n"), CSV).columns[0] == "date"


def test_tab_and_semicolon_separated_files_are_read(tmp_path: Path) -> None:
    assert read_report(written(tmp_path, b"a\tb\n1\t2\n"), ReportFormat("tsv"))["b"].to_list() == ["2"]
    semicolon = ReportFormat("csv", delimiter=";")
    assert read_report(written(tmp_path, b"a;b\n1,5;2\n"), semicolon)["a"].to_list() == ["1,5"]


def test_cp1252_is_read_when_declared_and_refused_when_not(tmp_path: Path) -> None:
    path = written(tmp_path, "name;spesa\ntè;€ 31,84\n".encode("cp1252"))
    frame = read_report(path, ReportFormat("csv", encoding="cp1252", delimiter=";"))
    assert frame.row(0)[:2] == ("tè", "€ 31,84")
    with pytest.raises(FeedError, match=r"byte 12 is not valid utf-8.*cp1252"):
        read_report(path, ReportFormat("csv", delimiter=";"))


def test_crlf_and_a_missing_final_newline_change_nothing(tmp_path: Path) -> None:
    assert read_report(written(tmp_path, b"a,b\r\n1,2\r\n3,4"), CSV)["b"].to_list() == ["2", "4"]


def test_a_header_without_rows_is_an_empty_frame(tmp_path: Path) -> None:
    frame = read_report(written(tmp_path, b"a,b\n"), CSV)
    assert frame.shape == (0, 4)


@pytest.mark.parametrize("file_format", ["json_array", "json_lines"])
def test_json_numbers_keep_the_text_that_was_sent(tmp_path: Path, file_format: FileFormat) -> None:
    text = '{"id": 158410630682987123, "cost": 31.80, "upc": 7.42676E+11, "on": true, "tags": [1], "x": null}'
    content = f"[{text}]" if file_format == "json_array" else f"{text}\n\n"
    frame = read_report(written(tmp_path, content.encode(), "r.json"), ReportFormat(file_format))
    assert frame.row(0)[:6] == ("158410630682987123", "31.80", "7.42676E+11", "true", "[1]", None)


def test_json_objects_may_differ_in_their_keys(tmp_path: Path) -> None:
    path = written(tmp_path, b'[{"a": "1"}, {"a": null, "b": 2}]', "r.json")
    assert read_report(path, ReportFormat("json_array"))["b"].to_list() == [None, "2"]


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1, 2]}).write_parquet(tmp_path / "r.parquet")
    frame = read_report(tmp_path / "r.parquet", ReportFormat("parquet"))
    assert frame.schema["a"] == pl.Int64
    assert frame["source_row"].to_list() == [1, 2]


GZIPPED = gzip.compress(json.dumps(ROWS * 50).encode())


@pytest.mark.parametrize(
    ("content", "spec", "cause"),
    [
        (b"", CSV, "empty"),
        (b" \n \n", CSV, "nothing but blanks"),
        (GZIPPED[:-20], ReportFormat("json_array"), "truncated"),
        (GZIPPED[:30] + b"\0\0\0\0" + GZIPPED[34:], ReportFormat("json_array"), "corrupt"),
        (gzip.compress(b""), CSV, "holds nothing"),
        (b"a,b\n1,2\n", ReportFormat("csv", compression="gzip"), "does not start like one"),
        (b'[{"a": 1}, {"a": ', ReportFormat("json_array"), "broken JSON at line 1, column 18"),
        (b'{"a": 1}\n{"a": \n', ReportFormat("json_lines"), "broken JSON at line 2"),
        (b'{"a": 1}', ReportFormat("json_array"), "no array"),
        (b"[1]", ReportFormat("json_array"), "element 1 is no JSON object"),
        (b'[{"a": "\\ud800"}]', ReportFormat("json_array"), "half a character"),
        (b"a,a\n1,2\n", CSV, "more than once"),
        (b"a,b\n1,2,3\n", CSV, "header line is not certain: line 1 has 2 cells between ',', most have 3"),
        (b"a,b\n1,2\n1,2,3\n", CSV, "line 3 has 3 cells where the header has 2; surplus: '3'"),
        (b"a\n1\n", ReportFormat("csv", encoding="klingon"), "unknown encoding"),
        (b"source_file\n1\n", CSV, "column of its own"),
        (b"PAR1 no parquet", ReportFormat("parquet"), "not readable as Parquet"),
    ],
)
def test_broken_files_give_one_error_that_names_file_and_cause(
    tmp_path: Path, content: bytes, spec: ReportFormat, cause: str
) -> None:
    path = written(tmp_path, content, "bad.bin")
    with pytest.raises(FeedError, match=cause) as caught:
        read_report(path, spec)
    assert str(path) in str(caught.value)
    assert caught.value.mend


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"nowhere\.csv: cannot be read"):
        read_report(tmp_path / "nowhere.csv", CSV)


def test_the_error_survives_a_process_boundary() -> None:
    error = pickle.loads(pickle.dumps(FeedError("a/b.csv", "is broken", "Mend it.")))
    assert (error.path, error.cause, str(error)) == (
        Path("a/b.csv"),
        "is broken",
        "a/b.csv: is broken. Mend it.",
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(
        st.binary(max_size=60), st.text(alphabet='[]{}",:\n\t 1aé\\', max_size=60).map(str.encode)
    ),
    file_format=st.sampled_from(["csv", "tsv", "json_array", "json_lines", "parquet"]),
)
def test_no_bytes_raise_anything_but_a_feed_error(
    tmp_path: Path, content: bytes, file_format: FileFormat
) -> None:
    path = written(tmp_path, content, "any.bin")
    try:
        frame = read_report(path, ReportFormat(file_format))
    except FeedError:
        return
    assert frame["source_row"].to_list() == list(range(1, frame.height + 1))
