"""What a mapping can demand of its rows: one model per kind of rule."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rmn_pipeline.rmis.mapping_columns import MappingModel

Severity = Literal["reject", "warn"]
Scope = Literal["row", "key"]


class RuleModel(MappingModel):
    """What all rules share."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]*$")] | None = Field(
        None, description="How rejects and counts call it. Default: '<check>.<field>'."
    )
    severity: Severity = Field("reject", description="warn: the row stays and is counted.")


class ScopedRule(RuleModel):
    """A rule over numbers. It never looks at fields that are empty."""

    scope: Scope | None = Field(
        None,
        description="key: judged on the sum of all rows that one statement holds for a natural key, so that "
        "negative correction rows are legitimate. row: judged row by row. Default: key where every field is "
        "additive (impressions, clicks, conversions, revenue, cost), else row.",
    )


class NotNullRule(RuleModel):
    """The field must have a value."""

    check: Literal["not_null"]
    field: str


class RangeRule(ScopedRule):
    """The field's value must lie in [min, max]."""

    check: Literal["range"]
    field: str
    min: float | None = None
    max: float | None = None


class InSetRule(RuleModel):
    """The field's value must be one of `values`."""

    check: Literal["in_set"]
    field: str
    values: Annotated[list[str], Field(min_length=1)]


class RegexRule(RuleModel):
    """The whole text of the field must fit the pattern."""

    check: Literal["regex"]
    field: str
    pattern: str


class UniqueRule(RuleModel):
    """No two events of one day may have the same values in all of `fields`. Empty values are equal to nothing."""

    check: Literal["unique"]
    fields: Annotated[list[str], Field(min_length=1)]


class MinCellRule(ScopedRule):
    """No count may lie between 0 and `min`: the network should have suppressed so small a cell."""

    check: Literal["min_cell"]
    field: str
    min: Annotated[float, Field(gt=0)]
    unless: str | None = Field(None, description="An expression that excuses a row, e.g. 'cost > 0'.")


class MonotoneRule(ScopedRule):
    """Each field must be at least as large as the next: impressions, clicks."""

    check: Literal["monotone"]
    fields: Annotated[list[str], Field(min_length=2)]


class NotAfterRule(RuleModel):
    """A date must not lie after another one: no report can know the day after it was made."""

    check: Literal["not_after"]
    field: str
    limit: str


class CrossFieldRule(ScopedRule):
    """An expression over fields that must not be false; an empty answer breaks nothing."""

    check: Literal["cross_field"]
    holds: str = Field(description="E.g. 'cost <= impressions * 5', in the language of `expression`.")


Rule = Annotated[
    NotNullRule
    | RangeRule
    | InSetRule
    | RegexRule
    | UniqueRule
    | MinCellRule
    | MonotoneRule
    | NotAfterRule
    | CrossFieldRule,
    Field(discriminator="check"),
]
