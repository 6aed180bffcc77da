"""Measurement's figures: the published study, sizes, speed, switchbacks under wrong carryover, the loop to planning.

python benchmarks/measurement.py study --runs 1000
python benchmarks/measurement.py speed
python benchmarks/measurement.py aa --file geolift.csv --runs 300
python benchmarks/measurement.py power
python benchmarks/measurement.py switchback --runs 1000
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from rmn_pipeline.measurement import (
    LiftSettings,
    complete_assignment,
    geo_lift,
    panel_from_table,
    power_curve,
    read_panel,
    switchback_design,
    switchback_lift,
)
from rmn_pipeline.measurement.study import study_table

if TYPE_CHECKING:
    from rmn_pipeline.planning import PlanningView, PlanRequest

WEEKS = 26


def study(arguments: argparse.Namespace) -> None:
    """Coverage, size and power of the fallbacks on A1–A4."""
    print(study_table(arguments.runs, arguments.seed))


def _market(geos: int, days: int, seed: int) -> pl.DataFrame:
    """A long table of unequal geos with weekdays and AR(1) noise."""
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


def power(arguments: argparse.Namespace) -> None:
    """A power curve with 1,000 runs on 200 geos × 365 days; CPU seconds."""
    panel = panel_from_table(_market(200, 365, arguments.seed))
    assignment = complete_assignment(panel.geos, panel.geos[:100])
    started = time.process_time()
    curve = power_curve(panel, assignment, 28, (0.0, 0.005, 0.01, 0.02, 0.03, 0.05), runs=1000)
    print(f"{time.process_time() - started:.1f} CPU seconds; 80 % power at {curve.smallest_detectable():.2%}")
    print(curve.frame)


def switchback(arguments: argparse.Namespace) -> None:
    """Size, bias and the carryover check's verdict where the true reach is 3 and the design assumes 0 to 3."""
    names = [f"u{at:02d}" for at in range(30)]
    rows = []
    for assumed in range(4):
        generator = np.random.default_rng(arguments.seed)
        found = []
        for seed in range(arguments.runs):
            design = switchback_design(48, assumed, names, block_periods=4, seed=seed)
            scores = []
            for effect in (0.0, 2.0):
                outcome = _carried(design.treated, 3, effect, generator)
                result = switchback_lift(design, outcome, redraws=199, seed=seed)
                noticed = any("assume more carryover" in note for note in result.notes)
                scores += [
                    result.is_significant,
                    result.effect - effect,
                    noticed,
                    result.low <= effect <= result.high,
                ]
            found.append(scores)
        mean = np.mean(np.array(found, dtype=np.float64), axis=0)
        rows.append((assumed, mean[0], mean[5], mean[7], mean[2], mean[6]))
    schema = ["assumed", "size", "bias_of_2", "coverage", "check_at_no_effect", "check_at_effect_2"]
    print(pl.DataFrame(rows, schema=schema, orient="row"))


def _carried(treated: np.ndarray, reach: int, effect: float, generator: np.random.Generator) -> np.ndarray:
    """Unit noise plus an effect spread evenly over a period and the `reach` following ones."""
    units, periods = treated.shape
    padded = np.concatenate([np.zeros((units, reach)), treated], axis=1)
    dose = np.stack([padded[:, at : at + periods] for at in range(reach + 1)]).mean(axis=0)
    return 20 + generator.normal(0, 1, (units, periods)) + effect * dose


def loop(arguments: argparse.Namespace) -> None:
    """Calibration of predicted iROAS in market `messy`: network claims alone against one experiment of 26 weeks.

    Slope: ordinary regression over arms of true on predicted iROAS at usual spend; level: true over predicted revenue.
    `claims` takes claims at face value, give or take a half; `experiment` adds the read-outs of one item × time
    experiment on the status quo; `past` and `past+experiment` do the same with the market's own past read-outs.
    """
    rows = []
    for seed in range(arguments.seed, arguments.seed + arguments.runs):
        rows.append(_loop_case(seed))
        print(seed, rows[-1], flush=True)
    frame = pl.DataFrame(rows)
    for one, other in (("claims", "experiment"), ("past", "past+experiment")):
        for name in ("slope", "level"):
            gain = (frame[f"{one}_{name}"] - 1).abs() - (frame[f"{other}_{name}"] - 1).abs()
            half = 1.96 * float(gain.std()) / np.sqrt(gain.len())
            print(
                f"{name}: {one} {frame[f'{one}_{name}'].mean():.3f}, {other} {frame[f'{other}_{name}'].mean():.3f}; "
                f"nearer to 1 by {gain.mean():.3f} ± {half:.3f} over {gain.len()} worlds"
            )


def _loop_case(seed: int) -> dict[str, float]:
    from rmn_pipeline.defs.experiments import experiment_of, merged_read_outs, play_experiment
    from rmn_pipeline.measurement import read_multipliers
    from rmn_pipeline.planning import PlanRequest, baseline_plan, full_data_view
    from rmn_pipeline.world import build_world
    from rmn_pipeline.world.config import default_brands
    from rmn_pipeline.world.presets import preset

    world = build_world(
        preset(
            "messy", seed=seed, arms=120, skus=30, customers_per_retailer=20_000, brands=default_brands()[:1]
        )
    )
    tables, brand = world.advertiser_tables("brand_x"), "brand_x"
    view = full_data_view(
        tables.events,
        tables.skus,
        tables.private_daily,
        tables.incrementality,
        brand,
        tables.assumed_margin_rate,
    )
    weekly = float(view.panel["spend_usd"].sum()) / view.panel["week"].n_unique()
    request = PlanRequest(
        brand_id=brand, budget_usd=round(weekly * WEEKS), weeks=WEEKS, exclude_out_of_stock=False
    )
    plan = baseline_plan(request, view, "status_quo", start_date=world.plan_start_date)
    experiment = experiment_of(plan, cells=100, seed=seed)
    readout, _ = read_multipliers(
        experiment, *play_experiment(world, plan, experiment, tables.private_daily, seed=seed + 1)
    )
    face = view.incrementality.with_columns(
        incrementality_multiplier=pl.lit(1.0), standard_error=pl.lit(0.5), ended_on=pl.lit(plan.start_date)
    )
    past = view.incrementality.with_columns(ended_on=pl.lit(plan.start_date))
    tested = {
        "claims": face,
        "experiment": merged_read_outs(face, readout, plan.start_date),
        "past": past,
        "past+experiment": merged_read_outs(past, readout, plan.start_date),
    }
    truth = world.true_curves(brand, plan.start_date, WEEKS, (1.0,))
    found: dict[str, float] = {}
    for name, table in tested.items():
        keys = ["retailer_id", "placement_type", "incrementality_multiplier", "standard_error"]
        shown = replace(view, incrementality=table.select(keys))
        found[f"{name}_slope"], found[f"{name}_level"] = _calibration(shown, request, plan.start_date, truth)
    return found


def _calibration(
    view: PlanningView, request: PlanRequest, start: date, truth: pl.DataFrame
) -> tuple[float, float]:
    """Slope and level of true on predicted iROAS at past spend."""
    from rmn_pipeline.planning import PlannerSettings
    from rmn_pipeline.planning.curves import response_at
    from rmn_pipeline.planning.make_plan import incremental_draws, prepare

    prepared = prepare(request, view, start_date=start, settings=PlannerSettings())
    initial, half = incremental_draws(prepared, 200, 11)
    keys = ["retailer_id", "placement_type", "audience_id", "sku_id"]
    arms = prepared.response.arms[prepared.chosen.tolist()].select(keys).with_row_index("place")
    joined = arms.join(truth, on=keys, how="inner", maintain_order="left")
    at, spend = joined["place"].to_numpy().astype(int), joined["spend_usd_per_week"].to_numpy()
    family = getattr(prepared.response, "family", "hill")
    is_log = None if family == "hill" else np.ones(spend.size, dtype=bool)
    drawn = np.array([response_at(i[at], h[at], is_log, spend) for i, h in zip(initial, half, strict=True)])
    predicted, true = drawn.mean(axis=0), joined["incremental_revenue_usd_per_week"].to_numpy()
    return float(np.polyfit(predicted / spend, true / spend, 1)[0]), float(true.sum() / predicted.sum())


STUDIES = {"study": study, "speed": speed, "aa": aa, "power": power, "switchback": switchback, "loop": loop}


def main() -> None:
    """Run one of the studies."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=tuple(STUDIES))
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--file", type=Path)
    arguments = parser.parse_args()
    pl.Config.set_tbl_rows(60)
    pl.Config.set_tbl_cols(20)
    pl.Config.set_tbl_width_chars(160)
    STUDIES[arguments.what](arguments)


if __name__ == "__main__":
    main()
