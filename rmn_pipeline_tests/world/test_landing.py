from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from rmn_pipeline.world import World, WorldError, build_world, tiny_config
from rmn_pipeline.world.cli import main
from rmn_pipeline.world.log import LOG_COLUMNS, split_exactly
from rmn_pipeline.world.networks import walmart_connect
from rmn_pipeline.world.networks.instacart_ads import scan_code

# Per retailer: date, product, placement/audience text, impressions, clicks, conversions, revenue, cost.
COLUMNS = {
    "alpha": "date advertisedAsin campaignName impressions clicks purchases14d sales14d cost",
    "beta": "date itemId campaignId numAdsShown numAdsClicks attributedOrders14days attributedSales14days adSpend",
    "gamma": "date advProductId lineItemName impressions clicks attributedOrders attributedSales spend",
    "delta": "event.date product.id campaign.name event.impressions event.clicks event.attributed_units_linear "
    "event.attributed_sales_linear event.spend",
}
RETAILERS = tuple(COLUMNS)


def raw_rows(path: Path) -> list[dict[str, Any]]:
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    return json.loads(text) if ".json" in path.name else list(csv.DictReader(text.splitlines()))


def report_rows(data: Path, retailer: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(as-of, row) for every row of a retailer, oldest file first."""
    files = [path for path in (data / "landing" / retailer / "reports").iterdir() if "_asof_" in path.name]
    for path in sorted(files, key=lambda path: path.name.split("_asof_")[1]):
        yield from ((path.name.split("_asof_")[1][:10], row) for row in raw_rows(path))


def catalog(data: Path, retailer: str) -> dict[str, str]:
    frame = pl.read_csv(data / "landing" / retailer / "reference" / "catalog.csv", infer_schema=False)
    return dict(zip(frame["native_id"], frame["gtin"], strict=True))


def placement_and_audience(retailer: str, row: dict[str, Any], campaigns: dict[str, str]) -> tuple[str, str]:
    name = str(row[COLUMNS[retailer].split()[2]])
    if retailer == "gamma":
        placement = {"ProductDetail": "product_detail"}.get(row["pageTypeName"], row["pageTypeName"].lower())
        return placement, name.split(" | ")[1]
    parts = campaigns.get(name, name).split(" | ")
    return parts[1], parts[2]


def good_rows(data: Path, retailer: str) -> dict[tuple[str, ...], tuple[float, ...]]:
    """Final values per natural key, after leaving out what is plainly broken."""
    date, product, _, *numbers = COLUMNS[retailer].split()
    gtin_of = catalog(data, retailer)
    campaigns = {}
    if retailer == "beta":
        frame = pl.read_csv(data / "landing" / "beta" / "reference" / "campaigns.csv", infer_schema=False)
        campaigns = dict(zip(frame["campaignId"], frame["campaignName"], strict=True))
    final: dict[tuple[str, ...], tuple[float, ...]] = {}
    for _, row in report_rows(data, retailer):
        values = tuple(float(row[name]) for name in numbers)
        known = str(row[product]) in gtin_of
        if retailer == "delta":
            known = known and row["product.scan_code"].zfill(14) == gtin_of[str(row[product])]
        if known and values[0] >= 0 and values[1] <= values[0] and "-13-" not in row[date]:
            key = (row[date], gtin_of[str(row[product])], *placement_and_audience(retailer, row, campaigns))
            final[key] = values
    return final


@pytest.mark.parametrize("retailer", RETAILERS)
def test_reports_are_the_exact_aggregates_of_the_log(tiny_data: Path, retailer: str) -> None:
    log = pl.read_parquet(tiny_data / "landing" / retailer / "log" / "*.parquet")
    assert tuple(log.columns) == LOG_COLUMNS
    keys = (pl.col("date").cast(pl.String), "sku_id", "placement_type", "audience_id")
    sums = log.group_by(keys).agg(
        pl.col("impressions", "clicks", "conversions", "revenue_cents", "cost_cents").sum()
    )
    expected = {
        row[:4]: (*row[4:6], round(row[6], 3), row[7] / 100, row[8] / 100) for row in sums.iter_rows()
    }
    assert good_rows(tiny_data, retailer) == expected


@pytest.mark.parametrize("retailer", RETAILERS)
def test_every_network_sends_some_bad_rows(tiny_data: Path, retailer: str) -> None:
    sent = [row for _, row in report_rows(tiny_data, retailer)]
    date, product, _, shown, clicks, *_ = COLUMNS[retailer].split()
    product = "product.scan_code" if retailer == "delta" else product
    known = set(catalog(tiny_data, retailer))
    known = (
        {gtin.lstrip("0") for gtin in catalog(tiny_data, retailer).values()} if retailer == "delta" else known
    )

    def is_bad(row: dict[str, Any]) -> bool:
        ident = str(row[product]).lstrip("0") if retailer == "delta" else str(row[product])
        counts = int(row[shown]) < 0 or int(row[clicks]) > int(row[shown])
        return counts or "-13-" in row[date] or ident not in known

    bad = sum(is_bad(row) for row in sent)
    assert 1 <= bad <= 0.05 * len(sent)


def test_early_files_understate_and_the_restatement_corrects(tiny_data: Path) -> None:
    rows = [(as_of, row) for as_of, row in report_rows(tiny_data, "alpha")]
    assert {as_of for as_of, _ in rows} == {"2026-02-09", "2026-03-23"}

    def sales(as_of: str) -> float:
        return sum(row["sales14d"] for when, row in rows if when == as_of and row["impressions"] > 0)

    assert 0.8 * sales("2026-03-23") < sales("2026-02-09") < 0.99 * sales("2026-03-23")


def test_log_rows_are_plausible_customers(tiny_data: Path) -> None:
    log = pl.read_parquet(tiny_data / "landing" / "*" / "log" / "*.parquet")
    assert 9 < log["impressions"].mean() < 14  # type: ignore[operator]
    assert log["impressions"].min() >= 1  # type: ignore[operator]
    assert (log["clicks"] <= log["impressions"]).all()
    assert log.filter(pl.col("conversions") > 0)["clicks"].min() == 1
    assert (log["customer_id"] < 3000).all()
    segments = log.group_by("customer_id").agg(pl.col("audience_id").n_unique())
    assert (segments["audience_id"] == 1).all()


def test_splitting_loses_nothing_to_rounding() -> None:
    group = np.array([0, 0, 0, 2, 3, 3])
    totals = np.array([10, 0, 7, 1])
    parts = split_exactly(totals, group, np.array([1.0, 1.0, 2.0, 5.0, 1e-9, 1.0]))
    assert np.bincount(group, weights=parts, minlength=4).tolist() == totals.tolist()
    assert parts.tolist() == [2, 3, 5, 7, 0, 1]
    assert (parts >= 0).all()


def test_walmart_decompositions_add_up(tiny_data: Path) -> None:
    path = next((tiny_data / "landing" / "beta" / "reports").glob("adItem_2026-01*"))
    rows = raw_rows(path)
    assert tuple(rows[0]) == walmart_connect.COLUMNS
    for row in rows:
        for window in ("3days", "14days", "30days"):
            total = round(float(row[f"attributedSales{window}"]) * 100)
            two = ("advertisedSkuSales", "otherSkuSales")
            three = ("directAttributedSales", "brandAttributedSales", "relatedAttributedSales")
            for parts in (two, three):
                assert sum(round(float(row[f"{part}{window}"]) * 100) for part in parts) == total


def test_scan_codes_come_in_the_forms_that_bar_codes_come_in() -> None:
    assert scan_code("085021001005", 0.05) == "85021001005"
    assert scan_code("085021001005", 0.1) == "0085021001005"
    assert scan_code("085021001005", 0.9) == "085021001005"


def test_private_feed_covers_every_product_and_day(tiny_world: World, tiny_data: Path) -> None:
    daily = pl.read_parquet(tiny_data / "brands" / "brand_x" / "private" / "daily.parquet")
    assert len(daily) == 4 * 6 * 35 == daily.select("retailer_id", "sku_id", "date").n_unique()
    assert (daily["price_usd"] > daily["unit_cost_usd"]).mean() > 0.95  # type: ignore[operator]
    empty = daily.filter(pl.col("in_stock_share") == 0)
    assert len(empty) > 0
    assert empty["units_sold"].sum() == 0 == empty["stock_units"].sum()
    assert (daily.filter(pl.col("in_stock_share") == 1)["stock_units"] > 0).all()


def test_experiments_read_the_true_ratio_with_their_error(sample_world: World) -> None:
    from rmn_pipeline.world.private import experiments

    read = experiments(sample_world.market, sample_world.history, "brand_x")
    truth = (
        sample_world.history.cells.filter(pl.col("brand_id") == "brand_x")
        .group_by("retailer_id", "placement_type")
        .agg(truth=pl.col("incremental_revenue_usd").sum() * 100 / pl.col("revenue_cents").sum())
    )
    both = read.join(truth, on=["retailer_id", "placement_type"])
    score = (both["incrementality_multiplier"] - both["truth"]) / both["standard_error"]
    assert len(both) == 20
    assert 0.5 < float(score.std()) < 1.6  # type: ignore[arg-type]


def test_a_second_write_reuses_everything_and_repairs_only_what_is_missing(
    tiny_world: World, tmp_path: Path
) -> None:
    first = tiny_world.write_landing(tmp_path)
    assert not first.unchanged and not first.reused
    again = tiny_world.write_landing(tmp_path)
    assert again.unchanged and set(again.reused) == set(first.written)
    lost = "landing/alpha/log/2026-01.parquet"
    (tmp_path / lost).unlink()
    assert tiny_world.write_landing(tmp_path).written == (lost,)
    assert not list(tmp_path.rglob("*.part"))
    for name, digest in first.files.items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest


def test_another_config_replaces_the_files_of_the_old_one(tiny_world: World, tmp_path: Path) -> None:
    tiny_world.write_landing(tmp_path)
    kept = tmp_path / "landing" / "alpha" / "reports" / "somebody-elses.csv"
    kept.write_text("not ours")
    smaller = build_world(tiny_config(retailers=tiny_world.config.retailers[:1]))
    manifest = smaller.write_landing(tmp_path)
    present = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert present == {*manifest.files, "landing/manifest.json", str(kept.relative_to(tmp_path))}


def test_a_damaged_manifest_is_named(tiny_world: World, tmp_path: Path) -> None:
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing" / "manifest.json").write_text("{")
    with pytest.raises(WorldError, match=r"manifest\.json: damaged manifest"):
        tiny_world.write_landing(tmp_path)


def test_command_line_writes_once_and_reports_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "world.yaml"
    config.write_text("days: 14\nskus: 4\narms: 8\ncustomers_per_retailer: 500\n")
    arguments = ["--config", str(config), "--data", str(tmp_path)]
    assert main(arguments) == 0
    assert "files written" in capsys.readouterr().out
    assert main(arguments) == 0
    assert "unchanged" in capsys.readouterr().out
    assert main(["--config", str(tmp_path / "no.yaml"), "--data", str(tmp_path)]) == 1
    assert "no such file" in capsys.readouterr().err
