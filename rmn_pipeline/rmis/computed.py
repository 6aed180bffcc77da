"""Values that expressions compute from others: compiled in the order of their dependence."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from dataclasses import dataclass

import polars as pl

from rmn_pipeline.rmis.expression_syntax import ExpressionError, names_in, parse_expression
from rmn_pipeline.rmis.expressions import Compiled, Kind, compile_expression, kind_of
from rmn_pipeline.rmis.families import Facts
from rmn_pipeline.rmis.faults import Fault, fault_for_all
from rmn_pipeline.rmis.mapping import ExpressionRule, Mapping
from rmn_pipeline.rmis.models import EVENTS_SCHEMA
from rmn_pipeline.rmis.numbers import to_whole
from rmn_pipeline.rmis.reading import Read, admissible_only, is_required, value_dtype

_DTYPES: dict[Kind, pl.DataType] = {
    "number": pl.Float64(),
    "text": pl.String(),
    "boolean": pl.Boolean(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us", "UTC"),
}
# Fields that every row has, whatever the mapping says.
_ALWAYS = ("retailer_id", "sku_id", "as_of", "source_file")


@dataclass(frozen=True)
class Computed:
    """One field or input that an expression gives."""

    name: str
    rule: ExpressionRule
    compiled: Compiled
    dtype: pl.DataType

    def evaluate(self, rows: pl.DataFrame) -> Read:
        """Its values over rows that have all that the expression names."""
        values = rows.with_columns(self.compiled.value.alias("computed:"))["computed:"]
        faults = []
        typed = to_whole(values) if self.dtype == pl.Int64 else values.cast(self.dtype)
        admissible = admissible_only(self.name, typed)
        for rule, after in (("invalid", typed), ("in_set", admissible)):
            lost = (after.is_null() & values.is_not_null()).arg_true()
            if not lost.is_empty():
                texts = "'" + values.gather(lost).cast(pl.String) + f"' is no valid {self.name}"
                faults.append(Fault(f"{rule}.{self.name}", lost, texts))
            values = after
        return self._filled(admissible, faults)

    def _filled(self, values: pl.Series, faults: list[Fault]) -> Read:
        if not values.null_count():
            return Read(values, tuple(faults))
        empty = values.is_null()
        for fault in faults:
            empty = empty.scatter(fault.rows, False)
        if self.rule.default is not None:
            default = pl.Series([self.rule.default]).cast(self.dtype).new_from_index(0, values.len())
            return Read(default.zip_with(empty, values), tuple(faults))
        if is_required(self.name):
            message = f"{self.name} is empty ({self.rule.expression} gives no value)"
            faults.append(fault_for_all(f"not_null.{self.name}", empty.arg_true(), message))
        return Read(values, tuple(faults))


def field_kinds() -> dict[str, Kind]:
    """The kind of every RMIS field but the event's id, which is made later."""
    return {name: kind_of(dtype) for name, dtype in EVENTS_SCHEMA.items() if name != "event_id"}


def read_kinds(mapping: Mapping, facts: Facts) -> dict[str, Kind]:
    """The kind of everything that is there before any expression is computed."""
    names = (*_ALWAYS, *facts.constants, *_derived(facts))
    kinds = {name: kind_of(EVENTS_SCHEMA[name]) for name in names if name in EVENTS_SCHEMA}
    for section in (mapping.inputs, facts.columns):
        for name, rule in section.items():
            if not isinstance(rule, ExpressionRule):
                kinds[name] = kind_of(value_dtype(name, rule))
    return kinds


def _derived(facts: Facts) -> tuple[str, ...]:
    return ("date",) if "event_at" in facts.columns else ()


def compile_computed(
    mapping: Mapping, facts: Facts
) -> tuple[list[Computed], dict[str, Kind], dict[str, ExpressionError]]:
    """All expressions in the order in which they can be computed, what is known then, and what is wrong."""
    rules = {
        name: rule
        for section in (mapping.inputs, facts.columns)
        for name, rule in section.items()
        if isinstance(rule, ExpressionRule)
    }
    kinds = read_kinds(mapping, facts)
    done: list[Computed] = []
    needs, mistakes = _needs(rules)
    while needs:
        ready = [name for name, needed in needs.items() if not needed & needs.keys()]
        for name in ready:
            del needs[name]
            try:
                one = _compile(name, rules[name], kinds)
            except ExpressionError as error:
                mistakes[name] = error
                continue
            done.append(one)
            kinds[name] = one.compiled.kind
        if not ready:
            circle = ", ".join(needs)
            mistakes |= dict.fromkeys(needs, ExpressionError(f"computed from itself: {circle}", 0))
            break
    return done, kinds, mistakes


def _needs(
    rules: Dictionary[str, ExpressionRule],
) -> tuple[dict[str, frozenset[str]], dict[str, ExpressionError]]:
    needs, mistakes = {}, {}
    for name, rule in rules.items():
        try:
            needs[name] = names_in(parse_expression(rule.expression))
        except ExpressionError as error:
            mistakes[name] = error
    return needs, mistakes


def _compile(name: str, rule: ExpressionRule, kinds: Dictionary[str, Kind]) -> Computed:
    compiled = compile_expression(rule.expression, kinds)
    if name not in EVENTS_SCHEMA:
        return Computed(name, rule, compiled, _DTYPES[compiled.kind])
    wanted = kind_of(EVENTS_SCHEMA[name])
    if compiled.kind != wanted:
        raise ExpressionError(f"gives a {compiled.kind}, but '{name}' is a {wanted}", 0)
    return Computed(name, rule, compiled, EVENTS_SCHEMA[name])
