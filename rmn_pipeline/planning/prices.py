"""Prices of the rows without a linear program: bisection for one budget, damped Newton steps on the dual for more rows.

At given prices every arm's best spend has a closed form, so the dual U(y) of the certificate and its gradient cost one
pass over the arms. Prices found here are exact enough to say around which spends a small linear program should look.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse
from scipy.linalg import solve_triangular
from scipy.optimize import nnls

from rmn_pipeline.planning.certificate import best_within, least_value, upper_bound, worth_and_price
from rmn_pipeline.planning.curves import Floats
from rmn_pipeline.planning.problem import Problem

BISECTIONS = 100
NEWTON_STEPS = 120
FIRST_DAMPING, LEAST_DAMPING = 1e-4, 1e-12
DIAGONAL_FLOOR = 1e-8
# Where the rows contradict each other the dual falls for ever: this far below every plan's value is far enough.
IMPOSSIBLE_MARGIN = 1.0
# A step is taken if the dual falls by this share of what its model promised.
SUFFICIENT = 1e-3
# Relative change of price over which an arm's answer to it is measured.
PROBE = 1e-4
TOLERANCE = 1e-11


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
    """Prices near the minimum of the dual; any prices are valid for the certificate.

    Damped Newton: each step minimises the dual's quadratic model over prices of at least 0, with as much damping as
    the dual needs to fall (rows that nest make the model singular, caps and floors make the dual kinked).
    """
    matrices = _matrices(problem)
    prices = np.zeros(len(problem.rows))
    if is_one_budget(start := replace(problem, rows=problem.rows[:1], choices=())):
        level = water_level(start)
        prices[0] = 0.0 if level is None else level[1]
    bound, damping = _bound(problem, prices), FIRST_DAMPING
    gradient, hessian = _slopes(problem, prices, matrices)
    impossible = least_value(problem)
    impossible -= IMPOSSIBLE_MARGIN * (1.0 + abs(impossible))
    for _ in range(NEWTON_STEPS):
        if bound < impossible:
            break
        tried, expected = _model_minimum(prices, gradient, hessian, damping)
        if expected <= TOLERANCE * abs(bound):
            break
        reached = _bound(problem, tried)
        if bound - reached < SUFFICIENT * expected:
            damping *= 8.0
            continue
        prices, bound, damping = tried, reached, min(FIRST_DAMPING, max(damping / 8.0, LEAST_DAMPING))
        gradient, hessian = _slopes(problem, prices, matrices)
    return _named(problem, prices)


def _bound(problem: Problem, prices: Floats) -> float:
    return upper_bound(problem, _named(problem, prices))


def _named(problem: Problem, prices: Floats) -> dict[str, float]:
    return dict(zip((row.name for row in problem.rows), prices.tolist(), strict=True))


def _model_minimum(prices: Floats, gradient: Floats, hessian: Floats, damping: float) -> tuple[Floats, float]:
    """The least of g·s + s·(H + damping)·s/2 over prices + s ≥ 0, and by how much it is lower than now."""
    diagonal = hessian.diagonal()
    # Rows are counted in dollars, revenue or units: scaled to one, no row drowns in another's rounding.
    scale = 1.0 / np.sqrt(diagonal)
    model = hessian * scale[:, None] * scale[None, :] + damping * np.identity(prices.size)
    root = np.linalg.cholesky(model + LEAST_DAMPING * np.identity(prices.size))
    target = solve_triangular(root, model @ (prices / scale) - gradient * scale, lower=True)
    tried = nnls(root.T, target)[0] * scale
    step = (tried - prices) / scale
    return tried, -float(gradient * scale @ step + step @ model @ step / 2.0)


def _slopes(
    problem: Problem, prices: Floats, matrices: tuple[sparse.csr_matrix, sparse.csr_matrix]
) -> tuple[Floats, Floats]:
    """Gradient and curvature of the dual in the prices."""
    spend_rows, return_rows = matrices
    weight, price = worth_and_price(problem, _named(problem, prices))
    spend = best_within(problem, weight, price)
    used = spend_rows @ spend - return_rows @ problem.curves.response(spend)
    limits = np.array([row.limit for row in problem.rows])
    more, less = (
        best_within(problem, weight, price * (1 - PROBE)),
        best_within(problem, weight, price * (1 + PROBE)),
    )
    answer = np.divide(more - less, 2 * PROBE * price, out=np.zeros_like(price), where=price > 0)
    net = spend_rows - return_rows.multiply(problem.curves.marginal(spend)[None, :]).tocsr()
    # Where every arm sits at an end of its box nothing answers to a price: a little of what could answer keeps
    # the model from being flat.
    top = max(float((problem.weight * problem.curves.marginal(problem.lower)).max()), 1e-12)
    flat = net.multiply(net).tocsr() @ np.maximum(spend, 1.0) / top
    hessian = (net.multiply(answer[None, :]).tocsr() @ net.T).toarray()
    return limits - used, hessian + np.diag(DIAGONAL_FLOOR * flat + 1e-300)


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
