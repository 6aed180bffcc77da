"""Instacart Ads v3: sponsored_product_product as CSV. No orders, only units, which linear credit makes fractional."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import numpy as np

from rmn_pipeline.world.networks.base import FaultColumns, Network, RawRow, ReportRow, encode_csv, ratio

COLUMNS = (
    "event.date",
    "product.status",
    "campaign.name",
    "ad_group.name",
    "product.name",
    "product.size",
    "product.scan_code",
    "event.spend",
    "event.attributed_sales_linear",
    "event.attributed_units_linear",
    "event.roas_linear",
    "event.impressions",
    "event.clicks",
    "event.ctr",
    "event.cpc",
    "event.ntb_attributed_sales_linear",
    "event.percent_ntb_sales_linear",
    "product.id",
    "campaign.id",
    "ad_group.id",
)
_NEW_TO_BRAND_PERCENT = {"loyal": 0, "lapsed": 15, "new_to_brand": 90, "in_market": 40}
_LOST_ZERO, _EAN_FORM = 0.08, 0.16


def scan_code(upc: str, chance: float) -> str:
    """The bar code as it arrives: mostly the UPC, at times without its leading zero or as EAN-13."""
    if chance < _LOST_ZERO:
        return str(int(upc))
    return f"0{upc}" if chance < _EAN_FORM else upc


def _identifier(text: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, text))


def _raw_row(row: ReportRow, rng: np.random.Generator) -> RawRow:
    campaign = row.campaign_name
    percent = _NEW_TO_BRAND_PERCENT.get(row.audience_id, 30) if row.revenue_cents else 0
    return {
        "event.date": row.date,
        "product.status": "active",
        "campaign.name": campaign,
        "ad_group.name": row.audience_id,
        "product.name": row.title,
        "product.size": row.size,
        "product.scan_code": scan_code(row.upc, float(rng.random())),
        "event.spend": f"{row.cost_usd:.2f}",
        "event.attributed_sales_linear": f"{row.revenue_usd:.2f}",
        "event.attributed_units_linear": f"{row.units_milli / 1000:.3f}",
        "event.roas_linear": ratio(row.revenue_usd, row.cost_usd, 4, 0),
        "event.impressions": row.impressions,
        "event.clicks": row.clicks,
        "event.ctr": ratio(row.clicks, row.impressions, 6, 0),
        "event.cpc": ratio(row.cost_usd, row.clicks, 4, 0),
        "event.ntb_attributed_sales_linear": f"{row.revenue_cents * percent // 100 / 100:.2f}",
        "event.percent_ntb_sales_linear": percent / 100,
        "product.id": row.native_id,
        "campaign.id": _identifier(f"{row.retailer_id}:{campaign}"),
        "ad_group.id": _identifier(f"{row.retailer_id}:{campaign}:group"),
    }


def _encode(rows: Sequence[RawRow]) -> bytes:
    return encode_csv(rows, COLUMNS)


NETWORK = Network(
    file_name="sponsored_product_product_{period}_asof_{as_of}.csv",
    # No restatement is documented.
    restatement_days=0,
    raw_row=_raw_row,
    encode=_encode,
    # A UPC in scientific notation has lost its digits for good; the other code fails its check digit.
    fault_columns=FaultColumns(
        "event.date",
        "product.scan_code",
        "event.impressions",
        "event.clicks",
        ("8.50211E+10", "085021999998", "not scanned"),
    ),
)
