"""The planner beside the engines of two open budget optimizers, on curves that are known: how close, how fast.

    python benchmarks/planner.py                          100 to 10,000 arms, 100,000 arms, nested limits
    python benchmarks/planner.py --peer-seconds 120       how long a peer may take (default 60)
    python benchmarks/planner.py --sizes 100 400          other sizes (the peers need pip install '.[bench]')

One budget and Hill curves, the same arrays, objective and analytic gradients for all:

- scipy SLSQP as PyMC-Marketing calls it: ftol 1e-9, at most 1000 iterations, equal split as start, bounds [0, budget],
  the budget as an equality;
- nlopt AUGLAG over SLSQP as Robyn calls it: xtol_rel 1e-10, at most 100,000 evaluations, the budget as an equality;
  the same start and bounds as above (Robyn's own bounds, multiples of past spend, would shrink its feasible set).

Peers run in a process of their own and are stopped at the time limit (of CPU, or thrice as long by the clock); what
counts then is their last iterate, scaled to the budget. Regret is to the weak-duality bound, which nothing can exceed:
1 − value / bound. Seconds are CPU seconds on one thread. `build` is from columns to a checked problem, `solve` includes
the certificate, `plan` lays the result out into one item per arm.
"""

from __future__ import annotations

import argparse
import ctypes
import multiprocessing
import os
import resource
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("POLARS_MAX_THREADS", "1")

import numpy as np
import polars as pl

from rmn_pipeline.planning import ArmTable, ReturnLimit, Scenario, SpendLimit, optimize
from rmn_pipeline.planning.certificate import certified_gap, upper_bound
from rmn_pipeline.planning.curves import Floats
from rmn_pipeline.planning.optimizer import solve_scenario
from rmn_pipeline.planning.problem import Problem, problem_of
from rmn_pipeline.planning.solver import cut, solve

BUDGET_PER_ARM = 200.0
RETAILERS, PLACEMENTS = 5, 4
# Strict enough that some retailers' ROAS rows hold money back.
NESTED_ROAS = 3.4
# SLSQP works on dense matrices of arms × arms; beyond this not one step ends within the limit.
LARGEST_FOR_PEERS = 5_000


@dataclass(frozen=True)
class Run:
    """One engine's answer."""

    engine: str
    arms: int
    regret: float
    over_budget: float
    cpu_s: float
    note: str = ""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="*", default=[100, 200, 400, 1_000, 10_000])
    parser.add_argument("--peer-seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    _warm_up()
    print("| arms | engine | regret | over budget | CPU s | note |")
    print("|---:|---|---:|---:|---:|---|")
    for arms in options.sizes:
        for run in _one_budget(arms, options.seed, options.peer_seconds):
            cells = (f"{run.arms:,}", run.engine, f"{run.regret:.4%}", f"{run.over_budget:.1e}")
            print(f"| {' | '.join(cells)} | {run.cpu_s:.2f} | {run.note} |", flush=True)
    _large(100_000, options.seed)
    _nested_limits((1_000, 10_000), options.seed)
    _pieces(1_000, options.seed)


def random_arms(count: int, seed: int) -> ArmTable:
    """Hill arms over five retailers and four placements; the curves are the truth of this benchmark."""
    generator = np.random.default_rng(seed)
    index = np.arange(count)
    return ArmTable(
        pl.DataFrame(
            {
                "retailer_id": pl.Series(index % RETAILERS).cast(pl.String),
                "placement_type": pl.Series(index // RETAILERS % PLACEMENTS).cast(pl.String),
                "sku_id": pl.Series(index // (RETAILERS * PLACEMENTS)).cast(pl.String),
                "initial_iroas": np.exp(generator.normal(1.2, 0.6, count)),
                "half_saturation_usd_per_week": np.exp(generator.normal(6.0, 0.8, count)),
                "revenue_per_conversion_usd": generator.uniform(5.0, 30.0, count),
            }
        )
    )


def nested_scenario(arms: ArmTable, roas: float) -> Scenario:
    """Caps and floors on retailers and their placements, a ROAS per retailer, and a cost per conversion over all."""
    budget = BUDGET_PER_ARM * len(arms)
    limits, returns = [], []
    for retailer in map(str, range(RETAILERS)):
        limits.append(SpendLimit(retailer, 0.12 * budget, 0.22 * budget, retailer_id=retailer))
        returns.append(ReturnLimit(retailer, min_roas=roas + 0.2 * int(retailer), retailer_id=retailer))
        limits.extend(
            SpendLimit(
                f"{retailer}/{placement}",
                0.01 * budget,
                (0.045 + 0.005 * int(placement)) * budget,
                retailer_id=retailer,
                placement_type=placement,
            )
            for placement in map(str, range(PLACEMENTS))
        )
    returns.append(ReturnLimit("all", max_cpa=6.0))
    return Scenario(arms, budget, spend_limits=limits, return_limits=returns)


def _warm_up() -> None:
    optimize(nested_scenario(random_arms(40, 0), 1.0))


def _one_budget(count: int, seed: int, peer_seconds: float) -> Sequence[Run]:
    arms, budget = random_arms(count, seed), BUDGET_PER_ARM * count
    start = time.process_time()
    scenario = Scenario(arms, budget)
    problem = problem_of(scenario)
    optimum = solve_scenario(scenario, problem)
    seconds = time.process_time() - start
    bound = upper_bound(problem, {"budget": optimum.duals["budget"]})
    runs = [_judged("this planner", problem, optimum.spend, bound, seconds)]
    start = time.process_time()
    straight = solve(problem, cut(problem)).spend if count <= 2_000 else None
    if straight is not None:
        runs.append(
            _judged(
                "its linear program, 20 pieces",
                problem, straight, bound, time.process_time() - start, "through PuLP",
            )
        )  # fmt: skip
    for name, engine in (("SLSQP (PyMC-Marketing)", _slsqp), ("AUGLAG + SLSQP (Robyn)", _auglag)):
        runs.append(_peer(name, engine, problem, bound, peer_seconds))
    runs.append(_judged("equal split", problem, np.full(count, budget / count), bound, 0.0))
    return runs


def _judged(
    engine: str, problem: Problem, spend: Floats, bound: float, seconds: float, note: str = ""
) -> Run:
    budget = problem.rows[0].limit
    over = float(spend.sum() / budget - 1.0)
    held = spend * min(1.0, budget / spend.sum())
    return Run(engine, spend.size, 1.0 - problem.value(held) / bound, over, seconds, note)


Engine = Callable[[Floats, Floats, float, Any, Any], None]


def _peer(name: str, engine: Engine, problem: Problem, bound: float, limit_s: float) -> Run:
    curves, budget = problem.curves, problem.rows[0].limit
    arms = problem.upper.size
    equal = np.full(arms, budget / arms)
    if arms > LARGEST_FOR_PEERS:
        return Run(name, arms, float("nan"), 0.0, 0.0, "not run: each step costs arms³")
    context = multiprocessing.get_context("spawn")
    iterate = context.RawArray(ctypes.c_double, equal)
    report = context.RawArray(ctypes.c_double, [0.0, 0.0])
    child = context.Process(
        target=engine,
        args=(curves.initial, curves.half, budget, iterate, report),  # type: ignore[attr-defined]
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    child.start()
    deadline = time.perf_counter() + 3.0 * limit_s
    while child.is_alive() and report[0] < limit_s and time.perf_counter() < deadline:
        child.join(0.2)
    if child.is_alive():
        child.kill()
        child.join()
    spend = np.maximum(np.frombuffer(iterate), 0.0).copy()
    if report[1]:
        return _judged(name, problem, spend, bound, report[0])
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return _judged(name, problem, spend, bound, seconds, f"stopped at the limit of {limit_s:.0f} s")


def _objective(initial: Floats, half: Floats) -> tuple[Callable[[Floats], float], Callable[[Floats], Floats]]:
    return (
        lambda x: -float((initial * x / (1.0 + x / half)).sum()),
        lambda x: -initial / (1.0 + x / half) ** 2,
    )


def _slsqp(initial: Floats, half: Floats, budget: float, iterate: Any, report: Any) -> None:
    from scipy.optimize import minimize

    shared = np.frombuffer(iterate)
    value, slope = _objective(initial, half)
    arms = initial.size
    start = time.process_time()

    def keep(x: Floats) -> None:
        shared[:] = x
        report[0] = time.process_time() - start

    found = minimize(
        value,
        np.full(arms, budget / arms),
        jac=slope,
        method="SLSQP",
        bounds=[(0.0, budget)] * arms,
        constraints={"type": "eq", "fun": lambda x: x.sum() - budget, "jac": lambda x: np.ones(arms)},
        options={"ftol": 1e-9, "maxiter": 1000},
        callback=keep,
    )
    keep(found.x)
    report[1] = 1.0


def _auglag(initial: Floats, half: Floats, budget: float, iterate: Any, report: Any) -> None:
    import nlopt

    shared = np.frombuffer(iterate)
    value, slope = _objective(initial, half)
    arms = initial.size
    begun = time.process_time()
    best = [np.inf]

    def objective(x: Floats, gradient: Floats) -> float:
        if gradient.size:
            gradient[:] = slope(x)
        reached = value(x)
        # nlopt shows no iterates: the best point within the budget stands in for the last one.
        if reached < best[0] and abs(x.sum() / budget - 1.0) < 1e-3:
            best[0] = reached
            shared[:] = x
        report[0] = time.process_time() - begun
        return reached

    def spent(x: Floats, gradient: Floats) -> float:
        if gradient.size:
            gradient[:] = 1.0
        return float(x.sum() - budget)

    optimizer = nlopt.opt(nlopt.LD_AUGLAG, arms)
    local = nlopt.opt(nlopt.LD_SLSQP, arms)
    local.set_xtol_rel(1e-10)
    optimizer.set_local_optimizer(local)
    optimizer.set_lower_bounds(0.0)
    optimizer.set_upper_bounds(budget)
    optimizer.set_min_objective(objective)
    optimizer.add_equality_constraint(spent, 1e-8 * budget)
    optimizer.set_xtol_rel(1e-10)
    optimizer.set_maxeval(100_000)
    shared[:] = optimizer.optimize(np.full(arms, budget / arms))
    report[0] = time.process_time() - begun
    report[1] = 1.0


def _timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return result, time.process_time() - cpu, time.perf_counter() - wall


def _large(count: int, seed: int) -> None:
    arms = random_arms(count, seed)
    scenario, checking, _ = _timed(lambda: Scenario(arms, BUDGET_PER_ARM * count))
    problem, building, _ = _timed(lambda: problem_of(scenario))
    optimum, solving, _ = _timed(lambda: solve_scenario(scenario, problem))
    plan, whole, wall = _timed(lambda: optimize(Scenario(arms, BUDGET_PER_ARM * count)))
    print(f"\n{count:,} arms, one budget and boxes: gap {optimum.certified_gap:.1e}")
    print(
        f"build {checking + building:.2f} + solve {solving:.2f} = {checking + building + solving:.2f} CPU s"
    )
    print(f"as a Plan with {len(plan.allocation):,} items: {whole:.2f} CPU s, {wall:.2f} s")


def _nested_limits(sizes: Sequence[int], seed: int) -> None:
    print(
        "\n| arms | rows | binding | certified gap | largest violation | build CPU s | solve CPU s | wall s |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    for count in sizes:
        arms = random_arms(count, seed)
        scenario, checking, first = _timed(lambda arms=arms: nested_scenario(arms, NESTED_ROAS))
        problem, building, second = _timed(lambda scenario=scenario: problem_of(scenario))
        optimum, solving, third = _timed(
            lambda scenario=scenario, problem=problem: solve_scenario(scenario, problem)
        )
        scale = optimum.spend.sum()
        worst = max(problem.excess(row, optimum.spend) / scale for row in problem.rows)
        print(
            f"| {count:,} | {len(problem.rows)} | {_kinds(optimum.binding)} | {optimum.certified_gap:.1e} "
            f"| {max(worst, 0.0):.1e} | {checking + building:.2f} | {solving:.2f} | {first + second + third:.2f} |"
        )


def _kinds(binding: Sequence[str]) -> str:
    kinds = Counter(name.partition(":")[0] for name in binding)
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items())


def _pieces(count: int, seed: int) -> None:
    """What the straight pieces alone lose, on the nested limits."""
    problem = problem_of(nested_scenario(random_arms(count, seed), NESTED_ROAS))
    print(f"\nWhole curves in pieces, {count:,} arms, nested limits:")
    print("\n| pieces | certified gap | CPU s |")
    print("|---:|---:|---:|")
    for segments in (5, 10, 20, 40):
        found, seconds, _ = _timed(lambda segments=segments: solve(problem, cut(problem, segments=segments)))
        gap = certified_gap(problem, found.spend, found.duals) if found.feasible else None
        proved = "none: too coarse to meet the ROAS floors" if gap is None else f"{gap:.3%}"
        print(f"| {segments} | {proved} | {seconds:.2f} |")


if __name__ == "__main__":
    main()
