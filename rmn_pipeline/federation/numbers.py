"""Reading quantities out of plain words, deterministically: digits, separators, suffixes, spoken numbers, periods.

Belongs here: what a span of text can mean as a number. What it means for a plan is decided in `grounding`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Unit = Literal["money", "weeks", "share", "ratio", "number"]

WEEKS_PER_QUARTER = 13
WEEKS_PER_YEAR = 52

_ONE_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TEN_WORDS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ONES = {word: value for value, word in enumerate(_ONE_WORDS.split(" "))}
_TENS = {word: 10 * value for value, word in enumerate(_TEN_WORDS.split(" "), start=2)}
_SMALL = {**_ONES, **_TENS, "dozen": 12}
_SCALES = {
    "thousand": 1_000,
    "thousands": 1_000,
    "grand": 1_000,
    "k": 1_000,
    "million": 1_000_000,
    "millions": 1_000_000,
    "mil": 1_000_000,
    "mio": 1_000_000,
    "mn": 1_000_000,
    "mm": 1_000_000,
    "m": 1_000_000,
    "billion": 1_000_000_000,
    "bn": 1_000_000_000,
}
# Too short to be read as a scale when they stand alone.
_ATTACHED_ONLY = {"k", "m"}
_PARTS = {
    "half": 2,
    "halves": 2,
    "third": 3,
    "quarter": 4,
    "fifth": 5,
    "sixth": 6,
    "eighth": 8,
    "tenth": 10,
    "twentieth": 20,
}
_PARTS.update({f"{word}s": size for word, size in list(_PARTS.items()) if word not in ("half", "halves")})
_CURRENCY_BEFORE = {"$", "€", "£", "usd", "eur"}
_CURRENCY_AFTER = {"dollar", "dollars", "usd", "bucks", "$", "€", "eur"}
_WEEK_WORDS = {"week", "weeks", "wk", "wks"}
_MONTH_WORDS = {"month", "months"}
_PERIOD_STARTS = {"next", "coming", "full", "whole", "fiscal", "a", "one", "the", "entire", "-"}

_TOKEN = re.compile(
    r"(?P<identifier>[A-Za-z]+\d\w*|[A-Za-z0-9]+_\w+)"
    r"|(?P<numeral>\d{1,3}(?:[,'’]\d{3})+(?!\d)(?:\.\d+)?|\d{1,3}(?: \d{3}){2,}(?!\d)|\d+(?:\.\d+)?|(?<!\d)\.\d+)"
    r"|(?P<word>[A-Za-z]+)"
    r"|(?P<symbol>[^\sA-Za-z\d])"
)


@dataclass(frozen=True)
class Reading:
    """One thing that a quantity can mean; shares are fractions, periods are weeks."""

    unit: Unit
    value: float


@dataclass(frozen=True)
class Quantity:
    """A span of text that holds a number, with all that it can mean."""

    start: int
    end: int
    text: str
    readings: frozenset[Reading]

    def means(self, value: float, units: Sequence[Unit]) -> bool:
        """Whether the span can mean this value in one of these units."""
        return any(
            reading.unit in units and abs(reading.value - value) <= 1e-6 * max(1.0, abs(value))
            for reading in self.readings
        )

    def has_unit(self, unit: Unit) -> bool:
        """Whether the span can be read in this unit."""
        return any(reading.unit == unit for reading in self.readings)

    @property
    def is_plain(self) -> bool:
        """Whether the span is a bare number, without any unit."""
        return all(reading.unit == "number" for reading in self.readings)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int
    line: int


@dataclass(frozen=True)
class _Amount:
    """A number that starts at some token; `after` is the first token behind it."""

    value: float
    after: int
    scaled: bool = False
    spoken: bool = False


def find_quantities(text: str) -> list[Quantity]:
    """Return every quantity of a text, from left to right, without overlaps."""
    tokens = _tokens(text)
    found: list[Quantity] = []
    position = 0
    while position < len(tokens):
        match = _match(tokens, position)
        if match is None:
            position += 1
            continue
        first, after, readings = match
        start, end = tokens[first].start, tokens[after - 1].end
        found.append(Quantity(start, end, text[start:end], frozenset(readings)))
        position = after
    return found


_Match = tuple[int, int, list[Reading]]


def _tokens(text: str) -> list[_Token]:
    return [
        _Token(
            match.lastgroup or "symbol",
            match.group().lower(),
            match.start(),
            match.end(),
            text.count("\n", 0, match.start()),
        )
        for match in _TOKEN.finditer(text)
    ]


def _match(tokens: list[_Token], position: int) -> _Match | None:
    for rule in (_one_in_n, _fraction, _period, _number):
        match = rule(tokens, position)
        if match is not None:
            return match
    return None


def _word(tokens: list[_Token], position: int) -> str:
    return tokens[position].text if 0 <= position < len(tokens) else ""


def _attached(tokens: list[_Token], position: int) -> bool:
    return 0 < position < len(tokens) and tokens[position].start == tokens[position - 1].end


def _skip(tokens: list[_Token], position: int, *words: str) -> int:
    """Return the position behind any run of these words."""
    while _word(tokens, position) in words and position < len(tokens):
        position += 1
    return position


# --- rules: each returns (first token, token behind, readings) or None -------------------------------------------


def _one_in_n(tokens: list[_Token], position: int) -> _Match | None:
    """`one dollar in ten`, `one in five`, `1 in 10`."""
    if _word(tokens, position) not in ("one", "1", "every"):
        return None
    behind = _skip(tokens, position + 1, "dollar", "out")
    if _word(tokens, behind) not in ("in", "of") or (
        behind == position + 1 and _word(tokens, behind) == "of"
    ):
        return None
    amount = _amount(tokens, behind + 1)
    if amount is None or amount.scaled or not 2 <= amount.value <= 100:
        return None
    return position, amount.after, [Reading("share", 1 / amount.value)]


def _fraction(tokens: list[_Token], position: int) -> _Match | None:
    """`half`, `a third`, `three quarters`, `half a million`, `a quarter of a million`."""
    count, part = 1.0, position
    if _word(tokens, position) in ("a", "an"):
        part = position + 1
    elif _word(tokens, position) in _SMALL and _word(tokens, position + 1) in _PARTS:
        count, part = float(_SMALL[_word(tokens, position)]), position + 1
    size = _PARTS.get(_word(tokens, part))
    if size is None or (part == position and _word(tokens, part) != "half"):
        return None
    share, after = count / size, part + 1
    scale_at = _skip(tokens, after, "of", "a", "an", "-")
    scale = _SCALES.get(_word(tokens, scale_at))
    if scale is not None and _word(tokens, scale_at) not in _ATTACHED_ONLY:
        return _with_currency(tokens, position, scale_at + 1, share * scale)
    if _word(tokens, scale_at) in ("year", "years"):
        return position, scale_at + 1, [Reading("weeks", share * WEEKS_PER_YEAR)]
    readings = [Reading("share", share)] if share < 1 else []
    if size == 4:
        readings.append(Reading("weeks", count * WEEKS_PER_QUARTER))
    return position, after, readings


def _period(tokens: list[_Token], position: int) -> _Match | None:
    """`next quarter`, `a full year`, `half-year` and `two quarters` are fractions; here one whole named period."""
    weeks = {"quarter": WEEKS_PER_QUARTER, "year": WEEKS_PER_YEAR}.get(_word(tokens, position))
    if weeks is None or _word(tokens, position - 1) not in _PERIOD_STARTS:
        return None
    return position, position + 1, [Reading("weeks", float(weeks))]


def _number(tokens: list[_Token], position: int) -> _Match | None:
    amount = _amount(tokens, position)
    if amount is None:
        return None
    for rule in (_as_share, _as_period, _as_ratio):
        match = rule(tokens, position, amount)
        if match is not None:
            return match
    if amount.spoken and amount.value == 1 and not _has_currency(tokens, position, amount.after):
        # "one" without a unit is a pronoun.
        return None
    if amount.scaled or _has_currency(tokens, position, amount.after):
        return _with_currency(tokens, position, amount.after, amount.value)
    return position, amount.after, [Reading("number", amount.value)]


def _as_share(tokens: list[_Token], position: int, amount: _Amount) -> _Match | None:
    after = amount.after
    if _word(tokens, after) == "per" and _word(tokens, after + 1) == "cent":
        after += 1
    elif _word(tokens, after) not in ("%", "percent", "pct", "percentage"):
        return None
    value = amount.value / 100
    return position, after + 1, [Reading("share", value), Reading("ratio", value)]


def _as_period(tokens: list[_Token], position: int, amount: _Amount) -> _Match | None:
    unit_at = _skip(tokens, amount.after, "-", "full", "whole", "fiscal", "more")
    if unit_at >= len(tokens) or tokens[unit_at].line != tokens[position].line:
        return None
    unit = tokens[unit_at].text
    if unit in _WEEK_WORDS or (unit == "w" and _attached(tokens, unit_at)):
        values = [amount.value]
    elif unit in _MONTH_WORDS:
        values = sorted({float(round(amount.value * WEEKS_PER_YEAR / 12)), amount.value * 4})
    elif unit in ("quarter", "quarters"):
        values = [amount.value * WEEKS_PER_QUARTER]
    elif unit in ("year", "years"):
        values = [amount.value * WEEKS_PER_YEAR]
    else:
        return None
    return position, unit_at + 1, [Reading("weeks", value) for value in values]


def _as_ratio(tokens: list[_Token], position: int, amount: _Amount) -> _Match | None:
    after, unit = amount.after, _word(tokens, amount.after)
    if unit == "times" or (unit == "x" and _attached(tokens, after)):
        return position, after + 1, [Reading("ratio", amount.value)]
    if unit in (":", "to") and _word(tokens, after + 1) in ("1", "one"):
        return position, after + 2, [Reading("ratio", amount.value)]
    return None


def _has_currency(tokens: list[_Token], position: int, after: int) -> bool:
    return _word(tokens, position - 1) in _CURRENCY_BEFORE or _word(tokens, after) in _CURRENCY_AFTER


def _with_currency(tokens: list[_Token], position: int, after: int, value: float) -> _Match:
    """Return a money reading, its span widened by a currency before or behind it."""
    first = position
    if _word(tokens, first - 1) in _CURRENCY_BEFORE:
        first -= 1
        if _word(tokens, first - 1) == "us" and _attached(tokens, first):
            first -= 1
    if _word(tokens, after) in _CURRENCY_AFTER:
        after += 1
    return first, after, [Reading("money", value)]


# --- amounts ----------------------------------------------------------------------------------------------------


def _amount(tokens: list[_Token], position: int) -> _Amount | None:
    if position >= len(tokens):
        return None
    if tokens[position].kind == "numeral":
        value = float(re.sub(r"[,'’ ]", "", tokens[position].text))
        return _with_half_and_scale(tokens, _Amount(value, position + 1))
    return _spoken(tokens, position)


def _with_half_and_scale(tokens: list[_Token], amount: _Amount) -> _Amount:
    """Add `and a half` and a scale word behind a number: `2.5 million`, `two and a half million`, `40k`."""
    value, after = amount.value, amount.after
    if [_word(tokens, after + offset) for offset in range(3)] == ["and", "a", "half"]:
        value, after = value + 0.5, after + 3
    scale = _scale_at(tokens, after)
    if scale is None:
        return _Amount(value, after, amount.scaled, amount.spoken)
    return _Amount(round(value * scale, 6), after + 1, True, amount.spoken)


def _scale_at(tokens: list[_Token], position: int) -> int | None:
    word = _word(tokens, position)
    if word in _ATTACHED_ONLY and not _attached(tokens, position):
        return None
    return _SCALES.get(word)


def _spoken(tokens: list[_Token], position: int) -> _Amount | None:
    """Read `two hundred fifty thousand`, `a million and a half`, `three point five million`, `twenty-six`."""
    at = position
    if _word(tokens, at) in ("a", "an"):
        at = _skip(tokens, at + 1, "cool")
        if _word(tokens, at) not in ("hundred", "thousand", "million", "billion", "dozen"):
            return None
    state = _SpokenNumber()
    while at < len(tokens):
        step = state.take(tokens, at)
        if step == 0:
            break
        at += step
    if not state.words:
        return None
    return _with_half_and_scale(tokens, _Amount(state.value, at, state.scaled, True))


@dataclass
class _SpokenNumber:
    """A spoken number while it is read: hundreds gather in `current`, thousands and more in `total`."""

    total: float = 0.0
    current: float = 0.0
    last_scale: int = 1
    words: int = 0
    scaled: bool = False

    @property
    def value(self) -> float:
        return round(self.total + self.current, 6)

    def take(self, tokens: list[_Token], at: int) -> int:
        """Take the word at a position; return how many tokens it used, 0 when the number has ended."""
        word = _word(tokens, at)
        if word in _SMALL:
            return self._add(float(_SMALL[word]))
        if word == "hundred":
            self.current = max(1.0, self.current) * 100
            return self._count()
        if word in _SCALES and word not in _ATTACHED_ONLY:
            self.total += max(1.0, self.current) * _SCALES[word]
            self.current, self.last_scale, self.scaled = 0.0, _SCALES[word], True
            return self._count()
        return self._take_joint(tokens, at, word)

    def _take_joint(self, tokens: list[_Token], at: int, word: str) -> int:
        if not self.words:
            return 0
        following = _word(tokens, at + 1)
        if word == "point" and following in _ONES:
            return self._take_decimals(tokens, at)
        if word == "and" and [following, _word(tokens, at + 2)] == ["a", "half"] and self.scaled:
            self.total += self.last_scale / 2
            return 3
        joins = word in ("-", "and") and following in _SMALL
        return 1 if joins else 0

    def _take_decimals(self, tokens: list[_Token], at: int) -> int:
        used, factor = 1, 0.1
        while _word(tokens, at + used) in _ONES:
            self.current += _ONES[_word(tokens, at + used)] * factor
            factor /= 10
            used += 1
        return used

    def _add(self, value: float) -> int:
        self.current += value
        return self._count()

    def _count(self) -> int:
        self.words += 1
        return 1
