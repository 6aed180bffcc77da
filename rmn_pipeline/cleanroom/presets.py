"""Policy presets: what a commercial clean room's rule would say, as defaults and demands on a policy file.

A preset fills in what the file leaves open and refuses what its model rules out. It never loosens anything: noise,
noisy threshold, ledger and audit stay on under every preset. Which system the rule imitates, and where this room
differs from it, stands in `docs/clean-room.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rmn_pipeline.cleanroom.policy import CleanRoomPolicy

# Limits that AWS documents for aggregation constraints and for a differential privacy budget.
AWS_MINIMUM_RANGE = (2, 100_000)
AWS_EPSILON_RANGE = (1.0, 20.0)


class ColumnClass(StrEnum):
    """How close a column comes to a person, in Amazon Marketing Cloud's words."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    VERY_HIGH = "very_high"
    INTERNAL = "internal"


#: Distinct customers that a cell needs before a column of the class may stand in it.
CLASS_MINIMUM: dict[ColumnClass, int] = {
    ColumnClass.NONE: 1,
    ColumnClass.LOW: 2,
    ColumnClass.MEDIUM: 100,
    ColumnClass.HIGH: 100,
}
#: Classes that never leave the room and never filter.
CLOSED_CLASSES = frozenset({ColumnClass.VERY_HIGH, ColumnClass.INTERNAL})


@dataclass(frozen=True)
class Preset:
    """One preset, with the sentences that the documentation prints."""

    name: str
    imitates: str
    enforces: str
    room_adds: str
    #: Values for keys that the file does not give.
    defaults: Mapping[str, Any] = field(default_factory=dict)
    #: Keys that the file must give itself.
    must_state: tuple[str, ...] = ()


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name="aws",
            imitates="AWS Clean Rooms, aggregation analysis rule",
            enforces="dimension columns and SUM / COUNT DISTINCT columns by name; every dimension may be filtered; "
            "a COUNT DISTINCT minimum of 2 to 100,000 per output row; ε from 1 to 20; refresh by the month or never",
            room_adds="the minimum is tested on a noisy count; noise and ledger apply to the same queries as the "
            "minimum, where the original offers them in its custom rule only",
            defaults={"k": 100},
        ),
        Preset(
            name="snowflake",
            imitates="Snowflake, aggregation policy with entity key and privacy budget",
            enforces="a minimum group size in distinct customers, a limit per query and a budget, all stated",
            room_adds="both at once; small groups are not merged into a remainder row, which would tell their sum; "
            "one account per data set, not per consumer",
            must_state=("k", "epsilon_per_query", "epsilon_total"),
        ),
        Preset(
            name="amc",
            imitates="Amazon Marketing Cloud, aggregation threshold classes",
            enforces="a class for every open column: LOW needs 2 customers, MEDIUM and HIGH 100, HIGH takes no filter, "
            "VERY_HIGH and INTERNAL stay closed; the strictest column of a request decides",
            room_adds="`k` is a floor under all classes (100 unless the file lowers it); columns that filter count "
            "like columns that are shown; suppressed cells have no row at all; noise, and a ledger",
            must_state=("column_classes",),
        ),
    )
}


def fill_in(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a policy file with its preset's defaults; raise ValueError where the preset demands more."""
    filled = dict(content)
    name = filled.get("preset")
    if name is None:
        return filled
    preset = PRESETS.get(name) if isinstance(name, str) else None
    if preset is None:
        raise ValueError(f"preset: {name!r} is none of {', '.join(PRESETS)}")
    for key in preset.must_state:
        if filled.get(key) is None:
            raise ValueError(f"preset {name!r} wants {key!r} stated in the file")
    for key, value in preset.defaults.items():
        filled.setdefault(key, value)
    if name == "aws" and "allowed_filters" not in filled:
        dimensions = filled.get("allowed_dimensions")
        listed = (
            [key for key in dimensions if key not in ("week", "date")] if isinstance(dimensions, dict) else []
        )
        filled["allowed_filters"] = ["date", *listed]
    return filled


def check_preset(policy: CleanRoomPolicy) -> None:
    """Raise ValueError where a complete policy breaks the model that its preset imitates."""
    if policy.preset is None:
        return
    if policy.contribution_unit != "customer":
        raise ValueError(
            f"preset {policy.preset!r} counts distinct customers: contribution_unit must be customer"
        )
    if policy.preset == "aws":
        _check_aws(policy)
    elif policy.preset == "amc":
        _check_amc(policy)


def check_classes(policy: CleanRoomPolicy) -> None:
    """Raise ValueError where a column is open that its class closes."""
    for name, column_class in policy.column_classes.items():
        if column_class in CLOSED_CLASSES and name in policy.opened_names:
            raise ValueError(f"column_classes: {name!r} is {column_class.value} and may not be opened")
        if column_class is ColumnClass.HIGH and name in policy.allowed_filters:
            raise ValueError(
                f"column_classes: {name!r} is high and takes no filter; remove it from allowed_filters"
            )


def _check_aws(policy: CleanRoomPolicy) -> None:
    low, high = AWS_MINIMUM_RANGE
    if not low <= policy.k <= high:
        raise ValueError(f"preset 'aws': k must be from {low} to {high}")
    low_epsilon, high_epsilon = AWS_EPSILON_RANGE
    if not low_epsilon <= policy.epsilon_total <= high_epsilon:
        raise ValueError(f"preset 'aws': epsilon_total must be from {low_epsilon:g} to {high_epsilon:g}")
    if policy.budget_refresh is not None and policy.budget_refresh.every != "month":
        raise ValueError("preset 'aws': budget_refresh.every must be month")


def _check_amc(policy: CleanRoomPolicy) -> None:
    missing = sorted(policy.opened_names - {policy.count_metric} - set(policy.column_classes))
    if missing:
        raise ValueError(f"preset 'amc': column_classes has no class for {', '.join(missing)}")
