"""Which catalog products an unknown title may mean: a short list by shared words, each then compared in full."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse

from rmn_pipeline.rmis.sizes import Size, fold_text, read_size, sizes_agree
from rmn_pipeline.rmis.title_brands import BrandNames, brand_words
from rmn_pipeline.rmis.title_score import title_score
from rmn_pipeline.rmis.title_words import Vocabulary, title_words

# Rows of unknown titles that are compared at once; bounds the memory of the word matrix product.
_ROWS_AT_ONCE = 500
# A word in more than this share of a large catalog leads to no candidates: it would lead to all of them.
_TOO_COMMON_SHARE, _LARGE_CATALOG = 0.2, 5000


@dataclass(frozen=True)
class TitleMatchSettings:
    """How sure a proposal must be.

    Args:
        threshold: proposals below this score are not shown.
        margin: the best candidate must be so many points ahead of the next one; otherwise the title does not tell
            them apart and nothing is proposed.
        candidates: how many catalog titles are compared in full with one unknown title.
        brand_penalty: points that a candidate of another brand loses.
        replaced_penalty: points that it loses where one known word stands in the place of another.
        size_penalty: points that a candidate loses whose size cannot be compared, pieces with grams say.
        unstated_size_penalty: points that it loses where one of the two titles states no size.
    """

    threshold: float = 80.0
    margin: float = 3.0
    candidates: int = 30
    brand_penalty: float = 15.0
    replaced_penalty: float = 10.0
    size_penalty: float = 25.0
    unstated_size_penalty: float = 5.0


@dataclass(frozen=True)
class TitleProduct:
    """One product, taken apart.

    Args:
        words: of the title, without its size.
        size: what title and size column state.
        brand: the words of the brand column, where there is one.
    """

    words: tuple[str, ...]
    size: Size
    brand: frozenset[str] = frozenset()

    @classmethod
    def read(cls, title: str, size: str | None = None, brand: str | None = None) -> TitleProduct:
        """Takes a title apart."""
        amount, name = read_size(title)
        if size and fold_text(size) not in fold_text(title):
            # Together: one may state the pack and the other what is in it.
            amount, _ = read_size(f"{title} , {size}")
        return cls(title_words(name), amount, brand_words(brand))


@dataclass(frozen=True)
class Candidate:
    """A catalog row that an unknown title may mean."""

    row: int
    score: float
    size_agrees: bool | None
    brand_agrees: bool | None


class TitleCatalog:
    """A catalog (sku_id, title, brand_id, size) prepared for comparison."""

    def __init__(self, catalog: pl.DataFrame) -> None:
        self.sku_ids: list[str] = catalog["sku_id"].to_list()
        self.titles: list[str] = catalog["title"].to_list()
        self.brand_ids: list[str] = catalog["brand_id"].to_list()
        sizes = catalog["size"].to_list()
        self.products = [
            TitleProduct.read(title, size) for title, size in zip(self.titles, sizes, strict=True)
        ]
        words = [product.words for product in self.products]
        self.vocabulary = Vocabulary(words)
        self.brands = BrandNames(zip(self.brand_ids, words, strict=True))
        self.matrix = self._word_matrix()

    def _word_matrix(self) -> sparse.csc_matrix:
        """Titles × words, each title of length one; words that nearly all titles have are left out."""
        vocabulary = self.vocabulary
        rows, columns, values = [], [], []
        too_common = _TOO_COMMON_SHARE * self.vocabulary.titles
        large = vocabulary.titles > _LARGE_CATALOG
        for row, product in enumerate(self.products):
            weights = [vocabulary.weight(word) for word in product.words]
            length = float(np.linalg.norm(weights)) or 1.0
            for word, weight in zip(product.words, weights, strict=True):
                if large and vocabulary.counts[word] > too_common:
                    continue
                rows.append(row)
                columns.append(vocabulary.position[word])
                values.append(weight / length)
        shape = (len(self.products), len(vocabulary.words))
        return sparse.csr_matrix((values, (rows, columns)), shape=shape, dtype=np.float32)


class TitleMatcher:
    """Finds candidates for unknown titles."""

    def __init__(self, catalog: TitleCatalog, settings: TitleMatchSettings) -> None:
        self.catalog = catalog
        self.settings = settings
        self._bridges: dict[str, list[tuple[str, float]]] = {}

    def _bridged(self, word: str) -> list[tuple[str, float]]:
        if word not in self._bridges:
            self._bridges[word] = self.catalog.vocabulary.bridges(word)
        return self._bridges[word]

    def _query_matrix(self, products: Sequence[TitleProduct]) -> sparse.csr_matrix:
        vocabulary = self.catalog.vocabulary
        rows, columns, values = [], [], []
        for row, product in enumerate(products):
            for word in product.words:
                for known, similarity in self._bridged(word):
                    rows.append(row)
                    columns.append(vocabulary.position[known])
                    values.append(similarity * vocabulary.weight(known))
        shape = (len(products), len(vocabulary.words))
        return sparse.csr_matrix((values, (rows, columns)), shape=shape, dtype=np.float32)

    def shortlists(self, products: Sequence[TitleProduct]) -> Iterator[list[int]]:
        """For each product the catalog rows with the most telling words in common."""
        by_word = self.catalog.matrix.T.tocsr()
        for start in range(0, len(products), _ROWS_AT_ONCE):
            common = (self._query_matrix(products[start : start + _ROWS_AT_ONCE]) @ by_word).tocsr()
            for row in range(common.shape[0]):
                begin, end = common.indptr[row], common.indptr[row + 1]
                values, places = common.data[begin:end], common.indices[begin:end]
                if len(values) > self.settings.candidates:
                    best = np.argpartition(-values, self.settings.candidates)[: self.settings.candidates]
                    places = places[best]
                yield sorted(places.tolist())

    def ranked(self, product: TitleProduct, shortlist: list[int]) -> list[Candidate]:
        """Candidates of the right size, best first; of several rows of one product only the best."""
        named = self.catalog.brands.named_in(product.words)
        found: dict[str, Candidate] = {}
        for row in shortlist:
            candidate = self._candidate(product, named, row)
            sku_id = self.catalog.sku_ids[row]
            if candidate and (sku_id not in found or found[sku_id].score < candidate.score):
                found[sku_id] = candidate
        return sorted(found.values(), key=lambda candidate: (-candidate.score, candidate.row))

    def _candidate(self, product: TitleProduct, named: frozenset[str], row: int) -> Candidate | None:
        known, brand_id = self.catalog.products[row], self.catalog.brand_ids[row]
        size_agrees = sizes_agree(product.size, known.size)
        if size_agrees is False:
            return None
        brands = self.catalog.brands
        if product.brand:
            brand_agrees = brands.same_brand(brand_id, known.words, product.brand)
        else:
            brand_agrees = brands.same_brand_by_title(brand_id, named)
        score = title_score(
            _words_beside(product, known),
            known.words,
            self.catalog.vocabulary,
            brands.name(brand_id),
            self.settings.replaced_penalty,
        )
        score -= self._doubt(product.size, known.size, size_agrees, brand_agrees)
        return Candidate(row, max(score, 0.0), size_agrees, brand_agrees)

    def _doubt(self, size: Size, other: Size, size_agrees: bool | None, brand_agrees: bool | None) -> float:
        """Points to take off a score for what the words do not show."""
        doubt = self.settings.brand_penalty if brand_agrees is False else 0.0
        if size_agrees is None and (size.known or other.known):
            both = size.known and other.known
            doubt += self.settings.size_penalty if both else self.settings.unstated_size_penalty
        return doubt


def _words_beside(product: TitleProduct, known: TitleProduct) -> list[str]:
    """A title's words beside a catalog title: a brand column and the titles may or may not repeat each other."""
    words = [word for word in product.words if word not in product.brand or word in known.words]
    return words + [word for word in known.words if word in product.brand and word not in words]
