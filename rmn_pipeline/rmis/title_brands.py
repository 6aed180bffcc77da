"""Brands in product titles: what a brand is called there, and whether two products are of the same brand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rmn_pipeline.rmis.sizes import fold_text
from rmn_pipeline.rmis.title_words import title_words

# A brand's name is what the titles of at least so many of its products begin with.
_LEAST_TITLES = 3


def brand_words(brand: str | None) -> frozenset[str]:
    """The words of a brand column, or of a brand id."""
    return frozenset(title_words(fold_text(brand.replace("-", " ")))) if brand else frozenset()


def _common_beginning(titles: Sequence[tuple[str, ...]]) -> frozenset[str]:
    first, last = min(titles), max(titles)
    length = 0
    while length < min(len(first), len(last)) and first[length] == last[length]:
        length += 1
    return frozenset(first[:length])


class BrandNames:
    """The brands of a catalog and what its titles call them.

    Args:
        products: brand id and title words of each product.
    """

    def __init__(self, products: Iterable[tuple[str, tuple[str, ...]]]) -> None:
        titles: dict[str, list[tuple[str, ...]]] = {}
        for brand_id, words in products:
            titles.setdefault(brand_id, []).append(words)
        self._ids = {brand_id: brand_words(brand_id) for brand_id in titles}
        self._names = {
            brand_id: _common_beginning(words)
            for brand_id, words in titles.items()
            if len(words) >= _LEAST_TITLES
        }
        self._by_word: dict[str, list[str]] = {}
        for brand_id, name in self._names.items():
            if name:
                self._by_word.setdefault(min(name), []).append(brand_id)

    def name(self, brand_id: str) -> frozenset[str]:
        """The brand's name; empty where its titles do not show one."""
        return self._names.get(brand_id, frozenset())

    def named_in(self, words: Iterable[str]) -> frozenset[str]:
        """The brands whose whole name stands among these words."""
        known = frozenset(words)
        return frozenset(
            brand_id
            for word in known
            for brand_id in self._by_word.get(word, [])
            if self._names[brand_id] <= known
        )

    def same_brand(self, brand_id: str, title: Sequence[str], stated: frozenset[str]) -> bool | None:
        """Whether a brand column speaks of a catalog product's brand; None where only some words are the same."""
        own = self._ids[brand_id] | self.name(brand_id) | frozenset(title)
        if stated <= own:
            return True
        return None if stated & own else False

    def same_brand_by_title(self, brand_id: str, named: frozenset[str]) -> bool | None:
        """The same by the brands that a title names; None where it names none, or this one shows no name."""
        if brand_id in named:
            return True
        return False if named and self.name(brand_id) else None
