"""What assets are handed: the project's paths and settings, and MLflow's address.

Plain configuration only; opening models and databases happens inside the steps that need them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import dagster as dg

from rmn_pipeline.defs.project import Project

Profile = Literal["default", "smoke"]


class ProjectResource(dg.ConfigurableResource):
    """Paths and settings of one project.

    `profile` is "default", or "smoke" for tests: the same steps on less training.
    """

    root: str
    profile: Profile = "default"
    base_model: str = "adapters/base/rmn-base-5m"
    quantization: Literal["nf4", "none"] = "nf4"
    replicates: int = 60

    @property
    def paths(self) -> Project:
        """The folders of the project."""
        return Project(Path(self.root))

    @property
    def base_dir(self) -> Path:
        """The base model: a folder in the project, or any causal LM path."""
        return self.paths.root / self.base_model


class TrackingResource(dg.ConfigurableResource):
    """MLflow's store. SQLite, because MLflow's file store no longer works from 3.13 on."""

    uri: str
    # Address of the MLflow page for links in metadata; `make ui` serves it there.
    page: str = "http://127.0.0.1:5000"

    def run_link(self, experiment_id: str, run_id: str) -> str:
        """Where a person finds an MLflow run."""
        return f"{self.page}/#/experiments/{experiment_id}/runs/{run_id}"
