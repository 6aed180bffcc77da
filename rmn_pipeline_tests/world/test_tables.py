from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from rmn_pipeline.world import World, WorldError
from rmn_pipeline.world.landing import landing_digest
from rmn_pipeline.world.private import experiments, private_daily
from rmn_pipeline.world.reports import report_files

DATA = Path(__file__).parents[2] / "data"
KEYS = ("retailer_id", "placement_type", "audience_id", "sku_id")


@pytest.mark.parametrize("brand_id", ["brand_x", "brand_y"])
def test_events_are_the_log_summed_up(tiny_world: World, brand_id: str) -> None:
    events = tiny_world.advertiser_tables(brand_id).events
    logs = [
        tiny_world.log_table(spec.retailer_id).with_columns(retailer_id=pl.lit(spec.retailer_id))
        for spec in tiny_world.config.retailers
    ]
    sums = (
        pl.concat(logs)
        .filter(pl.col("brand_id") == brand_id)
        .group_by(*KEYS, "date")
        .agg(
            pl.col("impressions", "clicks", "conversions").sum(),
            revenue=pl.col("revenue_cents").sum() / 100,
            cost=pl.col("cost_cents").sum() / 100,
        )
    )
    assert_frame_equal(events, sums.select(events.columns), check_row_order=False)


def test_log_and_private_feed_are_those_of_the_files(tiny_world: World, tiny_data: Path) -> None:
    written = pl.read_parquet(tiny_data / "landing" / "beta" / "log" / "*.parquet")
    assert tiny_world.log_table("beta").equals(written)
    tables = tiny_world.advertiser_tables("brand_y")
    private = tiny_data / "brands" / "brand_y" / "private"
    assert tables.private_daily.equals(pl.read_parquet(private / "daily.parquet"))
    assert tables.incrementality.equals(pl.read_csv(private / "experiments.csv", try_parse_dates=True))


def test_skus_and_campaigns_are_the_brands_own(tiny_world: World) -> None:
    tables = tiny_world.advertiser_tables("brand_x")
    assert tables.skus["brand_id"].unique().to_list() == ["brand_x"]
    assert tables.skus["sku_id"].n_unique() == 6 == len(tables.skus)
    assert len(tables.campaigns) == tables.campaigns.n_unique() == tables.events.select(KEYS).n_unique()
    assert tables.assumed_margin_rate == 0.34


def test_unknown_brands_and_retailers_are_refused(tiny_world: World) -> None:
    with pytest.raises(WorldError, match="unknown brand 'brand_z'; this market has brand_x, brand_y"):
        tiny_world.advertiser_tables("brand_z")
    with pytest.raises(WorldError, match="unknown retailer 'omega'; this market has alpha"):
        tiny_world.log_table("omega")


def test_the_sample_market_still_sends_the_committed_reports(sample_world: World) -> None:
    """Byte for byte inside gzip, whose own bytes depend on the machine's zlib."""

    def plain(name: str, content: bytes) -> bytes:
        return gzip.decompress(content) if name.endswith(".gz") else content

    compared = 0
    for retailer in sample_world.config.retailers:
        cells = sample_world.history.cells.filter(pl.col("retailer_id") == retailer.retailer_id)
        for name, content in report_files(cells, sample_world.market.skus, sample_world.config, retailer):
            committed = DATA / "landing" / retailer.retailer_id / name
            assert plain(name, content) == plain(name, committed.read_bytes()), committed
            compared += 1
    assert compared > 30


def test_the_sample_market_still_has_its_private_feed(sample_world: World) -> None:
    manifest = json.loads((DATA / "landing" / "manifest.json").read_text())
    assert landing_digest(sample_world.config) == manifest["config_digest"]
    read_outs = experiments(sample_world.market, sample_world.history, "brand_x").write_csv().encode()
    digest = hashlib.sha256(read_outs).hexdigest()
    assert digest == manifest["files"]["brands/brand_x/private/experiments.csv"]
    daily = private_daily(sample_world.market, sample_world.shelf, sample_world.history, "brand_x")
    values = daily.select("price_usd", "unit_cost_usd", "stock_units", "units_sold").to_numpy()
    assert hashlib.sha256(values.tobytes()).hexdigest()[:16] == "155359ef52bb6d27"
