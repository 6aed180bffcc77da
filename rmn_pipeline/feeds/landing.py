"""What has landed: an inventory of the files in a landing folder, made from names, sizes and digests."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rmn_pipeline.feeds.errors import FeedError

AS_OF_PATTERN = r"_asof_(\d{4}-\d{2}-\d{2})"
PERIOD_PATTERN = r"_(\d{4}-\d{2})_asof_"


@dataclass(frozen=True)
class LandingFile:
    """One landed file: where it is, what is in it (digest), which period it covers and when it was said."""

    path: Path
    size: int
    sha256: str
    as_of: date | None
    period: str | None


def date_in_name(path: Path, pattern: str) -> date | None:
    """The date that `pattern`'s group finds in the file's name; None where the name has none."""
    found = re.search(pattern, path.name)
    if found is None:
        return None
    try:
        return date.fromisoformat(found.group(1))
    except ValueError as error:
        raise FeedError(
            path, f"'{found.group(1)}' in the file name is no date", "Rename the file; dates are YYYY-MM-DD."
        ) from error


def describe_file(path: Path, as_of_pattern: str = AS_OF_PATTERN) -> LandingFile:
    """The inventory entry of one file."""
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        size = path.stat().st_size
    except OSError as error:
        raise FeedError(
            path, f"cannot be read ({error.strerror})", "Check that it exists and is readable."
        ) from error
    period = re.search(PERIOD_PATTERN, path.name)
    return LandingFile(
        path=path,
        size=size,
        sha256=digest,
        as_of=date_in_name(path, as_of_pattern),
        period=period.group(1) if period else None,
    )


def list_landing(
    directory: Path | str, pattern: str = "*", as_of_pattern: str = AS_OF_PATTERN
) -> list[LandingFile]:
    """Every file of `directory` whose name fits the glob `pattern`, by name; hidden files do not count.

    A folder that is missing, or that holds no fitting file, is a FeedError: nothing was delivered.
    """
    folder = Path(directory)
    mend = f"Put the network's report files ('{pattern}') into it."
    if not folder.is_dir():
        raise FeedError(folder, "there is no such landing folder", f"Create it. {mend}")
    paths = sorted(path for path in folder.glob(pattern) if path.is_file() and not path.name.startswith("."))
    if not paths:
        raise FeedError(folder, f"the landing folder holds no file that fits '{pattern}'", mend)
    return [describe_file(path, as_of_pattern) for path in paths]
