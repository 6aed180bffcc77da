"""The panel as flat arrays: arms, their observed weeks, and what else is known about each of those weeks."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from rmn_pipeline.planning.curves import Floats
from rmn_pipeline.planning.frames import require_rows
from rmn_pipeline.planning.settings import PlannerSettings
from rmn_pipeline.planning.view import ARM_KEYS, PlanningView

Integers = NDArray[np.int64]
# Weeks of an arm at which its own spread of spend counts as much as the pooled one.
SPREAD_PRIOR_WEEKS = 4.0
# Guessed spend is at least this share of the arm's mean.
LEAST_SPEND_GUESS = 0.05


@dataclass(frozen=True)
class Observations:
    """One entry per arm and week that carries information; `revenue_usd` is net of `organic_usd`.

    `arms` holds one row per arm in index order, `week_table` the category and week of every week cell. `claim_sd` is,
    per arm, how far organic claims may stray from what exposure says (a factor's standard deviation).
    """

    arms: pl.DataFrame
    arm: Integers
    week_cell: Integers
    week_table: pl.DataFrame
    category: Integers
    categories: int
    shelf_week: Integers
    spend_usd: Floats
    revenue_usd: Floats
    organic_usd: Floats
    revenue_noise_variance: Floats
    spend_noise_variance: Floats
    in_stock_share: Floats
    promo_share: Floats
    sales_index: Floats
    revenue_per_conversion_usd: Floats
    claim_sd: Floats
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

    @cached_property
    def spend_deviation(self) -> Floats:
        """Log spend around the mean of the arm, then of the category's week: what common weeks do not explain."""
        log_spend = np.log(self.spend_usd)
        count = np.bincount(self.arm, minlength=self.arm_count)
        own = log_spend - (self.per_arm(log_spend) / np.maximum(count, 1))[self.arm]
        weeks = np.bincount(self.week_cell, minlength=self.week_cells)
        common = np.bincount(self.week_cell, weights=own, minlength=self.week_cells) / np.maximum(weeks, 1)
        return own - common[self.week_cell]

    def of_arms(self, chosen: Integers) -> Observations:
        """The observations of some arms, given by increasing position, with those arms only."""
        place = np.full(self.arm_count, -1)
        place[chosen] = np.arange(chosen.size)
        kept = self.only(place[self.arm] >= 0)
        return replace(
            kept, arms=self.arms[chosen.tolist()], arm=place[kept.arm], claim_sd=self.claim_sd[chosen]
        )

    def only(self, kept: NDArray[np.bool_]) -> Observations:
        """Some of the observations, of the same arms."""
        own: dict[str, Any] = {
            item.name: value[kept]
            for item in fields(self)
            if item.name != "claim_sd" and isinstance(value := getattr(self, item.name), np.ndarray)
        }
        return replace(self, **own)

    def per_arm(self, values: Floats) -> Floats:
        """Sum of an observation-long array within each arm."""
        return np.bincount(self.arm, weights=values, minlength=self.arm_count).astype(np.float64)

    def arm_sums(self, values: Floats) -> Floats:
        """Sums of an observations × columns array within each arm."""
        size = self.arm.size
        member = sparse.csr_matrix((np.ones(size), (self.arm, np.arange(size))), (self.arm_count, size))
        return np.asarray(member @ values, dtype=np.float64)


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
    arms = _with_promotion_habit(_arms(informative, settings), view)
    rows = informative.join(
        arms.select(*ARM_KEYS, "arm"), on=list(ARM_KEYS), how="inner", nulls_equal=True, maintain_order="left"
    )
    category = _codes(rows, ["category"])
    week_cell = _codes(rows, ["category", "week"])
    arm = rows["arm"].to_numpy().astype(np.int64)
    spend, spend_variance = _without_spend_noise(
        arm, _floats(rows, "spend_usd", 0.0), _floats(rows, "spend_noise_sd_usd", 0.0) ** 2
    )
    return Observations(
        arms=arms.drop("arm"),
        arm=arm,
        week_cell=week_cell,
        week_table=rows.select("category", "week").unique().sort("category", "week"),
        category=category,
        categories=int(category.max()) + 1,
        shelf_week=_codes(rows, ["retailer_id", "sku_id", "week"]),
        spend_usd=spend,
        revenue_usd=_floats(rows, "attributed_revenue_usd", 0.0),
        organic_usd=np.zeros(rows.height),
        revenue_noise_variance=_floats(rows, "revenue_noise_sd_usd", 0.0) ** 2,
        spend_noise_variance=spend_variance,
        in_stock_share=_floats(rows, "in_stock_share", 1.0),
        promo_share=_floats(rows, "promo_share", 0.0),
        sales_index=_floats(rows, "sales_index", 1.0),
        revenue_per_conversion_usd=arms["revenue_per_conversion_usd"].to_numpy()[arm],
        claim_sd=_claim_sd(rows, arms.height, settings),
        censored_weeks=panel.height - informative.height,
    )


def _claim_sd(rows: pl.DataFrame, arms: int, settings: PlannerSettings) -> Floats:
    """Wider where the brand's sales are withheld: organic claims follow them, and they are then taken to be equal."""
    seen = np.zeros(arms, dtype=bool)
    seen[rows["arm"].to_numpy()] = rows["sales_index"].is_not_null().to_numpy()
    return np.where(seen, settings.organic_claim_sd, settings.organic_claim_sd_without_sales)


def _without_spend_noise(arm: Integers, spend: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Regression calibration: expected true spend given the released one, and what stays unknown about it.

    Released spend is true spend plus noise of known variance s². Within an arm, true spend varies around its mean with
    variance V − s², where V is the variance that is seen. The best linear guess keeps the share r = (V − s²) / V of the
    deviation from the mean, and the guess misses by variance r·s². Curves fitted on the noisy spend itself would look
    flatter than they are. Arms with few weeks borrow the pooled coefficient of variation.
    """
    if not variance.any():
        return spend, variance
    count = np.bincount(arm).astype(np.float64)
    mean = np.bincount(arm, weights=spend) / count
    deviation = spend - mean[arm]
    true = np.maximum(np.bincount(arm, weights=deviation**2 * 1.0 - variance * (1 - 1 / count)[arm]), 0.0)
    pooled = true.sum() / max(float(((count - 1) * mean**2).sum()), 1e-12)
    weight = SPREAD_PRIOR_WEEKS
    spread = (true + weight * pooled * mean**2) / (np.maximum(count - 1, 0) + weight)
    kept = spread[arm] / np.maximum(spread[arm] + variance, 1e-12)
    guess = np.maximum(mean[arm] + kept * deviation, LEAST_SPEND_GUESS * mean[arm])
    # Spend is not negative: half of it is the most that can be unknown in the expansion around it.
    return guess, np.minimum(kept * variance, (0.5 * guess) ** 2)


def _arms(panel: pl.DataFrame, settings: PlannerSettings) -> pl.DataFrame:
    """One row per arm with its usual spend and what a conversion brings."""
    arms = panel.group_by(*ARM_KEYS, "category", "line_id", maintain_order=True).agg(
        usual_spend_usd_per_week=pl.col("spend_usd").mean(),
        observed_weeks=pl.len(),
        attributed_revenue_usd=pl.col("attributed_revenue_usd").sum(),
        spend_usd=pl.col("spend_usd").sum(),
    )
    value = _revenue_per_conversion(panel, settings)
    joined = arms.join(value, on=["retailer_id", "sku_id"], how="left")
    return joined.sort(*ARM_KEYS, nulls_last=True).with_row_index("arm")


def _with_promotion_habit(arms: pl.DataFrame, view: PlanningView) -> pl.DataFrame:
    """The share of weeks on promotion to expect of each arm's shelf; zero where promotions are withheld.

    Shelves are pulled towards their common share by the noise of their own: with n weeks and common share p, a shelf's
    share has sampling variance p(1 − p)/n, and what the shelves vary beyond that is their own habit.
    """
    keys = ["retailer_id", "sku_id"]
    source = view.panel.unique([*keys, "week"]) if view.sales_weeks is None else view.sales_weeks
    shelves = (
        source.drop_nulls("promo_share")
        .group_by(keys, maintain_order=True)
        .agg(share=pl.col("promo_share").mean(), count=pl.len())
        .sort(keys)
    )
    if view.panel["promo_share"].null_count() == view.panel.height or shelves.is_empty():
        return arms.with_columns(usual_promo_share=pl.lit(0.0))
    share, count = shelves["share"].to_numpy(), shelves["count"].to_numpy()
    common = float(np.average(share, weights=count))
    noise = common * (1.0 - common) / count
    between = max(float(np.mean((share - common) ** 2 - noise)), 0.0)
    kept = between / np.maximum(between + noise, 1e-12)
    habit = shelves.select(keys).with_columns(usual_promo_share=pl.Series(common + kept * (share - common)))
    return arms.join(habit, on=keys, how="left", maintain_order="left").with_columns(
        pl.col("usual_promo_share").fill_null(common)
    )


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
