"""Event ids: stable, and different for different keys whatever characters their parts hold."""

from __future__ import annotations

from datetime import date

import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rmn_pipeline.rmis.event_ids import event_ids, key_texts

PARTS = st.one_of(st.none(), st.text(alphabet="ab\x1d\x1e\x1f012", max_size=4))


def ids(rows: list[tuple[str | None, str | None]]) -> pl.Series:
    frame = pl.DataFrame(rows, schema={"one": pl.String, "two": pl.String}, orient="row")
    return event_ids(key_texts(frame, ["one", "two"]))


@settings(max_examples=200, deadline=None)
@given(rows=st.lists(st.tuples(PARTS, PARTS), min_size=1, max_size=8))
@example(rows=[("a\x1f", "b"), ("a", "\x1fb"), (None, "b"), ("\x1e", "b"), ("\x1d2", "b"), ("a" * 20, "b")])
def test_ids_are_equal_exactly_where_all_parts_are(rows: list[tuple[str | None, str | None]]) -> None:
    found = ids(rows)
    assert found.n_unique() == len(set(rows))
    # A row's id depends on that row alone.
    assert [ids([row])[0] for row in rows] == found.to_list()


def test_ids_are_what_xxhsum_prints() -> None:
    # printf 'a\x1fb' | xxhsum -H128, its first 24 digits.
    assert ids([("a", "b")]).to_list() == ["d565f29ad8964a7cd671f886"]


def test_days_and_numbers_are_written_out() -> None:
    frame = pl.DataFrame({"day": [date(2026, 1, 5), date(2026, 1, 6)], "n": [1, -2]})
    assert key_texts(frame, ["day", "n"]).to_list() == ["2026-01-05\x1f1", "2026-01-06\x1f-2"]
    assert key_texts(frame.head(1), ["n", "day"]).to_list() == ["1\x1f2026-01-05"]
    assert key_texts(frame.clear(), ["n", "day"]).to_list() == []
