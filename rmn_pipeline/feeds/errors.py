"""The one error that reading a network's files can raise."""

from __future__ import annotations

from pathlib import Path


class FeedError(Exception):
    """A feed file or landing folder cannot be used: says which one, why, and how to mend it."""

    def __init__(self, path: Path | str, cause: str, mend: str = "") -> None:
        self.path = Path(path)
        self.cause = cause
        self.mend = mend
        super().__init__(f"{self.path}: {cause}." + (f" {mend}" if mend else ""))

    def __reduce__(self) -> tuple[type[FeedError], tuple[Path, str, str]]:
        # The default would rebuild from the one message string and fail when the error crosses a process.
        return type(self), (self.path, self.cause, self.mend)
