"""How much of two product titles is the same: words paired up, and what is left on either side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rmn_pipeline.rmis.title_words import Vocabulary, word_similarity

# What a word counts that stands against nothing in the other title.
_ONE_SIDED = 0.5


@dataclass(frozen=True)
class _Alignment:
    """Two titles' words side by side.

    Args:
        told: what the words that mean the same tell together.
        unlike: what is missing for them to be the same to the letter.
        left: words of the unknown title without a partner.
        right: words of the catalog's title without a partner.
    """

    told: float
    unlike: float
    left: frozenset[str]
    right: frozenset[str]


def _align(words: Sequence[str], others: Sequence[str], vocabulary: Vocabulary) -> _Alignment:
    """Finds each word's partner; each word has one at most."""
    common = set(words) & set(others)
    told, unlike = sum(2 * vocabulary.weight(word) for word in common), 0.0
    left, right = set(words) - common, set(others) - common
    pairs = [
        (similarity, one, other)
        for one in left
        for other in right
        # Two words that the catalog uses both are two words, however alike: rose and rosemary.
        if one not in vocabulary.counts and (similarity := word_similarity(one, other)) > 0
    ]
    for similarity, one, other in sorted(pairs, reverse=True):
        if one in left and other in right:
            left.remove(one)
            right.remove(other)
            both = vocabulary.weight(one) + vocabulary.weight(other)
            told += similarity * both
            unlike += (1 - similarity) * both
    return _Alignment(told, unlike, frozenset(left), frozenset(right))


def _one_sided(aligned: _Alignment, brand: frozenset[str], vocabulary: Vocabulary) -> frozenset[str]:
    """Words that stand against nothing on the other side.

    Words that no catalog title has, around all that the catalog says: praise, a shop's name, a category. And the
    brand's name missing from a title that says nothing else either.
    """
    if not aligned.right:
        return frozenset(word for word in aligned.left if word not in vocabulary.counts)
    if not aligned.left and aligned.right <= brand:
        return aligned.right
    return frozenset()


def title_score(
    words: Sequence[str],
    others: Sequence[str],
    vocabulary: Vocabulary,
    brand: frozenset[str] = frozenset(),
    replaced_penalty: float = 0.0,
) -> float:
    """0 for titles that share nothing, 100 for titles of the same words.

    Args:
        words: of the unknown title.
        others: of a catalog title.
        vocabulary: the catalog's words.
        brand: the words of the catalog title's brand.
        replaced_penalty: points that are taken off where one word of the catalog stands in the place of another:
            peach for mango is another product, a missing or an added word may be none.
    """
    aligned = _align(words, others, vocabulary)
    one_sided = _one_sided(aligned, brand, vocabulary)
    apart = sum(
        vocabulary.weight(word) * (_ONE_SIDED if word in one_sided else 1.0)
        for word in (*aligned.left, *aligned.right)
    )
    if not aligned.told:
        return 0.0
    replaced = bool(aligned.right) and any(word in vocabulary.counts for word in aligned.left)
    score = 100 * aligned.told / (aligned.told + apart + aligned.unlike)
    return max(score - (replaced_penalty if replaced else 0.0), 0.0)
