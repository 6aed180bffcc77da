"""Fixtures that several rooms share: a small project folder, and one in which the whole chain has run."""

import contextlib
import io
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from xdist.scheduler import LoadFileScheduling

ROOT = Path(__file__).resolve().parents[1]

# Nothing is downloaded, nothing is reported.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


def pytest_make_parametrize_id(val: object) -> str | None:
    """Bytes name no test: packed ones hold the time, and two processes would collect different tests."""
    return "bytes" if isinstance(val, bytes) else None


class _ByFile(LoadFileScheduling):
    """A file's tests, and all those of the whole chain, run in one process, where their fixtures are made once."""

    def _split_scope(self, nodeid: str) -> str:
        folder = Path(nodeid.split("::", 1)[0]).parent.name
        return folder if folder in ONE_PROCESS else str(super()._split_scope(nodeid))


# Folders whose tests share what is costly to make.
ONE_PROCESS = ("end_to_end", "serving")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadFileScheduling:
    """Used with `--dist load…`; pytest-xdist 3.8 cannot read groups from marks under pytest 9.2."""
    return _ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The whole chain first: it takes longest."""
    items.sort(key=lambda item: item.get_closest_marker("end_to_end") is None)


# A market of the same shape as the sample, small enough to run the chain in about a minute.
TINY_BRIEF = (
    "Plan the next 8 weeks for {brand} across all retailers with a budget of $60,000. Maximize incremental margin, "
    "keep ROAS at 2.0 or better and set aside 10% for experiments. Leave out products that are out of stock."
)


def tiny_world_settings() -> dict[str, object]:
    """Settings of the tiny market: the fields of `WorldConfig` that differ from the sample."""
    from rmn_pipeline.world import tiny_config

    # Six products per line: training sets split products between training and evaluation.
    return tiny_config(skus=48, arms=64).model_dump(mode="json")


def make_tiny_project(root: Path) -> Path:
    """A project folder with the real mappings, policies, brands and base model, and a tiny market."""
    (root / "data").mkdir(parents=True)
    for folder in ("retailers", "brands"):
        shutil.copytree(
            ROOT / "data" / folder, root / "data" / folder, ignore=shutil.ignore_patterns("private")
        )
    (root / "data" / "briefs").mkdir()
    for brand_dir in sorted((root / "data" / "brands").iterdir()):
        (root / "data" / "briefs" / f"{brand_dir.name}.txt").write_text(
            TINY_BRIEF.format(brand=brand_dir.name)
        )
    (root / "data" / "world.yaml").write_text(yaml.safe_dump(tiny_world_settings()))
    (root / "adapters").mkdir()
    (root / "adapters" / "base").symlink_to(ROOT / "adapters" / "base", target_is_directory=True)
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, root / name)
    return root


@pytest.fixture
def tiny_project(tmp_path: Path) -> Path:
    """A tiny project in which nothing has run."""
    return make_tiny_project(tmp_path / "project")


@dataclass(frozen=True)
class FinishedRun:
    """A project in which the chain has run, and what the command printed."""

    root: Path
    exit_status: int
    printed: str
    errors: str


def run_chain(root: Path, *arguments: str) -> FinishedRun:
    """`python -m rmn_pipeline` on a project folder, in this process."""
    from rmn_pipeline.__main__ import build_definitions
    from rmn_pipeline.defs.run import main

    printed, errors = io.StringIO(), io.StringIO()
    changed = {"RMN_PROJECT": str(root), "DAGSTER_HOME": str(root / ".dagster_home")}
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
            status = main(build_definitions, ["--profile", "smoke", *arguments])
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    return FinishedRun(root, status, printed.getvalue(), errors.getvalue())


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FinishedRun]:
    """The whole chain, run once for all tests that look at its outcome."""
    root = make_tiny_project(tmp_path_factory.mktemp("finished") / "project")
    yield run_chain(root)
