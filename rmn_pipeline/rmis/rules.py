"""What can be wrong with a row: every rule as a condition and a message, and the verdict over all rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from rmn_pipeline.rmis.mapping import (
    ColumnRule,
    InSetRule,
    Mapping,
    MonotoneRule,
    NotAfterRule,
    NotNullRule,
    RangeRule,
    Rule,
    Severity,
)
from rmn_pipeline.rmis.models import RMISRecord, enumerated_values
from rmn_pipeline.rmis.raw_rows import SKU, raw_name

# Intermediate columns: the extracted part, and the value map's answer.
PART, MAPPED = "part:", "mapped:"


@dataclass(frozen=True)
class RowRule:
    """One rule over rows: `broken` is true where it is broken, `message` says how."""

    name: str
    severity: Severity
    broken: pl.Expr
    message: pl.Expr


def _show(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String).fill_null("(empty)")


def reading_rules(mapping: Mapping) -> Iterator[RowRule]:
    """Cells that could not be read: no such part, a value the map does not know, the wrong type, or nothing."""
    for name, column in mapping.columns.items():
        yield from _column_rules(name, column)
    yield from _sku_rules(mapping)
    for name, info in RMISRecord.model_fields.items():
        if info.is_required() and (name in mapping.columns or name == SKU):
            empty = pl.col(name).is_null() & pl.col(raw_name(name)).is_null()
            source = mapping.columns.get(name, mapping.sku).sources[0]
            yield RowRule(f"not_null.{name}", "reject", empty, pl.lit(f"{name} is empty (from '{source}')"))


def _column_rules(name: str, column: ColumnRule) -> Iterator[RowRule]:
    raw, part, mapped = raw_name(name), PART + name, MAPPED + name
    if column.extract is not None:
        yield RowRule(
            f"extract.{name}",
            "reject",
            pl.col(raw).is_not_null() & pl.col(part).is_null(),
            pl.format("no {} in '{}'", pl.lit(name), _show(raw)),
        )
    if column.values is not None:
        yield RowRule(
            f"unmapped.{name}",
            "reject",
            pl.col(part).is_not_null() & pl.col(mapped).is_null(),
            pl.format("'{}' is no known {}", _show(part), pl.lit(name)),
        )
    yield RowRule(
        f"invalid.{name}",
        "reject",
        pl.col(mapped).is_not_null() & pl.col(name).is_null(),
        pl.format("'{}' is no valid {}", _show(mapped), pl.lit(name)),
    )
    allowed = enumerated_values(RMISRecord, name)
    if allowed:
        yield RowRule(
            f"in_set.{name}",
            "reject",
            pl.col(name).is_not_null() & ~pl.col(name).is_in(list(allowed)),
            pl.format("'{}' is no RMIS {}", _show(name), pl.lit(name)),
        )


def _sku_rules(mapping: Mapping) -> Iterator[RowRule]:
    raw = raw_name(SKU)
    if mapping.sku.kind == "gtin":
        for problem in ("gtin_unrecoverable", "gtin_invalid"):
            yield RowRule(
                f"{problem}.{SKU}",
                "reject",
                (pl.col("gtin:problem") == problem).fill_null(False),
                pl.format("product code '{}': {}", _show(raw), pl.col("gtin:reason").fill_null("")),
            )
    yield RowRule(
        f"unknown.{SKU}",
        "reject",
        pl.col("sku:unknown"),
        pl.format("product '{}' is not in the catalog", _show(raw)),
    )


def _declared(rule: Rule) -> RowRule:
    if isinstance(rule, NotNullRule):
        return RowRule(
            f"not_null.{rule.field}",
            rule.severity,
            pl.col(rule.field).is_null(),
            pl.lit(f"{rule.field} is empty"),
        )
    if isinstance(rule, RangeRule):
        return _range(rule)
    if isinstance(rule, InSetRule):
        outside = ~pl.col(rule.field).cast(pl.String).is_in(rule.values)
        message = pl.format("'{}' is none of {}", _show(rule.field), pl.lit(", ".join(rule.values)))
        return RowRule(f"in_set.{rule.field}", rule.severity, outside, message)
    if isinstance(rule, MonotoneRule):
        return _monotone(rule)
    return _not_after(rule)


def _range(rule: RangeRule) -> RowRule:
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
    return RowRule(f"range.{rule.field}", rule.severity, broken, message)


def _monotone(rule: MonotoneRule) -> RowRule:
    broken = pl.lit(False)
    for larger, smaller in zip(rule.fields, rule.fields[1:], strict=False):
        broken = broken | (pl.col(smaller) > pl.col(larger))
    shown = pl.concat_str(
        [pl.format("{}={}", pl.lit(name), _show(name)) for name in rule.fields], separator=", "
    )
    return RowRule(
        f"monotone.{'_'.join(rule.fields)}",
        rule.severity,
        broken,
        pl.format("each must be at least the next: {}", shown),
    )


def _not_after(rule: NotAfterRule) -> RowRule:
    message = pl.format(
        "{} {} lies after {} {}", pl.lit(rule.field), _show(rule.field), pl.lit(rule.limit), _show(rule.limit)
    )
    return RowRule(f"not_after.{rule.field}", rule.severity, pl.col(rule.field) > pl.col(rule.limit), message)


def all_rules(mapping: Mapping) -> list[RowRule]:
    """Every rule of a mapping, in the order in which a row is blamed."""
    return [*reading_rules(mapping), *(_declared(rule) for rule in mapping.rules)]


def judge(rows: pl.LazyFrame, rules: list[RowRule]) -> pl.LazyFrame:
    """Adds `broken`: the index of the first rejecting rule that a row breaks, null for good rows."""
    blames = [
        pl.when(rule.broken.fill_null(False)).then(pl.lit(index, pl.Int16))
        for index, rule in enumerate(rules)
        if rule.severity == "reject"
    ]
    return rows.with_columns(pl.min_horizontal(blames).alias("broken"))


def explain(bad: pl.DataFrame, rules: list[RowRule]) -> pl.DataFrame:
    """Rule, severity and message of judged rows; the message names every rule that a row breaks."""
    rejecting = [rule for rule in rules if rule.severity == "reject"]
    messages = [pl.when(rule.broken.fill_null(False)).then(rule.message) for rule in rejecting]
    names = [rule.name for rule in rules]
    return bad.with_columns(
        pl.col("broken").replace_strict(list(range(len(names))), names, return_dtype=pl.String).alias("rule"),
        pl.lit("reject").alias("severity"),
        pl.concat_str(messages, separator="; ", ignore_nulls=True).alias("message"),
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
