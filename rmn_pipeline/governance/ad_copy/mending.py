"""Computed suggestions: shorter text, quieter capitals, words taken out; and applying them until nothing is left.

Every suggestion takes characters out, lowers letters or removes a forbidden sign, so applying them comes to an end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

# Words that a shortened text cannot end on.
_DANGLING = frozenset(
    {
        "a",
        "an",
        "and",
        "at",
        "by",
        "for",
        "from",
        "in",
        "is",
        "it",
        "of",
        "on",
        "or",
        "our",
        "that",
        "the",
        "this",
    }
    | {"to", "with", "without", "your", "you", "are", "as", "but", "made"}
)
_DANGLING_MARKS = " ,;:-–—|&/+("
_LONE_MARKS = ",;:|–—"


def shorten(text: str, most: int) -> str | None:
    """The text cut at a word border to at most `most` characters; None where not even its first word fits."""
    if len(text) <= most:
        return text
    words = text[: most + 1].split()
    if not text[most].isspace():
        # The word that the limit falls into.
        words.pop()
    while words and (
        words[-1].lower().strip(_DANGLING_MARKS + ".") in _DANGLING or not words[-1].strip(_DANGLING_MARKS)
    ):
        words.pop()
    kept = _without_open_bracket(" ".join(words)).rstrip(_DANGLING_MARKS)
    return kept or None


def _without_open_bracket(text: str) -> str:
    return text[: text.rindex("(")] if text.count("(") > text.count(")") else text


def quieter_word(word: str, *, begins: bool) -> str:
    """A word in capitals as it is written otherwise; `begins` says that it begins a sentence."""
    return word[:1].upper() + word[1:].lower() if begins else word.lower()


def quieter_text(text: str, fits: Callable[[str], bool]) -> str | None:
    """The text with as few capitals as it takes: at words' beginnings, at its own, or none at all."""
    by_word = re.sub(r"\w+", lambda word: word.group()[:1] + word.group()[1:].lower(), text)
    as_sentence = text[:1] + text[1:].lower()
    return next((quieter for quieter in (by_word, as_sentence, text.lower()) if fits(quieter)), None)


def replace_spans(text: str, replacements: Iterable[tuple[tuple[int, int], str]]) -> str:
    """Put replacements into a text, left to right; one that overlaps an earlier one waits for the next round."""
    parts: list[str] = []
    position = 0
    for (start, end), new in sorted(replacements):
        if start < position:
            continue
        parts += [text[position:start], new]
        position = end
    return _tidied(text, "".join([*parts, text[position:]]))


def _tidied(before: str, after: str) -> str:
    """The text without what words leave behind that were taken out: double blanks, lone commas, a small beginning."""
    tidy = re.sub(r"\s+", " ", after)
    tidy = re.sub(r" +([,;:.!?])", r"\1", tidy)
    tidy = re.sub(rf"([{_LONE_MARKS}])(?: *[{_LONE_MARKS}.!?])+", r"\1", tidy)
    tidy = tidy.strip().lstrip(_DANGLING_MARKS + ".!?").rstrip(_DANGLING_MARKS)
    is_shorter = len(tidy) < len(before)
    return tidy[:1].upper() + tidy[1:] if is_shorter and before[:1].isupper() else tidy
