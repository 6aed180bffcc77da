"""How long a market takes to build, beside the time that its random numbers alone take in the same process.

    python benchmarks/world.py                    10,000 arms x 26 weeks, 500 products: the sample's knobs and `messy`
    python benchmarks/world.py --arms 2000        another size
    python benchmarks/world.py --judge            also the time to judge a plan over all arms of one brand

One process, one core: CPU seconds, the best of some rounds. Building is the World in memory; no file is written.
The floor draws the same count of normal, Poisson, binomial and gamma numbers with the same rates and does nothing
with them.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial

os.environ.setdefault("POLARS_MAX_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import polars as pl

from rmn_pipeline.world import World, WorldConfig, build_world, preset
from rmn_pipeline.world.plans import ARM_KEYS

ROUNDS = 5
WEEKS = 26


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arms", type=int, default=10_000, help="advertised arms (default 10,000)")
    parser.add_argument("--skus", type=int, default=500, help="products (default 500)")
    parser.add_argument("--judge", action="store_true", help="also judge a plan, 50 replicates")
    options = parser.parse_args()
    size = {"skus": options.skus, "arms": options.arms, "days": 7 * WEEKS}
    for name, config in (("sample", WorldConfig(**size)), ("messy", preset("messy", **size))):
        world = build_world(config)
        build = _best_cpu_seconds(partial(build_world, config))
        floor = _best_cpu_seconds(partial(_draw_alone, world))
        cells = len(world.history.cells)
        print(
            f"{name}: {options.arms:,} arms x {WEEKS} weeks, {options.skus:,} products, {cells:,} cells: "
            f"build {build:.2f} s CPU, random numbers alone {floor:.2f} s, ratio {build / floor:.1f}"
        )
        if options.judge:
            _judge(world)


def _best_cpu_seconds(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


def _draw_alone(world: World) -> None:
    """The draws of the history, which dwarf all others, at this market's own rates."""
    rng = np.random.default_rng(1)
    arms, weeks = world.history.weekly_spend_usd.shape
    shape = (arms, weeks * 7)
    cells = world.history.cells
    at = (cells["arm"].to_numpy(), cells["day"].to_numpy())
    impressions, orders = np.zeros(shape, dtype=np.int64), np.zeros(shape)
    impressions[at], orders[at] = cells["impressions"].to_numpy(), cells["orders"].to_numpy()
    rng.random((weeks, arms))
    rng.normal(size=(2, arms, weeks))
    rng.normal(size=(2, *shape))
    rng.random((weeks * 7, *world.market.base_price_usd.shape))
    rng.binomial(rng.poisson(impressions), 0.025)
    rng.poisson(orders)
    rng.gamma(16.0 * np.maximum(orders, 1.0))


@dataclass(frozen=True)
class _Line:
    retailer_id: str
    placement_type: str
    audience_id: str
    sku_id: str
    spend_usd: float


@dataclass(frozen=True)
class _Plan:
    brand_id: str
    start_date: date
    weeks: int
    allocation: tuple[_Line, ...]


def _judge(world: World) -> None:
    brand_id, start = world.config.brands[0].brand_id, world.plan_start_date
    arms = world.true_arms(brand_id, start, WEEKS)
    lines = tuple(_Line(*row, 10_000.0) for row in arms.select(pl.col(ARM_KEYS)).rows())
    plan = _Plan(brand_id, start, WEEKS, lines)
    began = time.process_time()
    world.realize(plan, replicates=50)
    judged = time.process_time()
    world.expect(plan)
    expected = time.process_time()
    print(
        f"  judging {len(lines):,} arms x {WEEKS} weeks: 50 replicates {judged - began:.2f} s CPU, "
        f"exact expectation {expected - judged:.3f} s"
    )


if __name__ == "__main__":
    main()
