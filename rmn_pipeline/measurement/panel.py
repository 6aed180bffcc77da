"""`Panel`: what every geo sold on every day, as arrays; from a long table.

A cell that the table does not hold is not a zero. It stays unknown (NaN) until the caller says what it means:
`Panel.completed` either fills it in or takes it for zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import reduce
from itertools import pairwise
from math import gcd
from typing import Literal

import numpy as np
import polars as pl

from rmn_pipeline.measurement.arrays import Flags, Floats
from rmn_pipeline.measurement.errors import MeasurementError, PanelError

MissingCells = Literal["fill", "zero", "refuse"]
# Filled-in cells carry no information of their own; with more of them the geo is no longer measured.
LARGEST_MISSING_SHARE = 0.2


@dataclass(frozen=True)
class Panel:
    """Geos × periods (days, or weeks where the table is weekly); dates ascend in steps of `step_days`.

    `value` is in the table's own unit; NaN where the table holds no row. `spend_usd` and `treatment` are None where
    the table has no such column.
    """

    geos: tuple[str, ...]
    dates: tuple[date, ...]
    value: Floats
    spend_usd: Floats | None = None
    treatment: Flags | None = None
    step_days: int = 1
    notes: tuple[str, ...] = ()

    @property
    def missing_cells(self) -> int:
        """Number of geo-days that the table did not hold."""
        return int(np.isnan(self.value).sum())

    def between(self, start: date, end: date) -> Panel:
        """The periods from `start` to `end`, both included.

        Raises:
            MeasurementError: no period of the panel lies there.
        """
        kept = np.array([start <= day <= end for day in self.dates])
        if not kept.any():
            raise MeasurementError(
                f"the panel holds no period from {start} to {end}; it reaches from {self.dates[0]} to {self.dates[-1]}"
            )
        return self._columns(kept)

    def before(self, start: date) -> Panel:
        """The periods before `start`."""
        return self.between(self.dates[0], start - timedelta(days=1))

    def of_geos(self, names: Iterable[str]) -> Panel:
        """The same periods of these geos only, in the order given.

        Raises:
            MeasurementError: a geo is not in the panel.
        """
        rows = [self._row(name) for name in names]
        return replace(
            self,
            geos=tuple(self.geos[row] for row in rows),
            value=self.value[rows],
            spend_usd=None if self.spend_usd is None else self.spend_usd[rows],
            treatment=None if self.treatment is None else self.treatment[rows],
        )

    def mask(self, names: Sequence[str]) -> Flags:
        """Which geos are named.

        Raises:
            MeasurementError: a geo is not in the panel.
        """
        found = np.zeros(len(self.geos), dtype=bool)
        found[[self._row(name) for name in names]] = True
        return found

    def completed(
        self, missing: MissingCells = "fill", largest_share: float = LARGEST_MISSING_SHARE
    ) -> Panel:
        """A panel without unknown cells.

        `fill` puts a geo's mean times what the day was for the other geos into the gap (which does not look at who
        was treated, so randomisation tests stay exact); `zero` says that no row means no sales; `refuse` raises.

        Raises:
            MeasurementError: cells are missing and that is refused, or a geo misses more than `largest_share`.
        """
        unknown = np.isnan(self.value)
        if not unknown.any():
            return self
        if missing == "zero":
            return replace(self, value=np.where(unknown, 0.0, self.value))
        share = unknown.mean(axis=1)
        worst = int(share.argmax())
        allowed = 0.0 if missing == "refuse" else largest_share
        if share[worst] > allowed:
            raise MeasurementError(
                f"geo '{self.geos[worst]}' misses {int(unknown[worst].sum())} of {len(self.dates)} periods, more than "
                f"the {allowed:.0%} allowed; leave the geo out, or pass missing='zero' if no row means no sales"
            )
        note = f"{int(unknown.sum())} missing cells of {int((share > 0).sum())} geos filled from the other geos' days"
        return replace(self, value=_filled(self.value), notes=(*self.notes, note))

    def _row(self, name: str) -> int:
        if name not in self.geos:
            known = ", ".join(self.geos[:5])
            raise MeasurementError(f"geo '{name}' is not in the panel, which holds {known}, …")
        return self.geos.index(name)

    def _columns(self, kept: Flags) -> Panel:
        return replace(
            self,
            dates=tuple(day for day, keep in zip(self.dates, kept, strict=True) if keep),
            value=self.value[:, kept],
            spend_usd=None if self.spend_usd is None else self.spend_usd[:, kept],
            treatment=None if self.treatment is None else self.treatment[:, kept],
        )


def _filled(value: Floats) -> Floats:
    """Gaps as geo level × day factor; a few passes, because levels of geos with gaps depend on the day factors."""
    known = ~np.isnan(value)
    seen = np.where(known, value, 0.0)
    factor = np.ones(value.shape[1])
    for _ in range(10):
        level = seen.sum(axis=1) / np.maximum((known * factor).sum(axis=1), 1e-300)
        factor = seen.sum(axis=0) / np.maximum((known * level[:, None]).sum(axis=0), 1e-300)
    return np.where(known, value, level[:, None] * factor)


def panel_from_table(table: pl.DataFrame) -> Panel:
    """Arrays from a long table with columns geo, date, value and optionally spend_usd and treatment.

    Periods that no geo has are left out with a note; other missing rows become NaN.

    Raises:
        PanelError: a column is missing, a geo has a day twice, or a number is not finite.
    """
    for name in ("geo", "date", "value"):
        if name not in table.columns:
            raise PanelError(f"the table has no column '{name}'; it has {', '.join(table.columns)}")
    if table.is_empty():
        raise PanelError("the table holds no rows; a panel needs at least one geo and day")
    _check_rows(table)
    dates, step, notes = _calendar(table["date"].unique().sort().to_list())
    geos = sorted(table["geo"].unique().to_list())
    rows = table["geo"].replace_strict(geos, list(range(len(geos))), return_dtype=pl.Int64).to_numpy()
    columns = table["date"].replace_strict(dates, list(range(len(dates))), return_dtype=pl.Int64).to_numpy()

    def spread(name: str, unknown: float) -> Floats:
        cells = np.full((len(geos), len(dates)), unknown)
        cells[rows, columns] = table[name].cast(pl.Float64).fill_null(unknown).to_numpy()
        return cells

    return Panel(
        geos=tuple(geos),
        dates=tuple(dates),
        value=spread("value", np.nan),
        spend_usd=spread("spend_usd", 0.0) if "spend_usd" in table.columns else None,
        treatment=spread("treatment", 0.0) > 0 if "treatment" in table.columns else None,
        step_days=step,
        notes=notes,
    )


def _check_rows(table: pl.DataFrame) -> None:
    if table["geo"].null_count() or table["date"].null_count():
        raise PanelError("a row has no geo or no date; give every row both or leave it out")
    twice = table.group_by("geo", "date").len().filter(pl.col("len") > 1).sort("geo", "date")
    if twice.height:
        geo, day, count = twice.row(0)
        raise PanelError(
            f"geo '{geo}' has {count} rows on {day} ({twice.height} such cells in all); sum them or drop the repeats"
        )
    values = table["value"].cast(pl.Float64)
    if values.is_infinite().any() or values.is_nan().any():
        raise PanelError("column 'value' holds a number that is not finite; leave such rows out")


def _calendar(days: list[date]) -> tuple[list[date], int, tuple[str, ...]]:
    """The days, the step between periods, and a note on steps that no geo has."""
    gaps = [(after - before).days for before, after in pairwise(days)]
    step = reduce(gcd, gaps) if gaps else 1
    absent = sum(gap // step - 1 for gap in gaps)
    notes = (f"{absent} periods are missing for every geo and left out",) if absent else ()
    return days, step, notes
