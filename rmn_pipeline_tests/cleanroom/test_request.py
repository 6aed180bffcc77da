from __future__ import annotations

import datetime
from typing import Any

import pytest

from rmn_pipeline.cleanroom import CleanRoomError
from rmn_pipeline.cleanroom.errors import ERROR_TEXTS, ErrorCode
from rmn_pipeline.cleanroom.request import Domains, PermittedRequest, cell_count, parse_request
from rmn_pipeline_tests.cleanroom.sample import PERIOD, SKUS, sample_policy

POLICY = sample_policy()
DOMAINS = Domains.of(POLICY, SKUS)


def parse(request: object) -> PermittedRequest:
    return parse_request(request, POLICY, DOMAINS)


def refusal(request: object) -> CleanRoomError:
    with pytest.raises(CleanRoomError) as raised:
        parse(request)
    return raised.value


def test_requests_that_mean_the_same_share_one_canonical_form() -> None:
    plain = parse(
        {"dimensions": ["week", "placement_type"], "metrics": ["revenue", "cost"], "filters": PERIOD}
    )
    rewritten = parse(
        {
            "filters": {
                "placement_type": ["home", "search", "home"],
                "sku_id": list(reversed(SKUS)),
                "date": {"to": datetime.date(2026, 2, 1), "from": datetime.date(2026, 1, 5)},
            },
            "metrics": ["cost", "revenue", "cost"],
            "dimensions": ("placement_type", "week"),
            "epsilon": 4,
        }
    )
    assert plain == rewritten
    assert plain.canonical_json() == rewritten.canonical_json()


def test_a_real_restriction_changes_the_canonical_form() -> None:
    everything = parse({"metrics": ["cost"]})
    search = parse({"metrics": ["cost"], "filters": {"placement_type": "search"}})
    assert search.members == (("placement_type", ("search",)),)
    assert everything.canonical_json() != search.canonical_json()


@pytest.mark.parametrize(
    "name", ["margin", "customer_id", "price", "no_such_column", "brand_id", "Revenue", "revenue_cents", "*"]
)
@pytest.mark.parametrize("place", ["dimensions", "metrics"])
def test_blocked_unknown_and_misspelt_columns_look_alike(name: str, place: str) -> None:
    error = refusal({"metrics": ["cost"], place: [name]})
    assert error.code is ErrorCode.COLUMN_NOT_PERMITTED
    assert str(error) == f"COLUMN_NOT_PERMITTED: {ERROR_TEXTS[ErrorCode.COLUMN_NOT_PERMITTED]}"
    assert name not in ERROR_TEXTS[ErrorCode.COLUMN_NOT_PERMITTED]


@pytest.mark.parametrize(
    "filters",
    [
        {"margin": ["1"]},
        {"no_such_column": ["1"]},
        {"revenue": [">", 3]},
        {"audience_id": ["loyal"]},
        {"placement_type": ["offsite"]},
        {"placement_type": []},
        {"placement_type": [3]},
        {"placement_type": {"not": ["home"]}},
        {"sku_id": ["00000000000000"]},
        {"date": "2026-01-05"},
        {"date": {"from": "2026-01-05"}},
        {"date": {"from": "2026-01-05T10:00:00", "to": "2026-01-06"}},
        {"date": {"from": datetime.datetime(2026, 1, 5, 10), "to": datetime.date(2026, 1, 6)}},
        {"date": {"from": "20260105", "to": "20260106"}},
        {"date": {"from": "2026-02-30", "to": "2026-03-01"}},
        {"date": {"from": "2026-01-06", "to": "2026-01-05"}},
        {"date": {"from": "2025-12-31", "to": "2026-01-05"}},
        [("placement_type", "search")],
    ],
)
def test_only_whole_day_ranges_and_declared_values_may_filter(filters: Any) -> None:
    assert refusal({"metrics": ["cost"], "filters": filters}).code is ErrorCode.FILTER_NOT_PERMITTED


@pytest.mark.parametrize(
    "request_",
    [
        "SELECT * FROM log",
        {"metrics": ["cost"], "having": "cost > 3"},
        {"metrics": ["cost"], "limit": 1},
        {"metrics": ["cost"], "dimensions": ["week", "date"], "filters": PERIOD},
    ],
)
def test_other_shapes_are_refused(request_: object) -> None:
    assert refusal(request_).code is ErrorCode.QUERY_SHAPE_NOT_PERMITTED


@pytest.mark.parametrize(
    "request_",
    [
        None,
        42,
        [],
        {},
        {"metrics": []},
        {"metrics": "cost"},
        {"metrics": ["cost"], "dimensions": ["week"]},
        {"metrics": ["cost"], "epsilon": 0},
        {"metrics": ["cost"], "epsilon": -1},
        {"metrics": ["cost"], "epsilon": 4.1},
        {"metrics": ["cost"], "epsilon": True},
        {"metrics": ["cost"], "epsilon": "1"},
        {"metrics": ["cost"], "epsilon": float("nan")},
        {"metrics": ["cost"], "epsilon": float("inf")},
        {"metrics": ["cost"], "epsilon": 10**400},
        {"metrics": ["cost"], "epsilon": 1e-7},
        {"metrics": ["cost"], "epsilon": 1e-6},
    ],
)
def test_malformed_requests_are_invalid(request_: object) -> None:
    assert refusal(request_).code is ErrorCode.INVALID_REQUEST


def test_too_many_declared_cells_are_refused_before_anything_is_computed() -> None:
    policy = sample_policy(max_cells_per_query=10)
    with pytest.raises(CleanRoomError) as raised:
        parse_request({"metrics": ["cost"], "dimensions": ["date"], "filters": PERIOD}, policy, DOMAINS)
    assert raised.value.code is ErrorCode.INVALID_REQUEST


@pytest.mark.parametrize(
    ("first", "last", "weeks"),
    [("2026-01-05", "2026-01-11", 1), ("2026-01-11", "2026-01-12", 2), ("2026-01-07", "2026-01-18", 2)],
)
def test_cell_count_knows_weeks_cut_short(first: str, last: str, weeks: int) -> None:
    request = parse(
        {
            "metrics": ["cost"],
            "dimensions": ["week", "sku_id"],
            "filters": {"date": {"from": first, "to": last}},
        }
    )
    assert cell_count(request, DOMAINS) == weeks * 3


def test_sku_stays_closed_without_a_catalogue() -> None:
    with pytest.raises(CleanRoomError) as raised:
        parse_request({"metrics": ["cost"], "dimensions": ["sku_id"]}, POLICY, Domains.of(POLICY, None))
    assert raised.value.code is ErrorCode.COLUMN_NOT_PERMITTED
