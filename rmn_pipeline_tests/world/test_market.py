from __future__ import annotations

import numpy as np
import polars as pl
from stdnum import ean

from rmn_pipeline.world import World, build_world, tiny_config
from rmn_pipeline.world.catalog import make_catalog, native_id


def test_gtins_are_unique_and_their_check_digits_valid(sample_world: World) -> None:
    ids = [sku.sku_id for sku in sample_world.market.skus]
    assert len(set(ids)) == 100
    assert all(len(gtin) == 14 and ean.is_valid(gtin) for gtin in ids)
    assert all(ean.is_valid(sku.upc) and sku.upc.startswith("0") for sku in sample_world.market.skus)


def test_the_same_seed_gives_the_same_world_and_another_seed_another(tiny_world: World) -> None:
    same, other = build_world(tiny_config()), build_world(tiny_config(seed=8))
    assert same.history.cells.equals(tiny_world.history.cells)
    assert not other.history.cells.equals(tiny_world.history.cells)


def test_tiny_market_still_has_all_retailers_and_brands(tiny_world: World) -> None:
    cells = tiny_world.history.cells
    assert set(cells["retailer_id"]) == {"alpha", "beta", "gamma", "delta"}
    assert set(cells["brand_id"]) == {"brand_x", "brand_y"}


def test_history_has_the_promised_size(sample_world: World) -> None:
    cells = sample_world.history.cells
    assert 30_000 <= len(cells) <= 40_000
    spend = cells.group_by("brand_id").agg(pl.col("cost_cents").sum() / 100)["cost_cents"]
    assert all(2.0e6 < value < 2.4e6 for value in spend)
    assert set(cells["placement_type"]) == {"search", "category", "product_detail", "home", "offsite"}
    assert cells["audience_id"].n_unique() == 4


def test_stock_outs_exist_last_and_differ_between_products(sample_world: World) -> None:
    in_stock = sample_world.shelf.in_stock
    empty = 1 - in_stock.mean(axis=2)
    assert 0.05 < empty.mean() < 0.13
    assert np.quantile(empty, 0.95) > 0.2
    assert (empty < 0.02).mean() > 0.1
    again = (~in_stock[:, :, 1:] & ~in_stock[:, :, :-1]).sum() / (~in_stock[:, :, :-1]).sum()
    assert 0.78 < again < 0.88  # mean length of six days


def test_nothing_is_sold_from_an_empty_shelf(sample_world: World) -> None:
    cells, arms = sample_world.history.cells, sample_world.history.arms
    arm = cells["arm"].to_numpy()
    in_stock = sample_world.shelf.in_stock[arms.retailer[arm], arms.sku[arm], cells["day"].to_numpy()]
    empty = cells.filter(pl.Series(~in_stock))
    assert len(empty) > 1000
    assert empty["cost_cents"].sum() > 0
    assert empty["incremental_revenue_usd"].sum() == 0
    assert empty["revenue_cents"].sum() == 0


def test_attributed_roas_overstates_the_incremental_one_and_most_where_shoppers_are_closest_to_buying(
    sample_world: World,
) -> None:
    cells = sample_world.history.cells

    def overstatement(frame: pl.DataFrame) -> float:
        return frame["revenue_cents"].sum() / 100 / frame["incremental_revenue_usd"].sum()

    assert 1.3 < overstatement(cells) < 2.2
    by_placement = {str(name): overstatement(part) for (name,), part in cells.group_by("placement_type")}
    assert max(by_placement, key=lambda name: by_placement[name]) == "search"
    assert by_placement["search"] > 1.5 * by_placement["offsite"]


def test_past_spend_followed_demand(sample_world: World) -> None:
    history, shelf = sample_world.history, sample_world.shelf
    demand = shelf.demand_index[history.arms.retailer, history.arms.sku][:, :-1]
    spend = history.weekly_spend_usd[:, :-1]
    on_air = spend > 0
    log_spend = np.where(on_air, np.log(np.maximum(spend, 1e-9)), 0)
    log_spend -= log_spend.sum(axis=1, keepdims=True) / on_air.sum(axis=1, keepdims=True)
    assert np.corrcoef(log_spend[on_air], np.log(demand)[on_air])[0, 1] > 0.3
    assert 0.45 < on_air.mean() < 0.55


def test_promotions_cut_the_price_and_lift_demand(tiny_world: World) -> None:
    shelf, market = tiny_world.shelf, tiny_world.market
    regular = np.broadcast_to(market.base_price_usd[:, :, None], shelf.price_usd.shape)
    assert np.allclose(shelf.price_usd[~shelf.promo], regular[~shelf.promo].round(2))
    assert np.allclose(shelf.price_usd[shelf.promo], regular[shelf.promo] * 0.8, atol=0.006)
    assert shelf.demand_index[shelf.promo].mean() > 1.4 * shelf.demand_index[~shelf.promo].mean()


def test_margins_differ_by_line_and_product(sample_world: World) -> None:
    rate = sample_world.market.margin_rate(promo=False).mean(axis=0)
    assert 0.25 < rate.mean() < 0.4
    assert rate.std() > 0.05
    assert (rate > 0).all()


def test_native_ids_stay_unique_in_the_largest_catalog() -> None:
    skus = make_catalog(tiny_config(skus=5000))
    for retailer in tiny_config().retailers:
        assert len({native_id(retailer.network, sku) for sku in skus}) == 5000
