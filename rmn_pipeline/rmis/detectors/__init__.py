"""Anomaly detectors: one module per kind of thing that looks wrong although every row is well formed.

Belongs here: functions from evidence (events, and what was rejected or superseded) to anomalies, and the
statistics that they share. What is put before whom is decided by the callers.
"""

from rmn_pipeline.rmis.detectors.anomaly import Anomaly, AnomalySeverity, DaySpan
from rmn_pipeline.rmis.detectors.evidence import Evidence
from rmn_pipeline.rmis.detectors.registry import DETECTORS, Detector
from rmn_pipeline.rmis.detectors.settings import AnomalySettings

__all__ = ["DETECTORS", "Anomaly", "AnomalySettings", "AnomalySeverity", "DaySpan", "Detector", "Evidence"]
