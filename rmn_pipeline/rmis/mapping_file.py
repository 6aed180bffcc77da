"""Reads mapping.yaml: YAML to model, with the line, the key and the nearest valid name of every mistake."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from yaml.constructor import SafeConstructor

from rmn_pipeline.rmis.errors import MappingError, MappingProblem, did_you_mean
from rmn_pipeline.rmis.mapping import Mapping, mapping_json_schema
from rmn_pipeline.rmis.mapping_checks import Finding, findings_in
from rmn_pipeline.rmis.yaml_places import Location, YamlPlaces, structural_problems


def _properties_at(location: Location) -> list[str]:
    """The keys that the language allows at the parent of `location`."""
    schema = mapping_json_schema()
    definitions = schema["$defs"]

    def opened(part: dict[str, Any]) -> list[dict[str, Any]]:
        if "$ref" in part:
            return opened(definitions[part["$ref"].rsplit("/", 1)[1]])
        choices = part.get("anyOf") or part.get("oneOf")
        return [one for choice in choices for one in opened(choice)] if choices else [part]

    places = opened(schema)
    for step in location[:-1]:
        below: list[dict[str, Any]] = []
        for place in places:
            child = place.get("properties", {}).get(step) or place.get("additionalProperties")
            child = place.get("items") if isinstance(step, int) else child
            below += opened(child) if isinstance(child, dict) else []
        places = below or places
    return sorted({name for place in places for name in place.get("properties", {})})


def _explain(error: ErrorDetails) -> str:
    kind, location = error["type"], error["loc"]
    if kind == "extra_forbidden":
        name = str(location[-1])
        valid = _properties_at(location)
        if name in valid:
            return f"'{name}' cannot stand beside the other keys here"
        return f"unknown key '{name}'; {did_you_mean(name, valid)}"
    if kind in ("literal_error", "union_tag_invalid"):
        context = error.get("ctx", {})
        expected = str(context.get("expected") or context.get("expected_tags"))
        given = str(context.get("tag", error["input"]))
        allowed = re.findall(r"'([^']*)'", expected)
        return f"'{given}' is not allowed; {did_you_mean(given, allowed)}"
    if kind == "missing":
        return f"the key '{location[-1]}' is missing"
    return f"{error['msg']} (found {_shortened(error['input'])})"


def _shortened(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."


def _problem(places: YamlPlaces, finding: Finding) -> MappingProblem:
    line, key = places.find(finding.location)
    if finding.at is None:
        return MappingProblem(line, key, finding.message)
    place = places.character(finding.location, finding.at)
    if place is None:
        return MappingProblem(line, key, f"{finding.message} (character {finding.at + 1} of the text)")
    return MappingProblem(place[0], key, f"{finding.message} (column {place[1]})")


def _compose(text: str, file: Path | str) -> tuple[yaml.Node, dict[Any, Any]]:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        problems = list(structural_problems(root)) if root is not None else []
        if problems:
            raise MappingError(file, problems)
        content = SafeConstructor().construct_document(root) if root is not None else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise MappingError(
            file, [MappingProblem(line, "(yaml)", f"not readable as YAML: {error}")]
        ) from error
    except (ValueError, OverflowError, RecursionError) as error:
        # A date such as 2026-13-45, a number with too many digits, brackets by the thousand.
        raise MappingError(file, [MappingProblem(1, "(yaml)", f"not readable: {error}")]) from error
    if root is None or not isinstance(content, dict):
        raise MappingError(file, [MappingProblem(1, "(whole file)", "holds no mapping")])
    return root, content


def parse_mapping(text: str, file: Path | str = "mapping.yaml") -> Mapping:
    """The mapping that `text` writes down; every mistake in it is listed in one MappingError."""
    root, content = _compose(text, file)
    places = YamlPlaces(text, root)
    try:
        mapping = Mapping.model_validate(content)
    except ValidationError as error:
        raise MappingError(
            file, [MappingProblem(*places.find(item["loc"]), _explain(item)) for item in error.errors()]
        ) from error
    findings = findings_in(mapping)
    if findings:
        raise MappingError(file, [_problem(places, finding) for finding in findings])
    return mapping


def load_mapping(path: Path | str) -> Mapping:
    """Reads one mapping.yaml. MappingError names file, line, key and the nearest valid name."""
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        problem = MappingProblem(0, "(file)", f"cannot be read ({error.strerror})")
        raise MappingError(file, [problem]) from error
    except UnicodeDecodeError as error:
        problem = MappingProblem(0, "(file)", f"is not UTF-8 (byte {error.start})")
        raise MappingError(file, [problem]) from error
    return parse_mapping(text, file)
