"""The six kinds of adapter, their names, folders and parents: one table that assets are made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tenancy = Literal["none", "retailer", "brand"]


@dataclass(frozen=True)
class AdapterKind:
    """One kind of adapter.

    Args:
        name: suffix of the asset keys: `training_set_<name>`, `adapter_<name>`, `adapter_eval_<name>`.
        folder: sub-folder of `adapters/`.
        tenancy: which partitioning it has, if any.
        parent_kinds: kinds that it is trained on top of, all adapters of each.
        description: what the adapter knows.
    """

    name: str
    folder: str
    tenancy: Tenancy
    parent_kinds: tuple[str, ...]
    description: str

    def adapter_id(self, tenant_id: str | None) -> str:
        """The adapter's id; `tenant_id` is the partition key, None for unpartitioned kinds."""
        if self.tenancy == "none":
            return "industry_retail_media" if self.name == "industry" else self.name
        return f"{self.name}_{tenant_id}"


ADAPTER_KINDS: tuple[AdapterKind, ...] = (
    AdapterKind(
        "industry", "industry", "none", (), "The industry's schema, taxonomy, metrics and clean-room rules."
    ),
    AdapterKind(
        "retailer", "retailer", "retailer", ("industry",), "One network's headers, placements and policies."
    ),
    AdapterKind(
        "manufacturer", "manufacturer", "brand", ("industry",), "One brand's lines, vocabulary and tone."
    ),
    AdapterKind(
        "task_planning",
        "task",
        "none",
        ("industry", "retailer", "manufacturer"),
        "A brief in plain words to a plan request.",
    ),
    AdapterKind(
        "task_creative",
        "task",
        "none",
        ("industry", "retailer", "manufacturer"),
        "Product facts and a network's limits to ad copy.",
    ),
    AdapterKind(
        "task_measurement",
        "task",
        "none",
        ("industry", "retailer", "manufacturer"),
        "A measurement question to an experiment design call.",
    ),
)

KINDS_BY_NAME = {kind.name: kind for kind in ADAPTER_KINDS}
