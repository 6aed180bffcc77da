"""A cursor over JSON text that is read as it is needed: a report of any size is never held whole."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

from rmn_pipeline.feeds.byte_streams import FETCH_AGAIN, Piece
from rmn_pipeline.feeds.errors import FeedError
from rmn_pipeline.feeds.text_streams import TextStream

READ_BYTES = 1 << 20
LARGEST_VALUE_SIGNS = 64 << 20
_BLANKS = re.compile(r"[ \t\n\r]*")


class RepeatedKeyError(ValueError):
    """An object that names a key twice: one of the two values would be lost."""


class Number(str):
    """A number as the text that was sent, kept apart from strings."""

    __slots__ = ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise RepeatedKeyError(f"the key {twice!r} comes twice in one object")
    return made


# Numbers stay the text that was sent: 31.80 and an 18-digit id survive unchanged; so do NaN and Infinity.
TEXT_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str, object_pairs_hook=_object)
EXACT_DECODER = json.JSONDecoder(
    parse_float=Number, parse_int=Number, parse_constant=Number, object_pairs_hook=_object
)


def json_text(value: Any) -> str:
    """A decoded value (by EXACT_DECODER) as JSON again, its numbers as they were sent."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, list):
        return f"[{','.join(map(json_text, value))}]"
    if isinstance(value, dict):
        members = (
            f"{json.dumps(key, ensure_ascii=False)}:{json_text(member)}" for key, member in value.items()
        )
        return f"{{{','.join(members)}}}"
    return json.dumps(value, ensure_ascii=False)


class JsonCursor:
    """A place in a JSON text. Whoever iterates `elements` or `members` must take or skip each value."""

    def __init__(self, piece: Piece, stream: TextStream) -> None:
        self._piece = piece
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._at = 0
        self._value_at = 0
        self._at_end = False
        # Where the text held begins: after so many lines, and so many signs of the next one.
        self._lines = 0
        self._line_signs = 0

    def peek(self) -> str:
        """The next sign that is no blank; '' at the end."""
        while True:
            sign = self._text[self._at : self._at + 1]
            if sign and sign not in " \t\n\r":
                return sign
            self._at = _BLANKS.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if self._at_end:
                return ""
            self._read_on(READ_BYTES)

    def value(self) -> Any:
        """The value here, numbers as text; the cursor moves behind it."""
        self.peek()
        wanted = READ_BYTES
        while True:
            try:
                value, end = TEXT_DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._at_end or len(self._text) - self._at > LARGEST_VALUE_SIGNS:
                    raise self.broken(error.msg, error.pos) from error
            except RepeatedKeyError as error:
                raise self.broken(str(error), self._at) from error
            except RecursionError as error:
                raise self._piece.error("JSON nested too deep to be a report") from error
            else:
                # A number at the end of what was read may go on behind it.
                if end < len(self._text) or self._at_end:
                    self._value_at, self._at = self._at, end
                    return value
            self._read_on(wanted)
            wanted *= 2

    def value_text(self) -> str:
        """The text of the value last taken."""
        return self._text[self._value_at : self._at]

    def elements(self) -> Iterator[None]:
        """Stops at each element of the array here."""
        self._take("[")
        if self.peek() == "]":
            self._at += 1
            return
        while True:
            yield
            if self._take_one_of(",]") == "]":
                return

    def members(self) -> Iterator[str]:
        """Each key of the object here, stopping at its value."""
        self._take("{")
        if self.peek() == "}":
            self._at += 1
            return
        while True:
            if self.peek() != '"':
                raise self.broken("Expecting a key in double quotes", self._at)
            key = self.value()
            self._take(":")
            yield str(key)
            if self._take_one_of(",}") == "}":
                return

    def skip(self, depth: int = 0) -> None:
        """Moves behind the value here, whatever its size."""
        sign = self.peek()
        if depth > 100 or sign not in ("[", "{"):
            self.value()
            return
        for _ in self.elements() if sign == "[" else self.members():
            self.skip(depth + 1)

    def finish(self) -> None:
        """Nothing may follow."""
        if self.peek():
            raise self.broken("Extra data", self._at)

    def broken(self, what: str, at: int) -> FeedError:
        """The error about JSON that is broken at a place in the text held."""
        line = self._lines + self._text.count("\n", 0, at) + 1
        line_start = self._text.rfind("\n", 0, at)
        column = at - line_start + (self._line_signs if line_start < 0 else 0)
        return self._piece.error(f"broken JSON at line {line}, column {column}: {what}", FETCH_AGAIN)

    def _take(self, sign: str) -> None:
        self._take_one_of(sign)

    def _take_one_of(self, signs: str) -> str:
        sign = self.peek()
        if not sign or sign not in signs:
            raise self.broken(f"Expecting {' or '.join(map(repr, signs))}", self._at)
        self._at += 1
        return sign

    def _read_on(self, size: int) -> None:
        raw = self._stream.read(size)
        self._at_end = not raw
        self._lines += self._text.count("\n", 0, self._at)
        line_start = self._text.rfind("\n", 0, self._at)
        self._line_signs = self._at - line_start - 1 if line_start >= 0 else self._line_signs + self._at
        self._text = self._text[self._at :] + self._decoder.decode(raw)
        self._at = 0
