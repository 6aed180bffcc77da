"""How often each method cries wolf on the user's own past, where nothing happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from rmn_pipeline.measurement.arrays import Floats
from rmn_pipeline.measurement.assignment import random_draws
from rmn_pipeline.measurement.errors import MeasurementError
from rmn_pipeline.measurement.estimates import Method
from rmn_pipeline.measurement.lift_methods import METHODS, LiftWindow

# A placebo test needs a past of its own.
FEWEST_PERIODS_BEFORE = 12
NORMAL_95 = 1.96

AA_SCHEMA = {
    "method": pl.String,
    "runs": pl.Int64,
    "false_positives": pl.Int64,
    "size": pl.Float64,
    "nominal": pl.Float64,
    "monte_carlo_95": pl.Float64,
    "holds_size": pl.Boolean,
}


def aa_table(
    window: LiftWindow, methods: Sequence[Method], alpha: float, runs: int, seed: int
) -> pl.DataFrame:
    """False-positive rates over placebo tests before the real one: other geos drawn as the design draws, other dates.

    Columns: method, runs, false_positives, size (a share), nominal, monte_carlo_95 (± on the size at the nominal
    rate), holds_size (size no higher than nominal plus that). A past too short for any placebo gives no rows.
    """
    generator = np.random.default_rng(seed)
    length = min(window.value.shape[1] - window.before, window.before // 3)
    placebos = placebo_windows(window, length, runs, generator)
    rows = []
    for method in methods:
        verdicts = [found for placebo in placebos if (found := _rejects(method, placebo, alpha)) is not None]
        if not verdicts:
            continue
        size, error = sum(verdicts) / len(verdicts), NORMAL_95 * np.sqrt(alpha * (1 - alpha) / len(verdicts))
        rows.append(
            (method, len(verdicts), sum(verdicts), size, alpha, float(error), size <= alpha + error + 1e-12)
        )
    return pl.DataFrame(rows, schema=AA_SCHEMA, orient="row")


def placebo_windows(
    window: LiftWindow, length: int, runs: int, generator: np.random.Generator
) -> list[LiftWindow]:
    """Tests of `length` periods that never ran: dates drawn from the past, geos drawn as the design draws.

    Empty where the past is too short for any.
    """
    past: Floats = window.value[:, : window.before]
    latest = window.before - length
    earliest = max(FEWEST_PERIODS_BEFORE, latest // 2)
    if length < 1 or earliest > latest:
        return []
    starts = generator.integers(earliest, latest + 1, size=runs)
    drawn = random_draws(window.assignment, runs, generator) > 0
    return [
        replace(window, value=past[:, : start + length], before=int(start), treated=treated)
        for start, treated in zip(starts.tolist(), drawn, strict=True)
    ]


def _rejects(method: Method, placebo: LiftWindow, alpha: float) -> bool | None:
    """Whether the method finds an effect; None where it refuses the placebo."""
    try:
        return METHODS[method](placebo, alpha).is_significant
    except MeasurementError:
        return None
