"""The best spend of a problem, by whichever way is exact and fast for its shape.

- One budget and boxes: bisection on the budget's price, exact without any straight pieces.
- Anything else: the curves are cut into straight pieces inscribed in them, and HiGHS solves the (mixed-integer) linear
  program; concave curves fill their pieces in order by themselves.
- Before that, a small program looks only around the spends that the dual's prices point at, which is both faster and
  finer; if it leaves more than `GUIDED_GAP` unproved, the whole curves are taken after all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import sparse

from rmn_pipeline.planning.certificate import (
    best_within,
    certified_gap,
    least_value,
    upper_bound,
    worth_and_price,
)
from rmn_pipeline.planning.curves import Booleans, ConcaveCurves, Floats, segment_slopes
from rmn_pipeline.planning.observations import Integers
from rmn_pipeline.planning.prices import dual_prices, is_one_budget, water_level
from rmn_pipeline.planning.problem import Choice, Problem, Row
from rmn_pipeline.planning.program import Answer, Effort, Program, solve_program

Method = Literal["bisection", "guided", "pieces"]
GUIDED_GAP = 1e-4
# How far around the dual's prices the small program looks, in shares of the price, in how many pieces, and for how
# many arms under the same rows: a few arms absorb the last dollars, all of them only if that fails.
GUIDED_REACHES = ((0.02, 4, 30), (0.3, 10, None))
# Rounding may put a bound below what every plan is worth by so much without any contradiction.
PROOF_MARGIN = 1e-6
# The dual's Newton steps solve a dense system of the rows.
GUIDED_ROWS = 400


@dataclass(frozen=True)
class Solution:
    """Spend per arm and the price of every row, or no spend at all when the rows contradict one another.

    `value` is the objective as the straight pieces count it, `bound` what no plan on the same pieces can exceed.
    `duals` are all zero in a mixed-integer program, where prices have no meaning.
    """

    feasible: bool
    spend: Floats
    duals: dict[str, float]
    value: float = 0.0
    bound: float = 0.0


@dataclass(frozen=True)
class Segments:
    """Each arm's spend from `base` on, cut into pieces: width, and return per dollar.

    `slope` is of the curve that the rows are judged by, `objective_slope` of the one that is maximised.
    """

    base: Floats
    width: Floats
    slope: Floats
    objective_slope: Floats


def cut(
    problem: Problem, objective_curves: ConcaveCurves | None = None, segments: int | None = None
) -> Segments:
    """Cut the curves. Posterior draws come as `objective_curves`: the rows still hold on the expected curves."""
    guide = objective_curves or problem.curves
    return cut_at(
        problem, guide.breakpoints(problem.lower, problem.upper, segments or problem.segments), guide
    )


def cut_at(problem: Problem, points: Floats, objective_curves: ConcaveCurves | None = None) -> Segments:
    """Cut the curves at given points (arms × columns)."""
    slope = segment_slopes(problem.curves, points)
    same = objective_curves is None or objective_curves is problem.curves
    guided = slope if same else segment_slopes(objective_curves or problem.curves, points)
    return Segments(points[:, 0], np.diff(points, axis=1), slope, guided)


def solve(
    problem: Problem,
    pieces: Segments | None = None,
    effort: Effort | None = None,
    method: Method | None = None,
) -> Solution:
    """The best spend; `pieces` asks for these straight pieces, `method` for one of the ways."""
    if (problem.lower > problem.upper).any():
        return _infeasible(problem)
    way = method or ("pieces" if pieces is not None else _way(problem))
    if way == "bisection":
        return _by_bisection(problem)
    found = _guided(problem, effort) if way == "guided" else None
    return found or _by_pieces(problem, pieces or cut(problem), effort)


def is_feasible(problem: Problem) -> bool:
    """Whether any spend meets all rows, choices and boxes."""
    if problem.choices or (problem.lower > problem.upper).any():
        return solve(problem.with_weight(np.zeros(problem.upper.size), 0.0)).feasible
    found = _guided(problem, None, gap_allowed=np.inf)
    return (found or _by_pieces(problem, cut(problem), None)).feasible


def solve_for_draw(problem: Problem, drawn: ConcaveCurves, segments: int) -> Solution:
    """The best spend if `drawn` were the curves, while the rows still hold on the expected curves."""
    if any(row.is_ratio for row in problem.rows) or problem.choices:
        return solve(problem, cut(problem, drawn, segments))
    return solve(replace(problem, curves=drawn, segments=segments))


def _way(problem: Problem) -> Method:
    if is_one_budget(problem):
        return "bisection"
    return "pieces" if problem.choices else "guided"


def _infeasible(problem: Problem) -> Solution:
    return Solution(False, np.zeros(problem.upper.size), {})


def _by_bisection(problem: Problem) -> Solution:
    level = water_level(problem)
    if level is None:
        return _infeasible(problem)
    spend, price = level
    value = problem.value(spend)
    return Solution(True, spend, {problem.rows[0].name: price}, value, value)


def _guided(problem: Problem, effort: Effort | None, gap_allowed: float = GUIDED_GAP) -> Solution | None:
    """Solve on pieces around the spends that the dual's prices point at; None when that proves too little."""
    if not 0 < len(problem.rows) <= GUIDED_ROWS:
        return None
    prices = dual_prices(problem)
    if upper_bound(problem, prices) < (least := least_value(problem)) - PROOF_MARGIN * (1.0 + abs(least)):
        return _infeasible(problem)
    weight, price = worth_and_price(problem, prices)
    centre = best_within(problem, weight, price)
    for reach, count, arms in GUIDED_REACHES:
        factors = np.linspace(1.0 + reach, 1.0 - reach, count + 1)
        points = np.stack([best_within(problem, weight, price * factor) for factor in factors], axis=1)
        if arms is not None:
            still = ~_most_answering(problem, points[:, -1] - points[:, 0], arms)
            points[still] = centre[still, None]
        found = _by_pieces(problem, cut_at(problem, np.maximum.accumulate(points, axis=1)), effort)
        if not found.feasible:
            continue
        tightest = min(found.duals, prices, key=lambda duals: upper_bound(problem, duals))
        gap = certified_gap(problem, found.spend, tightest)
        if (gap or 0.0) <= gap_allowed:
            return replace(found, duals=tightest)
    return None


def _most_answering(problem: Problem, answer: Floats, count: int) -> Booleans:
    """Of the arms under the same rows, those whose spend moves most with the price."""
    sign = np.random.default_rng(0).standard_normal(len(problem.rows))
    under = np.zeros(problem.upper.size)
    for row, part in zip(problem.rows, sign, strict=True):
        under[row.arms] += part
    order = np.lexsort((-answer, under))
    starts = np.flatnonzero(np.diff(under[order], prepend=np.nan) != 0)
    rank = np.arange(order.size) - np.repeat(starts, np.diff(np.append(starts, order.size)))
    chosen = np.zeros(problem.upper.size, dtype=np.bool_)
    chosen[order[rank < count]] = True
    return chosen


def _by_pieces(problem: Problem, pieces: Segments, effort: Effort | None) -> Solution:
    answer = solve_program(program_of(problem, pieces), effort)
    return _solution(problem, pieces, answer) if answer.feasible else _infeasible(problem)


def _kept(pieces: Segments) -> Integers:
    """Pieces without width need no variable."""
    return np.flatnonzero(pieces.width.ravel() > 0)


def spend_of(pieces: Segments, values: Floats) -> Floats:
    """Spend per arm from a program's values, of which the first belong to the pieces."""
    kept = _kept(pieces)
    filled = np.zeros(pieces.width.size)
    filled[kept] = values[: kept.size]
    return pieces.base + filled.reshape(pieces.width.shape).sum(axis=1)


def _solution(problem: Problem, pieces: Segments, answer: Answer) -> Solution:
    spend = spend_of(pieces, answer.values)
    rows = len(problem.rows)
    prices = dict(zip((row.name for row in problem.rows), answer.prices[:rows].tolist(), strict=True))
    start = problem.value(pieces.base)
    spend = np.clip(spend, problem.lower, problem.upper)
    return Solution(True, spend, prices, start + answer.value, start + answer.bound)


def program_of(problem: Problem, pieces: Segments) -> Program:
    """Rows first, then those of the choices; columns are the pieces that have a width, then an in-or-out per group."""
    kept = _kept(pieces)
    charge = np.zeros(problem.upper.size) + problem.spend_charge
    gain = (problem.weight[:, None] * pieces.objective_slope - charge[:, None]).ravel()[kept]
    binaries = sum(len(choice.groups) for choice in problem.choices)
    base_response = problem.curves.response(pieces.base)
    lines = [_line(row, pieces, base_response) for row in problem.rows]
    matrix = _stacked([line[:2] for line in lines], pieces.width.size)[:, kept]
    limits = [line[2] for line in lines]
    upper = pieces.width.ravel()[kept]
    if binaries:
        coupling, coupled_limits = _coupling(problem, pieces, kept)
        matrix = sparse.vstack(
            [sparse.hstack([matrix, sparse.csr_matrix((len(limits), binaries))]), coupling]
        )
        limits.extend(coupled_limits)
    return Program(
        gain=np.concatenate([gain, np.zeros(binaries)]),
        lower=np.zeros(kept.size + binaries),
        upper=np.concatenate([upper, np.ones(binaries)]),
        matrix=sparse.csr_matrix(matrix),
        limit=np.array(limits, dtype=np.float64),
        integer=np.arange(kept.size + binaries) >= kept.size if binaries else None,
    )


def _line(row: Row, pieces: Segments, base_response: Floats) -> tuple[Integers, Floats, float]:
    """A row's columns, coefficients and what is left of its limit after the base spend."""
    count = pieces.width.shape[1]
    columns = (row.arms[:, None] * count + np.arange(count)[None, :]).ravel()
    weight = np.broadcast_to(np.asarray(row.spend_weight, dtype=np.float64), row.arms.shape)
    left = row.limit - float((weight * pieces.base[row.arms]).sum())
    coefficients = np.repeat(weight[:, None], count, axis=1)
    if row.return_weight is not None:
        coefficients = coefficients - row.return_weight[:, None] * pieces.slope[row.arms]
        left += float((row.return_weight * base_response[row.arms]).sum())
    return columns, coefficients.ravel(), left


def _stacked(lines: list[tuple[Integers, Floats]], columns: int) -> sparse.csr_matrix:
    start = np.concatenate([[0], np.cumsum([line[0].size for line in lines])])
    if not lines:
        return sparse.csr_matrix((0, columns))
    indices, data = (np.concatenate(parts) for parts in zip(*lines, strict=True))
    return sparse.csr_matrix((data, indices, start), shape=(len(lines), columns))


def _coupling(problem: Problem, pieces: Segments, kept: Integers) -> tuple[sparse.csr_matrix, list[float]]:
    """Money only where a group is in, at least the minimum where it is in, and no more groups than allowed."""
    count, width = pieces.width.shape[1], kept.size
    position = np.full(pieces.width.size, -1)
    position[kept] = np.arange(width)
    lines: list[tuple[Integers, Floats]] = []
    limits: list[float] = []
    flag = width
    for choice in problem.choices:
        first = flag
        for group in choice.groups:
            columns = position[(group[:, None] * count + np.arange(count)[None, :]).ravel()]
            columns = columns[columns >= 0]
            base = float(pieces.base[group].sum())
            for factor, coefficient in _switches(problem, choice, group):
                lines.append(
                    (np.append(columns, flag), np.append(np.full(columns.size, factor), coefficient))
                )
                limits.append(-factor * base)
            flag += 1
        if choice.max_groups is not None:
            lines.append((np.arange(first, flag), np.ones(flag - first)))
            limits.append(float(choice.max_groups))
    return _stacked(lines, flag), limits


def _switches(problem: Problem, choice: Choice, group: Integers) -> Iterator[tuple[float, float]]:
    """(sign of spend, coefficient of in-or-out) of  spend ≤ room·in  and  minimum·in ≤ spend."""
    room = float(problem.upper[group].sum())
    for row in problem.rows:
        caps = not row.is_ratio and np.isscalar(row.spend_weight) and row.spend_weight == 1
        if caps and np.isin(group, row.arms).all():
            room = min(room, row.limit)
    yield 1.0, -max(room, 0.0)
    if choice.minimum_usd > 0:
        yield -1.0, choice.minimum_usd
