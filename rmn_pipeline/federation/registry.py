"""The adapters that a federation may use: found by their manifests, refused with a reason when they cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rmn_pipeline.lora.manifest import MANIFEST_NAME, AdapterError, AdapterManifest, load_manifest
from rmn_pipeline.lora.quantize import base_digest

KIND_FOLDERS = ("industry", "retailer", "manufacturer", "task")


@dataclass(frozen=True)
class RegisteredAdapter:
    """A usable adapter."""

    path: Path
    manifest: AdapterManifest


@dataclass(frozen=True)
class RefusedAdapter:
    """A folder that holds no usable adapter, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class AdapterRegistry:
    """All adapters of one folder that fit one base, and those that were refused."""

    adapters: Mapping[str, RegisteredAdapter]
    refused: tuple[RefusedAdapter, ...]

    @classmethod
    def scan(cls, adapters_dir: Path | str, *, base_dir: Path | str) -> AdapterRegistry:
        """Read every `<kind>/<adapter_id>/` below a folder.

        Raises:
            AdapterError: there is no base model in `base_dir`.
        """
        digest = base_digest(base_dir)
        adapters: dict[str, RegisteredAdapter] = {}
        refused: list[RefusedAdapter] = []
        for folder in _adapter_folders(Path(adapters_dir)):
            try:
                adapter = _checked(folder, digest)
            except AdapterError as error:
                refused.append(RefusedAdapter(folder, str(error)))
                continue
            adapters[adapter.manifest.adapter_id] = adapter
        return cls(adapters, tuple(refused))

    @property
    def retailer_ids(self) -> tuple[str, ...]:
        """The retailers that have a usable adapter."""
        return tuple(
            adapter.manifest.subject_id
            for adapter in self.adapters.values()
            if adapter.manifest.kind == "retailer" and adapter.manifest.subject_id
        )

    def path(self, adapter_id: str) -> Path:
        """Return an adapter's folder.

        Raises:
            AdapterError: the adapter is unknown or was refused; the text says which, with the reason.
        """
        if adapter_id in self.adapters:
            return self.adapters[adapter_id].path
        for refusal in self.refused:
            if refusal.path.name == adapter_id:
                raise AdapterError(f"adapter {adapter_id} was refused: {refusal.reason}")
        known = ", ".join(sorted(self.adapters)) or "none"
        raise AdapterError(f"no adapter {adapter_id}; known adapters: {known}")


def _adapter_folders(adapters_dir: Path) -> list[Path]:
    """Return candidate folders; names with a leading dot are unfinished or being replaced."""
    return [
        folder
        for kind in KIND_FOLDERS
        for folder in sorted((adapters_dir / kind).glob("*"))
        if folder.is_dir() and not folder.name.startswith(".")
    ]


def _checked(folder: Path, digest: str) -> RegisteredAdapter:
    manifest = load_manifest(folder, expected_base_digest=digest)
    if manifest.adapter_id != folder.name:
        raise AdapterError(
            f"{folder / MANIFEST_NAME} describes {manifest.adapter_id}; a folder bears its adapter's id"
        )
    return RegisteredAdapter(folder, manifest)
