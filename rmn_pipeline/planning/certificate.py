"""Weak duality: a proof, from any prices of the rows, of how much better the best plan could possibly be."""

from __future__ import annotations

import numpy as np

from rmn_pipeline.planning.curves import Floats
from rmn_pipeline.planning.problem import Problem


def upper_bound(problem: Problem, duals: dict[str, float]) -> float:
    """No feasible plan can be worth more than this, on the true curves and whatever the prices are.

    Choices of SKUs are left out, which can only raise the bound.
    """
    weight, price = worth_and_price(problem, duals)
    bound = sum(duals[row.name] * row.limit for row in problem.rows)
    return float(bound + _best_margins(problem, weight, price).sum())


def certified_gap(problem: Problem, spend: Floats, duals: dict[str, float]) -> float | None:
    """Share of the best attainable objective that may have been missed; None when nothing is attainable."""
    return gap_to(upper_bound(problem, duals), problem.value(spend))


def gap_to(bound: float, value: float) -> float | None:
    """Share of a bound that a value misses."""
    return None if bound <= 0 else max(0.0, (bound - value) / bound)


def least_value(problem: Problem) -> float:
    """No spend within the boxes is worth less: a bound below this proves that the rows contradict each other."""
    ends = np.stack([problem.lower, problem.upper])
    earned = np.stack([problem.weight * problem.curves.response(end) for end in ends])
    return float(earned.min(axis=0).sum() - (problem.spend_charge * ends).max(axis=0).sum())


def worth_and_price(problem: Problem, duals: dict[str, float]) -> tuple[Floats, Floats]:
    """What a dollar of each arm's return is worth and what a dollar of its spend costs when rows have prices."""
    weight = problem.weight.copy()
    price = np.zeros(problem.upper.size) + problem.spend_charge
    for row in problem.rows:
        dual = duals[row.name]
        if dual == 0:
            continue
        price[row.arms] += dual * row.spend_weight
        if row.return_weight is not None:
            weight[row.arms] += dual * row.return_weight
    return weight, price


def best_within(problem: Problem, weight: Floats, price: Floats) -> Floats:
    """The spend within each arm's box that earns most at given worths and prices."""
    return np.clip(problem.curves.best_spend(weight, price), problem.lower, problem.upper)


def _best_margins(problem: Problem, weight: Floats, price: Floats) -> Floats:
    """max over lower ≤ x ≤ upper of weight·f(x) − price·x per arm, in closed form."""

    def margin(spend: Floats) -> Floats:
        return weight * problem.curves.response(spend) - price * spend

    best = margin(best_within(problem, weight, price))
    # A negative weight makes the margin convex: one of the ends is best.
    ends = np.maximum(margin(problem.lower), margin(problem.upper))
    return np.where(weight < 0, ends, best)
