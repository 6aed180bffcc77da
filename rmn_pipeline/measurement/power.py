"""How likely a geo test is to find an effect: simulated through the analysing test on the past, and by formula.

An injected lift multiplies treated sales by e^δ, which moves log changes and log gaps by δ exactly; the p-value of "no
effect" after injecting δ is therefore the p-value of "the effect is −δ" before. One test per placebo thus gives the
power at every effect, and at effect 0 it is the A/A size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import numpy as np
import polars as pl
from scipy import stats

from rmn_pipeline.measurement.aa_table import NORMAL_95, placebo_windows
from rmn_pipeline.measurement.arrays import Floats
from rmn_pipeline.measurement.assignment import GeoAssignment, chosen_assignment, redraw
from rmn_pipeline.measurement.errors import MeasurementError
from rmn_pipeline.measurement.estimates import TTest
from rmn_pipeline.measurement.geo_lift import LiftSettings
from rmn_pipeline.measurement.lift_methods import LiftWindow, did_fit, randomisation_of
from rmn_pipeline.measurement.panel import Panel
from rmn_pipeline.measurement.randomisation import RandomisationTest

PowerMethod = Literal["randomisation", "did_ar1"]
DEFAULT_EFFECTS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2)
LARGEST_SEARCHED_EFFECT = 5.0


@dataclass(frozen=True)
class PowerCurve:
    """Power by relative lift. `frame`: effect, power, monte_carlo_95 (±), power_analytic.

    `noise_sd` is the standard deviation of the estimated log lift over placebos; `smallest_detectable(0.8)` is the lift
    found with that probability, or None if none up to +500 % is.
    """

    method: PowerMethod
    periods: int
    runs: int
    alpha: float
    noise_sd: float
    frame: pl.DataFrame
    tests: tuple[RandomisationTest | TTest, ...]

    def power_at(self, lift: float) -> float:
        """Simulated power at a relative lift: the share of placebos in which it would have been found."""
        return _power(self.tests, float(np.log1p(lift)), self.alpha)

    def smallest_detectable(self, power: float = 0.8) -> float | None:
        """The smallest positive relative lift with at least this simulated power, by bisection in logs."""
        low, high = 0.0, float(np.log1p(LARGEST_SEARCHED_EFFECT))
        if _power(self.tests, high, self.alpha) < power:
            return None
        for _ in range(30):
            middle = 0.5 * (low + high)
            low, high = (low, middle) if _power(self.tests, middle, self.alpha) >= power else (middle, high)
        return float(np.expm1(high))


def power_curve(
    panel: Panel,
    treated: GeoAssignment | Sequence[str],
    periods: int,
    effects: Sequence[float] = DEFAULT_EFFECTS,
    *,
    runs: int = 1000,
    settings: LiftSettings | None = None,
) -> PowerCurve:
    """Power of a test of `periods` periods on a panel in which nothing has happened yet.

    A drawn `GeoAssignment` is analysed by randomisation inference and named geos by DiD-AR1, as `geo_lift` would. Every
    run draws other geos (as many, by the same design) and other dates.

    Raises:
        MeasurementError: the panel is too short for placebo tests of that length, or an effect is −100 % or less.
    """
    if min(effects, default=0.0) <= -1.0 or runs < 1:
        raise MeasurementError("effects are relative lifts above −1, and at least one run is needed")
    settings = settings or LiftSettings()
    assignment = (
        treated if isinstance(treated, GeoAssignment) else chosen_assignment(panel.geos, list(treated))
    )
    placebos = _placebos(panel, assignment, periods, runs, settings)
    method: PowerMethod = "did_ar1" if assignment.kind == "chosen" else "randomisation"
    tests = tuple(did_fit(one).test if method == "did_ar1" else randomisation_of(one) for one in placebos)
    noise = float(np.sqrt(np.mean([test.estimate**2 for test in tests])))
    logs = np.log1p(np.asarray(effects, dtype=np.float64))
    power = np.array([_power(tests, float(effect), settings.alpha) for effect in logs])
    frame = pl.DataFrame(
        {
            "effect": list(effects),
            "power": power,
            "monte_carlo_95": NORMAL_95 * np.sqrt(power * (1 - power) / runs),
            "power_analytic": analytic_power(logs, noise, settings.alpha),
        }
    )
    return PowerCurve(method, periods, runs, settings.alpha, noise, frame, tests)


def analytic_power(effect: Floats, noise_sd: float, alpha: float) -> Floats:
    """Power of a two-sided normal test; alpha at effect 0."""
    critical = float(stats.norm.isf(alpha / 2))
    shift = np.asarray(effect) / noise_sd
    return np.asarray(stats.norm.sf(critical - shift) + stats.norm.cdf(-critical - shift))


def _power(tests: Sequence[RandomisationTest | TTest], log_effect: float, alpha: float) -> float:
    return float(np.mean([test.p_value(-log_effect) <= alpha for test in tests]))


def _placebos(
    panel: Panel, assignment: GeoAssignment, periods: int, runs: int, settings: LiftSettings
) -> list[LiftWindow]:
    seen = panel.of_geos(assignment.geos).completed(settings.missing)
    window = LiftWindow(
        value=seen.value,
        before=len(seen.dates),
        treated=assignment.treated,
        assignment=assignment,
        redraws=redraw(assignment, settings.redraws, settings.seed),
        uses_earlier_change=settings.uses_earlier_change,
    )
    found = placebo_windows(window, periods, runs, np.random.default_rng(settings.seed + 2))
    if not found:
        last = panel.dates[-1] + timedelta(days=1)
        raise MeasurementError(
            f"{len(panel.dates)} periods before {last} are too few to try tests of {periods} periods on; "
            f"bring a longer past or plan a shorter test"
        )
    return found
