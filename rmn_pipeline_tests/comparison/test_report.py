import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from rmn_pipeline.comparison import (
    ComparisonError,
    ComparisonResult,
    ReportFiles,
    compare,
    format_table,
    json_schema,
    plain_summary,
    render_html,
    render_json,
    render_report,
)
from rmn_pipeline.comparison.formats import format_value, resolve_path
from rmn_pipeline.planning import Plan, PlanRequest
from rmn_pipeline_tests.comparison.conftest import SKUS
from rmn_pipeline_tests.comparison.simulated import item, plan_of

VOID = {"meta", "link", "br", "img", "hr", "input"}


class Figures(HTMLParser):
    """Collects every marked number, and the text that stands outside marks, charts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.figures: list[tuple[str, str, str]] = []
        self.loose: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href", "xlink:href")]
        if tag not in VOID:
            self.open.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if any(tag in ("style", "svg", "title") for tag, _ in self.open):
            return
        marks = [attributes for _, attributes in self.open if "data-source" in attributes]
        if marks:
            self.figures.append((marks[-1]["data-source"] or "", marks[-1]["data-style"] or "", data))
        else:
            self.loose.append(data)


@pytest.fixture(scope="module")
def files(result: ComparisonResult, tmp_path_factory: pytest.TempPathFactory) -> ReportFiles:
    return render_report(result, tmp_path_factory.mktemp("reports") / "brand_x")


@pytest.fixture(scope="module")
def html(files: ReportFiles) -> str:
    return files.html.read_text()


@pytest.fixture(scope="module")
def page(html: str) -> Figures:
    figures = Figures()
    figures.feed(html)
    return figures


@pytest.fixture(scope="module")
def infeasible(
    plans: dict[str, Plan], judge: Any, request_of_brand: PlanRequest, skus: Any
) -> ComparisonResult:
    changes = {"status": "infeasible", "allocation": (), "infeasible_because": ("<b>min_roas</b> & more",)}
    stuck = {**plans, "clean_room": plans["clean_room"].model_copy(update=changes)}
    return compare(brand_id="brand_x", plans=stuck, judge=judge, request=request_of_brand, skus=skus)


def test_every_number_on_the_page_is_the_one_at_its_place_in_the_json(
    result: ComparisonResult, page: Figures
):
    document = json.loads(render_json(result))
    assert len(page.figures) > 300
    for path, style, shown in page.figures:
        assert shown == format_value(resolve_path(document, path), style), path


def test_no_number_on_the_page_is_without_its_source(page: Figures):
    # Fixed words that hold a digit and are no measurement.
    fixed = re.compile(r"1\s−\sWAPE|(?:ex|in)cludes 0|SHA-256|interval includes 0|brand_x")
    loose = [text for text in page.loose if re.search(r"\d", fixed.sub("", text))]
    assert loose == []


def test_the_page_fetches_nothing(html: str, page: Figures):
    assert all(address.startswith(("#", "data:")) for address in page.addresses)
    assert "http://" not in html and "https://" not in html
    assert "<script" not in html and "@import" not in html


def test_names_from_the_data_are_escaped(html: str, infeasible: ComparisonResult):
    assert "Granola &lt;Honey&gt; &amp; Oat" in html
    assert "&lt;b&gt;min_roas&lt;/b&gt; &amp; more" in render_html(infeasible)
    assert "<Honey>" not in html


def test_the_summary_names_the_winner_with_the_computed_amount(result: ComparisonResult):
    gap = result.differences["incremental_margin_usd"]
    headline = plain_summary(result)[0]
    assert headline.startswith("The full-data plan wins: ")
    assert format_value(gap.value, "usd_short") in headline
    assert format_value(gap.low, "+usd_short") in headline
    assert "excludes 0" in headline
    assert any(
        "the clean-room plan misses the exclusion of out-of-stock products" in s
        for s in plain_summary(result)
    )


def test_a_win_that_breaks_the_brief_is_called_that_in_the_headline(
    plans: dict[str, Plan], judge: Any, request_of_brand: PlanRequest, skus: Any, availability: Any
):
    swapped = {**plans, "full_data": plans["clean_room"], "clean_room": plans["status_quo"]}
    found = compare(
        brand_id="brand_x", plans=swapped, judge=judge, request=request_of_brand, skus=skus,
        availability=availability,
    )  # fmt: skip
    assert plain_summary(found)[0].endswith(
        "But it broke what the clean-room plan kept: the exclusion of out-of-stock products."
    )


def test_more_margin_bought_with_even_more_money_is_no_win(
    plans: dict[str, Plan], judge: Any, request_of_brand: PlanRequest, skus: Any
):
    # 300 USD × 4.0 × 0.4 = 480 of margin, 180 net; the clean-room plan brings 770 of margin from 1000 USD, −230 net.
    frugal = plan_of("full_data", [item(SKUS[0], 300, 1200)], request_of_brand)
    found = compare(
        brand_id="brand_x",
        plans={**plans, "full_data": frugal},
        judge=replace(judge, noise=0.0),
        request=request_of_brand,
        skus=skus,
    )
    assert found.verdict.winner == "mixed"
    headline = plain_summary(found)[0]
    assert headline.startswith("No clear winner. The full-data plan leaves $410 ")
    assert "the clean-room plan brings $290 " in headline
    assert "on $300 and $1,000 of ad spend" in plain_summary(found)[1]
    assert "Verdict: mixed" in format_table([found])


def test_a_plan_that_beats_the_oracle_makes_the_summary_warn(
    plans: dict[str, Plan], judge: Any, request_of_brand: PlanRequest, skus: Any, result: ComparisonResult
):
    swapped = {**plans, "oracle": plans["status_quo"]}
    found = compare(brand_id="brand_x", plans=swapped, judge=judge, request=request_of_brand, skus=skus)
    warning = "Caution: the full-data plan brings"
    assert any(sentence.startswith(warning) for sentence in plain_summary(found))
    assert not any(sentence.startswith(warning) for sentence in plain_summary(result))


def test_what_a_planner_had_to_assume_stands_in_the_report(html: str):
    assert "margin withheld: assumed 0.34 of revenue" in html


def test_the_summary_says_so_when_nothing_is_shown(
    plans: dict[str, Plan], judge: Any, request_of_brand: PlanRequest, skus: Any
):
    same = {**plans, "clean_room": plans["full_data"]}
    found = compare(
        brand_id="brand_x", plans=same, judge=judge, request=request_of_brand, skus=skus, replicates=12
    )
    summary = plain_summary(found)
    assert summary[0].startswith("Neither plan is shown to be better.")
    assert summary[-1].startswith("Caution: only 12 replicates")


def test_an_infeasible_plan_is_reported_with_its_reasons(infeasible: ComparisonResult, tmp_path: Path):
    files = render_report(infeasible, tmp_path)
    assert "no feasible plan exists for clean room" in plain_summary(infeasible)[0]
    assert files.png.read_bytes().startswith(b"\x89PNG")
    assert "Clean room is infeasible: <b>min_roas</b> & more" in format_table([infeasible])


def test_json_reads_back_and_fits_its_schema(result: ComparisonResult, infeasible: ComparisonResult):
    schema = json_schema()
    for found in (result, infeasible):
        text = render_json(found)
        assert ComparisonResult.model_validate_json(text) == found
        assert list(schema_faults(json.loads(text), schema, schema["$defs"], "$")) == []
    spoiled = json.loads(render_json(result)) | {"replicates": "many"}
    assert list(schema_faults(spoiled, schema, schema["$defs"], "$")) == [
        "$.replicates: 'many' is no integer"
    ]


TYPES: dict[str, Any] = {
    "string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None),
    "array": list, "object": dict,
}  # fmt: skip


def schema_faults(value: Any, schema: dict[str, Any], definitions: dict[str, Any], place: str) -> Any:
    """The part of JSON Schema that pydantic writes: types, references, unions, objects, arrays, enumerations."""
    if "$ref" in schema:
        yield from schema_faults(value, definitions[schema["$ref"].rsplit("/", 1)[1]], definitions, place)
        return
    if "anyOf" in schema:
        if all(list(schema_faults(value, option, definitions, place)) for option in schema["anyOf"]):
            yield f"{place}: fits no option"
        return
    if "type" in schema and not isinstance(value, TYPES[schema["type"]]):
        yield f"{place}: {value!r} is no {schema['type']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place}: {value!r} is not in {schema['enum']}"
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        for position, entry in enumerate(value):
            yield from schema_faults(entry, schema["items"], definitions, f"{place}.{position}")
    if isinstance(value, dict):
        yield from object_faults(value, schema, definitions, place)


def object_faults(
    value: dict[str, Any], schema: dict[str, Any], definitions: dict[str, Any], place: str
) -> Any:
    properties, further = schema.get("properties", {}), schema.get("additionalProperties", {})
    yield from (f"{place}: lacks {name}" for name in schema.get("required", []) if name not in value)
    for name, entry in value.items():
        rule = properties.get(name, further)
        if rule is False:
            yield f"{place}.{name}: is not known"
        elif isinstance(rule, dict):
            yield from schema_faults(entry, rule, definitions, f"{place}.{name}")


def test_the_files_are_written_and_nothing_else(files: ReportFiles):
    assert sorted(path.name for path in files.html.parent.iterdir()) == [
        "comparison.html", "comparison.json", "comparison.pdf", "comparison.png",
    ]  # fmt: skip
    assert json.loads(files.json.read_text())["brand_id"] == "brand_x"


def test_a_failed_write_leaves_the_old_report_whole(
    infeasible: ComparisonResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    files = render_report(infeasible, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    original = Path.write_bytes

    def full_disk(path: Path, content: bytes) -> int:
        if path.name == files.html.name:
            original(path, content[:100])
            raise OSError(28, "No space left on device")
        return original(path, content)

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(ComparisonError, match="No space left on device"):
        render_report(infeasible.model_copy(update={"seed": 99}), tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_that_cannot_be_made_is_named(result: ComparisonResult, tmp_path: Path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ComparisonError, match="taken"):
        render_report(result, tmp_path / "taken")


def test_the_console_table_shows_both_brands_aligned(result: ComparisonResult):
    other = result.model_copy(update={"brand_id": "brand_y"})
    blocks = format_table([result, other]).split("\n\n")
    assert [block.split(":")[0] for block in blocks] == ["brand_x", "brand_y"]
    lines = blocks[0].splitlines()
    assert lines[1].split()[:3] == ["Plan", "iROAS", "plan"]
    assert len({len(line) for line in lines[3:8]}) == 1
    assert format_value(result.modes["oracle"].realized.net_margin_usd.value, "usd") in lines[5]
    assert "Verdict: full data wins" in lines[-1]


def test_importing_the_room_draws_in_no_plotting_library_and_no_world():
    code = (
        "import sys, rmn_pipeline.comparison;"
        "print([name for name in ('matplotlib', 'torch', 'dagster', 'rmn_pipeline.world') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
