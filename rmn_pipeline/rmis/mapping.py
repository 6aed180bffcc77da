"""The mapping language: everything that may stand in a retailer's mapping.yaml, as one pydantic model.

The language is closed: renames, types, value maps, parts of a text, side files, constants and rules. There are
no expressions to evaluate. Reading a file into this model, with line numbers in its errors, is `mapping_file`.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from rmn_pipeline.feeds import AS_OF_PATTERN, Compression, FileFormat, ReportFormat
from rmn_pipeline.rmis.models import RMISRecord

# Filled by harmonization itself, so no mapping may set them.
COMPUTED_FIELDS = frozenset({"event_id", "sku_id", "as_of", "source_file", "source_row"})
MAPPABLE_FIELDS: tuple[str, ...] = tuple(
    name for name in RMISRecord.model_fields if name not in COMPUTED_FIELDS
)
DEFAULT_NATURAL_KEY = (
    "retailer_id",
    "date",
    "campaign_id",
    "ad_group_id",
    "sku_id",
    "placement_type",
    "audience_id",
)

ColumnType = Literal["text", "int", "decimal", "money", "percent", "date"]
Severity = Literal["reject", "warn"]


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Names = Annotated[list[str], BeforeValidator(_as_list), Field(min_length=1)]


class MappingModel(BaseModel):
    """What all parts of a mapping share: unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class AsOfFromFileName(MappingModel):
    """The report's as-of date stands in its file name: a pattern with one group around YYYY-MM-DD."""

    file_name: str = AS_OF_PATTERN


class AsOfFixed(MappingModel):
    """Every report of this mapping was stated on one day."""

    fixed: dt.date


class Source(MappingModel):
    """How the network's files are named and written."""

    files: str = Field(description="Glob on the file name inside the landing folder.")
    format: FileFormat
    compression: Compression = "auto"
    encoding: str = "utf-8"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    null_values: list[str] = ["", "-", "--"]
    as_of: AsOfFromFileName | AsOfFixed = AsOfFromFileName()

    def report_format(self) -> ReportFormat:
        """The same, as the readers want it."""
        return ReportFormat(self.format, self.compression, self.encoding, self.delimiter)


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
    """How one RMIS field is made from a raw column."""

    sources: Names = Field(alias="from", description="Header names; the first that is present is used.")
    type: ColumnType | None = Field(None, description="Default: what the RMIS field's own type asks for.")
    format: str | None = Field(None, description="Date format, e.g. '%Y-%m-%d'. Required for dates.")
    decimal_mark: Literal[".", ","] = "."
    thousands_mark: Literal[",", ".", " ", "'"] | None = None
    divide_by: Annotated[float, Field(gt=0)] | None = Field(None, description="E.g. 1000000 for micros.")
    extract: SplitPart | RegexPart | None = None
    values: dict[str, str] | None = Field(
        None, description="Raw value to RMIS value; case and blanks folded."
    )
    unmapped: Literal["reject", "keep"] | UseValue | None = Field(
        None, description="What happens to a value that `values` does not name. Required with `values`."
    )
    default: str | int | float | None = Field(None, description="Stands in where the column is empty.")
    optional: bool = Field(False, description="The report may lack the column; the field is null then.")


class Join(MappingModel):
    """A side file of the same network. Its columns are named '<join>.<column>' in `from`."""

    file: str = Field(description="Path relative to the folder that the report lies in.")
    format: Literal["csv", "tsv"] = "csv"
    encoding: str = "utf-8"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    key: Names = Field(description="Columns, present in both files, that tie a report row to one side row.")
    take: Names


class SkuRule(MappingModel):
    """Where the product's id comes from, and how it becomes a GTIN-14."""

    kind: Literal["native", "gtin"] = Field(
        description="native: looked up in the catalog. gtin: UPC/EAN text, normalized and verified."
    )
    sources: Names = Field(alias="from")
    unknown: Literal["reject", "keep"] = Field(
        "reject", description="A product the catalog does not know; kept ones get '<retailer>:<native id>'."
    )


class NotNullRule(MappingModel):
    """The field must have a value."""

    check: Literal["not_null"]
    field: str
    severity: Severity = "reject"


class RangeRule(MappingModel):
    """The field's value must lie in [min, max]."""

    check: Literal["range"]
    field: str
    min: float | None = None
    max: float | None = None
    severity: Severity = "reject"


class InSetRule(MappingModel):
    """The field's value must be one of `values`."""

    check: Literal["in_set"]
    field: str
    values: Annotated[list[str], Field(min_length=1)]
    severity: Severity = "reject"


class MonotoneRule(MappingModel):
    """Each field must be at least as large as the next: impressions, clicks."""

    check: Literal["monotone"]
    fields: Annotated[list[str], Field(min_length=2)]
    severity: Severity = "reject"


class NotAfterRule(MappingModel):
    """A date must not lie after another one: no report can know the day after it was made."""

    check: Literal["not_after"]
    field: str
    limit: str
    severity: Severity = "reject"


Rule = Annotated[
    NotNullRule | RangeRule | InSetRule | MonotoneRule | NotAfterRule, Field(discriminator="check")
]

_FIELD_KEYS: dict[str, Any] = {"propertyNames": {"enum": list(MAPPABLE_FIELDS)}}


class Mapping(MappingModel):
    """A retailer's whole mapping."""

    version: Literal[1]
    retailer_id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    network: str
    source: Source
    columns: dict[str, ColumnRule] = Field(json_schema_extra=_FIELD_KEYS)
    sku: SkuRule
    joins: dict[str, Join] = {}
    constants: dict[str, str | int | float] = Field(default={}, json_schema_extra=_FIELD_KEYS)
    restatement_window_days: Annotated[int, Field(ge=0)] | None = Field(
        None, description="How long the network may still change a day; null where it does not say."
    )
    natural_key: Annotated[list[str], Field(min_length=1)] = list(DEFAULT_NATURAL_KEY)
    rules: list[Rule] = []

    def column_map(self) -> dict[str, str]:
        """Raw column (each alias) to RMIS field; columns of side files are named '<join>.<column>'."""
        named = {source: "sku_id" for source in self.sku.sources}
        return named | {source: field for field, column in self.columns.items() for source in column.sources}


def mapping_json_schema() -> dict[str, Any]:
    """The JSON Schema of mapping.yaml, for editors and for other languages."""
    schema = Mapping.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "RMIS mapping of one retailer"
    return schema
