"""Mapping proposals: a draft for a network that nobody has mapped yet, from headers, values and their relations."""

from rmn_pipeline.rmis.proposals.draft import TODO
from rmn_pipeline.rmis.proposals.evidence import Vote
from rmn_pipeline.rmis.proposals.ontology import Ontology, shipped_ontology
from rmn_pipeline.rmis.proposals.proposal import MappingProposal, propose_mapping
from rmn_pipeline.rmis.proposals.sampling import report_glob

__all__ = [
    "TODO",
    "MappingProposal",
    "Ontology",
    "Vote",
    "propose_mapping",
    "report_glob",
    "shipped_ontology",
]
