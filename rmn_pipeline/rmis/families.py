"""The facts that each row of a file tells: one, or as many as the mapping has families."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from dataclasses import dataclass

from rmn_pipeline.rmis.mapping import Constant, Mapping
from rmn_pipeline.rmis.mapping_columns import FieldRule


@dataclass(frozen=True)
class Facts:
    """How one kind of fact is made: the common part of a mapping, with a family's own part in place of it."""

    name: str | None
    columns: Dictionary[str, FieldRule]
    constants: Dictionary[str, Constant]


def facts_of(mapping: Mapping) -> list[Facts]:
    """All kinds of facts; a mapping without families has one, without a name."""
    if not mapping.families:
        return [Facts(None, mapping.columns, mapping.constants)]
    found = []
    for name, family in mapping.families.items():
        columns = {key: rule for key, rule in mapping.columns.items() if key not in family.constants}
        constants = {key: value for key, value in mapping.constants.items() if key not in family.columns}
        found.append(Facts(name, {**columns, **family.columns}, {**constants, **family.constants}))
    return found
