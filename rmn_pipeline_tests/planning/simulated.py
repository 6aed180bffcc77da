"""A small simulated brand with known curves: the truth that planning tests score against."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from rmn_pipeline.planning import PlanningView
from rmn_pipeline.planning.view import PANEL_SCHEMA

FIRST_WEEK = date(2026, 1, 5)
START = date(2026, 7, 6)
RETAILERS = ("alpha", "beta")
PLACEMENTS = ("search", "home", "category")
AUDIENCES = ("loyal", "lapsed")
ORGANIC_PER_DOLLAR = 1.2
KEYS = ["retailer_id", "placement_type", "audience_id", "sku_id"]


@dataclass(frozen=True)
class Simulated:
    view: PlanningView
    truth: pl.DataFrame


def simulate(
    seed: int = 0, skus: int = 12, weeks: int = 25, demand_noise: float = 0.35, stock_outs: bool = False
) -> Simulated:
    """Arms with hierarchical log-normal curves of incremental revenue; weekly spend varies.

    What is attributed is the incremental revenue and an organic part in step with spend, as counts of orders.
    """
    generator = np.random.default_rng(seed)
    names = [f"sku{index:03d}" for index in range(skus)]
    category = {name: f"category{index % 2}" for index, name in enumerate(names)}
    group = {
        (r, p, c): generator.normal(0, 0.3, 2)
        for r in RETAILERS
        for p in PLACEMENTS
        for c in sorted(set(category.values()))
    }
    rows, truth = [], []
    incremental: dict[tuple[str, str], float] = {}
    attributed: dict[tuple[str, str], float] = {}
    for retailer in RETAILERS:
        for placement in PLACEMENTS:
            for sku in names:
                in_stock = np.ones(weeks)
                if stock_outs and sku == names[0]:
                    in_stock[::2] = 0.1
                for audience in AUDIENCES:
                    effect = group[retailer, placement, category[sku]]
                    initial = float(np.exp(np.log(5) + effect[0] + generator.normal(0, 0.4)))
                    half = float(np.exp(np.log(900) + effect[1] + generator.normal(0, 0.5)))
                    spend = (
                        half * np.exp(generator.normal(-0.4, 0.5)) * np.exp(generator.normal(0, 0.4, weeks))
                    )
                    mean = in_stock * initial * spend / (1 + spend / half)
                    noise = np.exp(generator.normal(0, demand_noise, weeks) - demand_noise**2 / 2)
                    orders = generator.poisson((mean * noise + ORGANIC_PER_DOLLAR * in_stock * spend) / 12.0)
                    cell = (retailer, placement)
                    incremental[cell] = incremental.get(cell, 0.0) + float((mean * noise).sum())
                    attributed[cell] = attributed.get(cell, 0.0) + 12.0 * float(orders.sum())
                    truth.append((retailer, placement, audience, sku, initial, half))
                    rows.extend(
                        (
                            retailer,
                            placement,
                            audience,
                            sku,
                            FIRST_WEEK + timedelta(weeks=week),
                            float(spend[week]),
                            12.0 * orders[week],
                            float(orders[week]),
                            0.0,
                            0.0,
                            float(in_stock[week]),
                            0.0,
                            12.0,
                            float(in_stock[week]),
                        )
                        for week in range(weeks)
                    )
    panel = pl.DataFrame(rows, schema=PANEL_SCHEMA, orient="row")
    view = PlanningView(
        mode="full_data",
        brand_id="brand_x",
        panel=panel,
        skus=pl.DataFrame(
            {
                "sku_id": names,
                "brand_id": "brand_x",
                "category": [category[name] for name in names],
                "line_id": [f"line{index % 3}" for index in range(skus)],
                "title": names,
                "margin_rate": generator.uniform(0.2, 0.5, skus),
                "price_usd": 12.0,
            }
        ),
        availability=(
            panel.group_by("retailer_id", "sku_id")
            .agg(in_stock_probability=pl.col("in_stock_share").mean(), stock_units=pl.lit(100))
            .sort("retailer_id", "sku_id")
        ),
        audience_shares=None,
        incrementality=pl.DataFrame(
            [(r, p, incremental[r, p] / attributed[r, p], 0.02) for r, p in incremental],
            schema=["retailer_id", "placement_type", "incrementality_multiplier", "standard_error"],
            orient="row",
        ),
        assumed_margin_rate=0.34,
    )
    columns = [*KEYS, "initial", "half"]
    return Simulated(view, pl.DataFrame(truth, schema=columns, orient="row"))


def released_cells(view: PlanningView, noise_sd: float, seed: int = 3) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What a clean room would release of the same history: no audiences per SKU, noise with a known bound."""
    generator = np.random.default_rng(seed)
    cells = (
        view.panel.group_by("retailer_id", "week", "placement_type", "sku_id")
        .agg(
            revenue_usd=pl.col("attributed_revenue_usd").sum(),
            cost_usd=pl.col("spend_usd").sum(),
            conversions=pl.col("conversions").sum(),
        )
        .sort("retailer_id", "placement_type", "sku_id", "week")
    )
    size = cells.height
    cells = cells.with_columns(
        revenue_usd=pl.col("revenue_usd") + pl.Series(generator.normal(0, noise_sd, size)),
        cost_usd=pl.col("cost_usd") + pl.Series(generator.normal(0, noise_sd / 5, size)),
        revenue_usd_error95=pl.lit(1.96 * noise_sd),
        cost_usd_error95=pl.lit(1.96 * noise_sd / 5),
        suppressed=pl.Series(generator.random(size) < 0.1),
    )
    audiences = view.panel.group_by("retailer_id", "placement_type", "audience_id").agg(
        cost_usd=pl.col("spend_usd").sum(), revenue_usd=pl.col("attributed_revenue_usd").sum()
    )
    return cells, audiences
