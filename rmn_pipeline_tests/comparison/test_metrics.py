import numpy as np
import pytest

from rmn_pipeline.comparison import ComparisonResult
from rmn_pipeline.comparison.metrics import PREDICTION_METRICS, REALIZED_METRICS, accuracy, ratio
from rmn_pipeline.comparison.result import PredictionMetrics, RealizedMetrics


def test_realized_metrics_match_the_hand_computed_plan(certain: ComparisonResult):
    # Full data: 800 USD × 4.0 + 200 USD × 4.5 = 4100 revenue; 3200 × 0.4 + 900 × 0.1 = 1370 margin.
    realized = certain.modes["full_data"].realized
    assert realized is not None
    assert realized.spend_usd.value == pytest.approx(1000)
    assert realized.incremental_revenue_usd.value == pytest.approx(4100)
    assert realized.incremental_margin_usd.value == pytest.approx(1370)
    assert realized.net_margin_usd.value == pytest.approx(370)
    assert realized.iroas.value == pytest.approx(4.1)
    assert realized.imroas.value == pytest.approx(1.37)
    assert realized.attributed_roas.value == pytest.approx(1.4 * 4.1)
    assert realized.cost_per_conversion_usd.value == pytest.approx(1000 / (4100 / 12.5))
    assert realized.skus_with_positive_margin.value == 2
    assert realized.skus_with_positive_net_margin.value == 1


def test_spend_on_out_of_stock_weeks_is_counted_in_money_and_share(certain: ComparisonResult):
    # Clean room: 300 of 1000 USD on a product that is gone half of the time.
    realized = certain.modes["clean_room"].realized
    assert realized.out_of_stock_spend_usd.value == pytest.approx(150)
    assert realized.out_of_stock_spend_share.value == pytest.approx(0.15)
    assert certain.modes["full_data"].realized.out_of_stock_spend_usd.value == 0


def test_accuracy_and_calibration_compare_the_forecast_with_what_came(certain: ComparisonResult):
    # Forecast 4.0 per dollar on 800 and 200; came 3200 and 900: WAPE = (0 + 100) / 4100, total the same.
    prediction = certain.modes["full_data"].prediction
    assert prediction.accuracy_by_arm.value == pytest.approx(1 - 100 / 4100)
    assert prediction.accuracy_in_total.value == pytest.approx(1 - 100 / 4100)
    assert prediction.calibration_ratio.value == pytest.approx(4100 / 4000)
    # Clean room: came 800, 2250, 750 for forecasts 800, 2000, 1200: errors by arm do not cancel, in total they do.
    clean = certain.modes["clean_room"].prediction
    assert clean.accuracy_by_arm.value == pytest.approx(1 - 700 / 3800)
    assert clean.accuracy_in_total.value == pytest.approx(1 - 200 / 3800)


def test_accuracy_may_fall_below_zero_and_is_undefined_when_nothing_came():
    assert accuracy(np.array([30.0]), np.full((3, 1), 10.0)).value == pytest.approx(-1.0)
    assert accuracy(np.array([30.0]), np.zeros((3, 1))) is None


def test_ratio_over_nothing_is_undefined():
    assert ratio(np.ones(4), np.zeros(4)) is None
    assert ratio(np.full(4, 6.0), np.full(4, 2.0)).value == pytest.approx(3.0)


def test_regret_is_what_the_oracle_brings_more(certain: ComparisonResult):
    # Oracle: 1000 × 4.0 × 0.4 = 1600 of margin.
    regret = certain.modes["full_data"].regret
    assert regret.regret.value == pytest.approx(230)
    assert regret.regret_share.value == pytest.approx(230 / 1600)
    assert certain.modes["oracle"].regret.regret.value == 0


def test_predicted_totals_come_from_the_plan(certain: ComparisonResult):
    predicted = certain.modes["full_data"].predicted
    assert predicted.incremental_revenue_usd == pytest.approx(4000)
    assert predicted.iroas == pytest.approx(4.0)
    assert predicted.net_margin_usd == pytest.approx(0.0)


def test_working_and_experiment_money_on_one_arm_is_one_funded_arm(certain: ComparisonResult):
    full = certain.modes["full_data"]
    assert (full.arms_funded, full.skus_funded) == (2, 2)
    assert full.experiment_spend_usd == pytest.approx(100)


def test_every_metric_is_described_and_has_its_place_in_the_result():
    assert set(REALIZED_METRICS) == set(RealizedMetrics.model_fields)
    assert set(PREDICTION_METRICS) == set(PredictionMetrics.model_fields)
