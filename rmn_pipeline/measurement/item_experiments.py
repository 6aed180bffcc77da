"""Item × time experiments on retail media: which share of what a network claims would not have come anyway.

In a cell (retailer, placement) half of the advertised SKUs are switched off in every period, in a balanced switchback.
The brand sees every SKU's total sales; the effect per treated SKU-period over what the network attributed to it is the
cell's incrementality multiplier, the read-out that response estimation takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import stats

from rmn_pipeline.measurement.arrays import Floats
from rmn_pipeline.measurement.errors import MeasurementError
from rmn_pipeline.measurement.switchback import SwitchbackDesign, switchback_design
from rmn_pipeline.measurement.switchback_lift import SwitchbackResult, switchback_lift

Cell = tuple[str, str]
CELL_KEYS = ("retailer_id", "placement_type")
# With fewer SKUs and periods too few assignments exist to reject anything.
FEWEST_SKUS = 4
FEWEST_PERIODS = 4

MULTIPLIER_SCHEMA = {
    "retailer_id": pl.String,
    "placement_type": pl.String,
    "incrementality_multiplier": pl.Float64,
    "standard_error": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "p": pl.Float64,
    "attributed_usd_per_sku_period": pl.Float64,
    "skus": pl.Int64,
    "periods": pl.Int64,
}


@dataclass(frozen=True)
class ItemExperiment:
    """One switchback per cell; `not_tested` says which cells are too small."""

    designs: Mapping[Cell, SwitchbackDesign]
    not_tested: tuple[Cell, ...]

    def schedule(self) -> pl.DataFrame:
        """Who is on when: retailer_id, placement_type, sku_id, period (from 0), is_on."""
        frames = [
            pl.DataFrame(
                {
                    "retailer_id": retailer,
                    "placement_type": placement,
                    "sku_id": np.repeat(np.array(design.units), design.periods),
                    "period": np.tile(np.arange(design.periods), len(design.units)),
                    "is_on": design.treated.ravel(),
                }
            )
            for (retailer, placement), design in self.designs.items()
        ]
        return pl.concat(frames)


def item_experiment(
    arms: pl.DataFrame, periods: int, *, carryover: int = 0, cells: int | None = None, seed: int = 1
) -> ItemExperiment:
    """Draw switchbacks for the cells with the most money for experiments.

    Args:
        arms: retailer_id, placement_type, sku_id, spend_usd (usual) and experiment_usd (what testing may cost).
        periods: how many there are; an odd one, or the end of a pair of blocks, is left out.
        carryover: periods that an ad works on after it is switched off.
        cells: how many cells to test at most.
        seed: of the draw.

    Raises:
        MeasurementError: too few periods, or no cell has 4 SKUs.
    """
    skus = arms.group_by(*CELL_KEYS, "sku_id").agg(pl.col("spend_usd", "experiment_usd").sum())
    ranked = skus.group_by(CELL_KEYS).agg(pl.len(), pl.col("experiment_usd").sum())
    ranked = ranked.sort("experiment_usd", *CELL_KEYS, descending=[True, False, False])
    large = ranked.filter(pl.col("len") >= FEWEST_SKUS).head(cells or ranked.height)
    pair = 2 * max(2 * carryover, carryover + 1)
    whole = periods // pair * pair
    if whole < FEWEST_PERIODS or large.is_empty():
        raise MeasurementError(
            f"an item experiment needs {FEWEST_PERIODS} periods in whole pairs of blocks and a cell with {FEWEST_SKUS} "
            f"SKUs; it got {whole} periods and {large.height} such cells"
        )
    designs = {}
    for number, cell in enumerate(large.select(CELL_KEYS).iter_rows()):
        own = skus.filter((pl.col("retailer_id") == cell[0]) & (pl.col("placement_type") == cell[1]))
        ordered = own.sort("spend_usd", "sku_id", descending=[True, False])["sku_id"].to_list()
        units = ordered[: 2 * (len(ordered) // 2)]
        designs[cell] = switchback_design(whole, carryover, units, kind="balanced", seed=seed + number)
    small = ranked.join(large, on=CELL_KEYS, how="anti").select(CELL_KEYS).rows()
    return ItemExperiment(designs, tuple(small))


def read_multipliers(
    experiment: ItemExperiment, sales: pl.DataFrame, attributed: pl.DataFrame, alpha: float = 0.05
) -> tuple[pl.DataFrame, dict[Cell, SwitchbackResult]]:
    """Multipliers of the tested cells, and each cell's full read-out.

    Args:
        experiment: what was drawn, and run.
        sales: retailer_id, sku_id, period, sales_usd: all sales of the SKU there, whatever brought them.
        attributed: retailer_id, placement_type, sku_id, period, attributed_usd: the network's claims.
        alpha: one minus the level of the intervals.

    Raises:
        MeasurementError: a SKU-period has no sales row, or the network attributed nothing to a cell.
    """
    rows, results = [], {}
    for cell, design in experiment.designs.items():
        outcome = _grid(design, sales.filter(pl.col("retailer_id") == cell[0]), "sales_usd", None)
        own = attributed.filter((pl.col("retailer_id") == cell[0]) & (pl.col("placement_type") == cell[1]))
        claimed = float(_grid(design, own, "attributed_usd", 0.0)[design.treated].mean())
        if claimed <= 0:
            raise MeasurementError(
                f"{cell[0]}/{cell[1]}: the network attributed nothing while ads were on; check its report"
            )
        found = switchback_lift(design, outcome, alpha=alpha)
        results[cell] = found
        error = (found.high - found.low) / (2.0 * float(stats.norm.isf(alpha / 2))) / claimed
        rows.append(
            (
                *cell, found.effect / claimed, error, found.low / claimed, found.high / claimed, found.p,
                claimed, len(design.units), design.periods,
            )
        )  # fmt: skip
    return pl.DataFrame(rows, schema=MULTIPLIER_SCHEMA, orient="row"), results


def _grid(design: SwitchbackDesign, rows: pl.DataFrame, column: str, unknown: float | None) -> Floats:
    """Units × periods of one column."""
    wanted = pl.DataFrame({"sku_id": design.units}).join(
        pl.DataFrame({"period": np.arange(design.periods)}), how="cross"
    )
    sums = (
        rows.group_by("sku_id", "period")
        .agg(pl.col(column).sum())
        .with_columns(pl.col("period").cast(pl.Int64))
    )
    found = wanted.join(sums, on=["sku_id", "period"], how="left", maintain_order="left")[column]
    if unknown is None and found.null_count():
        at = wanted.row(int(found.is_null().arg_max() or 0))
        raise MeasurementError(
            f"no {column} of SKU {at[0]} in period {at[1]}; every tested SKU needs every period"
        )
    filled = found.fill_null(unknown) if unknown is not None else found
    return filled.to_numpy().astype(np.float64).reshape(len(design.units), design.periods)
