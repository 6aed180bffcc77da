"""What can go wrong in RMIS, one exception class per kind of input."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


def nearest_name(name: str, valid: Iterable[str]) -> str | None:
    """The valid name that `name` was probably meant to be; None where nothing is near."""
    by_folded = {candidate.casefold(): candidate for candidate in valid}
    near = difflib.get_close_matches(name.casefold(), list(by_folded), n=1, cutoff=0.5)
    return by_folded[near[0]] if near else None


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """A sentence part that offers the nearest valid name, or lists all of them."""
    names = list(valid)
    near = nearest_name(name, names)
    if near is not None:
        return f"did you mean '{near}'?"
    return "valid: " + ", ".join(names) if names else "nothing is allowed here"


@dataclass(frozen=True)
class MappingProblem:
    """One mistake in a mapping file: where, under which key, and what is wrong."""

    line: int
    key: str
    message: str


class MappingError(Exception):
    """A mapping file is wrong. Names the file, the line, the key and the nearest valid name of every problem."""

    def __init__(self, file: Path | str, problems: list[MappingProblem]) -> None:
        self.file = Path(file)
        self.problems = problems
        self.line = problems[0].line
        self.key = problems[0].key
        super().__init__(
            "\n".join(f"{self.file}:{item.line}: {item.key}: {item.message}" for item in problems)
        )

    def __reduce__(self) -> tuple[type[MappingError], tuple[Path, list[MappingProblem]]]:
        return type(self), (self.file, self.problems)


class HarmonizeError(Exception):
    """A report and its mapping do not fit together, so no row of it can be trusted."""


class CatalogError(Exception):
    """A retailer's reference file (catalog, audiences) cannot be used."""


class LakeError(Exception):
    """A table of the lake is missing or cannot be written as asked."""
