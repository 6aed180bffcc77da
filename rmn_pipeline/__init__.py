"""Retail-media pipeline: raw network feeds to measured budget plans.

Each sub-package is a room with one purpose that can be used from a notebook without Dagster;
`rmn_pipeline.definitions` wires the rooms into Dagster assets. See docs/architecture.md.
"""

__version__ = "0.1.0"
