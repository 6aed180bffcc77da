"""How alike two columns of two report editions are, by name and by values: which one was renamed to which."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz import fuzz

from rmn_pipeline.rmis.report_profile import ColumnProfile, sketch_overlap

LEAST_SCORE = 0.55
_NAME_WEIGHT = 0.45
# Different values of one pattern (ids, dates of another month) are good evidence, but not as good as the same values.
_SHAPE_WEIGHT = 0.8
_SAME_NUMBER_WEIGHTS = {"bins": 0.6, "decimals": 0.25, "nulls": 0.15}
# Where only a few distinct values are held, finding them all again says little.
_LEAST_SKETCH = 3
_LEAST_ID_DIGITS = 5


@dataclass(frozen=True)
class Renaming:
    """A column that went and one that came, and why they may be the same."""

    old: str
    new: str
    name_score: float
    value_score: float

    @property
    def score(self) -> float:
        """Both together."""
        return _NAME_WEIGHT * self.name_score + (1 - _NAME_WEIGHT) * self.value_score


def renamings(gone: Sequence[ColumnProfile], added: Sequence[ColumnProfile]) -> list[Renaming]:
    """The likeliest pairs, each column in at most one, as far as they are likely at all."""
    if not gone or not added:
        return []
    # Only drift needs it, and definitions should load quickly.
    from scipy.optimize import linear_sum_assignment

    table = [
        [
            Renaming(old.name, new.name, name_likeness(old.name, new.name), value_likeness(old, new))
            for new in added
        ]
        for old in gone
    ]
    scores = np.array([[pair.score for pair in row] for row in table])
    pairs = [table[row][column] for row, column in zip(*linear_sum_assignment(-scores), strict=True)]
    return [pair for pair in pairs if pair.score >= LEAST_SCORE]


def name_likeness(left: str, right: str) -> float:
    """0 to 1: the words that both names share, whatever their order and how they are joined."""
    first, second = (" ".join(name_words(name)) for name in (left, right))
    return (fuzz.token_set_ratio(first, second) + fuzz.token_sort_ratio(first, second)) / 200


def name_words(name: str) -> list[str]:
    """A header's words, lower case: adSpend, ad_spend and 'Ad Spend' give the same."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return re.findall(r"[^\W_]+", spaced.lower())


def value_likeness(left: ColumnProfile, right: ColumnProfile) -> float:
    """0 to 1: the same kind of values, spread alike, and for texts the same values or the same patterns."""
    if "empty" in (left.kind, right.kind):
        return 0.5 if left.kind == right.kind else 0.3
    if left.is_number != right.is_number or (left.kind == "date") != (right.kind == "date"):
        return 0.0
    if left.is_number and not (_is_like_id(left) and _is_like_id(right)):
        return _number_likeness(left, right)
    same_values = sketch_overlap(left.sketch, right.sketch)
    if min(len(left.sketch), len(right.sketch)) < _LEAST_SKETCH:
        same_values *= _SHAPE_WEIGHT
    spread = _number_likeness(left, right) if left.is_number else _SHAPE_WEIGHT * _shape_overlap(left, right)
    return max(same_values, spread)


def _is_like_id(column: ColumnProfile) -> bool:
    """Counts of one size hold the same small numbers by chance; long integers do not."""
    return column.kind == "integer" and (column.log10_median or 0.0) >= _LEAST_ID_DIGITS


def _number_likeness(left: ColumnProfile, right: ColumnProfile) -> float:
    parts = {
        "bins": _bin_overlap(left.bins, right.bins),
        "decimals": 1.0 - min(abs(left.decimals - right.decimals), 2) / 2,
        "nulls": 1.0 - abs(left.null_share - right.null_share),
    }
    return sum(weight * parts[name] for name, weight in _SAME_NUMBER_WEIGHTS.items())


def _bin_overlap(left: Sequence[float], right: Sequence[float]) -> float:
    return float(np.minimum(left, right).sum()) if len(left) == len(right) and len(left) else 0.0


def _shape_overlap(left: ColumnProfile, right: ColumnProfile) -> float:
    theirs = dict(right.shapes)
    return sum(min(share, theirs.get(shape, 0.0)) for shape, share in left.shapes)
