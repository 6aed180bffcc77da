"""Anomalies: each kind is found when planted, with its days; a quiet feed has none, and no frame breaks it."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmn_pipeline.feeds import list_landing
from rmn_pipeline.rmis import (
    EVENTS_SCHEMA,
    REJECTS_SCHEMA,
    Anomaly,
    AnomalySettings,
    daily_totals,
    find_anomalies,
    harmonize,
    load_catalog,
    load_mapping,
)
from rmn_pipeline_tests.rmis.steady_feed import START, as_events, changed, day, on, steady_feed

TODAY = START + timedelta(days=120)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def steady() -> pl.DataFrame:
    return steady_feed()


def found(events: pl.DataFrame, **options: object) -> dict[str, Anomaly]:
    return {anomaly.code: anomaly for anomaly in find_anomalies(events, today=TODAY, **options)}  # type: ignore[arg-type]


def days_of(anomaly: Anomaly) -> list[date]:
    return [span.first + timedelta(days=number) for span in anomaly.spans for number in range(span.days)]


def times(factor: float, column: str) -> pl.Expr:
    return pl.col(column) * factor


def test_a_quiet_feed_has_no_anomalies(steady: pl.DataFrame) -> None:
    assert find_anomalies(steady, today=TODAY) == []


def test_a_feed_without_events_is_an_error() -> None:
    (anomaly,) = find_anomalies(steady_feed().clear(), today=TODAY)
    assert (anomaly.code, anomaly.severity, anomaly.rows) == ("no_events", "error", 0)


def test_a_lazy_frame_is_as_good_as_a_frame(steady: pl.DataFrame) -> None:
    broken = changed(steady, on(20), cost=-1.0)
    assert find_anomalies(broken.lazy(), today=TODAY) == find_anomalies(broken, today=TODAY)


def test_negative_cost_is_told_with_its_day_and_rows(steady: pl.DataFrame) -> None:
    anomaly = found(changed(steady, on(20), cost=-1.0))["negative_cost"]
    assert (days_of(anomaly), anomaly.rows, anomaly.severity) == ([day(20)], 3, "warn")
    assert anomaly.message == ("3 of 360 events (0.83%) have a negative cost, on 1 day: 2026-01-25")


def test_corrections_that_leave_a_key_positive_are_no_anomaly(steady: pl.DataFrame) -> None:
    corrections = changed(steady.filter(on(20)), pl.lit(True), cost=-0.5, clicks=-1, impressions=-10)
    assert "negative_cost" not in found(pl.concat([steady, corrections]))
    assert "negative_count" not in found(pl.concat([steady, corrections]))


def test_corrections_that_take_back_too_much_are_found(steady: pl.DataFrame) -> None:
    corrections = changed(steady.filter(on(20)), pl.lit(True), impressions=-1_000_000)
    anomaly = found(pl.concat([steady, corrections]))["negative_count"]
    assert (days_of(anomaly), anomaly.rows) == ([day(20)], 6)


@pytest.mark.parametrize(
    ("value", "code", "severity"),
    [
        ({"clicks": 999_999}, "ctr_above_one", "error"),
        ({"impressions": 0, "clicks": 0}, "spend_without_impressions", "warn"),
        ({"cost": 0.0}, "clicks_without_spend", "warn"),
        ({"revenue": float("nan")}, "no_number", "error"),
    ],
)
def test_impossible_values_are_found(
    steady: pl.DataFrame, value: dict[str, float], code: str, severity: str
) -> None:
    anomaly = found(changed(steady, on(20), **value))[code]
    assert (anomaly.severity, anomaly.rows) == (severity, 3)


def test_a_few_doubtful_rows_among_many_are_not_told() -> None:
    events = steady_feed(days=120)
    one = (pl.col("date") == day(20)) & (pl.col("campaign_id") == "c_home")
    lenient = AnomalySettings(min_row_share=0.01)
    assert "clicks_without_spend" in found(changed(events, one, cost=0.0))
    assert "clicks_without_spend" not in found(changed(events, one, cost=0.0), settings=lenient)


def test_days_to_come_are_an_error_and_keep_out_of_the_statistics(steady: pl.DataFrame) -> None:
    future = changed(steady.filter(on(20)), pl.lit(True), date=TODAY + timedelta(days=40))
    every = found(pl.concat([steady, future]))
    assert set(every) == {"future_date"}
    assert (every["future_date"].severity, every["future_date"].rows) == ("error", 3)


def test_a_day_after_its_own_report_is_a_day_to_come(steady: pl.DataFrame) -> None:
    anomaly = found(changed(steady, on(20), as_of=day(18)))["future_date"]
    assert days_of(anomaly) == [day(20)]
    assert "(3 of them)" in anomaly.message


def test_a_date_far_from_the_others_is_no_gap_of_years(steady: pl.DataFrame) -> None:
    stray = changed(steady.filter(on(20)), pl.lit(True), date=date(1970, 1, 1))
    every = found(pl.concat([steady, stray]))
    assert set(every) == {"stray_date"}
    assert "is the date format right?" in every["stray_date"].message


def test_dates_of_no_year_at_all_are_told_alone(steady: pl.DataFrame) -> None:
    every = found(changed(steady.head(5), pl.lit(True), date=date(1, 1, 3)))
    assert "lie in no year of retail media: 0001-01-03" in every["stray_date"].message


def test_missing_days_are_told_as_spans(steady: pl.DataFrame) -> None:
    anomaly = found(steady.filter(~on(30, 32) & ~on(50)))["missing_days"]
    assert anomaly.severity == "error"
    assert anomaly.message == (
        "4 days without any event between 2026-01-05 and 2026-05-04: 2026-02-04 to 2026-02-06, 2026-02-24"
    )


def test_a_network_without_weekends_is_told_once_and_has_no_missing_days(steady: pl.DataFrame) -> None:
    every = found(steady.filter(pl.col("date").dt.weekday() <= 5))
    assert set(every) == {"missing_weekdays"}
    assert "no event on any Saturday and Sunday ever" in every["missing_weekdays"].message


def test_weekends_that_stop_are_told_from_the_first_one_on(steady: pl.DataFrame) -> None:
    every = found(steady.filter((pl.col("date").dt.weekday() <= 5) | (pl.col("date") < day(61))))
    assert "missing_days" not in every
    assert "no event on any Saturday and Sunday from 2026-03-07 on" in every["missing_weekdays"].message


def test_a_doubling_is_told_from_its_first_day_on_and_not_day_by_day(steady: pl.DataFrame) -> None:
    doubled = changed(
        steady, on(70, 200), **{name: times(2, name) for name in ("impressions", "clicks", "cost")}
    )
    every = found(doubled)
    assert {"level_shift.impressions", "level_shift.clicks", "level_shift.cost"} <= set(every)
    assert not [code for code in every if code.startswith("odd_days")]
    span = every["level_shift.impressions"].spans[0]
    assert abs((span.first - day(70)).days) <= 1 and span.last == day(119)
    assert f"impressions from {span.first} on: 2" in every["level_shift.impressions"].message


def test_a_level_that_came_and_went_is_told_with_both_ends(steady: pl.DataFrame) -> None:
    anomaly = found(changed(steady, on(60, 79), cost=times(0.3, "cost")))["level_shift.cost"]
    assert abs((anomaly.spans[0].first - day(60)).days) <= 1
    assert abs((anomaly.spans[0].last - day(79)).days) <= 1


def test_odd_days_are_told_together_with_the_worst(steady: pl.DataFrame) -> None:
    events = changed(changed(steady, on(60), revenue=times(9, "revenue")), on(90, 92), revenue=0.0)
    anomaly = found(events)["odd_days.revenue"]
    assert days_of(anomaly) == [day(60), day(90), day(91), day(92)]
    assert "4 days far from what the weekday and the weeks around let expect" in anomaly.message


def test_a_shift_of_half_a_year_ago_is_history() -> None:
    events = changed(steady_feed(days=300), on(40, 400), cost=times(3, "cost"))
    anomalies = {a.code: a for a in find_anomalies(events, today=day(300))}
    assert anomalies["level_shift.cost"].severity == "info"


def test_a_launch_is_no_shift() -> None:
    ramp = (pl.col("date") - START).dt.total_days().clip(0, 20) / 20 * 0.95 + 0.05
    events = steady_feed().with_columns(
        (pl.col(name) * ramp).cast(EVENTS_SCHEMA[name])
        for name in ("impressions", "clicks", "conversions", "revenue", "cost")
    )
    assert [code for code in found(events) if code.startswith(("level_shift", "odd_days"))] == []


def test_conversions_that_are_still_coming_in_are_no_fall(steady: pl.DataFrame) -> None:
    late = changed(
        steady,
        on(117, 119),
        conversions=times(0.25, "conversions"),
        revenue=times(0.25, "revenue"),
    )
    assert found(late) == {}
    lost = changed(steady, on(117, 119), clicks=times(0.1, "clicks"))
    assert "odd_days.clicks" in found(lost)


def test_a_last_day_that_is_half_loaded_is_told(steady: pl.DataFrame) -> None:
    anomaly = found(changed(steady, on(119), impressions=times(0.2, "impressions")))["odd_days.impressions"]
    assert anomaly.message.endswith("the last day may be incomplete")


def test_a_placement_that_vanishes_is_told_with_its_share(steady: pl.DataFrame) -> None:
    every = found(steady.filter((pl.col("campaign_id") != "c_home") | (pl.col("date") < day(100))))
    anomaly = every["vanished.placement_type"]
    assert anomaly.spans[0].first == day(100)
    assert "placement_type 'home' has no impressions since 2026-04-15; it had 18% of all" in anomaly.message
    assert "vanished.campaign_id" in every


def test_a_campaign_that_goes_on_under_a_new_name_is_told_as_renamed(steady: pl.DataFrame) -> None:
    renamed = changed(steady, (pl.col("campaign_id") == "c_home") & on(100, 200), campaign_id=pl.lit("c_new"))
    assert "'c_new' began then at a similar size: renamed?" in found(renamed)["vanished.campaign_id"].message


def test_campaigns_that_pause_all_the_time_do_not_vanish(steady: pl.DataFrame) -> None:
    week = (pl.col("date") - START).dt.total_days() // 7
    shift = pl.col("campaign_id").replace_strict({"c_search": 0, "c_category": 1, "c_home": 2})
    flights = steady.filter((week < 5) | ((week + shift) % 4 != 0))
    assert "vanished.campaign_id" not in found(flights)


def test_a_click_rate_far_from_the_others_is_told(steady: pl.DataFrame) -> None:
    one = on(40) & (pl.col("campaign_id") == "c_home")
    anomaly = found(changed(steady, one, clicks=times(15, "clicks"), cost=times(15, "cost")))[
        "unusual_ratio.ctr"
    ]
    assert (days_of(anomaly), anomaly.rows) == ([day(40)], 1)
    assert "home: 0.381 against 0.0301" in anomaly.message


def test_cents_taken_for_dollars_are_told_as_a_shift_of_cost(steady: pl.DataFrame) -> None:
    every = found(changed(steady, on(80, 200), cost=times(100, "cost")))
    assert "from 2026-03-26 on: 95.3 times" in every["level_shift.cost"].message
    assert "unusual_ratio.cpc" in every and "level_shift.cpc" not in every


def test_a_click_price_that_rises_where_totals_are_too_noisy_to_tell() -> None:
    metrics = ("impressions", "clicks", "cost")
    week = ((pl.col("date") - START).dt.total_days() // 7) % 3
    level = pl.when(week == 0).then(0.4).when(week == 1).then(1.0).otherwise(2.5)
    wild = steady_feed(seed=3).with_columns(
        (pl.col(name) * level).cast(EVENTS_SCHEMA[name]) for name in metrics
    )
    anomaly = found(changed(wild, on(80, 200), cost=times(1.8, "cost")))["level_shift.cpc"]
    assert abs((anomaly.spans[0].first - day(80)).days) <= 2


def test_a_column_that_empties_is_told_with_the_days(steady: pl.DataFrame) -> None:
    anomaly = found(changed(steady, on(110, 200), audience_id=None))["null_share.audience_id"]
    assert (anomaly.spans[0].first, anomaly.rows) == (day(110), 30)


def test_a_column_that_is_never_sent_is_no_anomaly(steady: pl.DataFrame) -> None:
    assert found(changed(steady, pl.lit(True), ad_group_id=None)) == {}


def test_a_currency_that_changes_is_an_error_with_both_periods(steady: pl.DataFrame) -> None:
    anomaly = found(changed(steady, on(60, 200), currency=pl.lit("EUR")))["changed_definition.currency"]
    assert anomaly.severity == "error"
    assert anomaly.message == (
        "currency changes over time: USD: 2026-01-05 to 2026-03-05; EUR: 2026-03-06 to 2026-05-04"
    )


def test_an_attribution_model_that_changes_is_a_warning(steady: pl.DataFrame) -> None:
    anomaly = found(changed(steady, on(60, 200), attr_model=pl.lit("linear_14d")))[
        "changed_definition.attr_model"
    ]
    assert (anomaly.severity, anomaly.spans[0].first) == ("warn", day(60))


def test_two_currencies_on_every_day_are_told(steady: pl.DataFrame) -> None:
    mixed = changed(steady, pl.col("campaign_id") == "c_home", currency=pl.lit("CAD"))
    assert "CAD and USD stand side by side" in found(mixed)["mixed_currency"].message


def test_a_report_that_ends_too_early_is_stale_by_its_own_date(steady: pl.DataFrame) -> None:
    stale = changed(steady, on(119), as_of=day(127))
    anomaly = {a.code: a for a in find_anomalies(stale, today=day(400))}["stale_feed"]
    assert anomaly.message == (
        "the newest report (as of 2026-05-12) ends on 2026-05-04, 8 days earlier; the 119 reports before it ended "
        "1 day earlier on the median"
    )


def test_old_history_is_not_stale(steady: pl.DataFrame) -> None:
    assert find_anomalies(steady, today=date(2036, 1, 1)) == []


def test_superseded_statements_tell_how_late_a_restated_feed_usually_is(steady: pl.DataFrame) -> None:
    # Every day is stated again after two weeks: what is left in the events are old statements only.
    restated = steady.with_columns(
        pl.min_horizontal(pl.col("date") + timedelta(days=14), pl.lit(day(120))).alias("as_of")
    )
    ended = restated.filter(~on(115, 119))
    assert "stale_feed" not in found(ended)
    assert "stale_feed" in found(ended, superseded=steady.filter(~on(115, 119)))


def test_a_file_with_many_broken_rows_is_told_with_its_rule(steady: pl.DataFrame) -> None:
    counts = {
        "report_2026-01.csv": 1,
        "report_2026-02.csv": 0,
        "report_2026-03.csv": 1,
        "report_2026-04.csv": 30,
    }
    rows = [
        {"source_file": file, "rule": "invalid.date", "severity": "reject"}
        for file, count in counts.items()
        for _ in range(count)
    ]
    rejects = pl.DataFrame(rows).select(
        pl.col(name) if name in rows[0] else pl.lit(None, dtype).alias(name)
        for name, dtype in REJECTS_SCHEMA.items()
    )
    every = found(steady, rejects=rejects)
    assert every["rejected_share"].message.startswith(
        "25.0% of the 120 rows of report_2026-04.csv break a rule"
    )
    assert every["rejected_share"].rows == 30


def test_daily_totals_hold_every_day(steady: pl.DataFrame) -> None:
    totals = daily_totals(steady.filter(~on(9)))
    assert (totals.height, totals["cost"][9]) == (120, 0.0)


@pytest.mark.skipif(
    not (ROOT / "data" / "landing").is_dir(), reason="the sample market has not been written (make sample)"
)
@pytest.mark.parametrize(
    ("retailer_id", "codes"),
    [
        ("alpha", {"vanished.campaign_id"}),
        ("beta", set()),
        ("gamma", {"level_shift.cost", "vanished.placement_type"}),
        ("delta", set()),
    ],
)
def test_the_sample_market_raises_no_false_alarm(retailer_id: str, codes: set[str]) -> None:
    """Looked at by a person: a campaign paused for five weeks, a month of low budgets, a placement's free week."""
    mapping = load_mapping(ROOT / "data" / "retailers" / retailer_id / "mapping.yaml")
    landing = ROOT / "data" / "landing" / retailer_id
    files = [file.path for file in list_landing(landing / "reports", mapping.source.files)]
    result = harmonize(mapping, files, load_catalog(landing / "reference" / "catalog.csv", retailer_id))
    anomalies = find_anomalies(result.events, today=date(2026, 11, 23), rejects=result.rejects)
    assert {anomaly.code for anomaly in anomalies} == codes
    assert all(anomaly.severity == "warn" for anomaly in anomalies)


wild_dates = st.one_of(
    st.dates(START, START + timedelta(days=60)),
    st.dates(),
    st.sampled_from([date(1, 1, 1), date(9999, 12, 31)]),
)
wild_numbers = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, -1.0, 1e308, 5e-324]), st.none()
)
wild_counts = st.one_of(st.integers(-5, 1000), st.integers(-(2**63), 2**63 - 1), st.none())
wild_names = st.one_of(st.none(), st.sampled_from(["a", "b", ""]), st.text(max_size=3))
wild_rows = st.fixed_dictionaries(
    {
        "date": wild_dates,
        "as_of": st.one_of(st.none(), wild_dates),
        **{name: wild_counts for name in ("impressions", "clicks")},
        **{name: wild_numbers for name in ("conversions", "revenue", "cost")},
        **{
            name: wild_names
            for name in ("campaign_id", "audience_id", "placement_type", "currency", "source_file")
        },
    }
)


def as_frame(rows: list[dict[str, object]]) -> pl.DataFrame:
    return (
        as_events({name: [row[name] for row in rows] for name in rows[0]})
        if rows
        else pl.DataFrame(schema=EVENTS_SCHEMA)
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(wild_rows, max_size=12), wild_dates)
def test_any_events_give_findings_and_never_an_exception(rows: list[dict[str, object]], today: date) -> None:
    events = as_frame(rows)
    for anomaly in find_anomalies(events, today=today, superseded=events):
        assert anomaly.message and anomaly.severity in ("info", "warn", "error")


@settings(max_examples=10, deadline=None)
@given(st.lists(wild_rows, min_size=1, max_size=6), st.integers(0, 90))
def test_wild_rows_within_a_steady_feed_never_break_the_statistics(
    rows: list[dict[str, object]], at: int
) -> None:
    wild = as_frame(rows).with_columns(date=pl.lit(day(at)))
    assert isinstance(find_anomalies(pl.concat([STEADY, wild]), today=TODAY), list)


STEADY = steady_feed()
