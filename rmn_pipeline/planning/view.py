"""`PlanningView`: everything a planner may see, as a field mask over one common shape.

Full-data and clean-room planning differ here and nowhere else: a field that is withheld is null (or its table is
None), and every later step looks only at whether it is there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import polars as pl

from rmn_pipeline.planning.errors import PlanError
from rmn_pipeline.planning.frames import collected, require_columns, require_rows

ViewMode = Literal["full_data", "clean_room"]

PANEL_SCHEMA: dict[str, pl.DataType] = {
    "retailer_id": pl.String(),
    "placement_type": pl.String(),
    "audience_id": pl.String(),
    "sku_id": pl.String(),
    "week": pl.Date(),
    "spend_usd": pl.Float64(),
    "attributed_revenue_usd": pl.Float64(),
    "conversions": pl.Float64(),
    "revenue_noise_sd_usd": pl.Float64(),
    "spend_noise_sd_usd": pl.Float64(),
    "in_stock_share": pl.Float64(),
    "promo_share": pl.Float64(),
    "price_usd": pl.Float64(),
    "sales_index": pl.Float64(),
}
ARM_KEYS = ("retailer_id", "placement_type", "audience_id", "sku_id")
# A released 95 % error bound is this many standard deviations of Laplace noise wide: log(20) scales of √2 each.
ERROR95_SDS = math.log(20.0) / math.sqrt(2.0)
DAYS_PER_WEEK = 7


@dataclass(frozen=True)
class PlanningView:
    """What one planner may see of one brand's history. Tables are described field by field in `view.py`.

    - `panel`: one row per arm and whole week (`audience_id`, stock, promotion, price and `sales_index` null where
      withheld). `sales_index` is the SKU's sales that week over the brand's average SKU-week at that retailer.
    - `skus`: sku_id, brand_id, category, line_id, title, margin_rate (null if withheld), price_usd (null if withheld).
    - `availability`: retailer_id, sku_id, in_stock_probability, stock_units; None if stock is withheld.
    - `audience_shares`: retailer_id, placement_type, audience_id, share; None where arms already carry audiences.
    - `campaigns`: retailer_id, placement_type, audience_id, sku_id of the brand's own campaigns, without any result;
      None where arms already carry audiences or the set-up is not given.
    - `sales_weeks`: retailer_id, sku_id, week, sales_index, in_stock_share, promo_share of every shelf; None if the
      brand's own sales are withheld.
    - `incrementality`: retailer_id, placement_type, incrementality_multiplier, standard_error.
    """

    mode: ViewMode
    brand_id: str
    panel: pl.DataFrame
    skus: pl.DataFrame
    availability: pl.DataFrame | None
    audience_shares: pl.DataFrame | None
    incrementality: pl.DataFrame
    assumed_margin_rate: float
    blocked_fields: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    campaigns: pl.DataFrame | None = None
    sales_weeks: pl.DataFrame | None = None
    last_day: date | None = None

    @property
    def first_plan_monday(self) -> date:
        """The first Monday after history: the day that a plan made on this view would start."""
        last = self.last_day or max(observed_weeks(self)) + timedelta(days=DAYS_PER_WEEK - 1)
        return last + timedelta(days=DAYS_PER_WEEK - last.weekday())

    @property
    def sees_stock(self) -> bool:
        """Whether a stock constraint can be written at all."""
        return self.availability is not None


def full_data_view(
    events: pl.DataFrame | pl.LazyFrame,
    skus: pl.DataFrame | pl.LazyFrame,
    private_daily: pl.DataFrame | pl.LazyFrame,
    incrementality: pl.DataFrame,
    brand_id: str,
    assumed_margin_rate: float,
) -> PlanningView:
    """Harmonized events joined with the brand's private feed, weekly, at full arm grain."""
    brand_skus = _brand_skus(collected(skus), brand_id)
    private = _private_rows(collected(private_daily), brand_id)
    daily = _brand_events(collected(events), brand_skus, brand_id)
    panel, dropped = _weekly_events(daily)
    sales_weeks = _weekly_private(private)
    panel = panel.join(sales_weeks, on=["retailer_id", "sku_id", "week"], how="left")
    return PlanningView(
        mode="full_data",
        brand_id=brand_id,
        panel=_as_panel(panel),
        skus=brand_skus.join(_sku_economics(private), on="sku_id", how="left"),
        availability=_availability(private),
        audience_shares=None,
        incrementality=_incrementality(incrementality, brand_id),
        assumed_margin_rate=_margin_rate(assumed_margin_rate),
        notes=dropped,
        sales_weeks=sales_weeks.join(panel.select("week").unique(), on="week", how="semi"),
        last_day=max(daily["date"].to_list()),
    )


def clean_room_view(
    cells: pl.DataFrame | pl.LazyFrame,
    audience_cells: pl.DataFrame | None,
    skus: pl.DataFrame | pl.LazyFrame,
    incrementality: pl.DataFrame,
    brand_id: str,
    assumed_margin_rate: float,
    blocked_fields: Iterable[str],
    campaigns: pl.DataFrame | None = None,
    last_day: date | None = None,
) -> PlanningView:
    """Released clean-room cells in the panel's shape; what was withheld is null, noise is carried along.

    `campaigns` is the brand's own set-up (which SKU is advertised where and to whom, no results): with it, plans
    stay on arms that exist; without it, spend is split over every released audience. `last_day` is the last day of
    the released period: a week that it cuts short is left out.
    """
    brand_skus = _brand_skus(collected(skus), brand_id)
    released = _released_cells(collected(cells), brand_skus, brand_id)
    kept = released.filter(~pl.col("suppressed") & pl.col("revenue_usd").is_not_null())
    suppressed = released.height - kept.height
    if last_day is not None:
        kept = kept.filter(pl.col("week").cast(pl.Date) + pl.duration(days=DAYS_PER_WEEK - 1) <= last_day)
    require_rows(kept, f"no clean-room cell of brand '{brand_id}' is released for a whole week")
    notes = (
        (f"{suppressed} of {released.height} clean-room cells are suppressed and left out",)
        if suppressed
        else ()
    )
    panel = kept.select(
        "retailer_id",
        "placement_type",
        "sku_id",
        pl.col("week").cast(pl.Date),
        spend_usd=pl.col("cost_usd").clip(lower_bound=0.0),
        attributed_revenue_usd=pl.col("revenue_usd"),
        conversions=pl.col("conversions"),
        revenue_noise_sd_usd=pl.col("revenue_usd_error95").fill_null(0.0) / ERROR95_SDS,
        spend_noise_sd_usd=pl.col("cost_usd_error95").fill_null(0.0) / ERROR95_SDS,
    )
    return PlanningView(
        mode="clean_room",
        brand_id=brand_id,
        panel=_as_panel(panel),
        skus=brand_skus.with_columns(
            margin_rate=pl.lit(None, pl.Float64), price_usd=pl.lit(None, pl.Float64)
        ),
        availability=None,
        audience_shares=_audience_shares(audience_cells),
        incrementality=_incrementality(incrementality, brand_id),
        assumed_margin_rate=_margin_rate(assumed_margin_rate),
        blocked_fields=tuple(blocked_fields),
        notes=notes,
        campaigns=_campaigns(campaigns, brand_skus),
        last_day=last_day,
    )


def _campaigns(campaigns: pl.DataFrame | None, skus: pl.DataFrame) -> pl.DataFrame | None:
    if campaigns is None:
        return None
    require_columns(campaigns, ARM_KEYS, "the brand's campaign set-up")
    ours = campaigns.select(ARM_KEYS).drop_nulls().unique()
    return ours.join(skus.select("sku_id"), on="sku_id", how="semi").sort(ARM_KEYS)


def _margin_rate(rate: float) -> float:
    if not 0 < rate < 1:
        raise PlanError(f"assumed_margin_rate must lie between 0 and 1 (a fraction of price), got {rate}")
    return rate


def _brand_skus(skus: pl.DataFrame, brand_id: str) -> pl.DataFrame:
    require_columns(skus, ("sku_id", "brand_id", "category", "line_id", "title"), "the SKU table")
    ours = skus.filter(pl.col("brand_id") == brand_id)
    if ours.is_empty():
        known = sorted(skus["brand_id"].drop_nulls().unique().to_list())
        raise PlanError(f"unknown brand '{brand_id}': the SKU table knows {known}")
    # The table has one row per retailer and SKU; the titles differ by retailer, the rest does not.
    columns = ("sku_id", "brand_id", "category", "line_id", "title")
    return ours.select(columns).sort("sku_id", "title").unique("sku_id", keep="first", maintain_order=True)


def _brand_events(events: pl.DataFrame, skus: pl.DataFrame, brand_id: str) -> pl.DataFrame:
    needed = (*ARM_KEYS, "date", "cost", "revenue", "conversions")
    require_columns(events, needed, "rmis_events")
    ours = events.select(needed).join(skus.select("sku_id"), on="sku_id", how="semi")
    # Sums must not depend on the order in which the rows arrive.
    ours = ours.sort(needed, nulls_last=True)
    require_rows(
        ours, f"rmis_events holds no row for any SKU of brand '{brand_id}'; harmonize its retailers first"
    )
    return ours


def _weekly_events(daily: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Weekly sums per arm. Weeks that the data covers only in part are dropped: they would read as low spend."""
    daily = daily.with_columns(week=pl.col("date").dt.truncate("1w"))
    days = daily.group_by("retailer_id", "week", maintain_order=True).agg(days=pl.col("date").n_unique())
    whole = days.filter(pl.col("days") == DAYS_PER_WEEK)
    require_rows(whole, "rmis_events covers no whole week (Monday to Sunday) for this brand")
    weekly = (
        daily.join(whole, on=["retailer_id", "week"], how="semi")
        .group_by(*ARM_KEYS, "week", maintain_order=True)
        .agg(
            spend_usd=pl.col("cost").sum(),
            attributed_revenue_usd=pl.col("revenue").sum(),
            conversions=pl.col("conversions").sum(),
        )
    )
    dropped = days.height - whole.height
    return weekly, (f"{dropped} partly covered retailer-weeks are left out",) if dropped else ()


def _private_rows(private_daily: pl.DataFrame, brand_id: str) -> pl.DataFrame:
    needed = (
        "brand_id",
        "retailer_id",
        "sku_id",
        "date",
        "price_usd",
        "unit_cost_usd",
        "stock_units",
        "in_stock_share",
        "promo_flag",
        "units_sold",
    )
    require_columns(private_daily, needed, "the brand's private daily feed")
    ours = private_daily.filter(pl.col("brand_id") == brand_id).sort("retailer_id", "sku_id", "date")
    require_rows(ours, f"the private daily feed holds no row for brand '{brand_id}'")
    return ours


def _weekly_private(private: pl.DataFrame) -> pl.DataFrame:
    return (
        private.with_columns(week=pl.col("date").dt.truncate("1w"))
        .group_by("retailer_id", "sku_id", "week", maintain_order=True)
        .agg(
            in_stock_share=pl.col("in_stock_share").mean(),
            promo_share=pl.col("promo_flag").cast(pl.Float64).mean(),
            price_usd=pl.col("price_usd").mean(),
            sales=(pl.col("price_usd") * pl.col("units_sold")).sum(),
        )
        .with_columns(sales_index=pl.col("sales") / pl.col("sales").mean().over("retailer_id"))
        .drop("sales")
    )


def _sku_economics(private: pl.DataFrame) -> pl.DataFrame:
    sales = (pl.col("price_usd") * pl.col("units_sold")).sum()
    profit = ((pl.col("price_usd") - pl.col("unit_cost_usd")) * pl.col("units_sold")).sum()
    unweighted = (1 - pl.col("unit_cost_usd") / pl.col("price_usd")).mean()
    return private.group_by("sku_id", maintain_order=True).agg(
        margin_rate=pl.when(sales > 0).then(profit / sales).otherwise(unweighted),
        price_usd=pl.col("price_usd").mean(),
    )


def _availability(private: pl.DataFrame) -> pl.DataFrame:
    return (
        private.sort("date")
        .group_by("retailer_id", "sku_id", maintain_order=True)
        .agg(in_stock_probability=pl.col("in_stock_share").mean(), stock_units=pl.col("stock_units").last())
        .sort("retailer_id", "sku_id")
    )


def _released_cells(cells: pl.DataFrame, skus: pl.DataFrame, brand_id: str) -> pl.DataFrame:
    needed = (
        "retailer_id",
        "week",
        "placement_type",
        "sku_id",
        "conversions",
        "revenue_usd",
        "cost_usd",
        "revenue_usd_error95",
        "cost_usd_error95",
        "suppressed",
    )
    require_columns(cells, needed, "the clean-room view")
    ours = cells.select(needed).join(skus.select("sku_id"), on="sku_id", how="semi")
    require_rows(ours, f"the clean-room view holds no cell for any SKU of brand '{brand_id}'")
    return ours.with_columns(pl.col("suppressed").fill_null(False))


def _audience_shares(audience_cells: pl.DataFrame | None) -> pl.DataFrame | None:
    """Spend shares of audiences within retailer and placement; equal where the release says nothing usable."""
    if audience_cells is None or audience_cells.is_empty():
        return None
    keys = ["retailer_id", "placement_type"]
    require_columns(audience_cells, (*keys, "audience_id", "cost_usd"), "the clean-room audience cells")
    spend = (
        audience_cells.filter(pl.col("audience_id").is_not_null())
        .group_by(*keys, "audience_id", maintain_order=True)
        .agg(cost=pl.col("cost_usd").fill_null(0.0).clip(lower_bound=0.0).sum())
        .with_columns(total=pl.col("cost").sum().over(keys), count=pl.len().over(keys))
    )
    share = pl.when(pl.col("total") > 0).then(pl.col("cost") / pl.col("total")).otherwise(1 / pl.col("count"))
    return spend.select(*keys, "audience_id", share=share).sort(*keys, "audience_id")


def _incrementality(table: pl.DataFrame, brand_id: str) -> pl.DataFrame:
    columns = ("retailer_id", "placement_type", "incrementality_multiplier", "standard_error")
    require_columns(table, columns, "the incrementality table")
    require_rows(
        table,
        f"brand '{brand_id}' has no incrementality read-outs: attributed revenue cannot be turned into incremental",
    )
    bad = table.filter((pl.col("incrementality_multiplier") <= 0) | (pl.col("standard_error") < 0))
    if not bad.is_empty():
        raise PlanError(
            f"incrementality multipliers must be positive, standard errors not negative: {bad.rows()[:3]}"
        )
    return table.select(columns)


def _as_panel(frame: pl.DataFrame) -> pl.DataFrame:
    """The panel's exact columns in order; a column that this mode withholds comes out null."""
    filled = {"revenue_noise_sd_usd": 0.0, "spend_noise_sd_usd": 0.0}
    columns = [
        (pl.col(name) if name in frame.columns else pl.lit(filled.get(name))).cast(kind).alias(name)
        for name, kind in PANEL_SCHEMA.items()
    ]
    return frame.select(columns).sort(*ARM_KEYS, "week")


def observed_weeks(view: PlanningView) -> tuple[date, ...]:
    """The weeks in the panel, oldest first."""
    return tuple(view.panel["week"].unique().sort().to_list())
