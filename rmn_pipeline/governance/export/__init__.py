"""The export gate: what leaves the pipeline is looked through first."""

from rmn_pipeline.governance.export.gate import (
    PERSONAL_FIELDS,
    ExportRules,
    Finding,
    check_export,
    refusal_text,
    require_clean_export,
)
from rmn_pipeline.governance.export.private_data import PrivateData, private_data

__all__ = [
    "PERSONAL_FIELDS",
    "ExportRules",
    "Finding",
    "PrivateData",
    "check_export",
    "private_data",
    "refusal_text",
    "require_clean_export",
]
