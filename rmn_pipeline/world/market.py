"""The market without advertising: demand, season, promotions, prices, unit costs, stock. Shelves, not ads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import numpy as np

from rmn_pipeline.world.catalog import Sku, make_catalog
from rmn_pipeline.world.config import WorldConfig
from rmn_pipeline.world.demand import demand_index, mean_one, price_ratio, value_index
from rmn_pipeline.world.numbers import Array, BoolArray, IntArray, stream

DAY_OF_WEEK_PATTERN = np.array([0.95, 0.93, 0.95, 0.98, 1.04, 1.10, 1.05])


@dataclass(frozen=True)
class Market:
    """What stays the same through all weeks; arrays are indexed [retailer, sku] unless named otherwise."""

    config: WorldConfig
    skus: tuple[Sku, ...]
    base_price_usd: Array
    unit_cost_usd: Array  # [sku]
    organic_units_per_day: Array
    sales_index: Array  # [sku], mean 1 within a brand
    stock_out_share: Array
    season_peak_week: Array  # [sku], the same within a category

    def season(self, mondays: list[date]) -> Array:
        """Seasonal demand index [sku, week]."""
        week_of_year = np.array([monday.timetuple().tm_yday / 7.0 for monday in mondays])
        phase = 2 * np.pi * (week_of_year[None, :] - self.season_peak_week[:, None]) / 52.18
        return 1.0 + self.config.season_amplitude * np.cos(phase)

    def margin_rate(self, promo: bool) -> Array:
        """Gross margin per dollar of revenue at the regular price, or at its promotional cut."""
        cut = 1.0 - self.config.promo_depth if promo else 1.0
        return 1.0 - self.unit_cost_usd[None, :] / (self.base_price_usd * cut)

    @cached_property
    def units_per_conversion(self) -> Array:
        """Units behind one reported conversion, per retailer: an order's, or one where the network counts units."""
        units = self.config.units_per_order
        return np.array([1.0 if r.network == "instacart_ads" else units for r in self.config.retailers])

    @cached_property
    def line_of_sku(self) -> IntArray:
        """Number of each SKU's line; lines of different brands differ."""
        lines = [(sku.brand_id, sku.line_id) for sku in self.skus]
        number = {line: place for place, line in enumerate(sorted(set(lines)))}
        return np.array([number[line] for line in lines])

    def in_stock_days(self, uniforms: Array) -> BoolArray:
        """Two-state Markov chain of the shelf, started in its long-run state; uniforms are [day, …, retailer, sku]."""
        recover = 1.0 / self.config.stock_out_days
        # A shelf that is empty for most of the time cannot fail faster than once a day.
        fail = np.minimum(self.stock_out_share * recover / (1.0 - self.stock_out_share), 1.0)
        in_stock = np.empty(uniforms.shape, dtype=bool)
        state = uniforms[0] >= fail / (fail + recover)
        in_stock[0] = state
        for day in range(1, len(uniforms)):
            state = np.where(state, uniforms[day] >= fail, uniforms[day] < recover)
            in_stock[day] = state
        return in_stock

    @property
    def in_stock_probability(self) -> Array:
        """Long-run probability of being in stock."""
        recover = 1.0 / self.config.stock_out_days
        fail = np.minimum(self.stock_out_share * recover / (1.0 - self.stock_out_share), 1.0)
        return recover / (fail + recover)


@dataclass(frozen=True)
class Shelf:
    """What happened on the shelves in history; [retailer, sku, week] or [retailer, sku, day]."""

    mondays: list[date]
    promo: BoolArray  # week
    demand_index: Array  # week; units
    value_index: Array  # week; ad-driven revenue
    price_usd: Array  # week
    in_stock: BoolArray  # day


def make_market(config: WorldConfig) -> Market:
    """Draw the lasting facts of the market."""
    skus = make_catalog(config)
    rng = stream(config.seed, "market")
    retailers, count = len(config.retailers), len(skus)
    price = config.price_usd * np.exp(rng.normal(0.0, config.price_heterogeneity, count))
    base_price = price[None, :] * np.exp(rng.normal(0.0, config.price_dispersion, (retailers, count)))
    base_price = np.round(base_price, 1) - 0.01
    sales = np.exp(rng.normal(0.0, config.sales_heterogeneity, count))
    brand_ids = np.array([sku.brand_id for sku in skus])
    for brand_id in np.unique(brand_ids):
        sales[brand_ids == brand_id] /= sales[brand_ids == brand_id].mean()
    weight = np.array([retailer.sales_weight for retailer in config.retailers])
    organic = config.organic_units_per_day * np.outer(weight, sales)
    organic *= np.exp(rng.normal(0.0, 0.2, organic.shape))
    share = config.stock_out_rate
    logit = np.log(share / (1 - share)) if share > 0 else -50.0
    noise = rng.normal(0.0, config.stock_out_heterogeneity, (retailers, count))
    # The logit-normal's mean lies above its median; the correction keeps the configured rate as the mean.
    stock_out = 1.0 / (1.0 + np.exp(-(logit - 0.38 * config.stock_out_heterogeneity**2 + noise)))
    categories = sorted({sku.category for sku in skus})
    peaks = dict(zip(categories, rng.uniform(0.0, 52.0, len(categories)), strict=True))
    return Market(
        config=config,
        skus=skus,
        base_price_usd=base_price,
        unit_cost_usd=np.round(price * (1.0 - _margin_rates(config, skus, rng)), 2),
        organic_units_per_day=organic,
        sales_index=sales,
        stock_out_share=np.minimum(stock_out, 0.6),
        season_peak_week=np.array([peaks[sku.category] for sku in skus]),
    )


def _margin_rates(config: WorldConfig, skus: tuple[Sku, ...], rng: np.random.Generator) -> Array:
    assumed = {brand.brand_id: brand.assumed_margin_rate for brand in config.brands}
    lines = sorted({(sku.brand_id, sku.line_id) for sku in skus})
    line_effect = dict(zip(lines, rng.normal(0.0, config.margin_heterogeneity_line, len(lines)), strict=True))
    rate = np.array([assumed[sku.brand_id] + line_effect[sku.brand_id, sku.line_id] for sku in skus])
    return np.clip(rate + rng.normal(0.0, config.margin_heterogeneity_sku, len(skus)), 0.06, 0.7)


def weeks_from(start: date, weeks: int) -> list[date]:
    """The Mondays of so many weeks."""
    return [start + timedelta(weeks=week) for week in range(weeks)]


def make_shelf(market: Market) -> Shelf:
    """Draw the history of promotions, prices and stock."""
    config = market.config
    rng = stream(config.seed, "shelf")
    weeks = -(-config.days // 7)
    mondays = weeks_from(config.start_date, weeks)
    shape = market.base_price_usd.shape
    promo = rng.random((*shape, weeks)) < config.promo_rate
    season = market.season(mondays)[None, :, :]
    in_stock = market.in_stock_days(rng.random((weeks * 7, *shape)))
    ratio = price_ratio(
        config, promo, mean_one(config.price_variation, (*shape, weeks), config.seed, "price")
    )
    shock = mean_one(config.demand_noise, (*shape, weeks), config.seed, "demand")
    demand = demand_index(config, season * shock, promo, ratio)
    return Shelf(
        mondays=mondays,
        promo=promo,
        demand_index=demand,
        value_index=value_index(config, demand, ratio),
        price_usd=np.round(market.base_price_usd[:, :, None] * ratio, 2),
        in_stock=np.moveaxis(in_stock, 0, -1),
    )
