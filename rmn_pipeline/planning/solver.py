"""The piecewise-linear program of a problem, solved by HiGHS through PuLP."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pulp

from rmn_pipeline.planning.curves import ConcaveCurves, Floats, segment_slopes
from rmn_pipeline.planning.errors import PlanError
from rmn_pipeline.planning.problem import Problem, Row


@dataclass(frozen=True)
class Solution:
    """Spend per arm and the price of every row, or no spend at all when the rows contradict one another."""

    feasible: bool
    spend: Floats
    duals: dict[str, float]


@dataclass(frozen=True)
class Segments:
    """Each arm's spend cut into pieces: width, and return per dollar on the curve that the rows are judged by."""

    width: Floats
    slope: Floats
    objective_slope: Floats


def cut(
    problem: Problem, objective_curves: ConcaveCurves | None = None, segments: int | None = None
) -> Segments:
    """Cut the curves. Posterior draws come as `objective_curves`: the rows still hold on the expected curves."""
    guide = objective_curves or problem.curves
    points = guide.breakpoints(np.zeros(problem.upper.size), problem.upper, segments or problem.segments)
    slope = segment_slopes(problem.curves, points)
    guided = slope if objective_curves is None else segment_slopes(objective_curves, points)
    return Segments(np.diff(points, axis=1), slope, guided)


def solve(problem: Problem, pieces: Segments | None = None) -> Solution:
    """The best spend on the inscribed curves; concave curves fill their pieces in order by themselves."""
    pieces = pieces or cut(problem)
    model = pulp.LpProblem("plan", pulp.LpMaximize)
    names = [
        [model.add_variable(f"x{arm}_{piece}", 0, width) for piece, width in enumerate(widths)]
        for arm, widths in enumerate(pieces.width.tolist())
    ]
    gain = problem.weight[:, None] * pieces.objective_slope - problem.spend_charge
    model.setObjective(pulp.LpAffineExpression(zip(_flat(names), gain.ravel().tolist(), strict=True)))
    constraints = {row.name: _constraint(row, names, pieces) for row in problem.rows}
    for index, constraint in enumerate(constraints.values()):
        model.addConstraint(constraint, f"r{index}")
    status = model.solve(pulp.HiGHS(msg=False, threads=1))
    if status == pulp.LpStatusInfeasible:
        return Solution(False, np.zeros(problem.upper.size), {})
    if status != pulp.LpStatusOptimal:
        raise PlanError(f"the solver stopped without an answer: {pulp.LpStatus[status]}")
    filled = np.array([variable.varValue for variable in _flat(names)], dtype=np.float64)
    spend = np.clip(filled.reshape(pieces.width.shape).sum(axis=1), 0.0, problem.upper)
    duals = {name: abs(float(constraint.pi or 0.0)) for name, constraint in constraints.items()}
    return Solution(True, spend, duals)


def _constraint(row: Row, names: list[list[pulp.LpVariable]], pieces: Segments) -> pulp.LpConstraint:
    coefficients = np.full((row.arms.size, pieces.width.shape[1]), row.spend_weight)
    if row.return_weight is not None:
        coefficients = coefficients - row.return_weight[:, None] * pieces.slope[row.arms]
    variables = _flat([names[arm] for arm in row.arms.tolist()])
    left = pulp.LpAffineExpression(zip(variables, coefficients.ravel().tolist(), strict=True))
    return left <= row.limit


def _flat(nested: list[list[pulp.LpVariable]]) -> list[pulp.LpVariable]:
    return [variable for inner in nested for variable in inner]
