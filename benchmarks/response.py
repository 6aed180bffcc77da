"""How well the planner's response estimates know the truth: coverage, calibration, bias and cost over whole worlds.

Every world is built from its seed, shown to both brands twice (full data; the cells that the real clean room releases
from the world's own log), fitted, and scored arm by arm against the expected curves of the planned weeks. Season and
stock of those weeks are part of what is predicted. Figures are means over brand-worlds with their standard errors.

Columns, all over the arms that the fit knows:

- coverage of the 90 % posterior intervals of the initial iROAS, of the marginal return at usual weekly spend, and of
  the weekly revenue at twice the usual spend;
- slope: ordinary regression of the true on the predicted (posterior mean) iROAS at usual spend, over arms;
- level: true over predicted revenue, summed over arms, at usual and at twice the usual spend;
- bias: mean over arms of log(predicted / true) marginal return at usual spend, and correlation of those logs;
- width: median width of the 90 % interval of the marginal return, relative to its mean;
- CPU seconds of the fit, and the share of fits that chose log curves.

    python benchmarks/response.py --worlds default --seeds 6
    python benchmarks/response.py --worlds textbook messy --seeds 8 --cache views
"""

from __future__ import annotations

import argparse
import math
import pickle
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from rmn_pipeline.cleanroom import CleanRoom, load_policy, release_view
from rmn_pipeline.planning import (
    PlannerSettings,
    PlanningView,
    PlanRequest,
    clean_room_view,
    full_data_view,
)
from rmn_pipeline.planning.estimation import curve_terms
from rmn_pipeline.planning.make_plan import Prepared, incremental_draws, prepare
from rmn_pipeline.world import World, WorldConfig, build_world

WEEKS = 26
DRAWS = 400
DRAW_SEED = 11
POLICIES = Path(__file__).resolve().parent.parent / "data" / "retailers"
ARM_KEYS = ("retailer_id", "placement_type", "audience_id", "sku_id")
# Spends, as multiples of usual, at which true responses are tabled; the marginal is a central difference around 1.
MULTIPLES = (0.01, 0.98, 1.0, 1.02, 2.0)
LOW_QUANTILE, HIGH_QUANTILE = 0.05, 0.95


@dataclass(frozen=True)
class Case:
    """One brand of one world as one mode shows it, with the judge's table of true arms."""

    world: str
    seed: int
    brand_id: str
    view: PlanningView
    truth: pl.DataFrame


def world_config(name: str, seed: int) -> WorldConfig:
    """A preset, or the market that `WorldConfig()` describes under the name `default`."""
    if name == "default":
        return WorldConfig(seed=seed)
    from rmn_pipeline.world.presets import preset

    return preset(name, seed=seed)


def cases_of(name: str, seed: int, cache: Path | None) -> list[Case]:
    """Both brands and modes of a world, from the cache where they lie there already."""
    path = cache / f"{name}-{seed}.pickle" if cache is not None else None
    if path is not None and path.is_file():
        return [Case(**fields) for fields in pickle.loads(path.read_bytes())]
    cases = list(_build_cases(name, seed))
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps([vars(case) for case in cases]))
    return cases


def _build_cases(name: str, seed: int) -> Iterator[Case]:
    world = build_world(world_config(name, seed))
    retailers = [spec.retailer_id for spec in world.config.retailers]
    catalogue = [sku.sku_id for sku in world.market.skus]
    with tempfile.TemporaryDirectory(prefix="response-study-") as folder:
        released = [_release(world, retailer_id, catalogue, Path(folder)) for retailer_id in retailers]
    cells, audiences = (pl.concat(tables) for tables in zip(*released, strict=True))
    for brand in world.config.brands:
        tables = world.advertiser_tables(brand.brand_id)
        truth = world.true_arms(brand.brand_id, world.plan_start_date, WEEKS)
        full = full_data_view(
            tables.events,
            tables.skus,
            tables.private_daily,
            tables.incrementality,
            brand.brand_id,
            tables.assumed_margin_rate,
        )
        blind = clean_room_view(
            cells,
            audiences,
            tables.skus,
            tables.incrementality,
            brand.brand_id,
            tables.assumed_margin_rate,
            ("margin", "promo_flag", "stock_level", "price"),
            campaigns=tables.campaigns,
            last_day=world.config.start_date + timedelta(days=world.config.days - 1),
        )
        yield Case(name, seed, brand.brand_id, full, truth)
        yield Case(name, seed, brand.brand_id, blind, truth)


def _release(
    world: World, retailer_id: str, catalogue: list[str], folder: Path
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What the retailer's clean room, under the policy that it ships with, releases for planning."""
    policy = load_policy(POLICIES / retailer_id / "policy.yaml")
    days = world.history.cells["date"]
    log, ledger = world.log_table(retailer_id), folder / f"{retailer_id}.sqlite"
    with CleanRoom(log, policy, ledger=ledger, sku_ids=catalogue) as room:
        first, last = days.min(), days.max()
        view = release_view(room, retailer_id=retailer_id, start=first, end=last)  # type: ignore[arg-type]
    return view.cells, view.audience_cells


def score(case: Case) -> dict[str, float]:
    """All figures of one case."""
    request = PlanRequest(brand_id=case.brand_id, budget_usd=1e6, weeks=WEEKS)
    settings = PlannerSettings()
    started = time.process_time()
    prepared = prepare(request, case.view, start_date=case.view.first_plan_monday, settings=settings)
    seconds = time.process_time() - started
    usual = prepared.usual_spend_usd_per_week
    true = _true_responses(case, prepared, usual)
    drawn = _drawn_responses(prepared, usual)
    return {
        **_scores(true, drawn, usual),
        "cpu_seconds": seconds,
        "arms": float(usual.size),
        "log_family": float(prepared.response.family == "log"),
    }


def _true_responses(case: Case, prepared: Prepared, usual: np.ndarray) -> np.ndarray:
    """Expected weekly incremental revenue [multiple, arm]; an arm without audience spends as its audiences used to."""
    known = prepared.response.arms[prepared.chosen.tolist()]
    keys = [key for key in ARM_KEYS if known[key].null_count() == 0]
    arms = known.select(keys).with_row_index("place").with_columns(usual=pl.Series(usual))
    joined = arms.join(case.truth, on=keys, how="inner").with_columns(
        share=pl.col("reference_spend_usd_per_week")
        / pl.col("reference_spend_usd_per_week").sum().over("place")
    )
    spend = np.array(MULTIPLES)[:, None] * (joined["usual"] * joined["share"]).to_numpy()
    half = joined["half_saturation_usd_per_week"].to_numpy()
    revenue = joined["initial_iroas"].to_numpy() * spend / (1.0 + spend / half)
    place = joined["place"].to_numpy().astype(np.int64)
    return np.array([np.bincount(place, weights=row, minlength=usual.size) for row in revenue])


def _drawn_responses(prepared: Prepared, usual: np.ndarray) -> np.ndarray:
    """Posterior draws of the same quantities [multiple, draw, arm]."""
    initial, half = incremental_draws(prepared, DRAWS, DRAW_SEED)
    family = prepared.response.family
    return np.array([curve_terms(family, initial, half, m * usual).value for m in MULTIPLES])


def _scores(true: np.ndarray, drawn: np.ndarray, usual: np.ndarray) -> dict[str, float]:
    step = (MULTIPLES[3] - MULTIPLES[1]) * usual
    quantities = {
        "initial": (true[0] / (MULTIPLES[0] * usual), drawn[0] / (MULTIPLES[0] * usual)),
        "marginal": ((true[3] - true[1]) / step, (drawn[3] - drawn[1]) / step),
        "double": (true[4], drawn[4]),
    }
    found = {f"covers_{name}": _coverage(*pair) for name, pair in quantities.items()}
    true_marginal, marginal_draws = quantities["marginal"]
    marginal = marginal_draws.mean(axis=0)
    low, high = np.quantile(marginal_draws, [LOW_QUANTILE, HIGH_QUANTILE], axis=0)
    iroas, predicted = true[2] / usual, drawn[2].mean(axis=0) / usual
    total = drawn[2].sum(axis=1)
    return {
        **found,
        "slope": float(np.polyfit(predicted, iroas, 1)[0]),
        "slope_marginal": float(np.polyfit(marginal, true_marginal, 1)[0]),
        "level": float(true[2].sum() / drawn[2].mean(axis=0).sum()),
        "level_double": float(true[4].sum() / drawn[4].mean(axis=0).sum()),
        "covers_total": float(
            np.quantile(total, LOW_QUANTILE) < true[2].sum() < np.quantile(total, HIGH_QUANTILE)
        ),
        "bias": float(np.mean(np.log(np.maximum(marginal, 1e-9) / true_marginal))),
        "correlation": float(np.corrcoef(np.log(np.maximum(marginal, 1e-9)), np.log(true_marginal))[0, 1]),
        "width": float(np.median((high - low) / marginal)),
    }


def _coverage(true: np.ndarray, draws: np.ndarray) -> float:
    low, high = np.quantile(draws, [LOW_QUANTILE, HIGH_QUANTILE], axis=0)
    return float(np.mean((low < true) & (true < high)))


COLUMNS = {
    "covers_initial": "cover: initial",
    "covers_marginal": "cover: marginal",
    "covers_double": "cover: 2x revenue",
    "covers_total": "cover: total",
    "slope": "slope iROAS",
    "slope_marginal": "slope marginal",
    "level": "true/pred",
    "level_double": "true/pred 2x",
    "bias": "log bias marginal",
    "correlation": "corr",
    "width": "width",
    "cpu_seconds": "CPU s",
    "arms": "arms",
    "log_family": "log curves",
}


def table(rows: list[tuple[str, str, dict[str, float]]]) -> str:
    """Mean ± standard error over brand-worlds, one line per world kind and mode."""
    lines = [
        "| world | mode | n | " + " | ".join(COLUMNS.values()) + " |",
        "|---|---|---:|" + "---:|" * len(COLUMNS),
    ]
    for world, mode in dict.fromkeys((world, mode) for world, mode, _ in rows):
        found = [figures for kind, how, figures in rows if (kind, how) == (world, mode)]
        cells = [_mean_and_error([figures[name] for figures in found]) for name in COLUMNS]
        lines.append(f"| {world} | {mode} | {len(found)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _mean_and_error(values: list[float]) -> str:
    mean = float(np.mean(values))
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return f"{mean:.2f} ± {error:.2f}" if abs(mean) < 100 else f"{mean:.0f}"


def study(
    worlds: Iterable[str], seeds: Iterable[int], cache: Path | None
) -> Iterator[tuple[str, str, dict[str, float]]]:
    """World, mode and figures of every case."""
    chosen = list(seeds)
    for name in worlds:
        for seed in chosen:
            for case in cases_of(name, seed, cache):
                yield name, case.view.mode, score(case)


def main() -> None:
    """Run from a command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--worlds", nargs="+", default=["default"])
    parser.add_argument("--seeds", type=int, default=6, help="seeds 1 to so many")
    parser.add_argument("--cache", type=Path, default=None, help="folder that keeps the views between runs")
    options = parser.parse_args()
    print(table(list(study(options.worlds, range(1, options.seeds + 1), options.cache))))


if __name__ == "__main__":
    main()
