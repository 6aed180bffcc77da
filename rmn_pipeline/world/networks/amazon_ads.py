"""Amazon Ads reporting v3: spAdvertisedProduct, daily, as a gzipped JSON array."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from rmn_pipeline.world.catalog import stable_number
from rmn_pipeline.world.networks.base import FaultColumns, Network, RawRow, ReportRow, gzip_bytes, ratio


def _raw_row(row: ReportRow, rng: np.random.Generator) -> RawRow:
    campaign = row.campaign_name
    same_sku = row.orders * 4 // 5
    units = round(row.units_milli / 1000)
    return {
        "date": row.date,
        "campaignId": stable_number(f"{row.retailer_id}:{campaign}", 15),
        "campaignName": campaign,
        "adGroupId": stable_number(f"{row.retailer_id}:{campaign}:group", 14),
        "adGroupName": f"{row.audience_id}-{row.placement_type}",
        "adId": stable_number(f"{row.retailer_id}:{campaign}:{row.native_id}", 14),
        "portfolioId": None,
        "impressions": row.impressions,
        "clicks": row.clicks,
        "cost": row.cost_usd,
        "spend": row.cost_usd,
        "costPerClick": ratio(row.cost_usd, row.clicks, 4, None),
        "clickThroughRate": ratio(row.clicks, row.impressions, 6, None),
        "campaignBudgetCurrencyCode": "USD",
        "campaignBudgetAmount": 500.0,
        "campaignBudgetType": "DAILY_BUDGET",
        "campaignStatus": "ENABLED",
        "advertisedAsin": row.native_id,
        # Vendors get no seller SKU.
        "advertisedSku": None,
        "purchases1d": row.orders // 2,
        "purchases7d": row.orders * 9 // 10,
        "purchases14d": row.orders,
        "purchases30d": row.orders + row.orders // 12,
        "purchasesSameSku14d": same_sku,
        "unitsSoldClicks14d": units,
        "sales1d": round(row.revenue_cents // 2 / 100, 2),
        "sales7d": round(row.revenue_cents * 9 // 10 / 100, 2),
        "sales14d": row.revenue_usd,
        "sales30d": round((row.revenue_cents + row.revenue_cents // 12) / 100, 2),
        "attributedSalesSameSku14d": round(row.revenue_cents * 4 // 5 / 100, 2),
        "salesOtherSku7d": round(row.revenue_cents * 9 // 50 / 100, 2),
        "unitsSoldSameSku14d": units * 4 // 5,
        "unitsSoldOtherSku7d": units // 6,
        "acosClicks14d": ratio(row.cost_usd, row.revenue_usd, 4, None),
        "roasClicks14d": ratio(row.revenue_usd, row.cost_usd, 4, None),
    }


def _encode(rows: Sequence[RawRow]) -> bytes:
    return gzip_bytes(json.dumps(list(rows), separators=(",", ":")).encode())


NETWORK = Network(
    file_name="spAdvertisedProduct_{period}_asof_{as_of}.json.gz",
    # Conversions are restated up to 28 days after their 14-day window.
    restatement_days=42,
    raw_row=_raw_row,
    encode=_encode,
    fault_columns=FaultColumns(
        "date", "advertisedAsin", "impressions", "clicks", ("B0NOTINCAT", "B0DELISTED", "--")
    ),
)
