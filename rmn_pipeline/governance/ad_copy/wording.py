"""Finding words in copy, however they are disguised: look-alike letters, unseen characters, hyphens for blanks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from rmn_pipeline.governance.plain_text import plain_form

Span = tuple[int, int]


def term_pattern(terms: Iterable[str]) -> re.Pattern[str]:
    """A pattern for whole words and phrases; a `*` at the end stands for any ending.

    A hyphen is a part of its word: "free" is neither in "sugar-free" nor in "free-range".
    """
    return _term_pattern(tuple(terms))


@lru_cache(maxsize=512)
def _term_pattern(terms: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(
        "|".join(_one_term(term) for term in sorted(terms, key=len, reverse=True)), re.IGNORECASE
    )


def _one_term(term: str) -> str:
    plain = plain_form(term).text.strip()
    stem = plain.removesuffix("*")
    body = re.sub(r"(?:\\ |\\-|\s|-)+", r"[\\s-]+", re.escape(stem))
    ending = r"\w*" if plain.endswith("*") else ""
    left = r"(?<![\w-])" if stem[:1].isalnum() else ""
    right = r"(?![\w-])" if ending or stem[-1:].isalnum() else ""
    return f"{left}{body}{ending}{right}"


@lru_cache(maxsize=512)
def expression(pattern: str, case_matters: bool) -> re.Pattern[str]:
    """A rule's regular expression, compiled."""
    return re.compile(pattern, 0 if case_matters else re.IGNORECASE)


def find_words(pattern: re.Pattern[str], text: str) -> Iterator[Span]:
    """Places in `text` whose plain form fits the pattern; empty fits do not count."""
    plain = plain_form(text)
    for found in pattern.finditer(plain.text):
        if found.end() > found.start():
            yield plain.original_span(*found.span())
