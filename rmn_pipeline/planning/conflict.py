"""Why a scenario cannot be met: a minimal set of constraints that contradict one another, and what would mend it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from rmn_pipeline.planning.plan import Relaxation
from rmn_pipeline.planning.prices import dual_prices
from rmn_pipeline.planning.problem import Choice, Problem, Row
from rmn_pipeline.planning.program import DIRECT_ABOVE_VARIABLES
from rmn_pipeline.planning.solver import Solution, cut, is_feasible, solve

ARM_CAPS = "arm_caps"
ARM_FLOORS = "arm_floors"
RATIO_STEPS = 30
RATIO_TOLERANCE = 1e-6
# Up to this many floors of single arms are tried one by one to name those that matter.
NAMED_FLOORS = 50
# Above this many rows the dual names the suspects, so that only those are tried one by one.
SUSPECTS_ABOVE_ROWS = 25
SUSPICIOUS_SHARE = 1e-9
FEWEST_SEGMENTS = 4


def minimal_conflict(problem: Problem, arm_name: Callable[[int], str] = str) -> tuple[str, ...]:
    """Leave out one constraint at a time; those whose absence does not help are not part of the conflict.

    Caps and floors of single arms count as one constraint each (`arm_caps`, `arm_floors`); few floors are named.
    """
    every = [*(row.name for row in problem.rows), *(choice.name for choice in problem.choices)]
    suspects = _suspects(problem) if len(every) > SUSPECTS_ABOVE_ROWS else set(every)
    dropped = set(every) - suspects
    for name in [ARM_CAPS, ARM_FLOORS, *(name for name in every if name in suspects)]:
        if not _feasible(problem, dropped | {name}):
            dropped.add(name)
    floors = () if ARM_FLOORS in dropped else _floors(problem, dropped, arm_name)
    caps = () if ARM_CAPS in dropped else (ARM_CAPS,)
    return (*(name for name in every if name not in dropped), *floors, *caps)


def relaxations(problem: Problem, conflict: tuple[str, ...]) -> tuple[Relaxation, ...]:
    """For each constraint of a conflict, the value it would need with all others kept; the smallest change first."""
    found = [
        _relax_ratio(problem, row) if row.is_ratio else _relax_spend(problem, row)
        for row in problem.rows
        if row.name in conflict
    ]
    found.extend(_relax_choice(problem, choice) for choice in problem.choices if choice.name in conflict)
    ways = [way for way in found if way is not None]
    return tuple(sorted(ways, key=lambda way: abs(way.needed - way.asked) / max(abs(way.asked), 1e-9)))


def best_ratio(problem: Problem, row: Row) -> float | None:
    """The highest return per dollar (as the ratio row counts it) that the other rows allow; None if they conflict."""
    if row.return_weight is None:
        raise ValueError(f"row '{row.name}' does not look at returns")
    others = problem.without({row.name})
    weight, inside = np.zeros(problem.upper.size), np.zeros(problem.upper.size)
    weight[row.arms], inside[row.arms] = row.return_weight, 1.0
    ratio = 0.0
    for _ in range(RATIO_STEPS):
        solution = _on_pieces(others.with_weight(weight, ratio * inside))
        if not solution.feasible:
            return None
        spent = float(solution.spend[row.arms].sum())
        if spent <= RATIO_TOLERANCE:
            return ratio
        # Returns on the straight pieces: what the planner itself will accept when the limit is set to this ratio.
        reached = (solution.value + ratio * spent) / spent
        if abs(reached - ratio) <= RATIO_TOLERANCE * max(1.0, reached):
            return reached
        ratio = reached
    return ratio


def ratio_relaxation(row: Row, ratio: float, condition: str) -> Relaxation:
    """Put a reachable return per dollar into the units of the row: a ROAS, or a cost per conversion."""
    if row.unit == "roas":
        text = f"the highest ROAS reachable {condition} is {ratio:.2f}, asked for is {row.asked:.2f}"
        return Relaxation(constraint=row.name, asked=row.asked, needed=ratio, unit="roas", text=text)
    needed = row.asked / ratio
    text = f"the lowest cost per conversion reachable {condition} is ${needed:,.2f}, asked for is ${row.asked:,.2f}"
    return Relaxation(
        constraint=row.name, asked=row.asked, needed=needed, unit="usd_per_conversion", text=text
    )


def _suspects(problem: Problem) -> set[str]:
    """Rows that carry the proof of the contradiction: their prices grow without end, the others' do not."""
    every = {row.name for row in problem.rows} | {choice.name for choice in problem.choices}
    prices = dual_prices(replace(problem, choices=()))
    largest = max(prices.values())
    named = {name for name, price in prices.items() if price > SUSPICIOUS_SHARE * largest}
    named |= {choice.name for choice in problem.choices}
    return every if _feasible(problem, every - named) else named


def _feasible(problem: Problem, without: set[str]) -> bool:
    kept = problem.without(without)
    if ARM_FLOORS in without:
        kept = replace(kept, lower=np.zeros(kept.lower.size))
    if ARM_CAPS in without:
        kept = _uncapped(kept)
    return is_feasible(kept)


def _uncapped(problem: Problem) -> Problem:
    """Room enough on every arm for all floors and the whole budget."""
    room = sum(abs(row.limit) for row in problem.rows if row.unit == "usd") + float(problem.lower.sum())
    return replace(problem, upper=np.maximum(problem.upper, max(room, 1.0)))


def _floors(problem: Problem, dropped: set[str], arm_name: Callable[[int], str]) -> tuple[str, ...]:
    """The floors of single arms that are part of the conflict, by name where they are few."""
    floored = np.flatnonzero(problem.lower > 0)
    if floored.size > NAMED_FLOORS:
        return (ARM_FLOORS,)
    lower = problem.lower.copy()
    needed = []
    for arm in floored.tolist():
        kept = lower[arm]
        lower[arm] = 0.0
        if _feasible(replace(problem, lower=lower.copy()), dropped):
            lower[arm] = kept
            needed.append(f"arm_floor:{arm_name(arm)}")
    return tuple(needed)


def _relax_spend(problem: Problem, row: Row) -> Relaxation | None:
    """Least (or, for a floor, most) of what the row counts that everything else allows."""
    others = problem.without({row.name})
    if row.name == "budget":
        others = _uncapped_by(others, row.limit)
    charge = np.zeros(others.upper.size)
    charge[row.arms] = row.spend_weight
    solution = _on_pieces(others.with_weight(np.zeros(charge.size), charge))
    if not solution.feasible:
        return None
    excess = problem.excess(row, solution.spend)
    needed = row.asked - excess if row.is_floor else row.asked + excess
    verb, unit = ("lowered" if row.is_floor else "raised"), ("$" if row.unit == "usd" else "")
    text = f"'{row.name}' would have to be {verb} from {unit}{row.asked:,.0f} to {unit}{needed:,.0f}"
    return Relaxation(constraint=row.name, asked=row.asked, needed=needed, unit=row.unit, text=text)


def _uncapped_by(problem: Problem, budget: float) -> Problem:
    """Without a budget, arms that had no cap but the budget have room for every floor."""
    floors = sum(abs(row.limit) for row in problem.rows if row.is_floor) + float(problem.lower.sum())
    room = max(budget, floors)
    return replace(problem, upper=np.where(problem.upper >= budget, room, problem.upper))


def _relax_ratio(problem: Problem, row: Row) -> Relaxation | None:
    ratio = best_ratio(problem, row)
    if ratio is None or ratio <= 0:
        return None
    return ratio_relaxation(row, ratio * (1.0 - RATIO_TOLERANCE), "with everything else kept")


def _relax_choice(problem: Problem, choice: Choice) -> Relaxation | None:
    """The fewest SKUs that would have to be in."""
    if choice.max_groups is None:
        return None
    freed = replace(choice, max_groups=len(choice.groups))
    for count in range(choice.max_groups + 1, len(choice.groups) + 1):
        freed = replace(choice, max_groups=count)
        kept = tuple(freed if other is choice else other for other in problem.choices)
        if is_feasible(replace(problem, choices=kept)):
            text = f"'{choice.name}' would have to allow {count} SKUs instead of {choice.max_groups}"
            return Relaxation(
                constraint=choice.name, asked=choice.max_groups, needed=count, unit="skus", text=text
            )
    return None


def _on_pieces(problem: Problem) -> Solution:
    """The whole curves in pieces, in fewer of them for many arms: what they allow, the curves allow all the more."""
    curved = any(row.is_ratio for row in problem.rows) or bool(problem.weight.any())
    most = max(FEWEST_SEGMENTS, DIRECT_ABOVE_VARIABLES // problem.upper.size)
    return solve(problem, cut(problem, segments=min(problem.segments, most) if curved else 1))
