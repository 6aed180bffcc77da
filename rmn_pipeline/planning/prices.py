"""Prices of the rows without a linear program: bisection for one budget, Newton steps on the dual for more rows.

At given prices every arm's best spend has a closed form, so the dual U(y) of the certificate and its gradient cost one
pass over the arms. Prices found here are exact enough to say around which spends a small linear program should look.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from rmn_pipeline.planning.certificate import best_within, upper_bound, worth_and_price
from rmn_pipeline.planning.curves import Floats
from rmn_pipeline.planning.problem import Problem

BISECTIONS = 100
NEWTON_STEPS = 60
HALVINGS = 30
# Relative change of price over which an arm's answer to it is measured.
PROBE = 1e-4
TOLERANCE = 1e-9


def is_one_budget(problem: Problem) -> bool:
    """Whether a single cap on the sum of all spend is all there is besides the boxes."""
    if len(problem.rows) != 1 or problem.choices:
        return False
    row = problem.rows[0]
    return (
        not row.is_ratio
        and np.isscalar(row.spend_weight)
        and row.arms.size == problem.upper.size
        and row.spend_weight == 1
    )


def water_level(problem: Problem) -> tuple[Floats, float] | None:
    """The optimum under one budget and the budget's price; None when the floors alone exceed the budget."""
    budget = problem.rows[0].limit
    if problem.lower.sum() > budget:
        return None
    free = _spend_at(problem, 0.0)
    if free.sum() <= budget:
        return free, 0.0
    high = float((problem.weight * problem.curves.marginal(np.zeros(problem.upper.size))).max())
    low = high * 1e-15
    for _ in range(BISECTIONS):
        middle = float(np.sqrt(low * high))
        if _spend_at(problem, middle).sum() > budget:
            low = middle
        else:
            high = middle
        if high - low <= 1e-13 * high:
            break
    dear, cheap = _spend_at(problem, high), _spend_at(problem, low)
    extra = cheap.sum() - dear.sum()
    mix = 0.0 if extra <= 0 else float(np.clip((budget - dear.sum()) / extra, 0.0, 1.0))
    return dear + mix * (cheap - dear), high


def _spend_at(problem: Problem, price: float) -> Floats:
    return best_within(problem, problem.weight, np.zeros(problem.upper.size) + price + problem.spend_charge)


def dual_prices(problem: Problem) -> dict[str, float]:
    """Prices near the minimum of the dual, by projected Newton steps; any prices are valid for the certificate."""
    matrices = _matrices(problem)
    names = [row.name for row in problem.rows]
    prices = np.zeros(len(names))
    if is_one_budget(start := problem.with_rows(problem.rows[:1])):
        level = water_level(start)
        prices[0] = 0.0 if level is None else level[1]
    bound = _bound(problem, prices)
    for _ in range(NEWTON_STEPS):
        gradient, hessian = _slopes(problem, prices, matrices)
        # A free row is one whose price may still move: positive, or zero with its limit overstepped.
        free = np.flatnonzero((prices > 0) | (gradient < 0))
        step = np.zeros(prices.size)
        inner = hessian[np.ix_(free, free)]
        ridge = 1e-10 * np.maximum(
            inner.diagonal(), 1e-10 * max(float(inner.diagonal().max(initial=0.0)), 1e-30)
        )
        step[free] = -np.linalg.lstsq(inner + np.diag(ridge), gradient[free], rcond=1e-14)[0]
        moved, reached = _along(problem, prices, step, gradient, bound)
        if moved is None or bound - reached <= TOLERANCE * abs(bound):
            return dict(zip(names, (prices if moved is None else moved).tolist(), strict=True))
        prices, bound = moved, reached
    return dict(zip(names, prices.tolist(), strict=True))


def _bound(problem: Problem, prices: Floats) -> float:
    return upper_bound(
        problem, {row.name: float(price) for row, price in zip(problem.rows, prices, strict=True)}
    )


def _along(
    problem: Problem, prices: Floats, step: Floats, gradient: Floats, bound: float
) -> tuple[Floats | None, float]:
    """The first point along the step that lowers the dual; None when there is none."""
    length = 1.0
    for _ in range(HALVINGS):
        tried = np.maximum(prices + length * step, 0.0)
        reached = _bound(problem, tried)
        if reached <= bound + 1e-4 * float(gradient @ (tried - prices)) and reached < bound:
            return tried, reached
        length /= 2.0
    return None, bound


def _slopes(
    problem: Problem, prices: Floats, matrices: tuple[sparse.csr_matrix, sparse.csr_matrix]
) -> tuple[Floats, Floats]:
    """Gradient and curvature of the dual in the prices."""
    spend_rows, return_rows = matrices
    duals = {row.name: float(price) for row, price in zip(problem.rows, prices, strict=True)}
    weight, price = worth_and_price(problem, duals)
    spend = best_within(problem, weight, price)
    used = spend_rows @ spend - return_rows @ problem.curves.response(spend)
    limits = np.array([row.limit for row in problem.rows])
    more, less = (
        best_within(problem, weight, price * (1 - PROBE)),
        best_within(problem, weight, price * (1 + PROBE)),
    )
    answer = np.divide(more - less, 2 * PROBE * price, out=np.zeros_like(price), where=price > 0)
    net = spend_rows - return_rows.multiply(problem.curves.marginal(spend)[None, :]).tocsr()
    return limits - used, (net.multiply(answer[None, :]).tocsr() @ net.T).toarray()


def _matrices(problem: Problem) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Spend and return weights, rows × arms."""
    sizes = np.array([row.arms.size for row in problem.rows])
    start = np.concatenate([[0], np.cumsum(sizes)])
    arms = np.concatenate([row.arms for row in problem.rows])
    spend = np.concatenate(
        [np.broadcast_to(np.asarray(row.spend_weight, float), row.arms.size) for row in problem.rows]
    )
    returns = np.concatenate(
        [np.zeros(row.arms.size) if row.return_weight is None else row.return_weight for row in problem.rows]
    )
    shape = (len(problem.rows), problem.upper.size)
    return sparse.csr_matrix((spend, arms, start), shape=shape), sparse.csr_matrix(
        (returns, arms, start), shape=shape
    )
