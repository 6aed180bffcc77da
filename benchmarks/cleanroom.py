"""The clean room's latency over ten million log events, beside the plain DuckDB aggregate of the same shape.

Writes a seeded synthetic log, opens a room over it, and asks every shape of request several times, each time at another
ε so that nothing is served from store. The plain aggregate runs on the raw events in DuckDB: once in a table in
memory (which flatters it: nothing is read or decoded) and once on the Parquet file. Room and plain take turns.

    python benchmarks/cleanroom.py                      ten million events
    python benchmarks/cleanroom.py --events 1000000 --repeats 3
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from rmn_pipeline.cleanroom import CleanRoom
from rmn_pipeline.cleanroom.attacks.targets import AUDIENCES, PLACEMENTS, shipped_policy, sku_ids

CUSTOMERS_PER_EVENT = 0.1
SKUS = 100
DAYS = 180
METRICS = ["customers", "impressions", "clicks", "conversions", "revenue", "cost"]
SUMS = "sum(impressions), sum(clicks), sum(conversions), sum(revenue_cents), sum(cost_cents)"
HALF_YEAR = {"date": {"from": "2026-01-01", "to": "2026-06-29"}}
#: What stands for a dimension in the plain aggregate.
PLAIN_KEYS = {"week": "date_trunc('week', date)"}


@dataclass(frozen=True)
class Shape:
    """One shape of request."""

    dimensions: tuple[str, ...]
    filters: dict[str, Any]
    where: str

    @property
    def name(self) -> str:
        """How the table calls it."""
        grouped = " × ".join(self.dimensions) or "total"
        return grouped + (" (one month, two placements)" if len(self.filters) > 1 else "")

    def plain_sql(self, source: str) -> str:
        """The aggregate that an analyst with full access would write."""
        keys = [PLAIN_KEYS.get(name, name) for name in self.dimensions]
        group = f"GROUP BY {', '.join(str(place + 1) for place in range(len(keys)))}" if keys else ""
        selected = ", ".join([*keys, "count(DISTINCT customer_id)", SUMS])
        return f"SELECT {selected} FROM {source} WHERE {self.where} {group}"


_ALL = "date BETWEEN '2026-01-01' AND '2026-06-29'"
_SOME_FILTERS = {
    "date": {"from": "2026-03-01", "to": "2026-03-31"},
    "placement_type": ["search", "home"],
}
_SOME = "date BETWEEN '2026-03-01' AND '2026-03-31' AND placement_type IN ('search', 'home')"
SHAPES = (
    Shape((), HALF_YEAR, _ALL),
    Shape(("placement_type",), HALF_YEAR, _ALL),
    Shape(("week",), HALF_YEAR, _ALL),
    Shape(("week", "placement_type"), HALF_YEAR, _ALL),
    Shape(("sku_id",), HALF_YEAR, _ALL),
    Shape(("placement_type", "audience_id"), HALF_YEAR, _ALL),
    Shape(("week", "placement_type", "sku_id"), HALF_YEAR, _ALL),
    Shape(("week", "sku_id"), _SOME_FILTERS, _SOME),
)


def write_log(path: Path, events: int) -> None:
    """A log of made-up customers: some of them busy, days and products of unequal weight."""
    customers = max(int(events * CUSTOMERS_PER_EVENT), 100)
    placements = ", ".join(f"'{name}'" for name in PLACEMENTS)
    audiences = ", ".join(f"'{name}'" for name in AUDIENCES)
    draw = "(hash(i, {n}) % 1000003) / 1000003.0"
    columns = f"""
        CAST(floor({customers} * pow({draw.format(n=1)}, 1.5)) AS BIGINT) AS customer_id,
        DATE '2026-01-01' + CAST(floor({DAYS} * {draw.format(n=2)}) AS INTEGER) AS date,
        'sku' || lpad(CAST(CAST(floor({SKUS} * pow({draw.format(n=3)}, 2)) AS INTEGER) AS VARCHAR), 5, '0') AS sku_id,
        [{placements}][1 + CAST(floor(5 * {draw.format(n=4)}) AS INTEGER)] AS placement_type,
        [{audiences}][1 + CAST(floor(4 * {draw.format(n=5)}) AS INTEGER)] AS audience_id,
        'brand' AS brand_id,
        1 + CAST(floor(20 * {draw.format(n=6)}) AS BIGINT) AS impressions,
        CAST({draw.format(n=7)} < 0.2 AS BIGINT) AS clicks,
        CAST({draw.format(n=8)} < 0.05 AS DOUBLE) AS conversions,
        CAST(CASE WHEN {draw.format(n=8)} < 0.05 THEN 4000 * {draw.format(n=9)} ELSE 0 END AS BIGINT) AS revenue_cents,
        CAST(CASE WHEN {draw.format(n=7)} < 0.2 THEN 150 * {draw.format(n=10)} ELSE 0 END AS BIGINT) AS cost_cents
    """
    with duckdb.connect() as engine:
        engine.execute(f"COPY (SELECT {columns} FROM range({events}) t(i)) TO '{path}' (FORMAT parquet)")


def seconds_of(call: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def memory_gib() -> float:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measure(
    room: CleanRoom, plain: duckdb.DuckDBPyConnection, log: Path, shape: Shape, repeats: int
) -> dict[str, float]:
    """Median seconds of one shape: room, plain on the table, plain on the file."""
    times: dict[str, list[float]] = {"room": [], "table": [], "file": []}
    for repeat in range(repeats):
        request = {
            "dimensions": list(shape.dimensions),
            "metrics": METRICS,
            "filters": shape.filters,
            "epsilon": 2.0 + repeat * 1e-3,
        }
        times["room"].append(seconds_of(lambda request=request: room.query(request)))  # type: ignore[misc]
        times["table"].append(seconds_of(lambda: plain.execute(shape.plain_sql("events")).pl()))
        times["file"].append(seconds_of(lambda: plain.execute(shape.plain_sql(f"'{log}'")).pl()))
    return {name: statistics.median(values) for name, values in times.items()}


def table_cells(found: dict[str, float]) -> str:
    """Seconds, and the room's as a multiple of either plain aggregate's."""
    room, table, file = found["room"], found["table"], found["file"]
    return f"{room:.3f} | {table:.3f} | {room / table:.2f} | {file:.3f} | {room / file:.2f}"


def run(events: int, repeats: int, folder: Path) -> None:
    """Measure and print."""
    log = folder / "log.parquet"
    print(
        f"writing {events:,} events: {seconds_of(lambda: write_log(log, events)):.1f} s, "
        f"{log.stat().st_size / 2**20:.0f} MiB"
    )
    policy = shipped_policy(epsilon_total=1e6)
    opened = time.perf_counter()
    room = CleanRoom(log, policy, ledger=folder / "ledger.sqlite", sku_ids=sku_ids(SKUS))
    constructed = time.perf_counter() - opened
    bounded = seconds_of(room.prepare)
    # The noise library is imported with the first answer: once per process, and not a matter of the query.
    room.query({"metrics": METRICS, "filters": HALF_YEAR, "epsilon": 1.0})
    print(
        f"room: fingerprint {constructed:.1f} s, bounding {bounded:.1f} s, peak memory {memory_gib():.2f} GiB"
    )
    plain = duckdb.connect(config={"temp_directory": ""})
    plain.execute(f"CREATE TABLE events AS SELECT * FROM '{log}'")
    print(f"plain table beside it: peak memory {memory_gib():.2f} GiB; {duckdb.__version__=}")
    print("\n| shape | cells | room, s | plain table, s | ratio | plain Parquet, s | ratio |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    medians = []
    for shape in SHAPES:
        found = measure(room, plain, log, shape, repeats)
        cells = len(plain.execute(shape.plain_sql("events")).fetchall())
        medians.append(found)
        print(
            f"| {shape.name} | {cells:,} | {found['room']:.3f} | {found['table']:.3f} "
            f"| {found['room'] / found['table']:.2f} "
            f"| {found['file']:.3f} | {found['room'] / found['file']:.2f} |",
            flush=True,
        )
    middle = {name: statistics.median(item[name] for item in medians) for name in ("room", "table", "file")}
    print(f"| **median** | | {table_cells(middle)} |")
    stored = seconds_of(lambda: room.query({"metrics": METRICS, "filters": HALF_YEAR, "epsilon": 2.0}))
    print(f"\na stored release: {1000 * stored:.1f} ms")
    room.close()
    plain.close()


def main() -> None:
    """Run from a command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cleanroom-benchmark-") as name:
        run(options.events, options.repeats, Path(name))


if __name__ == "__main__":
    main()
