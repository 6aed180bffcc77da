"""The words of product titles: what counts as a word, how much it tells, and which words mean the same.

A word that stands in many titles (a brand, 'tea') tells little; one that stands in few (a flavour) tells products
apart. Words that are mistyped, cut or abbreviated are compared by their letters.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence

from rapidfuzz import fuzz, process

_WORD = re.compile(r"[^\W_]+")
# Say nothing about which product it is, in titles of any shop.
_EMPTY_WORDS = frozenset(
    {
        *("a", "an", "and", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with", "x"),
        *("de", "la", "le", "et", "der", "die", "das", "und", "von", "mit"),
        *("new", "improved", "packaging", "vary", "may", "size", "value"),
    }
)
# Below this, two words are different words: 'mint' and 'lime' share half of their letters.
_LEAST_SIMILARITY = 0.8
_LEAST_LETTERS = 3
# A cut word names fewer letters than it should, so it counts a little less than the whole one.
_CUT_WORD = 0.9
# Long lists of words that begin alike are no abbreviation of one of them.
_MOST_CONTINUATIONS = 5


def title_words(folded: str) -> tuple[str, ...]:
    """The words that tell something, in order, each once; plurals as singulars."""
    joined = re.sub(r"(?<=\w)['’`](?=\w)", "", folded)
    words = (_singular(word) for word in _WORD.findall(joined) if word not in _EMPTY_WORDS)
    return tuple(dict.fromkeys(words))


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def word_similarity(one: str, other: str) -> float:
    """1 for the same word, 0 for different ones; numbers are never nearly the same."""
    if one == other:
        return 1.0
    shorter, longer = sorted((one, other), key=len)
    if len(shorter) < _LEAST_LETTERS or shorter.isdigit() or longer.isdigit():
        return 0.0
    if longer.startswith(shorter):
        return _CUT_WORD
    ratio = fuzz.ratio(one, other) / 100
    return ratio if ratio >= _LEAST_SIMILARITY else 0.0


class Vocabulary:
    """The words of a catalog and what each tells.

    Args:
        titles: the words of each title.
    """

    def __init__(self, titles: Iterable[Sequence[str]]) -> None:
        self.titles = 0
        counts: Counter[str] = Counter()
        for words in titles:
            self.titles += 1
            counts.update(words)
        self.counts = counts
        self.words = sorted(counts)
        self.position = {word: place for place, word in enumerate(self.words)}
        self._weights = {word: self._told_by(count) for word, count in counts.items()}
        occurrences = sum(counts.values())
        told = sum(self._weights[word] * count for word, count in counts.items())
        # A word that the catalog lacks may tell all or nothing; it counts like an average one.
        self._unseen = told / occurrences if occurrences else 1.0
        self._by_initial: dict[str, list[str]] = {}
        for word in self.words:
            self._by_initial.setdefault(word[0], []).append(word)

    def _told_by(self, count: int) -> float:
        return 1 + math.log((self.titles + 1) / (count + 1))

    def weight(self, word: str) -> float:
        """How much a word tells."""
        return self._weights.get(word, self._unseen)

    def bridges(self, word: str) -> list[tuple[str, float]]:
        """The catalog's words that an unseen word may have been meant to be, with their similarity."""
        if word in self.position:
            return [(word, 1.0)]
        if len(word) < _LEAST_LETTERS or word.isdigit():
            return []
        near = process.extract(
            word,
            self._by_initial.get(word[0], []),
            scorer=fuzz.ratio,
            score_cutoff=100 * _LEAST_SIMILARITY,
            limit=_MOST_CONTINUATIONS,
        )
        found = {known: score / 100 for known, score, _ in near}
        found |= dict.fromkeys(self._continuations(word), _CUT_WORD)
        return sorted(found.items())

    def _continuations(self, word: str) -> list[str]:
        first = bisect_left(self.words, word)
        starting = []
        for known in self.words[first : first + _MOST_CONTINUATIONS + 1]:
            if known.startswith(word):
                starting.append(known)
        return starting if len(starting) <= _MOST_CONTINUATIONS else []
