"""Experiments: designs, and read-outs whose p-value and interval come from one test."""

from rmn_pipeline.measurement.assignment import (
    GeoAssignment,
    chosen_assignment,
    complete_assignment,
    stratified_assignment,
)
from rmn_pipeline.measurement.errors import MeasurementError, PanelError
from rmn_pipeline.measurement.estimates import LiftEstimate, NotApplicable
from rmn_pipeline.measurement.geo_lift import GeoLiftResult, LiftSettings, geo_lift
from rmn_pipeline.measurement.iroas import Iroas, fieller
from rmn_pipeline.measurement.panel import Panel, panel_from_table
from rmn_pipeline.measurement.panel_file import read_panel

__all__ = [
    "GeoAssignment",
    "GeoLiftResult",
    "Iroas",
    "LiftEstimate",
    "LiftSettings",
    "MeasurementError",
    "NotApplicable",
    "Panel",
    "PanelError",
    "chosen_assignment",
    "complete_assignment",
    "fieller",
    "geo_lift",
    "panel_from_table",
    "read_panel",
    "stratified_assignment",
]
