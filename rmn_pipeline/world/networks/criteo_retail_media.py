"""Criteo Retail Media: the line-item product report as CSV. Windows and time zone stand only in the request."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date

import numpy as np

from rmn_pipeline.world.catalog import stable_number
from rmn_pipeline.world.networks.base import FaultColumns, Network, RawRow, ReportRow, encode_csv, ratio

COLUMNS = (
    "date",
    "accountId",
    "campaignId",
    "campaignName",
    "lineItemId",
    "lineItemName",
    "retailerId",
    "retailerName",
    "brandName",
    "advProductId",
    "advProductName",
    "advProductCategory",
    "salesChannel",
    "pageTypeName",
    "environment",
    "impressions",
    "clicks",
    "spend",
    "attributedSales",
    "attributedUnits",
    "attributedOrders",
    "assistedSales",
    "assistedUnits",
    "ctr",
    "cpc",
    "cpo",
    "roas",
)
_PAGE_TYPES = {
    "search": "Search",
    "category": "Category",
    "product_detail": "ProductDetail",
    "home": "Home",
    "offsite": "Offsite",
}
_ENVIRONMENTS = ("web", "mobile", "app")


def request_json(start: date, end: date) -> bytes:
    """The report request: without it nobody knows the attribution windows."""
    attributes = {
        "startDate": f"{start}T00:00:00Z",
        "endDate": f"{end}T00:00:00Z",
        "clickAttributionWindow": "14D",
        "viewAttributionWindow": "1D",
        "timezone": "America/Chicago",
        "format": "csv",
        "salesChannel": "online",
        "reportType": "product",
    }
    content = {"data": {"type": "AsyncLineItemsReport", "attributes": attributes}}
    return (json.dumps(content, indent=1) + "\n").encode()


def _raw_row(row: ReportRow, rng: np.random.Generator) -> RawRow:
    line_item = f"{row.brand_id} | {row.audience_id}"
    key = f"{row.retailer_id}:{row.brand_id}"
    return {
        "date": row.date,
        "accountId": stable_number(key, 4),
        "campaignId": stable_number(f"{key}:campaign", 5),
        "campaignName": f"{row.brand_id} always-on",
        "lineItemId": stable_number(f"{row.retailer_id}:{line_item}", 8),
        "lineItemName": line_item,
        "retailerId": stable_number(f"{row.retailer_id}:retailer", 4),
        "retailerName": row.retailer_id.capitalize(),
        "brandName": row.brand_name,
        "advProductId": row.native_id,
        "advProductName": row.title,
        "advProductCategory": row.category,
        "salesChannel": "online",
        "pageTypeName": _PAGE_TYPES[row.placement_type],
        # One environment per row key: the report is not split further by device.
        "environment": _ENVIRONMENTS[stable_number(f"{line_item}:{row.placement_type}:{row.upc}", 3) % 3],
        "impressions": row.impressions,
        "clicks": row.clicks,
        "spend": f"{row.cost_usd:.2f}",
        "attributedSales": f"{row.revenue_usd:.2f}",
        "attributedUnits": round(row.units_milli / 1000),
        "attributedOrders": row.orders,
        "assistedSales": f"{row.revenue_cents // 20 / 100:.2f}",
        "assistedUnits": round(row.units_milli / 20_000),
        "ctr": ratio(row.clicks, row.impressions, 6, ""),
        "cpc": ratio(row.cost_usd, row.clicks, 4, ""),
        "cpo": ratio(row.cost_usd, row.orders, 4, ""),
        "roas": ratio(row.revenue_usd, row.cost_usd, 4, ""),
    }


def _encode(rows: Sequence[RawRow]) -> bytes:
    return encode_csv(rows, COLUMNS)


NETWORK = Network(
    file_name="lineitem_product_{period}_asof_{as_of}.csv",
    # Minor adjustments through the 120th hour.
    restatement_days=5,
    raw_row=_raw_row,
    encode=_encode,
    fault_columns=FaultColumns("date", "advProductId", "impressions", "clicks", ("T-0", "unknown")),
)
