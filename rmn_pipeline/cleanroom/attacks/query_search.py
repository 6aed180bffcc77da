"""Automated search for an attack, after QuerySnout (Cretu et al., CCS 2022), in small.

The attacker knows the distribution that the log comes from and one person's attributes, and wants to know whether that
person is in it. A set of permitted queries is evolved: its answers on simulated logs, through a simulated copy of the
room, train a linear classifier, and sets whose classifier does better breed. The best set is then asked of the
real room.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rmn_pipeline.cleanroom.attacks.result import AttackResult, slack
from rmn_pipeline.cleanroom.attacks.targets import (
    AUDIENCES,
    PLACEMENTS,
    ProtectedTarget,
    make_log,
    one_cell_per_customer,
    shipped_policy,
    single_value,
    sku_ids,
)
from rmn_pipeline.cleanroom.noise import add_laplace, threshold_margin
from rmn_pipeline.cleanroom.policy import to_micro

#: Values of the three attributes, and people in the log besides the target.
SHAPE = (5, 4, 12)
PEOPLE = 6_000
#: What a perfectly informed attacker could reach with 100 queries that share ε 8, rounded up.
LIMIT = 0.66

Mechanism = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class _Logs:
    """Simulated logs as counts per attribute cell, and which of them hold the target."""

    cells: np.ndarray
    has_target: np.ndarray


def query_search(
    *,
    queries: int = 100,
    generations: int = 25,
    population: int = 16,
    shadows: int = 600,
    room_trials: int = 40,
    noise_trials: int = 1_000,
    seed: int = 6,
) -> AttackResult:
    """Evolve a set of queries and attack with it.

    Args:
        queries: queries per set, each at an equal share of the budget.
        generations: rounds of the search.
        population: sets per round.
        shadows: simulated logs, half for training and half for scoring.
        room_trials: logs attacked through the room's public interface.
        noise_trials: logs attacked through the room's noise and threshold, one draw per query.
        seed: of the search and the logs; the room's noise has none.
    """
    rng = np.random.default_rng(seed)
    world = _World(rng)
    policy = shipped_policy(**one_cell_per_customer())
    epsilon = policy.epsilon_total / queries
    search = _Search(world, rng, queries, generations, population, shadows)
    exact, simulated = _threshold_only(policy.k), _simulated_room(policy.k, policy.delta, epsilon, rng)
    control = search.accuracy(search.find(exact), exact, noise_trials)
    attack = search.find(simulated)
    noisy = search.accuracy(attack, _real_noise(policy.k, policy.delta, epsilon), noise_trials)
    through_room = search.accuracy_through_room(attack, room_trials, epsilon)
    limit = LIMIT + slack(LIMIT, noise_trials)
    room_limit = LIMIT + slack(LIMIT, max(room_trials, 1))
    return AttackResult(
        name="query_search",
        what=f"An evolved set of {queries} permitted queries and a classifier trained on simulated logs (QuerySnout)",
        measure="share of logs for which the target's presence is guessed right; chance is 0.5",
        control_success=control,
        protected_success=noisy,
        pass_line=f"at most {LIMIT} (what ε 8 over 100 queries permits at best) + 3 standard errors",
        limit=limit,
        passed=noisy <= limit and through_room <= room_limit,
        control_passed=control >= 0.9,
        sizes={
            "queries": queries,
            "generations": generations,
            "population": population,
            "shadows": shadows,
            "room_trials": room_trials,
            "noise_trials": noise_trials,
        },
        details={
            "control": "threshold k = 100 on exact counts",
            "accuracy through the room's public interface": through_room,
            "the best that ε permits": ideal_accuracy(queries, epsilon),
        },
    )


def ideal_accuracy(queries: int, epsilon: float) -> float:
    """Accuracy of the likelihood-ratio test on so many independent Laplace answers that all count the target."""
    # One answer's log-likelihood ratio, on a scale of 1; many of them add up to a normal variable.
    noise = np.linspace(-40.0, 40.0, 400_001)
    density = 0.5 * np.exp(-np.abs(noise)) * (noise[1] - noise[0])
    ratio = np.abs(noise - epsilon) - np.abs(noise)
    mean = float((density * ratio).sum())
    variance = float((density * ratio**2).sum()) - mean**2
    return 0.5 * (1.0 + math.erf(math.sqrt(queries / variance) * mean / math.sqrt(2.0)))


class _World:
    """The distribution of customers over attribute cells, known to the attacker, and the target's cell."""

    def __init__(self, rng: np.random.Generator) -> None:
        weights = rng.dirichlet(np.full(math.prod(SHAPE), 2.0))
        self.target = int(rng.integers(0, len(weights)))
        # Rare attributes together: on average one other person in ten logs shares all of them.
        weights[self.target] = 0.1 / PEOPLE
        self.weights = weights / weights.sum()

    def logs(self, count: int, rng: np.random.Generator) -> _Logs:
        cells = rng.multinomial(PEOPLE, self.weights, count)
        has_target = np.arange(count) % 2 == 0
        cells[has_target, self.target] += 1
        return _Logs(cells, has_target)

    def frame(self, cells: np.ndarray) -> pl.DataFrame:
        """A log with these customers."""
        place, audience, sku = np.unravel_index(np.repeat(np.arange(len(cells)), cells), SHAPE)
        return make_log(
            np.arange(cells.sum()),
            placement_type=np.array(PLACEMENTS)[place],
            audience_id=np.array(AUDIENCES)[audience],
            sku_id=np.array(sku_ids(SHAPE[2]))[sku],
        )


@dataclass(frozen=True)
class _Attack:
    """A set of queries, three sets of values per query, and the weights of their answers."""

    queries: list[np.ndarray]
    weights: np.ndarray

    def guesses(self, answers: np.ndarray) -> np.ndarray:
        """Whether the target is in each log."""
        return _with_constant(answers) @ self.weights > 0


class _Search:
    """Evolution of query sets. A query is three sets of values, one per attribute."""

    def __init__(
        self,
        world: _World,
        rng: np.random.Generator,
        queries: int,
        generations: int,
        population: int,
        shadows: int,
    ) -> None:
        self._world = world
        self._rng = rng
        self._queries = queries
        self._generations = generations
        self._population = population
        self._training = world.logs(shadows, rng)
        self._scoring = world.logs(shadows, rng)

    def find(self, simulated: Mechanism) -> _Attack:
        """Evolve a set of queries and train its classifier."""
        solution = self._evolve(simulated)
        return _Attack(solution, self._train(solution, simulated))

    def accuracy(self, attack: _Attack, real: Mechanism, trials: int) -> float:
        """Attack fresh logs behind a mechanism."""
        logs = self._world.logs(trials, self._rng)
        guesses = attack.guesses(real(logs.cells @ _membership(attack.queries).T))
        return float((guesses == logs.has_target).mean())

    def accuracy_through_room(self, attack: _Attack, trials: int, epsilon: float) -> float:
        """The same, every query asked of a real room through its public interface."""
        logs = self._world.logs(trials, self._rng)
        hits = 0
        with tempfile.TemporaryDirectory() as name:
            for trial in range(trials):
                answers = self._ask(logs.cells[trial], attack.queries, epsilon, Path(name), trial)
                hits += bool(attack.guesses(answers[None, :])[0]) == bool(logs.has_target[trial])
        return hits / max(trials, 1)

    def _ask(
        self, cells: np.ndarray, solution: list[np.ndarray], epsilon: float, folder: Path, trial: int
    ) -> np.ndarray:
        policy = shipped_policy(**one_cell_per_customer())
        room = ProtectedTarget(self._world.frame(cells), policy, sku_ids(SHAPE[2]), folder, trial)
        answers = []
        # A budget of 8 is not quite divisible into micro-ε; rounding down keeps the last query covered.
        share = int(epsilon * 1_000_000) / 1_000_000
        for number, query in enumerate(zip(*solution, strict=True)):
            # Equal queries would be one release: a different ε makes each of them its own.
            rows = room.ask(_request(query, share - number * 1e-6))
            answers.append(single_value(rows, "customers") or 0.0)
        room.close()
        return np.array(answers)

    def _evolve(self, mechanism: Mechanism) -> list[np.ndarray]:
        sets = [self._random_set() for _ in range(self._population)]
        scored = sorted(
            ((self._score(item, mechanism), number, item) for number, item in enumerate(sets)), reverse=True
        )
        counter = self._population
        for _ in range(self._generations):
            parents = [item for _, _, item in scored[: max(2, self._population // 4)]]
            children = []
            for _ in range(self._population - len(parents)):
                child = self._mutated(parents[int(self._rng.integers(len(parents)))])
                children.append((self._score(child, mechanism), counter, child))
                counter += 1
            kept = scored[: len(parents)]
            scored = sorted([*kept, *children], key=lambda entry: (-entry[0], entry[1]))
        return scored[0][2]

    def _random_set(self) -> list[np.ndarray]:
        return [self._rng.random((self._queries, size)) < 0.5 for size in SHAPE]

    def _mutated(self, solution: list[np.ndarray]) -> list[np.ndarray]:
        """Copy queries within the set and flip single values: pairs that differ in one value are how attacks begin."""
        child = [attribute.copy() for attribute in solution]
        target = np.unravel_index(self._world.target, SHAPE)
        for _ in range(max(2, self._queries // 10)):
            source, place = self._rng.integers(0, self._queries, 2)
            for attribute in child:
                attribute[place] = attribute[source]
            chosen = int(self._rng.integers(0, len(SHAPE)))
            value = target[chosen] if self._rng.random() < 0.5 else self._rng.integers(0, SHAPE[chosen])
            child[chosen][place, value] ^= True
        return child

    def _score(self, solution: list[np.ndarray], mechanism: Mechanism) -> float:
        weights = self._train(solution, mechanism)
        answers = mechanism(self._scoring.cells @ _membership(solution).T)
        return float((_Attack(solution, weights).guesses(answers) == self._scoring.has_target).mean())

    def _train(self, solution: list[np.ndarray], mechanism: Mechanism) -> np.ndarray:
        """Ridge regression of ±1: on exact answers it finds any difference that has no other variance."""
        answers = _with_constant(mechanism(self._training.cells @ _membership(solution).T))
        wanted = np.where(self._training.has_target, 1.0, -1.0)
        ridge = 1e-3 * len(wanted) * np.eye(answers.shape[1])
        return np.linalg.solve(answers.T @ answers + ridge, answers.T @ wanted)


def _membership(solution: list[np.ndarray]) -> np.ndarray:
    """Which attribute cells each query counts, as zeros and ones."""
    place, audience, sku = solution
    joint = place[:, :, None, None] & audience[:, None, :, None] & sku[:, None, None, :]
    return joint.reshape(len(place), -1).astype(np.int64)


def _with_constant(answers: np.ndarray) -> np.ndarray:
    return np.hstack([answers, np.ones((len(answers), 1))])


def _threshold_only(minimum: int) -> Mechanism:
    return lambda counts: np.where(counts >= minimum, counts, 0).astype(float)


def _simulated_room(minimum: int, delta: float, epsilon: float, rng: np.random.Generator) -> Mechanism:
    """The attacker's copy of the room."""
    scale = 1.0 / epsilon
    threshold = minimum + threshold_margin(scale, delta)

    def answer(counts: np.ndarray) -> np.ndarray:
        noisy = counts + rng.laplace(0.0, scale, counts.shape)
        return np.where(noisy >= threshold, noisy, 0.0)

    return answer


def _real_noise(minimum: int, delta: float, epsilon: float) -> Mechanism:
    """The room's noise and threshold, one draw per query and log."""

    def answer(counts: np.ndarray) -> np.ndarray:
        noisy = add_laplace(counts.ravel().tolist(), 1, to_micro(epsilon))
        values = np.asarray(noisy.values, dtype=float).reshape(counts.shape)
        return np.where(values >= minimum + threshold_margin(noisy.scale, delta), values, 0.0)

    return answer


def _request(query: tuple[np.ndarray, np.ndarray, np.ndarray], epsilon: float) -> dict[str, Any]:
    """One query as a structured request. An attribute without any value counts nobody; ask for one value then."""
    names = ("placement_type", "audience_id", "sku_id")
    domains = (PLACEMENTS, AUDIENCES, tuple(sku_ids(SHAPE[2])))
    filters = {
        name: [value for value, is_in in zip(domain, chosen, strict=True) if is_in] or [domain[0]]
        for name, domain, chosen in zip(names, domains, query, strict=True)
    }
    return {"metrics": ["customers"], "filters": filters, "epsilon": epsilon}
