"""Expressions, checked and compiled: a tree with known types becomes one Polars expression.

Numbers are computed as 64-bit floats. An empty operand makes a result empty, as do division by zero and results
that are no finite number; only coalesce, is_empty, `and` and `or` can do without a value, and an empty condition of
`if` counts as false. No part stands twice in what is built, or nested calls would grow without measure.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

from rmn_pipeline.rmis.errors import did_you_mean
from rmn_pipeline.rmis.expression_syntax import (
    COMPARISONS,
    Binary,
    Call,
    Constant,
    ExpressionError,
    Membership,
    Name,
    Node,
    Unary,
    names_in,
    parse_expression,
)
from rmn_pipeline.rmis.patterns import pattern_mistake, whole_text

Kind = Literal["number", "text", "boolean", "date", "timestamp"]
_MAX_DIGITS = 9


@dataclass(frozen=True)
class Typed:
    """What a part of an expression gives: its kind, and the Polars expression that computes it."""

    kind: Kind
    value: pl.Expr


@dataclass(frozen=True)
class Compiled:
    """A whole expression, ready to run on a frame that has the columns `names`."""

    kind: Kind
    value: pl.Expr
    names: frozenset[str]


def kind_of(dtype: pl.DataType) -> Kind:
    """The kind that a column of this type has in expressions."""
    if dtype.is_numeric():
        return "number"
    if dtype == pl.Boolean:
        return "boolean"
    if dtype == pl.Date:
        return "date"
    return "timestamp" if dtype == pl.Datetime else "text"


def compile_expression(text: str, kinds: Mapping[str, Kind]) -> Compiled:
    """Checks an expression over columns of these kinds and compiles it. ExpressionError where it is wrong."""
    node = parse_expression(text)
    result = _build(node, kinds)
    value = _finite(result.value) if result.kind == "number" else result.value
    return Compiled(result.kind, value, names_in(node))


def _build(node: Node, kinds: Mapping[str, Kind]) -> Typed:
    match node:
        case Constant():
            return _constant(node)
        case Name():
            return _name(node, kinds)
        case Call():
            return _call(node, kinds)
        case Membership():
            return _membership(node, kinds)
        case Unary():
            operand = _build(node.operand, kinds)
            _expect(operand, "number" if node.operator == "-" else "boolean", node.operator, node.at)
            return Typed(operand.kind, -operand.value if node.operator == "-" else ~operand.value)
        case Binary():
            return _binary(node, kinds)


def _constant(node: Constant) -> Typed:
    if isinstance(node.value, bool):
        return Typed("boolean", pl.lit(node.value))
    if isinstance(node.value, str):
        return Typed("text", pl.lit(node.value))
    if not math.isfinite(node.value):
        raise ExpressionError("the number is too large", node.at)
    return Typed("number", pl.lit(node.value, pl.Float64))


def _name(node: Name, kinds: Mapping[str, Kind]) -> Typed:
    kind = kinds.get(node.name)
    if kind is None:
        raise ExpressionError(
            f"'{node.name}' is no input and no field here; {did_you_mean(node.name, kinds)}", node.at
        )
    column = pl.col(node.name)
    return Typed(kind, column.cast(pl.Float64) if kind == "number" else column)


def _expect(part: Typed, kind: Kind, what: str, at: int) -> None:
    if part.kind != kind:
        raise ExpressionError(f"'{what}' wants a {kind}, this is a {part.kind}", at)


def _finite(value: pl.Expr) -> pl.Expr:
    return pl.when(value.is_finite()).then(value)


def _binary(node: Binary, kinds: Mapping[str, Kind]) -> Typed:
    left, right = _build(node.left, kinds), _build(node.right, kinds)
    if node.operator in ("and", "or"):
        _expect(left, "boolean", node.operator, node.at)
        _expect(right, "boolean", node.operator, node.at)
        return Typed(
            "boolean", left.value & right.value if node.operator == "and" else left.value | right.value
        )
    if node.operator in COMPARISONS:
        return _comparison(node, left, right)
    _expect(left, "number", node.operator, node.at)
    _expect(right, "number", node.operator, node.at)
    arithmetic: dict[str, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
        "+": pl.Expr.add,
        "-": pl.Expr.sub,
        "*": pl.Expr.mul,
        "/": lambda one, other: one / other.replace(0.0, None),
    }
    return Typed("number", arithmetic[node.operator](left.value, right.value))


def _comparison(node: Binary, left: Typed, right: Typed) -> Typed:
    if left.kind != right.kind:
        raise ExpressionError(f"a {left.kind} cannot be compared with a {right.kind}", node.at)
    if left.kind == "boolean" and node.operator not in ("==", "!="):
        raise ExpressionError("true and false have no order", node.at)
    comparisons: dict[str, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
        "==": pl.Expr.eq,
        "!=": pl.Expr.ne,
        "<": pl.Expr.lt,
        "<=": pl.Expr.le,
        ">": pl.Expr.gt,
        ">=": pl.Expr.ge,
    }
    return Typed("boolean", comparisons[node.operator](left.value, right.value))


def _membership(node: Membership, kinds: Mapping[str, Kind]) -> Typed:
    operand = _build(node.operand, kinds)
    for member in node.members:
        kind = _constant(member).kind
        if kind != operand.kind:
            raise ExpressionError(f"a {operand.kind} cannot be in a list with a {kind}", member.at)
    found = operand.value.is_in([member.value for member in node.members])
    return Typed("boolean", ~found if node.negated else found)


def _call(node: Call, kinds: Mapping[str, Kind]) -> Typed:
    build = _FUNCTIONS.get(node.function)
    if build is None:
        raise ExpressionError(
            f"there is no function '{node.function}'; {did_you_mean(node.function, _FUNCTIONS)}", node.at
        )
    return build(node, [_build(argument, kinds) for argument in node.arguments])


def _demand_count(node: Call, least: int, most: int | None = None) -> None:
    count = len(node.arguments)
    if count < least or (most is not None and count > most):
        wanted = f"{least}" if most == least else f"{least} or more" if most is None else f"{least} to {most}"
        raise ExpressionError(f"'{node.function}' takes {wanted} values, not {count}", node.at)


def _demand_one_kind(node: Call, arguments: list[Typed]) -> Kind:
    for argument, part in zip(arguments, node.arguments, strict=True):
        if argument.kind != arguments[0].kind:
            raise ExpressionError(
                f"'{node.function}' wants values of one kind, not {arguments[0].kind} and {argument.kind}",
                part.at,
            )
    return arguments[0].kind


def _coalesce(node: Call, arguments: list[Typed]) -> Typed:
    _demand_count(node, 2)
    kind = _demand_one_kind(node, arguments)
    return Typed(kind, pl.coalesce(argument.value for argument in arguments))


def _if(node: Call, arguments: list[Typed]) -> Typed:
    _demand_count(node, 2, 3)
    _expect(arguments[0], "boolean", "if", node.at)
    kinds = [answer.kind for answer in arguments[1:]]
    if len(set(kinds)) > 1:
        raise ExpressionError(f"'if' wants two answers of one kind, not {kinds[0]} and {kinds[1]}", node.at)
    chosen = pl.when(arguments[0].value).then(arguments[1].value)
    return Typed(kinds[0], chosen if len(kinds) == 1 else chosen.otherwise(arguments[2].value))


def _extreme(node: Call, arguments: list[Typed]) -> Typed:
    _demand_count(node, 2)
    kind = _demand_one_kind(node, arguments)
    if kind not in ("number", "date", "timestamp"):
        raise ExpressionError(f"'{node.function}' wants numbers or dates, not {kind}", node.at)
    values = pl.concat_list(argument.value for argument in arguments)
    one = pl.element().min() if node.function == "min" else pl.element().max()
    complete = pl.element().null_count() == 0
    return Typed(kind, values.list.eval(pl.when(complete).then(one)).list.first())


def _abs(node: Call, arguments: list[Typed]) -> Typed:
    _demand_count(node, 1, 1)
    _expect(arguments[0], "number", "abs", node.at)
    return Typed("number", arguments[0].value.abs())


def _round(node: Call, arguments: list[Typed]) -> Typed:
    _demand_count(node, 1, 2)
    _expect(arguments[0], "number", "round", node.at)
    digits = 0
    if len(arguments) == 2:
        part = node.arguments[1]
        value = part.value if isinstance(part, Constant) else None
        if isinstance(value, bool) or not isinstance(value, float) or value not in range(_MAX_DIGITS + 1):
            raise ExpressionError(f"'round' wants 0 to {_MAX_DIGITS} digits, written as a number", part.at)
        digits = int(value)
    return Typed("number", arguments[0].value.round(digits, mode="half_away_from_zero"))


def _case(node: Call, arguments: list[Typed]) -> Typed:
    _demand_count(node, 1, 1)
    _expect(arguments[0], "text", node.function, node.at)
    text = arguments[0].value.str
    changes = {"lower": text.to_lowercase, "upper": text.to_uppercase, "trim": text.strip_chars}
    return Typed("text", changes[node.function]())


def _concat(node: Call, arguments: list[Typed]) -> Typed:
    _demand_count(node, 2)
    for argument, part in zip(arguments, node.arguments, strict=True):
        _expect(argument, "text", "concat", part.at)
    return Typed("text", pl.concat_str([argument.value for argument in arguments]))


def _text_test(node: Call, arguments: list[Typed]) -> Typed:
    _demand_count(node, 2, 2)
    for argument, part in zip(arguments, node.arguments, strict=True):
        _expect(argument, "text", node.function, part.at)
    text, wanted = arguments[0].value.str, arguments[1].value
    if node.function == "contains":
        return Typed("boolean", text.contains(wanted, literal=True))
    return Typed(
        "boolean", text.starts_with(wanted) if node.function == "starts_with" else text.ends_with(wanted)
    )


def _matches(node: Call, arguments: list[Typed]) -> Typed:
    _demand_count(node, 2, 2)
    _expect(arguments[0], "text", "matches", node.at)
    part = node.arguments[1]
    pattern = part.value if isinstance(part, Constant) and isinstance(part.value, str) else None
    if pattern is None:
        raise ExpressionError("'matches' wants its pattern in quotes", part.at)
    mistake = pattern_mistake(whole_text(pattern))
    if mistake is not None:
        raise ExpressionError(f"not a usable pattern: {mistake}", part.at)
    return Typed("boolean", arguments[0].value.str.contains(whole_text(pattern)))


def _is_empty(node: Call, arguments: list[Typed]) -> Typed:
    _demand_count(node, 1, 1)
    return Typed("boolean", arguments[0].value.is_null())


def _days_between(node: Call, arguments: list[Typed]) -> Typed:
    _demand_count(node, 2, 2)
    for argument, part in zip(arguments, node.arguments, strict=True):
        _expect(argument, "date", "days_between", part.at)
    days = (arguments[1].value - arguments[0].value).dt.total_days()
    return Typed("number", days.cast(pl.Float64))


def _date(node: Call, arguments: list[Typed]) -> Typed:
    _demand_count(node, 1, 1)
    part = node.arguments[0]
    try:
        day = dt.date.fromisoformat(part.value if isinstance(part, Constant) else "")  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise ExpressionError("'date' wants a day in quotes: date('2026-01-31')", part.at) from error
    return Typed("date", pl.lit(day, pl.Date))


_FUNCTIONS: dict[str, Callable[[Call, list[Typed]], Typed]] = {
    "coalesce": _coalesce,
    "if": _if,
    "min": _extreme,
    "max": _extreme,
    "abs": _abs,
    "round": _round,
    "lower": _case,
    "upper": _case,
    "trim": _case,
    "concat": _concat,
    "contains": _text_test,
    "starts_with": _text_test,
    "ends_with": _text_test,
    "matches": _matches,
    "is_empty": _is_empty,
    "days_between": _days_between,
    "date": _date,
}
FUNCTION_NAMES = frozenset(_FUNCTIONS)
