"""Planning over posterior draws: the best expected value, or the best mean of the worst outcomes (CVaR).

A plan's value is one number per draw of the curves. CVaR at level α is the mean of the worst 1 − α of them; level 0 is
the expected value. Sample-average CVaR is linear in the pieces (Rockafellar and Uryasev 2000):

    maximise  t − Σ_d s_d / ((1 − α)·S)    with  s_d ≥ t − value_d(x),  s_d ≥ 0,  over S draws

The rows (budget, caps, ROAS, …) hold on the mean of the drawn curves. The prices q_d of the draws' rows are the worst
draws' weights, with which Σ_d q_d·value_d(x) bounds CVaR from above for every plan: weak duality then certifies the
plan as without risk. The program has draws × pieces entries: meant for some hundred arms and draws.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from rmn_pipeline.planning.certificate import gap_to
from rmn_pipeline.planning.conflict import minimal_conflict, relaxations
from rmn_pipeline.planning.curves import Booleans, Curves, Floats, response_at, segment_slopes
from rmn_pipeline.planning.errors import PlanError
from rmn_pipeline.planning.layout import Layout, PlanHeader, build_plan
from rmn_pipeline.planning.optimizer import Optimum, priced_in_money, refusal
from rmn_pipeline.planning.plan import Plan
from rmn_pipeline.planning.problem import Problem, problem_of
from rmn_pipeline.planning.program import Answer, Effort, Program, solve_program
from rmn_pipeline.planning.scenario import Scenario
from rmn_pipeline.planning.solver import Segments, Solution, cut_at, program_of, spend_of

BISECTIONS = 60
COARSE_SEGMENTS = 12
# Second pass: breakpoints at these multiples of the first pass's spend.
AROUND = np.array([0.85, 0.93, 0.97, 1.0, 1.03, 1.07, 1.15])


@dataclass(frozen=True)
class DrawnCurves:
    """Weighted sums of drawn curves: arrays of draws × arms, `share` being each draw's weight in its arm's curve."""

    initial: Floats
    half: Floats
    share: Floats
    is_log: Booleans | None = None

    @classmethod
    def mean_of(cls, initial: Floats, half: Floats, is_log: Booleans | None = None) -> DrawnCurves:
        """The mean curve of the draws."""
        return cls(initial, half, np.full(initial.shape, 1.0 / initial.shape[0]), is_log)

    def response(self, spend: Floats) -> Floats:
        """What each arm returns at its spend, on the weighted draws."""
        return self._summed(spend, lambda curves, at: curves.response(at))

    def marginal(self, spend: Floats) -> Floats:
        """What the next dollar returns."""
        return self._summed(spend, lambda curves, at: curves.marginal(at))

    def best_spend(self, weight: Floats, price: Floats) -> Floats:
        """Where weight·f(x) − price·x is largest: no closed form for a sum of curves, so by bisection."""
        worth = np.maximum(weight, 0.0)
        never = worth * self.marginal(np.zeros(price.size)) <= price
        low, high = np.zeros(price.size), self.half.max(axis=0)
        for _ in range(BISECTIONS):
            more = worth * self.marginal(high) > price
            if not more.any() or not np.isfinite(high).all():
                break
            high = np.where(more, high * 4.0, high)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2.0
            more = worth * self.marginal(middle) > price
            low, high = np.where(more, middle, low), np.where(more, high, middle)
        endless = ((price <= 0) & (weight > 0)) | ((price < 0) & (weight == 0))
        return np.where(endless, np.inf, np.where(never, 0.0, high))

    def breakpoints(self, lower: Floats, upper: Floats, segments: int) -> Floats:
        """Those of the curve with the draws' geometric mean parameters."""
        middle = Curves(
            np.exp(np.log(np.maximum(self.initial, 1e-300)).mean(axis=0)),
            np.exp(np.log(self.half).mean(axis=0)),
            self.is_log,
        )
        return middle.breakpoints(lower, upper, segments)

    def draws(self) -> list[Curves]:
        """The single draws."""
        return [Curves(rho, half, self.is_log) for rho, half in zip(self.initial, self.half, strict=True)]

    def values(self, spend: Floats) -> Floats:
        """Return per draw and arm."""
        return response_at(self.initial, self.half, self.is_log, spend)

    def _summed(self, spend: Floats, read: Callable[[Curves, Floats], Floats]) -> Floats:
        total = np.zeros(spend.shape)
        for curves, share in zip(self.draws(), self.share, strict=True):
            total += (share if spend.ndim == 1 else share[:, None]) * read(curves, spend)
        return total


def optimize_at_risk(
    scenario: Scenario, initial_draws: Floats, half_draws: Floats, level: float = 0.0
) -> Plan:
    """Plan on posterior draws (draws × arms, weekly curves of the arms' families, stock already applied).

    `level` 0 plans for the expected value, 0.9 for the mean of the worst tenth of the draws. Raises `PlanError` for
    draws that do not fit the scenario, levels outside [0, 1), and scenarios with SKU choices.
    """
    drawn = drawn_curves(scenario, initial_draws, half_draws)
    optimum = solve_at_risk(scenario, drawn, level)
    names = ("status", "duals", "binding", "infeasible_because", "relaxations", "certified_gap", "notes")
    header = PlanHeader(mode="scenario", **{name: getattr(optimum, name) for name in names})
    layout = Layout(initial_draws=initial_draws, half_draws=half_draws, curves=drawn)
    return build_plan(scenario, optimum.spend, header, layout=layout)


def drawn_curves(scenario: Scenario, initial_draws: Floats, half_draws: Floats) -> DrawnCurves:
    """The mean curve over the horizon of draws of weekly curves."""
    arms = len(scenario.table)
    if initial_draws.shape != half_draws.shape or initial_draws.ndim != 2 or initial_draws.shape[1] != arms:
        raise PlanError(
            f"draws must be two arrays of draws × {arms} arms, got {initial_draws.shape} and {half_draws.shape}"
        )
    return DrawnCurves.mean_of(initial_draws, half_draws * scenario.weeks, scenario.table.is_log)


def solve_at_risk(scenario: Scenario, drawn: DrawnCurves, level: float) -> Optimum:
    """The best plan for a level of caution, with prices and proof."""
    if not 0 <= level < 1:
        raise PlanError(f"the level of CVaR lies between 0 and 1 (excluded), got {level}")
    problem = replace(problem_of(scenario), curves=drawn)
    if problem.choices:
        raise PlanError("SKU choices cannot be planned on draws; plan the choices on expected curves first")
    first = _solved(problem, drawn, level, drawn.breakpoints(problem.lower, problem.upper, COARSE_SEGMENTS))
    if first is None:
        conflict = minimal_conflict(problem, scenario.table.name)
        return refusal(problem, conflict, relaxations(problem, conflict))
    solution, weights = _solved(problem, drawn, level, _recut(problem, drawn, first[0].spend)) or first
    reached = cvar(_values(problem, drawn, solution.spend), level)
    duals = priced_in_money(problem, solution)
    what = "expected value" if level == 0 else f"mean of the worst {1 - level:.0%} of draws"
    return Optimum(
        status="optimal",
        spend=solution.spend,
        duals=duals,
        binding=tuple(duals),
        certified_gap=gap_to(_bound(problem, drawn, solution, weights), reached),
        notes=(
            f"planned on {drawn.initial.shape[0]} posterior draws for the {what}: {reached:,.0f} dollars",
        ),
    )


def cvar(values: Floats, level: float) -> float:
    """Mean of the worst 1 − level of equally likely values; a fractional last value counts by its fraction."""
    ordered = np.sort(values)
    counted = np.clip((1.0 - level) * values.size - np.arange(values.size), 0.0, 1.0)
    return float((ordered * counted).sum() / counted.sum())


def _values(problem: Problem, drawn: DrawnCurves, spend: Floats) -> Floats:
    return (problem.weight * drawn.values(spend)).sum(axis=1) - (problem.spend_charge * spend).sum()


def _recut(problem: Problem, drawn: DrawnCurves, spend: Floats) -> Floats:
    coarse = drawn.breakpoints(problem.lower, problem.upper, COARSE_SEGMENTS)
    near = np.clip(spend[:, None] * AROUND, problem.lower[:, None], problem.upper[:, None])
    return np.sort(np.hstack([coarse, near]), axis=1)


def _solved(
    problem: Problem, drawn: DrawnCurves, level: float, points: Floats
) -> tuple[Solution, Floats] | None:
    """The plan on given pieces and the weight of each draw in what it is judged by; None when infeasible."""
    pieces = cut_at(problem, points)
    plain = program_of(problem, pieces)
    answer = solve_program(_risk_program(problem, drawn, level, points, plain), Effort(backend="highs"))
    if not answer.feasible:
        return None
    return _read(problem, pieces, plain, answer)


def _risk_program(
    problem: Problem, drawn: DrawnCurves, level: float, points: Floats, plain: Program
) -> Program:
    """Columns: the pieces, t, one shortfall per draw. Rows: the plain ones, then one per draw."""
    count, rows = drawn.initial.shape[0], plain.limit.size
    widths = np.diff(points, axis=1).ravel()
    charge = np.zeros(problem.upper.size) + problem.spend_charge
    gains = np.array(
        [
            (problem.weight[:, None] * segment_slopes(curves, points) - charge[:, None]).ravel()[widths > 0]
            for curves in drawn.draws()
        ]
    )
    start = _values(problem, drawn, points[:, 0])
    draws = sparse.hstack([-sparse.csr_matrix(gains), np.ones((count, 1)), -sparse.identity(count)])
    padded = sparse.hstack([plain.matrix, sparse.csr_matrix((rows, count + 1))])
    return Program(
        gain=np.concatenate(
            [np.zeros(plain.gain.size), [1.0], np.full(count, -1.0 / ((1.0 - level) * count))]
        ),
        lower=np.concatenate([plain.lower, [-np.inf], np.zeros(count)]),
        upper=np.concatenate([plain.upper, np.full(count + 1, np.inf)]),
        matrix=sparse.csr_matrix(sparse.vstack([padded, draws])),
        limit=np.concatenate([plain.limit, start]),
    )


def _read(problem: Problem, pieces: Segments, plain: Program, answer: Answer) -> tuple[Solution, Floats]:
    spend = spend_of(pieces, answer.values)
    rows = plain.limit.size
    duals = dict(zip((row.name for row in problem.rows), answer.prices[:rows].tolist(), strict=True))
    weights = answer.prices[rows:]
    return Solution(True, np.clip(spend, problem.lower, problem.upper), duals), weights / weights.sum()


def _bound(problem: Problem, drawn: DrawnCurves, solution: Solution, weights: Floats) -> float:
    """Weak duality with the draws weighted as the worst outcomes are; negative margins are bounded apart."""
    share = weights[:, None] * problem.weight[None, :]
    lost = np.minimum(share, 0.0) * drawn.values(problem.lower)
    share = np.maximum(share, 0.0)
    price = np.zeros(problem.upper.size) + problem.spend_charge
    bound = float(lost.sum())
    for row in problem.rows:
        dual = solution.duals[row.name]
        bound += dual * row.limit
        price[row.arms] += dual * row.spend_weight
        if row.return_weight is not None:
            share[:, row.arms] += dual * row.return_weight * drawn.share[:, row.arms]
    curves = replace(drawn, share=share)
    best = np.clip(curves.best_spend(np.ones(price.size), price), problem.lower, problem.upper)
    return bound + float((curves.response(best) - price * best).sum())
