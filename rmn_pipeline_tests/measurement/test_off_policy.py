import numpy as np
import pytest

from rmn_pipeline.measurement import MeasurementError, off_policy_value

ARMS = 5
VALUES = np.array([0.1, 0.2, 0.3, 0.4, 0.5])


def _log(rows, logged, new, seed):
    generator = np.random.default_rng(seed)
    shown = generator.choice(ARMS, rows, p=logged)
    reward = generator.random(rows) < VALUES[shown]
    return reward.astype(float), logged[shown], new[shown], shown


LOGGED = np.array([0.4, 0.3, 0.1, 0.1, 0.1])
NEW = np.array([0.1, 0.1, 0.2, 0.3, 0.3])


def test_all_estimators_cover_the_truth():
    truth = float(NEW @ VALUES)
    covered = dict.fromkeys(("ips", "snips", "dr"), 0)
    for seed in range(300):
        reward, logged, new, shown = _log(1500, LOGGED, NEW, seed)
        model = VALUES * 0.8
        found = off_policy_value(
            reward, logged, new, model_logged=model[shown], model_new=np.full(1500, NEW @ model)
        )
        for one in found.estimates:
            covered[one.estimator] += one.low <= truth <= one.high
    assert all(abs(count / 300 - 0.95) <= 0.035 for count in covered.values())


def test_the_effective_size_is_by_definition():
    reward, logged, new, _ = _log(1000, LOGGED, NEW, 0)
    found = off_policy_value(reward, logged, new)
    weight = new / logged
    assert found.effective_size == pytest.approx(weight.sum() ** 2 / (weight**2).sum(), abs=1e-8)
    assert found.value_of("snips").value == pytest.approx((weight * reward).sum() / weight.sum(), abs=1e-12)
    with pytest.raises(MeasurementError, match="no reward model"):
        found.value_of("dr")


def test_tiny_propensities_are_refused_with_diagnostics():
    generator = np.random.default_rng(1)
    logged = np.where(generator.random(3000) < 0.002, 1e-6, 0.9)
    found = off_policy_value(generator.random(3000), logged, np.full(3000, 1 / 46))
    assert found.estimates == ()
    assert found.effective_size < 20
    assert any("effective sample size" in reason for reason in found.refused_because)
    with pytest.raises(MeasurementError, match="effective sample size"):
        found.value_of("snips")


def test_wrong_propensities_show_in_the_mean_weight():
    reward, logged, new, _ = _log(5000, LOGGED, NEW, 2)
    found = off_policy_value(reward, logged / 2, new)
    assert any(
        "mean weight is 2" in reason or "mean weight is 1.9" in reason for reason in found.refused_because
    )


def test_a_choice_with_no_chance_is_refused():
    with pytest.raises(MeasurementError, match="logged propensity"):
        off_policy_value([1.0, 0.0], [0.0, 0.5], [0.5, 0.5])
