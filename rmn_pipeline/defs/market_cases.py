"""Markets as cases for the sensitivity study: built, released through the real clean room, ready to be played.

Belongs here because nothing below may know both a market's truth and the planner's views of it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from rmn_pipeline.cleanroom import CleanRoom, CleanRoomView, load_policy, release_view
from rmn_pipeline.comparison.sensitivity import WorldCase
from rmn_pipeline.defs.project import Project
from rmn_pipeline.planning import (
    PlanningView,
    PlanRequest,
    baseline_plan,
    clean_room_view,
    full_data_view,
    oracle_plan,
)
from rmn_pipeline.world import World, build_world
from rmn_pipeline.world.config import WorldConfig, default_brands
from rmn_pipeline.world.presets import preset
from rmn_pipeline.world.tables import AdvertiserTables

BRAND_ID = "brand_x"
DAYS_PER_WEEK = 7
PLANNED_WEEKS = 13


@dataclass(frozen=True)
class MarketSize:
    """How large each market of a study is: small enough that many can be built."""

    arms: int = 120
    skus: int = 30
    days: int = 182
    customers_per_retailer: int = 60_000

    def knobs(self) -> dict[str, Any]:
        """As changes of a market's configuration: one brand, this size."""
        return {
            "arms": self.arms,
            "skus": self.skus,
            "days": self.days,
            "customers_per_retailer": self.customers_per_retailer,
            "brands": default_brands()[:1],
        }


def market_seeds(worlds: int, first_seed: int) -> list[int]:
    """One seed per market, the same for every preset."""
    return [first_seed + number for number in range(worlds)]


def market_cases(
    project: Project, names: Sequence[str], seeds: Sequence[int], size: MarketSize
) -> Iterator[WorldCase]:
    """Cases seed by seed through all presets, so that a study cut short is still balanced."""
    for seed in seeds:
        for name in names:
            yield market_case(project, name, preset(name, seed=seed, **size.knobs()))


def market_case(project: Project, name: str, config: WorldConfig) -> WorldCase:
    """One market with both views of its brand.

    The budget is what the brand spent per week in history, so that plans stay where curves were seen. There is no
    limit but the budget: every combination of fields has the same feasible set, and the gap is information alone.
    """
    world = build_world(config)
    tables = world.advertiser_tables(BRAND_ID)
    full = full_data_view(
        tables.events,
        tables.skus,
        tables.private_daily,
        tables.incrementality,
        brand_id=BRAND_ID,
        assumed_margin_rate=tables.assumed_margin_rate,
    )
    start = world.plan_start_date
    request = _request(full)
    return WorldCase(
        preset=name,
        seed=config.seed,
        request=request,
        full=full,
        clean=_clean_view(project, world, tables),
        judge=world,
        start_date=start,
        references={
            "oracle": oracle_plan(request, world.true_arms(BRAND_ID, start, PLANNED_WEEKS), start_date=start),
            "status_quo": baseline_plan(request, full, "status_quo", start_date=start),
        },
    )


def _request(full: PlanningView) -> PlanRequest:
    weekly = float(full.panel["spend_usd"].sum()) / full.panel["week"].n_unique()
    return PlanRequest(
        brand_id=BRAND_ID,
        budget_usd=round(weekly * PLANNED_WEEKS),
        weeks=PLANNED_WEEKS,
        objective="incremental_margin",
        experiment_share=0.0,
        exclude_out_of_stock=False,
    )


def _clean_view(project: Project, world: World, tables: AdvertiserTables) -> PlanningView:
    releases = [_release(project, world, tables, spec.retailer_id) for spec in world.config.retailers]
    return clean_room_view(
        pl.concat([release.cells for release in releases]),
        pl.concat([release.audience_cells for release in releases]),
        tables.skus,
        tables.incrementality,
        brand_id=BRAND_ID,
        assumed_margin_rate=tables.assumed_margin_rate,
        blocked_fields=releases[0].blocked_fields,
        campaigns=tables.campaigns,
        last_day=max(release.last_day for release in releases),
    )


def _release(project: Project, world: World, tables: AdvertiserTables, retailer_id: str) -> CleanRoomView:
    """The retailer's own policy on this market's log; a fresh market has customers of its own, hence a fresh budget."""
    log = world.log_table(retailer_id)
    with tempfile.TemporaryDirectory() as folder:
        room = CleanRoom(
            log,
            load_policy(project.retailer_dir(retailer_id) / "policy.yaml"),
            ledger=Path(folder) / "ledger.sqlite",
            sku_ids=tables.skus["sku_id"].to_list(),
            dataset_id=f"{retailer_id}:{world.config.digest[:16]}",
        )
        with room:
            first, last = log.select(first=pl.col("date").min(), last=pl.col("date").max()).row(0)
            return release_view(room, retailer_id=retailer_id, start=first, end=last)
