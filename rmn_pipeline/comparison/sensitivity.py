"""When full data wins, by how much, and when it does not: the field game played in many markets of several kinds.

A case is one market with both views of one brand and a judge. This room builds none of them; whoever knows markets
hands them in. Each market counts once: its replicates only sharpen its own mean, the intervals are over markets.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from rmn_pipeline.comparison.errors import ComparisonError
from rmn_pipeline.comparison.field_values import NET_MARGIN, play_fields
from rmn_pipeline.comparison.judge import Judge, outcomes_of
from rmn_pipeline.comparison.result import Bounds
from rmn_pipeline.comparison.shapley import Coalition, Floats, Spread, coalitions, solve_game
from rmn_pipeline.planning import Plan, PlannerSettings, PlanningView, PlanRequest
from rmn_pipeline.planning.fields import FIELDS

Reading = Literal["full data wins", "clean room wins", "no difference shown"]
SEPARATOR = "+"
MINIMUM_WORLDS = 2


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class WorldCase:
    """One market: what a brand may see of it, who judges, and plans to measure against (oracle, status quo …)."""

    preset: str
    seed: int
    request: PlanRequest
    full: PlanningView
    clean: PlanningView
    judge: Judge
    start_date: date
    references: Mapping[str, Plan]


class CaseResult(_Frozen):
    """One market, played: mean net margin and objective per combination of visible fields."""

    preset: str
    seed: int
    budget_usd: float
    objective_metric: str
    arms: int
    released_rows: int = Field(description="Rows that the clean room released for whole weeks")
    objective: dict[str, float] = Field(description="Mean objective by visible fields, joined with '+'")
    net_margin: dict[str, float]
    references: dict[str, float] = Field(description="Mean objective of reference plans")
    refused: tuple[str, ...] = Field(description="Combinations without a plan; they count as nothing")


class PresetSummary(_Frozen):
    """All markets of one kind. Money is per dollar of budget, so that markets of different size count alike."""

    preset: str
    description: str
    worlds: int
    gap_per_budget_dollar: Bounds = Field(description="Objective, full data minus clean room")
    net_gap_per_budget_dollar: Bounds
    relative_gap: Bounds = Field(description="Gap / clean-room objective, mean over worlds")
    share_of_worlds_won: float
    reading: Reading
    fields: dict[str, Bounds] = Field(description="Shapley share of the objective per dollar of budget")
    net_fields: dict[str, Bounds] = Field(description="Shapley share of net margin per dollar of budget")
    regret_full: Bounds | None = Field(description="1 − objective / oracle's")
    regret_clean: Bounds | None
    relative_gaps: tuple[float, ...] = Field(description="One per world, by seed")


class SensitivityResult(_Frozen):
    """The study: one summary per kind of market."""

    objective_metric: str
    replicates: int
    confidence_level: float
    interval_method: str
    presets: tuple[PresetSummary, ...]
    notes: dict[str, str]


INTERVAL_METHOD = "Percentile bootstrap over worlds, all combinations of a world drawn together."


def play_case(
    case: WorldCase, *, replicates: int = 20, settings: PlannerSettings | None = None
) -> CaseResult:
    """All combinations of fields in one market; the market's seed fixes the luck."""
    played = play_fields(
        request=case.request, full=case.full, clean=case.clean, judge=case.judge, start_date=case.start_date,
        settings=settings, replicates=replicates, seed=case.seed,
    )  # fmt: skip
    means = played.means()
    return CaseResult(
        preset=case.preset,
        seed=case.seed,
        budget_usd=case.request.budget_usd,
        objective_metric=played.objective_metric,
        arms=case.full.panel.select("retailer_id", "placement_type", "audience_id", "sku_id").n_unique(),
        released_rows=case.clean.panel.height,
        objective={_name(key): value for key, value in means[played.objective_metric].items()},
        net_margin={_name(key): value for key, value in means[NET_MARGIN].items()},
        references={
            name: _realized(plan, case, replicates, played.objective_metric)
            for name, plan in case.references.items()
            if plan.status != "infeasible"
        },
        refused=tuple(_name(key) for key in played.refusals),
    )


def play_cases(
    cases: Iterable[WorldCase], *, replicates: int = 20, settings: PlannerSettings | None = None
) -> Iterator[CaseResult]:
    """One result per case, as they come: a caller can keep what is done and go on later."""
    for case in cases:
        yield play_case(case, replicates=replicates, settings=settings)


def summarize_cases(
    results: Sequence[CaseResult],
    descriptions: Mapping[str, str],
    *,
    replicates: int,
    notes: Mapping[str, str] | None = None,
    seed: int = 0,
) -> SensitivityResult:
    """The study's figures, presets in the order of `descriptions`.

    Raises:
        ComparisonError: nothing was played, a preset has a single market, or objectives differ.
    """
    metrics = {result.objective_metric for result in results}
    if len(metrics) != 1:
        raise ComparisonError(
            f"the cases were played for {sorted(metrics) or 'nothing'}; pass cases of one objective"
        )
    by_preset: dict[str, list[CaseResult]] = {}
    for result in sorted(results, key=lambda item: item.seed):
        by_preset.setdefault(result.preset, []).append(result)
    few = [name for name, found in by_preset.items() if len(found) < MINIMUM_WORLDS]
    if few:
        raise ComparisonError(f"preset(s) {few} with one market: an interval over markets needs two or more")
    order = [name for name in descriptions if name in by_preset]
    return SensitivityResult(
        objective_metric=metrics.pop(),
        replicates=replicates,
        confidence_level=0.95,
        interval_method=INTERVAL_METHOD,
        presets=tuple(_summary(name, descriptions[name], by_preset[name], seed) for name in order),
        notes=dict(notes or {}),
    )


def _realized(plan: Plan, case: WorldCase, replicates: int, metric: str) -> float:
    judgement = case.judge.realize(plan, replicates=replicates, seed=case.seed)
    return float(outcomes_of(judgement, plan.mode, replicates).totals[metric].mean())


def _name(coalition: Coalition) -> str:
    return SEPARATOR.join(name for name in FIELDS if name in coalition)


EVERYTHING, NOTHING = _name(frozenset(FIELDS)), _name(frozenset())


def _summary(name: str, description: str, cases: list[CaseResult], seed: int) -> PresetSummary:
    budget = np.array([case.budget_usd for case in cases])
    objective = solve_game(FIELDS, _per_dollar([case.objective for case in cases], budget), seed)
    net = solve_game(FIELDS, _per_dollar([case.net_margin for case in cases], budget), seed)
    full, clean = (np.array([case.objective[key] for case in cases]) for key in (EVERYTHING, NOTHING))
    relative = (full - clean) / np.maximum(np.abs(clean), 1e-9)
    gap = _bounds(objective.gap)
    return PresetSummary(
        preset=name,
        description=description,
        worlds=len(cases),
        gap_per_budget_dollar=gap,
        net_gap_per_budget_dollar=_bounds(net.gap),
        relative_gap=_mean_bounds(relative, seed),
        share_of_worlds_won=float((full > clean).mean()),
        reading=_reading(gap),
        fields={field: _bounds(value.shapley) for field, value in objective.players.items()},
        net_fields={field: _bounds(value.shapley) for field, value in net.players.items()},
        regret_full=_regret(cases, full, seed),
        regret_clean=_regret(cases, clean, seed),
        relative_gaps=tuple(round(float(value), 5) for value in relative),
    )


def _per_dollar(tables: list[dict[str, float]], budget: Floats) -> dict[Coalition, Floats]:
    return {
        coalition: np.array([table[_name(coalition)] for table in tables]) / budget
        for coalition in coalitions(FIELDS)
    }


def _regret(cases: list[CaseResult], reached: Floats, seed: int) -> Bounds | None:
    best = np.array([case.references.get("oracle", np.nan) for case in cases])
    if not np.isfinite(best).all() or (best <= 0).any():
        return None
    return _mean_bounds(1.0 - reached / best, seed)


def _mean_bounds(values: Floats, seed: int) -> Bounds:
    """Mean over worlds: the one-player game between nothing and the values."""
    worth: dict[Coalition, Floats] = {frozenset(): np.zeros_like(values), frozenset({"all"}): values}
    return _bounds(solve_game(("all",), worth, seed).gap)


def _bounds(spread: Spread) -> Bounds:
    return Bounds(
        value=spread.value, low=spread.low, high=spread.high, excludes_zero=spread.low > 0 or spread.high < 0
    )


def _reading(gap: Bounds) -> Reading:
    if not gap.excludes_zero:
        return "no difference shown"
    return "full data wins" if gap.value > 0 else "clean room wins"
