"""RMIS: the schema, the mapping language, the SKU crosswalk, harmonization, rejects and the lake."""

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

__all__ = [
    "AUDIENCES_SCHEMA",
    "EVENTS_SCHEMA",
    "FULL_DATA_ONLY_FIELDS",
    "POLICIES_SCHEMA",
    "REJECTS_SCHEMA",
    "SKUS_SCHEMA",
    "RMISAudience",
    "RMISPolicy",
    "RMISRecord",
    "RMISSku",
    "empty_table",
    "polars_schema",
]
