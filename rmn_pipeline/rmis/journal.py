"""Commits to the lake: many files become visible as one state, or none of them does.

New files are written into a staging folder. The commit point is one rename: that of the journal, which lists what
has to be moved and removed. Whoever finds a journal, a reader or the next writer, finishes the work; doing it twice
does no harm. Before the journal stands, a crash leaves the old state; after it, the new one.

    <lake>/.commits/<partition>/lock             held by who commits or finishes a commit
    <lake>/.commits/<partition>/journal.json     the commit that is being applied
    <lake>/.commits/<partition>/staging-<id>/    one writer's files; its owner file is locked while the writer lives
"""

from __future__ import annotations

import fcntl
import filecmp
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from rmn_pipeline.rmis.errors import LakeError

COMMITS = ".commits"
_JOURNAL, _LOCK, _OWNER, _STAGING, _FILES = "journal.json", "lock", "owner", "staging-", "files"
# Applying a commit takes a moment; who holds the lock for longer than this hangs.
LOCK_TIMEOUT_SECONDS = 120.0
_LOCK_POLL_SECONDS = 0.01


@dataclass(frozen=True)
class Changes:
    """What a commit did to the lake's files, as paths relative to the lake."""

    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]


NO_CHANGES = Changes((), (), ())


@contextmanager
def _translated(path: Path, deed: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or path
        raise LakeError(f"{where}: cannot be {deed} ({error.strerror or error})") from error


@contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Holds a partition's lock. It is the process that holds it, so a killed one holds nothing."""
    with _translated(folder, "locked"):
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / _LOCK).open("a")
    with stream:
        deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
        while not _try_lock(stream):
            if time.monotonic() > deadline:
                raise LakeError(f"{folder / _LOCK}: another process has held the lock for too long; end it")
            time.sleep(_LOCK_POLL_SECONDS)
        yield


def _try_lock(stream: IO[str]) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync(path: Path) -> None:
    """Makes a file's or folder's content outlive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_journal(folder: Path, staging: Path, moves: list[str], removals: list[str]) -> None:
    draft = staging / _JOURNAL
    with draft.open("w") as stream:
        json.dump({"staging": staging.name, "moves": moves, "removals": removals}, stream)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(folder / _JOURNAL)
    _sync(folder)


def _apply(lake_dir: Path, folder: Path) -> None:
    """Does what the journal says, as far as it is not done yet, and drops it."""
    journal = json.loads((folder / _JOURNAL).read_text())
    staging = folder / journal["staging"]
    for name in journal["moves"]:
        target = lake_dir / name
        target.parent.mkdir(parents=True, exist_ok=True)
        # Gone where an earlier attempt moved it already.
        with suppress(FileNotFoundError):
            (staging / _FILES / name).replace(target)
    for name in journal["removals"]:
        (lake_dir / name).unlink(missing_ok=True)
    for parent in {(lake_dir / name).parent for name in [*journal["moves"], *journal["removals"]]}:
        if parent.is_dir():
            _sync(parent)
    (folder / _JOURNAL).unlink()
    shutil.rmtree(staging, ignore_errors=True)


def _finish(lake_dir: Path, folder: Path) -> None:
    if (folder / _JOURNAL).exists():
        with _translated(folder, "finished"):
            _apply(lake_dir, folder)


def finish_commit(lake_dir: Path | str, partition: str | None = None) -> None:
    """Finishes commits that stand in a journal: of one partition, or (None) of all. Readers call this first."""
    lake = Path(lake_dir)
    for journal in sorted((lake / COMMITS).glob(f"{partition or '*'}/{_JOURNAL}")):
        with _exclusive(journal.parent):
            # Its writer may have finished it while this process waited for the lock.
            _finish(lake, journal.parent)


def _remove_orphans(folder: Path) -> None:
    """Removes staging folders of writers that are gone: nobody holds the lock on their owner file."""
    for staging in folder.glob(f"{_STAGING}*"):
        owner = staging / _OWNER
        if not owner.exists():
            shutil.rmtree(staging, ignore_errors=True)
            continue
        with owner.open() as stream:
            if _try_lock(stream):
                shutil.rmtree(staging, ignore_errors=True)


class Staging:
    """A writer's files for one partition, invisible until `commit`; leaving without it leaves the lake as it was.

    `scratch` is a folder for what the writer needs on the way; it goes with the staging folder, also after a crash.
    """

    def __init__(self, lake_dir: Path | str, partition: str) -> None:
        self._lake = Path(lake_dir)
        self._partition_folder = self._lake / COMMITS / partition
        self._folder = self._partition_folder / f"{_STAGING}{uuid.uuid4().hex}"
        self.scratch = self._folder / "scratch"
        self._owner: IO[str] | None = None

    def __enter__(self) -> Staging:
        folder = self._partition_folder
        with _exclusive(folder), _translated(folder, "prepared"):
            _finish(self._lake, folder)
            _remove_orphans(folder)
            (self._folder / _FILES).mkdir(parents=True)
            self._owner = (self._folder / _OWNER).open("w")
            _try_lock(self._owner)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._owner is not None:
            self._owner.close()
        # What a commit in the journal still needs belongs to whoever finishes it.
        if not (self._partition_folder / _JOURNAL).exists():
            shutil.rmtree(self._folder, ignore_errors=True)

    def path(self, name: str) -> Path:
        """Where to write the file that shall stand at `name`, a path relative to the lake."""
        path = self._folder / _FILES / name
        with _translated(path, "written"):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _staged(self) -> list[str]:
        root = self._folder / _FILES
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

    def commit(self, obsolete: Callable[[], Iterable[str]] = tuple) -> Changes:
        """Makes the staged files visible, and removes those existing ones that `obsolete` names, as one change.

        A staged file that says the same as the existing one, byte for byte, leaves that one untouched.
        """
        folder = self._partition_folder
        with _exclusive(folder), _translated(folder, "committed"):
            _finish(self._lake, folder)
            staged = self._staged()
            unchanged = [name for name in staged if self._is_unchanged(name)]
            moves = sorted({*staged} - {*unchanged})
            removals = sorted({*obsolete()} - {*staged})
            if moves or removals:
                self._refuse_folders(moves)
                self._sync(moves)
                _write_journal(folder, self._folder, moves, removals)
                _finish(self._lake, folder)
        return Changes(tuple(moves), tuple(unchanged), tuple(removals))

    def _is_unchanged(self, name: str) -> bool:
        existing = self._lake / name
        return existing.is_file() and filecmp.cmp(self._folder / _FILES / name, existing, shallow=False)

    def _refuse_folders(self, moves: list[str]) -> None:
        for name in moves:
            if (self._lake / name).is_dir():
                raise LakeError(f"{self._lake / name}: cannot be written (a folder stands there)")

    def _sync(self, moves: list[str]) -> None:
        paths = [self._folder / _FILES / name for name in moves]
        for path in [*paths, *{path.parent for path in paths}]:
            _sync(path)
