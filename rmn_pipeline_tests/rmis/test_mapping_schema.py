"""The published JSON Schema: current, printable, and as strict and as lenient as the reader."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from rmn_pipeline.feeds import ReportFormat
from rmn_pipeline.rmis import Mapping, mapping_json_schema
from rmn_pipeline.rmis.mapping import Join, Source
from rmn_pipeline.rmis.mapping_schema import schema_text
from rmn_pipeline_tests.rmis.fixtures import BASE

ROOT = Path(__file__).parents[2]


def test_the_committed_schema_is_current() -> None:
    committed = (ROOT / "docs" / "mapping.schema.json").read_text(encoding="utf-8")
    assert committed == schema_text(), "python -m rmn_pipeline.rmis.mapping_schema > docs/mapping.schema.json"


def test_the_module_prints_it() -> None:
    command = [sys.executable, "-m", "rmn_pipeline.rmis.mapping_schema"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert (done.stdout, done.stderr) == (schema_text(), "")


def test_every_option_of_the_readers_can_be_declared() -> None:
    options = {field.name for field in dataclasses.fields(ReportFormat)}
    assert options <= set(Source.model_fields)
    assert options - {"name_pattern", "parts"} <= set(Join.model_fields)
    declared = {"members": "a*.csv", "total_labels": [], "header": ["day", "spend"], "quote": ""}
    source = Source.model_validate({"files": "*", "format": "csv", "parts": "_(?P<part>[0-9]+)", **declared})
    assert source.report_format() == ReportFormat(
        "csv",
        members=("a*.csv",),
        total_labels=(),
        header=("day", "spend"),
        quote="",
        parts="_(?P<part>[0-9]+)",
    )
    assert Source.model_validate({"files": "*", "format": "csv"}).report_format() == ReportFormat(
        "csv", members=("*",)
    )


def _fits(schema: dict[str, Any], part: dict[str, Any], value: object) -> bool:
    """A reading of the few words of JSON Schema that tell types and keys apart."""
    if "$ref" in part:
        return _fits(schema, schema["$defs"][part["$ref"].rsplit("/", 1)[1]], value)
    if "anyOf" in part or "oneOf" in part:
        return any(_fits(schema, one, value) for one in part.get("anyOf") or part["oneOf"])
    if part.get("type") == "object" and isinstance(value, dict):
        known, others = part.get("properties", {}), part.get("additionalProperties")
        parts = [(known.get(key) or others, item) for key, item in value.items()]
        fitting = all(isinstance(one, dict) and _fits(schema, one, item) for one, item in parts)
        return fitting and set(part.get("required", [])) <= set(value)
    if part.get("type") == "array" and isinstance(value, list):
        return all(_fits(schema, part["items"], item) for item in value)
    types: dict[str, Any] = {
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "null": type(None),
    }
    if "const" in part or "enum" in part:
        return value in part.get("enum", [part.get("const")])
    return part.get("type") in types and isinstance(value, types[part["type"]])


@pytest.mark.parametrize("retailer_id", ["alpha", "beta", "gamma", "delta"])
def test_the_projects_mappings_fit_the_schema(retailer_id: str) -> None:
    text = (ROOT / "data" / "retailers" / retailer_id / "mapping.yaml").read_text(encoding="utf-8")
    schema = mapping_json_schema()
    assert _fits(schema, schema, yaml.safe_load(text))
    assert not _fits(schema, schema, {**yaml.safe_load(text), "colums": {}})


def test_every_key_is_described_and_names_may_be_one_text_or_a_list() -> None:
    schema = mapping_json_schema()
    for name, part in [("Mapping", schema), *schema["$defs"].items()]:
        assert part.get("description") or "enum" in part, name
    sources = schema["$defs"]["ColumnRule"]["properties"]["from"]
    assert {one["type"] for one in sources["anyOf"]} == {"string", "array"}
    assert _fits(schema, schema, BASE)
    assert Mapping.model_validate(BASE).columns["cost"].sources == ["spend"]
