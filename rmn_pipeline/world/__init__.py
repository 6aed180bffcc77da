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
from rmn_pipeline.world.realize import Realized

__all__ = [
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
    "tiny_config",
]
