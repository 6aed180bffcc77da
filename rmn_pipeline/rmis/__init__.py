"""RMIS: the schema, the mapping language, the SKU crosswalk, harmonization, rejects and the lake."""

from rmn_pipeline.rmis.anomalies import (
    Anomaly,
    AnomalySettings,
    daily_totals,
    examine,
    find_anomalies,
    worst_severity,
)
from rmn_pipeline.rmis.checks import Violation, check_parts, check_table
from rmn_pipeline.rmis.crosswalk import (
    load_audiences,
    load_catalog,
    load_crosswalk,
    merge_crosswalks,
    skus_frame,
)
from rmn_pipeline.rmis.detectors import DETECTORS, Detector, Evidence
from rmn_pipeline.rmis.engine import Limits
from rmn_pipeline.rmis.errors import CatalogError, HarmonizeError, LakeError, MappingError, MappingProblem
from rmn_pipeline.rmis.feed_profile import (
    FeedProfile,
    FeedProfiler,
    read_feed_profile,
    read_previous_feed_profile,
    write_feed_profile,
)
from rmn_pipeline.rmis.gtin import GTIN_PROBLEMS, CodeSettings, Gtin, gtin_table, normalize_gtin
from rmn_pipeline.rmis.harmonize import HarmonizeReport, HarmonizeResult, harmonize, harmonize_to_lake
from rmn_pipeline.rmis.lake import (
    read_event_days,
    read_events,
    read_history,
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
from rmn_pipeline.rmis.retailer_products import RetailerProducts, load_retailer_products
from rmn_pipeline.rmis.schema_drift import columns_read_by, find_drift
from rmn_pipeline.rmis.sku_review import accepted_matches, review_file
from rmn_pipeline.rmis.titles import TitleMatchSettings, propose_title_matches
from rmn_pipeline.rmis.twin_columns import twin_findings

__all__ = [
    "AUDIENCES_SCHEMA",
    "DETECTORS",
    "EVENTS_SCHEMA",
    "FULL_DATA_ONLY_FIELDS",
    "GTIN_PROBLEMS",
    "POLICIES_SCHEMA",
    "REJECTS_SCHEMA",
    "SKUS_SCHEMA",
    "Anomaly",
    "AnomalySettings",
    "CatalogError",
    "CodeSettings",
    "Detector",
    "Evidence",
    "FeedProfile",
    "FeedProfiler",
    "Gtin",
    "HarmonizeError",
    "HarmonizeReport",
    "HarmonizeResult",
    "LakeError",
    "Limits",
    "Mapping",
    "MappingError",
    "MappingProblem",
    "MappingProposal",
    "RMISAudience",
    "RMISPolicy",
    "RMISRecord",
    "RMISSku",
    "RetailerProducts",
    "TitleMatchSettings",
    "Violation",
    "accepted_matches",
    "check_parts",
    "check_table",
    "columns_read_by",
    "daily_totals",
    "empty_table",
    "examine",
    "find_anomalies",
    "find_drift",
    "gtin_table",
    "harmonize",
    "harmonize_to_lake",
    "load_audiences",
    "load_catalog",
    "load_crosswalk",
    "load_mapping",
    "load_retailer_products",
    "mapping_json_schema",
    "merge_crosswalks",
    "normalize_gtin",
    "parse_mapping",
    "polars_schema",
    "propose_mapping",
    "propose_title_matches",
    "read_event_days",
    "read_events",
    "read_feed_profile",
    "read_history",
    "read_previous_feed_profile",
    "read_table",
    "review_file",
    "skus_frame",
    "twin_findings",
    "worst_severity",
    "write_events",
    "write_feed_profile",
    "write_parquet_atomically",
    "write_table",
]
