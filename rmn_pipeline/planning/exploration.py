"""The experiment reserve: Thompson sampling by re-solving the plan on draws from the response posterior.

Each draw is one belief about every arm; the plan that would be best under it shows where learning could pay. The
average of those plans is feasible, because each of them obeys the same limits on the expected curves and the
limits are convex. The final plan follows it with the reserve's share of the money, and the expected optimum with
the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmn_pipeline.planning.curves import Curves, Floats
from rmn_pipeline.planning.errors import PlanError
from rmn_pipeline.planning.layout import Experiment
from rmn_pipeline.planning.problem import Problem
from rmn_pipeline.planning.solver import solve_for_draw

FUNDED_USD = 1.0
# Rounding to cents and to bookable amounts must not eat into the reserve.
RESERVE_MARGIN = 1e-4


@dataclass(frozen=True)
class Mixture:
    """The money split between what is believed best and what is worth trying."""

    working: Floats
    experiment: Experiment


def explore(
    problem: Problem, optimum: Floats, initial_draws: Floats, half_draws: Floats, share: float, segments: int
) -> Mixture:
    """Split the plan: `share` of the money spent follows the draws, the rest the optimum. Draws are draws × arms.

    Raises `PlanError` for a problem whose SKU choices are still open.
    """
    if problem.choices:
        raise PlanError(
            "draws would choose different SKUs, whose average is no choice: fix the SKUs, then explore"
        )
    is_log = problem.curves.is_log if isinstance(problem.curves, Curves) else None
    spends = np.array(
        [
            solve_for_draw(problem, Curves(initial, half, is_log), segments).spend
            for initial, half in zip(initial_draws, half_draws, strict=True)
        ]
    )
    tried = spends.mean(axis=0)
    follow = _mixing_weight(float(optimum.sum()), float(tried.sum()), share * (1.0 + RESERVE_MARGIN))
    return Mixture(
        working=(1.0 - follow) * optimum,
        experiment=Experiment(spend=follow * tried, propensity=(spends > FUNDED_USD).mean(axis=0)),
    )


def _mixing_weight(optimum_usd: float, tried_usd: float, share: float) -> float:
    """How far to go from the optimum to the tried plan so that the tried part is `share` of what is then spent."""
    if tried_usd <= 0:
        return 0.0
    return share * optimum_usd / (share * optimum_usd + (1.0 - share) * tried_usd)
