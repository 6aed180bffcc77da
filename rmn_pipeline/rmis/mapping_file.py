"""Reads mapping.yaml: YAML to model, with the line, the key and the nearest valid name of every mistake."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from rmn_pipeline.rmis.errors import MappingError, MappingProblem, did_you_mean
from rmn_pipeline.rmis.mapping import (
    COMPUTED_FIELDS,
    MAPPABLE_FIELDS,
    AsOfFromFileName,
    ColumnRule,
    Mapping,
    RegexPart,
    mapping_json_schema,
)
from rmn_pipeline.rmis.models import RMISRecord, enumerated_values

Location = tuple[str | int, ...]
# A problem found after the model itself was accepted: where, and what.
Finding = tuple[Location, str]

_KNOWN_FIELDS = tuple(RMISRecord.model_fields)


class _Lines:
    """Which line of the file each key stands on."""

    def __init__(self, root: yaml.Node) -> None:
        self._root = root

    def find(self, location: Location) -> tuple[int, str]:
        """Line (1-based) and dotted key of the deepest part of `location` that the file really has."""
        node, line, key = self._root, self._root.start_mark.line, ""
        for part in location:
            step = self._child(node, part)
            if step is None:
                # pydantic also names union members on the way; those stand in no file.
                continue
            node, line = step
            key = f"{key}.{part}" if key else str(part)
        return line + 1, key or "(whole file)"

    @staticmethod
    def _child(node: yaml.Node, part: str | int) -> tuple[yaml.Node, int] | None:
        if isinstance(node, yaml.MappingNode):
            for name, value in node.value:
                if name.value == str(part):
                    return value, name.start_mark.line
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            return node.value[part], node.value[part].start_mark.line
        return None


def _repeated_keys(node: yaml.Node) -> Iterator[MappingProblem]:
    """YAML lets the later of two equal keys win silently; here it is a mistake."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated_keys(item)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for name, value in node.value:
            if name.value in seen:
                yield MappingProblem(name.start_mark.line + 1, str(name.value), "stands here a second time")
            seen.add(name.value)
            yield from _repeated_keys(value)


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
        return f"unknown key '{name}'; {did_you_mean(name, _properties_at(location))}"
    if kind in ("literal_error", "union_tag_invalid"):
        context = error.get("ctx", {})
        expected = str(context.get("expected") or context.get("expected_tags"))
        given = str(context.get("tag", error["input"]))
        allowed = re.findall(r"'([^']*)'", expected)
        return f"'{given}' is not allowed; {did_you_mean(given, allowed)}"
    if kind == "missing":
        return f"the key '{location[-1]}' is missing"
    return f"{error['msg']} (found {error['input']!r})"


def _check_field_names(mapping: Mapping) -> Iterator[Finding]:
    for section in ("columns", "constants"):
        for name in getattr(mapping, section):
            if name in COMPUTED_FIELDS:
                yield (section, name), f"'{name}' is filled by harmonization itself and cannot be mapped"
            elif name not in MAPPABLE_FIELDS:
                yield (section, name), f"unknown RMIS field '{name}'; {did_you_mean(name, MAPPABLE_FIELDS)}"
    for name in set(mapping.columns) & set(mapping.constants):
        yield ("constants", name), f"'{name}' is mapped from a column already"


def _rule_fields(rule: BaseModel) -> Iterator[tuple[str, Location]]:
    for attribute in ("field", "limit"):
        if hasattr(rule, attribute):
            yield getattr(rule, attribute), (attribute,)
    for index, name in enumerate(getattr(rule, "fields", [])):
        yield name, ("fields", index)


def _check_references(mapping: Mapping) -> Iterator[Finding]:
    """Rules and the natural key name RMIS fields."""
    for index, name in enumerate(mapping.natural_key):
        if name not in _KNOWN_FIELDS:
            yield (
                ("natural_key", index),
                f"unknown RMIS field '{name}'; {did_you_mean(name, _KNOWN_FIELDS)}",
            )
    for index, rule in enumerate(mapping.rules):
        for name, where in _rule_fields(rule):
            if name not in _KNOWN_FIELDS:
                yield (
                    ("rules", index, *where),
                    f"unknown RMIS field '{name}'; {did_you_mean(name, _KNOWN_FIELDS)}",
                )


def _check_completeness(mapping: Mapping) -> Iterator[Finding]:
    for name, field in RMISRecord.model_fields.items():
        given = name in mapping.columns or name in mapping.constants or name in COMPUTED_FIELDS
        if field.is_required() and not given and name != "retailer_id":
            yield (), f"the required RMIS field '{name}' is neither in columns nor in constants"


def _check_constants(mapping: Mapping) -> Iterator[Finding]:
    for name, value in mapping.constants.items():
        if name in MAPPABLE_FIELDS:
            yield from _check_value(("constants", name), name, value)


def _check_value(location: Location, field: str, value: object) -> Iterator[Finding]:
    allowed = enumerated_values(RMISRecord, field)
    if allowed and value not in allowed:
        yield location, f"'{value}' is no {field}; {did_you_mean(str(value), allowed)}"
        return
    info = RMISRecord.model_fields[field]
    annotation: Any = info.annotation
    for constraint in info.metadata:
        annotation = Annotated.__class_getitem__((annotation, constraint))  # type: ignore[attr-defined]
    try:
        TypeAdapter(annotation).validate_python(value)
    except ValidationError as error:
        yield location, f"{error.errors()[0]['msg']} (found {value!r})"


def _check_columns(mapping: Mapping) -> Iterator[Finding]:
    for name, column in mapping.columns.items():
        if name in MAPPABLE_FIELDS:
            yield from _check_column(name, column)
        yield from _check_sources(mapping, ("columns", name, "from"), column.sources)
    yield from _check_sources(mapping, ("sku", "from"), mapping.sku.sources)


def _check_column(name: str, column: ColumnRule) -> Iterator[Finding]:
    here: Location = ("columns", name)
    if (column.type == "date" or name == "date") and column.format is None:
        yield here, "a date needs its 'format', e.g. '%Y-%m-%d'"
    if column.values is not None and column.unmapped is None:
        yield here, "a value map needs 'unmapped': reject, keep, or {use: <value>}"
    if column.values is None and column.unmapped is not None:
        yield here, "'unmapped' has no meaning without 'values'"
    if column.thousands_mark == column.decimal_mark:
        yield here, "thousands_mark and decimal_mark are the same"
    for raw, value in (column.values or {}).items():
        yield from _check_value((*here, "values", raw), name, value)
    if column.unmapped is not None and not isinstance(column.unmapped, str):
        yield from _check_value((*here, "unmapped", "use"), name, column.unmapped.use)
    if isinstance(column.extract, RegexPart):
        yield from _check_pattern((*here, "extract", "regex"), column.extract.regex)


def _check_sources(mapping: Mapping, location: Location, sources: Iterable[str]) -> Iterator[Finding]:
    """A name like 'campaigns.campaignName' must be one that the side file's `take` lists."""
    for source in sources:
        join_name, _, column = source.partition(".")
        join = mapping.joins.get(join_name)
        if join is not None and column not in join.take:
            yield (
                location,
                f"'{source}' is not taken from the side file; {did_you_mean(column, join.take)}",
            )


def _check_pattern(location: Location, pattern: str) -> Iterator[Finding]:
    """Patterns run in Polars' engine, which has no look-around, so that engine is asked."""
    try:
        groups = re.compile(pattern).groups
        pl.Series([""]).str.extract(pattern, 1)
    except (re.error, pl.exceptions.ComputeError) as error:
        yield location, f"not a usable pattern: {error}"
        return
    if groups != 1:
        yield location, f"the pattern needs exactly one group, it has {groups}"


def _check_source(mapping: Mapping) -> Iterator[Finding]:
    if isinstance(mapping.source.as_of, AsOfFromFileName):
        yield from _check_pattern(("source", "as_of", "file_name"), mapping.source.as_of.file_name)


_CHECKS = (
    _check_field_names,
    _check_references,
    _check_completeness,
    _check_constants,
    _check_columns,
    _check_source,
)


def parse_mapping(text: str, file: Path | str = "mapping.yaml") -> Mapping:
    """The mapping that `text` writes down; every mistake in it is listed in one MappingError."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise MappingError(
            file, [MappingProblem(line, "(yaml)", f"not readable as YAML: {error}")]
        ) from error
    if root is None or not isinstance(content, dict):
        raise MappingError(file, [MappingProblem(1, "(whole file)", "holds no mapping")])
    repeated = list(_repeated_keys(root))
    if repeated:
        raise MappingError(file, repeated)
    lines = _Lines(root)
    try:
        mapping = Mapping.model_validate(content)
    except ValidationError as error:
        raise MappingError(
            file, [MappingProblem(*lines.find(item["loc"]), _explain(item)) for item in error.errors()]
        ) from error
    findings = [finding for check in _CHECKS for finding in check(mapping)]
    if findings:
        raise MappingError(
            file, [MappingProblem(*lines.find(location), message) for location, message in findings]
        )
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
