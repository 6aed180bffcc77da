"""The past campaigns: which arms were advertised, what was spent, and what came of it, per arm and day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from rmn_pipeline.world.diversion import lost_on_shelves, lost_per_dollar
from rmn_pipeline.world.market import DAY_OF_WEEK_PATTERN, Market, Shelf
from rmn_pipeline.world.numbers import Array, BoolArray, IntArray, stream
from rmn_pipeline.world.response import Response, attributed_revenue, curves_of
from rmn_pipeline.world.saturation import ArmIndex, auction_price, base_sales


@dataclass(frozen=True)
class History:
    """Campaign history with its truth.

    `cells` has one row per advertised arm and day with impressions: arm, day, date, the arm's keys, counts and
    cents as the retailer books them, units_milli (thousandths of a unit), and incremental_revenue_usd (the brand's
    net gain), which only the judge may see. With carry-over, arms also sell on days without a cell: the arrays hold
    every day.
    """

    arms: ArmIndex
    cells: pl.DataFrame
    weekly_spend_usd: Array  # [arm, week]
    net_revenue_usd: Array  # [arm, day], after what it took from the brand's other shelves
    ad_sales_usd: Array  # [retailer, sku, day], before that
    lost_sales_usd: Array  # [retailer, sku, day], taken by ads for other shelves of the brand


def make_history(market: Market, shelf: Shelf, response: Response) -> History:
    """Play the campaigns of the past."""
    rng = stream(market.config.seed, "history")
    arms = choose_arms(market, rng)
    budget = _planned_spend(market, shelf, arms, rng)
    delivery = _deliver(market, response, arms, budget, rng)
    return _book(market, shelf, response, arms, budget, delivery, rng)


def choose_arms(market: Market, rng: np.random.Generator) -> ArmIndex:
    """Sample the advertised arms: by habit (placements, sales), not by response; every brand at every retailer."""
    config = market.config
    shape = (len(config.placements), len(config.audiences), len(market.skus))
    habit = np.array([placement.spend_weight for placement in config.placements])
    brands = [brand.brand_id for brand in config.brands]
    brand_of_sku = np.array([sku.brand_id for sku in market.skus])
    quotas = _quotas(config.arm_count, np.tile([r.sales_weight for r in config.retailers], len(brands)))
    chosen: list[tuple[int, int]] = []
    for brand_index, brand_id in enumerate(brands):
        weight = habit[:, None, None] * np.sqrt(market.sales_index)[None, None, :]
        weight = np.broadcast_to(weight * (brand_of_sku == brand_id), shape).ravel()
        for retailer in range(len(config.retailers)):
            quota = min(quotas[brand_index * len(config.retailers) + retailer], int(np.count_nonzero(weight)))
            share = np.asarray(weight / weight.sum(), dtype=np.float64)
            picks = rng.choice(int(share.size), size=int(quota), replace=False, p=share)
            chosen += [(retailer, int(pick)) for pick in np.sort(picks)]
    retailer_of, flat = np.array(chosen).T
    placement, audience, sku = np.unravel_index(flat, shape)
    return ArmIndex(retailer_of, placement.astype(np.int64), audience.astype(np.int64), sku.astype(np.int64))


def _quotas(total: int, weights: Array) -> list[int]:
    share = np.maximum(weights / weights.sum() * total, 1.0)
    quotas = np.floor(share).astype(int)
    short = total - int(quotas.sum())
    for position in np.argsort(quotas - share)[: max(short, 0)]:
        quotas[position] += 1
    return [int(quota) for quota in quotas]


def _planned_spend(market: Market, shelf: Shelf, arms: ArmIndex, rng: np.random.Generator) -> Array:
    """Weekly budgets [arm, week]: flights, size by the SKU's sales, level following demand."""
    config = market.config
    weeks = len(shelf.mondays)
    on_air = _flights(len(arms), weeks, config.duty_cycle, config.mean_flight_weeks, rng)
    size = market.sales_index[arms.sku] ** config.spend_sales_exponent
    size = size * np.exp(rng.normal(0.0, 0.3, len(arms)))
    demand = shelf.demand_index[arms.retailer, arms.sku] ** config.spend_endogeneity
    level = size[:, None] * demand * np.exp(rng.normal(0.0, config.spend_noise, (len(arms), weeks)))
    level *= on_air
    brand_of_arm = np.array([market.skus[sku].brand_id for sku in arms.sku])
    for brand_id in np.unique(brand_of_arm):
        rows = brand_of_arm == brand_id
        mean_level = level[rows].sum() / max(config.duty_cycle * rows.sum() * weeks, 1.0)
        level[rows] *= config.weekly_spend_usd / max(mean_level, 1e-9)
    return level


def _flights(arms: int, weeks: int, duty: float, length: float, rng: np.random.Generator) -> BoolArray:
    stop = 1.0 / length
    start = min(stop * duty / (1.0 - duty), 1.0)
    uniforms = rng.random((weeks, arms))
    on_air = np.empty((weeks, arms), dtype=bool)
    on_air[0] = uniforms[0] < duty
    for week in range(1, weeks):
        on_air[week] = np.where(on_air[week - 1], uniforms[week] >= stop, uniforms[week] < start)
    return on_air.T


@dataclass(frozen=True)
class _Delivery:
    """What was shown, clicked and billed, [arm, day]."""

    impressions: IntArray
    clicks: IntArray
    cost_cents: IntArray


def _deliver(
    market: Market, response: Response, arms: ArmIndex, budget: Array, rng: np.random.Generator
) -> _Delivery:
    rate = np.array([p.click_through_rate for p in market.config.placements])[arms.placement, None]
    cost = response.cost_per_click_usd[arms.retailer, arms.placement][:, None]
    cost = np.repeat(cost * auction_price(market.config, budget), 7, axis=1)
    pattern = DAY_OF_WEEK_PATTERN / DAY_OF_WEEK_PATTERN.sum()
    daily = (budget[:, :, None] * pattern).reshape(len(arms), -1)
    daily = daily * np.exp(rng.normal(0.0, 0.1, daily.shape))
    impressions = rng.poisson(daily / (cost * rate))
    clicks = rng.binomial(impressions, np.broadcast_to(rate, daily.shape))
    price = cost * np.exp(rng.normal(0.0, 0.05, daily.shape))
    return _Delivery(impressions, clicks, np.rint(clicks * price * 100).astype(np.int64))


def _book(
    market: Market,
    shelf: Shelf,
    response: Response,
    arms: ArmIndex,
    budget: Array,
    delivery: _Delivery,
    rng: np.random.Generator,
) -> History:
    """Turn spend into true sales and claimed orders, and lay the cells out as a table."""
    config = market.config
    spend_usd = delivery.cost_cents / 100.0
    weekly = spend_usd.reshape(len(arms), -1, 7).sum(axis=2)
    sold = base_sales(config, curves_of(market, response, arms), arms, weekly, budget)
    noise = np.exp(rng.normal(-0.5 * config.response_noise**2, config.response_noise, weekly.shape))
    in_stock = shelf.in_stock[arms.shelf].astype(float)
    sales = _by_day(sold, weekly, noise * shelf.value_index[arms.shelf], spend_usd) * in_stock
    booked = _booked(market, shelf, response, arms, delivery.clicks, sales, rng)
    on_shelves = np.zeros((*market.base_price_usd.shape, sales.shape[1]))
    np.add.at(on_shelves, arms.shelf, sales)
    stocked = shelf.in_stock.astype(float)
    net = sales * (1.0 - lost_per_dollar(market, stocked)[arms.shelf])
    values = {
        "impressions": delivery.impressions,
        "clicks": delivery.clicks,
        **booked,
        "cost_cents": delivery.cost_cents,
        "incremental_revenue_usd": net,
    }
    return History(
        arms=arms,
        cells=_table(market, arms, values),
        weekly_spend_usd=weekly,
        net_revenue_usd=net,
        ad_sales_usd=on_shelves,
        lost_sales_usd=lost_on_shelves(market, on_shelves, stocked),
    )


def _by_day(sold: Array, weekly_spend: Array, factor: Array, daily_spend: Array) -> Array:
    """Lay a week's sales on its days: in step with what they spent, or evenly by habit in weeks without spend."""
    spent = weekly_spend > 0
    per_dollar = np.divide(sold, weekly_spend, out=np.zeros_like(sold), where=spent) * factor
    daily = np.repeat(per_dollar, 7, axis=1) * daily_spend
    if (sold[~spent] > 0).any():
        pattern = DAY_OF_WEEK_PATTERN / DAY_OF_WEEK_PATTERN.sum()
        unspent = np.where(spent, 0.0, sold * factor)
        daily += (unspent[:, :, None] * pattern).reshape(daily.shape)
    return daily


def _booked(
    market: Market,
    shelf: Shelf,
    response: Response,
    arms: ArmIndex,
    clicks: IntArray,
    sales: Array,
    rng: np.random.Generator,
) -> dict[str, IntArray]:
    """What the platform counts as its own, [arm, day]: orders, thousandths of units and revenue in cents."""
    in_stock = shelf.in_stock[arms.shelf].astype(float)
    demand = np.repeat(shelf.demand_index[arms.shelf], 7, axis=1)
    price = np.repeat(shelf.price_usd[arms.shelf], 7, axis=1)
    claimed = attributed_revenue(
        np.where(clicks > 0, sales, 0.0),
        clicks.astype(float),
        response.organic_credit[arms.retailer, arms.placement][:, None],
        response.capture_share[arms.retailer, arms.placement][:, None],
        price,
        demand * market.sales_index[arms.sku][:, None] * in_stock,
    )
    units_per_order = market.config.units_per_order
    order_value = price * units_per_order
    orders = rng.poisson(claimed / order_value)
    basket = rng.gamma(16.0 * np.maximum(orders, 1), 1.0 / (16.0 * np.maximum(orders, 1)))
    return {
        "orders": orders,
        "units_milli": np.rint(orders * units_per_order * basket * 1000).astype(np.int64),
        "revenue_cents": np.rint(orders * order_value * basket * 100).astype(np.int64),
    }


def _table(market: Market, arms: ArmIndex, values: dict[str, Array | IntArray]) -> pl.DataFrame:
    config = market.config
    arm, day = _shown(market, arms, values["impressions"][:, : config.days])
    keys = pl.DataFrame(
        {
            "arm": np.arange(len(arms)),
            "retailer_id": [config.retailers[i].retailer_id for i in arms.retailer],
            "brand_id": [market.skus[i].brand_id for i in arms.sku],
            "placement_type": [config.placements[i].placement_type for i in arms.placement],
            "audience_id": [config.audiences[i] for i in arms.audience],
            "sku_id": [market.skus[i].sku_id for i in arms.sku],
        }
    )
    dates = pl.Series("date", [config.start_date + timedelta(days=d) for d in range(config.days)])
    cells = pl.DataFrame(
        {"arm": arm, "day": day, **{name: value[arm, day] for name, value in values.items()}}
    )
    return cells.with_columns(dates.gather(day)).hstack(keys[arm].drop("arm"))


def _shown(market: Market, arms: ArmIndex, impressions: Array | IntArray) -> tuple[IntArray, IntArray]:
    """Arm and day of every cell with impressions, ordered by retailer id, day and arm."""
    ids = [retailer.retailer_id for retailer in market.config.retailers]
    arm, day = [], []
    for retailer in sorted(range(len(ids)), key=ids.__getitem__):
        own = np.flatnonzero(arms.retailer == retailer)
        days, place = np.nonzero(impressions[own].T)
        arm.append(own[place])
        day.append(days)
    return np.concatenate(arm), np.concatenate(day)
