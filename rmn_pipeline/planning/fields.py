"""`masked_view`: any combination of the fields that a clean room withholds, as one view.

Five fields stand between the two views. Each owns what it alone can tell:

- `margin`: margin rates of the products.
- `stock`: shelf presence, week by week and at the time of planning. Without it no stock limit can be written.
- `promo`: which weeks were on promotion.
- `price`: shelf prices, and with them the brand's sales in dollars (price × units), from which the season is read.
- `grain`: rows per arm and audience as reported, instead of noisy cells above a threshold without audiences.

A hidden field is never zero: it is null, which every later step replaces by what is to be expected without it (the
brand's assumed margin rate, usual stock, usual promotions, the season that the ads' own weeks show).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import polars as pl

from rmn_pipeline.planning.errors import PlanError
from rmn_pipeline.planning.view import PANEL_SCHEMA, PlanningView

FIELDS = ("margin", "stock", "promo", "price", "grain")
# The columns of the panel that belong to a field; they hold for every arm of a retailer, product and week.
PANEL_COLUMNS: dict[str, tuple[str, ...]] = {
    "stock": ("in_stock_share",),
    "promo": ("promo_share",),
    "price": ("price_usd", "sales_index"),
}
SKU_COLUMNS: dict[str, tuple[str, ...]] = {"margin": ("margin_rate",), "price": ("price_usd",)}
# Constants drop out where sales are read: every shelf is held against its own level.
UNKNOWN_IN_SALES = {"stock": ("in_stock_share", 1.0), "promo": ("promo_share", 0.0)}
SHELF_WEEK = ["retailer_id", "sku_id", "week"]


def masked_view(full: PlanningView, clean: PlanningView, visible: frozenset[str]) -> PlanningView:
    """What a planner sees who has the clean room's release and, beyond it, the named fields.

    All fields give the full view, none gives the clean-room view; everything between hides exactly the others.

    Args:
        full: The brand's full-data view.
        clean: The clean-room view of the same brand and period.
        visible: Names out of `FIELDS`.

    Raises:
        PlanError: an unknown field is named, or the two views are of different brands.
    """
    unknown = sorted(visible - set(FIELDS))
    if unknown:
        raise PlanError(f"unknown field(s) {unknown}; a view can show or hide {list(FIELDS)}")
    if full.brand_id != clean.brand_id:
        raise PlanError(f"the full view is of '{full.brand_id}', the clean-room view of '{clean.brand_id}'")
    if visible == set(FIELDS):
        return full
    if not visible:
        return clean
    hidden = tuple(name for name in FIELDS if name not in visible)
    base = full if "grain" in visible else clean
    return replace(
        base,
        panel=_panel(full, base, visible),
        skus=_without(full.skus, SKU_COLUMNS, visible),
        availability=full.availability if "stock" in visible else None,
        sales_weeks=_sales_weeks(full, visible),
        blocked_fields=hidden,
    )


def field_masks(full: PlanningView, clean: PlanningView) -> Callable[[frozenset[str]], PlanningView]:
    """`masked_view` with both views filled in."""
    return lambda visible: masked_view(full, clean, visible)


def _panel(full: PlanningView, base: PlanningView, visible: frozenset[str]) -> pl.DataFrame:
    """The base's rows; columns of visible fields from the full view by shelf and week, the others null."""
    shown = [name for field in PANEL_COLUMNS if field in visible for name in PANEL_COLUMNS[field]]
    if base is full:
        return _without(full.panel, PANEL_COLUMNS, visible)
    known = full.panel.group_by(SHELF_WEEK, maintain_order=True).agg(pl.col(shown).first())
    rest = base.panel.drop(name for names in PANEL_COLUMNS.values() for name in names)
    joined = rest.join(known, on=SHELF_WEEK, how="left", maintain_order="left")
    columns = [
        (pl.col(name) if name in joined.columns else pl.lit(None))
        .cast(PANEL_SCHEMA.get(name, kind))
        .alias(name)
        for name, kind in base.panel.schema.items()
    ]
    return joined.select(columns)


def _without(
    frame: pl.DataFrame, columns_of: dict[str, tuple[str, ...]], visible: frozenset[str]
) -> pl.DataFrame:
    """The frame with the columns of hidden fields null."""
    hidden = [name for field in columns_of if field not in visible for name in columns_of[field]]
    return frame.with_columns(pl.lit(None, frame.schema[name]).alias(name) for name in hidden)


def _sales_weeks(full: PlanningView, visible: frozenset[str]) -> pl.DataFrame | None:
    if "price" not in visible or full.sales_weeks is None:
        return None
    unknown = [
        pl.lit(value).alias(name) for field, (name, value) in UNKNOWN_IN_SALES.items() if field not in visible
    ]
    return full.sales_weeks.with_columns(unknown)
