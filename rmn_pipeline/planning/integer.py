"""SKUs in or out: the mixed-integer search, then the continuous optimum of the SKUs that it chose.

What is proved comes from the search's own bound on the straight pieces plus the largest error of the pieces:
V* ≤ bound + Σ weight·max(f − pieces). Rows that look at returns see the pieces too, which are lower than the curves;
for those the bound comes from a second search in which each such row is loosened by its pieces' error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rmn_pipeline.planning.certificate import gap_to, upper_bound
from rmn_pipeline.planning.curves import ConcaveCurves, Floats
from rmn_pipeline.planning.problem import Problem, Row
from rmn_pipeline.planning.program import Effort
from rmn_pipeline.planning.solver import Solution, cut, solve

# Less than this of a SKU's money is the solver's tolerance and not a decision.
OUT_USD = 1e-4


@dataclass(frozen=True)
class Chosen:
    """The best plan found, the continuous problem of the SKUs that are in, and what is proved about it."""

    solution: Solution
    problem: Problem
    certified_gap: float | None
    notes: tuple[str, ...]


def solve_choices(problem: Problem, effort: Effort | None = None) -> Chosen:
    """Choose SKUs, then place the money among them. An infeasible problem comes back with an infeasible solution."""
    searched = solve(problem, effort=effort)
    if not searched.feasible:
        return Chosen(searched, problem, None, ())
    fixed = _with_the_chosen(problem, searched.spend)
    placed = solve(fixed, effort=effort)
    # The search's own plan stands if straight pieces make the fixed problem infeasible by a hair.
    better = placed.feasible and problem.value(placed.spend) >= problem.value(searched.spend)
    solution = placed if better else replace(searched, duals=placed.duals or searched.duals)
    bound = min(_search_bound(problem, searched, effort), _relaxed_bound(problem))
    gap = gap_to(bound, problem.value(solution.spend))
    funded = sum(
        bool(solution.spend[group].sum() > OUT_USD) for choice in problem.choices for group in choice.groups
    )
    total = sum(len(choice.groups) for choice in problem.choices)
    note = f"SKU choices: {funded} of {total} are in; prices of constraints hold for these SKUs"
    return Chosen(solution, fixed, gap, (note,))


def piecewise_error(curves: ConcaveCurves, points: Floats) -> Floats:
    """The most that each curve rises above its straight pieces between the points (arms × columns)."""
    values = curves.response(points)
    worst = np.zeros(points.shape[0])
    one = np.ones(points.shape[0])
    for left in range(points.shape[1] - 1):
        low, high = points[:, left], points[:, left + 1]
        rise, width = values[:, left + 1] - values[:, left], high - low
        slope = np.divide(rise, width, out=np.zeros_like(rise), where=width > 0)
        at = np.clip(curves.best_spend(one, slope), low, high)
        worst = np.maximum(worst, curves.response(at) - values[:, left] - slope * (at - low))
    return worst


def _with_the_chosen(problem: Problem, spend: Floats) -> Problem:
    """Groups that got nothing stay without, the others keep at least their minimum."""
    upper, rows = problem.upper.copy(), list(problem.rows)
    for choice in problem.choices:
        for sku, group in zip(choice.skus, choice.groups, strict=True):
            if spend[group].sum() <= OUT_USD:
                upper[group] = 0.0
            elif choice.minimum_usd > 0:
                name = f"min_spend_if_in:{choice.name.partition(':')[2]}/{sku}"
                rows.append(Row(name, group, -choice.minimum_usd, -1.0, asked=choice.minimum_usd))
    return replace(problem, upper=np.maximum(upper, problem.lower), rows=tuple(rows), choices=())


def _search_bound(problem: Problem, searched: Solution, effort: Effort | None) -> float:
    error = piecewise_error(
        problem.curves, problem.curves.breakpoints(problem.lower, problem.upper, problem.segments)
    )
    gained = float((np.maximum(problem.weight, 0.0) * error).sum())
    if not any(row.is_ratio for row in problem.rows):
        return searched.bound + gained
    loosened = problem.with_rows([_loosened(row, error) for row in problem.rows])
    return solve(loosened, cut(loosened), effort).bound + gained


def _loosened(row: Row, error: Floats) -> Row:
    if row.return_weight is None:
        return row
    return replace(row, limit=row.limit + float((row.return_weight * error[row.arms]).sum()))


def _relaxed_bound(problem: Problem) -> float:
    """What could be earned if every SKU could be in with any amount."""
    free = replace(problem, choices=())
    solution = solve(free)
    return upper_bound(free, solution.duals) if solution.feasible else np.inf
