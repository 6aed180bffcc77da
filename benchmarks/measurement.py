"""Measurement's figures: the published study, sizes on outside data, speed, power, switchbacks under wrong carryover.

python benchmarks/measurement.py study --runs 1000
python benchmarks/measurement.py speed
python benchmarks/measurement.py aa --file geolift.csv --runs 300
python benchmarks/measurement.py power
python benchmarks/measurement.py switchback --runs 1000
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import polars as pl

from rmn_pipeline.measurement import LiftSettings, complete_assignment, geo_lift, read_panel
from rmn_pipeline.measurement.study import study_table


def study(arguments: argparse.Namespace) -> None:
    """Coverage, size and power of the fallbacks on A1–A4."""
    print(study_table(arguments.runs, arguments.seed))


def _market(geos: int, days: int, seed: int) -> pl.DataFrame:
    """A long table of unequal geos with weekdays and AR(1) noise."""
    from datetime import date, timedelta

    generator = np.random.default_rng(seed)
    noise = generator.standard_normal((geos, days))
    for at in range(1, days):
        noise[:, at] += 0.4 * noise[:, at - 1]
    week = 1 + 0.15 * np.sin(2 * np.pi * np.arange(days) / 7)
    value = generator.lognormal(6, 0.7, geos)[:, None] * week * np.exp(0.1 * noise)
    first = date(2023, 1, 1)
    return pl.DataFrame(
        {
            "geo": np.repeat([f"g{at:03d}" for at in range(geos)], days),
            "date": [first + timedelta(days=at) for at in range(days)] * geos,
            "value": value.ravel(),
        }
    )


def speed(arguments: argparse.Namespace) -> None:
    """200 geos × 365 days with 999 redraws, with and without the A/A table; CPU seconds."""
    from rmn_pipeline.measurement import panel_from_table

    panel = panel_from_table(_market(200, 365, arguments.seed))
    treated = np.random.default_rng(arguments.seed).permutation(panel.geos)[:100].tolist()
    assignment = complete_assignment(panel.geos, treated)
    for runs in (0, 100):
        started = time.process_time()
        result = geo_lift(panel, assignment, panel.dates[335], panel.dates[364], LiftSettings(aa_runs=runs))
        print(f"A/A runs {runs}: {time.process_time() - started:.2f} CPU seconds")
    print(result.table())


def aa(arguments: argparse.Namespace) -> None:
    """A/A size of every method on a file's own past, with a tenth of the geos treated for the last weeks."""
    panel = read_panel(arguments.file)
    geos = panel.geos
    treated = np.random.default_rng(arguments.seed).permutation(geos)[: max(1, len(geos) // 10)].tolist()
    length = arguments.days
    result = geo_lift(
        panel,
        complete_assignment(geos, treated),
        panel.dates[-length],
        panel.dates[-1],
        LiftSettings(aa_runs=arguments.runs, seed=arguments.seed),
    )
    print(f"{arguments.file.name}: {len(geos)} geos, {len(panel.dates)} periods; {'; '.join(result.notes)}")
    print(result.aa_size)


def main() -> None:
    """Run one of the studies."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("study", "speed", "aa"))
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--file", type=Path)
    arguments = parser.parse_args()
    pl.Config.set_tbl_rows(60)
    pl.Config.set_tbl_cols(20)
    pl.Config.set_tbl_width_chars(160)
    {"study": study, "speed": speed, "aa": aa}[arguments.what](arguments)


if __name__ == "__main__":
    main()
