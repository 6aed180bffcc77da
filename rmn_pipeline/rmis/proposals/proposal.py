"""Mapping proposals: a report that nobody has mapped yet, read column by column and decided as a whole."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from rmn_pipeline.rmis.errors import HarmonizeError
from rmn_pipeline.rmis.proposals.assignment import Assignment, assign
from rmn_pipeline.rmis.proposals.evidence import Table, Vote, add_relations, add_votes, start_evidence
from rmn_pipeline.rmis.proposals.headers import read_headers
from rmn_pipeline.rmis.proposals.meanings import header_scores
from rmn_pipeline.rmis.proposals.ontology import Ontology, shipped_ontology
from rmn_pipeline.rmis.proposals.profiles import profile_columns
from rmn_pipeline.rmis.proposals.relations import number_matrix
from rmn_pipeline.rmis.proposals.targets import KEYS
from rmn_pipeline.rmis.proposals.values import value_scores

_SAMPLE_ROWS = 1000


@dataclass(frozen=True)
class MappingProposal:
    """Raw column to target, with a confidence in [0, 1] for each."""

    columns: dict[str, str | None]
    keys: dict[str, str]
    confidence: dict[str, float]


def propose_mapping(
    report: pl.DataFrame, *, vote: Vote | None = None, ontology: Ontology | None = None
) -> MappingProposal:
    """Proposes which raw column feeds which target."""
    frame = _as_text(report)
    if not frame.columns:
        raise HarmonizeError("a mapping cannot be proposed for a report without columns")
    _, result = decide(frame, vote, ontology or shipped_ontology())
    return MappingProposal(
        {n: (t if t not in KEYS else None) for n, t in zip(frame.columns, result.targets, strict=True)},
        {n: t for n, t in zip(frame.columns, result.targets, strict=True) if t in KEYS},
        dict(zip(frame.columns, result.confidence, strict=True)),
    )


def _as_text(frame: pl.DataFrame) -> pl.DataFrame:
    flat = [name for name, dtype in frame.schema.items() if not dtype.is_nested()]
    return frame.select(pl.col(flat).cast(pl.String)).head(_SAMPLE_ROWS)


def decide(frame: pl.DataFrame, vote: Vote | None, ontology: Ontology) -> tuple[Table, Assignment]:
    """The report as it was read, and the decision on every column."""
    readings = read_headers(frame.columns, ontology)
    profiles = profile_columns(frame)
    table = Table(frame, readings, profiles, number_matrix(profiles))
    header = [header_scores(reading) for reading in readings]
    evidence = start_evidence(header, [value_scores(profile) for profile in profiles])
    if vote is not None:
        add_votes(evidence, table, vote)
    add_relations(evidence, table)
    return table, assign(evidence, table, header)
