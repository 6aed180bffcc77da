"""Harmonization against the floor, and against minimal transformations written by hand.

Writes a seeded report of a retail network (monthly files and one restatement, a few rows in a thousand faulty), then
runs every method alone in a process of its own, on one thread and on two, several times over, and keeps the best:

    floor    Polars: the same files, typed, into one Parquet file; nothing is transformed
    duckdb   dates, placement map, crosswalk join, hashed id, one rule that drops rows; SQL
    polars   the same, lazily, by the streaming engine
    pandas   the same, in chunks
    ours     harmonize_to_lake: the whole mapping, six rules, rejects with the row as sent, repeats, restatement and
             history, one file per day, committed as one state
    checked  ours, and then every column of the written table checked against its model

    python benchmarks/harmonize.py --rows 3000000 --repeats 3 --markdown benchmarks/harmonize.md
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SEED = 20260301
MONTHS = (1, 2, 3, 4, 5)
# Those of the last month that its own file leaves open.
RESTATED_DAYS = 10
PRODUCTS = 5_000
ITEMS_PER_CAMPAIGN = 200
PLACEMENTS = {
    "Search": "search",
    "Category": "category",
    "Product Page": "product_detail",
    "Home": "home",
    "Offsite": "offsite",
}
AUDIENCES = ("loyal", "new", "lapsed", "all")
FAULTY_PER_MILLION = 1_000
INTEGERS = ("numAdsShown", "numAdsClicks", "attributedOrders14days", "unitsSold14days")
AMOUNTS = ("adSpend", "attributedSales14days", "attributedSales3days", "attributedSales30days")
TEXTS = ("campaignId", "adGroupId", "itemId", "pageType", "audience")
KEY = ("date", "campaign_id", "ad_group_id", "sku_id", "placement_type", "audience_id")
METHODS = ("floor", "duckdb", "polars", "pandas", "ours", "checked")
# No method that reads the faulty dates as dates can write them out; as text they pass.
MAPPING: dict[str, Any] = {
    "version": 1,
    "retailer_id": "bench",
    "network": "walmart_connect",
    "source": {"files": "adItem_*.csv", "format": "csv"},
    "columns": {
        "date": {"from": "date", "type": "date", "format": "%Y-%m-%d"},
        "campaign_id": {"from": "campaignId"},
        "ad_group_id": {"from": "adGroupId"},
        "placement_type": {"from": "pageType", "values": PLACEMENTS, "unmapped": "reject"},
        "audience_id": {"from": "audience"},
        "impressions": {"from": "numAdsShown", "type": "int"},
        "clicks": {"from": "numAdsClicks", "type": "int"},
        "cost": {"from": "adSpend", "type": "money"},
        "conversions": {"from": "attributedOrders14days", "type": "decimal"},
        "revenue": {"from": "attributedSales14days", "type": "money"},
    },
    "sku": {"kind": "native", "from": "itemId", "unknown": "reject"},
    "constants": {
        "ad_type": "sponsored_products",
        "currency": "USD",
        "conversion_unit": "orders",
        "revenue_scope": "total",
        "attr_model": "click_14d",
        "date_basis": "ad_interaction",
        "report_timezone": "America/New_York",
        "cost_basis": "media",
    },
    "restatement_window_days": 14,
    "natural_key": ["retailer_id", *KEY],
    "rules": [
        {"check": "range", "field": "impressions", "min": 0},
        {"check": "range", "field": "clicks", "min": 0},
        {"check": "range", "field": "cost", "min": 0},
        {"check": "monotone", "fields": ["impressions", "clicks"]},
        {"check": "not_after", "field": "date", "limit": "as_of"},
        {"check": "range", "field": "revenue", "min": 0, "severity": "warn"},
    ],
}


@dataclass(frozen=True)
class Measured:
    """One run of one method."""

    method: str
    threads: int
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int
    rows_out: int


# --- the report -------------------------------------------------------------------------------------------------


class ReportWriter:
    """Writes the monthly files, the restatement and the catalog."""

    def __init__(self, folder: Path, rows: int, order: str) -> None:
        import numpy as np

        self.folder = folder
        self.order = order
        self.random = np.random.default_rng(SEED)
        days = sum(len(list(_days_of(month))) for month in MONTHS) + RESTATED_DAYS
        self.rows_per_day = max(rows // days, 1)
        digits = self.random.choice(10**10, PRODUCTS, replace=False)
        self.items = np.char.add("4", np.char.zfill(digits.astype(str), 10))
        self._place_rows()

    def _place_rows(self) -> None:
        """Which campaign, ad group, item, page and audience each row of a day is about; the same every day."""
        import numpy as np

        index = np.arange(self.rows_per_day)
        campaign = index // ITEMS_PER_CAMPAIGN
        campaigns = 7_000_000 + self.random.choice(900_000, campaign[-1] + 1, replace=False)
        first_item = self.random.integers(0, PRODUCTS, campaign[-1] + 1)
        campaign_text = campaigns.astype(str)[campaign]
        self.places = {
            "campaignId": campaign_text,
            "adGroupId": np.char.add(campaign_text, (index % 4).astype(str)),
            "itemId": self.items[(first_item[campaign] + (index % ITEMS_PER_CAMPAIGN) * 7) % PRODUCTS],
            "pageType": np.array(list(PLACEMENTS))[campaign % len(PLACEMENTS)],
            "audience": np.array(AUDIENCES)[campaign % len(AUDIENCES)],
        }

    def _day(self, day: dt.date) -> Any:
        import numpy as np
        import polars as pl

        count = self.rows_per_day
        shown = self.random.poisson(900, count)
        clicks = self.random.binomial(shown, 0.03)
        spend = np.round(clicks * self.random.uniform(0.4, 2, count), 2)
        orders = self.random.binomial(clicks, 0.1)
        sales = np.round(orders * self.random.uniform(5, 30, count), 2)
        numbers = (shown, clicks, spend, orders, sales, orders + self.random.integers(0, 2, count))
        names = ("numAdsShown", "numAdsClicks", "adSpend", "attributedOrders14days", "attributedSales14days")
        columns = dict(zip((*names, "unitsSold14days"), numbers, strict=True))
        columns |= {"attributedSales3days": np.round(sales * 0.8, 2)}
        columns |= {"attributedSales30days": np.round(sales * 1.1, 2)}
        return pl.DataFrame({"date": np.full(count, day.isoformat()), **self.places, **columns})

    def _with_faults(self, rows: Any) -> Any:
        """Some rows of each kind of fault: unknown product, broken date, and so on; and some sent twice."""
        import polars as pl

        faults = [
            pl.lit("40000000000").alias("itemId"),
            pl.lit("0000-00-00").alias("date"),
            (-pl.col("numAdsShown")).alias("numAdsShown"),
            (pl.col("numAdsShown") + 7).alias("numAdsClicks"),
            pl.lit("Checkout").alias("pageType"),
        ]
        share = FAULTY_PER_MILLION / 1e6
        draw = pl.Series("draw", self.random.random(rows.height))
        parts = [rows.filter(draw >= share)]
        for number, fault in enumerate(faults):
            low, high = (share * bound / (len(faults) + 1) for bound in (number, number + 1))
            parts.append(rows.filter((draw >= low) & (draw < high)).with_columns(fault))
        twice = rows.filter((draw >= share * len(faults) / (len(faults) + 1)) & (draw < share))
        return pl.concat([*parts, twice, twice])

    def _write(self, name: str, days: list[dt.date]) -> None:
        import polars as pl

        frames = (self._with_faults(self._day(day)) for day in days)
        if self.order == "campaign":
            frames = iter([pl.concat(frames).sort("campaignId", "itemId", maintain_order=True)])
        with (self.folder / name).open("wb") as stream:
            for number, frame in enumerate(frames):
                frame.write_csv(stream, include_header=number == 0, float_precision=2)

    def write(self) -> None:
        """Everything; the last days of the last month are restated within their window."""
        import numpy as np
        import polars as pl

        for month in MONTHS:
            days = list(_days_of(month))
            as_of = days[-1] + dt.timedelta(days=5)
            self._write(f"adItem_{days[0]:%Y-%m}_asof_{as_of}.csv", days)
        last = list(_days_of(MONTHS[-1]))
        restated = last[-1] + dt.timedelta(days=14)
        self._write(f"adItem_{last[0]:%Y-%m}_asof_{restated}.csv", last[-RESTATED_DAYS:])
        skus = np.char.zfill((10**9 + np.arange(PRODUCTS)).astype(str), 14)
        pl.DataFrame({"native_id": self.items, "sku_id": skus}).write_csv(self.folder / "catalog.csv")


def _days_of(month: int) -> Iterator[dt.date]:
    day = dt.date(2026, month, 1)
    while day.month == month:
        yield day
        day += dt.timedelta(days=1)


# --- the methods --------------------------------------------------------------------------------------------------


def _reports(folder: Path) -> list[Path]:
    return sorted(folder.glob("adItem_*.csv"))


def _text_schema() -> dict[str, Any]:
    import polars as pl

    names = ("date", *TEXTS, *INTEGERS[:2], AMOUNTS[0], INTEGERS[2], AMOUNTS[1], INTEGERS[3], *AMOUNTS[2:])
    kinds = dict.fromkeys(INTEGERS, pl.Int64) | dict.fromkeys(AMOUNTS, pl.Float64)
    return {name: kinds.get(name, pl.String) for name in names}


def floor(data: Path, out: Path) -> Callable[[], int]:
    """Polars scans the files into Parquet."""
    import polars as pl

    def run() -> int:
        pl.scan_csv(_reports(data), schema=_text_schema()).sink_parquet(out / "floor.parquet")
        return int(pl.scan_parquet(out / "floor.parquet").select(pl.len()).collect().item())

    return run


def polars(data: Path, out: Path) -> Callable[[], int]:
    """Minimal transformation as a lazy Polars query."""
    import polars as pl

    def run() -> int:
        catalog = pl.scan_csv(data / "catalog.csv", infer_schema=False)
        (
            pl.scan_csv(_reports(data), schema=_text_schema())
            .filter(pl.col("numAdsShown") >= 0)
            .join(catalog, left_on="itemId", right_on="native_id", how="left")
            .select(
                pl.col("date").str.to_date("%Y-%m-%d", strict=False),
                pl.col("campaignId").alias("campaign_id"),
                pl.col("adGroupId").alias("ad_group_id"),
                pl.col("sku_id"),
                pl.col("pageType")
                .replace_strict(PLACEMENTS, default=None, return_dtype=pl.String)
                .alias("placement_type"),
                pl.col("audience").alias("audience_id"),
                pl.col("numAdsShown").alias("impressions"),
                pl.col("numAdsClicks").alias("clicks"),
                pl.col("attributedOrders14days").alias("conversions"),
                pl.col("attributedSales14days").alias("revenue"),
                pl.col("adSpend").alias("cost"),
            )
            .with_columns(pl.struct(KEY).hash().alias("event_id"), pl.lit("bench").alias("retailer_id"))
            .sink_parquet(out / "polars.parquet")
        )
        return int(pl.scan_parquet(out / "polars.parquet").select(pl.len()).collect().item())

    return run


def duckdb(data: Path, out: Path) -> Callable[[], int]:
    """Minimal transformation as one SQL statement."""
    import duckdb as database

    kinds = {"date": "VARCHAR"} | dict.fromkeys(TEXTS, "VARCHAR")
    kinds |= dict.fromkeys(INTEGERS, "BIGINT") | dict.fromkeys(AMOUNTS, "DOUBLE")
    columns = {name: kinds[name] for name in _text_schema()}
    cases = " ".join(f"WHEN '{sent}' THEN '{known}'" for sent, known in PLACEMENTS.items())
    threads = len(os.sched_getaffinity(0))

    def run() -> int:
        with database.connect(config={"threads": threads}) as connection:
            connection.execute(
                f"""
                COPY (
                  SELECT hash(date, campaign_id, ad_group_id, sku_id, placement_type, audience_id) AS event_id, *
                  FROM (
                    SELECT TRY_CAST(date AS DATE) AS date, campaignId AS campaign_id, adGroupId AS ad_group_id, sku_id,
                      CASE pageType {cases} END AS placement_type, audience AS audience_id, numAdsShown AS impressions,
                      numAdsClicks AS clicks, attributedOrders14days AS conversions, attributedSales14days AS revenue,
                      adSpend AS cost, 'bench' AS retailer_id
                    FROM read_csv({[str(path) for path in _reports(data)]}, header = true, columns = {columns})
                    LEFT JOIN read_csv('{data / "catalog.csv"}', all_varchar = true) ON itemId = native_id
                    WHERE numAdsShown >= 0
                  )
                ) TO '{out / "duckdb.parquet"}' (FORMAT parquet, COMPRESSION zstd)
                """
            )
            written = connection.execute(f"SELECT count(*) FROM '{out / 'duckdb.parquet'}'").fetchone()
        return int(written[0]) if written else 0

    return run


def pandas(data: Path, out: Path) -> Callable[[], int]:
    """Minimal transformation in pandas, a chunk at a time."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = {
        "campaignId": "campaign_id",
        "adGroupId": "ad_group_id",
        "audience": "audience_id",
        "numAdsShown": "impressions",
        "numAdsClicks": "clicks",
        "attributedOrders14days": "conversions",
        "attributedSales14days": "revenue",
        "adSpend": "cost",
    }
    texts = dict.fromkeys(TEXTS, "string[pyarrow]")

    def chunks() -> Iterator[Any]:
        for path in _reports(data):
            yield from pd.read_csv(
                path, dtype=texts, chunksize=250_000, usecols=["date", "itemId", "pageType", *names]
            )

    def run() -> int:
        catalog = pd.read_csv(data / "catalog.csv", dtype="string[pyarrow]")
        writer, rows = None, 0
        for chunk in chunks():
            frame = chunk[chunk["numAdsShown"] >= 0].merge(
                catalog, left_on="itemId", right_on="native_id", how="left"
            )
            frame["date"] = pd.to_datetime(frame["date"], format="%Y-%m-%d", errors="coerce")
            frame["placement_type"] = frame["pageType"].map(PLACEMENTS)
            frame = frame.rename(columns=names)
            frame["event_id"] = pd.util.hash_pandas_object(frame[list(KEY)], index=False)
            frame["retailer_id"] = "bench"
            kept = [
                "event_id",
                *KEY,
                "impressions",
                "clicks",
                "conversions",
                "revenue",
                "cost",
                "retailer_id",
            ]
            table = pa.Table.from_pandas(frame[kept], preserve_index=False)
            if writer is None:
                writer = pq.ParquetWriter(out / "pandas.parquet", table.schema, compression="zstd")
            writer.write_table(table.cast(writer.schema))
            rows += len(frame)
        if writer is not None:
            writer.close()
        return rows

    return run


def ours(data: Path, out: Path) -> Callable[[], int]:
    """The project's own harmonization into a lake."""
    import polars as pl
    import yaml

    from rmn_pipeline.rmis import harmonize_to_lake, parse_mapping

    mapping = parse_mapping(yaml.safe_dump(MAPPING, sort_keys=False))

    def run() -> int:
        catalog = pl.read_csv(data / "catalog.csv", infer_schema=False)
        report = harmonize_to_lake(mapping, _reports(data), out / "lake", catalog)
        if not report.conserved:
            raise SystemExit(f"rows were lost: {report}")
        return report.events

    return run


def checked(data: Path, out: Path) -> Callable[[], int]:
    """The same, and the written table checked against its model."""
    from rmn_pipeline.rmis import RMISRecord, check_parts, read_event_days

    harmonized = ours(data, out)

    def run() -> int:
        events = harmonized()
        violations = check_parts(read_event_days(out / "lake", "bench"), RMISRecord)
        if violations:
            raise SystemExit(f"the table breaks its model: {violations}")
        return events

    return run


RUNS = {
    "floor": floor,
    "duckdb": duckdb,
    "polars": polars,
    "pandas": pandas,
    "ours": ours,
    "checked": checked,
}


# --- measuring ----------------------------------------------------------------------------------------------------


def work(method: str, threads: int, data: Path, out: Path) -> None:
    """Runs one method in this process and prints what it took; loading of libraries is not counted."""
    run = RUNS[method](data, out)
    cpu, wall = time.process_time(), time.perf_counter()
    rows_out = run()
    measured = Measured(
        method,
        threads,
        time.perf_counter() - wall,
        time.process_time() - cpu,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        rows_out,
    )
    print(json.dumps(asdict(measured)))


def _measure(method: str, threads: int, data: Path) -> Measured | None:
    """One run in a process of its own, held to its cores; None where its library is missing."""
    cores = ",".join(str(core) for core in sorted(os.sched_getaffinity(0))[:threads])
    limits = dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    with tempfile.TemporaryDirectory(dir=data.parent) as out:
        command = [sys.executable, str(Path(__file__)), "--work", method, "--threads", str(threads)]
        done = subprocess.run(
            ["taskset", "-c", cores, *command, "--data", str(data), "--out", out],
            env={**os.environ, **limits},
            capture_output=True,
            text=True,
        )
    if done.returncode:
        if "ModuleNotFoundError" in done.stderr:
            print(f"{method}: left out ({done.stderr.strip().splitlines()[-1]})", file=sys.stderr)
            return None
        raise SystemExit(done.stderr)
    return Measured(**json.loads(done.stdout.strip().splitlines()[-1]))


def _best(runs: list[Measured]) -> Measured:
    """The least of each measure over the repeats: what other work on the machine added is not the method's."""
    return Measured(
        runs[0].method,
        runs[0].threads,
        min(run.wall_seconds for run in runs),
        min(run.cpu_seconds for run in runs),
        max(run.peak_bytes for run in runs),
        runs[0].rows_out,
    )


def measure_all(data: Path, methods: list[str], threads: list[int], repeats: int) -> list[Measured]:
    """Methods take turns, so that a slow spell of the machine hits all of them."""
    runs: dict[tuple[str, int], list[Measured]] = {}
    for _ in range(repeats):
        for count in threads:
            for method in methods:
                measured = _measure(method, count, data)
                if measured is not None:
                    runs.setdefault((method, count), []).append(measured)
                    print(measured, file=sys.stderr)
    return [_best(found) for found in runs.values()]


def _ratio(one: Measured, other: Measured | None) -> str:
    return f"{one.cpu_seconds / other.cpu_seconds:.2f}" if other is not None else ""


def markdown(results: list[Measured], rows: int, size: int) -> str:
    """The results as a table."""
    import polars as pl

    by_key = {(result.method, result.threads): result for result in results}
    lines = [
        f"{rows:,} rows in {len(MONTHS) + 1} CSV files of 14 columns ({size / 1e6:,.0f} MB), polars {pl.__version__}, "
        f"{platform.machine()}, best of the repeats (peak: worst).",
        "",
        "| method | threads | wall s | CPU s | million rows/s | peak MB | CPU ÷ floor | CPU ÷ polars |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for result in results:
        floor_run = by_key.get(("floor", result.threads))
        minimal = by_key.get(("polars", result.threads))
        lines.append(
            f"| {result.method} | {result.threads} | {result.wall_seconds:.2f} | {result.cpu_seconds:.2f} | "
            f"{rows / result.wall_seconds / 1e6:.2f} | {result.peak_bytes / 1e6:,.0f} | {_ratio(result, floor_run)} | "
            f"{_ratio(result, minimal)} |"
        )
    return "\n".join(lines) + "\n"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument(
        "--order", choices=("date", "campaign"), default="date", help="how a file's rows are sorted"
    )
    parser.add_argument(
        "--folder", type=Path, help="where to write reports and results (default: a temporary folder)"
    )
    parser.add_argument("--markdown", type=Path, help="write the table to this file, too")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    for internal in ("--work", "--data", "--out"):
        parser.add_argument(internal, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Writes the report, measures, prints the table."""
    arguments = _arguments()
    if arguments.work:
        work(arguments.work, arguments.threads[0], Path(arguments.data), Path(arguments.out))
        return
    root = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        data = root / "reports"
        data.mkdir()
        ReportWriter(data, arguments.rows, arguments.order).write()
        rows = sum(path.read_bytes().count(b"\n") - 1 for path in _reports(data))
        results = measure_all(data, arguments.methods, arguments.threads, arguments.repeats)
        table = markdown(results, rows, sum(path.stat().st_size for path in _reports(data)))
        print(table)
        if arguments.markdown:
            arguments.markdown.write_text(table)
        if arguments.json:
            arguments.json.write_text(json.dumps([asdict(result) for result in results], indent=1))
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
