"""Experiments: designs, and read-outs whose p-value and interval come from one test."""

from rmn_pipeline.measurement.ab_test import AbResult, ab_test, always_valid, sample_ratio, units_per_arm
from rmn_pipeline.measurement.assignment import (
    GeoAssignment,
    chosen_assignment,
    complete_assignment,
    stratified_assignment,
)
from rmn_pipeline.measurement.cuped import CupedResult, cuped
from rmn_pipeline.measurement.errors import MeasurementError, PanelError
from rmn_pipeline.measurement.estimates import LiftEstimate, NotApplicable
from rmn_pipeline.measurement.geo_design import GeoDesign, geo_design, select_markets
from rmn_pipeline.measurement.geo_lift import GeoLiftResult, LiftSettings, geo_lift
from rmn_pipeline.measurement.iroas import Iroas, fieller
from rmn_pipeline.measurement.item_experiments import ItemExperiment, item_experiment, read_multipliers
from rmn_pipeline.measurement.off_policy import OffPolicyResult, off_policy_value
from rmn_pipeline.measurement.panel import Panel, panel_from_table
from rmn_pipeline.measurement.panel_file import read_panel
from rmn_pipeline.measurement.plots import effect_over_time_png, power_png
from rmn_pipeline.measurement.power import PowerCurve, power_curve
from rmn_pipeline.measurement.switchback import SwitchbackDesign, switchback_design
from rmn_pipeline.measurement.switchback_lift import SwitchbackResult, switchback_lift

__all__ = [
    "AbResult",
    "CupedResult",
    "GeoAssignment",
    "GeoDesign",
    "GeoLiftResult",
    "Iroas",
    "ItemExperiment",
    "LiftEstimate",
    "LiftSettings",
    "MeasurementError",
    "NotApplicable",
    "OffPolicyResult",
    "Panel",
    "PanelError",
    "PowerCurve",
    "SwitchbackDesign",
    "SwitchbackResult",
    "ab_test",
    "always_valid",
    "chosen_assignment",
    "complete_assignment",
    "cuped",
    "effect_over_time_png",
    "fieller",
    "geo_design",
    "geo_lift",
    "item_experiment",
    "off_policy_value",
    "panel_from_table",
    "power_curve",
    "power_png",
    "read_multipliers",
    "read_panel",
    "sample_ratio",
    "select_markets",
    "stratified_assignment",
    "switchback_design",
    "switchback_lift",
    "units_per_arm",
]
