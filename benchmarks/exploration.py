"""Does the experiment reserve pay? Cumulative regret over twelve weeks: Thompson reserve, uniform reserve, greedy.

    python benchmarks/exploration.py                     two settings, 30 seeds each
    python benchmarks/exploration.py --seeds 60 --shares 0.05 0.1 0.2

Each week every strategy plans on its own posterior, earns on the true curves, sees one noisy revenue per arm, and
updates: log initial iROAS and log half-saturation have independent normal priors (the ones that the truth is drawn
from), and the posterior is a Laplace approximation refitted on the arm's whole history. Regret is what the oracle
would have earned beyond the strategy, as a share of the oracle, summed over the weeks. All strategies of a seed share
truth, history and noise, so differences are paired; intervals are 95 % over seeds (normal).

- greedy: the best plan on expected curves, no reserve;
- uniform reserve: a share of the budget spread evenly over all arms, the rest greedy;
- Thompson reserve: the planner's own (`planning.exploration`), the same share following the average of the best plans
  under posterior draws; with one draw a week it is Thompson sampling as usually told.

Settings: `known` has eight weeks of history on every arm; `launch` has none on half of the arms.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from rmn_pipeline.planning.curves import Curves, Floats
from rmn_pipeline.planning.exploration import explore
from rmn_pipeline.planning.problem import Problem, Row
from rmn_pipeline.planning.settings import PlannerSettings
from rmn_pipeline.planning.solver import solve

ARMS, WEEKS, HISTORY_WEEKS = 80, 12, 8
BUDGET = 200.0 * ARMS
PRIOR_MEAN = np.array([1.0, 6.0])
PRIOR_SD = np.array([0.6, 0.8])
# Standard deviation of a week's measured revenue of one arm, as a share of what an equal split earns with it.
NOISE_SHARE = 0.5
NEWTON_STEPS = 15
Z95 = 1.959964


@dataclass(frozen=True)
class Market:
    """The truth of one seed, and the noise that every strategy will meet."""

    truth: Curves
    noise_sd: Floats
    noise: Floats
    history_spend: Floats
    history_revenue: Floats


@dataclass(frozen=True)
class Belief:
    """Posterior means and covariances of (log initial iROAS, log half-saturation)."""

    mean: Floats
    covariance: Floats

    def expected(self) -> Curves:
        """Curves with the expected initial iROAS."""
        initial = np.exp(self.mean[:, 0] + self.covariance[:, 0, 0] / 2.0)
        return Curves(initial, np.exp(self.mean[:, 1]))

    def draws(self, count: int, generator: np.random.Generator) -> tuple[Floats, Floats]:
        """Posterior draws of both parameters, draws × arms."""
        root = np.linalg.cholesky(self.covariance)
        drawn = self.mean + np.einsum("nij,dnj->dni", root, generator.standard_normal((count, ARMS, 2)))
        return np.exp(drawn[:, :, 0]), np.exp(drawn[:, :, 1])


Strategy = Callable[[Problem, Belief, np.random.Generator], Floats]


def main() -> None:
    """Print one table per setting."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--shares", type=float, nargs="*", default=[0.05, 0.1, 0.2])
    options = parser.parse_args()
    strategies: dict[str, Strategy] = {"greedy": _greedy}
    for share in options.shares:
        strategies[f"uniform reserve {share:.0%}"] = _uniform(share)
        strategies[f"Thompson reserve {share:.0%}"] = _thompson(share, PlannerSettings().exploration_draws)
        strategies[f"Thompson reserve {share:.0%}, one draw"] = _thompson(share, 1)
    for setting, unseen in (("known", 0.0), ("launch", 0.5)):
        regrets = {
            name: np.array([_regret(_market(seed, unseen), plan, seed) for seed in range(options.seeds)])
            for name, plan in strategies.items()
        }
        print(f"\n{setting}: {ARMS} arms, {WEEKS} weeks, {options.seeds} seeds\n")
        print("| strategy | regret, 12 weeks | weeks 1-4 | weeks 9-12 | against greedy | against uniform |")
        print("|---|---:|---:|---:|---:|---:|")
        for name, weekly in regrets.items():
            uniform = (
                regrets.get(name.replace("Thompson", "uniform").partition(",")[0])
                if "Thompson" in name
                else None
            )
            cells = (
                f"{weekly.mean():.2%}",
                f"{weekly[:, :4].mean():.2%}",
                f"{weekly[:, -4:].mean():.2%}",
                _difference(weekly, regrets["greedy"]) if name != "greedy" else "",
                "" if uniform is None else _difference(weekly, uniform),
            )
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _difference(weekly: Floats, other: Floats) -> str:
    paired = (weekly - other).mean(axis=1)
    half = Z95 * paired.std(ddof=1) / np.sqrt(paired.size)
    return f"{100 * paired.mean():+.2f} ± {100 * half:.2f} points"


def _market(seed: int, unseen: float) -> Market:
    generator = np.random.default_rng([seed, 1])
    drawn = np.exp(PRIOR_MEAN + PRIOR_SD * generator.standard_normal((ARMS, 2)))
    truth = Curves(drawn[:, 0], drawn[:, 1])
    noise_sd = NOISE_SHARE * truth.response(np.full(ARMS, BUDGET / ARMS))
    spend = BUDGET / ARMS * np.exp(0.4 * generator.standard_normal((HISTORY_WEEKS, ARMS)))
    spend[:, generator.random(ARMS) < unseen] = 0.0
    revenue = np.array([truth.response(week) for week in spend])
    revenue += noise_sd * generator.standard_normal(spend.shape)
    return Market(truth, noise_sd, generator.standard_normal((WEEKS, ARMS)), spend, revenue)


def _regret(market: Market, plan: Strategy, seed: int) -> Floats:
    """Share of the oracle's revenue missed in each week."""
    generator = np.random.default_rng([seed, 2])
    best = _problem(market.truth)
    oracle = best.value(solve(best).spend)
    spends, revenues = [*market.history_spend], [*market.history_revenue]
    missed = np.zeros(WEEKS)
    for week in range(WEEKS):
        belief = _posterior(np.array(spends), np.array(revenues), market.noise_sd)
        spend = plan(_problem(belief.expected()), belief, generator)
        missed[week] = 1.0 - best.value(spend) / oracle
        spends.append(spend)
        revenues.append(market.truth.response(spend) + market.noise_sd * market.noise[week])
    return missed


def _problem(curves: Curves) -> Problem:
    everything = np.arange(ARMS)
    return Problem(
        curves=curves,
        weight=np.ones(ARMS),
        lower=np.zeros(ARMS),
        upper=np.full(ARMS, BUDGET),
        rows=(Row("budget", everything, BUDGET, asked=BUDGET),),
        spend_charge=0.0,
        segments=20,
    )


def _greedy(problem: Problem, belief: Belief, generator: np.random.Generator) -> Floats:
    return solve(problem).spend


def _uniform(share: float) -> Strategy:
    return lambda problem, belief, generator: (1.0 - share) * solve(problem).spend + share * BUDGET / ARMS


def _thompson(share: float, draws: int) -> Strategy:
    known = PlannerSettings()

    def plan(problem: Problem, belief: Belief, generator: np.random.Generator) -> Floats:
        initial, half = belief.draws(draws, generator)
        mixture = explore(problem, solve(problem).spend, initial, half, share, known.exploration_segments)
        return mixture.working + mixture.experiment.spend

    return plan


def _posterior(spends: Floats, revenues: Floats, noise_sd: Floats) -> Belief:
    """Laplace: Gauss-Newton to the mode of every arm at once; weeks without spend teach nothing."""
    mean = np.tile(PRIOR_MEAN, (ARMS, 1))
    precision = np.diag(PRIOR_SD**-2.0)
    informative = (spends > 0) / noise_sd**2
    for _ in range(NEWTON_STEPS):
        curves = Curves(np.exp(mean[:, 0]), np.exp(mean[:, 1]))
        fitted = curves.response(spends.T).T
        by_half = fitted * spends / (spends + curves.half)
        jacobian = np.stack([fitted, by_half], axis=-1)
        hessian = np.einsum("tni,tnj,tn->nij", jacobian, jacobian, informative) + precision
        slope = np.einsum("tni,tn->ni", jacobian, (revenues - fitted) * informative)
        slope -= (mean - PRIOR_MEAN) @ precision
        mean = mean + np.clip(np.linalg.solve(hessian, slope[:, :, None])[:, :, 0], -0.5, 0.5)
    return Belief(mean, np.linalg.inv(hessian))


if __name__ == "__main__":
    main()
