"""JSON reports: arrays, lines and envelopes; text as sent, names flattened, nothing lost without a word."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from rmn_pipeline.feeds import FeedError, ReportFormat
from rmn_pipeline.feeds.json_cursor import READ_BYTES
from rmn_pipeline.feeds.spool import with_same_columns
from rmn_pipeline_tests.feeds.reading import frame_of, rows_of, source_of, written

LINES = ReportFormat("json_lines")
ARRAY = ReportFormat("json_array")


def test_nested_objects_become_dotted_columns_and_lists_stay_json(tmp_path: Path) -> None:
    row = '{"date": {"value": "2026-03-01"}, "metric": {"clicks": 3, "cost": 1.50, "x": {}}, "tags": [1.0, {"a": "b"}]}'
    frame = frame_of(source_of(written(tmp_path, f"[{row}]"), ARRAY))
    assert frame.columns[:5] == ["date.value", "metric.clicks", "metric.cost", "metric.x", "tags"]
    assert frame.row(0)[:5] == ("2026-03-01", "3", "1.50", None, '[1.0,{"a":"b"}]')


def test_not_a_number_and_its_kin_come_as_their_names(tmp_path: Path) -> None:
    assert rows_of(source_of(written(tmp_path, '{"ctr": NaN, "cpc": -Infinity}\n'), LINES)) == [
        ("NaN", "-Infinity")
    ]


@pytest.mark.parametrize("spec", [LINES, ARRAY])
def test_a_key_twice_in_one_object_is_an_error(tmp_path: Path, spec: ReportFormat) -> None:
    row = '{"cost": 1, "cost": 2}'
    with pytest.raises(FeedError, match=r"line 1.*the key 'cost' comes twice"):
        frame_of(source_of(written(tmp_path, row if spec is LINES else f"[{row}]"), spec))


def test_a_name_flat_and_nested_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"element 1 names 'a\.b' twice"):
        frame_of(source_of(written(tmp_path, '[{"a.b": 1, "a": {"b": 2}}]'), ARRAY))


def test_keys_that_appear_late_are_columns_of_every_batch(tmp_path: Path) -> None:
    rows = [{"a": 1}, {"a": 2}, {"a": 3, "b": "late"}]
    path = written(tmp_path, "\n".join(map(json.dumps, rows)))
    batches = list(source_of(path, LINES).batches(1))
    assert [batch.columns[:2] for batch in batches] == [["a", "b"]] * 3
    assert [batch["b"].item() for batch in batches] == [None, None, "late"]
    assert [batch["source_line"].item() for batch in batches] == [1, 2, 3]


def test_frames_beyond_the_held_ones_come_back_from_disk(tmp_path: Path) -> None:
    frames = [pl.DataFrame({f"c{n}": [str(n)], "source_line": [n]}) for n in range(5)]
    same = list(with_same_columns(iter(frames), ("source_line",), tmp_path / "r.json", held_bytes=40))
    assert [frame.columns for frame in same] == [["c0", "c1", "c2", "c3", "c4", "source_line"]] * 5
    assert pl.concat(same)["c3"].to_list() == [None, None, None, "3", None]


def test_blank_lines_between_json_lines_are_counted(tmp_path: Path) -> None:
    source = source_of(written(tmp_path, '{"a": 1}\r\n\r\n{"a": 2}'), LINES)
    assert frame_of(source)["source_line"].to_list() == [1, 3]
    assert source.facts.blank_lines == 1


ENVELOPE = {
    "meta": {"account": {"id": 77}, "tags": [["x"]]},
    "report": {"rows": [{"day": "2026-03-01", "cost": 1.5}], "currency": "EUR"},
    "status": "ok",
}


@pytest.mark.parametrize("indent", [None, 2])
def test_rows_in_an_envelope_are_found_by_their_path(tmp_path: Path, indent: int | None) -> None:
    path = written(tmp_path, json.dumps(ENVELOPE, indent=indent))
    source = source_of(
        path,
        format="json",
        records_path="report.rows",
        envelope_fields=("meta.account.id", "report.currency"),
    )
    assert frame_of(source).columns[:4] == ["meta.account.id", "report.currency", "day", "cost"]
    assert rows_of(source) == [("77", "EUR", "2026-03-01", "1.5")]


def test_which_list_holds_the_rows_must_be_certain(tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps(ENVELOPE))
    with pytest.raises(FeedError, match=r"found 'meta\.tags' and 'report\.rows'.*Declare records_path"):
        frame_of(source_of(path, format="json"))
    alone = written(tmp_path, json.dumps({"report": ENVELOPE["report"]}), "alone.json")
    assert rows_of(source_of(alone, format="json")) == [("2026-03-01", "1.5")]


@pytest.mark.parametrize("columns", [["day", "cost"], [{"name": "day", "type": "date"}, {"name": "cost"}]])
@pytest.mark.parametrize("columns_first", [True, False])
def test_rows_that_are_lists_take_their_names_from_beside(
    tmp_path: Path, columns: list, columns_first: bool
) -> None:
    parts = {"columns": columns, "rows": [["2026-03-01", 1.50], ["2026-03-02", None]]}
    report = parts if columns_first else dict(reversed(parts.items()))
    source = source_of(written(tmp_path, json.dumps({"data": report})), format="json")
    assert frame_of(source).columns[:2] == ["day", "cost"]
    assert rows_of(source) == [("2026-03-01", "1.5"), ("2026-03-02", None)]


def test_lists_walked_through_give_each_row_its_own_surroundings(tmp_path: Path) -> None:
    pages = [
        {"day": "1", "rows": [{"c": 1}]},
        {"rows": [{"c": 2}, {"c": 3}], "day": "2"},
        {"day": "3", "rows": []},
    ]
    source = source_of(
        written(tmp_path, json.dumps(pages)), format="json", records_path="rows", envelope_fields=("day",)
    )
    assert rows_of(source) == [("1", "1"), ("2", "2"), ("2", "3")]


@pytest.mark.parametrize(
    ("text", "declared", "cause"),
    [
        ('{"rows": [[1, 2]]}', {}, "no list of column names"),
        (
            '{"columns": ["a"], "rows": [[1, 2]]}',
            {},
            "row 1 has 2 cells where the header has 1; surplus: '2'",
        ),
        ('{"rows": {"a": 1}}', {"records_path": "rows"}, "'rows' is no list of rows"),
        ('{"rows": [{"a": 1}]}', {"envelope_fields": ("currency",)}, "no 'currency' around its rows"),
        ('{"rows": [{"a": 1}]} x', {}, "Extra data"),
        ('{"rows": [{"a": 1}', {}, "broken JSON"),
        ("[[1]]", {}, "no list of column names"),
        ('"text"', {}, "no array"),
        ("[" * 5000, {}, "nested too deep|no list of column names|broken JSON"),
        ('{"a":' * 5000, {}, "broken JSON|nested too deep"),
        ("[" + "[" * 300 + "1" + "]" * 301, {"records_path": "a"}, "nested too deep"),
        ('[{"source_row": 1}]', {}, "column of its own named 'source_row'"),
    ],
)
def test_broken_envelopes_are_errors(tmp_path: Path, text: str, declared: dict, cause: str) -> None:
    with pytest.raises(FeedError, match=cause):
        frame_of(source_of(written(tmp_path, text), format="json", **declared))


def test_an_array_is_read_in_stretches_whatever_its_values_borders(tmp_path: Path) -> None:
    rows = [{"id": str(number), "n": number, "text": "ä" * (number % 900)} for number in range(4000)]
    text = json.dumps(rows, ensure_ascii=False)
    assert len(text) > 1.5 * READ_BYTES
    frame = frame_of(source_of(written(tmp_path, text), ARRAY))
    assert frame["n"].to_list() == [str(number) for number in range(4000)]
    assert frame["text"].to_list() == [row["text"] for row in rows]


def test_a_break_far_into_an_array_is_placed(tmp_path: Path) -> None:
    lines = ["[", *['{"a": 1, "filling": "' + "x" * 90 + '"},'] * 20_000, '{"a": oops}', "]"]
    with pytest.raises(FeedError, match="broken JSON at line 20002, column 7"):
        frame_of(source_of(written(tmp_path, "\n".join(lines)), ARRAY))


def test_an_empty_array_is_a_report_without_rows(tmp_path: Path) -> None:
    assert frame_of(source_of(written(tmp_path, "[]"), ARRAY)).height == 0


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('[{"a": 1}]', "json"),
        ('{"a": 1}\n{"a": 2}\n', "json_lines"),
        ('{"a": 1}', "json_lines"),
        ('{"rows": [{"a": 1}]}', "json"),
        ('{\n "rows": [{"a": 1}]\n}', "json"),
        ("[Report]\na,b\n1,2\n1,2\n", "csv"),
        ("a\tb\n1\t2\n", "csv"),
    ],
)
def test_the_format_is_found_by_the_first_signs(tmp_path: Path, text: str, found: str) -> None:
    source = source_of(written(tmp_path, text))
    assert frame_of(source).height > 0
    assert source.facts.format == found
