"""One method's answer, in the form in which all methods are shown beside each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

Method = Literal["randomisation", "did_ar1", "synthetic_control", "tbr", "trimmed_match"]


@dataclass(frozen=True)
class LiftEstimate:
    """Relative lift of the treated geos (0.05 is +5 %), its interval and its p-value from the same test.

    `low` may be −1 and `high` infinite: the data then rule out nothing on that side. `note` says what to beware of.
    """

    method: Method
    lift: float
    low: float
    high: float
    p: float
    alpha: float
    note: str = ""

    @property
    def is_significant(self) -> bool:
        """Whether no effect is rejected; the same as 0 lying outside the interval."""
        return self.p <= self.alpha

    @property
    def is_bounded(self) -> bool:
        """Whether the interval says anything on both sides."""
        return self.low > -1.0 and bool(np.isfinite(self.high))


@dataclass(frozen=True)
class NotApplicable:
    """A method that cannot be used on this experiment, and why."""

    method: Method
    because: str


@dataclass(frozen=True)
class TTest:
    """An estimate with a t distribution around it; p and interval both come from here."""

    estimate: float
    standard_error: float
    degrees: float

    def p_value(self, effect: float = 0.0) -> float:
        """Two-sided p of "the effect is `effect`"."""
        if self.standard_error == 0.0:
            return 1.0 if self.estimate == effect else 0.0
        return float(2.0 * stats.t.sf(abs(self.estimate - effect) / self.standard_error, self.degrees))

    def interval(self, alpha: float) -> tuple[float, float]:
        """The effects that are not rejected at level `alpha`."""
        half = float(stats.t.isf(alpha / 2.0, self.degrees)) * self.standard_error
        return self.estimate - half, self.estimate + half
