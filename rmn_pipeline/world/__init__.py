"""The synthetic market with known truth: writes what networks and brands would send, and judges plans later."""

from rmn_pipeline.world.config import (
    BrandSpec,
    LineSpec,
    PlacementSpec,
    RetailerSpec,
    WorldConfig,
    WorldError,
    tiny_config,
)
from rmn_pipeline.world.landing import LandingManifest
from rmn_pipeline.world.model import World, build_world
from rmn_pipeline.world.presets import PRESETS, preset
from rmn_pipeline.world.realize import Realized
from rmn_pipeline.world.tables import AdvertiserTables

__all__ = [
    "PRESETS",
    "AdvertiserTables",
    "BrandSpec",
    "LandingManifest",
    "LineSpec",
    "PlacementSpec",
    "Realized",
    "RetailerSpec",
    "World",
    "WorldConfig",
    "WorldError",
    "build_world",
    "preset",
    "tiny_config",
]
