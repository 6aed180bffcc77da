from __future__ import annotations

from pathlib import Path

import pytest

from rmn_pipeline.world import World, WorldConfig, build_world, tiny_config


@pytest.fixture(scope="session")
def tiny_world() -> World:
    return build_world(tiny_config())


@pytest.fixture(scope="session")
def tiny_data(tiny_world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny_data")
    tiny_world.write_landing(folder)
    return folder


@pytest.fixture(scope="session")
def sample_world() -> World:
    """The market of the committed configuration; building it is quick, only writing it takes seconds."""
    return build_world(WorldConfig.from_yaml(Path(__file__).parents[2] / "data" / "world.yaml"))
