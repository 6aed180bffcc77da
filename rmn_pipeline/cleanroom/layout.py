"""How an answer to SQL is laid out: labels, order of columns, order of rows.

Only released rows pass through here. Two statements that differ in layout alone are one request with one release.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

ERROR_SUFFIX = "_error95"


@dataclass(frozen=True)
class Layout:
    """The columns that an analyst selected, and how the rows are sorted."""

    #: Canonical name and the analyst's label, in the order of the select list.
    columns: tuple[tuple[str, str], ...]
    #: Canonical name and whether it descends.
    order: tuple[tuple[str, bool], ...] = ()

    def arrange(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Sort, select and label; the error bounds follow the selected columns."""
        if self.order:
            names = [name for name, _ in self.order]
            rows = rows.sort(names, descending=[descends for _, descends in self.order], maintain_order=True)
        bounds = [
            pl.col(f"{name}{ERROR_SUFFIX}").alias(f"{label}{ERROR_SUFFIX}")
            for name, label in self.columns
            if f"{name}{ERROR_SUFFIX}" in rows.columns
        ]
        return rows.select(*(pl.col(name).alias(label) for name, label in self.columns), *bounds)
