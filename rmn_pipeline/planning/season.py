"""What season the planned weeks will be: an annual wave per category, learnt from the weeks that were seen.

History is rarely a whole year, so the wave is a single cosine with a prior around "no season"; half a year of data
says where it is, the prior keeps a noisy one flat. The brand's own sales show it best; without them, the weekly
ups and downs of the advertising response have to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from rmn_pipeline.planning.curves import Floats
from rmn_pipeline.planning.settings import PlannerSettings
from rmn_pipeline.planning.view import PlanningView

DAYS_PER_YEAR = 365.25
AMPLITUDE_PRIOR_SD = 0.2
# Real seasons are no cosines: the forecast is never believed better than this (log scale).
FORM_ERROR_SD = 0.03


@dataclass(frozen=True)
class SeasonModel:
    """Per category, the coefficients of the wave (cosine, sine) on the log scale and their covariance."""

    categories: tuple[str, ...]
    coefficients: Floats
    covariance: Floats
    history: tuple[date, ...]

    def outlook(self, start: date, weeks: int) -> tuple[Floats, Floats]:
        """Expected level of the planned weeks against history's, per category, and its log standard deviation."""
        ahead = _wave([start + timedelta(weeks=week) for week in range(weeks)])
        behind = _wave(self.history)
        level = np.exp(ahead @ self.coefficients.T).mean(axis=0) / np.exp(behind @ self.coefficients.T).mean(
            axis=0
        )
        change = ahead.mean(axis=0) - behind.mean(axis=0)
        variance = np.einsum("i,cij,j->c", change, self.covariance, change)
        return level, np.sqrt(variance + FORM_ERROR_SD**2)


def fit_season(view: PlanningView, week_effects: pl.DataFrame, settings: PlannerSettings) -> SeasonModel:
    """Learn the wave from the brand's sales where they may be seen, from the response's week effects otherwise.

    `week_effects` holds category, week and log_effect.
    """
    categories = tuple(sorted(week_effects["category"].unique().to_list()))
    if view.sales_weeks is None:
        table = week_effects.select(
            "category", "week", shelf=pl.lit("all"), log_index=pl.col("log_effect"), promo=pl.lit(0.0)
        )
    else:
        table = _sales(view.sales_weeks, view.skus, settings)
    fits = [_fit(table.filter(pl.col("category") == name)) for name in categories]
    return SeasonModel(
        categories=categories,
        coefficients=np.array([coefficients for coefficients, _ in fits]),
        covariance=np.array([covariance for _, covariance in fits]),
        history=tuple(week_effects["week"].unique().sort().to_list()),
    )


def _sales(sales: pl.DataFrame, skus: pl.DataFrame, settings: PlannerSettings) -> pl.DataFrame:
    """Log sales per shelf and week at full stock."""
    stocked = pl.col("in_stock_share") >= settings.censor_below_in_stock_share
    return (
        sales.filter(stocked & (pl.col("sales_index") > 0))
        .join(skus.select("sku_id", "category"), on="sku_id")
        .select(
            "category",
            "week",
            shelf=pl.col("retailer_id") + "/" + pl.col("sku_id"),
            log_index=(pl.col("sales_index") / pl.col("in_stock_share")).log(),
            promo=pl.col("promo_share"),
        )
    )


def _fit(rows: pl.DataFrame) -> tuple[Floats, Floats]:
    """Ridge regression on the wave and promotions, every shelf around its own level."""
    if rows.height < 3:
        return np.zeros(2), np.eye(2) * AMPLITUDE_PRIOR_SD**2
    shelf = rows.select(pl.col("shelf").rank("dense")).to_series().to_numpy().astype(np.int64) - 1
    columns = np.column_stack(
        [_wave(rows["week"].to_list()), rows["promo"].to_numpy(), rows["log_index"].to_numpy()]
    )
    counts = np.bincount(shelf)
    for column in range(columns.shape[1]):
        columns[:, column] -= (np.bincount(shelf, weights=columns[:, column]) / counts)[shelf]
    design, target = columns[:, :3], columns[:, 3]
    variance = max(float(target.var()), 1e-6)
    coefficients = covariance = np.zeros(0)
    # Twice: the noise is first taken to be everything, then what the wave leaves over.
    for _ in range(2):
        penalty = np.diag([variance / AMPLITUDE_PRIOR_SD**2, variance / AMPLITUDE_PRIOR_SD**2, 1e-6])
        inverse = np.linalg.inv(design.T @ design + penalty)
        coefficients, covariance = inverse @ design.T @ target, inverse * variance
        variance = max(float(np.mean((target - design @ coefficients) ** 2)), 1e-6)
    return coefficients[:2], covariance[:2, :2]


def _wave(weeks: Sequence[date]) -> Floats:
    angle = np.array([2 * np.pi * week.timetuple().tm_yday / DAYS_PER_YEAR for week in weeks])
    return np.column_stack([np.cos(angle), np.sin(angle)])
