import numpy as np
import pytest
from scipy import stats

from rmn_pipeline.comparison import ComparisonError
from rmn_pipeline.comparison.intervals import (
    interval,
    jackknifed,
    mean_of,
    paired_interval,
    unpaired_half_width,
)


def test_paired_interval_is_the_textbook_paired_t_interval():
    first = np.array([3.0, 5.0, 4.0, 8.0])
    second = np.array([1.0, 4.0, 4.0, 5.0])
    found = paired_interval(mean_of(first), mean_of(second))
    known = stats.ttest_rel(first, second).confidence_interval(0.95)
    assert found.value == pytest.approx(1.5)
    assert (found.low, found.high) == pytest.approx((known.low, known.high))


def test_under_common_luck_the_paired_interval_covers_the_truth_and_is_far_narrower():
    random = np.random.default_rng(3)
    covered, narrower = 0, 0
    for _ in range(400):
        luck = random.normal(0, 10, 50)
        first = mean_of(102 + luck + random.normal(0, 1, 50))
        second = mean_of(100 + luck + random.normal(0, 1, 50))
        found = paired_interval(first, second)
        covered += found.low <= 2.0 <= found.high
        narrower += (found.high - found.low) / 2 < 0.3 * unpaired_half_width(first, second)
    assert 0.92 <= covered / 400 <= 0.98
    assert narrower == 400


def test_jackknife_of_a_mean_is_the_mean_with_its_t_interval():
    values = np.array([1.0, 4.0, 2.0, 9.0, 4.0])
    plain = interval(mean_of(values))
    found = interval(jackknifed(values[:, None], lambda means: means[..., 0]))
    assert (found.value, found.low, found.high) == pytest.approx((plain.value, plain.low, plain.high))


def test_jackknife_interval_of_a_ratio_covers_the_true_ratio():
    random = np.random.default_rng(5)
    covered = 0
    for _ in range(400):
        spend = random.uniform(5, 15, 50)
        revenue = 3.0 * spend + random.normal(0, 2, 50)
        samples = np.column_stack([revenue, spend])
        found = interval(jackknifed(samples, lambda means: means[..., 0] / means[..., 1]))
        covered += found.low <= 3.0 <= found.high
    assert 0.92 <= covered / 400 <= 0.98


def test_no_interval_is_made_up_from_one_replicate_or_from_unequal_numbers():
    with pytest.raises(ComparisonError, match="no interval"):
        interval(mean_of(np.array([1.0])))
    with pytest.raises(ComparisonError, match="cannot be paired"):
        paired_interval(mean_of(np.ones(3)), mean_of(np.ones(4)))
