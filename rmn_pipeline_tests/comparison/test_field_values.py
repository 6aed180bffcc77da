import numpy as np
import pytest

from rmn_pipeline.comparison.field_values import PlayedGame, field_values, play_fields
from rmn_pipeline.comparison.shapley import Coalition, solve_game
from rmn_pipeline.planning import PlanningView, make_plan
from rmn_pipeline.planning.fields import FIELDS, masked_view
from rmn_pipeline_tests.comparison.field_market import FieldMarket, field_market, with_random_promotions
from rmn_pipeline_tests.planning.simulated import START


@pytest.fixture(scope="module")
def market() -> FieldMarket:
    return field_market(seed=1)


@pytest.fixture(scope="module")
def played(market: FieldMarket) -> PlayedGame:
    return play_fields(
        request=market.request, full=market.full, clean=market.clean, judge=market.judge, start_date=START,
        replicates=12, seed=5,
    )  # fmt: skip


def test_shares_of_every_outcome_sum_to_the_gap(played: PlayedGame):
    found = field_values(played)
    assert set(found.games) == {"incremental_margin_usd", "net_margin_usd", "out_of_stock_spend_usd"}
    for game in found.games.values():
        total = sum(share.shapley.value for share in game.shares.values())
        assert total == pytest.approx(game.gap.value, rel=1e-9, abs=1e-9)


def test_the_gap_is_that_of_the_two_plans_under_the_same_luck(market: FieldMarket, played: PlayedGame):
    margins = []
    for view in (market.full, market.clean):
        plan = make_plan(market.request, view, start_date=START)
        margins.append(
            market.judge.realize(plan, replicates=12, seed=5).totals["incremental_margin_usd"].mean()
        )
    gap = field_values(played).games["incremental_margin_usd"].gap.value
    assert gap == pytest.approx(margins[0] - margins[1], rel=1e-9)


def test_the_margin_is_what_this_market_withholds(played: PlayedGame):
    shares = field_values(played).games["incremental_margin_usd"].shares
    assert shares["margin"].shapley.value > 0
    assert shares["margin"].shapley.excludes_zero
    assert shares["stock"].shapley.value == pytest.approx(0, abs=1e-6)
    assert shares["promo"].shapley.value == pytest.approx(0, abs=1e-6)


def test_prices_are_shares_per_dollar_of_budget(played: PlayedGame):
    found = field_values(played)
    for name, price in found.price_sheet.items():
        share = found.games["incremental_margin_usd"].shares[name].shapley
        assert price.per_budget_dollar.value == pytest.approx(share.value / found.budget_usd)
        assert price.net_per_budget_dollar.low <= price.net_per_budget_dollar.value


def test_fits_are_shared_across_margins_and_the_plans_stay_the_same(
    market: FieldMarket, played: PlayedGame, monkeypatch: pytest.MonkeyPatch
):
    for coalition in (frozenset({"margin", "grain"}), frozenset({"margin", "stock"})):
        alone = make_plan(market.request, masked_view(market.full, market.clean, coalition), start_date=START)
        assert played.plans[coalition] == alone
    fitted: list[PlanningView] = []
    from rmn_pipeline.comparison import field_values as module

    original = module.fit_response
    monkeypatch.setattr(
        module, "fit_response", lambda view, *rest: fitted.append(view) or original(view, *rest)
    )
    play_fields(
        request=market.request, full=market.full, clean=market.clean, judge=market.judge, start_date=START,
        replicates=2, players=("margin", "grain"),
        view_of=lambda visible: masked_view(market.full, market.clean, visible),
    )  # fmt: skip
    assert len(fitted) == 2


def test_a_duplicated_field_shares_equally(market: FieldMarket):
    def view_of(visible: Coalition) -> PlanningView:
        told = {"margin" if name == "margin_again" else name for name in visible}
        return masked_view(market.full, market.clean, frozenset(told))

    found = field_values(
        play_fields(
            request=market.request, full=market.full, clean=market.clean, judge=market.judge, start_date=START,
            replicates=8, players=("margin", "margin_again", "grain"), view_of=view_of,
            without_effect_on_the_fit=frozenset({"margin", "margin_again"}),
        )
    )  # fmt: skip
    shares = found.games["incremental_margin_usd"].shares
    assert shares["margin"].shapley.value == pytest.approx(shares["margin_again"].shapley.value, abs=1e-6)
    assert shares["margin"].leave_one_out.value == pytest.approx(0, abs=1e-6)


def test_a_random_field_is_worth_nothing_over_many_markets():
    """A promotion calendar of coin flips: the planner uses it as if it meant something, and gains nothing."""
    worlds: list[dict[Coalition, float]] = []
    players = ("margin", "flips")
    for seed in range(14):
        market = field_market(seed=seed, skus=4, weeks=10)
        noisy = with_random_promotions(market.full, seed)

        def view_of(
            visible: Coalition, market: FieldMarket = market, noisy: PlanningView = noisy
        ) -> PlanningView:
            base = noisy if "flips" in visible else market.full
            return masked_view(base, market.clean, (frozenset(FIELDS) - {"margin"}) | (visible & {"margin"}))

        played = play_fields(
            request=market.request, full=market.full, clean=market.clean, judge=market.judge, start_date=START,
            replicates=4, seed=seed, players=players, view_of=view_of,
        )  # fmt: skip
        worlds.append(played.means()["incremental_margin_usd"])
    worth = {coalition: np.array([world[coalition] for world in worlds]) for coalition in worlds[0]}
    solved = solve_game(players, worth)
    flips, margin = solved.players["flips"].shapley, solved.players["margin"].shapley
    assert np.abs(worth[frozenset({"flips"})] - worth[frozenset()]).max() > 0
    assert flips.low <= 0 <= flips.high
    assert margin.low > 0


def test_a_combination_without_a_plan_counts_as_nothing_and_says_why(market: FieldMarket):
    stuck = market.request.model_copy(update={"min_roas": 500.0})
    found = field_values(
        play_fields(
            request=stuck, full=market.full, clean=market.clean, judge=market.judge, start_date=START,
            replicates=4, players=("margin",),
            view_of=lambda visible: masked_view(market.full, market.clean, visible),
        )
    )  # fmt: skip
    assert [outcome.planned for outcome in found.coalitions] == [False, False]
    assert all("min_roas" in (outcome.refused_because or "") for outcome in found.coalitions)
    assert found.games["incremental_margin_usd"].gap.value == 0
