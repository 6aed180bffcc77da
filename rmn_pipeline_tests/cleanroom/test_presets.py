from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from rmn_pipeline.cleanroom import CleanRoomError, ErrorCode
from rmn_pipeline.cleanroom.enforcement import privatize
from rmn_pipeline.cleanroom.presets import PRESETS
from rmn_pipeline.cleanroom.request import Domains, parse_request
from rmn_pipeline_tests.cleanroom.sample import SKUS, sample_policy

CLASSES = {
    "week": "low",
    "date": "low",
    "placement_type": "low",
    "audience_id": "medium",
    "sku_id": "high",
    "impressions": "none",
    "clicks": "none",
    "conversions": "none",
    "revenue": "none",
    "cost": "none",
    "customer_id": "very_high",
}


def amc(**changes: Any) -> Any:
    return sample_policy(
        **{"preset": "amc", "column_classes": CLASSES, "allowed_filters": ["date", "placement_type"]}
        | changes
    )


def test_aws_fills_in_the_minimum_and_opens_every_dimension_to_filters() -> None:
    terms = sample_policy().model_dump(by_alias=True)
    for key in ("k", "allowed_filters"):
        del terms[key]
    policy = type(sample_policy()).model_validate(terms | {"preset": "aws"})
    assert policy.k == 100
    assert policy.allowed_filters == ["date", "placement_type", "audience_id", "sku_id"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"preset": "aws", "k": 100_001}, "k must be from 2 to 100000"),
        ({"preset": "aws", "epsilon_total": 21.0}, "epsilon_total must be from 1 to 20"),
        (
            {"preset": "aws", "epsilon_total": 0.5, "epsilon_per_query": 0.5},
            "epsilon_total must be from 1 to 20",
        ),
        (
            {"preset": "aws", "budget_refresh": {"every": "year", "accepts_unbounded_total": True}},
            "every must be month",
        ),
        ({"preset": "snowflake", "k": None}, "wants 'k' stated"),
        ({"preset": "amc"}, "wants 'column_classes' stated"),
        ({"preset": "amc", "column_classes": {"week": "low"}}, "no class for audience_id, clicks"),
        ({"preset": "azure"}, "'azure' is none of aws, snowflake, amc"),
        ({"preset": ["aws"]}, "is none of"),
        ({"column_classes": {"sku_id": "very_high"}}, "very_high and may not be opened"),
        ({"column_classes": {"sku_id": "internal"}}, "internal and may not be opened"),
        ({"column_classes": {"sku_id": "high"}}, "takes no filter"),
    ],
)
def test_a_policy_outside_its_preset_does_not_load(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        sample_policy(**changes)


def test_snowflake_wants_its_three_numbers_in_the_file() -> None:
    terms = sample_policy().model_dump(by_alias=True)
    assert type(sample_policy()).model_validate(terms | {"preset": "snowflake"}).preset == "snowflake"
    for key in ("k", "epsilon_total", "epsilon_per_query"):
        rest = {name: value for name, value in terms.items() if name != key}
        with pytest.raises(ValidationError, match=f"wants '{key}' stated"):
            type(sample_policy()).model_validate(rest | {"preset": "snowflake"})


def test_the_strictest_class_of_a_request_decides_k_and_k_is_a_floor() -> None:
    policy = amc(k=2)
    assert policy.minimum_count({"week", "placement_type", "revenue"}) == 2
    assert policy.minimum_count({"week", "sku_id"}) == 100
    assert policy.minimum_count({"audience_id"}) == 100
    assert amc(k=150).minimum_count({"audience_id"}) == 150


def test_the_class_of_a_column_is_what_enforcement_tests() -> None:
    policy = amc(k=2, epsilon_per_query=4.0, delta=0.4)
    domains = Domains.of(policy, SKUS)
    import polars as pl

    def shown(dimension: str, values: list[str]) -> int:
        request = parse_request({"dimensions": [dimension], "metrics": ["customers"]}, policy, domains)
        found = pl.DataFrame({dimension: values, "customers": [60] * len(values)})
        return privatize(found, request, policy, domains).rows.height

    assert shown("placement_type", ["search", "home"]) == 2
    assert shown("audience_id", ["loyal", "lapsed"]) == 0


def test_a_filter_on_a_column_counts_like_showing_it() -> None:
    policy = amc(k=2, allowed_filters=["date", "audience_id"])
    request = parse_request(
        {"metrics": ["cost"], "filters": {"audience_id": ["loyal"]}}, policy, Domains.of(policy, SKUS)
    )
    assert policy.minimum_count(request.named_columns) == 100


def test_high_columns_take_no_filter() -> None:
    policy = amc()
    with pytest.raises(CleanRoomError) as raised:
        parse_request(
            {"metrics": ["cost"], "filters": {"sku_id": SKUS[:1]}}, policy, Domains.of(policy, SKUS)
        )
    assert raised.value.code is ErrorCode.FILTER_NOT_PERMITTED


def test_every_preset_says_what_it_enforces_and_what_the_room_adds() -> None:
    for preset in PRESETS.values():
        assert preset.imitates and preset.enforces and preset.room_adds
