"""What a column can be proposed for."""

from __future__ import annotations

MEASURES: tuple[str, ...] = ("impressions", "clicks", "cost", "revenue", "conversions")
DIMENSIONS: tuple[str, ...] = ("date", "currency", "placement_type", "retailer_id", "sku_id")
# Product attributes: they belong to the SKU table, not to the fact.
SKU_FIELDS: tuple[str, ...] = (
    "sku_dim.name",
    "sku_dim.brand",
    "sku_dim.category",
    "sku_dim.size",
    "sku_dim.seller_sku",
)
# What tells one row from another of the same day and product.
KEYS: tuple[str, ...] = ("campaign_id", "ad_group_id", "audience_id")
TARGETS: tuple[str, ...] = (*MEASURES, *DIMENSIONS, *SKU_FIELDS, *KEYS)
# Parts of a currency's unit that headers name; the mapping language calls them by the same names.
UNITS: tuple[str, ...] = ("micros", "millis", "cents")
