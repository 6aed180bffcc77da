"""The mapping language: everything that may stand in a retailer's mapping.yaml, as one pydantic model.

The language is closed: what is not declared here is an error, and expressions have a grammar of their own that
can only compute. Reading a file into this model, with line numbers in its errors, is `mapping_file`; how one
value is made is `mapping_columns`, what rows must hold is `mapping_rules`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from rmn_pipeline.feeds import (
    AS_OF_PATTERN,
    Compression,
    DuplicateHeaders,
    FileFormat,
    RaggedRows,
    ReportFormat,
)
from rmn_pipeline.rmis.mapping_columns import (
    ColumnRule,
    ColumnType,
    DecimalMark,
    ExpressionRule,
    FieldRule,
    MappingModel,
    Names,
    RegexPart,
    SplitPart,
    ThousandsMark,
    UseValue,
)
from rmn_pipeline.rmis.mapping_rules import (
    CrossFieldRule,
    InSetRule,
    MinCellRule,
    MonotoneRule,
    NotAfterRule,
    NotNullRule,
    RangeRule,
    RegexRule,
    Rule,
    Severity,
    UniqueRule,
)
from rmn_pipeline.rmis.models import CostBasis, RMISRecord
from rmn_pipeline.rmis.product_code import CodeKind

__all__ = [
    "COMPUTED_FIELDS",
    "DEFAULT_NATURAL_KEY",
    "MAPPABLE_FIELDS",
    "AsOfFixed",
    "AsOfFromColumn",
    "AsOfFromFileName",
    "ColumnRule",
    "ColumnType",
    "CostConversion",
    "CrossFieldRule",
    "CurrencyConversion",
    "ExpressionRule",
    "Family",
    "FieldRule",
    "Filter",
    "InSetRule",
    "Join",
    "Mapping",
    "MinCellRule",
    "MonotoneRule",
    "NotAfterRule",
    "NotNullRule",
    "NumberMarks",
    "RangeRule",
    "RegexPart",
    "RegexRule",
    "Rule",
    "Severity",
    "SkuRule",
    "Source",
    "SplitPart",
    "TotalRows",
    "UniqueRule",
    "UseValue",
    "mapping_json_schema",
]

# Filled by harmonization itself, so no mapping may set them.
COMPUTED_FIELDS = frozenset(
    {"event_id", "sku_id", "as_of", "source_file", "source_row", "original_currency", "exchange_rate"}
)
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
_FIELD_KEYS: dict[str, Any] = {"propertyNames": {"enum": list(MAPPABLE_FIELDS)}}
_NAME = r"^[a-z][a-z0-9_]*$"
_NAMED_KEYS: dict[str, Any] = {"propertyNames": {"pattern": _NAME}}

Constant = str | int | float | bool


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


FileNames = Annotated[tuple[str, ...], BeforeValidator(_as_tuple, json_schema_input_type=str | list[str])]


class AsOfFromFileName(MappingModel):
    """The report's as-of date stands in its file name: a pattern with one group around the date."""

    file_name: str = AS_OF_PATTERN
    format: str = Field(default="%Y-%m-%d", description="How the date is written in the name.")


class AsOfFixed(MappingModel):
    """Every report of this mapping was stated on one day."""

    fixed: dt.date


class AsOfFromColumn(ColumnRule):
    """Every row says when it was stated: in a column, a side file, or a named group of the file name."""


def _as_of_kind(value: Any) -> str:
    if isinstance(value, AsOfFixed) or (isinstance(value, dict) and "fixed" in value):
        return "(fixed)"
    if isinstance(value, AsOfFromColumn) or (isinstance(value, dict) and "from" in value):
        return "(column)"
    return "(file_name)"


AsOf = Annotated[
    Annotated[AsOfFromFileName, Tag("(file_name)")]
    | Annotated[AsOfFixed, Tag("(fixed)")]
    | Annotated[AsOfFromColumn, Tag("(column)")],
    Discriminator(_as_of_kind),
]


class FileOptions(MappingModel):
    """How a file is written. What the readers can detect safely may be left out."""

    compression: Compression = Field("auto", description="auto: gzip and zip by their first bytes.")
    encoding: str = Field(
        "auto",
        description="auto: a byte order mark decides, without one the file must be UTF-8. Code pages such as cp1252 "
        "are never guessed: declare them.",
    )
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = Field(
        None, description="Default: tab for tsv; for csv the one that the head of the file agrees on."
    )
    quote: str = Field('"', description="The sign around a cell; '' where there is none.")
    members: FileNames = Field(
        ("*",), description="Which members of a zip archive are reports: a glob or several."
    )
    skip_lines: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Lines before the header line. Default: found."
    )
    header: FileNames = Field((), description="Names that stand in the header line. Default: found.")
    columns: FileNames = Field((), description="The columns' names where the file has no header line.")
    footer: str | None = Field(
        None, description="Pattern of the first line after the last row. Default: found."
    )
    total_labels: FileNames | None = Field(
        None,
        description="What the first filled cell of a total row says. Default: the usual words in many languages; "
        "[]: no row is a total.",
    )
    ragged_rows: RaggedRows = Field(
        "error", description="A row with more or fewer cells than the header: refuse the file, fill, or mark."
    )
    duplicate_headers: DuplicateHeaders = Field(
        "error", description="number: the second 'Cost' is named 'Cost (2)'."
    )
    records_path: str | None = Field(
        None, description="Where the rows of a JSON document lie: 'report.rows'."
    )
    columns_path: str | None = Field(None, description="Where the names of rows that are lists lie.")
    envelope_fields: FileNames = Field((), description="Fields beside the rows that every row gets.")
    sheet: str | None = Field(None, description="Name of the XLSX sheet. Default: the only one with content.")


class Source(FileOptions):
    """How the network's files are named and written."""

    files: str = Field(description="Glob on the file name inside the landing folder.")
    format: FileFormat
    name_pattern: str | None = Field(
        None,
        description="Regular expression with named groups on the file name: '(?P<account>[^_]+)_'. A column "
        "reads a group with from: file.account.",
    )
    parts: str | None = Field(
        None,
        description="A report that comes in several files: pattern on the name with the groups (?P<part>…) and, "
        "where names have it, (?P<total>…).",
    )
    null_values: list[str] = Field(["", "-", "--"], description="What the network writes for 'nothing'.")
    as_of: AsOf = AsOfFromFileName()

    def report_format(self) -> ReportFormat:
        """The same, as the readers want it."""
        options = self.model_dump(include=set(FileOptions.model_fields))
        return ReportFormat(format=self.format, name_pattern=self.name_pattern, parts=self.parts, **options)


class NumberMarks(MappingModel):
    """How numbers are written in the whole report; a column may say otherwise."""

    decimal_mark: DecimalMark = "."
    thousands_mark: ThousandsMark | None = None


class Join(FileOptions):
    """A side file of the same network. Its columns are named '<join>.<column>' in `from`."""

    file: str = Field(description="Path relative to the folder that the report lies in.")
    format: FileFormat = "csv"
    key: Names = Field(description="Columns, present in both files, that tie a report row to one side row.")
    take: Names
    latest_by: str | None = Field(
        None,
        description="Where a key stands several times, the row with the greatest text in this column holds "
        "(an ISO date or timestamp). Without it, several different answers for a key are an error.",
    )
    missing: Literal["null", "reject"] = Field(
        "null",
        description="What a row gets whose key the side file does not have: empty values, or a reject.",
    )

    def report_format(self) -> ReportFormat:
        """The same, as the readers want it."""
        return ReportFormat(format=self.format, **self.model_dump(include=set(FileOptions.model_fields)))


class CodeOptions(MappingModel):
    """What is known about a column of bar codes."""

    kind: CodeKind | None = Field(
        default=None, description="What the codes are. Default: by length and check digit."
    )
    check_digit: Literal["present", "absent"] = Field(
        default="present", description="absent: the network leaves it off, so nothing can be verified."
    )
    restricted: Literal["reject", "keep"] = Field(
        default="reject",
        description="Numbers of restricted circulation mean another product at the next retailer.",
    )
    trailing_zeros: Literal["reject", "keep"] = Field(
        default="reject", description="A long code that ends in zeros was probably rounded by a spreadsheet."
    )


class SkuRule(MappingModel):
    """Where the product's id comes from, and how it becomes a GTIN-14."""

    kind: Literal["native", "gtin"] = Field(
        description="native: looked up in the catalog. gtin: UPC/EAN text, normalized and verified."
    )
    sources: Names = Field(alias="from")
    unknown: Literal["reject", "keep"] = Field(
        "reject", description="A product the catalog does not know; kept ones get '<retailer>:<native id>'."
    )
    code: CodeOptions = Field(CodeOptions(), description="Only for kind: gtin.")


class TotalRows(MappingModel):
    """Rows that sum up others: the column has one of these values, case and blanks folded."""

    sources: Names = Field(alias="from")
    values: Annotated[list[str], Field(min_length=1)]


class Filter(MappingModel):
    """Rows that are no facts of this retailer. They become rejects 'filtered.<name>' with severity info."""

    name: Annotated[str, Field(pattern=_NAME)]
    sources: Names | None = Field(None, alias="from", description="The raw column, where values are listed.")
    keep: str | list[str] | None = Field(
        None, description="Rows to keep: an expression that must be true, or raw values of `from`."
    )
    drop: str | list[str] | None = Field(None, description="Rows to drop, said in the same two ways.")


class Family(MappingModel):
    """One of several facts that each row of a file tells, such as the 7-day and the 14-day attribution.

    What stands here replaces the common part field by field. Each row gives one event per family, so only one
    family should carry impressions, clicks and cost; in the others set them to 0, and sums stay right.
    """

    columns: dict[str, FieldRule] = Field(default={}, json_schema_extra=_FIELD_KEYS)
    constants: dict[str, Constant] = Field(default={}, json_schema_extra=_FIELD_KEYS)


Share = Annotated[float, Field(ge=0, lt=1)]
Rate = Annotated[float, Field(ge=0)]


class CostConversion(MappingModel):
    """Cost moved from one basis to another; the event's cost_basis is `report`.

    media_and_fees = media * (1 + fee_rate), or media / (1 - fee_share); media_fees_and_tax = media_and_fees *
    (1 + tax_rate). Going down divides by the same factors.
    """

    sent: CostBasis
    report: CostBasis
    fee_rate: Rate | str | None = Field(None, description="Fees over media; a number or an input's name.")
    fee_share: Share | str | None = Field(
        None, description="Fees over media and fees together; a number or an input's name."
    )
    tax_rate: Rate | str | None = Field(
        None, description="Tax over media and fees; a number or an input's name. 0.22 is 22 % VAT."
    )


class CurrencyConversion(MappingModel):
    """Amounts in other currencies become amounts in one, by dated rates.

    The rate is the last one stated on or before the row's date and at most `max_age_days` older. A day for which
    the table has only the opposite direction counts with its inverse. A row without such a rate is rejected.
    Converted events keep `original_currency` and `exchange_rate`.
    """

    to: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    rates: str = Field(
        description="CSV with the columns date (YYYY-MM-DD), currency_from, currency_to, rate; its path is "
        "relative to the folder that the report lies in."
    )
    max_age_days: Annotated[int, Field(ge=0)] = 7
    fields: list[Literal["revenue", "cost", "margin", "price"]] = Field(
        ["revenue", "cost"], min_length=1, description="The amounts to convert."
    )


class Mapping(MappingModel):
    """A retailer's whole mapping."""

    version: Literal[1]
    retailer_id: Annotated[str, Field(pattern=_NAME)]
    network: str
    source: Source
    numbers: NumberMarks = NumberMarks()
    inputs: dict[str, FieldRule] = Field(
        default={},
        json_schema_extra=_NAMED_KEYS,
        description="Typed values that only expressions, filters and rules use; none becomes a field.",
    )
    columns: dict[str, FieldRule] = Field(
        json_schema_extra=_FIELD_KEYS, description="RMIS field to the way it is made."
    )
    sku: SkuRule
    joins: dict[str, Join] = Field(default={}, json_schema_extra=_NAMED_KEYS)
    constants: dict[str, Constant] = Field(
        default={}, json_schema_extra=_FIELD_KEYS, description="What no column says and every row has."
    )
    families: dict[str, Family] = Field(
        default={},
        json_schema_extra=_NAMED_KEYS,
        description="Several facts from each row, e.g. two attribution windows, each with its attr_model.",
    )
    cost_conversion: CostConversion | None = None
    currency_conversion: CurrencyConversion | None = None
    total_rows: Literal["detected", "none"] | TotalRows = Field(
        "detected",
        description="Rows that sum up others become rejects 'total_row' with severity info: those that the "
        "reader detected, none, or those that a column tells.",
    )
    filters: list[Filter] = Field(default=[])
    restatement_window_days: Annotated[int, Field(ge=0)] | None = Field(
        None, description="How long the network may still change a day; null where it does not say."
    )
    natural_key: list[str] = Field(
        default=list(DEFAULT_NATURAL_KEY),
        min_length=1,
        description="RMIS fields that together tell one fact; a later statement with the same values replaces it.",
    )
    repeats: Literal["duplicate", "corrections"] = Field(
        "duplicate",
        description="Several rows of one key in one statement: one fact and its duplicates, or corrections "
        "that add up.",
    )
    dedupe_key: Names | None = Field(
        None,
        description="Raw columns that identify a delivery; a row that comes again under the same key is a "
        "duplicate whatever it says.",
    )
    rules: list[Rule] = Field(default=[])

    def column_map(self) -> dict[str, str]:
        """Raw column (each alias) to RMIS field; columns of side files are named '<join>.<column>'."""
        named = {source: "sku_id" for source in self.sku.sources}
        for columns in (family.columns for family in reversed(self.families.values())):
            named |= {source: field for field, column in columns.items() for source in column.sources}
        return named | {source: field for field, column in self.columns.items() for source in column.sources}

    def source_columns(self) -> list[str]:
        """Every name that stands in a `from`, a join's key or the dedupe key: what the mapping reads."""
        return list(dict.fromkeys(self._source_columns()))

    def _source_columns(self) -> Iterator[str]:
        sections = [self.columns, self.inputs, *(family.columns for family in self.families.values())]
        for section in sections:
            for column in section.values():
                yield from column.sources
        yield from self.sku.sources
        for join in self.joins.values():
            yield from join.key
        for some in (self.source.as_of, self.total_rows, *self.filters):
            yield from getattr(some, "sources", None) or []
        yield from self.dedupe_key or []


def mapping_json_schema() -> dict[str, Any]:
    """The JSON Schema of mapping.yaml, for editors and for other languages."""
    schema = Mapping.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "RMIS mapping of one retailer"
    return schema
