"""Weak duality: a proof, from any prices of the rows, of how much better the best plan could possibly be."""

from __future__ import annotations

import numpy as np

from rmn_pipeline.planning.curves import Floats
from rmn_pipeline.planning.problem import Problem


def upper_bound(problem: Problem, duals: dict[str, float]) -> float:
    """No feasible plan can be worth more than this, on the true curves and whatever the prices are."""
    arms = problem.upper.size
    weight = problem.weight.copy()
    price = np.full(arms, problem.spend_charge)
    bound = 0.0
    for row in problem.rows:
        dual = duals[row.name]
        bound += dual * row.limit
        price[row.arms] += dual * row.spend_weight
        if row.return_weight is not None:
            weight[row.arms] += dual * row.return_weight
    return bound + float(_best_margins(problem, weight, price).sum())


def certified_gap(problem: Problem, spend: Floats, duals: dict[str, float]) -> float | None:
    """Share of the best attainable objective that may have been missed; None when nothing is attainable."""
    bound = upper_bound(problem, duals)
    if bound <= 0:
        return None
    return max(0.0, (bound - problem.value(spend)) / bound)


def _best_margins(problem: Problem, weight: Floats, price: Floats) -> Floats:
    """max over 0 ≤ x ≤ u of weight·f(x) − price·x per arm, in closed form."""
    spend = np.clip(problem.curves.best_spend(weight, price), 0.0, problem.upper)
    return np.maximum(
        weight * problem.curves.response(spend) - price * spend, _at_upper(problem, weight, price)
    )


def _at_upper(problem: Problem, weight: Floats, price: Floats) -> Floats:
    """The other end of the box, which is the best one when a negative weight makes the margin convex."""
    at_upper = weight * problem.curves.response(problem.upper) - price * problem.upper
    return np.where(weight < 0, np.maximum(at_upper, 0.0), -np.inf)
