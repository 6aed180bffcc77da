"""SQL intake: one SELECT, read as a structured request, or refused.

The statement is parsed to a tree and every node and every one of its parts is matched against what a request can
say; whatever is left over is a refusal, so a construct that the parser learns tomorrow stays closed. No text of an
analyst ever reaches the engine: what runs is made from the canonical request. Column names are not judged here
but where structured requests are, so a hidden column and an unknown one meet the same refusal.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from rmn_pipeline.cleanroom.errors import CleanRoomError, ErrorCode
from rmn_pipeline.cleanroom.layout import Layout
from rmn_pipeline.cleanroom.schema import (
    COUNTS,
    CUSTOMER_COLUMN,
    CUSTOMERS,
    DATE_COLUMN,
    LOG_COLUMNS,
    RECORDS,
    TABLE_NAME,
    VISIBLE_NAMES,
)

if TYPE_CHECKING:
    from sqlglot import Expr, Token

MAX_CHARACTERS = 100_000
MAX_TOKENS = 20_000
MAX_DEPTH = 16

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_ONE_DAY = datetime.timedelta(days=1)
# A parser written for every dialect fails in many ways on hostile text; all of them are the same refusal.
_PARSER_FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class SqlRequest:
    """What a statement asks for, as a structured request, and how its answer is laid out."""

    content: dict[str, Any]
    layout: Layout


@dataclass(frozen=True)
class _Item:
    """One column of the select list, under its canonical name and the analyst's label."""

    name: str
    label: str
    is_metric: bool


def compile_select(
    text: str, *, schema_name: str, unit: str, first_day: datetime.date, last_day: datetime.date
) -> SqlRequest:
    """Read one SELECT over the table `events` as a structured request.

    Args:
        text: the statement.
        schema_name: the only qualifier that the table may carry: the retailer's id.
        unit: the contribution unit; it decides how the room's count is spelt.
        first_day: where an open date range begins.
        last_day: where an open date range ends.

    Raises:
        CleanRoomError: anything but such a SELECT.
    """
    select = _parse(text)
    scope = _Scope(_table_alias(select, schema_name), unit)
    items = _items(select, scope)
    _check_grouping(select, items, scope)
    filters = _Filters(scope, first_day, last_day).read(select.args.get("where"))
    return SqlRequest(
        content={
            "dimensions": [item.name for item in items if not item.is_metric],
            "metrics": [item.name for item in items if item.is_metric],
            "filters": filters,
        },
        layout=Layout(
            columns=tuple((item.name, item.label) for item in items), order=_order(select, items, scope)
        ),
    )


def _refuse(code: ErrorCode) -> NoReturn:
    raise CleanRoomError(code)


def _parse(text: str) -> Expr:
    import sqlglot
    from sqlglot.errors import ErrorLevel, SqlglotError

    if len(text) > MAX_CHARACTERS:
        _refuse(ErrorCode.QUERY_SHAPE_NOT_PERMITTED)
    # An engine ends at a NUL or refuses it, even inside of a text; the parser reads on.
    if _CONTROL.search(text):
        _refuse(ErrorCode.INVALID_REQUEST)
    try:
        tokens = sqlglot.tokenize(text, read="duckdb")
        statement = _one_statement(text, tokens)
        tree = sqlglot.parse_one(statement, read="duckdb", error_level=ErrorLevel.IMMEDIATE)
    except (SqlglotError, *_PARSER_FAILURES):
        raise CleanRoomError(ErrorCode.INVALID_REQUEST) from None
    if type(tree) is not sqlglot.exp.Select:
        _refuse(ErrorCode.QUERY_SHAPE_NOT_PERMITTED)
    _only(tree, {"expressions", "from_", "where", "group", "order"}, ErrorCode.QUERY_SHAPE_NOT_PERMITTED)
    return tree


def _one_statement(text: str, tokens: Sequence[Token]) -> str:
    """The statement without a closing semicolon; refused: comments, several statements, towers of brackets."""
    from sqlglot.tokens import TokenType

    opening = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE}
    closing = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE}
    if not tokens:
        _refuse(ErrorCode.INVALID_REQUEST)
    # Whatever does not begin with SELECT is no business of the parser, which would log the text it cannot place.
    if tokens[0].token_type is not TokenType.SELECT or len(tokens) > MAX_TOKENS:
        _refuse(ErrorCode.QUERY_SHAPE_NOT_PERMITTED)
    _check_commas(tokens)
    _check_letters(tokens)
    depth = 0
    for place, token in enumerate(tokens, start=1):
        depth += (token.token_type in opening) - (token.token_type in closing)
        is_second_statement = token.token_type is TokenType.SEMICOLON and place < len(tokens)
        # A comment is text that nobody accounts for.
        if token.comments or is_second_statement or depth > MAX_DEPTH:
            _refuse(ErrorCode.QUERY_SHAPE_NOT_PERMITTED)
    return text[: tokens[-1].start] if tokens[-1].token_type is TokenType.SEMICOLON else text


def _check_commas(tokens: Sequence[Token]) -> None:
    """Every comma separates two things: the parser overlooks those that do not, and no engine does."""
    from sqlglot.tokens import TokenType

    before = {TokenType.COMMA, TokenType.L_PAREN, TokenType.SELECT, TokenType.GROUP_BY, TokenType.ORDER_BY}
    after = {TokenType.COMMA, TokenType.R_PAREN, TokenType.FROM, TokenType.WHERE, TokenType.GROUP_BY}
    after |= {TokenType.ORDER_BY, TokenType.SEMICOLON}
    following = [token.token_type for token in tokens[1:]] + [TokenType.SEMICOLON]
    preceding = [TokenType.SEMICOLON] + [token.token_type for token in tokens[:-1]]
    for left, token, right in zip(preceding, tokens, following, strict=True):
        if token.token_type is TokenType.COMMA and (left in before or right in after):
            _refuse(ErrorCode.INVALID_REQUEST)


def _check_letters(tokens: Sequence[Token]) -> None:
    """Keywords and functions in ASCII: the parser takes ſ for an S, as Unicode's upper case does; no engine does."""
    from sqlglot.tokens import TokenType

    texts = {TokenType.STRING, TokenType.IDENTIFIER}
    followers = [token.token_type for token in tokens[1:]] + [TokenType.SEMICOLON]
    for token, follower in zip(tokens, followers, strict=True):
        is_name = token.token_type is TokenType.VAR and follower is not TokenType.L_PAREN
        if token.token_type not in texts and not is_name and not token.text.isascii():
            _refuse(ErrorCode.INVALID_REQUEST)


def _only(node: Expr, parts: Iterable[str], code: ErrorCode) -> None:
    """Refuse a node that carries anything besides these parts."""
    permitted = set(parts)
    if node.comments or any(value for name, value in node.args.items() if name not in permitted):
        _refuse(code)


def _identifier(node: Any, code: ErrorCode) -> str:
    """The lower-case name of an identifier: the engine that analysts know folds case, quoted or not."""
    from sqlglot import exp

    if type(node) is not exp.Identifier:
        _refuse(code)
    _only(node, {"this", "quoted"}, code)
    name = node.this
    if not isinstance(name, str) or not name.isascii():
        _refuse(code)
    return name.lower()


def _table_alias(select: Expr, schema_name: str) -> str:
    """Check the FROM clause; return the name by which columns may be qualified."""
    from sqlglot import exp

    shape = ErrorCode.QUERY_SHAPE_NOT_PERMITTED
    source = select.args.get("from_")
    if type(source) is not exp.From:
        _refuse(shape)
    _only(source, {"this"}, shape)
    table = source.this
    if type(table) is not exp.Table:
        _refuse(shape)
    _only(table, {"this", "db", "alias"}, shape)
    if _identifier(table.this, shape) != TABLE_NAME:
        _refuse(shape)
    if table.args.get("db") and _identifier(table.args["db"], shape) != schema_name.lower():
        _refuse(shape)
    alias = table.args.get("alias")
    if not alias:
        return TABLE_NAME
    _only(alias, {"this"}, shape)
    name = _identifier(alias.this, shape)
    if not _IDENTIFIER.fullmatch(name) or name in VISIBLE_NAMES or name in LOG_COLUMNS:
        _refuse(shape)
    return name


class _Scope:
    """Reads the expressions that may stand in a select list, a grouping or an ordering."""

    def __init__(self, table: str, unit: str) -> None:
        self._table = table
        self._unit = unit

    def column(self, node: Any, code: ErrorCode = ErrorCode.COLUMN_NOT_PERMITTED) -> str:
        """The name of a column, qualified by this table or not at all."""
        from sqlglot import exp

        if type(node) is not exp.Column:
            _refuse(code)
        _only(node, {"this", "table"}, code)
        qualifier = node.args.get("table")
        if qualifier and _identifier(qualifier, code) != self._table:
            _refuse(code)
        return _identifier(node.this, code)

    def expression(self, node: Any) -> tuple[str, bool]:
        """The canonical name of an expression, and whether it is a metric."""
        from sqlglot import exp

        if type(node) is exp.Column:
            return self.column(node), False
        if type(node) is exp.TimestampTrunc:
            return self._week(node), False
        if type(node) is exp.Sum:
            _only(node, {"this"}, ErrorCode.FUNCTION_NOT_PERMITTED)
            return self._summed(node.this), True
        if type(node) is exp.Count:
            return self._count(node), True
        # A star is a list of columns that nobody named, and a sub-query is another statement.
        is_shape = isinstance(node, exp.Star | exp.Query | exp.Subquery | exp.Window)
        _refuse(ErrorCode.QUERY_SHAPE_NOT_PERMITTED if is_shape else ErrorCode.FUNCTION_NOT_PERMITTED)

    def _summed(self, node: Any) -> str:
        from sqlglot import exp

        if type(node) is not exp.Column or type(node.this) is not exp.Identifier:
            _refuse(ErrorCode.FUNCTION_NOT_PERMITTED)
        name = self.column(node)
        # The room's count is no summable column, whatever its canonical name says.
        if name in COUNTS:
            _refuse(ErrorCode.COLUMN_NOT_PERMITTED)
        return name

    def _count(self, node: Expr) -> str:
        """COUNT(DISTINCT customer_id) over customers, COUNT(*) over records; no other count exists."""
        from sqlglot import exp

        code = ErrorCode.FUNCTION_NOT_PERMITTED
        _only(node, {"this", "big_int"}, code)
        counted = node.this
        if self._unit == "record":
            if type(counted) is not exp.Star:
                _refuse(code)
            _only(counted, (), code)
            return RECORDS
        if type(counted) is not exp.Distinct:
            _refuse(code)
        _only(counted, {"expressions"}, code)
        if len(counted.expressions) != 1 or self.column(counted.expressions[0], code) != CUSTOMER_COLUMN:
            _refuse(code)
        return CUSTOMERS

    def _week(self, node: Expr) -> str:
        """date_trunc('week', date): Mondays, as in the structured request."""
        from sqlglot import exp

        code = ErrorCode.FUNCTION_NOT_PERMITTED
        _only(node, {"this", "unit"}, code)
        unit = node.args.get("unit")
        if type(unit) is not exp.Var or unit.name.upper() != "WEEK":
            _refuse(code)
        if self.column(node.this, code) != DATE_COLUMN:
            _refuse(code)
        return "week"


def _items(select: Expr, scope: _Scope) -> list[_Item]:
    items = [_item(node, scope) for node in select.expressions]
    labels = [item.label.lower() for item in items]
    bounds = [f"{item.label}_error95".lower() for item in items if item.is_metric]
    names = [item.name for item in items]
    if len({*labels, *bounds}) < len(labels) + len(bounds) or len(set(names)) < len(names):
        _refuse(ErrorCode.QUERY_SHAPE_NOT_PERMITTED)
    return items


def _item(node: Any, scope: _Scope) -> _Item:
    from sqlglot import exp

    if type(node) is not exp.Alias:
        name, is_metric = scope.expression(node)
        return _Item(name, name, is_metric)
    _only(node, {"this", "alias"}, ErrorCode.QUERY_SHAPE_NOT_PERMITTED)
    name, is_metric = scope.expression(node.this)
    alias = node.args.get("alias")
    label = alias.this if type(alias) is exp.Identifier else None
    if not isinstance(label, str) or not _IDENTIFIER.fullmatch(label):
        _refuse(ErrorCode.QUERY_SHAPE_NOT_PERMITTED)
    # A label that is another column's name would make every later mention of it ambiguous.
    if label.lower() != name and label.lower() in (*VISIBLE_NAMES, *LOG_COLUMNS):
        _refuse(ErrorCode.QUERY_SHAPE_NOT_PERMITTED)
    return _Item(name, label, is_metric)


def _check_grouping(select: Expr, items: Sequence[_Item], scope: _Scope) -> None:
    """The grouping must be the selected dimensions, no more and no less: a hidden key would split cells unseen."""
    from sqlglot import exp

    shape = ErrorCode.QUERY_SHAPE_NOT_PERMITTED
    selected = {item.name for item in items if not item.is_metric}
    group = select.args.get("group")
    if group is None:
        # Without a grouping SQL permits aggregates only, whichever column stands beside them.
        if selected:
            _refuse(shape)
        return
    if type(group) is not exp.Group:
        _refuse(shape)
    _only(group, {"expressions", "all"}, shape)
    if group.args.get("all"):
        if group.expressions:
            _refuse(shape)
        return
    grouped = {_mentioned(node, items, scope).name for node in group.expressions}
    if not grouped or grouped != selected:
        _refuse(shape)


def _order(select: Expr, items: Sequence[_Item], scope: _Scope) -> tuple[tuple[str, bool], ...]:
    """The ordering of released rows, by columns of the answer only: it can tell nothing that the rows do not."""
    from sqlglot import exp

    shape = ErrorCode.QUERY_SHAPE_NOT_PERMITTED
    order = select.args.get("order")
    if order is None:
        return ()
    _only(order, {"expressions"}, shape)
    keys = []
    for node in order.expressions:
        if type(node) is not exp.Ordered:
            _refuse(shape)
        _only(node, {"this", "desc", "nulls_first"}, shape)
        keys.append((_mentioned(node.this, items, scope).name, bool(node.args.get("desc"))))
    return tuple(keys)


def _mentioned(node: Any, items: Sequence[_Item], scope: _Scope) -> _Item:
    """The select-list column that a grouping or ordering names: by place, label, name or the same expression."""
    from sqlglot import exp

    shape = ErrorCode.QUERY_SHAPE_NOT_PERMITTED
    if type(node) is exp.Literal:
        place = node.this
        if (
            node.is_string
            or not (place.isascii() and place.isdecimal())
            or not 1 <= int(place[:9]) <= len(items)
        ):
            _refuse(shape)
        return items[int(place) - 1]
    if type(node) not in (exp.Column, exp.TimestampTrunc, exp.Sum, exp.Count):
        _refuse(shape)
    name, is_metric = scope.expression(node)
    is_qualified = bool(node.args.get("table"))
    for item in items:
        if (item.name == name and item.is_metric == is_metric) or (
            item.label.lower() == name and type(node) is exp.Column and not is_qualified
        ):
            return item
    _refuse(shape)


class _Filters:
    """Reads a WHERE clause: a conjunction of whole-day ranges and lists of values."""

    def __init__(self, scope: _Scope, first_day: datetime.date, last_day: datetime.date) -> None:
        self._scope = scope
        self._range = first_day, last_day
        self._lows: list[datetime.date] = []
        self._highs: list[datetime.date] = []
        self._members: dict[str, list[str]] = {}

    def read(self, where: Any) -> dict[str, Any]:
        """The `filters` of a structured request."""
        from sqlglot import exp

        if where is not None:
            if type(where) is not exp.Where:
                _refuse(ErrorCode.FILTER_NOT_PERMITTED)
            _only(where, {"this"}, ErrorCode.FILTER_NOT_PERMITTED)
            for predicate in _conjuncts(where.this):
                self._add(predicate)
        filters: dict[str, Any] = dict(self._members)
        if self._lows or self._highs:
            first, last = self._range
            filters[DATE_COLUMN] = {
                "from": max(self._lows, default=first),
                "to": min(self._highs, default=last),
            }
        return filters

    def _add(self, node: Expr) -> None:
        from sqlglot import exp

        code = ErrorCode.FILTER_NOT_PERMITTED
        if type(node) is exp.Between:
            _only(node, {"this", "low", "high"}, code)
            self._restrict_days(node.this, _day(node.args["low"]), _day(node.args["high"]))
        elif type(node) is exp.In:
            _only(node, {"this", "expressions"}, code)
            self._restrict_values(node.this, [_text(value) for value in node.expressions])
        elif type(node) in (exp.EQ, exp.GT, exp.GTE, exp.LT, exp.LTE):
            _only(node, {"this", "expression"}, code)
            self._compare(node)
        else:
            _refuse(_filter_code(node))

    def _compare(self, node: Expr) -> None:
        from sqlglot import exp

        column, value = node.this, node.expression
        kind: Any = type(node)
        if type(value) is exp.Column:
            mirrored: dict[Any, Any] = {exp.GT: exp.LT, exp.LT: exp.GT, exp.GTE: exp.LTE, exp.LTE: exp.GTE}
            column, value, kind = value, column, mirrored.get(kind, kind)
        name = self._name(column)
        if kind is exp.EQ and name != DATE_COLUMN:
            self._restrict_values(column, [_text(value)])
            return
        day = _day(value)
        try:
            low = {exp.EQ: day, exp.GTE: day, exp.GT: day + _ONE_DAY}.get(kind)
            high = {exp.EQ: day, exp.LTE: day, exp.LT: day - _ONE_DAY}.get(kind)
        except OverflowError:
            raise CleanRoomError(ErrorCode.FILTER_NOT_PERMITTED) from None
        self._restrict_days(column, low, high)

    def _name(self, node: Any) -> str:
        from sqlglot import exp

        if type(node) is not exp.Column:
            _refuse(_filter_code(node))
        return self._scope.column(node, ErrorCode.FILTER_NOT_PERMITTED)

    def _restrict_days(self, column: Any, low: datetime.date | None, high: datetime.date | None) -> None:
        if self._name(column) != DATE_COLUMN:
            _refuse(ErrorCode.FILTER_NOT_PERMITTED)
        self._lows += [low] if low else []
        self._highs += [high] if high else []

    def _restrict_values(self, column: Any, values: list[str]) -> None:
        name = self._name(column)
        if name == DATE_COLUMN or not values:
            _refuse(ErrorCode.FILTER_NOT_PERMITTED)
        also = set(self._members.get(name, values))
        self._members[name] = [value for value in values if value in also]


def _conjuncts(node: Any) -> Iterator[Any]:
    """The parts of a conjunction, without recursion: a long chain of ANDs must not meet the interpreter's limit."""
    from sqlglot import exp

    waiting = [node]
    while waiting:
        part = waiting.pop()
        if type(part) is exp.And:
            _only(part, {"this", "expression"}, ErrorCode.FILTER_NOT_PERMITTED)
            waiting += [part.expression, part.this]
        elif type(part) is exp.Paren:
            _only(part, {"this"}, ErrorCode.FILTER_NOT_PERMITTED)
            waiting.append(part.this)
        else:
            yield part


def _filter_code(node: Any) -> ErrorCode:
    """Why a filter is refused: a function is called by its name, everything else is just no filter."""
    from sqlglot import exp

    if isinstance(node, exp.Func) and not isinstance(node, exp.Connector | exp.Cast):
        return ErrorCode.FUNCTION_NOT_PERMITTED
    if isinstance(node, exp.Binary):
        for side in (node.this, node.expression):
            if isinstance(side, exp.Func) and not isinstance(side, exp.Connector | exp.Cast):
                return ErrorCode.FUNCTION_NOT_PERMITTED
    return ErrorCode.FILTER_NOT_PERMITTED


def _text(node: Any) -> str:
    from sqlglot import exp

    if type(node) is not exp.Literal or not node.is_string:
        _refuse(_filter_code(node))
    _only(node, {"this", "is_string"}, ErrorCode.FILTER_NOT_PERMITTED)
    return str(node.this)


def _day(node: Any) -> datetime.date:
    """A day written 'YYYY-MM-DD', bare or as a DATE."""
    from sqlglot import exp

    if type(node) is exp.Cast:
        _only(node, {"this", "to"}, ErrorCode.FILTER_NOT_PERMITTED)
        target = node.args["to"]
        if type(target) is not exp.DataType or target.this != exp.DType.DATE or target.expressions:
            _refuse(ErrorCode.FILTER_NOT_PERMITTED)
        node = node.this
    text = _text(node)
    if not _ISO_DAY.fullmatch(text):
        _refuse(ErrorCode.FILTER_NOT_PERMITTED)
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise CleanRoomError(ErrorCode.FILTER_NOT_PERMITTED) from None
