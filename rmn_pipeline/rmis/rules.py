"""What a mapping demands of rows, compiled: each rule as a condition and a message, for single rows or for keys.

A rule of scope `key` is one on additive numbers. Where a statement has one row per natural key, that row is the sum,
so such rules are judged with the row. Where rows of a key are corrections that add up, they must be judged on the
sums of a statement: `key_rules` are the same conditions over a frame with the columns of rmis_events, in which
impressions, clicks, conversions, revenue and cost are those sums.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass
from functools import reduce

import polars as pl

from rmn_pipeline.rmis.expression_syntax import names_in, parse_expression
from rmn_pipeline.rmis.expressions import Kind, compile_expression
from rmn_pipeline.rmis.mapping import Mapping
from rmn_pipeline.rmis.mapping_rules import (
    CrossFieldRule,
    InSetRule,
    MinCellRule,
    MonotoneRule,
    NotAfterRule,
    NotNullRule,
    RangeRule,
    RegexRule,
    Rule,
    ScopedRule,
    Severity,
    UniqueRule,
)
from rmn_pipeline.rmis.models import ADDITIVE_FIELDS
from rmn_pipeline.rmis.patterns import whole_text


@dataclass(frozen=True)
class RowRule:
    """One rule over rows: `broken` is true where it is broken, `message` says how."""

    name: str
    severity: Severity
    broken: pl.Expr
    message: pl.Expr


@dataclass(frozen=True)
class UniqueFields:
    """One rule over the events of a retailer that hold: on one `date` no two may agree in all of `fields`.

    The first event, by source_file and source_row, is sound; the others break the rule. A null is equal to nothing.
    """

    name: str
    severity: Severity
    fields: tuple[str, ...]


@dataclass(frozen=True)
class RuleSet:
    """A mapping's rules, by what they have to be judged on."""

    row_rules: tuple[RowRule, ...]
    key_rules: tuple[RowRule, ...]
    unique_rules: tuple[UniqueFields, ...]


def compile_rules(mapping: Mapping, kinds: Dictionary[str, Kind]) -> RuleSet:
    """All rules of a mapping; `kinds` are the fields and inputs that expressions may name."""
    row_rules, key_rules, unique_rules = [], [], []
    for rule in mapping.rules:
        if isinstance(rule, UniqueRule):
            unique_rules.append(UniqueFields(rule_name(rule), rule.severity, tuple(rule.fields)))
        elif mapping.repeats == "corrections" and rule_scope(rule) == "key":
            key_rules.append(_compiled(rule, kinds))
        else:
            row_rules.append(_compiled(rule, kinds))
    return RuleSet(tuple(row_rules), tuple(key_rules), tuple(unique_rules))


def rule_name(rule: Rule) -> str:
    """The declared name, or '<check>.<fields>'."""
    if rule.name is not None:
        return rule.name
    return f"{rule.check}.{'_'.join(sorted(rule_fields(rule)) if rule.check == 'cross_field' else rule_fields(rule))}"


def rule_fields(rule: Rule) -> list[str]:
    """What a rule looks at: RMIS fields, in an expression inputs as well."""
    if isinstance(rule, MonotoneRule | UniqueRule):
        return list(rule.fields)
    if isinstance(rule, CrossFieldRule):
        return sorted(names_in(parse_expression(rule.holds)))
    return [rule.field]


def names_looked_at(rule: Rule) -> frozenset[str]:
    """Every name whose value can change a rule's answer."""
    names = {*rule_fields(rule)}
    if isinstance(rule, NotAfterRule):
        names.add(rule.limit)
    if isinstance(rule, MinCellRule) and rule.unless is not None:
        names |= names_in(parse_expression(rule.unless))
    return frozenset(names)


def rule_scope(rule: Rule) -> str:
    """row or key: declared, or key where everything that the rule looks at adds up."""
    if not isinstance(rule, ScopedRule):
        return "row"
    if rule.scope is not None:
        return rule.scope
    return "key" if names_looked_at(rule) <= set(ADDITIVE_FIELDS) else "row"


def _show(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String).fill_null("(empty)")


def _shown(names: Iterable[str]) -> pl.Expr:
    return pl.concat_str([pl.format("{}={}", pl.lit(name), _show(name)) for name in names], separator=", ")


def _compiled(rule: Rule, kinds: Dictionary[str, Kind]) -> RowRule:
    broken, message = _condition(rule, kinds)
    return RowRule(rule_name(rule), rule.severity, broken, message)


def _condition(rule: Rule, kinds: Dictionary[str, Kind]) -> tuple[pl.Expr, pl.Expr]:
    match rule:
        case NotNullRule():
            return pl.col(rule.field).is_null(), pl.lit(f"{rule.field} is empty")
        case RangeRule():
            return _range(rule)
        case InSetRule():
            message = pl.format("'{}' is none of {}", _show(rule.field), pl.lit(", ".join(rule.values)))
            return ~pl.col(rule.field).cast(pl.String).is_in(rule.values), message
        case RegexRule():
            message = pl.format("'{}' does not fit {}", _show(rule.field), pl.lit(rule.pattern))
            return ~pl.col(rule.field).cast(pl.String).str.contains(whole_text(rule.pattern)), message
        case MinCellRule():
            return _min_cell(rule, kinds)
        case MonotoneRule():
            return _monotone(rule)
        case NotAfterRule():
            message = pl.format(
                "{} {} lies after {} {}",
                pl.lit(rule.field),
                _show(rule.field),
                pl.lit(rule.limit),
                _show(rule.limit),
            )
            return pl.col(rule.field) > pl.col(rule.limit), message
        case CrossFieldRule():
            holds = compile_expression(rule.holds, kinds)
            message = pl.format("{} is not so: {}", pl.lit(rule.holds), _shown(sorted(holds.names)))
            return ~holds.value, message
        case UniqueRule():
            raise TypeError("a unique rule has no condition on single rows")


def _range(rule: RangeRule) -> tuple[pl.Expr, pl.Expr]:
    value = pl.col(rule.field)
    broken = pl.lit(False)
    if rule.min is not None:
        broken = broken | (value < rule.min)
    if rule.max is not None:
        broken = broken | (value > rule.max)
    limits = [f"at least {rule.min:g}"] if rule.min is not None else []
    limits += [f"at most {rule.max:g}"] if rule.max is not None else []
    message = pl.format(
        "{} {} is not {}", pl.lit(rule.field), _show(rule.field), pl.lit(" and ".join(limits))
    )
    return broken, message


def _min_cell(rule: MinCellRule, kinds: Dictionary[str, Kind]) -> tuple[pl.Expr, pl.Expr]:
    value = pl.col(rule.field)
    broken = (value > 0) & (value < rule.min)
    if rule.unless is not None:
        broken = broken & ~compile_expression(rule.unless, kinds).value.fill_null(False)
    message = pl.format(
        "{} {} is below the least cell of {}",
        pl.lit(rule.field),
        _show(rule.field),
        pl.lit(f"{rule.min:g}"),
    )
    return broken, message


def _monotone(rule: MonotoneRule) -> tuple[pl.Expr, pl.Expr]:
    steps = [
        pl.col(smaller) > pl.col(larger)
        for larger, smaller in zip(rule.fields, rule.fields[1:], strict=False)
    ]
    broken = reduce(lambda one, other: one | other, steps)
    return broken, pl.format("each must be at least the next: {}", _shown(rule.fields))


def judge(rows: pl.LazyFrame, rules: list[RowRule]) -> pl.LazyFrame:
    """Adds `broken`: the index of the first rejecting rule that a row breaks, null for good rows."""
    blames = [
        pl.when(rule.broken.fill_null(False)).then(pl.lit(index, pl.Int16))
        for index, rule in enumerate(rules)
        if rule.severity == "reject"
    ]
    nothing = pl.lit(None, pl.Int16)
    return rows.with_columns(pl.min_horizontal(blames or [nothing]).alias("broken"))


def explain(bad: pl.DataFrame, rules: list[RowRule]) -> pl.DataFrame:
    """Rule, severity and message of judged rows; the message names every rule that a row breaks."""
    rejecting = [rule for rule in rules if rule.severity == "reject"]
    messages = [pl.when(rule.broken.fill_null(False)).then(rule.message) for rule in rejecting]
    names = [rule.name for rule in rules]
    return bad.with_columns(
        pl.col("broken").replace_strict(list(range(len(names))), names, return_dtype=pl.String).alias("rule"),
        pl.lit("reject").alias("severity"),
        pl.concat_str(messages or [pl.lit("")], separator="; ", ignore_nulls=True).alias("message"),
    )


def count_warnings(good: pl.DataFrame, rules: list[RowRule]) -> dict[str, int]:
    """How many events break each warning rule."""
    warning = [rule for rule in rules if rule.severity == "warn"]
    if not warning:
        return {}
    sums = good.select(
        rule.broken.fill_null(False).sum().alias(f"{index}") for index, rule in enumerate(warning)
    )
    counts: dict[str, int] = {}
    for rule, count in zip(warning, sums.row(0), strict=True):
        counts[rule.name] = counts.get(rule.name, 0) + int(count)
    return counts
