"""Placements that are sold as packages: each arm takes one of a few spend levels, chosen by mixed-integer search.

This is the multiple-choice multi-dimensional knapsack: one item per group, several resources. The curves are read at
the levels only, so there are no straight pieces and the search's bound is the whole proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import sparse

from rmn_pipeline.planning.certificate import gap_to
from rmn_pipeline.planning.curves import Floats
from rmn_pipeline.planning.errors import PlanError
from rmn_pipeline.planning.layout import PlanHeader, build_plan
from rmn_pipeline.planning.observations import Integers
from rmn_pipeline.planning.plan import Plan
from rmn_pipeline.planning.problem import Problem, problem_of
from rmn_pipeline.planning.program import Effort, Program, solve_program
from rmn_pipeline.planning.scenario import Scenario


@dataclass(frozen=True)
class Picked:
    """The item taken in each group, what they are worth together, and what no choice can exceed."""

    feasible: bool
    items: Integers
    value: float
    bound: float


def pick_one_per_group(
    values: Sequence[Floats], uses: Sequence[Floats], capacity: Floats, effort: Effort | None = None
) -> Picked:
    """Exactly one item per group, the most value within every capacity; `uses` are items × resources per group."""
    sizes = np.array([value.size for value in values])
    groups, items = sizes.size, int(sizes.sum())
    member = sparse.csr_matrix((np.ones(items), (np.repeat(np.arange(groups), sizes), np.arange(items))))
    resources = sparse.csr_matrix(np.concatenate(uses, axis=0).T)
    program = Program(
        gain=np.concatenate(values),
        lower=np.zeros(items),
        upper=np.ones(items),
        matrix=sparse.csr_matrix(sparse.vstack([resources, member, -member])),
        limit=np.concatenate([capacity, np.ones(groups), -np.ones(groups)]),
        integer=np.ones(items, dtype=np.bool_),
    )
    answer = solve_program(program, effort)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    picked = [int(answer.values[low:high].argmax()) for low, high in pairwise(starts)]
    return Picked(answer.feasible, np.array(picked), answer.value, answer.bound)


def optimize_packages(
    scenario: Scenario, spend_levels: Sequence[Sequence[float]], effort: Effort | None = None
) -> Plan:
    """Plan where each arm's spend over the horizon must be one of its levels (0 must be listed to leave an arm out).

    Levels outside an arm's floor and cap are left out; every row of the scenario holds exactly. Raises `PlanError`
    when an arm is left without a level, and for scenarios with SKU choices.
    """
    problem = problem_of(scenario)
    if problem.choices or len(spend_levels) != len(scenario.table):
        raise PlanError(
            "packages need one list of spend levels per arm, and cannot be combined with SKU choices"
        )
    levels = [_allowed(problem, scenario, index, each) for index, each in enumerate(spend_levels)]
    values, uses = _at_levels(problem, levels)
    picked = pick_one_per_group(values, uses, np.array([row.limit for row in problem.rows]), effort)
    if not picked.feasible:
        return build_plan(
            scenario,
            np.zeros(len(levels)),
            PlanHeader(
                mode="scenario",
                status="infeasible",
                infeasible_because=tuple(row.name for row in problem.rows),
                notes=("no combination of the spend levels meets all limits at once",),
            ),
        )
    spend = np.array([each[item] for each, item in zip(levels, picked.items, strict=True)])
    header = PlanHeader(mode="scenario", status="optimal", certified_gap=gap_to(picked.bound, picked.value))
    return build_plan(scenario, spend, header)


def _allowed(problem: Problem, scenario: Scenario, index: int, levels: Sequence[float]) -> Floats:
    offered = np.unique(np.asarray(levels, dtype=np.float64))
    allowed = offered[(offered >= problem.lower[index]) & (offered <= problem.upper[index])]
    if allowed.size == 0:
        raise PlanError(
            f"arm {scenario.table[index].key} has no spend level between its floor {problem.lower[index]:,.2f} "
            f"and its cap {problem.upper[index]:,.2f}; offered are {offered.tolist()}"
        )
    return allowed


def _at_levels(problem: Problem, levels: list[Floats]) -> tuple[list[Floats], list[Floats]]:
    """Per arm: what each level is worth, and what it uses of each row."""
    most = max(each.size for each in levels)
    padded = np.array([np.pad(each, (0, most - each.size), mode="edge") for each in levels])
    returns = problem.curves.response(padded)
    charge = np.zeros(problem.upper.size) + problem.spend_charge
    worth = problem.weight[:, None] * returns - charge[:, None] * padded
    used = np.zeros((len(problem.rows), *padded.shape))
    for index, row in enumerate(problem.rows):
        weight = np.broadcast_to(np.asarray(row.spend_weight, dtype=np.float64), row.arms.shape)
        used[index, row.arms] = weight[:, None] * padded[row.arms]
        if row.return_weight is not None:
            used[index, row.arms] -= row.return_weight[:, None] * returns[row.arms]
    return (
        [worth[arm, : each.size] for arm, each in enumerate(levels)],
        [used[:, arm, : each.size].T for arm, each in enumerate(levels)],
    )
