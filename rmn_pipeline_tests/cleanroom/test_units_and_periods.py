"""The privacy unit (customer or record), the refresh rule, and answers that outlive their data."""

from __future__ import annotations

import datetime
import sqlite3
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from rmn_pipeline.cleanroom import (
    CleanRoom,
    CleanRoomError,
    CleanRoomSetupError,
    ErrorCode,
    Ledger,
    release_view,
)
from rmn_pipeline_tests.cleanroom.sample import (
    FIRST_DAY,
    LAST_DAY,
    PERIOD,
    SKUS,
    open_room,
    sample_log,
    sample_policy,
)

BY_PLACEMENT = {"dimensions": ["placement_type"], "metrics": ["revenue"], "filters": PERIOD, "epsilon": 4.0}
GROWN_PERIOD = {"date": {"from": "2026-01-05", "to": "2026-02-02"}}


def record_terms(**changes: Any) -> dict[str, Any]:
    bounds = {"max_records": 2, "maximum_per_cell": {"clicks": 2, "revenue": 60.0, "cost": 4.0}}
    return {
        "contribution_unit": "record",
        "contribution_bounds": bounds,
        "allowed_metrics": ["records", "clicks", "revenue", "cost"],
    } | changes


def feed() -> pl.DataFrame:
    return sample_log().drop("customer_id")


def grown_log() -> pl.DataFrame:
    more = sample_log(seed=8).with_columns(pl.lit(LAST_DAY + datetime.timedelta(days=1)).alias("date"))
    return pl.concat([sample_log(), more.head(50)])


def test_a_feed_without_customers_opens_at_record_level_and_says_so(tmp_path: Path) -> None:
    with open_room(tmp_path, feed(), **record_terms()) as room:
        result = room.query(
            {"dimensions": ["placement_type"], "metrics": ["records", "revenue"], "filters": PERIOD}
        )
        account = room.account()
    truth = dict(feed().group_by("placement_type").len().iter_rows())
    assert result.privacy_unit == "record"
    assert "any 2 records, not a person" in result.notices[0]
    for placement, records in result.rows.select("placement_type", "records").iter_rows():
        # Two records move a count by two; the noise passes 40 of its scales with probability e^-40.
        assert abs(records - truth[placement]) <= 40 * 2 / 2.0
    assert account.spent_micro == 4_000_000
    with open_room(tmp_path) as customers:
        assert customers.account().spent_micro == 0
        assert customers.query(BY_PLACEMENT).privacy_unit == "customer"


def test_record_sensitivity_is_the_declared_number_of_records_in_one_cell() -> None:
    policy = sample_policy(**record_terms())
    assert policy.count_sensitivity(1) == policy.count_sensitivity(1000) == 2
    assert policy.maximum_steps_per_customer("revenue") == 2 * 6000
    assert (sample_policy().count_sensitivity(1), sample_policy().count_sensitivity(1000)) == (1, 6)


def test_one_record_moves_no_answer_further_than_its_clamp(tmp_path: Path) -> None:
    from rmn_pipeline.cleanroom.bounded_log import BoundedLog
    from rmn_pipeline.cleanroom.request import Domains, parse_request

    policy = sample_policy(**record_terms())
    domains = Domains.of(policy, SKUS)
    request = parse_request({"metrics": ["records", "revenue"], "filters": PERIOD}, policy, domains)
    heavy = feed().head(1).with_columns(pl.lit(10**9).cast(pl.Int64).alias("revenue_cents"))
    answers = []
    for events in (feed(), pl.concat([feed(), heavy])):
        log = BoundedLog(events, policy, domains, bytes(32))
        answers.append(log.aggregate(request).row(0))
        log.close()
    assert [b - a for a, b in zip(*answers, strict=True)] == [1, 6000]


def test_count_star_counts_records_and_only_at_record_level(tmp_path: Path) -> None:
    sql = "SELECT COUNT(*) AS rows_seen FROM events"
    with open_room(tmp_path, feed(), **record_terms()) as room:
        assert room.query(sql).rows.columns == ["rows_seen", "rows_seen_error95"]
        with pytest.raises(CleanRoomError, match="FUNCTION_NOT_PERMITTED"):
            room.query("SELECT COUNT(DISTINCT customer_id) FROM events")
    with open_room(tmp_path) as room, pytest.raises(CleanRoomError, match="FUNCTION_NOT_PERMITTED"):
        room.query(sql)


def test_a_log_that_names_its_customers_does_not_open_at_record_level(tmp_path: Path) -> None:
    with pytest.raises(CleanRoomSetupError, match="set contribution_unit to customer"):
        open_room(tmp_path, **record_terms())
    with pytest.raises(CleanRoomSetupError, match="contribution_unit: record"):
        open_room(tmp_path, feed())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (record_terms(allowed_metrics=["customers"]), "counts 'records', not 'customers'"),
        ({"allowed_metrics": ["records"]}, "counts 'customers', not 'records'"),
        (record_terms(contribution_bounds={"maximum_per_cell": {"cost": 1.0}}), "'max_records' is missing"),
        (
            record_terms(
                contribution_bounds={
                    "max_records": 1,
                    "max_cells_per_customer": 3,
                    "maximum_per_cell": {"cost": 1.0},
                }
            ),
            "takes 'max_records' only",
        ),
        ({"contribution_bounds": {"maximum_per_cell": {"cost": 1.0}}}, "'max_cells_per_customer' is missing"),
        (record_terms(preset="aws"), "contribution_unit must be customer"),
    ],
)
def test_bounds_that_do_not_fit_the_privacy_unit_do_not_load(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        sample_policy(**changes)


def refreshing_room(tmp_path: Path, day: str, **changes: Any) -> CleanRoom:
    policy = sample_policy(
        budget_refresh={"every": "quarter", "accepts_unbounded_total": True}, epsilon_total=4.0, **changes
    )
    return CleanRoom(
        sample_log(),
        policy,
        ledger=tmp_path / "ledger.sqlite",
        sku_ids=SKUS,
        today=lambda: datetime.date.fromisoformat(day),
    )


def test_a_declared_refresh_renews_the_budget_by_period_and_keeps_the_history(tmp_path: Path) -> None:
    other = BY_PLACEMENT | {"metrics": ["cost"]}
    with refreshing_room(tmp_path, "2026-03-31") as room:
        first = room.query(BY_PLACEMENT)
        with pytest.raises(CleanRoomError, match="BUDGET"):
            room.query(other)
    with refreshing_room(tmp_path, "2026-04-01") as room:
        assert room.remaining_epsilon() == 4.0
        assert room.query(other).epsilon_spent == 4.0
        again = room.query(BY_PLACEMENT)
        account = room.account()
        assert room.verify_audit().intact
    assert again.epsilon_spent == 0.0 and again.rows.equals(first.rows)
    assert (account.spent_micro, account.lifetime_micro, account.released_micro) == (
        4_000_000,
        8_000_000,
        8_000_000,
    )
    assert "renewed every quarter" in first.notices[0] and "averages the noise out" in first.notices[0]
    # Back to the old quarter, or to a policy without refresh: what was spent is still spent.
    with refreshing_room(tmp_path, "2026-02-01") as room:
        assert room.remaining_epsilon() == 0.0
    with open_room(tmp_path) as room:
        assert room.remaining_epsilon() == 0.0


def test_refresh_is_off_unless_its_cost_is_accepted() -> None:
    assert sample_policy().budget_refresh is None
    assert sample_policy().notices == ()
    for terms in ({"every": "month"}, {"every": "month", "accepts_unbounded_total": False}):
        with pytest.raises(ValidationError, match="accepts_unbounded_total"):
            sample_policy(budget_refresh=terms)


@pytest.mark.parametrize(
    ("every", "period"), [("month", "2026-11"), ("quarter", "2026-Q4"), ("year", "2026")]
)
def test_periods_are_named_by_the_calendar(every: str, period: str) -> None:
    policy = sample_policy(budget_refresh={"every": every, "accepts_unbounded_total": True})
    assert policy.budget_refresh is not None
    assert policy.budget_refresh.period(datetime.date(2026, 11, 30)) == period


def test_a_grown_log_with_a_spent_budget_serves_the_last_view_and_calls_it_stale(tmp_path: Path) -> None:
    with open_room(tmp_path) as room:
        fresh = release_view(room, retailer_id="alpha", start=FIRST_DAY, end=LAST_DAY)
    later = LAST_DAY + datetime.timedelta(days=1)
    with open_room(tmp_path, grown_log()) as room:
        stale = release_view(room, retailer_id="alpha", start=FIRST_DAY, end=later)
        assert room.account().spent_micro == 8_000_000
        assert room.verify_audit().intact
    assert not fresh.is_stale and fresh.notices == ()
    assert stale.is_stale and stale.epsilon_charged_now == 0.0
    assert stale.cells.equals(fresh.cells) and stale.audience_cells.equals(fresh.audience_cells)
    assert (stale.first_day, stale.last_day) == (FIRST_DAY, LAST_DAY)
    assert stale.answered_at == fresh.answered_at != ""
    assert any(fresh.answered_at[:10] in notice and "2026-02-01" in notice for notice in stale.notices)


def test_a_grown_log_within_the_budget_is_answered_anew_from_the_same_budget(tmp_path: Path) -> None:
    asked = BY_PLACEMENT | {"epsilon": 3.0}
    with open_room(tmp_path) as room:
        room.query(asked)
    with open_room(tmp_path, grown_log()) as room:
        assert room.query(asked).epsilon_spent == 3.0
        assert room.remaining_epsilon() == 2.0
        latest = room.latest(BY_PLACEMENT | {"filters": GROWN_PERIOD})
    assert latest.is_stale and latest.last_day == LAST_DAY


def test_the_view_asks_for_both_tables_or_for_neither(tmp_path: Path) -> None:
    with open_room(tmp_path) as room:
        room.query({"metrics": ["cost"], "epsilon": 1.0})
        with pytest.raises(CleanRoomError) as raised:
            release_view(room, retailer_id="alpha", start=FIRST_DAY, end=LAST_DAY)
        assert raised.value.code is ErrorCode.PRIVACY_BUDGET_EXHAUSTED
        # The weekly table alone would have fitted; nothing was spent on half a view.
        assert room.account().spent_micro == 1_000_000


def test_an_earlier_answer_is_served_only_under_the_privacy_terms_it_was_made_under(tmp_path: Path) -> None:
    with open_room(tmp_path) as room:
        room.query(BY_PLACEMENT)
        assert room.latest(BY_PLACEMENT).is_stale
    with open_room(tmp_path, k=200) as room, pytest.raises(CleanRoomError, match="BUDGET"):
        room.latest(BY_PLACEMENT)
    closed = {"allowed_dimensions": {"week": "date_range"}, "allowed_filters": ["date"]}
    with open_room(tmp_path, **closed) as room, pytest.raises(CleanRoomError, match="COLUMN_NOT_PERMITTED"):
        room.latest(BY_PLACEMENT)


def test_a_ledger_of_the_first_version_keeps_its_answers_and_its_balance(tmp_path: Path) -> None:
    with open_room(tmp_path) as room:
        paid = room.query(BY_PLACEMENT)
    connection = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)
    for column in ("period", "answered_at", "request", "shape", "terms"):
        connection.execute(f"ALTER TABLE releases DROP COLUMN {column}")
    connection.close()
    assert Ledger(tmp_path / "ledger.sqlite").account("alpha").spent_micro == 4_000_000
    with open_room(tmp_path) as room:
        again = room.query(BY_PLACEMENT)
        assert again.epsilon_spent == 0.0 and again.rows.equals(paid.rows) and again.answered_at == ""
        with pytest.raises(CleanRoomError, match="BUDGET"):
            room.latest(BY_PLACEMENT)


def test_the_identity_of_a_release_does_not_move_with_new_policy_keys() -> None:
    # Written down on purpose: if these terms change, every stored release of every ledger is lost to its room.
    assert set(sample_policy().privacy_terms()) == {
        "retailer_id",
        "k",
        "delta",
        "contribution_bounds",
        "epsilon_weights",
        "date_range",
        "allowed_dimensions",
        "allowed_metrics",
        "allowed_filters",
        "max_cells_per_query",
    }
    assert set(sample_policy().privacy_terms()["contribution_bounds"]) == {
        "max_cells_per_customer",
        "maximum_per_cell",
        "maximum_per_customer",
    }
