"""The cheapest joint relaxation: when easing one limit alone mends nothing, the least total easing of several.

Every row may be overstepped at a price, the same for each percent of what was asked; the linear program that pays least
says which rows to ease, and by how much.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from rmn_pipeline.planning.curves import Floats
from rmn_pipeline.planning.plan import Relaxation
from rmn_pipeline.planning.problem import Problem, Row
from rmn_pipeline.planning.program import DIRECT_ABOVE_VARIABLES, Program, solve_program
from rmn_pipeline.planning.solver import cut, program_of, spend_of

FEWEST_SEGMENTS = 4
# What a solver's tolerance leaves is no easing, and an eased limit must not fail by it either.
TOLERANCE = 1e-6


def joint_relaxation(problem: Problem) -> tuple[Relaxation, ...]:
    """Changes that together make the rows agree, in the order of the rows; empty where arm limits are the conflict."""
    if problem.choices or (problem.lower > problem.upper).any():
        return ()
    most = max(FEWEST_SEGMENTS, DIRECT_ABOVE_VARIABLES // problem.upper.size)
    pieces = cut(problem, segments=min(problem.segments, most))
    plain = program_of(problem, pieces)
    rows = plain.limit.size
    answer = solve_program(
        Program(
            gain=np.concatenate([np.zeros(plain.gain.size), -_price_per_unit(problem)]),
            lower=np.zeros(plain.gain.size + rows),
            upper=np.concatenate([plain.upper, np.full(rows, np.inf)]),
            matrix=sparse.csr_matrix(sparse.hstack([plain.matrix, -sparse.identity(rows)])),
            limit=plain.limit,
        )
    )
    spend = spend_of(pieces, answer.values)
    over = answer.values[plain.gain.size :]
    eased = [
        _eased(row, float(excess), spend)
        for row, excess in zip(problem.rows, over, strict=True)
        if excess > TOLERANCE * max(1.0, abs(row.limit))
    ]
    together = f" (together with {len(eased) - 1} other changes)" if len(eased) > 1 else ""
    return tuple(way.model_copy(update={"text": way.text + together}) for way in eased)


def _price_per_unit(problem: Problem) -> Floats:
    """One over the size of what was asked, in the row's own units."""
    budget = max(float(problem.upper.max()), 1.0)
    sizes = [
        row.asked * min(float(problem.upper[row.arms].sum()), budget) if row.unit == "roas"
        else min(float(problem.upper[row.arms].sum()), budget) if row.is_ratio
        else abs(row.asked)
        for row in problem.rows
    ]  # fmt: skip
    return 1.0 / np.maximum(sizes, 1e-6)


def _eased(row: Row, excess: float, spend: Floats) -> Relaxation:
    """The limit with which the row would hold for this plan."""
    inside = float(spend[row.arms].sum())
    if row.unit == "roas":
        needed = (row.asked - excess / inside) * (1.0 - TOLERANCE)
        text = f"'{row.name}' would have to be lowered from {row.asked:.2f} to {needed:.2f}"
        return Relaxation(constraint=row.name, asked=row.asked, needed=needed, unit="roas", text=text)
    if row.is_ratio:
        needed = row.asked * inside / (inside - excess) * (1.0 + TOLERANCE)
        text = f"'{row.name}' would have to be raised from ${row.asked:,.2f} to ${needed:,.2f} per conversion"
        return Relaxation(
            constraint=row.name, asked=row.asked, needed=needed, unit="usd_per_conversion", text=text
        )
    needed = row.asked - excess if row.is_floor else row.asked + excess
    verb, unit = ("lowered" if row.is_floor else "raised"), ("$" if row.unit == "usd" else "")
    text = f"'{row.name}' would have to be {verb} from {unit}{row.asked:,.0f} to {unit}{needed:,.0f}"
    return Relaxation(constraint=row.name, asked=row.asked, needed=needed, unit=row.unit, text=text)
