"""Where the project lies on disk, and which retailers and brands it knows.

Belongs here: folder conventions. A retailer is a folder with a `mapping.yaml`, a brand is a folder with a
`brand.yaml`; nothing else has to be registered.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

ROOT_VARIABLE = "RMN_PROJECT"


class ProjectError(Exception):
    """The project folder lacks something; the text says what, where and how to mend it."""


@dataclass(frozen=True)
class Project:
    """Paths of one project folder.

    Args:
        root: the folder that holds `data/` and `adapters/`.
    """

    root: Path

    @property
    def data_dir(self) -> Path:
        """Inputs and outputs."""
        return self.root / "data"

    @property
    def lake_dir(self) -> Path:
        """The Parquet tables that the pipeline writes."""
        return self.data_dir / "lake"

    @property
    def adapters_dir(self) -> Path:
        """Base model and trained adapters."""
        return self.root / "adapters"

    def landing_dir(self, retailer_id: str) -> Path:
        """What a network sent."""
        return self.data_dir / "landing" / retailer_id

    def retailer_dir(self, retailer_id: str) -> Path:
        """A retailer's mapping and policy."""
        return self.data_dir / "retailers" / retailer_id

    def brand_dir(self, brand_id: str) -> Path:
        """A brand's description and private feed."""
        return self.data_dir / "brands" / brand_id

    def brief_path(self, brand_id: str) -> Path:
        """The brief in plain words that a brand's plans answer."""
        return self.data_dir / "briefs" / f"{brand_id}.txt"

    def reports_dir(self, brand_id: str) -> Path:
        """Where a brand's comparison report is written."""
        return self.data_dir / "reports" / brand_id

    def retailer_ids(self) -> list[str]:
        """Retailers in alphabetical order.

        Raises:
            ProjectError: when there is none.
        """
        return _folders_with(self.data_dir / "retailers", "mapping.yaml")

    def brand_ids(self) -> list[str]:
        """Brands in alphabetical order.

        Raises:
            ProjectError: when there is none.
        """
        return _folders_with(self.data_dir / "brands", "brand.yaml")


def _folders_with(parent: Path, file_name: str) -> list[str]:
    names = sorted(path.parent.name for path in parent.glob(f"*/{file_name}"))
    if not names:
        raise ProjectError(
            f"{parent}: no folder with a {file_name} in it. Run from the project's root, or set {ROOT_VARIABLE}."
        )
    return names


def find_project() -> Project:
    """The project named by the environment variable RMN_PROJECT, else the one this package lies in.

    Raises:
        ProjectError: when that folder has no `data/retailers`.
    """
    named = os.environ.get(ROOT_VARIABLE)
    root = Path(named).resolve() if named else Path(__file__).resolve().parents[2]
    if not (root / "data" / "retailers").is_dir():
        raise ProjectError(
            f"{root}: no data/retailers in it. Set {ROOT_VARIABLE} to the folder that holds data/ and adapters/."
        )
    return Project(root)
