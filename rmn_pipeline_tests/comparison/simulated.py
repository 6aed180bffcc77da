"""A small market of its own for these tests: plans, products, and a judge with known truth and shared luck."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import polars as pl

from rmn_pipeline.comparison.judge import ARM_KEYS, OUTCOME_COLUMNS
from rmn_pipeline.planning import AllocationItem, Plan, PlanRequest, Predicted

RETAILERS = ("alpha", "beta", "gamma", "delta")
PLACEMENTS = ("search", "category", "product_detail", "home", "offsite")
AUDIENCES = ("loyal", "lapsed", "new_to_brand", "in_market")
START, WEEKS = date(2026, 7, 6), 26


@dataclass(frozen=True)
class SimulatedJudgement:
    arms: pl.DataFrame
    totals: pl.DataFrame


@dataclass(frozen=True)
class SimulatedJudge:
    """Realizes an arm at spend × its true return, times luck that belongs to the replicate and the product."""

    true_iroas: dict[str, float]
    margin_rate: dict[str, float]
    out_of_stock_share: dict[str, float] = field(default_factory=dict)
    noise: float = 0.1

    def realize(self, plan: Plan, *, replicates: int, seed: int) -> SimulatedJudgement:
        names = sorted(self.true_iroas)
        random = np.random.default_rng(seed)
        market = 1 + self.noise * random.standard_normal(replicates)
        luck = market[:, None] * (1 + self.noise * random.standard_normal((replicates, len(names))))
        position = {name: place for place, name in enumerate(names)}
        items = plan.allocation_frame().group_by(ARM_KEYS).agg(pl.col("spend_usd").sum()).sort(ARM_KEYS)
        frames = [self._replicate(items, r, luck[r], position) for r in range(replicates)]
        arms = pl.concat(frames)
        totals = arms.group_by("replicate").agg(pl.col(OUTCOME_COLUMNS).sum()).sort("replicate")
        return SimulatedJudgement(arms, totals)

    def _replicate(
        self, items: pl.DataFrame, replicate: int, luck: np.ndarray, position: dict[str, int]
    ) -> pl.DataFrame:
        skus = items["sku_id"].to_list()
        spend = items["spend_usd"].to_numpy()
        returns = np.array([self.true_iroas[sku] for sku in skus])
        rates = np.array([self.margin_rate[sku] for sku in skus])
        gone = np.array([self.out_of_stock_share.get(sku, 0.0) for sku in skus])
        revenue = spend * returns * luck[[position[sku] for sku in skus]] * (1 - gone)
        return items.with_columns(
            pl.lit(replicate).alias("replicate"),
            pl.Series("incremental_revenue_usd", revenue),
            pl.Series("incremental_margin_usd", revenue * rates),
            pl.Series("attributed_revenue_usd", revenue * 1.4),
            pl.Series("conversions", revenue / 12.5),
            pl.Series("out_of_stock_spend_usd", spend * gone),
        ).select("replicate", *ARM_KEYS, *OUTCOME_COLUMNS)


def item(
    sku_id: str,
    spend_usd: float,
    predicted_revenue_usd: float = 0.0,
    *,
    predicted_margin_usd: float = 0.0,
    retailer_id: str = "alpha",
    placement_type: str = "search",
    audience_id: str = "loyal",
    purpose: str = "working",
) -> AllocationItem:
    return AllocationItem.model_validate(
        {
            "retailer_id": retailer_id,
            "placement_type": placement_type,
            "audience_id": audience_id,
            "sku_id": sku_id,
            "spend_usd": spend_usd,
            "purpose": purpose,
            "predicted_incremental_revenue_usd": predicted_revenue_usd,
            "predicted_incremental_margin_usd": predicted_margin_usd,
            "predicted_conversions": predicted_revenue_usd / 12.5,
        }
    )


def plan_of(mode: str, allocation: Sequence[AllocationItem], request: PlanRequest, **changes: object) -> Plan:
    spend = sum(entry.spend_usd for entry in allocation)
    revenue = sum(entry.predicted_incremental_revenue_usd for entry in allocation)
    fields = {
        "plan_id": f"{mode}-1",
        "brand_id": request.brand_id,
        "mode": mode if mode in ("full_data", "clean_room", "oracle") else "baseline",
        "request": request,
        "start_date": START,
        "weeks": WEEKS,
        "status": "optimal",
        "objective": "incremental_margin",
        "budget_usd": request.budget_usd,
        "allocation": tuple(allocation),
        "predicted": Predicted(
            spend_usd=spend,
            incremental_revenue_usd=revenue,
            incremental_margin_usd=sum(e.predicted_incremental_margin_usd for e in allocation),
            iroas=revenue / spend if spend else None,
            conversions=revenue / 12.5,
            attributed_revenue_usd=1.4 * revenue,
            roas=1.4 * revenue / spend if spend else None,
        ),
        "unspent_usd": request.budget_usd - spend,
    }
    return Plan.model_validate({**fields, **changes})
