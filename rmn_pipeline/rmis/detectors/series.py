"""Statistics of one daily series: what was to be expected, from which day on the level is another, which days are odd.

Everything is on the log scale and robust (medians and median absolute deviations, no means), so a few wild days
neither hide nor invent others. A series is compared with itself only: the scale of a change of level is the spread
of the same statistic over the rest of the series, which holds week-to-week budgets and other autocorrelation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt

from rmn_pipeline.rmis.detectors.settings import AnomalySettings

Array = npt.NDArray[np.float64]

# Makes the median absolute deviation an estimate of the standard deviation.
MAD_TO_SIGMA = 1.4826
# Standard error of a median against that of a mean.
_MEDIAN_EFFICIENCY = 1.2533
# |z| of a normal deviate that one in 20 exceeds: for a scale that sees heavy tails.
_TAIL_QUANTILE, _TAIL_Z = 0.95, 1.96
# Two windows: short ones see changes of two weeks, long ones average over weekly budgets.
_STEP_WINDOWS = (14, 28)
_LEAST_WINDOW = 7
_SHORT_SERIES = 1.5
_MOST_STEPS = 6
# A launch is over when the level is this close to that of the weeks that follow.
_LAUNCHED_RATIO = 1.2
# Half of the window around a day that its expectation is made from.
_LEVEL_HALF_WINDOW = 14
_ODD_RUNS = (7, 3, 1)
# Zero stands on the log scale as this share of the median day.
_ZERO_SHARE = 0.02
_LEAST_SIGMA = 0.02
_LEAST_POSITIVE_SHARE = 0.6


@dataclass(frozen=True)
class Step:
    """The level is `factor` times what it was, from position `index` on."""

    index: int
    factor: float
    score: float


@dataclass(frozen=True)
class OddRun:
    """Positions `first` to `last` are `factor` times their expectation."""

    first: int
    last: int
    factor: float
    score: float


@dataclass(frozen=True)
class SeriesReading:
    """A series, its expectation with a band (not a number during a launch), and what departs from it."""

    days: tuple[date, ...]
    observed: Array
    expected: Array
    low: Array
    high: Array
    steps: tuple[Step, ...]
    odd_runs: tuple[OddRun, ...]


def read_series(
    days: Sequence[date], values: Array, settings: AnomalySettings, *, noise_floor: float = 0.0
) -> SeriesReading | None:
    """The reading of a series in the order of its days; None where it is too short or mostly zero.

    `noise_floor` is the relative deviation that mere counting causes, e.g. 0.2 with 25 clicks a day.
    """
    observed = np.maximum(np.asarray(values, dtype=np.float64), 0.0)
    positive = observed[observed > 0]
    if len(observed) < settings.min_days or len(positive) < _LEAST_POSITIVE_SHARE * len(observed):
        return None
    offset = _ZERO_SHARE * float(np.median(positive))
    logs = np.log(observed + offset)
    season = weekday_effects(logs, np.array([day.weekday() for day in days]))
    least_sigma = max(noise_floor, _LEAST_SIGMA)
    begin = _launch_length(logs - season, settings)
    steps, flat = _find_steps((logs - season)[begin:], settings, least_sigma)
    level = _running_median(flat)
    odd, sigma = _find_odd_runs(flat - level, settings, least_sigma)
    middle = np.concatenate([np.full(begin, np.nan), level]) + season
    band = max(settings.odd_day_z * sigma, float(np.log(settings.odd_day_ratio)))
    expected, low, high = (np.maximum(np.exp(middle + away) - offset, 0.0) for away in (0.0, -band, band))
    return SeriesReading(
        tuple(days),
        observed,
        expected,
        low,
        high,
        tuple(replace(step, index=step.index + begin) for step in steps),
        tuple(replace(run, first=run.first + begin, last=run.last + begin) for run in odd),
    )


def _launch_length(values: Array, settings: AnomalySettings) -> int:
    """How many days at the beginning lie below the level that follows: how campaigns begin, and no fault."""
    later = np.median(values[settings.launch_days - 7 : settings.launch_days + 7])
    smooth = _running_median(values[: settings.launch_days], half=2)
    if len(smooth) == 0 or smooth[0] >= later - np.log(settings.step_ratio):
        return 0
    reached = np.flatnonzero(smooth >= later - np.log(_LAUNCHED_RATIO))
    return int(reached[0]) if len(reached) else len(smooth)


def robust_sigma(values: Array) -> float:
    """Standard deviation of the bulk of the values."""
    return MAD_TO_SIGMA * float(np.median(np.abs(values - np.median(values)))) if len(values) else 0.0


def weekday_effects(logs: Array, weekdays: npt.NDArray[np.int64]) -> Array:
    """How far each position's weekday usually lies from the level of its week."""
    present = np.unique(weekdays)
    away = logs - _running_median(logs, half=len(present) // 2)
    effects = np.zeros(len(logs))
    for weekday in present:
        effects[weekdays == weekday] = np.median(away[weekdays == weekday])
    return effects - np.median(effects)


def _windows(values: Array, width: int) -> Array:
    return np.lib.stride_tricks.sliding_window_view(values, width)


def _moving_medians(values: Array, left: int, right: int) -> Array:
    """Per position, the median from `left` positions before it up to, not including, `right` after it.

    Windows at both ends are cut short, but every one must hold at least one value.
    """
    padded = np.concatenate([np.full(left, np.nan), values, np.full(right, np.nan)])
    ordered = np.sort(_windows(padded, left + right), axis=1)[: len(values) + 1]
    # Sorting puts the padding last.
    held = left + right - np.isnan(ordered).sum(axis=1)
    rows = np.arange(len(ordered))
    return (ordered[rows, np.maximum(held - 1, 0) // 2] + ordered[rows, held // 2]) / 2


def _running_median(values: Array, half: int = _LEVEL_HALF_WINDOW) -> Array:
    """Median around each position; windows at both ends are cut short."""
    return _moving_medians(values, half, half + 1)[: len(values)]


@dataclass(frozen=True)
class _Candidate:
    score: float
    index: int
    rise: float
    window: int


def _find_steps(
    values: Array, settings: AnomalySettings, least_sigma: float
) -> tuple[tuple[Step, ...], Array]:
    """Lasting changes of level, the clearest first removed before the next is looked for; and what is left."""
    flat = values.copy()
    day_to_day = max(robust_sigma(np.diff(flat)) / float(np.sqrt(2)), least_sigma)
    steps: list[Step] = []
    for _ in range(_MOST_STEPS):
        candidates = [_clearest_step(flat, window, day_to_day) for window in _STEP_WINDOWS]
        told = [
            found
            for found in candidates
            if found is not None
            and found.score >= settings.step_z
            and abs(found.rise) >= np.log(settings.step_ratio)
        ]
        if not told:
            break
        best = max(told, key=lambda found: found.score)
        index = _located(flat, best)
        rise = float(
            np.median(flat[index : index + best.window])
            - np.median(flat[max(0, index - best.window) : index])
        )
        flat[index:] -= rise
        steps.append(Step(index, float(np.exp(rise)), best.score))
    return tuple(sorted(steps, key=lambda step: step.index)), flat


def _clearest_step(values: Array, window: int, day_to_day: float) -> _Candidate | None:
    """The position where the medians after and before differ most, against how they differ elsewhere."""
    positions = np.arange(_LEAST_WINDOW, len(values) - _LEAST_WINDOW + 1)
    if len(positions) == 0:
        return None
    before, after = _side_medians(values, positions, window)
    shape = 1 / np.minimum(positions, window) + 1 / np.minimum(len(values) - positions, window)
    rise = after - before
    # The median rise is the trend: only what is more abrupt than that is a step. Most of a short series lies around
    # its step, and then the median rise would be the step itself.
    is_long = len(positions) > 4 * window
    trend = float(np.median(rise)) if is_long else 0.0
    away = (rise - trend) / np.sqrt(shape * window / 2)
    best = int(np.argmax(np.abs(away)))
    elsewhere = away[np.abs(positions - positions[best]) > window]
    floor = _MEDIAN_EFFICIENCY * day_to_day * float(np.sqrt(2 / window))
    if len(elsewhere) >= 2 * window:
        sigma = max(floor, robust_sigma(elsewhere))
    else:
        # Too little of the series is left to tell how steady it is: its weeks must do, and half as much again.
        sigma = _SHORT_SERIES * max(floor, _week_to_week(values) * float(np.sqrt(_LEAST_WINDOW / window)))
    return _Candidate(float(abs(away[best])) / sigma, int(positions[best]), float(rise[best]), window)


def _week_to_week(values: Array) -> float:
    """Deviation of a week's level, by how weeks differ from the ones before."""
    whole = values[len(values) % _LEAST_WINDOW :].reshape(-1, _LEAST_WINDOW)
    return robust_sigma(np.diff(np.median(whole, axis=1)))


def _side_medians(values: Array, positions: npt.NDArray[np.int64], window: int) -> tuple[Array, Array]:
    return _moving_medians(values, window, 0)[positions], _moving_medians(values, 0, window)[positions]


def _located(values: Array, found: _Candidate) -> int:
    """The first position of the new level: where two levels fit best, by absolute deviations."""
    low = max(_LEAST_WINDOW, found.index - found.window)
    high = min(len(values) - _LEAST_WINDOW, found.index + found.window)
    around = values[low - _LEAST_WINDOW : high + _LEAST_WINDOW]
    old = np.abs(around - np.median(values[max(0, found.index - found.window) : found.index]))
    new = np.abs(around - np.median(values[found.index : found.index + found.window]))
    misfit = np.concatenate([[0.0], np.cumsum(old - new)])
    return low + int(np.argmin(misfit[_LEAST_WINDOW : len(around) - _LEAST_WINDOW + 1]))


def _find_odd_runs(
    away: Array, settings: AnomalySettings, least_sigma: float
) -> tuple[tuple[OddRun, ...], float]:
    """Days and short runs far from their expectation; and the deviation of a single day."""
    least = float(np.log(settings.odd_day_ratio))
    score = np.zeros(len(away))
    day_sigma = least_sigma
    for width in _ODD_RUNS:
        block = np.median(_windows(away, width), axis=1)
        sigma = max(robust_sigma(block), least_sigma / float(np.sqrt(width)))
        if width == 1:
            # Single days of a heavy-tailed series are wild by nature; runs that are odd by themselves are not its tail.
            tail = np.quantile(np.abs(away[score == 0]), _TAIL_QUANTILE) if (score == 0).any() else 0.0
            sigma = max(sigma, float(tail) / _TAIL_Z)
            day_sigma = sigma
        for start in np.flatnonzero((np.abs(block) > settings.odd_day_z * sigma) & (np.abs(block) > least)):
            inside = np.arange(start, start + width)
            same_side = inside[away[inside] * np.sign(block[start]) > abs(block[start]) / 2]
            score[same_side] = np.maximum(score[same_side], abs(block[start]) / sigma)
    return _runs(away, score), day_sigma


def _runs(away: Array, score: Array) -> tuple[OddRun, ...]:
    """Neighbouring odd days on one side, joined."""
    groups: list[list[int]] = []
    for position in np.flatnonzero(score > 0).tolist():
        last = groups[-1][-1] if groups else None
        if last is not None and position == last + 1 and away[position] * away[last] > 0:
            groups[-1].append(position)
        else:
            groups.append([position])
    return tuple(
        OddRun(group[0], group[-1], float(np.exp(np.median(away[group]))), float(score[group].max()))
        for group in groups
    )
