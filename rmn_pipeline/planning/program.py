"""A mixed-integer linear program as arrays, solved by HiGHS: through PuLP, or directly where the program is large.

PuLP makes a Python object of every variable, which costs more than the solving from some ten thousands on; HiGHS takes
the arrays as they are. Both ways get the same arrays and give the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import highspy
import numpy as np
import pulp
from scipy import sparse

from rmn_pipeline.planning.curves import Booleans, Floats
from rmn_pipeline.planning.errors import PlanError

Backend = Literal["pulp", "highs"]
# Above this many variables the program goes to HiGHS without PuLP in between.
DIRECT_ABOVE_VARIABLES = 50_000


@dataclass(frozen=True)
class Program:
    """Maximise gain·v subject to matrix·v ≤ limit, lower ≤ v ≤ upper, and whole numbers where `integer`."""

    gain: Floats
    lower: Floats
    upper: Floats
    matrix: sparse.csr_matrix
    limit: Floats
    integer: Booleans | None = None


@dataclass(frozen=True)
class Effort:
    """When to stop a mixed-integer search, and which way to solve; no backend means by size."""

    relative_gap: float = 1e-4
    time_limit_s: float = 60.0
    backend: Backend | None = None


@dataclass(frozen=True)
class Answer:
    """A solved program: values and row prices (none in a mixed-integer program), and a bound on what is attainable."""

    feasible: bool
    values: Floats
    prices: Floats
    value: float
    bound: float


def solve_program(program: Program, effort: Effort | None = None) -> Answer:
    """Solve a program. Raises `PlanError` when the solver stops without an answer."""
    how = effort or Effort()
    by_size: Backend = "highs" if program.gain.size > DIRECT_ABOVE_VARIABLES else "pulp"
    return {"pulp": _through_pulp, "highs": _directly}[how.backend or by_size](program, how)


def _through_pulp(program: Program, effort: Effort) -> Answer:
    model = pulp.LpProblem("plan", pulp.LpMaximize)
    kinds = [pulp.LpContinuous] * program.gain.size
    if program.integer is not None:
        kinds = [pulp.LpInteger if whole else pulp.LpContinuous for whole in program.integer.tolist()]
    names = [
        model.add_variable(f"v{index}", _finite(low), _finite(high), kind)
        for index, (low, high, kind) in enumerate(
            zip(program.lower.tolist(), program.upper.tolist(), kinds, strict=True)
        )
    ]
    model.setObjective(pulp.LpAffineExpression(zip(names, program.gain.tolist(), strict=True)))
    constraints = []
    matrix = program.matrix
    for row, limit in enumerate(program.limit.tolist()):
        held = slice(matrix.indptr[row], matrix.indptr[row + 1])
        terms = zip(
            [names[column] for column in matrix.indices[held].tolist()],
            matrix.data[held].tolist(),
            strict=True,
        )
        constraint = pulp.LpAffineExpression(terms) <= limit
        model.addConstraint(constraint, f"r{row}")
        constraints.append(constraint)
    solver = pulp.HiGHS(msg=False, threads=1, gapRel=effort.relative_gap, timeLimit=_limit(program, effort))
    model.solve(solver)
    engine = model.solverModel
    if not _has_plan(engine):
        return _nothing(program)
    values = np.array([name.varValue for name in names], dtype=np.float64)
    prices = np.array([abs(float(constraint.pi or 0.0)) for constraint in constraints])
    return _answer(program, values, prices, -engine.getInfo().mip_dual_bound)


def _directly(program: Program, effort: Effort) -> Answer:
    engine = highspy.Highs()
    engine.setOptionValue("output_flag", False)
    engine.setOptionValue("threads", 1)
    engine.setOptionValue("mip_rel_gap", effort.relative_gap)
    limit = _limit(program, effort)
    if limit is not None:
        engine.setOptionValue("time_limit", limit)
    engine.passModel(_model(program))
    engine.run()
    if not _has_plan(engine):
        return _nothing(program)
    solution = engine.getSolution()
    prices = np.abs(np.array(solution.row_dual, dtype=np.float64))
    if prices.size != program.limit.size:
        prices = np.zeros(program.limit.size)
    return _answer(program, np.array(solution.col_value), prices, engine.getInfo().mip_dual_bound)


def _model(program: Program) -> highspy.HighsLp:
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = program.gain.size, program.limit.size
    model.col_cost_, model.sense_ = program.gain, highspy.ObjSense.kMaximize
    model.col_lower_, model.col_upper_ = program.lower, program.upper
    model.row_lower_ = np.full(program.limit.size, -highspy.kHighsInf)
    model.row_upper_ = program.limit
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.num_col_, model.a_matrix_.num_row_ = program.gain.size, program.limit.size
    model.a_matrix_.start_ = program.matrix.indptr
    model.a_matrix_.index_ = program.matrix.indices
    model.a_matrix_.value_ = program.matrix.data
    if program.integer is not None:
        whole, any_number = highspy.HighsVarType.kInteger, highspy.HighsVarType.kContinuous
        model.integrality_ = [whole if flag else any_number for flag in program.integer.tolist()]
    return model


def _has_plan(engine: highspy.Highs) -> bool:
    """Whether there is a plan; contradicting rows are an answer, everything else without a plan is an error."""
    status = engine.getModelStatus()
    if status in (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kUnboundedOrInfeasible):
        return False
    known = highspy.SolutionStatus.kSolutionStatusFeasible
    stopped = status in (highspy.HighsModelStatus.kTimeLimit, highspy.HighsModelStatus.kIterationLimit)
    feasible = engine.getInfo().primal_solution_status == known
    if status == highspy.HighsModelStatus.kOptimal or (stopped and feasible):
        return True
    raise PlanError(f"the solver stopped without an answer: {engine.modelStatusToString(status)}")


def _answer(program: Program, values: Floats, prices: Floats, bound: float) -> Answer:
    value = float(program.gain @ values)
    whole = program.integer is not None and bool(program.integer.any())
    return Answer(True, values, prices, value, float(bound) if whole else value)


def _nothing(program: Program) -> Answer:
    return Answer(False, np.zeros(program.gain.size), np.zeros(program.limit.size), 0.0, 0.0)


def _limit(program: Program, effort: Effort) -> float | None:
    """Only searches are cut short: a linear program's half-way point would be no plan at all."""
    return effort.time_limit_s if program.integer is not None and program.integer.any() else None


def _finite(bound: float) -> float | None:
    return bound if np.isfinite(bound) else None
