"""What a draft is written from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rmn_pipeline.rmis.proposals.assignment import Assignment
from rmn_pipeline.rmis.proposals.evidence import Table
from rmn_pipeline.rmis.proposals.notation import DateChoice
from rmn_pipeline.rmis.proposals.profiles import ColumnProfile
from rmn_pipeline.rmis.proposals.sampling import Sample


def named(names: Iterable[str]) -> str:
    """Headers as a person sees them: quoted, what cannot be seen escaped."""
    return ", ".join(repr(name) for name in names)


@dataclass(frozen=True)
class DraftBasis:
    """What a draft is written from: the sample, the report as it was read, and what was decided."""

    sample: Sample
    table: Table
    assignment: Assignment
    dates: DateChoice | None

    def places(self, target: str) -> list[int]:
        """The columns that were chosen for a target, the best first."""
        chosen = [place for place, name in enumerate(self.assignment.targets) if name == target]
        return sorted(chosen, key=lambda place: -self.assignment.confidence[place])

    def header(self, place: int) -> str:
        """A column's name as sent."""
        return self.table.readings[place].header

    def profile(self, target: str) -> ColumnProfile | None:
        """The values of the first column that was chosen for a target."""
        places = self.places(target)
        return self.table.profiles[places[0]] if places else None
