"""Small plots for materialization metadata. matplotlib is imported inside, so definitions load quickly."""

import io
from collections.abc import Sequence
from typing import Any

import polars as pl

# Okabe and Ito's palette: distinct for every common form of colour blindness.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")

_COLOURS = 128


def daily_spend_plot(events: pl.DataFrame, retailer_id: str) -> bytes:
    """Spend and attributed revenue per day of one retailer, as PNG."""
    daily = events.group_by("date").agg(pl.col("cost").sum(), pl.col("revenue").sum()).sort("date")
    figure, axis = _figure(f"{retailer_id}: spend and attributed revenue per day")
    axis.plot(
        daily["date"].to_list(), daily["revenue"].to_list(), color=PALETTE[1], label="attributed revenue"
    )
    axis.plot(daily["date"].to_list(), daily["cost"].to_list(), color=PALETTE[0], label="spend")
    axis.set_ylabel("USD")
    axis.set_ylim(bottom=0)
    axis.legend(frameon=False)
    figure.autofmt_xdate()
    return png(figure)


def loss_plot(losses: Sequence[float], adapter_id: str) -> bytes:
    """Training loss per logged step, as PNG."""
    figure, axis = _figure(f"{adapter_id}: training loss")
    axis.plot(range(1, len(losses) + 1), list(losses), color=PALETTE[0])
    axis.set_xlabel("logged step")
    axis.set_ylabel("loss (nats per token)")
    axis.set_ylim(bottom=0)
    return png(figure)


def allocation_plot(allocation: pl.DataFrame, title: str) -> bytes:
    """Planned spend by retailer, stacked by placement, as PNG."""
    grouped = allocation.group_by("retailer_id", "placement_type").agg(pl.col("spend_usd").sum())
    retailers = sorted(grouped["retailer_id"].unique().to_list())
    placements = sorted(grouped["placement_type"].unique().to_list())
    figure, axis = _figure(title)
    left = dict.fromkeys(retailers, 0.0)
    amounts = {(r, p): spend for r, p, spend in grouped.iter_rows()}
    for index, placement in enumerate(placements):
        widths = [amounts.get((retailer, placement), 0.0) for retailer in retailers]
        axis.barh(
            retailers,
            widths,
            left=[left[retailer] for retailer in retailers],
            color=PALETTE[index % len(PALETTE)],
            label=placement,
        )
        for retailer, width in zip(retailers, widths, strict=True):
            left[retailer] += width
    axis.set_xlabel("USD over the plan")
    axis.legend(frameon=False, fontsize=8)
    return png(figure)


def _figure(title: str) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 3.2), dpi=110, layout="constrained")
    axis = figure.subplots()
    axis.set_title(title, loc="left", fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
    return figure, axis


def png(figure: Any) -> bytes:
    """A figure as PNG, with as few colours as plots need: images in metadata live in the event log."""
    from PIL import Image

    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png")
    Image.open(drawn).convert("RGB").quantize(_COLOURS, method=Image.Quantize.MAXCOVERAGE).save(
        small, format="png", optimize=True
    )
    return small.getvalue()
