"""Command line: write the sample market's landing files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rmn_pipeline.world.config import WorldConfig, WorldError
from rmn_pipeline.world.landing import LandingManifest, intact_landing
from rmn_pipeline.world.model import build_world


def main(arguments: list[str] | None = None) -> int:
    """Run `rmn-world`: build the configured world and write its files, unless they are there already."""
    parser = argparse.ArgumentParser(prog="rmn-world", description=main.__doc__)
    parser.add_argument("--config", type=Path, default=Path("data/world.yaml"), help="WorldConfig as YAML")
    parser.add_argument(
        "--data", type=Path, default=Path("data"), help="folder that gets landing/ and brands/"
    )
    options = parser.parse_args(arguments)
    try:
        print(_describe(_write(options.config, options.data), options.data))
    except WorldError as error:
        print(f"rmn-world: {error}", file=sys.stderr)
        return 1
    return 0


def _write(config_path: Path, data_dir: Path) -> LandingManifest:
    config = WorldConfig.from_yaml(config_path)
    return intact_landing(data_dir, config) or build_world(config).write_landing(data_dir)


def _describe(manifest: LandingManifest, data_dir: Path) -> str:
    if manifest.unchanged:
        return f"{data_dir}: unchanged, {len(manifest.reused)} files reused"
    return f"{data_dir}: {len(manifest.written)} files written, {len(manifest.reused)} already there"


if __name__ == "__main__":
    sys.exit(main())
