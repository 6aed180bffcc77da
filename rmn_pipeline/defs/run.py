"""`make run`: the sample market's landing files if they are missing, the whole chain, and a table of the outcome.

python -m rmn_pipeline.defs.run [--retailer alpha ...] [--brand brand_x ...] [--profile smoke]
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import dagster as dg

from rmn_pipeline.defs.project import Project, ProjectError, find_project
from rmn_pipeline.defs.resources import Profile, ProjectResource
from rmn_pipeline.defs.workflow import ChainError, ChainStep, StepOutcome, chain_steps, run_steps


class DefinitionsBuilder(Protocol):
    """What `rmn_pipeline.definitions.build_defs` is: handed in, because this layer lies below it."""

    def __call__(self, project: Project, resource_overrides: Mapping[str, Any]) -> dg.Definitions:
        """Fresh definitions of a project."""
        ...


def main(build_definitions: DefinitionsBuilder, arguments: Sequence[str] | None = None) -> int:
    """Run the chain; the exit status is 0 when every step succeeded, 1 with one line of cause otherwise."""
    options = _parser().parse_args(arguments)
    _quiet_libraries()
    try:
        project = find_project()
        retailers = _known("retailer", options.retailer, project.retailer_ids())
        brands = _known("brand", options.brand, project.brand_ids())
        if not options.no_sample:
            _write_sample(project)
        definitions = build_definitions(project, _resources(project, options.profile))
        outcomes = _run_chain(project, definitions, chain_steps(retailers, brands))
    except (ProjectError, ChainError) as error:
        print(f"\nfailed: {error}", file=sys.stderr)
        return 1
    _print_outcome(project, brands, outcomes)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rmn_pipeline",
        description="Raw feeds to comparison report. Every step is a Dagster run that shows in the UI.",
    )
    parser.add_argument(
        "--retailer", action="append", help="only this retailer (may be repeated); default: all"
    )
    parser.add_argument("--brand", action="append", help="only this brand (may be repeated); default: all")
    parser.add_argument(
        "--profile", choices=["default", "smoke"], default="default", help="smoke: the same on less training"
    )
    parser.add_argument(
        "--no-sample", action="store_true", help="never write the sample market; use what landing/ holds"
    )
    return parser


def _quiet_libraries() -> None:
    """Libraries' own progress and notices stay out of the table; errors come through."""
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    for name in ("mlflow", "alembic", "transformers", "bitsandbytes", "datasets"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # transformers and trl warn of each other's renamed arguments at every training; nothing a user could mend.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"transformers\.")
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")


def _known(what: str, wanted: Sequence[str] | None, known: Sequence[str]) -> list[str]:
    unknown = sorted(set(wanted or ()) - set(known))
    if unknown:
        raise ProjectError(f"unknown {what} {', '.join(unknown)}; data/{what}s/ holds {', '.join(known)}.")
    return list(wanted or known)


def _write_sample(project: Project) -> None:
    """The sample market's files, unless this project has none configured or they are there unchanged."""
    config_path = project.data_dir / "world.yaml"
    if not config_path.is_file():
        return
    from rmn_pipeline.world import WorldConfig, build_world
    from rmn_pipeline.world.landing import intact_landing

    config = WorldConfig.from_yaml(config_path)
    if intact_landing(project.data_dir, config):
        print("sample market: landing files are there and unchanged")
        return
    started = time.monotonic()
    written = build_world(config).write_landing(project.data_dir).written
    print(f"sample market: {len(written)} landing files written in {time.monotonic() - started:.1f} s")


def _resources(project: Project, profile: Profile) -> dict[str, Any]:
    return {"project": ProjectResource(root=str(project.root), profile=profile)}


def _run_chain(
    project: Project, definitions: dg.Definitions, steps: Sequence[ChainStep]
) -> list[StepOutcome]:
    outcomes = []
    with _instance(project) as instance:
        print(f"{len(steps)} runs on the instance at {instance.root_directory}")
        width = max(len(step.label) for step in steps)
        for outcome in run_steps(definitions, steps, instance):
            outcomes.append(outcome)
            note = f"  {outcome.reused_assets} unchanged, reused" if outcome.reused_assets else ""
            print(
                f"[{len(outcomes):2d}/{len(steps)}] {outcome.step.label:<{width}}"
                f" {outcome.wall_seconds:7.1f} s wall {outcome.cpu_seconds:7.1f} s cpu{note}",
                flush=True,
            )
    return outcomes


def _instance(project: Project) -> dg.DagsterInstance:
    home = os.environ.get("DAGSTER_HOME")
    if not home:
        home = str(project.root / ".dagster_home")
        os.environ["DAGSTER_HOME"] = home
    folder = Path(home)
    folder.mkdir(parents=True, exist_ok=True)
    settings = project.root / "dagster.yaml"
    if settings.is_file() and not (folder / "dagster.yaml").exists():
        (folder / "dagster.yaml").write_text(settings.read_text())
    return dg.DagsterInstance.get()


def _print_outcome(project: Project, brands: Sequence[str], outcomes: Sequence[StepOutcome]) -> None:
    from rmn_pipeline.comparison import ComparisonResult, format_table

    results = [
        ComparisonResult.model_validate_json((project.reports_dir(brand) / "comparison.json").read_text())
        for brand in brands
    ]
    print()
    print(format_table(results))
    print("\nReports:")
    for brand in brands:
        print(f"  {project.reports_dir(brand).relative_to(project.root) / 'comparison.html'}")
    total = sum(outcome.wall_seconds for outcome in outcomes)
    reused = sum(outcome.reused_assets for outcome in outcomes)
    print(
        f"\n{len(outcomes)} runs in {total / 60:.1f} min wall, {time.process_time() / 60:.1f} CPU-min of this process; "
        f"{reused} assets unchanged and reused. `make ui` shows them in Dagster and MLflow."
    )
