"""`optimize`: the best allocation of a scenario's budget, with its prices, its proof and, if need be, its refusal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmn_pipeline.planning.certificate import certified_gap
from rmn_pipeline.planning.conflict import minimal_conflict, ratio_relaxation, relaxations
from rmn_pipeline.planning.curves import Floats
from rmn_pipeline.planning.layout import PlanHeader, build_plan
from rmn_pipeline.planning.plan import Plan, PlanStatus, Relaxation
from rmn_pipeline.planning.problem import Problem, Row, problem_of
from rmn_pipeline.planning.scenario import Scenario
from rmn_pipeline.planning.solver import Solution, solve

# Below this share of the budget a plan funds nothing worth the name.
NOTHING_SHARE = 1e-3
# Above this share of the budget unspent money is worth a word.
UNSPENT_SHARE = 1e-3
BINDING_DUAL = 1e-7


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


def optimize(scenario: Scenario) -> Plan:
    """Solve a scenario. An impossible one comes back with status `infeasible` and names the conflict."""
    optimum = solve_scenario(scenario, problem_of(scenario))
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


def solve_scenario(scenario: Scenario, problem: Problem) -> Optimum:
    """Solve, certify, and say what held the plan back."""
    solution = solve(problem)
    if not solution.feasible:
        conflict = minimal_conflict(problem)
        return _refusal(problem, conflict, relaxations(problem, conflict))
    blocking = _blocking_ratios(scenario, problem, solution)
    if blocking:
        return _refusal(problem, tuple(row.name for row in blocking), _ratio_relaxations(problem, blocking))
    binding = tuple(row.name for row in problem.rows if solution.duals[row.name] > BINDING_DUAL)
    return Optimum(
        status="optimal",
        spend=solution.spend,
        duals={
            row.name: _in_money(scenario, problem, row, solution)
            for row in problem.rows
            if row.name in binding
        },
        binding=binding,
        certified_gap=certified_gap(problem, solution.spend, solution.duals),
        notes=_unspent_notes(scenario, problem, solution),
    )


def _refusal(problem: Problem, because: tuple[str, ...], ways_out: tuple[Relaxation, ...]) -> Optimum:
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
    return float(solve(problem.without({row.name for row in rows})).spend.sum())


def _ratio_relaxations(problem: Problem, rows: list[Row]) -> tuple[Relaxation, ...]:
    found = []
    for row in rows:
        spent, ratio = _ratio_at_full_spend(problem, row)
        found.append(ratio_relaxation(row, ratio, f"with ${spent:,.0f} spent"))
        found.append(ratio_relaxation(row, _ratio_of_first_dollar(problem, row), "on the very first dollar"))
    return tuple(found)


def _ratio_of_first_dollar(problem: Problem, row: Row) -> float:
    weight = np.ones(row.arms.size) if row.return_weight is None else row.return_weight
    return float((weight * problem.curves.marginal(np.zeros(problem.upper.size))[row.arms]).max())


def _ratio_at_full_spend(problem: Problem, row: Row) -> tuple[float, float]:
    """The most that the budget can be spent, and the best return per dollar it then brings."""
    weight = np.zeros(problem.upper.size)
    weight[row.arms] = row.return_weight if row.return_weight is not None else 0.0
    free = problem.without({other.name for other in problem.rows if other.is_ratio})
    spend = solve(free.with_weight(weight, 0.0)).spend
    return float(spend.sum()), float((weight * problem.curves.response(spend)).sum() / spend.sum())


def _in_money(scenario: Scenario, problem: Problem, row: Row, solution: Solution) -> float:
    """The row's price as dollars of objective per unit that a person would change (dollar, ROAS point, CPA dollar)."""
    dual = solution.duals[row.name]
    if row.name == "min_roas":
        return dual * float(solution.spend.sum())
    if row.return_weight is not None and scenario.max_cpa is not None:
        # The row's weight is limit × conversions per revenue dollar: one dollar of limit frees the conversions.
        returns = problem.curves.response(solution.spend)[row.arms]
        return dual * float((row.return_weight * returns).sum()) / scenario.max_cpa
    return dual


def _unspent_notes(scenario: Scenario, problem: Problem, solution: Solution) -> tuple[str, ...]:
    unspent = scenario.budget_usd - float(solution.spend.sum())
    if unspent <= UNSPENT_SHARE * scenario.budget_usd:
        return ()
    holding = [row.name for row in problem.rows if solution.duals[row.name] > BINDING_DUAL]
    reason = (
        f"held back by {', '.join(holding)}"
        if holding
        else "every arm is at its spend limit or earns nothing"
    )
    notes = [f"${unspent:,.0f} of the budget stays unspent: {reason}"]
    for row in problem.rows:
        if row.name == "min_roas" and row.name in holding:
            spent, ratio = _ratio_at_full_spend(problem, row)
            notes.append(ratio_relaxation(row, ratio, f"with ${spent:,.0f} spent").text)
    return tuple(notes)
