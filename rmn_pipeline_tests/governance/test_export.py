"""The export gate: whatever the kind of file, what may not leave is found, named and not repeated."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmn_pipeline.governance.errors import ExportRefused
from rmn_pipeline.governance.export import (
    ExportRules,
    PrivateData,
    check_export,
    private_data,
    require_clean_export,
)
from rmn_pipeline.governance.export.gate import is_customer_count

CLEAN = pl.DataFrame(
    {
        "sku_id": ["00085021001007", "00085021001106"],
        "title": ["Harvest Row Granola, 6 ct", "Harvest Row Fruit Bars, 6 ct"],
        "customers": [1_200, 340],
        "spend_usd": [141.49, 12.01],
    }
)
CANARY = "wxq-canary-7731"
RULES = ExportRules(private=(PrivateData("brand_y", words=frozenset({CANARY})),))

Writer = Callable[[pl.DataFrame, Path], Path]


def _html(frame: pl.DataFrame, folder: Path) -> Path:
    head = "".join(f"<th>{name}</th>" for name in frame.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>\n" for row in frame.iter_rows()
    )
    return _text(folder / "table.html", f"<html><body><table>\n<tr>{head}</tr>\n{rows}</table></body></html>")


def _text(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def _parquet(frame: pl.DataFrame, folder: Path) -> Path:
    frame.write_parquet(folder / "table.parquet")
    return folder / "table.parquet"


WRITERS: dict[str, Writer] = {
    "csv": lambda frame, folder: _text(folder / "table.csv", frame.write_csv()),
    "tsv": lambda frame, folder: _text(folder / "table.tsv", frame.write_csv(separator="\t")),
    "parquet": _parquet,
    "json": lambda frame, folder: _text(
        folder / "t.json", json.dumps({"report": {"rows": frame.to_dicts()}})
    ),
    "jsonl": lambda frame, folder: _text(folder / "t.jsonl", frame.write_ndjson()),
    "html": _html,
}


@pytest.fixture(params=sorted(WRITERS))
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[pl.DataFrame], Path]:
    return lambda frame: WRITERS[request.param](frame, tmp_path)


def test_a_clean_table_passes_in_every_format(write: Callable[[pl.DataFrame], Path]) -> None:
    path = write(CLEAN)
    assert check_export(path, RULES) == []
    require_clean_export(path, RULES)


@pytest.mark.parametrize(
    ("changes", "kind", "what"),
    [
        ({"title": ["call 415-555-2671", "Bars"]}, "personal_data", "PHONE_NUMBER"),
        ({"title": ["ann%40example.com", "Bars"]}, "personal_data", "EMAIL_ADDRESS"),
        ({"customers": [1_200, 99]}, "small_cell", "below 100"),
        ({"title": [f"made for {CANARY.upper()}", "Bars"]}, "private_value", "brand_y"),
    ],
)
def test_what_may_not_leave_is_found_in_every_format(
    write: Callable[[pl.DataFrame], Path], changes: dict[str, list[object]], kind: str, what: str
) -> None:
    path = write(CLEAN.with_columns(**{name: pl.Series(values) for name, values in changes.items()}))
    findings = check_export(path, RULES)
    assert {finding.kind for finding in findings} == {kind}
    assert all(what in finding.what for finding in findings)
    with pytest.raises(ExportRefused, match=path.name):
        require_clean_export(path, RULES)


@pytest.mark.parametrize(
    "name", ["customer_id", "customerId", "Customer ID", "row.customer_id", "geo_detail"]
)
def test_a_blocked_field_is_blocked_however_it_is_spelled(
    write: Callable[[pl.DataFrame], Path], name: str
) -> None:
    findings = check_export(write(CLEAN.with_columns(pl.lit("x").alias(name))), RULES)
    assert [finding.kind for finding in findings] == ["blocked_field"]


def test_a_name_that_only_contains_a_blocked_one_passes() -> None:
    frame = CLEAN.rename({"title": "has_margin_note", "spend_usd": "email_opt_in_share"})
    assert check_export(frame, ExportRules(blocked_fields=("margin", "email"))) == []


def test_blocked_names_may_stand_in_texts() -> None:
    assert check_export(pl.DataFrame({"withheld": ["margin, customer_id"]}), RULES) == []


def test_a_finding_says_where_and_never_what_the_value_is() -> None:
    frame = CLEAN.with_columns(title=pl.Series(["fine", "write to ann@example.com"]))
    with pytest.raises(ExportRefused) as raised:
        require_clean_export(frame, RULES, name="the audience table")
    text = str(raised.value)
    assert "the audience table may not leave" in text and "column title, row 2" in text and "redact" in text
    assert "ann" not in text


def test_zero_and_k_are_shown_and_what_lies_between_is_not() -> None:
    frame = pl.DataFrame({"distinct_customers": [0, 1, 99, 100, None]})
    assert [finding.count for finding in check_export(frame, ExportRules(k=100))] == [2]


@pytest.mark.parametrize("name", ["customers", "Distinct customers", "numShoppers", "ntb_customers", "users"])
def test_columns_that_count_persons(name: str) -> None:
    assert is_customer_count(name)


@pytest.mark.parametrize(
    "name", ["customer_id", "min_customers_per_cell", "customer_share", "clicks", "new_customers_usd"]
)
def test_columns_that_do_not(name: str) -> None:
    assert not is_customer_count(name)


def test_what_hides_in_attributes_scripts_comments_and_nested_values_is_found(tmp_path: Path) -> None:
    hidden = [
        '<a href="mailto:ann@example.com">x</a>',
        "<script>var a='ann@example.com'</script>",
        "<!-- ann@example.com -->",
    ]
    for number, source in enumerate(hidden):
        page = _text(tmp_path / f"{number}.html", f"<p>fine</p>\n{source}")
        assert [finding.where for finding in check_export(page, RULES)] == ["column text, line 2"]
    nested = pl.DataFrame(
        {"notes": [["fine", "ann@example.com"]], "more": [{"deep": {"mail": "bob@example.com"}}]}
    )
    assert len(check_export(nested, RULES)) == 2


def test_drawings_and_pictures_in_a_page_are_no_findings(tmp_path: Path) -> None:
    page = '<svg viewBox="0 0 415 555"><path d="M 415 555 2671 L 1.2.3.4"/></svg><img src="data:image/png;base64,AAAA">'
    assert check_export(_text(tmp_path / "p.html", page), RULES) == []


@pytest.mark.parametrize("name", ["picture.png", "model.bin", "no_suffix"])
def test_what_cannot_be_looked_into_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ExportRefused, match="cannot be looked into"):
        check_export(_text(tmp_path / name, "x"), RULES)


def test_missing_and_broken_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportRefused, match="there is no such file"):
        check_export(tmp_path / "gone.csv", RULES)
    for name in ("broken.json", "broken.jsonl", "broken.parquet"):
        with pytest.raises(ExportRefused, match=f"{name}: cannot be read as"):
            check_export(_text(tmp_path / name, "{not"), RULES)


def test_private_figures_tell_beside_their_product_or_by_their_digits() -> None:
    private = private_data(
        "brand_y",
        frame=pl.DataFrame(
            {"sku_id": ["00085021001007", "00085021001106"], "unit_cost_usd": [12.01, 7.913_472]}
        ),
        columns=["unit_cost_usd"],
        key="sku_id",
        names={"00085021001007": ["Harvest Row Granola"]},
    )
    rules = ExportRules(private=(private,))

    def kinds(text: str) -> set[str]:
        return {finding.kind for finding in check_export(pl.DataFrame({"text": [text]}), rules)}

    assert kinds("Harvest Row Granola costs $12.01 to make") == {"private_value"}
    assert kinds("harvest-row granola: 12.010") == {"private_value"}
    assert kinds("Fruit Bars at 12.01") == set()
    assert kinds("Harvest Row Granola at 18.99") == set()
    assert kinds("7.913472") == {"private_value"}
    row = pl.DataFrame({"item": ["00085021001007"], "value": [12.01]})
    assert [finding.kind for finding in check_export(row, rules)] == ["private_value"]


@settings(max_examples=60, deadline=None)
@given(
    st.text(alphabet="abc xyz,.-_0123456789", max_size=30),
    st.text(alphabet="abc xyz,.-_0123456789", max_size=30),
    st.sampled_from(
        [CANARY, CANARY.upper(), CANARY.replace("-", " "), CANARY.replace("-", "_"), "wхq-canary-7731"]
    ),
)
def test_a_planted_canary_is_found_wherever_it_stands(before: str, after: str, canary: str) -> None:
    frame = pl.DataFrame({"text": ["fine", f"{before} {canary} {after}"]})
    assert "private_value" in {finding.kind for finding in check_export(frame, RULES)}


def test_a_file_larger_than_one_batch_is_read_to_its_end(tmp_path: Path) -> None:
    rows = pl.DataFrame({"note": ["fine"] * 60_000 + ["ann@example.com"]})
    findings = check_export(WRITERS["csv"](rows, tmp_path), RULES)
    assert [finding.where for finding in findings] == ["column note, row 60001"]
