"""The closed grammar of expressions: text to a tree, with the position of every mistake.

    expression  = and-part {"or" and-part}
    and-part    = not-part {"and" not-part}
    not-part    = "not" not-part | comparison
    comparison  = sum [("==" | "!=" | "<" | "<=" | ">" | ">=") sum | ["not"] "in" "[" literal {"," literal} "]"]
    sum         = product {("+" | "-") product}
    product     = sign {("*" | "/") sign}
    sign        = "-" sign | atom
    atom        = literal | name | function "(" expression {"," expression} ")" | "(" expression ")"

A literal is a number, a text in single or double quotes, true or false. There is nothing else: no attributes,
no indexing, no assignment, no names but those that the caller declares.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

# Enough for any rule that a person can read; keeps every tree shallow enough to walk.
MAX_CHARACTERS = 1000
MAX_TOKENS = 200
MAX_DEPTH = 30

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<text>"[^"]*"|'[^']*')
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>==|!=|<=|>=|[-+*/()\[\],<>=]))""",
    re.VERBOSE | re.ASCII,
)
_WORDS = frozenset({"and", "or", "not", "in", "true", "false"})
COMPARISONS = ("==", "!=", "<=", ">=", "<", ">")


class ExpressionError(Exception):
    """A mistake in an expression: `at` is the 0-based character where it stands."""

    def __init__(self, message: str, at: int) -> None:
        self.message = message
        self.at = at
        super().__init__(f"{message} (character {at + 1})")


@dataclass(frozen=True)
class Constant:
    """A number, a text, true or false."""

    value: float | str | bool
    at: int


@dataclass(frozen=True)
class Name:
    """An input or a field."""

    name: str
    at: int


@dataclass(frozen=True)
class Call:
    """A function and its arguments."""

    function: str
    arguments: tuple[Node, ...]
    at: int


@dataclass(frozen=True)
class Unary:
    """'-' or 'not' before a value."""

    operator: str
    operand: Node
    at: int


@dataclass(frozen=True)
class Binary:
    """An arithmetic sign, a comparison, 'and' or 'or' between two values."""

    operator: str
    left: Node
    right: Node
    at: int


@dataclass(frozen=True)
class Membership:
    """Is a value one of some constants?"""

    operand: Node
    members: tuple[Constant, ...]
    negated: bool
    at: int


Node = Constant | Name | Call | Unary | Binary | Membership


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int


def _tokens(text: str) -> list[_Token]:
    if len(text) > MAX_CHARACTERS:
        raise ExpressionError(f"longer than {MAX_CHARACTERS} characters", MAX_CHARACTERS)
    found: list[_Token] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            at = position + len(text[position:]) - len(text[position:].lstrip())
            mistake = "a quote is not closed" if text[at] in "'\"" else f"'{text[at]}' has no meaning here"
            raise ExpressionError(mistake, at)
        kind = str(match.lastgroup)
        word = match.group(kind)
        found.append(_Token("word" if word in _WORDS and kind == "name" else kind, word, match.start(kind)))
        position = match.end()
    if len(found) > MAX_TOKENS:
        raise ExpressionError(f"more than {MAX_TOKENS} parts; split it over several inputs", found[-1].at)
    return found


class _Parser:
    """Recursive descent, one method per line of the grammar."""

    def __init__(self, text: str) -> None:
        self._tokens = [*_tokens(text), _Token("end", "", len(text.rstrip()))]
        self._next = 0
        self._depth = 0

    def whole(self) -> Node:
        node = self._expression()
        token = self._tokens[self._next]
        if token.kind != "end":
            raise ExpressionError(self._surprise(token), token.at)
        return node

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, *texts: str) -> _Token | None:
        """The next token, where it is one of these signs or words."""
        token = self._peek()
        if token.kind in ("sign", "word") and token.text in texts:
            self._next += 1
            return token
        return None

    def _demand(self, text: str) -> None:
        if self._take(text) is None:
            token = self._peek()
            where = f"before '{token.text}'" if token.text else "at the end"
            raise ExpressionError(f"'{text}' is missing {where}", token.at)

    @staticmethod
    def _surprise(token: _Token) -> str:
        if token.kind == "end":
            return "ends too early"
        if token.text == "=":
            return "'=' has no meaning here; '==' compares"
        if token.text in COMPARISONS:
            return f"'{token.text}' cannot stand here; compare two values at a time and join with 'and'"
        return f"'{token.text}' cannot stand here"

    def _expression(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError(f"nested deeper than {MAX_DEPTH} levels", self._peek().at)
        node = self._chain(lambda: self._chain(self._negation, "and"), "or")
        self._depth -= 1
        return node

    def _chain(self, part: Callable[[], Node], *operators: str) -> Node:
        node = part()
        while (token := self._take(*operators)) is not None:
            node = Binary(token.text, node, part(), token.at)
        return node

    def _negation(self) -> Node:
        negations = []
        while (token := self._take("not")) is not None:
            negations.append(token)
        node = self._comparison()
        for token in reversed(negations):
            node = Unary("not", node, token.at)
        return node

    def _comparison(self) -> Node:
        left = self._sum()
        if (token := self._take(*COMPARISONS)) is not None:
            return Binary(token.text, left, self._sum(), token.at)
        negation = self._take("not")
        if (token := self._take("in")) is not None:
            return Membership(left, self._members(), negation is not None, token.at)
        if negation is not None:
            raise ExpressionError("'not' stands before a value, or before 'in'", negation.at)
        return left

    def _members(self) -> tuple[Constant, ...]:
        self._demand("[")
        members = [self._member()]
        while self._take(",") is not None:
            members.append(self._member())
        self._demand("]")
        return tuple(members)

    def _member(self) -> Constant:
        node = self._sign()
        if isinstance(node, Unary) and isinstance(node.operand, Constant):
            value = node.operand.value
            if isinstance(value, float):
                return Constant(-value, node.at)
        if not isinstance(node, Constant):
            raise ExpressionError("a list holds numbers or texts only", node.at)
        return node

    def _sum(self) -> Node:
        return self._chain(lambda: self._chain(self._sign, "*", "/"), "+", "-")

    def _sign(self) -> Node:
        signs = []
        while (token := self._take("-")) is not None:
            signs.append(token)
        node = self._atom()
        for token in reversed(signs):
            node = Unary("-", node, token.at)
        return node

    def _atom(self) -> Node:
        token = self._peek()
        if self._take("(") is not None:
            node = self._expression()
            self._demand(")")
            return node
        if self._take("true", "false") is not None:
            return Constant(token.text == "true", token.at)
        if token.kind not in ("number", "text", "name"):
            raise ExpressionError(self._surprise(token), token.at)
        self._next += 1
        if token.kind == "number":
            return Constant(float(token.text), token.at)
        if token.kind == "text":
            return Constant(token.text[1:-1], token.at)
        if self._take("(") is not None:
            return Call(token.text, self._arguments(), token.at)
        return Name(token.text, token.at)

    def _arguments(self) -> tuple[Node, ...]:
        if self._take(")") is not None:
            return ()
        arguments = [self._expression()]
        while self._take(",") is not None:
            arguments.append(self._expression())
        self._demand(")")
        return tuple(arguments)


def parse_expression(text: str) -> Node:
    """The tree of an expression; ExpressionError says what is wrong with it and where."""
    return _Parser(text).whole()


def names_in(node: Node) -> frozenset[str]:
    """Every input and field that an expression reads."""
    match node:
        case Name():
            return frozenset({node.name})
        case Call():
            return frozenset().union(*(names_in(argument) for argument in node.arguments))
        case Unary() | Membership():
            return names_in(node.operand)
        case Binary():
            return names_in(node.left) | names_in(node.right)
        case Constant():
            return frozenset()
