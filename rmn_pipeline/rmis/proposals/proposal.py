"""Mapping proposals: a report that nobody has mapped yet, read column by column and decided as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from rmn_pipeline.rmis.proposals.assignment import Assignment, assign
from rmn_pipeline.rmis.proposals.basis import DraftBasis
from rmn_pipeline.rmis.proposals.draft import write_draft
from rmn_pipeline.rmis.proposals.evidence import (
    Evidence,
    Table,
    Vote,
    add_relations,
    add_votes,
    start_evidence,
)
from rmn_pipeline.rmis.proposals.headers import read_headers
from rmn_pipeline.rmis.proposals.meanings import header_scores
from rmn_pipeline.rmis.proposals.notation import DateChoice, choose_date_format
from rmn_pipeline.rmis.proposals.ontology import Ontology, shipped_ontology
from rmn_pipeline.rmis.proposals.profiles import profile_columns, table_decimal_mark
from rmn_pipeline.rmis.proposals.relations import number_matrix
from rmn_pipeline.rmis.proposals.sampling import sample_of
from rmn_pipeline.rmis.proposals.targets import KEYS
from rmn_pipeline.rmis.proposals.values import value_scores

_COUNTRY_WORDS = frozenset(("country", "land", "pais", "pays", "paese"))


@dataclass(frozen=True)
class MappingProposal:
    """What each raw column of a report feeds, with a confidence in [0, 1] for each, and a draft of the mapping.

    `columns` names the fact's fields and product attributes ('sku_dim.name'); None where the fact has no use for
    a column. `keys` are the columns that tell rows apart: campaign, ad group, audience.
    """

    columns: dict[str, str | None]
    keys: dict[str, str]
    confidence: dict[str, float]
    date_format: str | None
    window_days: int | None
    reasons: dict[str, tuple[str, ...]]
    basis: DraftBasis = field(repr=False, compare=False)

    def to_yaml(self, retailer_id: str | None = None) -> str:
        """A draft of mapping.yaml. Every decision that is left to a person is a TODO, which does not load."""
        return write_draft(self.basis, retailer_id)


def propose_mapping(
    report: pl.DataFrame | Path | str, *, vote: Vote | None = None, ontology: Ontology | None = None
) -> MappingProposal:
    """Proposes which raw column feeds which field.

    Args:
        report: a report file, or its rows as a frame.
        vote: asked about every column with its header and up to three values; answers the probabilities of
            fields, and of 'none'. A vote counts like a word of the header, at most: values outweigh it.
        ontology: the vocabulary; by default the one that ships with the package.

    Raises:
        HarmonizeError: the report has no columns, or its format cannot be told.
        FeedError: the file cannot be read.
    """
    sample = sample_of(report)
    table, evidence, assignment = _decide(sample.frame, vote, ontology or shipped_ontology())
    headers, targets = sample.frame.columns, assignment.targets
    dates = _date_choice(table, assignment)
    return MappingProposal(
        columns={
            header: None if target in KEYS else target
            for header, target in zip(headers, targets, strict=True)
        },
        keys={header: target for header, target in zip(headers, targets, strict=True) if target in KEYS},
        confidence=dict(zip(headers, assignment.confidence, strict=True)),
        date_format=dates.format if dates is not None and dates.is_certain else None,
        window_days=assignment.window_days,
        reasons=_reasons(headers, evidence, assignment),
        basis=DraftBasis(sample, table, assignment, dates),
    )


def _decide(frame: pl.DataFrame, vote: Vote | None, ontology: Ontology) -> tuple[Table, Evidence, Assignment]:
    readings = read_headers(frame.columns, ontology)
    profiles = profile_columns(frame)
    table = Table(frame, readings, profiles, number_matrix(profiles))
    header = [header_scores(reading) for reading in readings]
    evidence = start_evidence(header, [value_scores(profile) for profile in profiles])
    if vote is not None:
        add_votes(evidence, table, vote)
    add_relations(evidence, table)
    return table, evidence, assign(evidence, table, header)


def _reasons(
    headers: Sequence[str], evidence: Evidence, assignment: Assignment
) -> dict[str, tuple[str, ...]]:
    return {
        header: tuple(evidence.reasons.get((place, target), ()))
        for place, (header, target) in enumerate(zip(headers, assignment.targets, strict=True))
        if target is not None
    }


def _date_choice(table: Table, assignment: Assignment) -> DateChoice | None:
    if "date" not in assignment.targets:
        return None
    place = assignment.targets.index("date")
    others = [profile.dates for profile in table.profiles if profile.dates.is_date]
    return choose_date_format(table.profiles[place].dates, _order_hints(table), others)


def _order_hints(table: Table) -> list[str]:
    """What else in the report tells the order of day and month: its country, its decimal comma."""
    hints = [
        value
        for reading, profile in zip(table.readings, table.profiles, strict=True)
        if not _COUNTRY_WORDS.isdisjoint(reading.words)
        for value in profile.distinct[:3]
    ]
    return [*hints, "day_first"] if table_decimal_mark(table.frame) == "," else hints
