"""How one value is made: the part of the mapping language that stands behind a field's name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

ColumnType = Literal["text", "int", "decimal", "money", "percent", "bool", "date", "timestamp"]
Scale = Literal["thousands", "cents", "millis", "millicents", "micros", "microcents"]
DecimalMark = Literal[".", ","]
ThousandsMark = Literal[",", ".", " ", "'"]

# What a number as sent is divided by.
DIVISORS: dict[Scale, float] = {
    "thousands": 1e-3,
    "cents": 1e2,
    "millis": 1e3,
    "millicents": 1e5,
    "micros": 1e6,
    "microcents": 1e8,
}


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Names = Annotated[
    list[str], BeforeValidator(_as_list, json_schema_input_type=str | list[str]), Field(min_length=1)
]


NonEmpty = Annotated[str, Field(min_length=1)]


class MappingModel(BaseModel):
    """What all parts of a mapping share: unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class SplitPart(MappingModel):
    """One part of a text: `split` it, take the 1-based `part`; with `of`, the text must have so many parts."""

    split: Annotated[str, Field(min_length=1)]
    part: Annotated[int, Field(ge=1)]
    of: Annotated[int, Field(ge=1)] | None = None


class RegexPart(MappingModel):
    """One part of a text: what the pattern's only group finds."""

    regex: str


class UseValue(MappingModel):
    """What stands in for every value that the value map does not know."""

    use: str


class ColumnRule(MappingModel):
    """One value, read from a raw column: cleaned, `extract`ed, looked up in `values`, then typed."""

    sources: Names = Field(
        alias="from",
        description="Header names, compared without case and outer blanks; the first that is there is used, "
        "so several names are aliases or a choice, never a sum. '<join>.<column>' reads a side file, "
        "'file.<group>' a named group of source.name_pattern.",
    )
    type: ColumnType | None = Field(
        None,
        description="Default: what the RMIS field's own type asks for; text for an input. money also takes "
        "off a currency sign or code; percent gives fractions (8.33 % is 0.0833); a timestamp ends in UTC.",
    )
    format: Names | None = Field(
        None,
        description="For dates and timestamps: strftime format such as '%d/%m/%Y', or several, tried in "
        "order; formats that could read one text as two days are refused. Two-digit years: 70-99 are 19xx. "
        "Also 'excel_serial' (dates), 'unix_seconds' and 'unix_milliseconds' (timestamps).",
    )
    month_names: Annotated[list[NonEmpty], Field(min_length=12, max_length=12)] | None = Field(
        None, description="January to December in the report's language, where format has %b or %B."
    )
    time_zone: str | None = Field(
        None,
        description="Timestamps: the zone whose clock is printed (IANA name). Write a literal Z into the "
        "format to say that a printed Z is decoration. Not needed where the format has %z.",
    )
    offset: Literal["read", "ignore"] = Field(
        "read",
        description="Timestamps with %z: 'ignore' drops a printed offset that is wrong; time_zone holds.",
    )
    ambiguous: Literal["reject", "earliest", "latest"] = Field(
        "reject", description="Timestamps: which of two equal clock times is meant when summer time ends."
    )
    decimal_mark: DecimalMark | None = Field(None, description="Default: numbers.decimal_mark.")
    thousands_mark: ThousandsMark | None = Field(
        None, description="Default: numbers.thousands_mark. ' ' means any blank, no-break ones too."
    )
    scale: Scale | None = Field(
        None, description="The unit that is sent, of the currency's unit: micros are millionths."
    )
    divide_by: Annotated[float, Field(gt=0)] | None = Field(None, description="A scale without a name.")
    percent_as: Literal["points", "fraction"] = Field(
        "points", description="Type percent: what a number without a percent sign is. With the sign: points."
    )
    extract: SplitPart | RegexPart | None = None
    values: dict[str, str] | None = Field(
        None, description="Raw value to RMIS value; case and blanks folded."
    )
    unmapped: Literal["reject", "keep"] | UseValue | None = Field(
        None, description="What happens to a value that `values` does not name. Required with `values`."
    )
    default: str | int | float | None = Field(None, description="Stands in where the column is empty.")
    optional: bool = Field(False, description="The report may lack the column; the field is null then.")


class ExpressionRule(MappingModel):
    """One value, computed from inputs and other RMIS fields in a small closed language (see docs/mapping.md)."""

    expression: str = Field(
        description="E.g. 'ad_fees + media_spend * (1 + vat_rate)'. Names are inputs or RMIS fields; an empty "
        "operand makes the result empty, and so does division by zero. Functions: coalesce, if, min, max, "
        "abs, round, lower, upper, trim, concat, contains, starts_with, ends_with, matches, is_empty, "
        "date, days_between."
    )
    default: str | int | float | None = Field(None, description="Stands in where the result is empty.")

    @property
    def sources(self) -> list[str]:
        """An expression reads no column itself: its inputs do."""
        return []


def _rule_kind(value: Any) -> str:
    if isinstance(value, dict):
        return "(expression)" if "expression" in value else "(column)"
    return "(expression)" if isinstance(value, ExpressionRule) else "(column)"


FieldRule = Annotated[
    Annotated[ColumnRule, Tag("(column)")] | Annotated[ExpressionRule, Tag("(expression)")],
    Discriminator(_rule_kind),
]
