"""Panels for tests: geos of unequal size, weekdays, a common trend and AR(1) noise."""

from datetime import date, timedelta

import numpy as np

from rmn_pipeline.measurement import Panel

FIRST = date(2024, 1, 1)


def market(geos=20, days=84, seed=0, noise=0.1, spend_usd=None):
    generator = np.random.default_rng(seed)
    level = generator.lognormal(6.0, 0.7, geos)
    z = generator.standard_normal((geos, days))
    for at in range(1, days):
        z[:, at] = 0.4 * z[:, at - 1] + z[:, at]
    own = np.exp(0.5 * noise * generator.standard_normal(geos))
    trend = own[:, None] ** np.linspace(0, 1, days)[None, :]
    week = 1 + 0.15 * np.sin(2 * np.pi * np.arange(days) / 7)
    value = level[:, None] * week * trend * np.exp(noise * z)
    dates = tuple(FIRST + timedelta(days=at) for at in range(days))
    return Panel(tuple(f"g{at:03d}" for at in range(geos)), dates, value, spend_usd)


def day(at):
    return FIRST + timedelta(days=at)
