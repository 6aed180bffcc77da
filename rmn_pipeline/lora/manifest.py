"""What an adapter says about itself: the manifest beside its weights, its provenance, and when it is refused."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MANIFEST_NAME = "manifest.json"
WEIGHTS_NAME = "adapter_model.safetensors"
PEFT_CONFIG_NAME = "adapter_config.json"


class AdapterError(Exception):
    """An adapter, its base or its training input cannot be used; the text says what, where and how to mend it."""


class ParentReference(BaseModel):
    """An adapter that was frozen beneath this one while it trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    adapter_id: str = Field(min_length=1)
    digest: str = Field(min_length=1)


class TrainingMetrics(BaseModel):
    """What training this adapter took and how its loss went."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    steps: int = Field(ge=1)
    rows: int = Field(ge=1)
    rows_too_long: int = Field(ge=0)
    tokens: int = Field(ge=1)
    trainable_parameters: int = Field(ge=1)
    first_loss: float
    final_loss: float
    loss_curve: tuple[float, ...]
    seconds: float = Field(ge=0)
    cpu_seconds: float = Field(ge=0)
    tokens_per_second: float = Field(ge=0)


class AdapterManifest(BaseModel):
    """The manifest of a trained adapter.

    `trained_stacks` are the sets of parents that were active in some training step; a composition outside them is
    untested, and says so. `reused` is true on the manifest that a training call returned without training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    manifest_version: int = 1
    adapter_id: str = Field(min_length=1)
    kind: str = Field(min_length=1)
    subject_id: str | None
    base_name: str
    base_digest: str = Field(min_length=1)
    tokenizer_digest: str
    parents: tuple[ParentReference, ...]
    trained_stacks: tuple[tuple[str, ...], ...]
    dataset_fingerprint: str
    config: dict[str, Any]
    code_version: str
    library_versions: dict[str, str]
    weights_digest: str = Field(min_length=1)
    metrics: TrainingMetrics
    created_at: datetime
    reused: bool = Field(default=False, exclude=True)

    def provenance_key(self) -> str:
        """Return the hash of everything that decides this adapter's weights; equal keys mean nothing to retrain."""
        return provenance_key(
            adapter_id=self.adapter_id,
            base_digest=self.base_digest,
            tokenizer_digest=self.tokenizer_digest,
            parents=self.parents,
            trained_stacks=self.trained_stacks,
            dataset_fingerprint=self.dataset_fingerprint,
            config=self.config,
            code_version=self.code_version,
        )

    @property
    def losses(self) -> list[float]:
        """The loss of every step."""
        return list(self.metrics.loss_curve)

    def summary(self) -> dict[str, float]:
        """Return what training took and reached, without the curve."""
        return self.metrics.model_dump(exclude={"loss_curve"})

    def as_reused(self) -> Self:
        """Return the same manifest, marked as served without training."""
        return self.model_copy(update={"reused": True})

    def was_trained_over(self, ancestor_ids: Sequence[str]) -> bool:
        """Whether this adapter trained with exactly these adapters beneath it."""
        wanted = set(ancestor_ids)
        return any(set(stack) == wanted for stack in self.trained_stacks)


def provenance_key(
    *,
    adapter_id: str,
    base_digest: str,
    tokenizer_digest: str,
    parents: Sequence[ParentReference],
    trained_stacks: Sequence[Sequence[str]],
    dataset_fingerprint: str,
    config: Mapping[str, Any],
    code_version: str,
) -> str:
    """Return the hash of everything that decides an adapter's weights."""
    content = {
        "adapter_id": adapter_id,
        "base": base_digest,
        "tokenizer": tokenizer_digest,
        "parents": sorted([parent.adapter_id, parent.digest] for parent in parents),
        "stacks": [list(stack) for stack in trained_stacks],
        "dataset": dataset_fingerprint,
        "config": dict(config),
        "code": code_version,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def adapter_folder(kind: str) -> str:
    """Return the sub-folder of `adapters/` for a kind: all three task kinds share `task`."""
    return kind.split("_", 1)[0]


def file_digest(path: Path) -> str:
    """Return the sha256 of a file; repeated calls on an unchanged file cost nothing."""
    status = path.stat()
    return _cached_digest(str(path.resolve()), status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _cached_digest(path: str, size: int, modified_ns: int) -> str:
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_manifest(adapter_dir: Path, manifest: AdapterManifest) -> None:
    """Write the manifest into a folder."""
    text = manifest.model_dump_json(indent=2)
    (adapter_dir / MANIFEST_NAME).write_text(text + "\n", encoding="utf-8")


def load_manifest(adapter_dir: Path | str, *, expected_base_digest: str | None = None) -> AdapterManifest:
    """Read and check the manifest of an adapter folder.

    Raises:
        AdapterError: the manifest is missing, unreadable or incomplete, the weights are missing or not the ones
            that were trained, or the adapter belongs to another base.
    """
    folder = Path(adapter_dir)
    path = folder / MANIFEST_NAME
    try:
        manifest = AdapterManifest.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AdapterError(f"{folder}: no {MANIFEST_NAME}; train the adapter again") from None
    except (OSError, UnicodeDecodeError) as error:
        raise AdapterError(f"{path}: unreadable ({error}); train the adapter again") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise AdapterError(
            f"{path}: not a valid manifest ({where}: {first['msg']}); train the adapter again"
        ) from error
    for name in (WEIGHTS_NAME, PEFT_CONFIG_NAME):
        if not (folder / name).is_file():
            raise AdapterError(f"{folder}: {name} is missing; train the adapter again")
    if file_digest(folder / WEIGHTS_NAME) != manifest.weights_digest:
        raise AdapterError(
            f"{folder}: {WEIGHTS_NAME} is not the file that the manifest describes; train it again"
        )
    if expected_base_digest is not None and manifest.base_digest != expected_base_digest:
        raise AdapterError(
            f"{folder}: trained on another base ({manifest.base_name}, {manifest.base_digest[:12]}), "
            f"not on the one in use ({expected_base_digest[:12]}); train it again on this base"
        )
    return manifest
