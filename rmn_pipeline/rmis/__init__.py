"""RMIS: the schema, the mapping language, the SKU crosswalk, harmonization, rejects and the lake."""

from rmn_pipeline.rmis.anomalies import Anomaly, AnomalySettings, daily_totals, find_anomalies
from rmn_pipeline.rmis.checks import Violation, check_table
from rmn_pipeline.rmis.crosswalk import load_audiences, load_catalog, skus_frame
from rmn_pipeline.rmis.errors import CatalogError, HarmonizeError, LakeError, MappingError, MappingProblem
from rmn_pipeline.rmis.gtin import Gtin, normalize_gtin
from rmn_pipeline.rmis.harmonize import HarmonizeReport, HarmonizeResult, harmonize
from rmn_pipeline.rmis.lake import (
    read_events,
    read_table,
    write_events,
    write_parquet_atomically,
    write_table,
)
from rmn_pipeline.rmis.mapping import Mapping, mapping_json_schema
from rmn_pipeline.rmis.mapping_file import load_mapping, parse_mapping
from rmn_pipeline.rmis.models import (
    AUDIENCES_SCHEMA,
    EVENTS_SCHEMA,
    FULL_DATA_ONLY_FIELDS,
    POLICIES_SCHEMA,
    REJECTS_SCHEMA,
    SKUS_SCHEMA,
    RMISAudience,
    RMISPolicy,
    RMISRecord,
    RMISSku,
    empty_table,
    polars_schema,
)
from rmn_pipeline.rmis.proposals import MappingProposal, propose_mapping

__all__ = [
    "AUDIENCES_SCHEMA",
    "EVENTS_SCHEMA",
    "FULL_DATA_ONLY_FIELDS",
    "POLICIES_SCHEMA",
    "REJECTS_SCHEMA",
    "SKUS_SCHEMA",
    "Anomaly",
    "AnomalySettings",
    "CatalogError",
    "Gtin",
    "HarmonizeError",
    "HarmonizeReport",
    "HarmonizeResult",
    "LakeError",
    "Mapping",
    "MappingError",
    "MappingProblem",
    "MappingProposal",
    "RMISAudience",
    "RMISPolicy",
    "RMISRecord",
    "RMISSku",
    "Violation",
    "check_table",
    "daily_totals",
    "empty_table",
    "find_anomalies",
    "harmonize",
    "load_audiences",
    "load_catalog",
    "load_mapping",
    "mapping_json_schema",
    "normalize_gtin",
    "parse_mapping",
    "polars_schema",
    "propose_mapping",
    "read_events",
    "read_table",
    "skus_frame",
    "write_events",
    "write_parquet_atomically",
    "write_table",
]
