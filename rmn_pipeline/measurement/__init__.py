"""Experiments: designs, and read-outs whose p-value and interval come from one test."""

from rmn_pipeline.measurement.assignment import (
    GeoAssignment,
    chosen_assignment,
    complete_assignment,
    stratified_assignment,
)
from rmn_pipeline.measurement.errors import MeasurementError, PanelError
from rmn_pipeline.measurement.estimates import LiftEstimate, NotApplicable
from rmn_pipeline.measurement.geo_design import GeoDesign, geo_design, select_markets
from rmn_pipeline.measurement.geo_lift import GeoLiftResult, LiftSettings, geo_lift
from rmn_pipeline.measurement.iroas import Iroas, fieller
from rmn_pipeline.measurement.panel import Panel, panel_from_table
from rmn_pipeline.measurement.panel_file import read_panel
from rmn_pipeline.measurement.power import PowerCurve, power_curve

__all__ = [
    "GeoAssignment",
    "GeoDesign",
    "GeoLiftResult",
    "Iroas",
    "LiftEstimate",
    "LiftSettings",
    "MeasurementError",
    "NotApplicable",
    "Panel",
    "PanelError",
    "PowerCurve",
    "chosen_assignment",
    "complete_assignment",
    "fieller",
    "geo_design",
    "geo_lift",
    "panel_from_table",
    "power_curve",
    "read_panel",
    "select_markets",
    "stratified_assignment",
]
