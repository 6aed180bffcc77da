"""The vocabulary of proposals: which words stand for what. The words themselves are in ontology.yaml."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files

import yaml

from rmn_pipeline.rmis.proposals.words import words_of

Words = tuple[str, ...]
_LIKENESS = 86.0
_SHORTEST_LIKE = 5
_SHORTEST_PART = 3
# What German and Dutch put between the parts of a compound.
_LINKS = ("", "s", "n", "en", "es")


@dataclass(frozen=True)
class Ontology:
    """Phrases, as folded words, with the senses that each may have."""

    senses: Mapping[Words, frozenset[str]]

    def without(self, headers: Iterable[str]) -> Ontology:
        """The same vocabulary less every phrase that reads like one of `headers` as a whole."""
        unwanted = {words_of(header) for header in headers}
        return Ontology({phrase: found for phrase, found in self.senses.items() if phrase not in unwanted})

    def without_words(self, words: Iterable[str]) -> Ontology:
        """The same vocabulary less every phrase that uses one of `words`."""
        unwanted = set(words)
        return Ontology(
            {phrase: found for phrase, found in self.senses.items() if unwanted.isdisjoint(phrase)}
        )

    @cached_property
    def longest(self) -> int:
        """Words in the longest phrase."""
        return max((len(phrase) for phrase in self.senses), default=0)

    @cached_property
    def single_words(self) -> frozenset[str]:
        """Phrases of one word."""
        return frozenset(phrase[0] for phrase in self.senses if len(phrase) == 1)

    def find(self, words: Words) -> frozenset[str] | None:
        """The senses of exactly these words."""
        return self.senses.get(words)

    def find_like(self, word: str) -> frozenset[str] | None:
        """The senses of an unknown word by its parts (Kampagnenname, adspend) or by its spelling (impresions)."""
        parts = self._parts(word)
        if parts is not None:
            return frozenset().union(*(self.senses[(part,)] for part in parts))
        return self._alike(word)

    def _parts(self, word: str) -> tuple[str, str] | None:
        best: tuple[int, tuple[str, str]] | None = None
        for cut in range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1):
            head, tail = word[:cut], word[cut:]
            if tail not in self.single_words:
                continue
            for link in _LINKS:
                stem = head.removesuffix(link)
                for form in (stem, stem + "e"):
                    # The evener the parts, the likelier that the cut is where the words meet.
                    if form in self.single_words and (best is None or min(cut, len(tail)) > best[0]):
                        best = (min(cut, len(tail)), (form, tail))
        if best is None and word[:2] == "ad" and word[2:] in self.single_words:
            return ("ad", word[2:]) if "ad" in self.single_words else None
        return None if best is None else best[1]

    def _alike(self, word: str) -> frozenset[str] | None:
        if len(word) < _SHORTEST_LIKE:
            return None
        from rapidfuzz import fuzz, process

        candidates = [known for known in self.single_words if len(known) >= _SHORTEST_LIKE]
        found = process.extractOne(word, candidates, scorer=fuzz.ratio, score_cutoff=_LIKENESS)
        return None if found is None else self.senses[(found[0],)]


def _read(text: str) -> Ontology:
    # BaseLoader: 'no' and 'on' are words here, not truth values.
    content: dict[str, dict[str, list[str]]] = yaml.load(text, Loader=yaml.BaseLoader)
    senses: dict[Words, set[str]] = {}
    for sense, languages in content.items():
        for phrases in languages.values():
            for phrase in phrases:
                senses.setdefault(words_of(phrase), set()).add(sense)
    return Ontology({phrase: frozenset(found) for phrase, found in senses.items() if phrase})


@lru_cache(maxsize=1)
def shipped_ontology() -> Ontology:
    """The vocabulary that comes with the package."""
    return _read((files(__package__) / "ontology.yaml").read_text("utf-8"))
