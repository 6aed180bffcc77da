"""`make_plan`: a request and a view become a plan. One path for both modes; the view's mask makes the difference."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from rmn_pipeline.planning.audiences import AudienceShares, audience_split
from rmn_pipeline.planning.curves import CurveFamily, Curves, Floats
from rmn_pipeline.planning.errors import PlanError
from rmn_pipeline.planning.exploration import explore
from rmn_pipeline.planning.layout import Layout, PlanHeader, build_plan
from rmn_pipeline.planning.optimizer import Optimum, solve_scenario
from rmn_pipeline.planning.plan import Plan
from rmn_pipeline.planning.problem import Problem, problem_of
from rmn_pipeline.planning.request import PlanRequest, ResolvedRequest, resolve
from rmn_pipeline.planning.response import ResponseModel, fit_response
from rmn_pipeline.planning.scenario import Arm, Scenario
from rmn_pipeline.planning.selection import allowed_arms, check_brand, require_arms
from rmn_pipeline.planning.settings import PlannerSettings
from rmn_pipeline.planning.view import PlanningView

HIDDEN_DEMAND_WORTH_A_NOTE = 0.02
STOCK_NOT_ENFORCEABLE = "constraint 'exclude_out_of_stock' not enforceable: stock_level withheld"


@dataclass(frozen=True)
class Prepared:
    """A request made concrete on a view: the arms it may fund, their curves, and what had to be assumed."""

    resolved: ResolvedRequest
    scenario: Scenario
    response: ResponseModel
    chosen: np.ndarray
    audience_shares: AudienceShares
    notes: tuple[str, ...]

    @property
    def usual_spend_usd_per_week(self) -> Floats:
        """Usual weekly spend of the scenario's arms."""
        return self.response.arms["usual_spend_usd_per_week"].to_numpy()[self.chosen]


def make_plan(
    request: PlanRequest,
    view: PlanningView,
    *,
    start_date: date,
    adapters_used: Iterable[str] = (),
    settings: PlannerSettings | None = None,
    response: ResponseModel | None = None,
) -> Plan:
    """Plan a request on what a view shows. Limits that cannot be met give an `infeasible` plan that says why.

    `response` may hold an earlier `fit_response(view)`, to plan several requests on one fit.
    """
    known = settings or PlannerSettings()
    prepared = prepare(request, view, start_date=start_date, settings=known, response=response)
    problem = problem_of(prepared.scenario)
    optimum = solve_scenario(prepared.scenario, problem)
    header = PlanHeader(
        mode=view.mode,
        status=optimum.status,
        request=request,
        duals=optimum.duals,
        binding=optimum.binding,
        infeasible_because=optimum.infeasible_because,
        relaxations=optimum.relaxations,
        certified_gap=optimum.certified_gap,
        blocked_fields=view.blocked_fields,
        adapters_used=tuple(adapters_used),
        notes=(*prepared.notes, *optimum.notes),
    )
    return _laid_out(prepared, problem, optimum, header, known)


def prepare(
    request: PlanRequest,
    view: PlanningView,
    *,
    start_date: date,
    settings: PlannerSettings,
    response: ResponseModel | None = None,
    enforce_stock: bool = True,
) -> Prepared:
    """Fit the responses, apply the request's filters, and state the scenario."""
    check_brand(request, view.brand_id)
    resolved = resolve(request)
    fitted = response or fit_response(view, settings)
    arms = _described(fitted, view)
    mask = allowed_arms(request, arms)
    require_arms(int(mask.sum()), request)
    if resolved.exclude_out_of_stock and view.sees_stock and enforce_stock:
        mask = mask & _in_stock(arms, settings)
        require_arms(int(mask.sum()), request, "exclude_out_of_stock")
    chosen = np.flatnonzero(mask.to_numpy())
    shares, audience_notes = audience_split(view, arms[chosen.tolist()])
    return Prepared(
        resolved=resolved,
        scenario=_scenario(resolved, arms, fitted, chosen, start_date, settings),
        response=fitted,
        chosen=chosen,
        audience_shares=shares,
        notes=(*view.notes, *_notes(resolved, view, fitted), *audience_notes),
    )


def _laid_out(
    prepared: Prepared, problem: Problem, optimum: Optimum, header: PlanHeader, settings: PlannerSettings
) -> Plan:
    """Add the experiment reserve, if asked for, and the posterior interval of the result."""
    layout = posterior_layout(prepared, settings)
    share = prepared.resolved.experiment_share
    if optimum.status == "infeasible" or share == 0:
        return build_plan(prepared.scenario, optimum.spend, header, layout=layout)
    initial, half = incremental_draws(prepared, settings.exploration_draws, settings.seed)
    mixture = explore(
        problem,
        optimum.spend,
        initial,
        half * prepared.scenario.weeks,
        share,
        settings.exploration_segments,
    )
    return build_plan(prepared.scenario, mixture.working, header, mixture.experiment, layout)


def posterior_layout(prepared: Prepared, settings: PlannerSettings) -> Layout:
    """How this view's spend becomes items, with draws for the plan's interval."""
    initial, half = incremental_draws(prepared, settings.interval_draws, settings.seed + 1)
    return Layout(settings.minimum_booking_usd, prepared.audience_shares, initial, half)


def incremental_draws(prepared: Prepared, count: int, seed: int) -> tuple[Floats, Floats]:
    """Posterior draws of the scenario's weekly curves, at the stock and in the season that are expected."""
    scenario = prepared.scenario
    initial, half = prepared.response.draws(count, seed)
    stock = np.array([arm.in_stock_probability for arm in scenario.arms])
    level, log_sd = prepared.response.outlook(scenario.start_date, scenario.weeks)
    # One draw of the season for all arms of a category: they share the forecast and its error.
    category = prepared.response.arms["category"].rank("dense").to_numpy().astype(np.int64) - 1
    normal = np.random.default_rng([seed, 1]).standard_normal((count, int(category.max()) + 1))[:, category]
    season = level * np.exp(log_sd * normal - log_sd**2 / 2)
    return (initial * season)[:, prepared.chosen] * stock, half[:, prepared.chosen]


def _described(fitted: ResponseModel, view: PlanningView) -> pl.DataFrame:
    """The fitted arms with margin and stock where they may be seen."""
    arms = fitted.arms.join(
        view.skus.select("sku_id", "margin_rate"), on="sku_id", how="left", maintain_order="left"
    )
    arms = arms.with_columns(pl.col("margin_rate").fill_null(view.assumed_margin_rate))
    if view.availability is None:
        return arms.with_columns(in_stock_probability=pl.lit(1.0), stock_units=pl.lit(None, pl.Float64))
    stock = view.availability.select("retailer_id", "sku_id", "in_stock_probability", "stock_units")
    joined = arms.join(stock, on=["retailer_id", "sku_id"], how="left", maintain_order="left")
    unknown = joined.filter(pl.col("in_stock_probability").is_null())
    if not unknown.is_empty():
        first = unknown.select("retailer_id", "sku_id").row(0)
        raise PlanError(f"the private feed has no stock for {unknown.height} arm(s), first {first}")
    return joined


def _in_stock(arms: pl.DataFrame, settings: PlannerSettings) -> pl.Series:
    """Usually on the shelf, and not empty now."""
    usually = pl.col("in_stock_probability") >= settings.minimum_in_stock_probability
    return arms.select(usually & (pl.col("stock_units").fill_null(1) > 0)).to_series()


def _scenario(
    resolved: ResolvedRequest,
    arms: pl.DataFrame,
    fitted: ResponseModel,
    chosen: np.ndarray,
    start_date: date,
    settings: PlannerSettings,
) -> Scenario:
    usual = fitted.expected_curves()
    curves = Curves(usual.initial * fitted.outlook(start_date, resolved.weeks)[0], usual.half, usual.is_log)
    multiplier = fitted.multipliers.per_arm
    table = arms.to_dicts()
    return scenario_for(
        resolved,
        [
            _arm(
                table[index],
                curves,
                fitted.family,
                float(multiplier[index]),
                index,
                resolved.weeks,
                settings,
            )
            for index in chosen.tolist()
        ],
        start_date,
        settings,
    )


def scenario_for(
    resolved: ResolvedRequest, arms: list[Arm], start_date: date, settings: PlannerSettings
) -> Scenario:
    """The request's limits over given arms."""
    request = resolved.request
    return Scenario(
        arms=tuple(arms),
        budget_usd=request.budget_usd,
        weeks=resolved.weeks,
        brand_id=request.brand_id,
        start_date=start_date,
        objective=resolved.objective,
        min_roas=request.min_roas,
        roas_basis=resolved.roas_basis,
        max_cpa=request.max_cpa,
        max_retailer_share=request.max_retailer_share,
        unspent_dollar_value=settings.unspent_dollar_value,
        segments=settings.segments,
    )


def _arm(
    row: dict[str, object],
    curves: Curves,
    family: CurveFamily,
    multiplier: float,
    index: int,
    weeks: int,
    settings: PlannerSettings,
) -> Arm:
    usual = float(str(row["usual_spend_usd_per_week"]))
    audience = row["audience_id"]
    return Arm(
        retailer_id=str(row["retailer_id"]),
        placement_type=str(row["placement_type"]),
        audience_id=None if audience is None else str(audience),
        sku_id=str(row["sku_id"]),
        line_id=str(row["line_id"]),
        initial_iroas=float(curves.initial[index]),
        half_saturation_usd_per_week=float(curves.half[index]),
        margin_rate=float(str(row["margin_rate"])),
        revenue_per_conversion_usd=float(str(row["revenue_per_conversion_usd"])),
        attributed_per_incremental=1.0 / multiplier,
        in_stock_probability=float(str(row["in_stock_probability"])),
        max_spend_usd=settings.maximum_spend_multiple * usual * weeks,
        curve_family=family,
    )


def _notes(resolved: ResolvedRequest, view: PlanningView, fitted: ResponseModel) -> tuple[str, ...]:
    notes = []
    if resolved.exclude_out_of_stock and not view.sees_stock:
        notes.append(STOCK_NOT_ENFORCEABLE)
    if view.skus["margin_rate"].null_count() > 0:
        notes.append(
            f"margin withheld or unknown for some SKUs: assumed {view.assumed_margin_rate:.2f} of revenue"
        )
    notes.append(fitted.form_error.note())
    if fitted.controls.demand_by_spend > HIDDEN_DEMAND_WORTH_A_NOTE:
        notes.append(
            "past spend followed demand that no visible field shows (told from arms that share a shelf): "
            f"{fitted.controls.demand_by_spend:.2f} of demand's log per log of spend is divided out"
        )
    if fitted.censored_weeks:
        notes.append(f"{fitted.censored_weeks} arm-weeks without stock were left out as censored demand")
    if fitted.multipliers.untested:
        cells = ", ".join(fitted.multipliers.untested)
        notes.append(
            f"no experiment read-out for {cells}: the average of its placement elsewhere, or of all, is used"
        )
    return tuple(notes)
