"""The Retail Media Information Schema: one pydantic model per table, and the Polars schemas made from them.

The models are the only place where a column of RMIS is declared. Table schemas, schema checks, the mapping
language's field names and the published JSON Schema all come from here.
"""

from __future__ import annotations

import datetime as dt
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

PlacementType = Literal[
    "search", "category", "product_detail", "home", "cart", "offsite", "in_store", "unspecified"
]
AdType = Literal["sponsored_products", "sponsored_brands", "display", "video", "unspecified"]
ConversionUnit = Literal["orders", "units", "items"]
RevenueScope = Literal["same_sku", "halo", "total"]
DateBasis = Literal["ad_interaction", "order"]
CostBasis = Literal["media", "media_and_fees", "media_fees_and_tax"]


class RmisModel(BaseModel):
    """What all RMIS rows share: they are immutable, and a column that nobody declared is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RMISRecord(RmisModel):
    """One row of `rmis_events`: a row of a network's report after harmonization."""

    event_id: str = Field(description="Stable hash of the natural key; the same row always gets the same id.")
    retailer_id: str
    date: dt.date
    placement_type: PlacementType
    ad_type: AdType
    sku_id: str = Field(description="GTIN-14 where known, else '<retailer>:<native id>'.")
    audience_id: str | None = None
    campaign_id: str | None = None
    ad_group_id: str | None = None
    impressions: int = Field(description="May be negative where a network sends correction rows.")
    clicks: int
    conversions: float = Field(description="In `conversion_unit`; fractional where credit is split.")
    conversion_unit: ConversionUnit
    revenue: float = Field(description="Attributed revenue in `currency`, over `revenue_scope`.")
    revenue_scope: RevenueScope
    cost: float = Field(description="What the advertiser pays, in `currency`, on `cost_basis`.")
    cost_basis: CostBasis
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    attr_model: str = Field(description="Declared in the mapping, never inferred.")
    date_basis: DateBasis
    report_timezone: str = Field(description="The zone that `date` is counted in; daily rows stay in it.")
    as_of: dt.date = Field(description="When the network said so.")
    source_file: str
    source_row: Annotated[int, Field(ge=1, description="1-based data row in `source_file`.")]
    # Null wherever a network does not say it.
    account_id: str | None = None
    ad_id: str | None = None
    search_term: str | None = Field(None, description="What the shopper searched for, or the keyword bought.")
    event_at: dt.datetime | None = Field(None, description="UTC; only where the report has timestamps.")
    original_currency: str | None = Field(None, description="Null where the amounts were not converted.")
    exchange_rate: float | None = Field(
        None,
        description="`currency` per `original_currency`; the amounts as sent are amount / exchange_rate.",
    )
    # Full-data only: null at harmonization and never present in what a clean room releases.
    margin: float | None = None
    promo_flag: bool | None = None
    stock_level: float | None = None
    price: float | None = None
    creative_text: str | None = None
    customer_id: str | None = None
    geo_detail: str | None = None


class RMISSku(RmisModel):
    """One row of `rmis_skus`: a product as all rooms know it."""

    sku_id: str = Field(description="GTIN-14 where known, else '<retailer>:<native id>'.")
    gtin: Annotated[str, Field(pattern=r"^\d{14}$")] | None = None
    title: str
    brand_id: str
    category: str
    line_id: str
    size: str | None = None


class RMISAudience(RmisModel):
    """One row of `rmis_audiences`: an audience that a retailer sells."""

    retailer_id: str
    audience_id: str
    name: str


class RMISPolicy(RmisModel):
    """One row of `rmis_policies`: what a retailer allows in ads and lets out of its clean room."""

    retailer_id: str
    max_headline_characters: Annotated[int, Field(gt=0)]
    max_body_characters: Annotated[int, Field(gt=0)]
    banned_terms: list[str]
    released_fields: list[str] = Field(description="Columns that the clean room may aggregate or group by.")
    blocked_fields: list[str] = Field(description="Columns that never leave the retailer.")
    min_customers_per_cell: Annotated[int, Field(ge=1)]
    epsilon_total: Annotated[float, Field(gt=0)]


FULL_DATA_ONLY_FIELDS: tuple[str, ...] = (
    "margin",
    "promo_flag",
    "stock_level",
    "price",
    "creative_text",
    "customer_id",
    "geo_detail",
)

# What sums over rows of one natural key.
ADDITIVE_FIELDS: tuple[str, ...] = ("impressions", "clicks", "conversions", "revenue", "cost")

_SCALARS: dict[Any, pl.DataType] = {
    str: pl.String(),
    int: pl.Int64(),
    float: pl.Float64(),
    bool: pl.Boolean(),
    dt.date: pl.Date(),
    dt.datetime: pl.Datetime("us", "UTC"),
}


def unwrap_annotation(annotation: Any) -> tuple[Any, bool]:
    """The bare type behind `Annotated` and `| None`, and whether None is allowed."""
    if get_origin(annotation) is Annotated:
        return unwrap_annotation(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [part for part in get_args(annotation) if part is not type(None)]
        if len(inner) != 1:
            raise TypeError(f"a table column has one type, not {annotation}")
        return unwrap_annotation(inner[0])[0], True
    return annotation, False


def _polars_type(annotation: Any) -> pl.DataType:
    bare, _ = unwrap_annotation(annotation)
    if get_origin(bare) is Literal:
        return pl.String()
    if get_origin(bare) is list:
        return pl.List(_polars_type(get_args(bare)[0]))
    if bare not in _SCALARS:
        raise TypeError(f"no table column type for {annotation}")
    return _SCALARS[bare]


def polars_schema(model: type[BaseModel]) -> dict[str, pl.DataType]:
    """The Polars schema of the table whose rows are `model`, in the order of its fields."""
    return {name: _polars_type(field.annotation) for name, field in model.model_fields.items()}


def enumerated_values(model: type[BaseModel], field: str) -> tuple[str, ...]:
    """The values that a column may take where its model lists them; empty where it does not."""
    bare, _ = unwrap_annotation(model.model_fields[field].annotation)
    return get_args(bare) if get_origin(bare) is Literal else ()


def value_pattern(model: type[BaseModel], field: str) -> str | None:
    """The pattern that a column's texts must fit where its model says one."""
    patterns = [getattr(constraint, "pattern", None) for constraint in model.model_fields[field].metadata]
    return next((str(pattern) for pattern in patterns if pattern is not None), None)


def empty_table(model: type[BaseModel]) -> pl.DataFrame:
    """A table of `model` with no rows."""
    return pl.DataFrame(schema=polars_schema(model))


EVENTS_SCHEMA: dict[str, pl.DataType] = polars_schema(RMISRecord)
SKUS_SCHEMA: dict[str, pl.DataType] = polars_schema(RMISSku)
AUDIENCES_SCHEMA: dict[str, pl.DataType] = polars_schema(RMISAudience)
POLICIES_SCHEMA: dict[str, pl.DataType] = polars_schema(RMISPolicy)
REJECTS_SCHEMA: dict[str, pl.DataType] = {
    "retailer_id": pl.String(),
    "source_file": pl.String(),
    "source_row": pl.Int64(),
    "source_line": pl.Int64(),
    "rule": pl.String(),
    "severity": pl.String(),
    "message": pl.String(),
    "raw_row": pl.String(),
}
