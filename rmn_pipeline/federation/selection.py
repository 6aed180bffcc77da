"""Which adapters answer a request: a pure function of task, tenants and mode, under a policy in YAML."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from rmn_pipeline.lora.manifest import AdapterError
from rmn_pipeline.lora.prompts import TASKS

Level = Literal["industry", "retailer", "manufacturer", "task"]
Mode = Literal["full_data", "clean_room"]
INDUSTRY_ADAPTER = "industry_retail_media"


class ModePolicy(BaseModel):
    """What one mode may load."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    levels: tuple[Level, ...]


class FederationPolicy(BaseModel):
    """The order of levels, what each mode may load, and which adapter serves which task."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    levels: tuple[Level, ...]
    modes: dict[Mode, ModePolicy]
    task_adapters: dict[str, str]

    @model_validator(mode="after")
    def _clean_room_stays_clean(self) -> Self:
        clean_room = self.modes.get("clean_room")
        if clean_room is not None and "manufacturer" in clean_room.levels:
            raise ValueError(
                "clean_room may not load the manufacturer level; remove it from modes.clean_room"
            )
        return self


def load_policy(path: Path | str | None = None) -> FederationPolicy:
    """Read a policy file, or the one that ships with the package.

    Raises:
        AdapterError: the file is missing, not YAML or not a valid policy.
    """
    try:
        if path is None:
            source, text = "federation.yaml", (files(__package__) / "federation.yaml").read_text("utf-8")
        else:
            source, text = str(path), Path(path).read_text(encoding="utf-8")
        return FederationPolicy.model_validate(yaml.safe_load(text))
    except (OSError, yaml.YAMLError) as error:
        raise AdapterError(f"{path}: the federation policy cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "policy"
        raise AdapterError(f"{source}: {where}: {first['msg']}") from error


def select_adapters(
    policy: FederationPolicy,
    *,
    task: str,
    retailer_id: str | None = None,
    brand_id: str | None = None,
    mode: str = "full_data",
) -> tuple[str, ...]:
    """Return the ids of the adapters that answer, from the ground up.

    Raises:
        AdapterError: the task or the mode is unknown.
    """
    if task not in TASKS:
        raise AdapterError(f"unknown task {task!r}: use one of {', '.join(TASKS)}")
    modes: dict[str, ModePolicy] = {str(name): allowed for name, allowed in policy.modes.items()}
    if mode not in modes:
        raise AdapterError(f"unknown mode {mode!r}: use one of {', '.join(modes)}")
    by_level: dict[str, str | None] = {
        "industry": INDUSTRY_ADAPTER,
        "retailer": f"retailer_{retailer_id}" if retailer_id else None,
        "manufacturer": f"manufacturer_{brand_id}" if brand_id else None,
        "task": policy.task_adapters.get(task),
    }
    allowed = set(modes[mode].levels)
    chosen = [by_level[level] for level in policy.levels if level in allowed]
    return tuple(adapter_id for adapter_id in chosen if adapter_id is not None)
