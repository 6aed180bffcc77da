"""Personal data in texts: found, scanned for in bulk, and made unreadable."""

from rmn_pipeline.governance.pii.detect import detect_pii
from rmn_pipeline.governance.pii.redact import RedactionMode, redact
from rmn_pipeline.governance.pii.scan import PiiScan, scan_batches, scan_texts
from rmn_pipeline.governance.pii.spans import ENTITY_TYPES, PiiSpan

__all__ = [
    "ENTITY_TYPES",
    "PiiScan",
    "PiiSpan",
    "RedactionMode",
    "detect_pii",
    "redact",
    "scan_batches",
    "scan_texts",
]
