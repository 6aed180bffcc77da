"""The landing inventory: what is there, from when, and a clear word when nothing is."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

import pytest

from rmn_pipeline.feeds import FeedError, list_landing


def test_the_inventory_reads_period_and_as_of_from_the_name(tmp_path: Path) -> None:
    name = "adItem_2026-01_asof_2026-02-01.csv.gz"
    (tmp_path / name).write_bytes(b"abc")
    (tmp_path / ".hidden.csv.gz").write_bytes(b"abc")
    (tmp_path / "request.json").write_bytes(b"{}")
    (found,) = list_landing(tmp_path, "*.csv.gz")
    assert (found.path.name, found.size, found.period, found.as_of) == (name, 3, "2026-01", date(2026, 2, 1))
    assert found.sha256 == hashlib.sha256(b"abc").hexdigest()


def test_files_come_by_name_and_may_have_no_dates(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv"):
        (tmp_path / name).write_bytes(b"x")
    assert [(file.path.name, file.as_of, file.period) for file in list_landing(tmp_path)] == [
        ("a.csv", None, None),
        ("b.csv", None, None),
    ]


def test_an_empty_folder_says_which_and_what_to_put_there(tmp_path: Path) -> None:
    with pytest.raises(
        FeedError, match=r"holds no file that fits '\*\.csv'.*Put the network's report files"
    ) as caught:
        list_landing(tmp_path, "*.csv")
    assert caught.value.path == tmp_path


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="no such landing folder"):
        list_landing(tmp_path / "alpha")


def test_an_impossible_date_in_a_name_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "r_2026-01_asof_2026-02-31.csv").write_bytes(b"x")
    with pytest.raises(FeedError, match="'2026-02-31' in the file name is no date"):
        list_landing(tmp_path)
