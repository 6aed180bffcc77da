from itertools import permutations

import numpy as np
import pytest

from rmn_pipeline.comparison import ComparisonError
from rmn_pipeline.comparison.shapley import coalitions, shares_by_sample, solve_game

PLAYERS = ("a", "b", "c", "d", "e")


def random_game(players: tuple[str, ...] = PLAYERS, samples: int = 40, seed: int = 0):
    random = np.random.default_rng(seed)
    return {coalition: 1e6 + 1e4 * random.standard_normal(samples) for coalition in coalitions(players)}


def test_shares_are_the_mean_of_what_a_player_adds_over_all_orders():
    worth = random_game(("a", "b", "c", "d"))
    solved = solve_game(("a", "b", "c", "d"), worth)
    added = dict.fromkeys("abcd", 0.0)
    orders = list(permutations("abcd"))
    for order in orders:
        for place, name in enumerate(order):
            before = frozenset(order[:place])
            added[name] += (worth[before | {name}] - worth[before]).mean() / len(orders)
    for name, value in added.items():
        assert solved.players[name].shapley.value == pytest.approx(value, abs=1e-6)


def test_shares_sum_to_the_gap_in_total_and_in_every_sample():
    worth = random_game()
    solved = solve_game(PLAYERS, worth)
    gap = worth[frozenset(PLAYERS)] - worth[frozenset()]
    shares = shares_by_sample(PLAYERS, worth)
    assert sum(value.shapley.value for value in solved.players.values()) == pytest.approx(
        solved.gap.value, rel=1e-9
    )
    assert np.allclose(sum(shares.values()), gap, rtol=1e-9, atol=1e-6)


def test_a_player_that_changes_nothing_is_worth_exactly_nothing():
    inner = random_game(("a", "b"))
    worth = {c: inner[c - {"idle"}] for c in coalitions(("a", "b", "idle"))}
    idle = solve_game(("a", "b", "idle"), worth).players["idle"]
    for spread in (idle.shapley, idle.add_first, idle.leave_one_out):
        assert (spread.value, spread.low, spread.high) == pytest.approx((0, 0, 0), abs=1e-9)


def test_a_random_player_has_an_interval_over_zero():
    """Noise of its own in every coalition and world, with no effect on average: 5 % of intervals may miss 0."""
    missed = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        inner = random_game(("a", "b"), samples=40, seed=seed)
        worth = {
            c: inner[c - {"noise"}] + (50.0 * random.standard_normal(40) if "noise" in c else 0.0)
            for c in coalitions(("a", "b", "noise"))
        }
        share = solve_game(("a", "b", "noise"), worth).players["noise"].shapley
        missed += not share.low <= 0 <= share.high
    assert missed <= 9


def test_a_duplicated_player_shares_equally():
    inner = random_game(("a", "b", "c"))
    worth = {}
    for coalition in coalitions(("a", "b", "c", "copy")):
        told = {"a" if name == "copy" else name for name in coalition}
        worth[coalition] = inner[frozenset(told)]
    solved = solve_game(("a", "b", "c", "copy"), worth)
    mine, copy = solved.players["a"], solved.players["copy"]
    assert mine.shapley.value == pytest.approx(copy.shapley.value, abs=1e-6)
    assert (mine.shapley.low, mine.shapley.high) == pytest.approx(
        (copy.shapley.low, copy.shapley.high), abs=1e-6
    )
    assert mine.leave_one_out.value == pytest.approx(0, abs=1e-6)
    assert solved.interactions["a", "copy"].value < 0 or solved.players["a"].add_first.value < 0


def test_two_players_worth_something_only_together_split_it_and_interact():
    worth = {c: np.full(4, 10.0 if c >= {"a", "b"} else 0.0) for c in coalitions(("a", "b", "c"))}
    solved = solve_game(("a", "b", "c"), worth)
    assert solved.players["a"].shapley.value == pytest.approx(5)
    assert solved.players["a"].add_first.value == 0
    assert solved.players["a"].leave_one_out.value == pytest.approx(10)
    assert solved.interactions["a", "b"].value == pytest.approx(10)
    assert solved.interactions["a", "c"].value == pytest.approx(0)


def test_pairing_narrows_the_interval():
    """Luck that all coalitions share cancels."""
    random = np.random.default_rng(3)
    luck = 1e5 * random.standard_normal(50)
    worth = {c: luck + 100.0 * len(c) for c in coalitions(("a", "b"))}
    share = solve_game(("a", "b"), worth).players["a"].shapley
    assert (share.low, share.value, share.high) == pytest.approx((100, 100, 100), abs=1e-6)


def test_incomplete_games_are_refused():
    worth = random_game(("a", "b"))
    with pytest.raises(ComparisonError, match="no value for 1 coalition"):
        solve_game(("a", "b"), {c: v for c, v in worth.items() if c != frozenset({"a"})})
    with pytest.raises(ComparisonError, match="samples must pair"):
        solve_game(("a", "b"), {**worth, frozenset(): np.zeros(3)})
    with pytest.raises(ComparisonError, match="different ones"):
        coalitions(("a", "a"))
