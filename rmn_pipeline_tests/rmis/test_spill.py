"""Buckets: the same rows in the same order, in memory or in scratch files."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmn_pipeline.rmis import LakeError
from rmn_pipeline.rmis.spill import Buckets, compact

FRAME = pl.DataFrame(
    {
        "id": [1, 2, 3],
        "one": ["x", "x", "x"],
        "ends": ["x", "y", "x"],
        "none": [None, None, None],
        "hole": [1, None, 1],
    },
    schema_overrides={"none": pl.Date},
)


def test_constant_columns_are_kept_as_values_and_come_back_in_their_place() -> None:
    rows = compact(FRAME)
    assert rows.constants == {"one": "x", "none": None}
    assert rows.varying.columns == ["id", "ends", "hole"]
    assert rows.whole().equals(FRAME)
    assert rows.whole().schema == FRAME.schema
    assert rows.slice(1, 1).whole().equals(FRAME.slice(1, 1))


def test_rows_without_any_difference_keep_their_number() -> None:
    frame = pl.DataFrame({"a": [1, 1], "b": ["x", "x"]})
    assert compact(frame).whole().equals(frame)


def test_untouched_buckets_leave_memory_first_and_files_go_with_their_bucket(tmp_path: Path) -> None:
    buckets: Buckets[str] = Buckets(tmp_path / "scratch", 100)
    for key in ("a", "b", "a", "c"):
        buckets.add(key, compact(FRAME), 40)
    assert len(list((tmp_path / "scratch").iterdir())) == 2
    assert sorted(buckets) == ["a", "b", "c"]
    assert buckets.height("a") == 6
    assert buckets.read("a").whole().equals(pl.concat([FRAME, FRAME]))
    for key in buckets:
        buckets.drop(key)
    assert list((tmp_path / "scratch").iterdir()) == []
    assert list(buckets) == []


def test_scratch_that_cannot_be_written_is_a_lake_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    buckets: Buckets[str] = Buckets(tmp_path / "file", 1)
    with pytest.raises(LakeError, match="scratch rows cannot be written"):
        buckets.add("a", compact(FRAME), 40)


@settings(max_examples=40, deadline=None)
@given(
    parts=st.lists(
        st.tuples(
            st.sampled_from("ab"),
            st.lists(
                st.tuples(
                    st.integers(0, 1),
                    st.sampled_from(["x", "a longer text", None]),
                    st.sampled_from([date(2026, 1, 1), None]),
                ),
                min_size=1,
                max_size=4,
            ),
        ),
        max_size=8,
    ),
    budget=st.sampled_from([0, 50, 10_000]),
)
def test_rows_come_back_as_they_were_added_whatever_the_budget(
    tmp_path_factory: pytest.TempPathFactory,
    parts: list[tuple[str, list[tuple[int, str | None, date | None]]]],
    budget: int,
) -> None:
    schema = {"number": pl.Int64, "text": pl.String, "day": pl.Date}
    buckets: Buckets[str] = Buckets(tmp_path_factory.mktemp("scratch"), budget)
    expected: dict[str, list[tuple[int, str | None, date | None]]] = {}
    for key, rows in parts:
        buckets.add(key, compact(pl.DataFrame(rows, schema=schema, orient="row")), 20 * len(rows))
        expected.setdefault(key, []).extend(rows)
    assert sorted(buckets) == sorted(expected)
    for key, rows in expected.items():
        assert buckets.read(key).whole().equals(pl.DataFrame(rows, schema=schema, orient="row"))
        assert buckets.height(key) == len(rows)
