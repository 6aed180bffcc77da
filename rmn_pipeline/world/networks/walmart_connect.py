"""Walmart Connect Sponsored Search v2: the adItem snapshot report, CSV in gzip. It names campaigns by id only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from rmn_pipeline.world.catalog import stable_number
from rmn_pipeline.world.networks.base import (
    FaultColumns,
    Network,
    RawRow,
    ReportRow,
    encode_csv,
    gzip_bytes,
)

# Orders and sales of the 3- and 30-day families relative to the default 14 days, in per cent.
_WINDOWS = {"3days": 60, "14days": 100, "30days": 112}
_FAMILY = (
    "attributedOrders",
    "attributedSales",
    "advertisedSkuSales",
    "otherSkuSales",
    "directAttributedSales",
    "brandAttributedSales",
    "relatedAttributedSales",
    "unitsSold",
    "advertisedSkuUnits",
    "otherSkuUnits",
)
COLUMNS = (
    "date",
    "campaignId",
    "adGroupId",
    "itemId",
    "itemName",
    "numAdsShown",
    "numAdsClicks",
    "adSpend",
    *(f"{name}{window}" for window in _WINDOWS for name in _FAMILY),
)
CAMPAIGN_COLUMNS = ("campaignId", "adGroupId", "campaignName", "adGroupName")


def campaign_ids(retailer_id: str, campaign_name: str) -> tuple[int, int]:
    """Campaign and ad group id of a campaign."""
    return (
        stable_number(f"{retailer_id}:{campaign_name}", 7),
        stable_number(f"{retailer_id}:{campaign_name}:group", 7),
    )


def campaigns_csv(retailer_id: str, campaign_names: Iterable[str]) -> bytes:
    """The campaign list that gives the report's ids their names."""
    rows = []
    for name in campaign_names:
        campaign, group = campaign_ids(retailer_id, name)
        rows.append(
            dict(zip(CAMPAIGN_COLUMNS, (campaign, group, name, name.rsplit(" | ", 1)[-1]), strict=True))
        )
    return encode_csv(rows, CAMPAIGN_COLUMNS)


def _raw_row(row: ReportRow, rng: np.random.Generator) -> RawRow:
    campaign, group = campaign_ids(row.retailer_id, row.campaign_name)
    raw: RawRow = {
        "date": row.date,
        "campaignId": campaign,
        "adGroupId": group,
        "itemId": row.native_id,
        "itemName": row.title,
        "numAdsShown": row.impressions,
        "numAdsClicks": row.clicks,
        "adSpend": f"{row.cost_usd:.2f}",
    }
    for window, percent in _WINDOWS.items():
        raw |= {f"{name}{window}": value for name, value in _family(row, percent).items()}
    return raw


def _family(row: ReportRow, percent: int) -> dict[str, str | int]:
    cents = row.revenue_cents * percent // 100
    units = round(row.units_milli * percent / 100_000)
    # Two decompositions of the same total: advertised + other, and direct + brand + related.
    advertised, direct, brand = cents * 4 // 5, cents * 4 // 5, cents * 3 // 20
    return {
        "attributedOrders": row.orders * percent // 100,
        "attributedSales": f"{cents / 100:.2f}",
        "advertisedSkuSales": f"{advertised / 100:.2f}",
        "otherSkuSales": f"{(cents - advertised) / 100:.2f}",
        "directAttributedSales": f"{direct / 100:.2f}",
        "brandAttributedSales": f"{brand / 100:.2f}",
        "relatedAttributedSales": f"{(cents - direct - brand) / 100:.2f}",
        "unitsSold": units,
        "advertisedSkuUnits": units * 4 // 5,
        "otherSkuUnits": units - units * 4 // 5,
    }


def _encode(rows: Sequence[RawRow]) -> bytes:
    return gzip_bytes(encode_csv(rows, COLUMNS))


NETWORK = Network(
    file_name="adItem_{period}_asof_{as_of}.csv.gz",
    restatement_days=14,
    raw_row=_raw_row,
    encode=_encode,
    fault_columns=FaultColumns("date", "itemId", "numAdsShown", "numAdsClicks", ("999999999999", "N/A")),
)
