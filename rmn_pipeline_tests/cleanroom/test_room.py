from __future__ import annotations

import datetime
from pathlib import Path

import polars as pl
import pytest

from rmn_pipeline.cleanroom import CleanRoom, CleanRoomError, CleanRoomSetupError, ErrorCode, release_view
from rmn_pipeline_tests.cleanroom.sample import (
    FIRST_DAY,
    LAST_DAY,
    PERIOD,
    PLACEMENTS,
    SKUS,
    open_room,
    sample_log,
    sample_policy,
)

BY_PLACEMENT = {"dimensions": ["placement_type"], "metrics": ["customers", "revenue"], "filters": PERIOD}


def test_an_answer_is_near_the_truth_and_says_how_near(tmp_path: Path) -> None:
    with open_room(tmp_path) as room:
        result = room.query(BY_PLACEMENT)
    truth = sample_log().group_by("placement_type").agg(pl.col("revenue_cents").sum() / 100)
    joined = result.rows.join(truth, on="placement_type")
    assert joined.height == 2
    assert result.suppressed_cells == 0
    # Bounding cuts a few percent off this log; the noise bound is far exceeded with probability e^-12 only.
    error = (joined["revenue"] - joined["revenue_cents"]).abs()
    assert (error < 0.08 * joined["revenue_cents"] + 4 * result.error_bounds["revenue"]).all()
    assert joined["revenue_error95"].to_list() == [result.error_bounds["revenue"]] * 2
    assert result.epsilon_spent == result.release_epsilon == 4.0
    assert "customer_id" in result.blocked_fields


def test_small_cells_are_suppressed_and_empty_ones_look_the_same(tmp_path: Path) -> None:
    few = sample_log().filter((pl.col("placement_type") == "search") | (pl.col("customer_id") < 30))
    with open_room(tmp_path, few) as room:
        result = room.query({"dimensions": ["placement_type", "sku_id"], "metrics": ["customers"]})
    assert set(result.rows["placement_type"]) == {"search"}
    assert set(result.rows["sku_id"]) == set(SKUS[:2])
    # Two small cells of `home`, and two empty ones of the SKU that nobody bought.
    assert result.suppressed_cells == 4


def test_a_repeat_is_free_and_identical_also_for_another_analyst_and_room(tmp_path: Path) -> None:
    with open_room(tmp_path) as room:
        first = room.query(BY_PLACEMENT, analyst="first")
        rewritten = BY_PLACEMENT | {
            "metrics": ["revenue", "customers"],
            "filters": PERIOD | {"placement_type": [*reversed(PLACEMENTS)]},
        }
        second = room.query(rewritten, analyst="second")
    with open_room(tmp_path) as room:
        third = room.query(BY_PLACEMENT)
        assert room.remaining_epsilon() == 4.0
    assert first.epsilon_spent == 4.0
    assert second.epsilon_spent == third.epsilon_spent == 0.0
    assert second.release_epsilon == 4.0
    assert first.rows.equals(second.rows)
    assert first.rows.equals(third.rows)


def test_a_change_of_data_or_privacy_terms_is_a_new_release(tmp_path: Path) -> None:
    with open_room(tmp_path) as room:
        room.query(BY_PLACEMENT | {"epsilon": 1.0})
    with open_room(tmp_path, sample_log(seed=8)) as room:
        assert room.query(BY_PLACEMENT | {"epsilon": 1.0}).epsilon_spent == 1.0
    with open_room(tmp_path, k=150) as room:
        assert room.query(BY_PLACEMENT | {"epsilon": 1.0}).epsilon_spent == 1.0
        assert room.remaining_epsilon() == 5.0
    with open_room(tmp_path, version=2) as room:
        assert room.query(BY_PLACEMENT | {"epsilon": 1.0}).epsilon_spent == 0.0


def test_the_budget_ends_exactly_and_stored_answers_stay(tmp_path: Path) -> None:
    with open_room(tmp_path, epsilon_per_query=0.1, epsilon_total=0.3) as room:
        ranges = [{"date": {"from": "2026-01-05", "to": f"2026-01-{day}"}} for day in (12, 13, 14, 15)]
        for period in ranges[:3]:
            room.query({"metrics": ["cost"], "filters": period})
        assert room.remaining_epsilon() == 0.0
        with pytest.raises(CleanRoomError) as raised:
            room.query({"metrics": ["cost"], "filters": ranges[3]})
        assert raised.value.code is ErrorCode.PRIVACY_BUDGET_EXHAUSTED
        assert room.query({"metrics": ["cost"], "filters": ranges[0]}).epsilon_spent == 0.0
        assert room.account().spent_micro == room.account().released_micro == 300_000


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ("SELECT margin FROM log", ErrorCode.QUERY_SHAPE_NOT_PERMITTED),
        ({"metrics": ["margin"]}, ErrorCode.COLUMN_NOT_PERMITTED),
        ({"metrics": ["no_such_column"]}, ErrorCode.COLUMN_NOT_PERMITTED),
        ({"metrics": ["cost"], "filters": {"customer_id": ["7"]}}, ErrorCode.FILTER_NOT_PERMITTED),
        (7, ErrorCode.INVALID_REQUEST),
    ],
)
def test_a_refused_request_costs_nothing_and_is_logged_without_its_text(
    tmp_path: Path, request_: object, code: ErrorCode
) -> None:
    with open_room(tmp_path) as room:
        with pytest.raises(CleanRoomError) as raised:
            room.query(request_)
        assert raised.value.code is code
        assert room.account().spent_micro == 0
        assert room.verify_audit().entries == 1
    assert b"margin" not in (tmp_path / "ledger.sqlite").read_bytes()


def test_parquet_glob_lazy_frame_and_frame_are_all_accepted(tmp_path: Path) -> None:
    log = sample_log()
    log.head(4000).write_parquet(tmp_path / "2026-01.parquet")
    log.tail(-4000).write_parquet(tmp_path / "2026-02.parquet")
    policy = sample_policy()
    for number, events in enumerate((str(tmp_path / "*.parquet"), log.lazy(), log)):
        with CleanRoom(events, policy, ledger=tmp_path / f"{number}.sqlite", sku_ids=SKUS) as room:
            assert room.query(BY_PLACEMENT).rows.height == 2


def test_a_glob_without_files_names_itself(tmp_path: Path) -> None:
    with pytest.raises(CleanRoomSetupError, match="no customer log there"):
        CleanRoom(str(tmp_path / "*.parquet"), sample_policy(), ledger=tmp_path / "ledger.sqlite")


def test_the_view_is_two_ordinary_requests_within_the_budget(tmp_path: Path) -> None:
    with open_room(tmp_path) as room:
        view = release_view(room, retailer_id="alpha", start=FIRST_DAY, end=LAST_DAY)
        again = release_view(room, retailer_id="alpha", start=FIRST_DAY, end=LAST_DAY)
        by_hand = [room.query(query) for query in view.queries]
    assert view.cells.columns[:10] == [
        "retailer_id",
        "week",
        "placement_type",
        "sku_id",
        "customers",
        "impressions",
        "clicks",
        "conversions",
        "revenue_usd",
        "cost_usd",
    ]
    assert {"revenue_usd_error95", "cost_usd_error95", "suppressed"} <= set(view.cells.columns)
    assert view.cells.schema["week"] == pl.Date
    assert view.cells["week"].dt.weekday().unique().to_list() == [1]
    assert view.cells.height + view.suppressed_cells == 4 * 2 * 3
    assert view.audience_cells.height + view.suppressed_audience_cells == 4
    assert not view.cells["suppressed"].any()
    assert view.blocked_fields == tuple(sample_policy().blocked_fields)
    assert (view.epsilon_spent, view.epsilon_charged_now) == (8.0, 8.0)
    assert (again.epsilon_spent, again.epsilon_charged_now) == (8.0, 0.0)
    assert again.cells.equals(view.cells)
    assert [result.epsilon_spent for result in by_hand] == [0.0, 0.0]
    assert by_hand[0].rows["revenue"].equals(view.cells["revenue_usd"])


def test_a_week_cut_short_stands_under_its_monday(tmp_path: Path) -> None:
    with open_room(tmp_path, k=2, delta=0.4) as room:
        view = release_view(
            room, retailer_id="alpha", start=datetime.date(2026, 1, 14), end=datetime.date(2026, 1, 20)
        )
    assert set(view.cells["week"]) == {datetime.date(2026, 1, 12), datetime.date(2026, 1, 19)}
