"""From the retailer's books to report files: months, as-of dates, restatement, faults, side files."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import polars as pl

from rmn_pipeline.world.catalog import Sku, native_id
from rmn_pipeline.world.config import RetailerSpec, WorldConfig
from rmn_pipeline.world.networks import NETWORKS, Network, ReportRow, add_faults, encode_csv
from rmn_pipeline.world.networks.criteo_retail_media import request_json
from rmn_pipeline.world.networks.walmart_connect import campaigns_csv
from rmn_pipeline.world.numbers import stream

_CATALOG_COLUMNS = ("native_id", "gtin", "title", "brand_id", "category", "line_id", "size")


def report_files(
    cells: pl.DataFrame, skus: tuple[Sku, ...], config: WorldConfig, retailer: RetailerSpec
) -> Iterator[tuple[str, bytes]]:
    """All files under a retailer's reports/ and reference/ folders, as (relative path, bytes)."""
    network = NETWORKS[retailer.network]
    rows = _report_rows(cells, skus, retailer)
    yield from _reports(rows, network, config, retailer)
    if retailer.network == "criteo_retail_media":
        last = config.start_date + timedelta(days=config.days - 1)
        yield "reports/request.json", request_json(config.start_date, last)
    if retailer.network == "walmart_connect":
        names = sorted({row.campaign_name for row in rows})
        yield "reference/campaigns.csv", campaigns_csv(retailer.retailer_id, names)
    yield "reference/catalog.csv", _catalog(skus, retailer)
    audiences = [
        {"audience_id": name, "name": name.replace("_", " ").capitalize()} for name in config.audiences
    ]
    yield "reference/audiences.csv", encode_csv(audiences, ("audience_id", "name"))


def _catalog(skus: tuple[Sku, ...], retailer: RetailerSpec) -> bytes:
    rows = [
        {
            "native_id": native_id(retailer.network, sku),
            "gtin": sku.sku_id,
            "title": sku.title,
            "brand_id": sku.brand_id,
            "category": sku.category,
            "line_id": sku.line_id,
            "size": sku.size,
        }
        for sku in skus
    ]
    return encode_csv(rows, _CATALOG_COLUMNS)


def _report_rows(cells: pl.DataFrame, skus: tuple[Sku, ...], retailer: RetailerSpec) -> list[ReportRow]:
    by_id = {sku.sku_id: sku for sku in skus}
    native = {sku.sku_id: native_id(retailer.network, sku) for sku in skus}
    columns = ("date", "sku_id", "placement_type", "audience_id")
    counts = ("impressions", "clicks", "orders", "units_milli", "revenue_cents", "cost_cents")
    rows = []
    for values in cells.select(*columns, *counts).iter_rows():
        day, sku_id, placement_type, audience_id, *numbers = values
        sku = by_id[sku_id]
        rows.append(
            ReportRow(
                day.isoformat(),
                retailer.retailer_id,
                sku.brand_id,
                sku.brand_name,
                placement_type,
                audience_id,
                native[sku_id],
                sku.upc,
                sku.title,
                sku.category,
                sku.size,
                *numbers,
            )
        )
    return rows


def _reports(
    rows: list[ReportRow], network: Network, config: WorldConfig, retailer: RetailerSpec
) -> Iterator[tuple[str, bytes]]:
    """Monthly files, each pulled once its month can no longer change, or on the day after history if that is earlier.

    What was pulled too early understates its last days; one later file restates exactly those days.
    """
    window = network.restatement_days
    last_day = config.start_date + timedelta(days=config.days - 1)
    today = last_day + timedelta(days=1)
    still_open = (today - timedelta(days=window)).isoformat()
    for period in sorted({row.date[:7] for row in rows}):
        as_of = min(_month_end(period) + timedelta(days=window + 1), today)
        sent = [
            _early(row, as_of, window, config.restatement_share) if row.date >= still_open else row
            for row in rows
            if row.date.startswith(period)
        ]
        yield _one_file(sent, network, config, retailer, period, as_of)
    if window:
        final = [row for row in rows if row.date >= still_open]
        if final:
            as_of = today + timedelta(days=window)
            yield _one_file(final, network, config, retailer, last_day.isoformat()[:7], as_of)


def _month_end(period: str) -> date:
    first = date.fromisoformat(f"{period}-01")
    return (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _early(row: ReportRow, as_of: date, window: int, missing_at_once: float) -> ReportRow:
    """The row as it stood before its window closed: some conversions have not arrived yet (or will be taken back)."""
    age = (as_of - date.fromisoformat(row.date)).days
    kept = 1.0 - missing_at_once * max(1.0 - age / window, 0.0)
    return replace(
        row,
        orders=int(row.orders * kept),
        units_milli=int(row.units_milli * kept),
        revenue_cents=int(row.revenue_cents * kept) if row.orders else row.revenue_cents,
    )


def _one_file(
    rows: list[ReportRow],
    network: Network,
    config: WorldConfig,
    retailer: RetailerSpec,
    period: str,
    as_of: date,
) -> tuple[str, bytes]:
    name = network.file_for(period, as_of.isoformat())
    rng = stream(config.seed, "report", zlib.crc32(f"{retailer.retailer_id}/{name}".encode()))
    raw = [network.raw_row(row, rng) for row in rows]
    raw = add_faults(raw, network.fault_columns, config.bad_row_share, rng)
    return f"reports/{name}", network.encode(raw)
