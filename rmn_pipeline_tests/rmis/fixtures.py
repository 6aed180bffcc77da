"""Small reports, catalogs and mappings that the tests of this room write for themselves."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from rmn_pipeline.rmis import Mapping, parse_mapping

# Five codes with right check digits; the last digit was computed, the rest is invented.
GTINS = ("00085021001007", "00012345678905", "00036000291452", "04006381333931", "00070177154240")
CATALOG = pl.DataFrame({"native_id": [f"N{number}" for number in range(1, 6)], "sku_id": list(GTINS)})

BASE: dict[str, Any] = {
    "version": 1,
    "retailer_id": "shop",
    "network": "test_network",
    "source": {"files": "*.csv", "format": "csv"},
    "columns": {
        "date": {"from": "day", "type": "date", "format": "%Y-%m-%d"},
        "campaign_id": {"from": "campaign"},
        "placement_type": {
            "from": "page",
            "values": {"Search": "search", "Product Page": "product_detail"},
            "unmapped": "reject",
        },
        "impressions": {"from": "shown", "type": "int"},
        "clicks": {"from": "clicks", "type": "int"},
        "conversions": {"from": "orders", "type": "decimal"},
        "revenue": {"from": "sales", "type": "money"},
        "cost": {"from": "spend", "type": "money"},
    },
    "sku": {"kind": "native", "from": "item"},
    "constants": {
        "ad_type": "sponsored_products",
        "conversion_unit": "orders",
        "revenue_scope": "total",
        "cost_basis": "media",
        "currency": "USD",
        "attr_model": "click_14d",
        "date_basis": "ad_interaction",
        "report_timezone": "UTC",
    },
    "restatement_window_days": 14,
    "natural_key": ["retailer_id", "date", "campaign_id", "sku_id", "placement_type"],
    "rules": [
        {"check": "range", "field": "impressions", "min": 0},
        {"check": "monotone", "fields": ["impressions", "clicks"]},
        {"check": "not_after", "field": "date", "limit": "as_of"},
    ],
}
HEADER = ("day", "campaign", "page", "item", "shown", "clicks", "orders", "sales", "spend")
GOOD = {
    "day": "2026-01-05",
    "campaign": "c1",
    "page": "Search",
    "item": "N1",
    "shown": "1000",
    "clicks": "20",
    "orders": "2",
    "sales": "25.50",
    "spend": "8.10",
}


def mapping(**changes: Any) -> Mapping:
    """The base mapping with some parts replaced; `columns` and `constants` are merged key by key."""
    content = dict(BASE)
    for part, value in changes.items():
        merge = part in ("columns", "constants")
        content[part] = {**BASE[part], **value} if merge else value
    return parse_mapping(yaml.safe_dump(content, sort_keys=False))


def row(**changes: str) -> dict[str, str]:
    """The good row with some cells changed."""
    return {**GOOD, **changes}


def write_csv(folder: Path, *rows: dict[str, str], as_of: str = "2026-02-01", name: str = "report") -> Path:
    """A report with these rows; quoting is left to Polars' writer."""
    path = folder / f"{name}_2026-01_asof_{as_of}.csv"
    schema = dict.fromkeys(rows[0] if rows else HEADER, pl.String)
    pl.DataFrame(list(rows), schema=schema).write_csv(path)
    return path


def write_json_gz(folder: Path, rows: list[dict[str, Any]], as_of: str = "2026-02-01") -> Path:
    """The same as a gzipped JSON array."""
    path = folder / f"report_2026-01_asof_{as_of}.json.gz"
    path.write_bytes(gzip.compress(json.dumps(rows).encode()))
    return path
