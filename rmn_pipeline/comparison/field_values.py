"""What each withheld field is worth: every combination of visible fields is planned, carried out, and compared.

The value of a set of fields is what the plan made with exactly those fields really brings in, as its judge measures
it, never the plan's own forecast. All combinations share one solver, one setting and the same luck, replicate by
replicate. A combination whose plan cannot be made brings in nothing and spends nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from rmn_pipeline.comparison.judge import Judge, outcomes_of
from rmn_pipeline.comparison.result import (
    Bounds,
    CoalitionOutcome,
    FieldGame,
    FieldPrice,
    FieldShare,
    FieldValues,
    Interaction,
)
from rmn_pipeline.comparison.shapley import Coalition, Floats, GameValue, Spread, coalitions, solve_game
from rmn_pipeline.planning import (
    Plan,
    PlanError,
    PlannerSettings,
    PlanningView,
    PlanRequest,
    ResponseModel,
    fit_response,
    make_plan,
    resolve,
)
from rmn_pipeline.planning.fields import FIELDS, field_masks

FIELD_LABELS = {
    "margin": "Margin by product",
    "stock": "Stock",
    "promo": "Promotion calendar",
    "price": "Price and sales",
    "grain": "Row-level reports",
}
# Margins decide what a response is worth, not how large it is: the curves are fitted alike with and without them.
WITHOUT_EFFECT_ON_THE_FIT = frozenset({"margin"})
NET_MARGIN, OUT_OF_STOCK, ROAS_SHORTFALL = "net_margin_usd", "out_of_stock_spend_usd", "roas_shortfall"
# A plan's ROAS as such is no game that adds up; what is maximized for it is the revenue of a given budget.
GAME_OF_OBJECTIVE = {
    "incremental_margin": "incremental_margin_usd",
    "incremental_revenue": "incremental_revenue_usd",
    "roas": "incremental_revenue_usd",
}
GAME_LABELS = {
    "incremental_margin_usd": "incremental margin",
    "incremental_revenue_usd": "incremental revenue",
    NET_MARGIN: "margin net of ad spend",
    OUT_OF_STOCK: "spend while out of stock",
    ROAS_SHORTFALL: "shortfall of the minimum ROAS",
}

ViewOf = Callable[[Coalition], PlanningView]


@dataclass(frozen=True)
class PlayedGame:
    """Every coalition's outcome: per metric and coalition one value per replicate, and the plans behind them."""

    players: tuple[str, ...]
    objective_metric: str
    budget_usd: float
    worth: dict[str, dict[Coalition, Floats]]
    plans: dict[Coalition, Plan | None]
    refusals: dict[Coalition, str] = field(default_factory=dict)

    def means(self) -> dict[str, dict[Coalition, float]]:
        """Each coalition's mean over replicates, per metric."""
        return {
            metric: {coalition: float(values.mean()) for coalition, values in table.items()}
            for metric, table in self.worth.items()
        }


def play_fields(
    *,
    request: PlanRequest,
    full: PlanningView,
    clean: PlanningView,
    judge: Judge,
    start_date: date,
    settings: PlannerSettings | None = None,
    replicates: int = 40,
    seed: int = 0,
    players: tuple[str, ...] = FIELDS,
    view_of: ViewOf | None = None,
    without_effect_on_the_fit: Coalition = WITHOUT_EFFECT_ON_THE_FIT,
    responses: Mapping[str, ResponseModel] | None = None,
) -> PlayedGame:
    """Plan with every combination of fields and let the judge carry each plan out under the same luck.

    Args:
        request: What all plans answer.
        full: The full-data view.
        clean: The clean-room view of the same brand and period.
        judge: Knows what a plan brings in.
        start_date: First day of the plans.
        settings: The planner's choices, the same for every combination.
        replicates: How often each plan is carried out.
        seed: Fixes the luck that all plans share.
        players: The fields; with `view_of`, any names that it understands.
        view_of: What a combination may see; `masked_view` of the two views if not given.
        without_effect_on_the_fit: Players that no fit looks at, so that fits are shared across them.
        responses: Earlier fits of the two views, as "full_data" and "clean_room"; used where all or none is visible.
    """
    known = settings or PlannerSettings()
    see = view_of or field_masks(full, clean)
    fits = _known_fits(players, without_effect_on_the_fit, responses or {})
    plans: dict[Coalition, Plan | None] = {}
    refusals: dict[Coalition, str] = {}
    for coalition in coalitions(players):
        view, key = see(coalition), coalition - without_effect_on_the_fit
        try:
            if key not in fits:
                fits[key] = fit_response(view, known)
            plan = make_plan(request, view, start_date=start_date, settings=known, response=fits[key])
        except PlanError as error:
            plans[coalition], refusals[coalition] = None, str(error)
            continue
        plans[coalition] = plan if plan.status != "infeasible" else None
        if plan.status == "infeasible":
            refusals[coalition] = ", ".join(plan.infeasible_because)
    return PlayedGame(
        players=players,
        objective_metric=GAME_OF_OBJECTIVE[resolve(request).objective],
        budget_usd=request.budget_usd,
        worth=_judged(plans, request, judge, replicates, seed),
        plans=plans,
        refusals=refusals,
    )


def _known_fits(
    players: tuple[str, ...], without_effect: Coalition, responses: Mapping[str, ResponseModel]
) -> dict[Coalition, ResponseModel]:
    places = {"full_data": frozenset(players) - without_effect, "clean_room": frozenset[str]()}
    return {places[mode]: response for mode, response in responses.items()}


def _judged(
    plans: Mapping[Coalition, Plan | None], request: PlanRequest, judge: Judge, replicates: int, seed: int
) -> dict[str, dict[Coalition, Floats]]:
    worth: dict[str, dict[Coalition, Floats]] = {}
    seen: dict[str, dict[str, Floats]] = {}
    for coalition, plan in plans.items():
        if plan is None:
            outcome = dict.fromkeys(_metrics(request), np.zeros(replicates))
        else:
            if plan.plan_id not in seen:
                seen[plan.plan_id] = _outcome(plan, request, judge, replicates, seed)
            outcome = seen[plan.plan_id]
        for metric, values in outcome.items():
            worth.setdefault(metric, {})[coalition] = values
    return worth


def _metrics(request: PlanRequest) -> tuple[str, ...]:
    names = (GAME_OF_OBJECTIVE[resolve(request).objective], NET_MARGIN, OUT_OF_STOCK)
    return (*names, ROAS_SHORTFALL) if _has_roas_limit(request) else names


def _has_roas_limit(request: PlanRequest) -> bool:
    return request.min_roas is not None and resolve(request).roas_basis == "incremental"


def _outcome(plan: Plan, request: PlanRequest, judge: Judge, replicates: int, seed: int) -> dict[str, Floats]:
    judgement = judge.realize(plan, replicates=replicates, seed=seed)
    totals = outcomes_of(judgement, f"with {plan.plan_id}", replicates).totals
    spend = totals["spend_usd"]
    found = {name: totals[name] for name in _metrics(request) if name in totals}
    found[NET_MARGIN] = totals["incremental_margin_usd"] - spend
    if _has_roas_limit(request):
        iroas = totals["incremental_revenue_usd"] / np.maximum(spend, 1e-9)
        found[ROAS_SHORTFALL] = np.maximum((request.min_roas or 0.0) - iroas, 0.0)
    return found


def field_values(played: PlayedGame, *, seed: int = 0) -> FieldValues:
    """Shares, first and last additions, interactions and prices from a played game, intervals over its replicates."""
    worth = played.worth
    solved = {metric: solve_game(played.players, table, seed) for metric, table in worth.items()}
    return FieldValues(
        objective_metric=played.objective_metric,
        fields=played.players,
        labels={name: FIELD_LABELS.get(name, name.replace("_", " ").capitalize()) for name in played.players},
        budget_usd=played.budget_usd,
        samples=next(iter(solved.values())).samples,
        sampled_over="replicates",
        games={metric: _game(metric, game) for metric, game in solved.items()},
        price_sheet={
            name: _price(solved[played.objective_metric], solved[NET_MARGIN], name, played.budget_usd)
            for name in played.players
        },
        coalitions=tuple(_coalition(played, worth, coalition) for coalition in coalitions(played.players)),
    )


def _game(metric: str, game: GameValue) -> FieldGame:
    return FieldGame(
        label=GAME_LABELS.get(metric, metric),
        gap=_bounds(game.gap),
        shares={
            name: FieldShare(
                shapley=_bounds(value.shapley),
                add_first=_bounds(value.add_first),
                leave_one_out=_bounds(value.leave_one_out),
            )
            for name, value in game.players.items()
        },
        interactions=tuple(
            Interaction(first=first, second=second, value=_bounds(spread))
            for (first, second), spread in game.interactions.items()
        ),
    )


def _price(objective: GameValue, net: GameValue, name: str, budget_usd: float) -> FieldPrice:
    mine, after_ads = objective.players[name], net.players[name]
    return FieldPrice(
        per_budget_dollar=_bounds(mine.shapley, budget_usd),
        net_per_budget_dollar=_bounds(after_ads.shapley, budget_usd),
        alone_per_budget_dollar=_bounds(after_ads.add_first, budget_usd),
        last_per_budget_dollar=_bounds(after_ads.leave_one_out, budget_usd),
    )


def _bounds(spread: Spread, per: float = 1.0) -> Bounds:
    low, high = spread.low / per, spread.high / per
    return Bounds(value=spread.value / per, low=low, high=high, excludes_zero=low > 0 or high < 0)


def _coalition(
    played: PlayedGame, worth: Mapping[str, Mapping[Coalition, Floats]], coalition: Coalition
) -> CoalitionOutcome:
    plan = played.plans.get(coalition)
    return CoalitionOutcome(
        visible=tuple(name for name in played.players if name in coalition),
        planned=plan is not None,
        refused_because=played.refusals.get(coalition),
        spend_usd=plan.predicted.spend_usd if plan is not None else 0.0,
        outcomes={metric: float(table[coalition].mean()) for metric, table in worth.items()},
    )
