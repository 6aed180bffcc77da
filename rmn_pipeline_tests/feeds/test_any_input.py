"""Properties: what was written comes back, every path reads the same, and no bytes raise anything undocumented."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from pathlib import Path

import polars as pl
import pytest
import xlsxwriter
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from rmn_pipeline.feeds import FeedError, ReportFormat, report_sources
from rmn_pipeline.feeds.byte_streams import Piece
from rmn_pipeline.feeds.delimited import DelimitedRows
from rmn_pipeline.feeds.delimited_head import read_head
from rmn_pipeline.feeds.facts import Tally
from rmn_pipeline.feeds.row_shape import is_blank
from rmn_pipeline.feeds.text_streams import opened_text
from rmn_pipeline_tests.feeds.reading import frame_of, source_of, written

PROPERTY = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}
NO_FOOTER = r"(?!)"


def read_in_blocks(path: Path, spec: ReportFormat, block_bytes: int, tail_bytes: int) -> pl.DataFrame:
    piece = Piece(path)
    with opened_text(piece, spec.encoding) as stream:
        head = read_head(piece, stream.head, stream.head_is_all, spec)
        rows = DelimitedRows(piece, spec, head, Tally())
        frames = list(rows.frames(stream, block_bytes, tail_bytes))
        empty = pl.DataFrame(schema={**dict.fromkeys(head.columns, pl.String), "source_line": pl.Int64})
        return pl.concat(frames) if frames else empty


CELL = st.text(alphabet="ab1 ,;\t|\"'\n-€é", max_size=6)


@settings(max_examples=150, **PROPERTY)
@given(
    rows=st.integers(2, 4).flatmap(
        lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=8)
    ),
    delimiter=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-be"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    block_bytes=st.integers(1, 60),
    tail_bytes=st.integers(1, 40),
)
def test_rows_come_back_whatever_they_were_written_with(
    tmp_path: Path,
    rows: list[list[str]],
    delimiter: str,
    encoding: str,
    quoting: int,
    line_end: str,
    block_bytes: int,
    tail_bytes: int,
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=line_end)
    writer.writerow([f"c{column}" for column in range(len(rows[0]))])
    lines = []
    for row in rows:
        lines.append(text.getvalue().count("\n") + 1)
        writer.writerow(row)
    path = written(tmp_path, text.getvalue().encode(encoding))
    spec = ReportFormat("csv", encoding=encoding, delimiter=delimiter, skip_lines=0)
    frame = read_in_blocks(path, spec, block_bytes, tail_bytes)
    # Without quotes, a row of empty cells cannot be told from a blank line.
    kept = [
        (row, line) for row, line in zip(rows, lines, strict=True) if any(row) or quoting == csv.QUOTE_ALL
    ]
    assert [[cell or "" for cell in row] for row in frame.drop("source_line").rows()] == [
        row for row, _ in kept
    ]
    assert frame["source_line"].to_list() == [line for _, line in kept]


def expected(body: str, first_line: int, width: int) -> list[tuple[list[str], int]] | None:
    """What the standard library makes of the text, one record after the other; None where it refuses it."""
    lines = [line + "\n" for line in body.split("\n")]
    lines[-1] = lines[-1][:-1]
    reader = csv.reader([line for line in lines if line], strict=True)
    rows: list[tuple[list[str], int]] = []
    line = first_line
    try:
        for cells in reader:
            if not is_blank(cells, width):
                rows.append((([*cells, "", ""])[:width], line))
            line = first_line + reader.line_num
    except csv.Error:
        return None
    return rows


@settings(max_examples=300, **PROPERTY)
@example(body='x" y,1\n"a\n",2\n', block_bytes=5, tail_bytes=1)
@given(
    body=st.lists(
        st.sampled_from(["a", '"', '""', ",", "\n", "\r\n", " ", "é", '",', '\n"', '"\n']), max_size=25
    ).map("".join),
    block_bytes=st.integers(1, 30),
    tail_bytes=st.integers(1, 30),
)
def test_every_path_reads_what_the_standard_library_reads(
    tmp_path: Path, body: str, block_bytes: int, tail_bytes: int
) -> None:
    assume("\r" not in body.replace("\r\n", ""))
    path = written(tmp_path, "p,q\n" + body)
    spec = ReportFormat(
        "csv", delimiter=",", skip_lines=0, footer=NO_FOOTER, ragged_rows="mark", total_labels=()
    )
    wanted = expected(body, 2, 2)
    try:
        frame = read_in_blocks(path, spec, block_bytes, tail_bytes)
    except FeedError:
        assert wanted is None
        return
    assert wanted is not None
    # Quoted empty cells are empty texts, which may make a row of what is otherwise blank.
    found = [([p or "", q or ""], line) for p, q, line in frame.select("p", "q", "source_line").rows()]
    assert [row for row in found if any(row[0])] == [row for row in wanted if any(row[0])]


@settings(max_examples=60, **PROPERTY)
@given(
    cells=st.lists(
        st.tuples(st.sampled_from(["x", "y,z", 'say "hi"']), st.integers(0, 99)), min_size=1, max_size=12
    ),
    parts=st.integers(1, 4),
    batch_rows=st.integers(1, 5),
    repeats_header=st.booleans(),
)
def test_a_report_reads_the_same_in_any_parts_and_batches(
    tmp_path: Path, cells: list[tuple[str, int]], parts: int, batch_rows: int, repeats_header: bool
) -> None:
    paths = []
    for number in range(parts):
        text = io.StringIO()
        writer = csv.writer(text)
        if number == 0 or repeats_header:
            writer.writerow(["item", "clicks", "spend"])
        writer.writerows((item, clicks, 1.5) for item, clicks in cells[number::parts])
        if not text.getvalue():
            return
        paths.append(written(tmp_path, gzip.compress(text.getvalue().encode()), f"r_{number}.csv.gz"))
    spec = ReportFormat("csv", parts=r"_(?P<part>\d+)\.csv")
    (source,) = report_sources(paths, spec)
    frame = frame_of(source, batch_rows)
    wanted = [cell for number in range(parts) for cell in cells[number::parts]]
    assert list(zip(frame["item"], frame["clicks"].cast(pl.Int64), strict=True)) == wanted
    assert frame["source_row"].to_list() == list(range(1, len(cells) + 1))


def _zip(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return packed.getvalue()


def _workbook() -> bytes:
    content = io.BytesIO()
    book = xlsxwriter.Workbook(content, {"in_memory": True})
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["date", "item", "spend"])
    sheet.write_row(1, 0, ["2026", "X", 1.5])
    book.close()
    return content.getvalue()


def _parquet() -> bytes:
    content = io.BytesIO()
    pl.DataFrame({"date": ["2026"] * 3, "n": [1, 2, 3]}).write_parquet(content)
    return content.getvalue()


TABLE = b'Report\n\ndate;item;spend\n2026-03-01;"a; b";1,5\n2026-03-02;c;2,5\n\n-- end --\n'
ENVELOPE = (
    b'{"meta": {"a": 1}, "columns": ["a", {"name": "b"}], "rows": [["x", 1.50], [null, NaN], ["y", [1, {}]]]}'
)
# Packed bytes hold the time, so they can't name a test.
SAMPLE_NAMES = [
    *("csv", "utf_16", "envelope", "json_array", "json_lines"),
    *("gzip", "zip", "zip_of_json", "xlsx", "parquet"),
]
SAMPLES = [
    TABLE,
    b"\xff\xfe" + TABLE.decode().encode("utf-16-le"),
    ENVELOPE,
    b'[{"a": {"b": 1}, "c": [1, 2]}, {"a": true}]',
    b'{"a": "\\u00e9"}\n{"a": -1.5e3, "b": null}\n',
    gzip.compress(TABLE),
    _zip("a.csv", TABLE),
    _zip("a.json", ENVELOPE),
    _workbook(),
    _parquet(),
]
FORMATS = ["auto", "csv", "tsv", "json", "json_array", "json_lines", "parquet", "xlsx"]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A sound report with some bytes changed, cut out or doubled."""
    content = bytearray(draw(st.sampled_from(SAMPLES)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        change = draw(st.sampled_from(["set", "cut", "double", "end"]))
        if change == "set" and content:
            content[at] = draw(st.integers(0, 255))
        elif change == "cut":
            del content[at : at + draw(st.integers(1, 20))]
        elif change == "double":
            content[at:at] = content[at : at + draw(st.integers(1, 20))]
        else:
            del content[at:]
    return bytes(content)


@settings(max_examples=400, **PROPERTY)
@given(
    content=st.one_of(
        damaged(), st.binary(max_size=80), st.text('[]{}",:;\n\r\t 1aé\\-', max_size=60).map(str.encode)
    ),
    file_format=st.sampled_from(FORMATS),
    encoding=st.sampled_from(
        ["auto", "auto", "utf-8", "cp1252", "utf-16", "utf-16-be", "utf-7", "shift_jis", "cp037"]
    ),
    ragged_rows=st.sampled_from(["error", "fill", "mark"]),
    declared=st.sampled_from(
        [
            {},
            {"skip_lines": 1},
            {"header": ("item",)},
            {"columns": ("a", "b")},
            {"footer": "end"},
            {"records_path": "rows"},
            {"envelope_fields": ("meta.a",)},
            {"quote": ""},
            {"duplicate_headers": "number"},
            {"total_labels": ("c",)},
        ]
    ),
)
def test_no_bytes_raise_anything_but_a_feed_error(
    tmp_path: Path, content: bytes, file_format: str, encoding: str, ragged_rows: str, declared: dict
) -> None:
    path = written(tmp_path, content, "any.bin")
    spec = ReportFormat(
        **{"format": file_format, "encoding": encoding, "ragged_rows": ragged_rows, **declared}
    )
    try:
        frames = [frame_of(source, 2) for source in report_sources([path], spec)]
    except FeedError as error:
        assert str(path) in str(error)
        return
    for frame in frames:
        assert frame["source_row"].to_list() == list(range(1, frame.height + 1))


@pytest.mark.parametrize("content", SAMPLES, ids=SAMPLE_NAMES)
def test_the_sound_samples_are_read(tmp_path: Path, content: bytes) -> None:
    assert frame_of(source_of(written(tmp_path, content))).height >= 1
