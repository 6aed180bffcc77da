"""What the estimates claim about themselves, on panels whose truth is known."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from rmn_pipeline.planning import PlannerSettings, PlanningView, fit_response, make_plan
from rmn_pipeline.planning.estimation import curve_terms
from rmn_pipeline.planning.families import choose_family
from rmn_pipeline.planning.incrementality import multipliers_for
from rmn_pipeline.planning.observations import observe
from rmn_pipeline.planning.request import PlanRequest
from rmn_pipeline.planning.response import _held_out
from rmn_pipeline.planning.view import PANEL_SCHEMA
from rmn_pipeline_tests.planning.simulated import FIRST_WEEK, KEYS, START, simulate

LEVEL = 0.9


def panel_view(seed: int, family: str = "hill", elasticity: float = 0.0, noise: float = 0.2) -> PlanningView:
    """Two arms on each of 150 shelves; hidden demand of the shelf moves response, and spend by `elasticity`."""
    generator = np.random.default_rng(seed)
    rows = []
    for shelf in range(150):
        demand = generator.normal(0, 0.3, 26)
        for placement in ("search", "home"):
            initial, scale = (
                np.exp(np.log(4) + generator.normal(0, 0.3)),
                np.exp(np.log(600) + generator.normal(0, 0.3)),
            )
            spend = 700 * np.exp(elasticity * demand + generator.normal(0, 0.6, 26))
            mean = curve_terms(family, np.array(initial), np.array(scale), spend).value  # type: ignore[arg-type]
            revenue = mean * np.exp(demand + generator.normal(0, noise, 26))
            for week in range(26):
                money = float(spend[week]), float(revenue[week]), float(revenue[week]) / 12
                keys = "alpha", placement, "all", f"sku{shelf:03d}", FIRST_WEEK + timedelta(weeks=week)
                rows.append((*keys, *money, 0.0, 0.0, None, None, None, None))
    base = simulate(0, skus=2).view
    names = [f"sku{shelf:03d}" for shelf in range(150)]
    return replace(
        base,
        panel=pl.DataFrame(rows, schema=PANEL_SCHEMA, orient="row"),
        skus=pl.DataFrame(
            {"sku_id": names, "brand_id": "brand_x", "category": "c", "line_id": "l", "title": names}
        ),
        incrementality=pl.DataFrame(
            {
                "retailer_id": ["alpha", "alpha"],
                "placement_type": ["search", "home"],
                "incrementality_multiplier": [1.0, 1.0],
                "standard_error": [0.01, 0.01],
            }
        ),
    )


def test_intervals_of_the_marginal_return_cover_as_often_as_they_say() -> None:
    hits = []
    for seed in range(6):
        simulated = simulate(seed, demand_noise=0.25)
        model = fit_response(simulated.view)
        truth = model.arms.join(simulated.truth, on=KEYS, maintain_order="left")
        usual = truth["usual_spend_usd_per_week"].to_numpy()
        initial, half = model.draws(400, seed=1)
        marginal = curve_terms(model.family, initial, half, usual).slope
        low, high = np.quantile(marginal, [0.05, 0.95], axis=0)
        true = truth["initial"].to_numpy() / (1 + usual / truth["half"].to_numpy()) ** 2
        hits.append((true > low) & (true < high))
    # Arms of one simulation share errors: a design effect of ten on the binomial standard error.
    error = np.sqrt(LEVEL * (1 - LEVEL) / np.size(hits) * 10)
    assert abs(np.mean(hits) - LEVEL) < 2 * error + 0.03


def test_spend_that_follows_hidden_demand_is_told_from_arms_that_share_a_shelf() -> None:
    follows, free = (fit_response(panel_view(1, elasticity=e)) for e in (1.0, 0.0))
    # Cov(demand, log spend) / Var(log spend) = 0.09 / (0.09 + 0.36).
    assert follows.controls.demand_by_spend == pytest.approx(0.2, abs=0.06)
    assert abs(free.controls.demand_by_spend) < 0.06
    assert np.median(follows.log_half) == pytest.approx(np.log(600), abs=0.25)


@pytest.mark.parametrize("family", ["hill", "log"])
def test_held_out_weeks_show_the_true_family_on_clean_data(family: str) -> None:
    view = panel_view(2, family=family, noise=0.02)
    view = replace(
        view,
        panel=view.panel.with_columns(
            attributed_revenue_usd=pl.Series(
                curve_terms(
                    family,  # type: ignore[arg-type]
                    np.array(4.0),
                    np.array(600.0),
                    view.panel["spend_usd"].to_numpy(),
                ).value
            )
            * pl.Series(np.exp(np.random.default_rng(0).normal(0, 0.05, view.panel.height)))
        ),
    )
    seen = observe(view, PlannerSettings())
    form = choose_family(seen, lambda weeks, kind: _held_out(weeks, kind, PlannerSettings()))
    assert form.family == family
    assert form.log_score_gain > 2 * form.standard_error
    assert fit_response(view).family == family


def test_the_plan_carries_the_family_and_says_how_far_the_forms_differ() -> None:
    view = simulate(0, skus=4).view
    plan = make_plan(PlanRequest(brand_id="brand_x", budget_usd=50_000, weeks=10), view, start_date=START)
    assert any("held-out weeks" in note and "twice the usual spend" in note for note in plan.notes)


def test_an_untested_cell_borrows_from_its_placement_at_other_retailers() -> None:
    arms = pl.DataFrame(
        [(r, p) for r in ("a", "b", "c", "d") for p in ("search", "home", "offsite")],
        schema=["retailer_id", "placement_type"],
        orient="row",
    )
    value = {"search": 0.5, "home": 1.2, "offsite": 0.9}
    read_outs = arms.filter(pl.col("retailer_id") != "d").with_columns(
        incrementality_multiplier=pl.col("placement_type").replace_strict(value, return_dtype=pl.Float64),
        standard_error=pl.lit(0.03),
    )
    found = multipliers_for(arms, read_outs)
    untested = dict(zip(arms["placement_type"][9:], found.per_arm[9:], strict=True))
    assert untested["search"] == pytest.approx(0.5, abs=0.1)
    assert untested["home"] == pytest.approx(1.2, abs=0.1)
    assert found.untested == ("d/home", "d/offsite", "d/search")
    own = found.standard_error[found.cell]
    assert own[9:].min() > 1.5 * own[:9].max()


def test_released_spend_noise_does_not_flatten_curves() -> None:
    view = panel_view(3)
    noise = 250.0
    noisy = view.panel["spend_usd"] + pl.Series(np.random.default_rng(1).normal(0, noise, view.panel.height))
    released = replace(
        view, panel=view.panel.with_columns(spend_usd=noisy.clip(1.0), spend_noise_sd_usd=pl.lit(noise))
    )
    ignored = replace(released, panel=released.panel.with_columns(spend_noise_sd_usd=pl.lit(0.0)))
    clean, aware, naive = (float(np.median(fit_response(v).log_half)) for v in (view, released, ignored))
    assert abs(aware - clean) < abs(naive - clean)
