"""What is wrong with the rows of one batch: only the rows concerned are listed, so sound batches cost nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from rmn_pipeline.rmis.cells import Cells

FaultSeverity = Literal["reject", "info"]

_SCHEMA = {
    "row": pl.UInt32,
    "order": pl.Int32,
    "rule": pl.String,
    "severity": pl.String,
    "message": pl.String,
}
_VERDICTS = ("row", "rule", "severity", "message")


@dataclass(frozen=True)
class Fault:
    """One rule, the rows (positions in the batch) that break it, and what it says about each of them."""

    rule: str
    rows: pl.Series
    messages: pl.Series


def fault_at(cells: Cells, rule: str, chosen: pl.Series, messages: pl.Series) -> Fault:
    """The fault of the rows whose value is among the chosen positions; one message for each position."""
    rows, places = cells.rows_with(chosen)
    if cells.codes is not None:
        messages = messages.gather(chosen.search_sorted(places))
    return Fault(rule, rows, messages)


def fault_for_all(rule: str, rows: pl.Series, message: str) -> Fault:
    """A fault that says the same of every row."""
    return Fault(rule, rows, pl.repeat(message, rows.len(), dtype=pl.String, eager=True))


class FaultList:
    """Faults in the order in which a row is blamed."""

    def __init__(self) -> None:
        self._parts: list[pl.DataFrame] = []

    def add(self, fault: Fault, severity: FaultSeverity = "reject") -> None:
        """Appends a fault; rows that already have one are blamed for the earlier."""
        if fault.rows.is_empty():
            return
        self._parts.append(
            pl.DataFrame(
                {
                    "row": fault.rows.cast(pl.UInt32),
                    "order": pl.repeat(len(self._parts), fault.rows.len(), dtype=pl.Int32, eager=True),
                    "rule": pl.repeat(fault.rule, fault.rows.len(), dtype=pl.String, eager=True),
                    "severity": pl.repeat(severity, fault.rows.len(), dtype=pl.String, eager=True),
                    "message": fault.messages,
                },
                schema=_SCHEMA,
            )
        )

    def rows(self) -> pl.Series:
        """The rows that have a fault, each once."""
        if not self._parts:
            return pl.Series([], dtype=pl.UInt32)
        return pl.concat([part["row"] for part in self._parts]).unique()

    def verdicts(self) -> pl.DataFrame:
        """One line per broken row, in row order: the first rule, and the messages of all of them.

        A row that is no fact at all (a total, a filtered row) is judged by nothing else.
        """
        if not self._parts:
            return pl.DataFrame(schema=_SCHEMA).select(_VERDICTS)
        is_fact = pl.col("severity") != "info"
        every = pl.concat(self._parts).sort("row", is_fact, "order")
        said = (
            pl.when(pl.col("severity").first() == "info")
            .then(pl.col("message").first())
            .otherwise(pl.col("message").str.join("; "))
        )
        return (
            every.group_by("row", maintain_order=True)
            .agg(pl.col("rule", "severity").first(), said.alias("message"))
            .select(_VERDICTS)
        )
