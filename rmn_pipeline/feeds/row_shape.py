"""Rows brought to the header's width: what a row with more or fewer cells than the header becomes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from rmn_pipeline.feeds.byte_streams import Piece
from rmn_pipeline.feeds.errors import FeedError
from rmn_pipeline.feeds.facts import Tally
from rmn_pipeline.feeds.formats import RaggedRows
from rmn_pipeline.feeds.totals import is_total_label

PROBLEM = "source_problem"
LONGEST_SHOWN = 80


@dataclass(frozen=True)
class RowShape:
    """The width that every row of a source must have, and what is done about one that has not."""

    piece: Piece
    columns: tuple[str, ...]
    ragged_rows: RaggedRows
    total_labels: tuple[str, ...] | None
    unit: str = "line"  # what rows are counted in

    @property
    def width(self) -> int:
        """How many cells a row has."""
        return len(self.columns)

    def problem(self, cells: Sequence[str], line: int) -> str | None:
        """What is wrong with a row's width: None if nothing is, a FeedError if that is not to be borne."""
        if len(cells) == self.width or self._is_short_total(cells):
            return None
        problem = f"{len(cells)} cells where the header has {self.width}"
        surplus = [cell for cell in cells[self.width :] if cell.strip()]
        if surplus:
            problem += f"; surplus: {', '.join(map(repr, surplus))[:LONGEST_SHOWN]}"
        if self.ragged_rows == "error" or (self.ragged_rows == "fill" and surplus):
            raise self.refusal(problem, line)
        return problem

    def _is_short_total(self, cells: Sequence[str]) -> bool:
        first = next((cell for cell in cells if cell.strip()), None)
        return len(cells) < self.width and is_total_label(first, self.total_labels)

    def refusal(self, problem: str, line: int) -> FeedError:
        """The error about a row of the wrong width."""
        return self.piece.error(
            f"{self.unit} {line} has {problem}",
            "If it is cut off or holds an unquoted delimiter, fetch it again or have it quoted; `footer` declares "
            "lines after the last row; ragged_rows: fill or mark lets such rows through.",
        )

    def frame(self, rows: Iterable[tuple[Sequence[str], int]], tally: Tally) -> pl.DataFrame:
        """The rows, each with its line, as a frame: the columns, `source_line`, and `source_problem` if marked."""
        shaped: list[list[str | None]] = []
        lines: list[int] = []
        problems: list[str | None] = []
        for cells, line in rows:
            if is_blank(cells, self.width):
                tally.blank_lines += 1
                continue
            problem = self.problem(cells, line)
            tally.ragged_rows += problem is not None
            shaped.append([cell or None for cell in cells[: self.width]] + [None] * (self.width - len(cells)))
            lines.append(line)
            problems.append(problem)
        by_column = zip(*shaped, strict=True) if shaped else ([] for _ in self.columns)
        columns = [
            pl.Series(name, cells, pl.String) for name, cells in zip(self.columns, by_column, strict=True)
        ]
        columns.append(pl.Series("source_line", lines, pl.Int64))
        if self.ragged_rows == "mark":
            columns.append(pl.Series(PROBLEM, problems, pl.String))
        return pl.DataFrame(columns)


def is_blank(cells: Sequence[str], width: int) -> bool:
    """Whether a record holds nothing: empty cells alone, or blanks where a row should be."""
    return not any(cells) or (len(cells) == 1 < width and not cells[0].strip())
