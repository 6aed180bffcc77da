"""Runs everything but training on a tiny project, and watches who touches the retailers' logs.

Argument: an empty folder. Python-level opening and listing is watched by an audit hook; readers in native code, which
no hook sees, are caught by poison: outside the clean room's step the logs hold garbage. Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import FrameType

import dagster as dg

from rmn_pipeline.definitions import build_defs
from rmn_pipeline.defs.brand_inputs import (
    brand_campaigns,
    campaigns_path,
    clean_room_planning_view,
    full_data_planning_view,
    plan_start,
)
from rmn_pipeline.defs.project import Project
from rmn_pipeline.defs.resources import ProjectResource
from rmn_pipeline.defs.workflow import RETAILER_ASSETS
from rmn_pipeline.planning import PlanRequest, make_plan
from rmn_pipeline.rmis import write_parquet_atomically
from rmn_pipeline.world import WorldConfig, build_world
from rmn_pipeline_tests.conftest import make_tiny_project

POISON = b"not a Parquet file"
WATCHED = ("open", "os.listdir", "os.scandir", "os.stat", "glob.glob", "shutil.copyfile")


class Watch:
    """Notes the innermost module of this package whenever a log is touched."""

    def __init__(self, root: Path) -> None:
        self._logs = [str(path) for path in (root / "data" / "landing").glob("*/log")]
        self.step = ""
        self.touched: dict[str, set[str]] = {}
        self.opened: set[str] = set()

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.step and event in WATCHED and arguments and self._is_log(arguments[0]):
            caller = _caller(sys._getframe(1))
            self.touched.setdefault(self.step, set()).add(caller)
            if event == "open":
                self.opened.add(caller)

    def _is_log(self, path: object) -> bool:
        return isinstance(path, str | Path) and any(str(path).startswith(log) for log in self._logs)


def _caller(frame: FrameType | None) -> str:
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name.startswith("rmn_pipeline."):
            return name
        frame = frame.f_back
    return "none of this package"


def materialize(definitions: dg.Definitions, assets: list[str], retailer_id: str) -> bool:
    job = definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        partition_key=retailer_id,
        asset_selection=[dg.AssetKey(name) for name in assets],
        instance=dg.DagsterInstance.ephemeral(),
        raise_on_error=False,
    )
    return result.success


def main() -> None:
    root = make_tiny_project(Path(sys.argv[1]) / "project")
    project = Project(root)
    build_world(WorldConfig.from_yaml(root / "data" / "world.yaml")).write_landing(project.data_dir)
    logs = {path: path.read_bytes() for path in sorted((root / "data" / "landing").glob("*/log/*.parquet"))}
    definitions = build_defs(project, {"project": ProjectResource(root=str(root), profile="smoke")})
    harmonized = [name for name in RETAILER_ASSETS if name != "clean_room_view"]
    watch = Watch(root)
    sys.addaudithook(watch)

    def fill(poisoned: bool) -> None:
        watch.step = ""
        for path, content in logs.items():
            path.write_bytes(POISON if poisoned else content)

    report: dict[str, object] = {"log_files": len(logs)}
    fill(poisoned=True)
    watch.step = "harmonize"
    report["harmonized"] = all(
        [materialize(definitions, harmonized, retailer) for retailer in project.retailer_ids()]
    )
    watch.step = "poisoned clean room"
    report["poison_is_noticed"] = not materialize(definitions, ["clean_room_view"], project.retailer_ids()[0])
    fill(poisoned=False)
    watch.step = "clean room"
    report["released"] = all(
        [materialize(definitions, ["clean_room_view"], retailer) for retailer in project.retailer_ids()]
    )
    fill(poisoned=True)
    watch.step = "plan"
    brand_id = project.brand_ids()[0]
    write_parquet_atomically(brand_campaigns(project, brand_id), campaigns_path(project, brand_id))
    request = PlanRequest(
        brand_id=brand_id, budget_usd=60_000, weeks=4, retailers=tuple(project.retailer_ids()), min_roas=None
    )
    for mode, view in (
        ("full_data", full_data_planning_view(project, brand_id)),
        ("clean_room", clean_room_planning_view(project, brand_id)),
    ):
        plan = make_plan(request, view, start_date=plan_start(project), adapters_used=())
        report[f"planned_{mode}"] = plan.allocation_frame().height
    watch.step = ""
    report["touched"] = {step: sorted(names) for step, names in watch.touched.items()}
    report["opened"] = sorted(watch.opened)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
