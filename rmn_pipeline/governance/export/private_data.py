"""What belongs to one party and must not be seen by another: canaries, words, and figures beside the thing they price.

A private value is recognized by what it is, not by the column it stood in: it is found again in a sentence, under
another name, in a file of another kind. A figure such as 12.01 says nothing by itself, so it counts only beside the
product it belongs to, unless it has so many digits that nobody else's figure looks like it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from rmn_pipeline.governance.plain_text import plain_form

# With so many significant digits a figure is its owner's own.
TELLING_DIGITS = 6
# With fewer, a figure stands in any text by chance, even beside the right product: pack sizes, limits, days.
_LEAST_DIGITS = 3
_FIGURE = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?![\w])")


@dataclass(frozen=True)
class PrivateMatch:
    """A private value found in a text: where, and what it is, without the value."""

    start: int
    end: int
    what: str


@dataclass(frozen=True)
class PrivateData:
    """The private values of one owner.

    `words` are texts that only the owner uses (names, planted canaries); `figures` are figures with enough digits to
    tell by themselves; `figures_beside` maps a name (a product's title or id) to figures that are private beside it.
    """

    owner: str
    words: frozenset[str] = frozenset()
    figures: frozenset[str] = frozenset()
    figures_beside: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def matches(self, text: str) -> Iterator[PrivateMatch]:
        """Where a text shows something of the owner's."""
        plain = plain_form(text)
        if self._words is not None:
            for found in self._words.finditer(plain.text):
                yield PrivateMatch(*plain.original_span(*found.span()), f"a private word of {self.owner}")
        if not self.figures and not self.figures_beside:
            return
        beside = self._figures_beside_names_in(plain.text)
        for found in _FIGURE.finditer(plain.text):
            figure = canonical_figure(found.group())
            if figure in self.figures or figure in beside:
                yield PrivateMatch(*plain.original_span(*found.span()), f"a private figure of {self.owner}")

    @property
    def needles(self) -> list[str]:
        """Texts one of which stands in every text that `matches` may find something in; empty if any text may."""
        return [] if self.figures else [*self.words, *self.figures_beside]

    def _figures_beside_names_in(self, text: str) -> frozenset[str]:
        if self._names is None:
            return frozenset()
        named = {_folded(found.group()) for found in self._names.finditer(text)}
        return frozenset().union(*(self._figures_by_name[name] for name in named))

    @cached_property
    def _figures_by_name(self) -> dict[str, frozenset[str]]:
        folded: dict[str, frozenset[str]] = {}
        for name, figures in self.figures_beside.items():
            folded[_folded(name)] = folded.get(_folded(name), frozenset()) | figures
        return folded

    @cached_property
    def _words(self) -> re.Pattern[str] | None:
        return _any_of(self.words)

    @cached_property
    def _names(self) -> re.Pattern[str] | None:
        return _any_of(self.figures_beside)


def private_data(
    owner: str,
    *,
    words: Iterable[str] = (),
    frame: pl.DataFrame | None = None,
    columns: Iterable[str] = (),
    key: str | None = None,
    names: Mapping[str, Iterable[str]] | None = None,
) -> PrivateData:
    """Collect an owner's private values.

    Args:
        owner: how a finding calls the owner.
        words: texts that only the owner uses.
        frame: the owner's table.
        columns: its private columns; text columns give words, number columns give figures.
        key: its column that names what a figure belongs to.
        names: further names per key, such as a product's title.
    """
    table = pl.DataFrame() if frame is None else frame
    texts: set[str] = {word.strip() for word in words if word.strip()}
    figures: set[str] = set()
    beside: dict[str, set[str]] = {}
    for column in columns:
        if table.schema[column] == pl.String:
            texts.update(table[column].drop_nulls().unique().to_list())
            continue
        pairs = (
            table.select(pl.col(key) if key else pl.lit(None, pl.String), column).drop_nulls(column).unique()
        )
        for owner_key, value in pairs.iter_rows():
            figure = canonical_figure(repr(value))
            if _digits(figure) >= TELLING_DIGITS:
                figures.add(figure)
            elif owner_key is not None and _digits(figure) >= _LEAST_DIGITS and "." in figure:
                for name in (owner_key, *(names or {}).get(owner_key, ())):
                    beside.setdefault(name, set()).add(figure)
    return PrivateData(
        owner=owner,
        words=frozenset(texts),
        figures=frozenset(figures),
        figures_beside={name: frozenset(values) for name, values in beside.items()},
    )


def canonical_figure(text: str) -> str:
    """A figure without thousands marks and closing zeros: "1,200.50" and "1200.5" are one."""
    plain = text.replace(",", "").lstrip("+-")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _folded(name: str) -> str:
    """A name without case and without the marks between its words."""
    return re.sub(r"[\s_-]+", " ", plain_form(name).text).lower()


def _digits(figure: str) -> int:
    """Significant digits: zeros that only hold a place do not count."""
    return len(figure.replace(".", "").strip("0"))


def _any_of(texts: Iterable[str]) -> re.Pattern[str] | None:
    # Underscores and hyphens count as blanks, so that an id made of a word is found too.
    choices = [
        re.sub(r"(?:\\ |\\-|_|\s)+", r"[\\s_-]+", re.escape(plain_form(text).text))
        for text in sorted(texts, key=len, reverse=True)
    ]
    return (
        re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(choices)})(?![A-Za-z0-9])", re.IGNORECASE)
        if choices
        else None
    )
