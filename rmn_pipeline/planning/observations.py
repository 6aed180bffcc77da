"""The panel as flat arrays: arms, their observed weeks, and what else is known about each of those weeks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rmn_pipeline.planning.curves import Floats
from rmn_pipeline.planning.frames import require_rows
from rmn_pipeline.planning.settings import PlannerSettings
from rmn_pipeline.planning.view import ARM_KEYS, PlanningView

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Observations:
    """One entry per arm and week that carries information; `revenue_usd` is net of `organic_usd`.

    `arms` holds one row per arm in index order, `week_table` the category and week of every week cell.
    """

    arms: pl.DataFrame
    arm: Integers
    week_cell: Integers
    week_table: pl.DataFrame
    category: Integers
    categories: int
    spend_usd: Floats
    revenue_usd: Floats
    organic_usd: Floats
    revenue_noise_variance: Floats
    spend_noise_variance: Floats
    in_stock_share: Floats
    promo_share: Floats
    sales_index: Floats
    revenue_per_conversion_usd: Floats
    censored_weeks: int

    @property
    def week_cells(self) -> int:
        """Number of category-weeks, in the order of `week_table`."""
        return self.week_table.height

    @property
    def arm_count(self) -> int:
        """Number of arms."""
        return self.arms.height

    def net_of(self, organic_usd: Floats) -> Observations:
        """The same observations with organic claims moved out of the revenue."""
        return replace(
            self, revenue_usd=self.revenue_usd - organic_usd, organic_usd=self.organic_usd + organic_usd
        )

    def per_arm(self, values: Floats) -> Floats:
        """Sum of an observation-long array within each arm."""
        return np.bincount(self.arm, weights=values, minlength=self.arm_count).astype(np.float64)


def observe(view: PlanningView, settings: PlannerSettings) -> Observations:
    """Flatten a view's panel. Withheld stock or promotion count as "nothing known": shares of 1 and 0."""
    require_rows(
        view.panel, f"the panel of brand '{view.brand_id}' is empty; nothing to learn responses from"
    )
    panel = view.panel.join(view.skus.select("sku_id", "category", "line_id"), on="sku_id", how="inner")
    panel = panel.filter((pl.col("spend_usd") > 0) & pl.col("attributed_revenue_usd").is_not_null())
    require_rows(panel, f"no arm of brand '{view.brand_id}' has any spend in the panel")
    informative = panel.filter(
        pl.col("in_stock_share").fill_null(1.0) >= settings.censor_below_in_stock_share
    )
    require_rows(informative, f"every spending week of brand '{view.brand_id}' was out of stock")
    arms = _arms(informative, settings)
    rows = informative.join(
        arms.select(*ARM_KEYS, "arm"), on=list(ARM_KEYS), how="inner", nulls_equal=True, maintain_order="left"
    )
    category = _codes(rows, ["category"])
    week_cell = _codes(rows, ["category", "week"])
    arm = rows["arm"].to_numpy().astype(np.int64)
    return Observations(
        arms=arms.drop("arm"),
        arm=arm,
        week_cell=week_cell,
        week_table=rows.select("category", "week").unique().sort("category", "week"),
        category=category,
        categories=int(category.max()) + 1,
        spend_usd=_floats(rows, "spend_usd", 0.0),
        revenue_usd=_floats(rows, "attributed_revenue_usd", 0.0),
        organic_usd=np.zeros(rows.height),
        revenue_noise_variance=_floats(rows, "revenue_noise_sd_usd", 0.0) ** 2,
        spend_noise_variance=_floats(rows, "spend_noise_sd_usd", 0.0) ** 2,
        in_stock_share=_floats(rows, "in_stock_share", 1.0),
        promo_share=_floats(rows, "promo_share", 0.0),
        sales_index=_floats(rows, "sales_index", 1.0),
        revenue_per_conversion_usd=arms["revenue_per_conversion_usd"].to_numpy()[arm],
        censored_weeks=panel.height - informative.height,
    )


def _arms(panel: pl.DataFrame, settings: PlannerSettings) -> pl.DataFrame:
    """One row per arm with its usual spend, its promotion habit and what a conversion brings."""
    arms = panel.group_by(*ARM_KEYS, "category", "line_id", maintain_order=True).agg(
        usual_spend_usd_per_week=pl.col("spend_usd").mean(),
        observed_weeks=pl.len(),
        attributed_revenue_usd=pl.col("attributed_revenue_usd").sum(),
        spend_usd=pl.col("spend_usd").sum(),
        usual_promo_share=pl.col("promo_share").mean().fill_null(0.0),
    )
    value = _revenue_per_conversion(panel, settings)
    joined = arms.join(value, on=["retailer_id", "sku_id"], how="left")
    return joined.sort(*ARM_KEYS, nulls_last=True).with_row_index("arm")


def _revenue_per_conversion(panel: pl.DataFrame, settings: PlannerSettings) -> pl.DataFrame:
    """Revenue per conversion of each SKU at each retailer, pulled towards its category's where counts are small."""
    conversions = pl.col("conversions").fill_null(0.0).clip(lower_bound=0.0)
    keys = ["retailer_id", "category", "sku_id"]
    sums = panel.group_by(keys, maintain_order=True).agg(
        revenue=pl.col("attributed_revenue_usd").sum().clip(lower_bound=0.0), count=conversions.sum()
    )
    group = sums.group_by("retailer_id", "category", maintain_order=True).agg(
        group_revenue=pl.col("revenue").sum(), group_count=pl.col("count").sum()
    )
    require_rows(
        group.filter((pl.col("group_count") > 0) & (pl.col("group_revenue") > 0)),
        "the panel holds no conversions with revenue; a cost per conversion cannot be planned",
    )
    overall = float(group["group_revenue"].sum()) / float(group["group_count"].sum())
    group = group.with_columns(
        group_value=pl.when((pl.col("group_count") > 0) & (pl.col("group_revenue") > 0))
        .then(pl.col("group_revenue") / pl.col("group_count"))
        .otherwise(overall)
    )
    weight = settings.conversion_shrinkage
    return sums.join(group, on=["retailer_id", "category"]).select(
        "retailer_id",
        "sku_id",
        revenue_per_conversion_usd=(pl.col("revenue") + weight * pl.col("group_value"))
        / (pl.col("count") + weight),
    )


def _codes(rows: pl.DataFrame, columns: list[str]) -> Integers:
    """Dense integer codes of the combinations of columns, in sorted order."""
    return rows.select(pl.struct(columns).rank("dense")).to_series().to_numpy().astype(np.int64) - 1


def _floats(rows: pl.DataFrame, column: str, unknown: float) -> Floats:
    return rows[column].fill_null(unknown).cast(pl.Float64).to_numpy().astype(np.float64)
