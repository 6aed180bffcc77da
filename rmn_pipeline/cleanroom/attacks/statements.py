"""Statements: one question in many SQL spellings, and a grammar of what analysts and attackers write.

The spellings are written from the question, without looking at how the room reads SQL, so that they test it.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_ONE_DAY = datetime.timedelta(days=1)
_KEYWORDS = (
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "AND",
    "BETWEEN",
    "IN",
    "AS",
    "DESC",
    "ASC",
    "ALL",
)


@dataclass(frozen=True)
class Question:
    """What is asked, apart from how it is spelt."""

    dimensions: tuple[str, ...]
    metrics: tuple[str, ...]
    first_day: datetime.date
    last_day: datetime.date
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def structured(question: Question, rng: random.Random | None = None) -> dict[str, Any]:
    """The question as a structured request; shuffled where a random source is given."""
    shuffle: Callable[[Sequence[str]], list[str]] = list
    if rng is not None:
        shuffle = lambda values: rng.sample(list(values), len(values))  # noqa: E731
    return {
        "metrics": shuffle(question.metrics),
        "dimensions": shuffle(question.dimensions),
        "filters": {
            "date": {"from": question.first_day.isoformat(), "to": question.last_day.isoformat()},
            **{name: shuffle(values) for name, values in question.members.items()},
        },
    }


def render(question: Question, rng: random.Random) -> str:
    """The question as a SELECT in one of many spellings."""
    return _Spelling(question, rng).statement()


class _Spelling:
    def __init__(self, question: Question, rng: random.Random) -> None:
        self._question = question
        self._rng = rng
        self._alias = rng.choice(["", "", "e", "t1"])
        self._labels: dict[str, str] = {}

    def statement(self) -> str:
        names = [*self._question.dimensions, *self._question.metrics]
        self._rng.shuffle(names)
        parts = [f"SELECT {', '.join(self._item(name) for name in names)}", f"FROM {self._table()}"]
        parts.append(f"WHERE {self._conditions()}")
        if self._question.dimensions:
            parts.append(f"GROUP BY {self._grouping(names)}")
        if self._rng.random() < 0.3:
            key = self._rng.randrange(len(names)) + 1
            parts.append(f"ORDER BY {key} {self._rng.choice(['', 'DESC', 'ASC'])}".strip())
        text = self._rng.choice([" ", "\n", "  \t"]).join(parts) + self._rng.choice(["", "", ";", " ; "])
        return self._cased(text)

    def _table(self) -> str:
        name = self._rng.choice(["events", "events", "EVENTS", '"events"', "target.events"])
        return f"{name} {self._rng.choice(['AS ', ''])}{self._alias}" if self._alias else name

    def _column(self, name: str) -> str:
        spelt = self._rng.choice([name, name, name.upper(), f'"{name}"'])
        qualifier = self._rng.choice(["", "", f"{self._alias or 'events'}."])
        return f"{qualifier}{spelt}"

    def _expression(self, name: str) -> str:
        if name == "customers":
            return f"COUNT(DISTINCT {self._column('customer_id')})"
        if name in self._question.metrics:
            return f"SUM({self._column(name)})"
        if name == "week" and self._rng.random() < 0.7:
            return f"date_trunc('week', {self._column('date')})"
        return self._column(name)

    def _item(self, name: str) -> str:
        label = self._rng.choice(["", f"{name}_seen", name])
        self._labels[name] = label or name
        return f"{self._expression(name)}{f' AS {label}' if label else ''}"

    def _grouping(self, names: Sequence[str]) -> str:
        style = self._rng.choice(["all", "ordinals", "labels", "expressions"])
        if style == "all":
            return "ALL"
        dimensions = list(self._question.dimensions)
        self._rng.shuffle(dimensions)
        if style == "ordinals":
            return ", ".join(str(names.index(name) + 1) for name in dimensions)
        if style == "labels":
            return ", ".join(self._labels[name] for name in dimensions)
        return ", ".join(self._expression(name) for name in dimensions)

    def _conditions(self) -> str:
        conditions = [*self._date_conditions()]
        for name, values in self._question.members.items():
            conditions += self._member_conditions(name, values)
        self._rng.shuffle(conditions)
        wrapped = [f"({text})" if self._rng.random() < 0.2 else text for text in conditions]
        return " AND ".join(wrapped)

    def _date_conditions(self) -> list[str]:
        first, last = self._question.first_day, self._question.last_day
        date = self._column("date")
        if first == last and self._rng.random() < 0.3:
            return [f"{date} = {self._day(first)}"]
        style = self._rng.randrange(4)
        if style == 0:
            return [f"{date} BETWEEN {self._day(first)} AND {self._day(last)}"]
        if style == 1:
            return [f"{date} >= {self._day(first)}", f"{date} <= {self._day(last)}"]
        if style == 2:
            return [f"{date} > {self._day(first - _ONE_DAY)}", f"{self._day(last + _ONE_DAY)} > {date}"]
        return [f"{date} BETWEEN {self._day(first)} AND {self._day(last)}", f"{date} >= {self._day(first)}"]

    def _day(self, day: datetime.date) -> str:
        text = f"'{day.isoformat()}'"
        return self._rng.choice([text, text, f"DATE {text}", f"CAST({text} AS DATE)", f"{text}::DATE"])

    def _member_conditions(self, name: str, values: Sequence[str]) -> list[str]:
        chosen = list(values) + ([self._rng.choice(values)] if self._rng.random() < 0.3 else [])
        self._rng.shuffle(chosen)
        if len(set(chosen)) == 1 and self._rng.random() < 0.5:
            return [f"{self._column(name)} = '{chosen[0]}'"]
        listed = ", ".join(f"'{value}'" for value in chosen)
        condition = f"{self._column(name)} IN ({listed})"
        return [condition] * self._rng.choice([1, 1, 1, 2])

    def _cased(self, text: str) -> str:
        if self._rng.random() < 0.5:
            return text
        for keyword in _KEYWORDS:
            # Values stand in quotes and names in lower case, so whole upper-case words are keywords.
            text = text.replace(f"{keyword} ", f"{keyword.lower()} ")
        return text
