"""kill -9 in the middle of real Dagster materializations of rmis_events, many times over.

Copies a retailer's mapping and landed reports into a temporary project and lets the landing folder hold, in turn, all
reports or all but the last ones. Each time `dagster asset materialize` is started, and killed with its process group at
a random point of the harmonization; then the lake must be readable and hold exactly the old or the new state. Every
few kills, and at the end, a run is left alone and must complete to the new state.

    python benchmarks/kill_nine.py --retailer beta --kills 50
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from rmn_pipeline.feeds import list_landing
from rmn_pipeline.rmis import (
    Mapping,
    harmonize,
    load_mapping,
    load_retailer_products,
    read_events,
    read_history,
    read_table,
)

ROOT = Path(__file__).parents[1]
# Reports that come and go: a restatement or two and a month.
LATEST_REPORTS = 3
SELECTION = "raw_feed,rmis_skus,rmis_events,rmis_rejects"
START_TIMEOUT_SECONDS = 300.0
_POLL_SECONDS = 0.002
State = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]


@dataclass(frozen=True)
class Shop:
    """One retailer in a project of its own."""

    root: Path
    retailer_id: str

    @property
    def lake(self) -> Path:
        """The tables."""
        return self.root / "data" / "lake"

    @property
    def reports(self) -> Path:
        """The landing folder."""
        return self.root / "data" / "landing" / self.retailer_id / "reports"

    @property
    def kept_reports(self) -> Path:
        """All reports, out of the pipeline's sight."""
        return self.root / "all_reports"

    def mapping(self) -> Mapping:
        """The retailer's mapping."""
        return load_mapping(self.root / "data" / "retailers" / self.retailer_id / "mapping.yaml")


def make_shop(root: Path, retailer_id: str) -> Shop:
    """A project with this retailer alone."""
    shop = Shop(root, retailer_id)
    (root / "data").mkdir(parents=True)
    for folder in ("retailers", "brands"):
        shutil.copytree(
            ROOT / "data" / folder, root / "data" / folder, ignore=shutil.ignore_patterns("private")
        )
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, root / name)
    landed = ROOT / "data" / "landing" / retailer_id
    if not landed.is_dir():
        raise SystemExit(f"{landed} is missing: write the sample market first (make sample)")
    shutil.copytree(landed, shop.reports.parent, ignore=shutil.ignore_patterns("log"))
    shutil.copytree(shop.reports, shop.kept_reports)
    return shop


def land(shop: Shop, everything: bool) -> None:
    """Puts all reports into the landing folder, or all but the last ones."""
    names = sorted(path.name for path in shop.kept_reports.iterdir())
    shutil.rmtree(shop.reports)
    shop.reports.mkdir()
    for name in names if everything else names[:-LATEST_REPORTS]:
        shutil.copy(shop.kept_reports / name, shop.reports / name)


def _sorted(events: pl.DataFrame, history: pl.DataFrame, rejects: pl.DataFrame) -> State:
    place = ["date", "source_file", "source_row"]
    return events.sort(place), history.sort(place), rejects


def expected(shop: Shop) -> State:
    """What the landed reports harmonize to, in memory."""
    mapping = shop.mapping()
    products = load_retailer_products(shop.reports.parent / "reference", shop.retailer_id)
    paths = [file.path for file in list_landing(shop.reports, mapping.source.files)]
    result = harmonize(mapping, paths, products.crosswalk)
    return _sorted(result.events, result.history, result.rejects)


def found(shop: Shop) -> State:
    """What the lake holds."""
    retailers = [shop.retailer_id]
    return _sorted(
        read_events(shop.lake, retailers).collect(),
        read_history(shop.lake, retailers).collect(),
        read_table(shop.lake, "rmis_rejects", shop.retailer_id),
    )


def same(one: State, other: State) -> bool:
    """All three tables are equal."""
    return all(mine.equals(theirs) for mine, theirs in zip(one, other, strict=True))


def _staging_folders(shop: Shop) -> set[str]:
    return {path.parent.name for path in (shop.lake / ".commits" / shop.retailer_id).glob("staging-*/owner")}


@dataclass(frozen=True)
class Run:
    """A materialization under way; `before` are the staging folders that earlier kills have left."""

    shop: Shop
    process: subprocess.Popen[bytes]
    before: set[str]

    def is_harmonizing(self) -> bool:
        """It has a staging folder of its own."""
        return bool(_staging_folders(self.shop) - self.before)

    def wait_until(self, harmonizing: bool) -> float:
        """Waits until harmonization has begun, or ended, and says how long that took."""
        began = time.monotonic()
        while self.is_harmonizing() is not harmonizing:
            if harmonizing and self.process.poll() is not None:
                raise SystemExit(f"dagster ended too early:\n{self.log()}")
            if time.monotonic() - began > START_TIMEOUT_SECONDS:
                raise SystemExit(f"nothing happened for too long:\n{self.log()}")
            time.sleep(_POLL_SECONDS)
        return time.monotonic() - began

    def log(self) -> str:
        """The end of what Dagster said."""
        return (self.shop.root / "dagster.log").read_text()[-3000:]


def start(shop: Shop) -> Run:
    """A materialization in a process group and a Dagster home of its own: killed runs must not hold the next one."""
    home = Path(tempfile.mkdtemp(dir=shop.root))
    shutil.copy(shop.root / "dagster.yaml", home)
    before = _staging_folders(shop)
    command = ["-m", "dagster", "asset", "materialize", "-m", "rmn_pipeline.definitions"]
    with (shop.root / "dagster.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *command, "--select", SELECTION, "--partition", shop.retailer_id],
            env={**os.environ, "RMN_PROJECT": str(shop.root), "DAGSTER_HOME": str(home)},
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Run(shop, process, before)


def complete(shop: Shop, want: State) -> float:
    """A run that is left alone; it must succeed and give `want`. Returns how long harmonization took."""
    run = start(shop)
    run.wait_until(harmonizing=True)
    seconds = run.wait_until(harmonizing=False)
    if run.process.wait() != 0 or not same(found(shop), want):
        raise SystemExit(f"a run did not complete:\n{run.log()}")
    return seconds


def kill_once(shop: Shop, after_seconds: float) -> bool:
    """Starts a run and kills it some time into harmonization; whether that was still going on."""
    run = start(shop)
    run.wait_until(harmonizing=True)
    time.sleep(after_seconds)
    in_the_middle = run.is_harmonizing()
    os.killpg(run.process.pid, signal.SIGKILL)
    run.process.wait()
    return in_the_middle


def kill_many(shop: Shop, kills: int, complete_every: int, seed: int) -> Counter[str]:
    """Kills until `kills` of them hit, and counts what was found after them."""
    wanted = []
    for everything in (False, True):
        land(shop, everything)
        wanted.append(expected(shop))
    complete(shop, wanted[1])
    land(shop, everything=False)
    whole = complete(shop, wanted[0])
    print(f"harmonization takes {whole:.2f} s of a run", flush=True)
    moment, seen, present = random.Random(seed), Counter[str](), 0
    while seen["hit"] < kills:
        target = 1 - present
        land(shop, everything=bool(target))
        seen["hit" if kill_once(shop, moment.uniform(0, whole)) else "missed"] += 1
        state = found(shop)
        if same(state, wanted[target]):
            present = target
            seen["new"] += 1
        elif same(state, wanted[present]):
            seen["old"] += 1
        else:
            raise SystemExit(f"after {seen.total()} runs the lake holds neither the old nor the new state")
        print(dict(seen), flush=True)
        if seen["hit"] % complete_every == 0 or seen["hit"] == kills:
            complete(shop, wanted[target])
            present = target
    return seen


def main() -> None:
    """Makes the project, kills, reports."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--retailer", default="beta")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument(
        "--complete-every", type=int, default=5, help="kills between runs that are left alone"
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="where to make the temporary project")
    arguments = parser.parse_args()
    root = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        shop = make_shop(root / "project", arguments.retailer)
        seen = kill_many(shop, arguments.kills, arguments.complete_every, arguments.seed)
        print(
            f"{seen['hit']} kills in the middle: {seen['old']} x old state, {seen['new']} x new; always whole"
        )
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
