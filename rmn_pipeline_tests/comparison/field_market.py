"""A small brand with both views and a judge that knows its curves, for tests of field values."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from rmn_pipeline.comparison.judge import ARM_KEYS, OUTCOME_COLUMNS
from rmn_pipeline.planning import Plan, PlanningView, PlanRequest, clean_room_view
from rmn_pipeline_tests.comparison.simulated import SimulatedJudgement
from rmn_pipeline_tests.planning.simulated import released_cells, simulate

WEEKS = 8


@dataclass(frozen=True)
class CurveJudge:
    """Realizes Hill curves with each product's true margin and luck that belongs to replicate and product."""

    truth: pl.DataFrame
    skus: pl.DataFrame
    noise: float = 0.1

    def realize(self, plan: Plan, *, replicates: int, seed: int) -> SimulatedJudgement:
        names = sorted(self.skus["sku_id"].to_list())
        luck = 1 + self.noise * np.random.default_rng(seed).standard_normal((replicates, len(names)))
        table = (
            plan.allocation_frame()
            .group_by(ARM_KEYS)
            .agg(pl.col("spend_usd").sum())
            .join(self.truth, on=ARM_KEYS, how="left")
            .join(self.skus.select("sku_id", rate="margin_rate"), on="sku_id")
            .with_columns(pl.col("initial", "half").fill_null(1.0))
            .sort(ARM_KEYS)
        )
        weekly = table["spend_usd"].to_numpy() / plan.weeks
        base = plan.weeks * table["initial"].to_numpy() * weekly / (1 + weekly / table["half"].to_numpy())
        place = [names.index(name) for name in table["sku_id"].to_list()]
        frames = []
        for replicate in range(replicates):
            revenue = base * luck[replicate, place]
            frames.append(
                table.with_columns(
                    replicate=pl.lit(replicate),
                    incremental_revenue_usd=pl.Series(revenue),
                    incremental_margin_usd=pl.Series(revenue * table["rate"].to_numpy()),
                    attributed_revenue_usd=pl.Series(revenue),
                    conversions=pl.Series(revenue / 12.0),
                    out_of_stock_spend_usd=pl.lit(0.0),
                ).select("replicate", *ARM_KEYS, *OUTCOME_COLUMNS)
            )
        arms = pl.concat(frames)
        totals = arms.group_by("replicate").agg(pl.col(OUTCOME_COLUMNS).sum()).sort("replicate")
        return SimulatedJudgement(arms, totals)


@dataclass(frozen=True)
class FieldMarket:
    full: PlanningView
    clean: PlanningView
    judge: CurveJudge
    request: PlanRequest

    def true_arms(self) -> pl.DataFrame:
        """The truth as an oracle takes it."""
        keys = list(ARM_KEYS)
        spend = self.full.panel.group_by(keys).agg(reference_spend_usd_per_week=pl.col("spend_usd").mean())
        return (
            self.judge.truth.rename({"initial": "initial_iroas", "half": "half_saturation_usd_per_week"})
            .join(self.full.skus.select("sku_id", "line_id", "margin_rate"), on="sku_id")
            .join(spend, on=keys)
            .with_columns(revenue_per_conversion_usd=pl.lit(12.0), in_stock_probability=pl.lit(1.0))
        )


def field_market(seed: int, *, skus: int = 6, weeks: int = 12) -> FieldMarket:
    """Margins differ, nothing else that is withheld matters; released cells are noisy."""
    made = simulate(seed=seed, skus=skus, weeks=weeks)
    sales = made.view.panel.select(
        "retailer_id", "sku_id", "week", "sales_index", "in_stock_share", "promo_share"
    )
    full = replace(
        made.view, sales_weeks=sales.unique(["retailer_id", "sku_id", "week"], maintain_order=True)
    )
    cells, audiences = released_cells(full, noise_sd=150.0, seed=seed)
    blocked = ("margin", "stock_level", "promo_flag", "price")
    clean = clean_room_view(cells, audiences, full.skus, full.incrementality, "brand_x", 0.34, blocked)
    request = PlanRequest(brand_id="brand_x", budget_usd=40_000, weeks=WEEKS, objective="incremental_margin")
    return FieldMarket(full, clean, CurveJudge(made.truth, full.skus), request)


def with_random_promotions(view: PlanningView, seed: int) -> PlanningView:
    """A promotion calendar that means nothing: coin flips per product and week."""
    weeks = view.panel.select("sku_id", "week").unique(maintain_order=True)
    flips = np.random.default_rng(seed).integers(0, 2, weeks.height).astype(float)
    calendar = weeks.with_columns(promo_share=pl.Series(flips))
    columns = view.panel.columns
    panel = view.panel.drop("promo_share").join(calendar, on=["sku_id", "week"], maintain_order="left")
    return replace(view, panel=panel.select(columns))
