"""Panels of the published coverage study, drawn anew from its process: one treated geo, a common trend, AR(1) noise.

Y_it = b_i · (1 + 0.001 t) · (1 + 0.1 dow_t) · exp(0.2 √(b_i / b̄) z_it), z AR(1) with coefficient 0.3 and N(0, 1)
innovations; b lognormal(log 4000 − 0.18, 0.6); the geo with the median baseline is treated.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from rmn_pipeline.measurement.panel import Panel

WEEKDAYS = np.array([-1.0, -0.5, 0.0, 0.2, 0.8, 1.0, 0.5])
AR_COEFFICIENT = 0.3
FIRST_DAY = date(2024, 1, 1)


@dataclass(frozen=True)
class StudyCell:
    """One of the study's settings; `inflation` multiplies the treated geo's sales but not its noise."""

    donors: int
    days_before: int
    days_after: int = 15
    inflation: float = 1.0


STUDY_CELLS: dict[str, StudyCell] = {
    "A1": StudyCell(donors=20, days_before=90),
    "A2": StudyCell(donors=20, days_before=90, inflation=5.0),
    "A3": StudyCell(donors=9, days_before=90),
    "A4": StudyCell(donors=20, days_before=30),
}


@dataclass(frozen=True)
class StudyPanel:
    """A panel, who is treated, when the test runs, and the true extra sales per day of the treated geo."""

    panel: Panel
    treated: str
    start: date
    end: date
    true_daily_effect: float


def study_panel(cell: StudyCell, lift: float, generator: np.random.Generator) -> StudyPanel:
    """Draw one panel with a true relative `lift` on the treated geo during the test."""
    geos, days = cell.donors + 1, cell.days_before + cell.days_after
    base = generator.lognormal(np.log(4000.0) - 0.18, 0.6, size=geos)
    treated = int(np.argsort(base)[geos // 2])
    z = np.empty((geos, days))
    z[:, 0] = generator.standard_normal(geos) / np.sqrt(1.0 - AR_COEFFICIENT**2)
    for at in range(1, days):
        z[:, at] = AR_COEFFICIENT * z[:, at - 1] + generator.standard_normal(geos)
    noise = np.exp(0.2 * np.sqrt(base / base.mean())[:, None] * z)
    day = np.arange(days)
    common = (1.0 + 0.001 * day) * (1.0 + 0.1 * WEEKDAYS[day % 7])
    base[treated] *= cell.inflation
    value = base[:, None] * common * noise
    without = value[treated, cell.days_before :].mean()
    value[treated, cell.days_before :] *= 1.0 + lift
    names = tuple(f"geo_{at:02d}" for at in range(geos))
    dates = tuple(FIRST_DAY + timedelta(days=at) for at in range(days))
    panel = Panel(names, dates, value)
    return StudyPanel(panel, names[treated], dates[cell.days_before], dates[-1], float(without * lift))
