"""Writing a world to disk: landing files and private feeds, each atomically, with a manifest; unchanged is skipped."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from rmn_pipeline.world.config import RetailerSpec, WorldConfig, WorldError
from rmn_pipeline.world.history import History
from rmn_pipeline.world.log import explode_log
from rmn_pipeline.world.market import Market, Shelf
from rmn_pipeline.world.private import experiments, private_daily
from rmn_pipeline.world.reports import report_files

# Raise it when the same config is meant to give other bytes: old landing files are then written anew.
FORMAT_VERSION = 1
MANIFEST = "landing/manifest.json"


@dataclass(frozen=True)
class LandingManifest:
    """What a data folder holds; paths are relative to it."""

    config_digest: str
    files: dict[str, str]
    written: tuple[str, ...]
    reused: tuple[str, ...]

    @property
    def unchanged(self) -> bool:
        """Nothing had to be written."""
        return not self.written


def landing_digest(config: WorldConfig) -> str:
    """Fingerprint of config and writer."""
    return hashlib.sha256(f"{FORMAT_VERSION}:{config.digest}".encode()).hexdigest()


def intact_landing(data_dir: Path, config: WorldConfig) -> LandingManifest | None:
    """The manifest of a data folder that already holds exactly this world, else None."""
    content = _read_manifest(data_dir)
    if content is None or content["config_digest"] != landing_digest(config):
        return None
    files: dict[str, str] = content["files"]
    if any(_sha256(data_dir / name) != digest for name, digest in files.items()):
        return None
    return LandingManifest(content["config_digest"], files, (), tuple(files))


def write_landing(data_dir: Path, market: Market, shelf: Shelf, history: History) -> LandingManifest:
    """Write every file of the world; files whose bytes are already there are left alone."""
    config = market.config
    old = _read_manifest(data_dir) or {"files": {}}
    files: dict[str, str] = {}
    written: list[str] = []
    for name, content in _all_files(market, shelf, history):
        files[name] = hashlib.sha256(content).hexdigest()
        if _sha256(data_dir / name) != files[name]:
            _write_atomically(data_dir / name, content)
            written.append(name)
    _remove_outdated(data_dir, set(old["files"]) - set(files))
    digest = landing_digest(config)
    manifest = {
        "config_digest": digest,
        "seed": config.seed,
        "start_date": config.start_date.isoformat(),
        "days": config.days,
        "files": dict(sorted(files.items())),
    }
    # Last, so that a half-written world never looks complete.
    _write_atomically(data_dir / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
    reused = tuple(name for name in files if name not in set(written))
    return LandingManifest(digest, files, tuple(written), reused)


def _all_files(market: Market, shelf: Shelf, history: History) -> Iterator[tuple[str, bytes]]:
    config = market.config
    for retailer in config.retailers:
        cells = history.cells.filter(pl.col("retailer_id") == retailer.retailer_id)
        folder = f"landing/{retailer.retailer_id}"
        for name, content in report_files(cells, market.skus, config, retailer):
            yield f"{folder}/{name}", content
        for period, log in retailer_log(cells, config, retailer):
            yield f"{folder}/log/{period}.parquet", _parquet(log)
    for brand in config.brands:
        folder = f"brands/{brand.brand_id}/private"
        yield f"{folder}/daily.parquet", _parquet(private_daily(market, shelf, history, brand.brand_id))
        read_outs = experiments(market, history, brand.brand_id)
        yield f"{folder}/experiments.csv", read_outs.write_csv().encode()


def retailer_log(
    cells: pl.DataFrame, config: WorldConfig, retailer: RetailerSpec
) -> Iterator[tuple[str, pl.DataFrame]]:
    """A retailer's customer-level log month by month, so that only one month is in memory."""
    by_month = cells.with_columns(period=pl.col("date").dt.strftime("%Y-%m"))
    for (period,), month in by_month.group_by("period", maintain_order=True):
        yield str(period), explode_log(month, config, retailer.retailer_id, str(period))


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()


def _read_manifest(data_dir: Path) -> dict[str, Any] | None:
    path = data_dir / MANIFEST
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content["files"], dict) and isinstance(content["config_digest"], str):
            return dict(content)
    except (ValueError, KeyError, TypeError) as error:
        raise WorldError(
            f"{path}: damaged manifest ({error}); delete it and write the world again"
        ) from error
    raise WorldError(f"{path}: damaged manifest; delete it and write the world again")


def _sha256(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_atomically(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise WorldError(f"{path}: cannot be written: {error}") from error


def _remove_outdated(data_dir: Path, names: set[str]) -> None:
    """Delete what an earlier world left here; only files that its manifest names, and only below the folder."""
    root = data_dir.resolve()
    for name in names:
        path = (data_dir / name).resolve()
        if path.is_relative_to(root) and path.is_file():
            path.unlink()
