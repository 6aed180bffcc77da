"""`optimize`: the best allocation of a scenario's budget, with its prices, its proof and, if need be, its refusal."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rmn_pipeline.planning.certificate import certified_gap, worth_and_price
from rmn_pipeline.planning.conflict import minimal_conflict, ratio_relaxation, relaxations
from rmn_pipeline.planning.curves import Floats
from rmn_pipeline.planning.elastic import joint_relaxation
from rmn_pipeline.planning.integer import solve_choices
from rmn_pipeline.planning.layout import PlanHeader, build_plan
from rmn_pipeline.planning.plan import Plan, PlanStatus, Relaxation
from rmn_pipeline.planning.problem import Problem, Row, problem_of
from rmn_pipeline.planning.program import Effort
from rmn_pipeline.planning.scenario import Scenario
from rmn_pipeline.planning.solver import Solution, solve

# Below this share of the budget a plan funds nothing worth the name.
NOTHING_SHARE = 1e-3
# Above this share of the budget unspent money is worth a word.
UNSPENT_SHARE = 1e-3
BINDING_DUAL = 1e-7
# Prices of floors of single arms: so many of the dearest are reported.
REPORTED_ARM_FLOORS = 20
COVER_NOTE = (
    "days of cover: expected incremental units are held by a straight line above the curves, so cover is kept, "
    "and the proof is of the best plan within that line"
)


@dataclass(frozen=True)
class Optimum:
    """The solved scenario: spend per arm over the horizon and everything that explains it."""

    status: PlanStatus
    spend: Floats
    duals: dict[str, float]
    binding: tuple[str, ...]
    infeasible_because: tuple[str, ...] = ()
    relaxations: tuple[Relaxation, ...] = ()
    certified_gap: float | None = None
    notes: tuple[str, ...] = ()


def optimize(scenario: Scenario, effort: Effort | None = None) -> Plan:
    """Solve a scenario. An impossible one comes back with status `infeasible` and names the conflict.

    `effort` says how long a search over SKU choices may take and at which gap it stops.
    """
    optimum = solve_scenario(scenario, problem_of(scenario), effort)
    header = PlanHeader(
        mode="scenario",
        status=optimum.status,
        duals=optimum.duals,
        binding=optimum.binding,
        infeasible_because=optimum.infeasible_because,
        relaxations=optimum.relaxations,
        certified_gap=optimum.certified_gap,
        notes=optimum.notes,
    )
    return build_plan(scenario, optimum.spend, header)


def solve_scenario(scenario: Scenario, problem: Problem, effort: Effort | None = None) -> Optimum:
    """Solve, certify, and say what held the plan back."""
    placed, solution, gap, notes = _solved(problem, effort)
    if not solution.feasible:
        conflict = minimal_conflict(problem, scenario.table.name)
        return refusal(problem, conflict, relaxations(problem, conflict) or joint_relaxation(problem))
    blocking = _blocking_ratios(scenario, problem, solution)
    if blocking:
        return refusal(problem, tuple(row.name for row in blocking), _ratio_relaxations(problem, blocking))
    duals = priced_in_money(placed, solution)
    duals.update(_floor_prices(scenario, placed, solution))
    cover = (COVER_NOTE,) if any(row.unit == "units" for row in problem.rows) else ()
    return Optimum(
        status="optimal",
        spend=solution.spend,
        duals=duals,
        binding=tuple(duals),
        certified_gap=gap,
        notes=(*notes, *cover, *_unspent_notes(scenario, placed, solution)),
    )


def priced_in_money(problem: Problem, solution: Solution) -> dict[str, float]:
    """What one more unit of each binding row would earn: a dollar, a ROAS point, a dollar per conversion, a unit."""
    return {
        row.name: _in_money(problem, row, solution)
        for row in problem.rows
        if solution.duals[row.name] > BINDING_DUAL
    }


def _solved(
    problem: Problem, effort: Effort | None
) -> tuple[Problem, Solution, float | None, tuple[str, ...]]:
    """The solution, the continuous problem that its prices belong to, what is proved, and what to say about it."""
    if problem.choices:
        chosen = solve_choices(problem, effort)
        return chosen.problem, chosen.solution, chosen.certified_gap, chosen.notes
    solution = solve(problem, effort=effort)
    gap = certified_gap(problem, solution.spend, solution.duals) if solution.feasible else None
    return problem, solution, gap, ()


def _floor_prices(scenario: Scenario, problem: Problem, solution: Solution) -> dict[str, float]:
    """What a dollar less of an arm's own floor would earn elsewhere, for the floors that cost most."""
    at_floor = np.flatnonzero((problem.lower > 0) & (solution.spend <= problem.lower * (1 + 1e-9)))
    if at_floor.size == 0:
        return {}
    weight, price = worth_and_price(problem, solution.duals)
    lost = (price - weight * problem.curves.marginal(solution.spend))[at_floor]
    dearest = np.argsort(-lost)[:REPORTED_ARM_FLOORS]
    return {
        f"arm_floor:{scenario.table.name(int(at_floor[index]))}": float(lost[index])
        for index in dearest
        if lost[index] > BINDING_DUAL
    }


def refusal(problem: Problem, because: tuple[str, ...], ways_out: tuple[Relaxation, ...]) -> Optimum:
    """No plan, the constraints that contradict one another, and what would mend it."""
    nothing = np.zeros(problem.upper.size)
    notes = tuple(way.text for way in ways_out)
    return Optimum("infeasible", nothing, {}, (), because, ways_out, None, notes)


def _blocking_ratios(scenario: Scenario, problem: Problem, solution: Solution) -> list[Row]:
    """Ratio rows so strict that the best plan is to spend nothing, although without them money would be spent."""
    ratios = [row for row in problem.rows if row.is_ratio]
    if not ratios or solution.spend.sum() > NOTHING_SHARE * scenario.budget_usd:
        return []
    if _spend_without(problem, ratios) <= NOTHING_SHARE * scenario.budget_usd:
        return []
    alone = [row for row in ratios if _spend_without(problem, [row]) > NOTHING_SHARE * scenario.budget_usd]
    return alone[:1] or ratios


def _spend_without(problem: Problem, rows: list[Row]) -> float:
    free = replace(problem.without({row.name for row in rows}), choices=())
    return float(solve(free).spend.sum())


def _ratio_relaxations(problem: Problem, rows: list[Row]) -> tuple[Relaxation, ...]:
    found = []
    for row in rows:
        spent, ratio = _ratio_at_full_spend(problem, row)
        if spent > 0:
            found.append(ratio_relaxation(row, ratio, f"with ${spent:,.0f} spent"))
        first = _ratio_of_first_dollar(problem, row)
        if first > 0:
            found.append(ratio_relaxation(row, first, "on the very first dollar"))
    return tuple(found)


def _ratio_of_first_dollar(problem: Problem, row: Row) -> float:
    weight = np.ones(row.arms.size) if row.return_weight is None else row.return_weight
    return float((weight * problem.curves.marginal(np.zeros(problem.upper.size))[row.arms]).max())


def _ratio_at_full_spend(problem: Problem, row: Row) -> tuple[float, float]:
    """The most that the row's arms can take, and the best return per dollar it then brings."""
    weight = np.zeros(problem.upper.size)
    weight[row.arms] = row.return_weight if row.return_weight is not None else 0.0
    free = problem.without({other.name for other in problem.rows if other.is_ratio})
    spend = solve(replace(free.with_weight(weight, 0.0), choices=())).spend
    spent = float(spend[row.arms].sum())
    returned = float((weight * problem.curves.response(spend)).sum())
    return spent, returned / spent if spent > 0 else 0.0


def _in_money(problem: Problem, row: Row, solution: Solution) -> float:
    """The row's price as dollars of objective per unit that a person would change (dollar, ROAS point, CPA dollar)."""
    dual = solution.duals[row.name]
    if row.unit == "roas":
        return dual * float(solution.spend[row.arms].sum())
    if row.return_weight is not None:
        # The row's weight is limit × conversions per revenue dollar: one dollar of limit frees the conversions.
        returns = problem.curves.response(solution.spend)[row.arms]
        return dual * float((row.return_weight * returns).sum()) / row.asked
    return dual


def _unspent_notes(scenario: Scenario, problem: Problem, solution: Solution) -> tuple[str, ...]:
    unspent = scenario.budget_usd - float(solution.spend.sum())
    if unspent <= UNSPENT_SHARE * scenario.budget_usd:
        return ()
    holding = [row.name for row in problem.rows if solution.duals.get(row.name, 0.0) > BINDING_DUAL]
    reason = (
        f"held back by {', '.join(holding)}"
        if holding
        else "every arm is at its spend limit or earns nothing"
    )
    notes = [f"${unspent:,.0f} of the budget stays unspent: {reason}"]
    for row in problem.rows:
        # What a node could reach is a question of its own; for the whole plan it is asked at once.
        if row.is_ratio and row.name in holding and row.arms.size == problem.upper.size:
            spent, ratio = _ratio_at_full_spend(problem, row)
            if spent <= 0 or ratio <= 0:
                continue
            notes.append(ratio_relaxation(row, ratio, f"with ${spent:,.0f} spent").text)
    return tuple(notes)
