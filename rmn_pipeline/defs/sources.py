"""Reading what several assets need: training sources, adapter folders, a brand's inputs.

Belongs here: paths to frames and models of the rooms. No decisions.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import yaml

from rmn_pipeline.defs.kinds import KINDS_BY_NAME, AdapterKind
from rmn_pipeline.defs.project import Project, ProjectError

if TYPE_CHECKING:
    from rmn_pipeline.cleanroom import CleanRoomPolicy
    from rmn_pipeline.lora.datasets import TrainingSources


def load_brand(project: Project, brand_id: str) -> dict[str, Any]:
    """A brand's description.

    Raises:
        ProjectError: no such brand.
    """
    path = project.brand_dir(brand_id) / "brand.yaml"
    if not path.is_file():
        raise ProjectError(
            f"brand {brand_id!r}: {path} does not exist. Known brands: {', '.join(project.brand_ids())}."
        )
    return yaml.safe_load(path.read_text())


def line_names(project: Project) -> dict[str, dict[str, list[str]]]:
    """Per brand, the names under which a brief may call each line: its name and the brand's nicknames for it."""
    return {
        brand_id: {
            line["line_id"]: [line["name"], *line.get("nicknames", [])]
            for line in load_brand(project, brand_id).get("lines", [])
        }
        for brand_id in project.brand_ids()
    }


def load_training_sources(project: Project) -> TrainingSources:
    """Everything that training sets are made from."""
    from rmn_pipeline.lora.datasets import TrainingSources
    from rmn_pipeline.rmis import load_mapping, read_table

    retailer_ids = project.retailer_ids()
    mappings = {
        retailer_id: load_mapping(project.retailer_dir(retailer_id) / "mapping.yaml").column_map()
        for retailer_id in retailer_ids
    }
    policies = {
        retailer_id: yaml.safe_load((project.retailer_dir(retailer_id) / "policy.yaml").read_text())
        for retailer_id in retailer_ids
    }
    skus = pl.concat([read_table(project.lake_dir, "rmis_skus", retailer_id) for retailer_id in retailer_ids])
    return TrainingSources(
        mappings=mappings,
        skus=skus.unique("sku_id", keep="first", maintain_order=True),
        policies=policies,
        brands={brand_id: load_brand(project, brand_id) for brand_id in project.brand_ids()},
    )


def policy_frame(policy: CleanRoomPolicy) -> pl.DataFrame:
    """A retailer's policy as its row of `rmis_policies`.

    Raises:
        ProjectError: the policy has no section `copy`.
    """
    from rmn_pipeline.rmis import POLICIES_SCHEMA, RMISPolicy

    if policy.copy_limits is None:
        raise ProjectError(
            f"policy.yaml of {policy.retailer_id}: add a section `copy` with its limits for ad copy."
        )
    row = RMISPolicy(
        retailer_id=policy.retailer_id,
        max_headline_characters=policy.copy_limits.max_headline_characters,
        max_body_characters=policy.copy_limits.max_body_characters,
        banned_terms=policy.copy_limits.banned_terms,
        released_fields=sorted({*policy.allowed_dimensions, *policy.allowed_metrics}),
        blocked_fields=policy.blocked_fields,
        min_customers_per_cell=policy.k,
        epsilon_total=policy.epsilon_total,
    )
    return pl.DataFrame([row.model_dump()], schema=POLICIES_SCHEMA)


def training_set_dir(project: Project, adapter_id: str) -> Path:
    """Where the training set of an adapter lies."""
    return project.lake_dir / "training_sets" / adapter_id


def adapter_dir(project: Project, kind: AdapterKind, adapter_id: str) -> Path:
    """Where a trained adapter lies."""
    return project.adapters_dir / kind.folder / adapter_id


def parent_adapter_dirs(project: Project, kind: AdapterKind) -> list[Path]:
    """Folders of all adapters of the kinds that `kind` is trained on top of."""
    tenants: dict[str, list[str | None]] = {
        "none": [None],
        "retailer": [*project.retailer_ids()],
        "brand": [*project.brand_ids()],
    }
    parents = [KINDS_BY_NAME[name] for name in kind.parent_kinds]
    return [
        adapter_dir(project, parent, parent.adapter_id(tenant))
        for parent in parents
        for tenant in tenants[parent.tenancy]
    ]
