"""Why a scenario cannot be met: a minimal set of constraints that contradict one another, and what would mend it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rmn_pipeline.planning.plan import Relaxation
from rmn_pipeline.planning.problem import Problem, Row
from rmn_pipeline.planning.solver import Segments, cut, solve

ARM_CAPS = "arm_caps"
RATIO_STEPS = 30
RATIO_TOLERANCE = 1e-6


def minimal_conflict(problem: Problem) -> tuple[str, ...]:
    """Leave out one constraint at a time; those whose absence does not help are not part of the conflict."""
    dropped: set[str] = set()
    for name in [ARM_CAPS, *(row.name for row in problem.rows)]:
        if not _feasible(problem, dropped | {name}):
            dropped.add(name)
    return tuple(name for name in [*(row.name for row in problem.rows), ARM_CAPS] if name not in dropped)


def relaxations(problem: Problem, conflict: tuple[str, ...]) -> tuple[Relaxation, ...]:
    """For each constraint of a conflict, the value it would need with all others kept as they are."""
    found = []
    for row in problem.rows:
        if row.name not in conflict:
            continue
        relaxed = _relax_ratio(problem, row) if row.is_ratio else _relax_spend(problem, row)
        if relaxed is not None:
            found.append(relaxed)
    return tuple(found)


def best_ratio(problem: Problem, row: Row) -> float | None:
    """The highest return per dollar (as the ratio row counts it) that the other rows allow; None if they conflict."""
    if row.return_weight is None:
        raise ValueError(f"row '{row.name}' does not look at returns")
    others = problem.without({row.name})
    weight = np.zeros(problem.upper.size)
    weight[row.arms] = row.return_weight
    ratio = 0.0
    for _ in range(RATIO_STEPS):
        solution = solve(others.with_weight(weight, ratio))
        if not solution.feasible:
            return None
        spend = solution.spend
        if spend.sum() <= RATIO_TOLERANCE:
            return ratio
        reached = float((weight * problem.curves.response(spend)).sum() / spend.sum())
        if abs(reached - ratio) <= RATIO_TOLERANCE * max(1.0, reached):
            return reached
        ratio = reached
    return ratio


def _feasible(problem: Problem, without: set[str]) -> bool:
    kept = problem.without(without)
    if ARM_CAPS in without:
        kept = _uncapped(kept)
    return solve(replace(kept, weight=np.zeros(kept.upper.size), spend_charge=0.0)).feasible


def _uncapped(problem: Problem) -> Problem:
    """Room enough on every arm for all floors and the whole budget."""
    room = sum(abs(row.limit) for row in problem.rows if not row.is_ratio)
    return replace(problem, upper=np.maximum(problem.upper, max(room, 1.0)))


def _relax_spend(problem: Problem, row: Row) -> Relaxation | None:
    """Least (or, for a floor, most) spend on the row's arms that everything else allows."""
    others = problem.without({row.name})
    if row.name == "budget":
        others = _uncapped(others)
    pieces = cut(others)
    charge = np.zeros(others.upper.size)
    charge[row.arms] = -row.spend_weight
    steered = Segments(pieces.width, pieces.slope, np.repeat(charge[:, None], pieces.width.shape[1], axis=1))
    solution = solve(replace(others, weight=np.ones(charge.size), spend_charge=0.0), steered)
    if not solution.feasible:
        return None
    needed = float(solution.spend[row.arms].sum())
    asked = abs(row.limit)
    verb = "lowered" if row.spend_weight < 0 else "raised"
    text = f"'{row.name}' would have to be {verb} from ${asked:,.0f} to ${needed:,.0f}"
    return Relaxation(constraint=row.name, asked=asked, needed=needed, unit="usd", text=text)


def _relax_ratio(problem: Problem, row: Row) -> Relaxation | None:
    ratio = best_ratio(problem, row)
    if ratio is None or ratio <= 0:
        return None
    return ratio_relaxation(row, ratio, "with everything else kept")


def ratio_relaxation(row: Row, ratio: float, condition: str) -> Relaxation:
    """Put a reachable return per dollar into the units of the row: a ROAS, or a factor on the cost limit."""
    if row.name == "min_roas":
        text = f"the highest ROAS reachable {condition} is {ratio:.2f}, asked for is {row.spend_weight:.2f}"
        return Relaxation(constraint=row.name, asked=row.spend_weight, needed=ratio, unit="roas", text=text)
    text = f"the cost per conversion reachable {condition} is {1 / ratio:.2f} times the limit asked for"
    return Relaxation(constraint=row.name, asked=1.0, needed=1 / ratio, unit="times the limit", text=text)
