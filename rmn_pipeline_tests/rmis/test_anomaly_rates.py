"""How often planted faults are found and how often quiet series cry wolf, on generated series.

Thresholds were chosen on other seeds and on a factor of two; the sizes below that are not two were held out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pytest

from rmn_pipeline.rmis import AnomalySettings
from rmn_pipeline.rmis.detectors.series import Array, SeriesReading, read_series
from rmn_pipeline_tests.rmis.steady_feed import START, WEEKDAY_LEVEL

DAYS = 182
SERIES = 40
SEED = 20_260_704
SETTINGS = AnomalySettings()


def level(days: int) -> Array:
    return 5000 * WEEKDAY_LEVEL[np.arange(days) % 7]


def white(days: int, rng: np.random.Generator) -> Array:
    return level(days) * np.exp(rng.normal(0.0, 0.15, days))


def autocorrelated(days: int, rng: np.random.Generator) -> Array:
    noise = np.zeros(days)
    for at in range(1, days):
        noise[at] = 0.5 * noise[at - 1] + rng.normal(0.0, 0.13)
    return level(days) * np.exp(noise)


def growing_with_seasons(days: int, rng: np.random.Generator) -> Array:
    at = np.arange(days)
    return white(days, rng) * np.exp(0.3 * np.sin(2 * np.pi * at / 365) + 0.0015 * at)


def weekly_budgets(days: int, rng: np.random.Generator) -> Array:
    weeks = np.repeat(rng.normal(0.0, 0.15, days // 7 + 1), 7)[:days]
    return level(days) * np.exp(weeks + rng.normal(0.0, 0.08, days))


def heavy_tailed(days: int, rng: np.random.Generator) -> Array:
    return level(days) * np.exp(0.1 * rng.standard_t(3, days))


def launched(days: int, rng: np.random.Generator) -> Array:
    return white(days, rng) * np.clip((np.arange(days) + 1) / 21, 0.05, 1.0)


def few_orders(days: int, rng: np.random.Generator) -> Array:
    return rng.poisson(level(days) / 250).astype(np.float64)


Generator = Callable[[int, np.random.Generator], Array]
KINDS: tuple[Generator, ...] = (
    white,
    autocorrelated,
    growing_with_seasons,
    weekly_budgets,
    heavy_tailed,
    launched,
    few_orders,
)


def read(values: Array) -> SeriesReading:
    days = [START + timedelta(days=number) for number in range(len(values))]
    usual = float(np.median(values))
    reading = read_series(days, values, SETTINGS, noise_floor=usual**-0.5)
    assert reading is not None
    return reading


def random_of(kind: Generator, number: int, seed: int) -> np.random.Generator:
    return np.random.default_rng((seed, KINDS.index(kind), number))


def alarms(reading: SeriesReading) -> int:
    return len(reading.steps) + len(reading.odd_runs)


def quiet_alarms_per_year(kind: Generator, seed: int = SEED, series: int = SERIES, days: int = DAYS) -> float:
    found = sum(alarms(read(kind(days, random_of(kind, number, seed)))) for number in range(series))
    return found * 365 / (series * days)


@dataclass(frozen=True)
class Found:
    """Share of planted faults found at the right place, and other alarms per year."""

    share: float
    others_per_year: float


def shifts_found(
    kind: Generator, factor: float, seed: int = SEED, series: int = SERIES, days: int = DAYS
) -> Found:
    """A level that is another from a random day of the second half on, to within three days."""
    hits = others = 0
    for number in range(series):
        rng = random_of(kind, number, seed)
        at = int(rng.integers(days // 2, days - 21))
        values = kind(days, rng)
        values[at:] *= factor
        reading = read(values)
        right = [
            step for step in reading.steps if abs(step.index - at) <= 3 and (step.factor > 1) == (factor > 1)
        ]
        hits += bool(right)
        others += alarms(reading) - min(len(right), 1)
    return Found(hits / series, others * 365 / (series * days))


def outages_found(
    kind: Generator, factor: float, length: int, seed: int = SEED, series: int = SERIES
) -> Found:
    """Days that are another level and then not; found if most of them are told."""
    hits = others = 0
    for number in range(series):
        rng = random_of(kind, number, seed)
        at = int(rng.integers(40, DAYS - length))
        values = kind(DAYS, rng)
        values[at : at + length] *= factor
        reading = read(values)
        planted = set(range(at, at + length))
        told = [set(range(run.first, run.last + 1)) for run in reading.odd_runs]
        told += [set(range(step.index, step.index + length)) for step in reading.steps]
        hits += len(planted & set().union(*told)) > length / 2
        others += sum(planted.isdisjoint(days) for days in told)
    return Found(hits / series, others * 365 / (series * DAYS))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_quiet_year_raises_at_most_one_false_alarm(kind: Generator) -> None:
    assert quiet_alarms_per_year(kind) <= 1.0


@pytest.mark.parametrize("factor", [2.0, 0.5, 3.0, 0.35])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_lasting_shift_is_found_within_three_days(kind: Generator, factor: float) -> None:
    # Where budgets move by 15% from week to week, twice the level is no clear case.
    least = 0.7 if kind is weekly_budgets and factor in (2.0, 0.5) else 0.95
    found = shifts_found(kind, factor)
    assert found.share >= least
    assert found.others_per_year <= 1.5


@pytest.mark.parametrize(("factor", "length"), [(0.0, 1), (0.0, 5), (0.3, 4), (4.0, 3)])
def test_an_outage_or_a_burst_is_found(factor: float, length: int) -> None:
    assert outages_found(white, factor, length).share >= 0.95
