"""Experiments: designs, and read-outs whose p-value and interval come from one test."""

from rmn_pipeline.measurement.errors import MeasurementError, PanelError
from rmn_pipeline.measurement.panel import Panel, panel_from_table
from rmn_pipeline.measurement.panel_file import read_panel

__all__ = ["MeasurementError", "Panel", "PanelError", "panel_from_table", "read_panel"]
