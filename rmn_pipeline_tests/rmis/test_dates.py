"""Dates and timestamps: declared orders, months by name, zones, and formats that could be read in two ways."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmn_pipeline.rmis.dates import as_of_in_name, day_in_zone, format_mistakes, read_dates, read_timestamps
from rmn_pipeline.rmis.mapping import ColumnRule

ITALIAN = [
    "gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno",
    "luglio", "agosto", "settembre", "ottobre", "novembre", "dicembre",
]  # fmt: skip
GERMAN = ["Jan.", "Feb.", "März", "Apr.", "Mai", "Juni", "Juli", "Aug.", "Sept.", "Okt.", "Nov.", "Dez."]


def rule(**content: Any) -> ColumnRule:
    return ColumnRule.model_validate({"from": "x", **content})


def day(text: str, **content: Any) -> date | None:
    frame = pl.DataFrame({"x": [text]})
    found = frame.select(read_dates(pl.col("x"), rule(**content))).to_series()[0]
    assert found is None or isinstance(found, date)
    return found


def moment(text: str, **content: Any) -> datetime | None:
    frame = pl.DataFrame({"x": [text]})
    found = frame.select(read_timestamps(pl.col("x"), rule(**content))).to_series()
    assert found.dtype == pl.Datetime("us", "UTC")
    value = found[0]
    assert value is None or isinstance(value, datetime)
    return value


@pytest.mark.parametrize(
    ("text", "content", "expected"),
    [
        ("03/02/2026", {"format": "%m/%d/%Y"}, date(2026, 3, 2)),
        ("03/02/2026", {"format": "%d/%m/%Y"}, date(2026, 2, 3)),
        ("3/2/26", {"format": "%d/%m/%y"}, date(2026, 2, 3)),
        ("01/01/99", {"format": "%d/%m/%y"}, date(1999, 1, 1)),
        ("20260302", {"format": "%Y%m%d"}, date(2026, 3, 2)),
        ("Mar 2, 2026", {"format": "%b %d, %Y"}, date(2026, 3, 2)),
        ("2 marzo 2026", {"format": "%d %B %Y", "month_names": ITALIAN}, date(2026, 3, 2)),
        ("2 MAGGIO 2026", {"format": "%d %B %Y", "month_names": ITALIAN}, date(2026, 5, 2)),
        ("2. Sept. 2026", {"format": "%d. %b %Y", "month_names": GERMAN}, date(2026, 9, 2)),
        ("2. März 2026", {"format": "%d. %b %Y", "month_names": GERMAN}, date(2026, 3, 2)),
        ("2026-03-02", {"format": ["%d.%m.%Y", "%Y-%m-%d"]}, date(2026, 3, 2)),
        ("02.03.2026", {"format": ["%d.%m.%Y", "%Y-%m-%d"]}, date(2026, 3, 2)),
        ("2026-03-02 00:00:00", {"format": "%Y-%m-%d %H:%M:%S"}, date(2026, 3, 2)),
        ("46083", {"format": "excel_serial"}, date(2026, 3, 2)),
        ("46083.75", {"format": "excel_serial"}, date(2026, 3, 2)),
        ("2026-02-30", {"format": "%Y-%m-%d"}, None),
        ("26-03-02", {"format": "%Y-%m-%d"}, None),
        ("2 mars 2026", {"format": "%d %B %Y", "month_names": ITALIAN}, None),
        ("1e300", {"format": "excel_serial"}, None),
        ("-5", {"format": "excel_serial"}, None),
    ],
)
def test_days(text: str, content: dict[str, Any], expected: date | None) -> None:
    assert day(text, **content) == expected


NEW_YORK = {"format": "%Y-%m-%d %H:%M", "time_zone": "America/New_York"}


@pytest.mark.parametrize(
    ("text", "content", "expected"),
    [
        ("2026-03-02T23:30:00Z", {"format": "%Y-%m-%dT%H:%M:%S%z"}, "2026-03-02 23:30"),
        ("2026-03-02T23:30:00+01:00", {"format": "%Y-%m-%dT%H:%M:%S%z"}, "2026-03-02 22:30"),
        ("2026-03-02T23:30:00-0500", {"format": "%Y-%m-%dT%H:%M:%S%z"}, "2026-03-03 04:30"),
        ("2026-03-02 23:30", NEW_YORK, "2026-03-03 04:30"),
        # Printed with Z although it is the advertiser's clock: the Z is declared to be decoration.
        ("2026-03-02T23:30:00Z", {**NEW_YORK, "format": "%Y-%m-%dT%H:%M:%SZ"}, "2026-03-03 04:30"),
        (
            "2026-03-02T23:30:00+00:00",
            {**NEW_YORK, "format": "%Y-%m-%dT%H:%M:%S%z", "offset": "ignore"},
            "2026-03-03 04:30",
        ),
        # Summer time: an hour that no clock showed, and one that it showed twice.
        ("2026-03-08 02:30", NEW_YORK, None),
        ("2026-11-01 01:30", NEW_YORK, None),
        ("2026-11-01 01:30", {**NEW_YORK, "ambiguous": "earliest"}, "2026-11-01 05:30"),
        ("2026-11-01 01:30", {**NEW_YORK, "ambiguous": "latest"}, "2026-11-01 06:30"),
        ("1772494200", {"format": "unix_seconds"}, "2026-03-02 23:30"),
        ("1772494200000", {"format": "unix_milliseconds"}, "2026-03-02 23:30"),
        ("1772494200000", {"format": "unix_seconds"}, None),
        ("9" * 18, {"format": "unix_seconds"}, None),
        ("02.03.2026 11:30 PM", {"format": "%d.%m.%Y %I:%M %p", "time_zone": "UTC"}, "2026-03-02 23:30"),
        ("yesterday", NEW_YORK, None),
    ],
)
def test_moments(text: str, content: dict[str, Any], expected: str | None) -> None:
    wanted = None if expected is None else datetime.fromisoformat(expected).replace(tzinfo=UTC)
    assert moment(text, **content) == wanted


def test_the_day_of_a_moment_is_the_zones_not_that_of_utc() -> None:
    frame = pl.DataFrame({"x": [datetime(2026, 3, 3, 4, 30)]}).select(pl.col("x").dt.replace_time_zone("UTC"))
    assert frame.select(day_in_zone(pl.col("x"), "America/New_York")).item() == date(2026, 3, 2)


@pytest.mark.parametrize(
    ("formats", "kind", "positions"),
    [
        (["%Y-%m-%d", "%d.%m.%Y", "%b %d, %Y"], "date", []),
        (["%d/%m/%Y", "%m/%d/%Y"], "date", [1]),
        (["%d/%m/%y", "%m/%d/%y"], "date", [1]),
        (["%Y-%m-%d", "%Y-%d-%m"], "date", [1]),
        (["%Y"], "date", [0]),
        (["%m/%d"], "date", [0]),
        (["%H:%M"], "date", [0]),
        (["day"], "date", [0]),
        ([""], "date", [0]),
        (["%Q"], "date", [0]),
        (["excel_serial"], "date", []),
        (["%Y-%m-%dT%H:%M:%S%z"], "timestamp", []),
        (["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%SZ"], "timestamp", []),
        (["%Y-%m-%d"], "timestamp", [0]),
        (["%Y-%m-%d %I:%M"], "timestamp", [0]),
        (["%Y-%m-%d %H:%M:%S%:z"], "timestamp", [0]),
        (["unix_seconds"], "timestamp", []),
        (["unix_seconds"], "date", [0]),
    ],
)
def test_formats_that_do_not_give_one_whole_date_are_refused(
    formats: list[str], kind: Any, positions: list[int]
) -> None:
    assert [index for index, _ in format_mistakes(formats, kind)] == positions


def test_an_ambiguous_pair_is_shown_with_a_text_that_both_read() -> None:
    ((_, message),) = format_mistakes(["%d/%m/%Y", "%m/%d/%Y"], "date")
    assert message == "'04/01/2025' is one day in '%d/%m/%Y' and another in '%m/%d/%Y'; keep one of them"


def test_the_as_of_date_stands_in_the_first_name_that_has_one() -> None:
    names = ["members.csv", "export_20260302.zip"]
    assert as_of_in_name(names, r"_(\d{8})\.", "%Y%m%d") == date(2026, 3, 2)
    assert as_of_in_name(["export_20261302.zip"], r"_(\d{8})\.", "%Y%m%d") is None
    assert as_of_in_name(["report.csv"], r"_(\d{8})\.", "%Y%m%d") is None


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=20), form=st.text(max_size=8) | st.sampled_from(["%d/%m/%Y", "excel_serial"]))
def test_no_format_and_no_text_break_anything(text: str, form: str) -> None:
    for kind in ("date", "timestamp"):
        mistakes = list(format_mistakes([form], kind))
        if not mistakes and kind == "date":
            read = day(text, format=form)
            assert read is None or isinstance(read, date)
        if not mistakes and kind == "timestamp":
            at = moment(text, format=form, time_zone="UTC")
            assert at is None or at.tzinfo is not None


@settings(max_examples=100, deadline=None)
@given(
    instant=st.datetimes(datetime(1995, 1, 1), datetime(2090, 1, 1)),
    offset=st.integers(min_value=-14 * 60, max_value=14 * 60),
)
def test_any_printed_offset_gives_the_same_moment(instant: datetime, offset: int) -> None:
    aware = instant.replace(microsecond=0, tzinfo=UTC)
    printed = aware.astimezone(timezone(timedelta(minutes=offset))).strftime("%Y-%m-%dT%H:%M:%S%z")
    assert moment(printed, format="%Y-%m-%dT%H:%M:%S%z") == aware
