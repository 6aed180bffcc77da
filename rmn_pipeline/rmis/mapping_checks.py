"""What the model of a mapping cannot know: names that must exist, values that must fit, parts that need others."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import polars as pl
from pydantic import TypeAdapter, ValidationError

from rmn_pipeline.feeds import FeedError, ReportFormat
from rmn_pipeline.feeds.formats import check_format
from rmn_pipeline.rmis.computed import compile_computed, field_kinds
from rmn_pipeline.rmis.cost_basis import rates_named, steps_crossed
from rmn_pipeline.rmis.dates import format_mistakes
from rmn_pipeline.rmis.errors import did_you_mean, nearest_name
from rmn_pipeline.rmis.expression_syntax import ExpressionError
from rmn_pipeline.rmis.expressions import FUNCTION_NAMES, Kind, compile_expression
from rmn_pipeline.rmis.families import Facts, facts_of
from rmn_pipeline.rmis.mapping import (
    COMPUTED_FIELDS,
    MAPPABLE_FIELDS,
    AsOfFromColumn,
    AsOfFromFileName,
    ColumnRule,
    ExpressionRule,
    FieldRule,
    Mapping,
    RegexPart,
    TotalRows,
)
from rmn_pipeline.rmis.mapping_rules import (
    CrossFieldRule,
    MinCellRule,
    RegexRule,
    Rule,
    ScopedRule,
)
from rmn_pipeline.rmis.models import ADDITIVE_FIELDS, EVENTS_SCHEMA, RMISRecord, enumerated_values
from rmn_pipeline.rmis.patterns import pattern_mistake, whole_text
from rmn_pipeline.rmis.places import FILE_PREFIX, name_groups
from rmn_pipeline.rmis.reading import column_type, value_dtype
from rmn_pipeline.rmis.rules import names_looked_at, rule_scope
from rmn_pipeline.rmis.yaml_places import Location

_KNOWN_FIELDS = tuple(RMISRecord.model_fields)
_RESERVED = FUNCTION_NAMES | {"and", "or", "not", "in", "true", "false"}
_NUMBER_TYPES = ("int", "decimal", "money", "percent")
_TYPES_FOR: dict[pl.DataType, tuple[str, ...]] = {
    pl.String(): ("text", "int"),
    pl.Int64(): _NUMBER_TYPES,
    pl.Float64(): _NUMBER_TYPES,
    pl.Date(): ("date",),
    pl.Datetime("us", "UTC"): ("timestamp",),
    pl.Boolean(): ("bool",),
}
# What tells the events of two families apart once they lie in one table.
_DISTINGUISHING = (
    "attr_model",
    "conversion_unit",
    "revenue_scope",
    "date_basis",
    "ad_type",
    "placement_type",
)
_TEMPORAL_KEYS = ("month_names", "time_zone", "ambiguous", "offset", "format")
_NUMBER_KEYS = ("decimal_mark", "thousands_mark", "scale", "divide_by")


@dataclass(frozen=True)
class Finding:
    """A mistake: where, what, and at which character of the text there."""

    location: Location
    message: str
    at: int | None = None


def findings_in(mapping: Mapping) -> list[Finding]:
    """Every mistake in a mapping that its model accepted."""
    early = [finding for check in _NAMES_AND_VALUES for finding in check(mapping)]
    # Expressions, rules and filters name what the first checks found sound.
    return early or [finding for check in _MEANING for finding in check(mapping)]


def _sections(
    mapping: Mapping,
) -> Iterator[tuple[Location, Dictionary[str, FieldRule], Dictionary[str, Any]]]:
    """The common part and each family: where it stands, its columns and its constants."""
    yield (), mapping.columns, mapping.constants
    for name, family in mapping.families.items():
        yield ("families", name), family.columns, family.constants


def _rules_for_values(mapping: Mapping) -> Iterator[tuple[Location, str, FieldRule]]:
    """Everything that makes a value: where it stands, what it makes, and how."""
    for name, rule in mapping.inputs.items():
        yield ("inputs", name), name, rule
    for here, columns, _ in _sections(mapping):
        for name, rule in columns.items():
            if name in MAPPABLE_FIELDS:
                yield (*here, "columns", name), name, rule
    if isinstance(mapping.source.as_of, AsOfFromColumn):
        yield ("source", "as_of"), "as_of", mapping.source.as_of


def _check_field_names(mapping: Mapping) -> Iterator[Finding]:
    for here, columns, constants in _sections(mapping):
        for section, names in (("columns", columns), ("constants", constants)):
            for name in names:
                where = (*here, section, name)
                if name in COMPUTED_FIELDS:
                    yield Finding(where, f"'{name}' is filled by harmonization itself and cannot be mapped")
                elif name not in MAPPABLE_FIELDS:
                    yield _unknown_field(where, name, MAPPABLE_FIELDS)
        for name in sorted(set(columns) & set(constants)):
            yield Finding((*here, "constants", name), f"'{name}' is mapped from a column already")


def _unknown_field(where: Location, name: str, valid: Iterable[str]) -> Finding:
    return Finding(where, f"unknown RMIS field '{name}'; {did_you_mean(name, valid)}")


def _check_section_names(mapping: Mapping) -> Iterator[Finding]:
    for section in ("inputs", "joins", "families"):
        for name in getattr(mapping, section):
            if re.fullmatch(r"[a-z][a-z0-9_]*", name) is None:
                yield Finding((section, name), "a name is made of a-z, 0-9 and _, and starts with a letter")
    for name in mapping.inputs:
        if name in RMISRecord.model_fields:
            yield Finding(
                ("inputs", name), f"'{name}' is an RMIS field; map it in columns, or call it otherwise"
            )
        elif name in _RESERVED:
            yield Finding(("inputs", name), f"'{name}' is a word of expressions; call it otherwise")


def _check_rule_references(mapping: Mapping) -> Iterator[Finding]:
    """Rules and the natural key name RMIS fields."""
    for index, name in enumerate(mapping.natural_key):
        if name not in _KNOWN_FIELDS:
            yield _unknown_field(("natural_key", index), name, _KNOWN_FIELDS)
    if "date" not in mapping.natural_key:
        yield Finding(("natural_key",), "needs 'date': a fact is one day's")
    for index, rule in enumerate(mapping.rules):
        for attribute in ("field", "limit"):
            named = getattr(rule, attribute, None)
            if named is not None and named not in _KNOWN_FIELDS:
                yield _unknown_field(("rules", index, attribute), named, _KNOWN_FIELDS)
        for position, name in enumerate(getattr(rule, "fields", [])):
            if name not in _KNOWN_FIELDS:
                yield _unknown_field(("rules", index, "fields", position), name, _KNOWN_FIELDS)


def _check_completeness(mapping: Mapping) -> Iterator[Finding]:
    told: set[str] = set()
    for facts in facts_of(mapping):
        for name, field in RMISRecord.model_fields.items():
            given = name in facts.columns or name in facts.constants or name in COMPUTED_FIELDS
            given = given or name == "retailer_id" or name in told or not field.is_required()
            given = given or (name == "date" and "event_at" in facts.columns)
            given = given or (name == "cost_basis" and mapping.cost_conversion is not None)
            if not given:
                told.add(name)
                where = "" if facts.name is None else f" (family '{facts.name}')"
                yield Finding(
                    (), f"the required RMIS field '{name}' is neither in columns nor in constants{where}"
                )


def _check_constants(mapping: Mapping) -> Iterator[Finding]:
    for here, _, constants in _sections(mapping):
        for name, value in constants.items():
            if name in MAPPABLE_FIELDS:
                yield from _check_value((*here, "constants", name), name, value)
            if name == "report_timezone":
                yield from _check_zone((*here, "constants", name), str(value))


def _check_zone(where: Location, zone: str) -> Iterator[Finding]:
    try:
        # An empty name would mean no zone at all.
        pl.Series([], dtype=pl.Datetime("us")).dt.replace_time_zone(zone or "?")
    except pl.exceptions.ComputeError:
        near = nearest_name(zone, zoneinfo.available_timezones())
        hint = f"did you mean '{near}'?" if near else "write it as in America/New_York"
        yield Finding(where, f"unknown time zone '{zone}'; {hint}")


def _check_value(location: Location, field: str, value: object) -> Iterator[Finding]:
    allowed = enumerated_values(RMISRecord, field)
    if allowed and value not in allowed:
        yield Finding(location, f"'{value}' is no {field}; {did_you_mean(str(value), allowed)}")
        return
    try:
        _validator(field).validate_python(value)
    except ValidationError as error:
        yield Finding(location, f"{error.errors()[0]['msg']} (found {value!r})")


@cache
def _validator(field: str) -> TypeAdapter[Any]:
    """What the model of an event accepts in one field."""
    info = RMISRecord.model_fields[field]
    annotation: Any = info.annotation
    for constraint in info.metadata:
        annotation = Annotated.__class_getitem__((annotation, constraint))  # type: ignore[attr-defined]
    return TypeAdapter(annotation)


def _check_columns(mapping: Mapping) -> Iterator[Finding]:
    for here, name, rule in _rules_for_values(mapping):
        if isinstance(rule, ColumnRule):
            yield from _check_type(here, name, rule, mapping)
            yield from _check_value_map(here, name, rule)
            yield from _check_default(here, name, rule, value_dtype(name, rule))
            if isinstance(rule.extract, RegexPart):
                yield from _check_one_group((*here, "extract", "regex"), rule.extract.regex)


def _check_type(here: Location, name: str, rule: ColumnRule, mapping: Mapping) -> Iterator[Finding]:
    kind = column_type(name, rule)
    fitting = _TYPES_FOR[EVENTS_SCHEMA[name]] if name in EVENTS_SCHEMA else (kind,)
    if kind not in fitting:
        hint = "; map event_at, date follows from it" if (name, kind) == ("date", "timestamp") else ""
        yield Finding(
            (*here, "type"), f"'{name}' cannot be made from a {kind}, but from {', '.join(fitting)}{hint}"
        )
        return
    if kind in ("date", "timestamp"):
        yield from _check_temporal(here, kind, rule, mapping)
    else:
        yield from _useless(here, rule, _TEMPORAL_KEYS, f"a {kind}")
    if kind in _NUMBER_TYPES:
        yield from _check_marks(here, rule, mapping)
    else:
        yield from _useless(here, rule, _NUMBER_KEYS, f"a {kind}")


def _useless(here: Location, rule: ColumnRule, keys: Iterable[str], what: str) -> Iterator[Finding]:
    for key in keys:
        if key in rule.model_fields_set:
            yield Finding((*here, key), f"'{key}' has no meaning for {what}")


def _check_temporal(here: Location, kind: str, rule: ColumnRule, mapping: Mapping) -> Iterator[Finding]:
    if rule.format is None:
        if mapping.source.format != "parquet":
            example = "%Y-%m-%d" if kind == "date" else "%Y-%m-%dT%H:%M:%S%z"
            yield Finding(here, f"a {kind} needs its 'format', e.g. '{example}'")
    else:
        for index, mistake in format_mistakes(rule.format, "date" if kind == "date" else "timestamp"):
            yield Finding((*here, "format", index), mistake)
    names = rule.month_names
    if names is not None and len({name.casefold() for name in names}) < len(names):
        yield Finding((*here, "month_names"), "two months have the same name")
    if kind == "date":
        yield from _useless(
            here, rule, ("time_zone", "ambiguous", "offset"), "a date: daily rows are never moved"
        )
    else:
        yield from _check_time_zone(here, rule)


def _check_time_zone(here: Location, rule: ColumnRule) -> Iterator[Finding]:
    if rule.time_zone is not None:
        yield from _check_zone((*here, "time_zone"), rule.time_zone)
    formats = rule.format or []
    printed = [one for one in formats if "%z" in one]
    clocks = [one for one in formats if "%z" not in one and not one.startswith("unix_")]
    if clocks and rule.time_zone is None:
        yield Finding(here, f"a timestamp needs its 'time_zone' where the format has no %z ('{clocks[0]}')")
    if rule.offset == "ignore" and rule.time_zone is None:
        yield Finding(
            (*here, "offset"), "where the printed offset is ignored, 'time_zone' must say the right one"
        )
    if printed and not clocks and rule.offset == "read" and rule.time_zone is not None:
        yield Finding(
            (*here, "time_zone"), "the format reads an offset already; 'offset: ignore' makes time_zone hold"
        )


def _check_marks(here: Location, rule: ColumnRule, mapping: Mapping) -> Iterator[Finding]:
    decimal = rule.decimal_mark or mapping.numbers.decimal_mark
    if (rule.thousands_mark or mapping.numbers.thousands_mark) == decimal:
        yield Finding(here, "thousands_mark and decimal_mark are the same")
    if rule.scale is not None and rule.divide_by is not None:
        yield Finding((*here, "divide_by"), "'scale' says already what to divide by")


def _check_value_map(here: Location, name: str, rule: ColumnRule) -> Iterator[Finding]:
    if rule.values is not None and rule.unmapped is None:
        yield Finding(here, "a value map needs 'unmapped': reject, keep, or {use: <value>}")
    if rule.values is None and rule.unmapped is not None:
        yield Finding(here, "'unmapped' has no meaning without 'values'")
    if EVENTS_SCHEMA.get(name) != pl.String():
        return
    for raw, value in (rule.values or {}).items():
        yield from _check_value((*here, "values", raw), name, value)
    if rule.unmapped is not None and not isinstance(rule.unmapped, str):
        yield from _check_value((*here, "unmapped", "use"), name, rule.unmapped.use)


def _check_default(
    here: Location, name: str, rule: ColumnRule | ExpressionRule, dtype: pl.DataType
) -> Iterator[Finding]:
    if rule.default is None:
        return
    try:
        pl.Series([rule.default]).cast(dtype)
    except pl.exceptions.PolarsError:
        yield Finding((*here, "default"), f"{rule.default!r} is no {dtype}")
        return
    if EVENTS_SCHEMA.get(name) == pl.String():
        yield from _check_value((*here, "default"), name, rule.default)


def _check_one_group(location: Location, pattern: str) -> Iterator[Finding]:
    mistakes = list(_check_pattern(location, pattern))
    yield from mistakes
    if not mistakes and re.compile(pattern).groups != 1:
        yield Finding(location, f"the pattern needs exactly one group, it has {re.compile(pattern).groups}")


def _check_pattern(location: Location, pattern: str) -> Iterator[Finding]:
    mistake = pattern_mistake(pattern)
    if mistake is not None:
        yield Finding(location, f"not a usable pattern: {mistake}")


def _check_source(mapping: Mapping) -> Iterator[Finding]:
    as_of = mapping.source.as_of
    if isinstance(as_of, AsOfFromFileName):
        yield from _check_one_group(("source", "as_of", "file_name"), as_of.file_name)
        for _, mistake in format_mistakes([as_of.format], "date"):
            yield Finding(("source", "as_of", "format"), mistake)
    yield from _check_file_options(("source",), mapping.source.report_format())
    for name, join in mapping.joins.items():
        yield from _check_file_options(("joins", name), join.report_format())


def _check_file_options(location: Location, options: ReportFormat) -> Iterator[Finding]:
    """What the readers would refuse before they open a file."""
    try:
        check_format(options, Path())
    except FeedError as error:
        key = re.search(r"`(\w+)`", error.cause)
        yield Finding((*location, key.group(1)) if key else location, f"{error.cause}. {error.mend}".strip())
    except (OverflowError, RecursionError) as error:
        yield Finding(location, f"a pattern cannot be used: {error}")


def _check_sources(mapping: Mapping) -> Iterator[Finding]:
    """Names like 'campaigns.campaignName' and 'file.account' must be there."""
    for here, _, rule in _rules_for_values(mapping):
        yield from _check_names_read(mapping, (*here, "from"), rule.sources)
    yield from _check_names_read(mapping, ("sku", "from"), mapping.sku.sources)
    yield from _check_names_read(mapping, ("dedupe_key",), mapping.dedupe_key or [])
    if isinstance(mapping.total_rows, TotalRows):
        yield from _check_names_read(mapping, ("total_rows", "from"), mapping.total_rows.sources)
    for index, one in enumerate(mapping.filters):
        yield from _check_names_read(mapping, ("filters", index, "from"), one.sources or [])


def _check_names_read(mapping: Mapping, location: Location, sources: Iterable[str]) -> Iterator[Finding]:
    groups = name_groups(mapping)
    for source in sources:
        first, _, rest = source.partition(".")
        join = mapping.joins.get(first)
        if join is not None and rest not in join.take:
            yield Finding(
                location, f"'{source}' is not taken from the side file; {did_you_mean(rest, join.take)}"
            )
        if source.startswith(FILE_PREFIX) and groups and rest not in groups:
            yield Finding(
                location, f"source.name_pattern has no group '{rest}'; {did_you_mean(rest, groups)}"
            )


def _check_joins(mapping: Mapping) -> Iterator[Finding]:
    for name, join in mapping.joins.items():
        if name == FILE_PREFIX.rstrip("."):
            yield Finding(
                ("joins", name), "'file' stands for the report's file name; call the join otherwise"
            )
        for column in sorted(set(join.key) & set(join.take)):
            yield Finding(("joins", name, "take"), f"'{column}' is in the report already, as the key")


def _check_sku(mapping: Mapping) -> Iterator[Finding]:
    if mapping.sku.kind == "native" and "code" in mapping.sku.model_fields_set:
        yield Finding(("sku", "code"), "'code' is about bar codes and has no meaning for kind: native")


def _check_day(mapping: Mapping) -> Iterator[Finding]:
    """A day that follows from a moment needs to know whose day."""
    for facts in facts_of(mapping):
        derived = "event_at" in facts.columns and not {"date"} & {*facts.columns, *facts.constants}
        if derived and "report_timezone" not in facts.constants:
            yield Finding(
                ("columns", "event_at"),
                "date follows from event_at in report_timezone, so that must be a constant",
            )


def _check_families(mapping: Mapping) -> Iterator[Finding]:
    seen: dict[tuple[object, ...], str] = {}
    for facts in facts_of(mapping) if len(mapping.families) > 1 else []:
        traits = tuple(
            facts.constants.get(name, ("column", repr(facts.columns.get(name)))) for name in _DISTINGUISHING
        )
        if traits in seen:
            yield Finding(
                ("families", str(facts.name)),
                f"its events cannot be told from those of '{seen[traits]}': give it another attr_model, "
                "conversion_unit, revenue_scope or date_basis",
            )
        seen[traits] = str(facts.name)


def _check_expressions(mapping: Mapping) -> Iterator[Finding]:
    told: set[Location] = set()
    for facts in facts_of(mapping):
        done, _, mistakes = compile_computed(mapping, facts)
        for name, error in mistakes.items():
            where = _place_of(mapping, facts, name)
            if where not in told:
                told.add(where)
                yield Finding((*where, "expression"), error.message, error.at)
        for one in done:
            yield from _check_default(_place_of(mapping, facts, one.name), one.name, one.rule, one.dtype)


def _place_of(mapping: Mapping, facts: Facts, name: str) -> Location:
    if name in mapping.inputs:
        return ("inputs", name)
    family = mapping.families.get(facts.name) if facts.name is not None else None
    if family is not None and name in family.columns:
        return ("families", str(facts.name), "columns", name)
    return ("columns", name)


def _all_kinds(mapping: Mapping) -> dict[str, Kind]:
    """What rules and filters may name: every input and every RMIS field."""
    _, kinds, _ = compile_computed(mapping, facts_of(mapping)[0])
    return {**kinds, **field_kinds()}


def _check_expression(location: Location, text: str, kinds: Dictionary[str, Kind]) -> Iterator[Finding]:
    """A condition: an expression that is true or false."""
    try:
        compiled = compile_expression(text, kinds)
    except ExpressionError as error:
        yield Finding(location, error.message, error.at)
        return
    if compiled.kind != "boolean":
        yield Finding(location, f"gives a {compiled.kind}; it must be true or false, as a comparison is", 0)


def _check_rules(mapping: Mapping) -> Iterator[Finding]:
    kinds = _all_kinds(mapping)
    names: set[str] = set()
    for index, rule in enumerate(mapping.rules):
        here: Location = ("rules", index)
        mistakes = [*_check_conditions(here, rule, kinds), *_check_kinds(here, rule, kinds)]
        yield from mistakes
        if not mistakes:
            yield from _check_scope(here, rule, mapping)
        if rule.name is not None and rule.name in names:
            yield Finding((*here, "name"), f"another rule is called '{rule.name}'")
        names |= {rule.name} if rule.name is not None else set()


def _check_conditions(here: Location, rule: Rule, kinds: Dictionary[str, Kind]) -> Iterator[Finding]:
    if isinstance(rule, CrossFieldRule):
        yield from _check_expression((*here, "holds"), rule.holds, kinds)
    if isinstance(rule, MinCellRule) and rule.unless is not None:
        yield from _check_expression((*here, "unless"), rule.unless, kinds)
    if isinstance(rule, RegexRule):
        yield from _check_pattern((*here, "pattern"), whole_text(rule.pattern))


def _check_kinds(here: Location, rule: Rule, kinds: Dictionary[str, Kind]) -> Iterator[Finding]:
    """Numbers are compared with numbers, days with days."""
    if rule.check in ("range", "min_cell") and kinds[rule.field] != "number":
        yield Finding(
            (*here, "field"), f"'{rule.field}' is a {kinds[rule.field]}, '{rule.check}' wants a number"
        )
    if rule.check == "monotone":
        for position, name in enumerate(rule.fields):
            if kinds[name] != "number":
                yield Finding((*here, "fields", position), f"'{name}' is a {kinds[name]}, it wants a number")
    if rule.check == "not_after" and {kinds[rule.field], kinds[rule.limit]} != {"date"}:
        yield Finding((*here, "limit"), "'not_after' wants two dates")


def _check_scope(here: Location, rule: Rule, mapping: Mapping) -> Iterator[Finding]:
    if not isinstance(rule, ScopedRule) or rule_scope(rule) != "key":
        return
    others = sorted(names_looked_at(rule) - set(ADDITIVE_FIELDS))
    strangers = [name for name in others if name not in RMISRecord.model_fields]
    if strangers and mapping.repeats == "corrections":
        yield Finding(
            (*here, "scope"), f"'{strangers[0]}' is no RMIS field, so it is unknown once rows are summed"
        )


def _check_filters(mapping: Mapping) -> Iterator[Finding]:
    kinds = _all_kinds(mapping)
    names = [one.name for one in mapping.filters]
    for index, one in enumerate(mapping.filters):
        here: Location = ("filters", index)
        if names.index(one.name) != index:
            yield Finding((*here, "name"), f"another filter is called '{one.name}'")
        if (one.keep is None) == (one.drop is None):
            yield Finding(here, "a filter has either 'keep' or 'drop'")
            continue
        key = "keep" if one.keep is not None else "drop"
        rows = getattr(one, key)
        if isinstance(rows, str):
            yield from _check_expression((*here, key), rows, kinds)
            if one.sources is not None:
                yield Finding((*here, "from"), f"'from' wants a list of raw values in '{key}'")
        elif one.sources is None:
            yield Finding(here, f"listed values in '{key}' need 'from', the raw column")


def _check_cost_conversion(mapping: Mapping) -> Iterator[Finding]:
    conversion = mapping.cost_conversion
    if conversion is None:
        return
    crossed = steps_crossed(conversion)
    fees = [key for key in ("fee_rate", "fee_share") if getattr(conversion, key) is not None]
    yield from _check_rate("fee", fees, "fee" in crossed)
    yield from _check_rate("tax", ["tax_rate"] if conversion.tax_rate is not None else [], "tax" in crossed)
    kinds = _all_kinds(mapping)
    for key, name in rates_named(conversion):
        if name not in mapping.inputs or kinds.get(name) != "number":
            numbers = [known for known in mapping.inputs if kinds.get(known) == "number"]
            yield Finding(
                ("cost_conversion", key), f"'{name}' is no input with numbers; {did_you_mean(name, numbers)}"
            )
    for here, columns, constants in _sections(mapping):
        for section, names in (("columns", columns), ("constants", constants)):
            if "cost_basis" in names and names["cost_basis"] != conversion.report:
                yield Finding(
                    (*here, section, "cost_basis"), "cost_conversion.report says what cost_basis is"
                )


def _check_rate(what: str, given: list[str], needed: bool) -> Iterator[Finding]:
    keys = "fee_rate or fee_share" if what == "fee" else "tax_rate"
    if needed and not given:
        yield Finding(("cost_conversion",), f"between the two bases lies the {what}: give {keys}")
    if given and not needed:
        yield Finding(("cost_conversion", given[0]), f"no {what} lies between the two bases")
    if len(given) > 1:
        yield Finding(
            ("cost_conversion", given[1]), "fee_rate and fee_share say the same in two ways; keep one"
        )


_Check = Callable[[Mapping], Iterator[Finding]]
_NAMES_AND_VALUES: tuple[_Check, ...] = (
    _check_field_names,
    _check_section_names,
    _check_rule_references,
    _check_completeness,
    _check_constants,
    _check_columns,
    _check_source,
)
_MEANING: tuple[_Check, ...] = (
    _check_sources,
    _check_joins,
    _check_sku,
    _check_day,
    _check_families,
    _check_expressions,
    _check_rules,
    _check_filters,
    _check_cost_conversion,
)
