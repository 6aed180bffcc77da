import json

import pytest
from pydantic import ValidationError

from rmn_pipeline.planning import PlanRequest, resolve

KEYS = [
    "brand_id",
    "retailers",
    "budget_usd",
    "weeks",
    "objective",
    "min_roas",
    "roas_basis",
    "max_cpa",
    "experiment_share",
    "max_retailer_share",
    "placements",
    "include_lines",
    "exclude_lines",
    "exclude_out_of_stock",
]


def test_canonical_json_is_compact_ordered_and_without_trailing_zero() -> None:
    request = PlanRequest(brand_id="brand_x", budget_usd=2_500_000.0, min_roas=3.0, experiment_share=0.1)
    text = request.canonical_json()
    assert text == (
        '{"brand_id":"brand_x","retailers":[],"budget_usd":2500000,"weeks":null,"objective":null,"min_roas":3,'
        '"roas_basis":null,"max_cpa":null,"experiment_share":0.1,"max_retailer_share":null,"placements":[],'
        '"include_lines":[],"exclude_lines":[],"exclude_out_of_stock":null}'
    )
    assert list(json.loads(text)) == KEYS


def test_canonical_json_round_trips_to_the_same_request_and_text() -> None:
    request = PlanRequest(
        brand_id="brand_y",
        retailers=("alpha", "delta"),
        budget_usd=1234.5,
        weeks=6,
        objective="roas",
        min_roas=2.75,
        roas_basis="attributed",
        max_cpa=12,
        experiment_share=0,
        max_retailer_share=0.4,
        placements=("search",),
        include_lines=("laundry",),
        exclude_lines=("dish",),
        exclude_out_of_stock=True,
    )
    again = PlanRequest.model_validate_json(request.canonical_json())
    assert again == request
    assert again.canonical_json() == request.canonical_json()


def test_null_lists_mean_empty_lists() -> None:
    request = PlanRequest.model_validate(
        {"brand_id": "b", "budget_usd": 1, "retailers": None, "placements": None}
    )
    assert request.retailers == () and request.placements == ()


@pytest.mark.parametrize(
    "bad",
    [
        {"budget_usd": 0},
        {"budget_usd": None},
        {"budget_usd": float("inf")},
        {"budget_usd": 1, "weeks": 0},
        {"budget_usd": 1, "experiment_share": 1.0},
        {"budget_usd": 1, "max_retailer_share": 0},
        {"budget_usd": 1, "placements": ["billboard"]},
        {"budget_usd": 1, "retailers": ["alpha", "alpha"]},
        {"budget_usd": 1, "include_lines": ["dish"], "exclude_lines": ["dish"]},
        {"budget_usd": 1, "surprise": 1},
    ],
)
def test_impossible_requests_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PlanRequest.model_validate({"brand_id": "b", **bad})


def test_defaults_fill_only_what_is_unset() -> None:
    bare = resolve(PlanRequest(brand_id="b", budget_usd=1))
    assert (
        bare.weeks,
        bare.objective,
        bare.roas_basis,
        bare.experiment_share,
        bare.exclude_out_of_stock,
    ) == (
        13,
        "incremental_margin",
        "incremental",
        0.0,
        False,
    )
    said = resolve(
        PlanRequest(brand_id="b", budget_usd=1, weeks=26, objective="roas", exclude_out_of_stock=True)
    )
    assert (said.weeks, said.objective, said.exclude_out_of_stock) == (26, "roas", True)
