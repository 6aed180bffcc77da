"""Counting hits and misses against the labels, and Wilson intervals around the shares.

A found span counts when its type is the label's and the two overlap by at least half of their union; every label
and every found span is used once.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rmn_pipeline.governance.evaluation.labelled_set import Label, LabelledText
from rmn_pipeline.governance.pii.spans import PiiSpan

LEAST_OVERLAP = 0.5
_Z95 = 1.959963984540054

Detector = Callable[[str], Sequence[PiiSpan]]


@dataclass(frozen=True)
class Share:
    """A share with its 95 % Wilson interval."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        """The share; 1 of nothing is none missed."""
        return self.hits / self.of if self.of else 1.0

    @property
    def interval(self) -> tuple[float, float]:
        """Low and high end (Wilson 1927)."""
        if not self.of:
            return 0.0, 1.0
        spread = _Z95**2 / self.of
        middle = (self.value + spread / 2) / (1 + spread)
        half = (
            _Z95 * math.sqrt(self.value * (1 - self.value) / self.of + spread / (4 * self.of)) / (1 + spread)
        )
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.3f} [{low:.3f}, {high:.3f}]"


@dataclass(frozen=True)
class TypeFigures:
    """How one type of personal data is found."""

    entity_type: str
    precision: Share
    recall: Share


@dataclass(frozen=True)
class Evaluation:
    """Figures per type and per group of formats, and what was flagged in clean lines."""

    by_type: dict[str, TypeFigures]
    recall_by_group: dict[str, Share]
    clean_flagged: Share
    mistakes: tuple[str, ...]


def evaluate(detector: Detector, texts: Iterable[LabelledText]) -> Evaluation:
    """Run a detector over labelled and clean texts and count."""
    found: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    group_hits: Counter[str] = Counter()
    group_labels: Counter[str] = Counter()
    clean: Counter[bool] = Counter()
    mistakes: list[str] = []
    for item in texts:
        spans = list(detector(item.text))
        matched = _matched(item.labels, spans)
        found.update(span.entity_type for span in spans)
        hits.update(label.entity_type for label in matched)
        labels.update(label.entity_type for label in item.labels)
        group_hits[item.group] += len(matched)
        group_labels[item.group] += len(item.labels)
        if not item.labels:
            clean[bool(spans)] += 1
        if len(matched) < max(len(item.labels), len(spans)):
            mistakes.append(_describe(item, spans))
    return Evaluation(
        by_type={
            name: TypeFigures(name, Share(hits[name], found[name]), Share(hits[name], labels[name]))
            for name in sorted(labels)
        },
        recall_by_group={
            name: Share(group_hits[name], count) for name, count in group_labels.items() if count
        },
        clean_flagged=Share(clean[True], clean.total()),
        mistakes=tuple(mistakes),
    )


def _matched(labels: Sequence[Label], spans: Sequence[PiiSpan]) -> list[Label]:
    free = list(spans)
    matched = []
    for label in labels:
        fitting = next((span for span in free if _fits(label, span)), None)
        if fitting is not None:
            free.remove(fitting)
            matched.append(label)
    return matched


def _fits(label: Label, span: PiiSpan) -> bool:
    shared = min(label.end, span.end) - max(label.start, span.start)
    union = max(label.end, span.end) - min(label.start, span.start)
    return label.entity_type == span.entity_type and shared >= LEAST_OVERLAP * union


def _describe(item: LabelledText, spans: Sequence[PiiSpan]) -> str:
    found = ", ".join(f"{span.entity_type} {item.text[span.start : span.end]!r}" for span in spans)
    return f"{item.group}: {item.text!r} -> {found or 'nothing'}"
