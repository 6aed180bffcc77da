"""Commits: all files of a state or none, whatever step a crash hits; unchanged files keep their bytes and times."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rmn_pipeline.rmis import LakeError
from rmn_pipeline.rmis import journal as journal_module
from rmn_pipeline.rmis.journal import Staging, finish_commit

OLD = {"t/a": "old a", "t/b": "old b", "u/c": "same"}
NEW = {"t/a": "new a", "t/d": "new d", "u/c": "same"}


def put(lake: Path, state: dict[str, str]) -> journal_module.Changes:
    """Commits a state; files of the lake that it does not have are removed."""
    with Staging(lake, "shop") as staging:
        for name, text in state.items():
            staging.path(name).write_text(text)
        return staging.commit(lambda: existing(lake))


def existing(lake: Path) -> dict[str, str]:
    files = [path for path in lake.rglob("*") if path.is_file() and ".commits" not in path.parts]
    return {str(path.relative_to(lake)): path.read_text() for path in files}


def left_over(lake: Path) -> list[str]:
    return [path.name for path in (lake / ".commits" / "shop").iterdir()]


def test_a_commit_writes_removes_and_leaves_alone(tmp_path: Path) -> None:
    put(tmp_path, OLD)
    before = (tmp_path / "u/c").stat()
    changes = put(tmp_path, NEW)
    assert existing(tmp_path) == NEW
    assert (changes.written, changes.unchanged, changes.removed) == (("t/a", "t/d"), ("u/c",), ("t/b",))
    after = (tmp_path / "u/c").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert left_over(tmp_path) == ["lock"]


def test_leaving_without_commit_changes_nothing(tmp_path: Path) -> None:
    put(tmp_path, OLD)
    with pytest.raises(ZeroDivisionError), Staging(tmp_path, "shop") as staging:
        staging.path("t/a").write_text("half")
        raise ZeroDivisionError
    assert existing(tmp_path) == OLD
    assert left_over(tmp_path) == ["lock"]


class _Killed(BaseException):
    """Stands for the end of the process: nothing runs after it, no clean-up either."""


class _DiesAtStep:
    """Counts changes to the disk and lets the process 'die' before the n-th; from then on nothing changes any more."""

    def __init__(self, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = step
        for owner, name in ((Path, "replace"), (Path, "unlink"), (Path, "mkdir"), (journal_module, "_sync")):
            monkeypatch.setattr(owner, name, self.mortal(getattr(owner, name)))
        monkeypatch.setattr(shutil, "rmtree", self.mortal(shutil.rmtree))

    def mortal(self, deed: Callable[..., Any]) -> Callable[..., Any]:
        def maybe(*arguments: Any, **options: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                raise _Killed
            return deed(*arguments, **options)

        return maybe


def test_a_death_at_any_step_leaves_the_old_or_the_new_state_and_the_next_commit_works(
    tmp_path: Path,
) -> None:
    seen, step = [], 0
    while seen[-1:] != ["finished"]:
        lake = tmp_path / str(step)
        put(lake, OLD)
        with pytest.MonkeyPatch.context() as patch:
            _DiesAtStep(step, patch)
            try:
                put(lake, NEW)
                seen.append("finished")
            except _Killed:
                pass
        if seen[-1:] != ["finished"]:
            finish_commit(lake, "shop")
            assert existing(lake) in (OLD, NEW), step
            seen.append("old" if existing(lake) == OLD else "new")
        put(lake, NEW)
        assert existing(lake) == NEW
        assert left_over(lake) == ["lock"]
        step += 1
    # Once the journal stands, it is the new state.
    assert seen == sorted(seen, key=["old", "new", "finished"].index)
    assert seen.count("old") > 3
    assert seen.count("new") > 5


def test_a_death_while_finishing_is_finished_by_the_next_reader(tmp_path: Path) -> None:
    put(tmp_path, OLD)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(_Killed):
        patch.setattr(journal_module, "_apply", lambda *_: (_ for _ in ()).throw(_Killed()))
        put(tmp_path, NEW)
    # The block's end ran, unlike in a kill; what the journal needs must still be there.
    assert json.loads((tmp_path / ".commits/shop/journal.json").read_text())["removals"] == ["t/b"]
    for step in range(2):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(_Killed):
            _DiesAtStep(3 + step, patch)
            finish_commit(tmp_path)
    finish_commit(tmp_path)
    assert existing(tmp_path) == NEW


def test_what_dead_writers_left_is_removed_and_what_living_ones_write_is_not(tmp_path: Path) -> None:
    orphan = tmp_path / ".commits" / "shop" / "staging-dead"
    (orphan / "files" / "t").mkdir(parents=True)
    (orphan / "owner").touch()
    (orphan / "files" / "t" / "a").write_text("half")
    with Staging(tmp_path, "shop") as living:
        living.path("t/a").write_text("first")
        put(tmp_path, OLD)
        assert not orphan.exists()
        living.commit()
    assert existing(tmp_path) == {**OLD, "t/a": "first"}


def test_readers_wait_for_a_commit_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, OLD)
    applying, apply = threading.Event(), journal_module._apply

    def slowly(*arguments: Any) -> None:
        applying.set()
        time.sleep(0.3)
        apply(*arguments)

    monkeypatch.setattr(journal_module, "_apply", slowly)
    writer = threading.Thread(target=put, args=(tmp_path, NEW))
    writer.start()
    assert applying.wait(10)
    finish_commit(tmp_path, "shop")
    assert existing(tmp_path) == NEW
    writer.join()


def test_a_lock_that_nobody_lets_go_is_an_error_not_a_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "LOCK_TIMEOUT_SECONDS", 0.05)
    with (
        journal_module._exclusive(tmp_path),
        pytest.raises(LakeError, match="another process has held the lock"),
        journal_module._exclusive(tmp_path),
    ):
        pass


def test_a_folder_in_a_files_place_is_refused_before_the_commit(tmp_path: Path) -> None:
    put(tmp_path, OLD)
    (tmp_path / "t/d").mkdir()
    with pytest.raises(LakeError, match="t/d: cannot be written"):
        put(tmp_path, NEW)
    assert existing(tmp_path) == OLD


def test_a_lake_that_cannot_be_written_is_a_lake_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LakeError, match="cannot be locked"):
        put(tmp_path / "file", OLD)
