"""The world as one object: built from a config, written as landing files, asked as a judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from rmn_pipeline.world.config import WorldConfig
from rmn_pipeline.world.expectation import expected_outcome, true_arms, true_curves
from rmn_pipeline.world.history import History, make_history
from rmn_pipeline.world.landing import LandingManifest, intact_landing, write_landing
from rmn_pipeline.world.market import Market, Shelf, make_market, make_shelf
from rmn_pipeline.world.plans import PlanLike
from rmn_pipeline.world.realize import Realized, realize
from rmn_pipeline.world.response import Response, make_response
from rmn_pipeline.world.tables import AdvertiserTables, advertiser_tables, log_table


@dataclass(frozen=True)
class World:
    """A market with its truth. Planners see only the files it writes; a comparison may ask it to judge."""

    config: WorldConfig
    market: Market
    shelf: Shelf
    response: Response
    history: History

    @property
    def plan_start_date(self) -> date:
        """First Monday after history."""
        after = self.config.start_date + timedelta(days=self.config.days)
        return after + timedelta(days=(8 - after.isoweekday()) % 7)

    def write_landing(self, data_dir: Path | str) -> LandingManifest:
        """Write landing files and private feeds below a data folder; skipped where they are already there."""
        data_dir = Path(data_dir)
        intact = intact_landing(data_dir, self.config)
        return intact or write_landing(data_dir, self.market, self.shelf, self.history)

    def advertiser_tables(self, brand_id: str) -> AdvertiserTables:
        """What the brand would hold after perfect harmonization, without any file."""
        return advertiser_tables(self.market, self.shelf, self.history, brand_id)

    def log_table(self, retailer_id: str) -> pl.DataFrame:
        """The retailer's customer-level log, as its clean room reads it."""
        return log_table(self.history, self.config, retailer_id)

    def realize(self, plan: PlanLike, replicates: int = 50, seed: int | None = None) -> Realized:
        """Judge a plan on fresh weeks, with common random numbers over plans."""
        return realize(self.market, self.response, plan, replicates=replicates, seed=seed)

    def expect(self, plan: PlanLike) -> pl.DataFrame:
        """The exact expectation of `realize` per arm of a plan."""
        return expected_outcome(self.market, self.response, plan)

    def true_arms(self, brand_id: str, start_date: date, weeks: int) -> pl.DataFrame:
        """Expected curves of the brand's advertised arms, for an oracle plan."""
        return true_arms(self.market, self.response, self.history, brand_id, start_date, weeks)

    def true_curves(
        self, brand_id: str, start: date, weeks: int, spend_multiples: Sequence[float]
    ) -> pl.DataFrame:
        """Expected own-arm weekly revenue of the brand's advertised arms at multiples of their past spend."""
        return true_curves(self.market, self.response, self.history, brand_id, start, weeks, spend_multiples)


def build_world(config: WorldConfig) -> World:
    """Draw a whole market from its seed."""
    market = make_market(config)
    shelf = make_shelf(market)
    response = make_response(market)
    return World(config, market, shelf, response, make_history(market, shelf, response))
