from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rmn_pipeline.cleanroom import CleanRoomPolicyError, load_policy
from rmn_pipeline_tests.cleanroom.sample import sample_policy

RETAILERS = Path(__file__).parents[2] / "data" / "retailers"


@pytest.mark.parametrize("retailer_id", ["alpha", "beta", "gamma", "delta"])
def test_shipped_policies_load_and_keep_the_house_rules(retailer_id: str) -> None:
    policy = load_policy(RETAILERS / retailer_id / "policy.yaml")
    assert policy.retailer_id == retailer_id
    assert policy.k >= 100
    assert policy.delta <= 1e-9
    assert policy.epsilon_total <= 8.0
    assert {"margin", "promo_flag", "stock_level", "price", "customer_id"} <= set(policy.blocked_fields)
    assert policy.copy_limits is not None
    assert policy.copy_limits.max_headline_characters <= 50


def shipped_text() -> str:
    return (RETAILERS / "alpha" / "policy.yaml").read_text()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("epsilon_total:", "epsilon_totl:", "did you mean 'epsilon_total'"),
        ("k: 100", "k: many", "key 'k'"),
        ("retailer_id: alpha\n", "", "'retailer_id' is missing"),
        (
            "epsilon_per_query: 6.0",
            "epsilon_per_query: 60.0",
            "epsilon_per_query is larger than epsilon_total",
        ),
        ("allowed_metrics: [customers,", "allowed_metrics: [margin,", "'margin' is not a metric"),
        ("sku_id: catalogue", "sku_id: date_range", "allowed_dimensions"),
        ("blocked_fields: [margin,", "blocked_fields: [cost,", "'cost' is also permitted"),
        ("revenue: 120.0, ", "", "no bound for the metric 'revenue'"),
        ("k: 100", "k: [100", "is not valid YAML"),
    ],
)
def test_a_mistake_in_a_policy_names_file_and_key(tmp_path: Path, old: str, new: str, expected: str) -> None:
    text = shipped_text()
    assert old in text
    file = tmp_path / "policy.yaml"
    file.write_text(text.replace(old, new))
    with pytest.raises(CleanRoomPolicyError) as raised:
        load_policy(file)
    assert str(file) in str(raised.value)
    assert expected in str(raised.value)


def test_a_missing_policy_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CleanRoomPolicyError, match="cannot be read"):
        load_policy(tmp_path / "policy.yaml")


def test_epsilon_parts_never_exceed_the_whole_and_follow_the_weights() -> None:
    policy = sample_policy(epsilon_weights={"customers": 2, "revenue": 4})
    parts = policy.epsilon_split_micro(["customers", "clicks", "revenue"], 1_000_001)
    assert sum(parts.values()) <= 1_000_001
    assert parts == {"customers": 285714, "clicks": 142857, "revenue": 571429}


def test_decimal_epsilons_become_exact_micro_units() -> None:
    policy = sample_policy(epsilon_per_query=0.1, epsilon_total=0.3)
    assert (policy.epsilon_per_query_micro, policy.epsilon_total_micro) == (100_000, 300_000)


def test_reading_policies_does_not_load_the_noise_library() -> None:
    program = "import sys, rmn_pipeline.cleanroom; sys.exit('opendp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
