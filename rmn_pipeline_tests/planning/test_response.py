from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from rmn_pipeline.planning import (
    PlanError,
    PlannerSettings,
    PlanningView,
    ResponseModel,
    clean_room_view,
    fit_response,
)
from rmn_pipeline_tests.planning.simulated import (
    KEYS,
    PLACEMENTS,
    RETAILERS,
    START,
    Simulated,
    released_cells,
    simulate,
)


def true_and_estimated(
    simulated: Simulated, model: ResponseModel
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    truth = model.arms.join(simulated.truth, on=KEYS, maintain_order="left")
    usual = truth["usual_spend_usd_per_week"].to_numpy()
    initial, half = truth["initial"].to_numpy(), truth["half"].to_numpy()
    draws = model.draws(400, seed=1)
    return (
        initial / (1 + usual / half) ** 2,
        draws[0] / (1 + usual / draws[1]) ** 2,
        initial,
    )


def test_known_curves_are_recovered_with_honest_intervals() -> None:
    covered, correlations, slopes = [], [], []
    for seed in range(3):
        simulated = simulate(seed)
        model = fit_response(simulated.view)
        true_marginal, marginal, true_initial = true_and_estimated(simulated, model)
        initial, _ = model.initial_iroas()
        correlations.append(np.corrcoef(np.log(true_initial), np.log(initial))[0, 1])
        low, high = np.quantile(marginal, [0.05, 0.95], axis=0)
        covered.append(np.mean((true_marginal > low) & (true_marginal < high)))
        slopes.append(np.polyfit(np.log(marginal.mean(axis=0)), np.log(true_marginal), 1)[0])
    assert min(correlations) > 0.85
    assert 0.8 <= np.mean(covered) <= 0.99
    assert np.mean(slopes) == pytest.approx(1.0, abs=0.15)


def test_read_outs_above_one_scale_the_curves_and_below_one_take_the_organic_part_out() -> None:
    view = simulate(0).view

    def level_and_half(multiplier: float) -> tuple[float, float]:
        read_outs = view.incrementality.with_columns(incrementality_multiplier=multiplier)
        model = fit_response(replace(view, incrementality=read_outs))
        usual = model.arms["usual_spend_usd_per_week"].to_numpy()
        curves = model.expected_curves()
        return float(curves.response(usual).sum()), float(np.median(curves.half))

    claimed = float(view.panel["attributed_revenue_usd"].sum()) / 25
    full, double, half = level_and_half(1.0), level_and_half(2.0), level_and_half(0.5)
    assert full[0] == pytest.approx(claimed, rel=0.05)
    assert double[0] == pytest.approx(2 * full[0], rel=0.02) and double[1] == pytest.approx(full[1], rel=0.02)
    assert half[0] == pytest.approx(0.5 * full[0], rel=0.05)
    # What is left after the straight organic part bends earlier. Only somewhat: these data belong to a read-out of
    # about 0.65, and how much of an arm's claims is organic is believed only roughly.
    assert half[1] < 0.97 * full[1]


def test_a_cell_without_read_out_takes_the_average_and_says_so() -> None:
    view = simulate(0, skus=4).view
    known = view.incrementality.filter(pl.col("placement_type") != "home")
    model = fit_response(replace(view, incrementality=known))
    assert model.multipliers.untested == ("alpha/home", "beta/home")
    tested = known["incrementality_multiplier"]
    untested = model.multipliers.per_arm[(model.arms["placement_type"] == "home").to_numpy()]
    assert tested.min() < untested.min() and untested.max() < tested.max()


def test_the_coming_season_is_read_off_the_wave_in_the_brands_sales() -> None:
    view = simulate(0, skus=4).view
    shelves = view.panel.select("retailer_id", "sku_id", "week").unique()
    angle = 2 * np.pi * (pl.col("week").dt.ordinal_day() - 91) / 365.25
    sales = shelves.with_columns(sales_index=(0.25 * angle.cos()).exp(), in_stock_share=1.0, promo_share=0.0)
    level, log_sd = fit_response(replace(view, sales_weeks=sales)).season.outlook(START, 26)
    # History covers the half of the year around the peak, the plan the half around the trough.
    assert level == pytest.approx(np.exp([-4 / np.pi * 0.25] * 2), rel=0.03)
    assert (log_sd < 0.05).all()
    _, blind_sd = fit_response(view).season.outlook(START, 26)
    assert (blind_sd > log_sd).all()


def test_stock_outs_are_censored_and_not_read_as_low_response() -> None:
    simulated = simulate(2, stock_outs=True)
    model = fit_response(simulated.view)
    assert model.censored_weeks == 13 * len(RETAILERS) * len(PLACEMENTS) * 2
    blind = fit_response(
        replace(simulated.view, panel=simulated.view.panel.with_columns(in_stock_share=None))
    )
    assert blind.censored_weeks == 0

    def error(fitted: ResponseModel) -> float:
        truth = fitted.arms.join(simulated.truth, on=KEYS, maintain_order="left")
        hit = (truth["sku_id"] == "sku000").to_numpy()
        usual = truth["usual_spend_usd_per_week"].to_numpy()
        initial, half = truth["initial"].to_numpy(), truth["half"].to_numpy()
        true_revenue = initial * usual / (1 + usual / half)
        return float(np.mean(np.log(fitted.expected_curves().response(usual) / true_revenue)[hit]))

    assert abs(error(model)) < 0.15
    assert error(blind) < -0.3


def test_promotions_and_seasons_are_divided_out() -> None:
    simulated = simulate(1)
    weeks = simulated.view.panel["week"].unique().sort()
    promo = pl.col("week").is_in(weeks[::3].implode()) & (pl.col("sku_id") < "sku006")
    season = pl.when(pl.col("week") > weeks[12]).then(1.25).otherwise(0.75)
    demand = season * pl.when(promo).then(1.6).otherwise(1.0)
    lifted = simulated.view.panel.with_columns(
        promo_share=promo.cast(pl.Float64),
        attributed_revenue_usd=pl.col("attributed_revenue_usd") * demand,
        sales_index=demand,
    )
    model = fit_response(replace(simulated.view, panel=lifted))
    assert model.controls.promo_lift == pytest.approx(np.array([0.6, 0.6]), abs=0.15)
    by_category = model.controls.week_factor.reshape(2, 25)
    assert (by_category[:, 13:].mean(axis=1) / by_category[:, :13].mean(axis=1)) == pytest.approx(
        np.array([1.25 / 0.75] * 2), rel=0.12
    )


def clean(simulated: Simulated, noise_sd: float) -> PlanningView:
    cells, audiences = released_cells(simulated.view, noise_sd)
    return clean_room_view(
        cells,
        audiences,
        simulated.view.skus.drop("margin_rate", "price_usd"),
        simulated.view.incrementality,
        "brand_x",
        0.34,
        ("margin", "stock_level"),
    )


def test_known_clean_room_noise_widens_the_posterior_and_keeps_the_level() -> None:
    simulated = simulate(0)
    quiet, loud = (fit_response(clean(simulated, noise)) for noise in (1.0, 3000.0))
    spread = [np.log(model.draws(200, 1)[0]).std(axis=0).mean() for model in (quiet, loud)]
    assert spread[1] > 1.3 * spread[0]
    usual = quiet.arms["usual_spend_usd_per_week"].to_numpy()
    total = [model.expected_curves().response(usual).sum() for model in (quiet, loud)]
    assert total[1] == pytest.approx(total[0], rel=0.1)
    # The released noise is known, so it is not taken for demand noise.
    assert loud.noise.demand < 2 * quiet.noise.demand + 0.05


def test_fits_and_draws_are_deterministic() -> None:
    view = simulate(0, skus=4).view
    first, second = fit_response(view), fit_response(view)
    assert np.array_equal(first.log_initial, second.log_initial)
    assert np.array_equal(first.draws(5, 3)[0], second.draws(5, 3)[0])
    assert not np.array_equal(first.draws(5, 3)[0], first.draws(5, 4)[0])


def test_nothing_to_learn_from_is_one_clear_error() -> None:
    view = simulate(0, skus=2).view
    with pytest.raises(PlanError, match="panel of brand 'brand_x' is empty"):
        fit_response(replace(view, panel=view.panel.clear()))
    with pytest.raises(PlanError, match="no arm of brand 'brand_x' has any spend"):
        fit_response(replace(view, panel=view.panel.with_columns(spend_usd=0.0)))
    with pytest.raises(PlanError, match="out of stock"):
        fit_response(replace(view, panel=view.panel.with_columns(in_stock_share=0.0)), PlannerSettings())
