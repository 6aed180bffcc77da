"""A draft mapping for a network that nobody has mapped yet: header words and values against the ontology."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from rmn_pipeline.feeds import FileFormat, ReportFormat, read_report
from rmn_pipeline.rmis.errors import HarmonizeError
from rmn_pipeline.rmis.ontology import (
    CONCEPTS,
    PREFERRED_WINDOW_DAYS,
    QUALIFIERS,
    Concept,
    window_days,
    words_of,
)
from rmn_pipeline.rmis.raw_rows import SOURCE_COLUMNS

_SAMPLE_ROWS = 1000
_THRESHOLD = 0.6
# What each later phrase of a concept counts less.
_PER_RANK = 0.01
_DATE_FORMATS = ("%Y-%m-%d", "%m/%d/%Y", "%d/%m/%Y", "%Y%m%d", "%d.%m.%Y")
_USUAL_CONSTANTS = (
    "ad_type",
    "conversion_unit",
    "revenue_scope",
    "attr_model",
    "date_basis",
    "report_timezone",
    "cost_basis",
    "currency",
    "placement_type",
)
_FORMATS: dict[str, FileFormat] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json_array",
    ".jsonl": "json_lines",
    ".parquet": "parquet",
}


@dataclass(frozen=True)
class MappingProposal:
    """Raw column to RMIS field (None: not needed), with a confidence in [0, 1] for each."""

    columns: dict[str, str | None]
    confidence: dict[str, float]
    date_format: str | None

    def to_yaml(self) -> str:
        """A draft of mapping.yaml. What headers and values cannot tell stands as 'DECIDE: …' for a person."""
        columns: dict[str, Any] = {}
        sku_source = "DECIDE: the product column"
        for raw, field in self.columns.items():
            if field == "sku_id":
                sku_source = raw
            elif field is not None:
                columns[field] = {"from": raw}
        if "date" in columns:
            columns["date"] |= {"type": "date", "format": self.date_format or "DECIDE: date format"}
        if "placement_type" in columns:
            columns["placement_type"] |= {"values": {}, "unmapped": "reject"}
        draft = {
            "version": 1,
            "retailer_id": "DECIDE: id",
            "network": "DECIDE: network",
            "source": {"files": "DECIDE: glob", "format": "DECIDE: format"},
            "columns": columns,
            "sku": {"kind": "DECIDE: native or gtin", "from": sku_source},
            "constants": {name: f"DECIDE: {name}" for name in _USUAL_CONSTANTS if name not in columns},
        }
        certainty = "".join(
            f"# {raw!r} -> {field}: confidence {self.confidence[raw]:.2f}\n"
            for raw, field in self.columns.items()
            if field is not None
        )
        return (
            "# A proposal: check every line, and decide where it says so.\n"
            + certainty
            + yaml.safe_dump(draft, sort_keys=False, allow_unicode=True)
        )


def propose_mapping(frame_or_path: pl.DataFrame | Path | str) -> MappingProposal:
    """Proposes which raw column feeds which RMIS field, one column per field."""
    from scipy.optimize import linear_sum_assignment

    frame = _sample(frame_or_path)
    raw = [name for name in frame.columns if name not in SOURCE_COLUMNS]
    if not raw:
        raise HarmonizeError("a mapping cannot be proposed for a report without columns")
    evidence = {name: _evidence(frame[name]) for name in raw}
    scores = [[_score(name, concept, evidence[name]) for concept in CONCEPTS] for name in raw]
    chosen: dict[str, str | None] = dict.fromkeys(raw)
    confidence = {name: round(1 - max(row), 3) for name, row in zip(raw, scores, strict=True)}
    # Scores too low to be proposed must not push better ones aside.
    usable = [[score if score >= _THRESHOLD else 0.0 for score in row] for row in scores]
    for index, target in zip(*linear_sum_assignment(usable, maximize=True), strict=True):
        if scores[index][target] >= _THRESHOLD:
            chosen[raw[index]] = CONCEPTS[target].field
            confidence[raw[index]] = round(scores[index][target], 3)
    day = next((name for name, field in chosen.items() if field == "date"), None)
    return MappingProposal(chosen, confidence, _date_format(frame[day]) if day else None)


def _sample(frame_or_path: pl.DataFrame | Path | str) -> pl.DataFrame:
    if isinstance(frame_or_path, pl.DataFrame):
        frame = frame_or_path
    else:
        path = Path(frame_or_path)
        suffixes = [suffix for suffix in path.suffixes if suffix in _FORMATS]
        if not suffixes:
            raise HarmonizeError(
                f"{path}: the format cannot be told from the name; known: {', '.join(_FORMATS)}"
            )
        frame = read_report(path, ReportFormat(_FORMATS[suffixes[-1]]))
    flat = [name for name, dtype in frame.schema.items() if not dtype.is_nested()]
    return frame.select(pl.col(flat).cast(pl.String)).head(_SAMPLE_ROWS)


def _date_format(values: pl.Series) -> str | None:
    """The one format that every value fits; None where several do (03/02/2026) or none does."""
    given = values.drop_nulls()
    fitting = [
        form for form in _DATE_FORMATS if len(given) and not given.str.to_date(form, strict=False).has_nulls()
    ]
    return fitting[0] if len(fitting) == 1 else None


def _evidence(values: pl.Series) -> set[str]:
    """What the values could be. An empty column could be anything."""
    given = values.str.strip_chars().drop_nulls()
    given = given.filter(given != "")
    if given.is_empty():
        return {"date", "count", "number", "text", "code"}
    kinds = {"text", "code"}
    if any(not given.str.to_date(form, strict=False).has_nulls() for form in _DATE_FORMATS):
        kinds.add("date")
    bare = given.str.replace_all(r"[\p{Sc},\s]", "")
    if bare.str.contains(r"^-?\d+$").all():
        kinds |= {"count", "number"}
    elif bare.str.contains(r"^-?\d*[.,]?\d+([eE][+-]?\d+)?$|^-+$").all():
        kinds.add("number")
        kinds.discard("text")
    return kinds


def _score(header: str, concept: Concept, evidence: set[str]) -> float:
    """Closeness of a header to a concept: words and letters, halved where the values cannot be that."""
    words = words_of(header)
    name = max(
        _closeness(words, words_of(phrase)) - _PER_RANK * rank for rank, phrase in enumerate(concept.phrases)
    )
    target_words = {word for phrase in concept.phrases for word in words_of(phrase)}
    strange = sum(word in QUALIFIERS and word not in target_words for word in words)
    score = name * 0.6**strange
    if concept.evidence != "any" and concept.evidence not in evidence:
        score *= 0.5
    window = window_days(header)
    if window is not None and window != PREFERRED_WINDOW_DAYS:
        score *= 0.9
    return score


def _closeness(words: tuple[str, ...], phrase: tuple[str, ...]) -> float:
    if not words:
        return 0.0
    shared = len(set(words) & set(phrase))
    # How much of the phrase is there counts more than what else the header says.
    cover, purity = shared / len(set(phrase)), shared / len(set(words))
    letters = difflib.SequenceMatcher(None, " ".join(words), " ".join(phrase)).ratio()
    return max(0.7 * cover + 0.3 * purity, letters)
