"""Does a table keep to its model? Columns, types, nulls, listed values, ranges, patterns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import annotated_types
import polars as pl
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from rmn_pipeline.rmis.models import enumerated_values, polars_schema, unwrap_annotation


@dataclass(frozen=True)
class Violation:
    """One way in which a table breaks its model, and in how many rows (0: the column as a whole)."""

    column: str
    kind: str
    message: str
    rows: int = 0


_COMPARISONS: dict[type[Any], tuple[str, Callable[[pl.Expr, Any], pl.Expr]]] = {
    annotated_types.Ge: ("ge", lambda value, limit: value < limit),
    annotated_types.Gt: ("gt", lambda value, limit: value <= limit),
    annotated_types.Le: ("le", lambda value, limit: value > limit),
    annotated_types.Lt: ("lt", lambda value, limit: value >= limit),
}


def _constraints(field: FieldInfo) -> list[Any]:
    """Constraints of a field, also those that stand inside `Annotated[…] | None`."""
    found = list(field.metadata)
    for part in getattr(field.annotation, "__args__", ()):
        for extra in getattr(part, "__metadata__", ()):
            found += extra.metadata if isinstance(extra, FieldInfo) else [extra]
    return found


def _conditions(name: str, field: FieldInfo, allowed: tuple[str, ...]) -> Iterator[tuple[str, str, pl.Expr]]:
    """Kind, message and condition of everything that can be wrong with a column's values."""
    column = pl.col(name)
    if not unwrap_annotation(field.annotation)[1]:
        yield "null", "must not be null", column.is_null()
    if allowed:
        yield "enum", f"must be one of {', '.join(allowed)}", ~column.is_in(list(allowed))
    for constraint in _constraints(field):
        comparison = _COMPARISONS.get(type(constraint))
        if comparison is not None:
            attribute, broken = comparison
            limit = getattr(constraint, attribute)
            yield "range", f"must be {attribute} {limit}", broken(column, limit)
        pattern = getattr(constraint, "pattern", None)
        if pattern is not None:
            yield "pattern", f"must look like {pattern}", ~column.str.contains(pattern)


def check_table(frame: pl.DataFrame | pl.LazyFrame, model: type[BaseModel]) -> list[Violation]:
    """Everything in which `frame` is no table of `model`; empty when it is one. A lazy frame is never held whole."""
    expected, found = polars_schema(model), frame.lazy().collect_schema()
    unknown = [name for name in found.names() if name not in expected]
    violations = [Violation(name, "unknown_column", "no such column in the model") for name in unknown]
    tests: list[tuple[str, str, str, pl.Expr]] = []
    for name, dtype in expected.items():
        if name not in found:
            violations.append(Violation(name, "missing_column", "the column is missing"))
        elif found[name] != dtype:
            violations.append(Violation(name, "type", f"is {found[name]}, must be {dtype}"))
        else:
            allowed = enumerated_values(model, name)
            tests += [(name, *test) for test in _conditions(name, model.model_fields[name], allowed)]
    if not tests:
        return violations
    counts = frame.lazy().select(
        broken.fill_null(False).sum().alias(str(index)) for index, (*_, broken) in enumerate(tests)
    )
    totals = counts.collect(engine="streaming").row(0)
    for (name, kind, message, _), count in zip(tests, totals, strict=True):
        if count:
            violations.append(Violation(name, kind, message, int(count)))
    return violations


def check_parts(parts: Iterable[pl.DataFrame | pl.LazyFrame], model: type[BaseModel]) -> list[Violation]:
    """`check_table` of a table in parts, one in memory at a time; the rows of equal violations are added up."""
    rows: Counter[Violation] = Counter()
    for part in parts:
        for violation in check_table(part, model):
            rows[replace(violation, rows=0)] += violation.rows
    return [replace(violation, rows=count) for violation, count in rows.items()]
