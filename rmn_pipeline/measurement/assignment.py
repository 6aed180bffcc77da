"""Who is treated, and how else it could have come out: the assignment that randomisation tests redraw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import comb, prod
from typing import Literal

import numpy as np

from rmn_pipeline.measurement.arrays import Flags, Floats, Integers
from rmn_pipeline.measurement.errors import MeasurementError

AssignmentKind = Literal["complete", "stratified", "paired", "chosen"]


@dataclass(frozen=True)
class GeoAssignment:
    """Treated geos and the strata within which treatment was drawn; counts per stratum are fixed.

    `chosen` says that nobody drew: a person picked the markets. Randomisation inference does not apply then.
    """

    kind: AssignmentKind
    geos: tuple[str, ...]
    treated: Flags
    stratum: Integers

    @property
    def treated_geos(self) -> tuple[str, ...]:
        """Names of the treated geos."""
        return tuple(geo for geo, is_treated in zip(self.geos, self.treated, strict=True) if is_treated)

    @property
    def distinct(self) -> int:
        """How many assignments the design could have drawn."""
        return prod(comb(len(rows), int(self.treated[rows].sum())) for rows in self.strata())

    def strata(self) -> list[Integers]:
        """The rows of each stratum."""
        return [np.flatnonzero(self.stratum == code) for code in np.unique(self.stratum)]


@dataclass(frozen=True)
class Redraws:
    """Assignments that the design could have drawn, as a 0/1 matrix (redraws × geos).

    `exhaustive`: the matrix holds every one of them exactly once, the drawn one included.
    """

    treated: Floats
    exhaustive: bool


def complete_assignment(geos: Sequence[str], treated: Sequence[str]) -> GeoAssignment:
    """An assignment drawn from all geos at once.

    Raises:
        MeasurementError: a treated geo is unknown, or one side is empty.
    """
    return _assignment("complete", geos, treated, np.zeros(len(geos), dtype=np.int64))


def stratified_assignment(
    geos: Sequence[str], treated: Sequence[str], strata: Sequence[object]
) -> GeoAssignment:
    """An assignment drawn within strata; `strata` has a label per geo. Strata of two with one treated are pairs.

    Raises:
        MeasurementError: a treated geo is unknown, one side is empty, or the labels are not one per geo.
    """
    if len(strata) != len(geos):
        raise MeasurementError(f"{len(strata)} stratum labels for {len(geos)} geos; give one per geo")
    codes = np.unique(np.array([str(label) for label in strata]), return_inverse=True)[1].astype(np.int64)
    found = _assignment("stratified", geos, treated, codes)
    pairs = all(rows.size == 2 and found.treated[rows].sum() == 1 for rows in found.strata())
    return GeoAssignment("paired" if pairs else "stratified", found.geos, found.treated, found.stratum)


def chosen_assignment(geos: Sequence[str], treated: Sequence[str]) -> GeoAssignment:
    """Markets that were picked, not drawn."""
    return _assignment("chosen", geos, treated, np.zeros(len(geos), dtype=np.int64))


def _assignment(
    kind: AssignmentKind, geos: Sequence[str], treated: Sequence[str], stratum: Integers
) -> GeoAssignment:
    unknown = sorted(set(treated) - set(geos))
    if unknown:
        raise MeasurementError(f"treated geos {', '.join(unknown)} are not among the {len(geos)} geos given")
    if not treated or len(set(treated)) == len(geos):
        raise MeasurementError(
            "an experiment needs treated and control geos; "
            + ("no geo is treated" if not treated else "all are treated")
        )
    flags = np.isin(np.array(geos), np.array(list(treated)))
    return GeoAssignment(kind, tuple(geos), flags, stratum)


def redraw(assignment: GeoAssignment, count: int, seed: int) -> Redraws:
    """`count` redraws within strata, or every possible assignment where there are no more than that."""
    if assignment.distinct <= count + 1:
        return Redraws(np.array(list(_every(assignment)), dtype=np.float64), exhaustive=True)
    return Redraws(random_draws(assignment, count, np.random.default_rng(seed)), exhaustive=False)


def random_draws(assignment: GeoAssignment, count: int, generator: np.random.Generator) -> Floats:
    """Independent draws of the design (draws × geos, 0/1)."""
    drawn = np.zeros((count, len(assignment.geos)))
    for rows in assignment.strata():
        treated = int(assignment.treated[rows].sum())
        if treated > 0:
            order = np.argsort(generator.random((count, rows.size)), axis=1)[:, :treated]
            drawn[np.arange(count)[:, None], rows[order]] = 1.0
    return drawn


def _every(assignment: GeoAssignment) -> Iterator[Floats]:
    choices = [
        combinations(rows.tolist(), int(assignment.treated[rows].sum())) for rows in assignment.strata()
    ]
    for chosen in product(*choices):
        row = np.zeros(len(assignment.geos))
        row[[at for part in chosen for at in part]] = 1.0
        yield row
