"""The value of players in a game whose every coalition was played: exact Shapley shares and what stands beside them.

A game is a table, sample × coalition. Samples (replicates of one market, or markets) are paired: sample i is the same
luck for every coalition. Everything here is linear in the table, so that the shares sum to the gap in every sample
and one bootstrap resample serves all figures at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from math import factorial

import numpy as np
from numpy.typing import NDArray

from rmn_pipeline.comparison.errors import ComparisonError

Floats = NDArray[np.float64]
Coalition = frozenset[str]

LEVEL = 0.95
RESAMPLES = 2000
# Beyond this every coalition can no longer be played.
MAXIMUM_PLAYERS = 10
SUM_TOLERANCE = 1e-9
# Relative to the largest value of the game.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Spread:
    """A value with the interval of a paired bootstrap."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PlayerValue:
    """What one player adds: on average over all orders of arrival, as the first, as the last."""

    shapley: Spread
    add_first: Spread
    leave_one_out: Spread


@dataclass(frozen=True)
class GameValue:
    """A solved game. `interactions` are Shapley interaction indices: above 0 the two are worth more together."""

    players: dict[str, PlayerValue]
    gap: Spread
    interactions: dict[tuple[str, str], Spread]
    samples: int


def coalitions(players: tuple[str, ...]) -> tuple[Coalition, ...]:
    """Every subset of the players, the empty one first, all of them last."""
    if len(set(players)) != len(players) or not 1 <= len(players) <= MAXIMUM_PLAYERS:
        raise ComparisonError(
            f"players {list(players)}: name 1 to {MAXIMUM_PLAYERS} different ones; each more doubles the plans to make"
        )
    return tuple(
        frozenset(names) for size in range(len(players) + 1) for names in combinations(players, size)
    )


def solve_game(players: tuple[str, ...], worth: Mapping[Coalition, Floats], seed: int = 0) -> GameValue:
    """Shares, first and last additions and pairwise interactions, with 95 % paired bootstrap intervals.

    Args:
        players: Their names, in the order of the result.
        worth: Per coalition one value per sample, in the same order of samples.
        seed: Of the bootstrap.

    Raises:
        ComparisonError: a coalition is missing, or samples do not pair.
    """
    known = coalitions(players)
    table = _table(known, worth)
    weights = _weights(players, known)
    names = list(weights)
    matrix = np.array([weights[name] for name in names])
    point = matrix @ table.mean(axis=0)
    bounds = _bootstrap(table, matrix, seed)
    smallest = ROUNDING * float(np.abs(table).max())
    found = {
        name: _spread(float(value), float(low), float(high), smallest)
        for name, value, low, high in zip(names, point, *bounds, strict=True)
    }
    _check_sum(found, players)
    return GameValue(
        players={
            name: PlayerValue(found["shapley", name], found["first", name], found["last", name])
            for name in players
        },
        gap=found["gap", ""],
        interactions={pair: found["interaction", " ".join(pair)] for pair in combinations(players, 2)},
        samples=table.shape[0],
    )


def shares_by_sample(players: tuple[str, ...], worth: Mapping[Coalition, Floats]) -> dict[str, Floats]:
    """Each player's Shapley share in every sample."""
    known = coalitions(players)
    table, weights = _table(known, worth), _weights(players, known)
    return {name: table @ weights["shapley", name] for name in players}


def _table(known: tuple[Coalition, ...], worth: Mapping[Coalition, Floats]) -> Floats:
    missing = [sorted(coalition) for coalition in known if coalition not in worth]
    if missing:
        raise ComparisonError(f"no value for {len(missing)} coalition(s), first {missing[0]}; play every one")
    sizes = {worth[coalition].size for coalition in known}
    if len(sizes) > 1 or min(sizes) < 1:
        raise ComparisonError(f"coalitions come with {sorted(sizes)} samples; samples must pair one to one")
    return np.column_stack([worth[coalition] for coalition in known]).astype(np.float64)


def _weights(players: tuple[str, ...], known: tuple[Coalition, ...]) -> dict[tuple[str, str], Floats]:
    """Every figure as weights over coalitions."""
    place = {coalition: index for index, coalition in enumerate(known)}
    everyone, nobody = frozenset(players), frozenset[str]()

    def difference(plus: Coalition, minus: Coalition) -> Floats:
        row = np.zeros(len(known))
        row[place[plus]] += 1.0
        row[place[minus]] -= 1.0
        return row

    weights = {("gap", ""): difference(everyone, nobody)}
    for name in players:
        weights["shapley", name] = _shapley_row(name, players, known, place)
        weights["first", name] = difference(frozenset({name}), nobody)
        weights["last", name] = difference(everyone, everyone - {name})
    for first, second in combinations(players, 2):
        weights["interaction", f"{first} {second}"] = _interaction_row((first, second), players, known, place)
    return weights


def _shapley_row(
    name: str, players: tuple[str, ...], known: tuple[Coalition, ...], place: Mapping[Coalition, int]
) -> Floats:
    count = len(players)
    row = np.zeros(len(known))
    for coalition in known:
        if name in coalition:
            continue
        size = len(coalition)
        weight = factorial(size) * factorial(count - size - 1) / factorial(count)
        row[place[coalition | {name}]] += weight
        row[place[coalition]] -= weight
    return row


def _interaction_row(
    pair: tuple[str, str],
    players: tuple[str, ...],
    known: tuple[Coalition, ...],
    place: Mapping[Coalition, int],
) -> Floats:
    """Grabisch and Roubens' index: the second difference, averaged over what else is there."""
    count = len(players)
    both = frozenset(pair)
    row = np.zeros(len(known))
    for coalition in known:
        if coalition & both:
            continue
        size = len(coalition)
        weight = factorial(size) * factorial(count - size - 2) / factorial(count - 1)
        row[place[coalition | both]] += weight
        row[place[coalition]] += weight
        for name in pair:
            row[place[coalition | {name}]] -= weight
    return row


def _bootstrap(table: Floats, matrix: Floats, seed: int) -> tuple[Floats, Floats]:
    """Percentile bounds; whole samples are drawn, so that coalitions stay paired."""
    samples = table.shape[0]
    generator = np.random.default_rng(seed)
    counts = generator.multinomial(samples, np.full(samples, 1.0 / samples), size=RESAMPLES)
    # Per sample first: differences within a sample cancel exactly where coalitions make the same plan.
    by_sample = table @ matrix.T
    drawn = (counts / samples) @ by_sample
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return low, high


def _spread(value: float, low: float, high: float, smallest: float) -> Spread:
    """Differences in the last digits of large sums are none, and must not exclude 0."""
    if max(abs(value), abs(low), abs(high)) <= smallest:
        return Spread(0.0, 0.0, 0.0)
    return Spread(value, low, high)


def _check_sum(found: Mapping[tuple[str, str], Spread], players: tuple[str, ...]) -> None:
    total = sum(found["shapley", name].value for name in players)
    gap = found["gap", ""].value
    scale = max(1.0, *(abs(found["shapley", name].value) for name in players))
    if abs(total - gap) > SUM_TOLERANCE * scale:
        raise ComparisonError(
            f"Shapley shares sum to {total!r}, the gap is {gap!r}: the game is inconsistent"
        )
