"""The charts of the report, drawn from a `ComparisonResult` alone.

SVG goes into the page, PNG into the PDF and Dagster's metadata. matplotlib is imported when a chart is drawn.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from rmn_pipeline.comparison.chart_style import (
    BOTH,
    FAINT,
    INK,
    MODE_COLOURS,
    PLACEMENT_COLOURS,
    drawing_style,
    new_figure,
    patch,
    saved,
)
from rmn_pipeline.comparison.detail_plots import (
    curves_chart,
    federation_chart,
    regret_chart,
    stock_chart,
    waterfall_chart,
)
from rmn_pipeline.comparison.formats import format_value
from rmn_pipeline.comparison.result import ArmOutcomes, ComparisonResult, Estimate, ModeResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

# Beyond this many points a scatter is drawn as pixels inside the SVG, or the page grows without need.
VECTOR_POINTS = 1500
# Share of a bar chart's width that is kept free for the numbers at its right edge.
NUMBER_COLUMN_SHARE = 0.18

FOREST_PANELS = (
    ("US dollars", "usd", 1.0, ("incremental_revenue_usd", "incremental_margin_usd", "net_margin_usd",
                                "out_of_stock_spend_usd")),
    ("Ratio", "ratio", 1.0, ("iroas", "imroas", "calibration_ratio", "margin_calibration_ratio")),
    ("Percentage points", "share", 100.0, ("accuracy_by_arm", "accuracy_in_total", "margin_accuracy_by_arm",
                                          "out_of_stock_spend_share")),
    ("Products", "count", 1.0, ("skus_with_positive_margin", "skus_with_positive_net_margin")),
)  # fmt: skip


def chart_svgs(result: ComparisonResult) -> dict[str, str]:
    """Every chart as inline SVG text, by name; charts that have nothing to show are left out."""
    return {name: _svg(name, draw, result) for name, draw in _drawn(result).items()}


def overview_png(result: ComparisonResult) -> bytes:
    """One picture of the whole comparison."""
    with drawing_style():
        figure = new_figure(12.0, 7.6)
        left, right = _pair(figure.subfigures(1, 2, width_ratios=[1.0, 1.05]))
        upper, lower = left.subplots(2, 1)
        _draw_bars(upper, result, "iroas")
        _draw_bars(lower, result, "net_margin_usd")
        if _has_both(result):
            flow, scatter = _pair(right.subfigures(2, 1, height_ratios=[1.15, 1.0]))
            _draw_flow(flow.subplots(), result)
            _draw_scatters(list(scatter.subplots(1, 2)), result)
        title = f"{result.brand_id}: the same budget, planned with different data"
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
        return saved(figure, "png", dpi=110)


def _drawn(result: ComparisonResult) -> dict[str, Callable[[ComparisonResult], "Figure"]]:
    charts: dict[str, Callable[[ComparisonResult], Figure]] = {}
    if any(mode.feasible for mode in result.modes.values()):
        charts["outcomes"] = _outcomes_chart
    if _has_both(result):
        charts["differences"] = _forest_chart
        charts["budget"] = _budget_chart
        charts["forecast"] = _forecast_chart
    for name, wanted, draw in (
        ("waterfall", result.field_values is not None, waterfall_chart),
        ("regret", any(result.modes[mode].regret_split is not None for mode in BOTH), regret_chart),
        ("curves", bool(result.curves), curves_chart),
        ("stock", bool(result.stock), stock_chart),
        ("federation", any(result.modes[mode].adapters_used for mode in BOTH), federation_chart),
    ):
        if wanted:
            charts[name] = draw
    return charts


def chart_pngs(result: ComparisonResult, dpi: int = 200) -> dict[str, bytes]:
    """The same charts as pictures, by name."""
    with drawing_style():
        return {name: saved(draw(result), "png", dpi=dpi) for name, draw in _drawn(result).items()}


def _has_both(result: ComparisonResult) -> bool:
    return all(result.modes[mode].feasible for mode in BOTH)


def _outcomes_chart(result: ComparisonResult) -> "Figure":
    figure = new_figure(10.4, 2.9)
    left, right = figure.subplots(1, 2)
    _draw_bars(left, result, "iroas")
    _draw_bars(right, result, "net_margin_usd")
    right.set_yticklabels([])
    return figure


def _draw_bars(axes: "Axes", result: ComparisonResult, metric: str) -> None:
    """Realized values as bars with intervals, the plan's own forecast as a diamond."""
    info = result.metrics[metric]
    money = info.unit == "usd"
    scale = 1e6 if money else 1.0
    modes = list(result.modes.values())
    for place, mode in enumerate(modes):
        estimate: Estimate | None = getattr(mode.realized, metric, None)
        if estimate is None:
            axes.text(0, place, "  infeasible" if not mode.feasible else "  not defined", va="center")
            continue
        forecast = getattr(mode.predicted, metric)
        _draw_bar(axes, place, mode, estimate, forecast, scale)
        axes.annotate(
            format_value(estimate.value, "usd_short" if money else "ratio"),
            (1.0, place), xycoords=("axes fraction", "data"), ha="right", va="center", fontweight="bold",
        )  # fmt: skip
    axes.set_yticks(range(len(modes)), [mode.label for mode in modes])
    axes.invert_yaxis()
    axes.margins(x=0.05)
    # Bars stick to 0, so margins alone leave no room for the numbers where every value is negative.
    low, high = axes.get_xlim()
    axes.set_xlim(low, high + NUMBER_COLUMN_SHARE * (high - low))
    axes.axvline(0, color=FAINT, linewidth=0.8)
    unit = ", USD million" if money else ""
    axes.set_title(f"{info.label}{unit}")
    asked = result.request.min_roas
    if metric == "iroas" and asked is not None and result.request.roas_basis != "attributed":
        axes.axvline(asked, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        axes.annotate(
            f"asked: {asked:g}", (asked, 1), xycoords=("data", "axes fraction"), xytext=(3, -1),
            textcoords="offset points", fontsize=8, va="bottom",
        )  # fmt: skip


def _draw_bar(
    axes: "Axes", place: int, mode: ModeResult, estimate: Estimate, forecast: float | None, scale: float
) -> None:
    colour = MODE_COLOURS.get(mode.mode, FAINT)
    axes.barh(place, estimate.value / scale, height=0.62, color=colour)
    axes.errorbar(
        estimate.value / scale, place, xerr=(estimate.high - estimate.value) / scale,
        color=INK, capsize=3, linewidth=1.2,
    )  # fmt: skip
    if forecast is not None:
        axes.plot(
            forecast / scale, place, marker="D", markersize=5.5, color="white", markeredgecolor=INK, zorder=5
        )


def _forest_chart(result: ComparisonResult) -> "Figure":
    figure = new_figure(10.4, 4.3)
    grid = figure.subplots(2, 2, height_ratios=[1.0, 1.0])
    for axes, panel in zip(grid.ravel(), FOREST_PANELS, strict=True):
        _draw_forest(axes, result, *panel)
    return figure


def _draw_forest(
    axes: "Axes", result: ComparisonResult, title: str, unit: str, scale: float, names: tuple[str, ...]
) -> None:
    shown = [name for name in names if name in result.differences]
    for place, name in enumerate(shown):
        gap = result.differences[name]
        colour = MODE_COLOURS.get(gap.favours or "", INK if gap.excludes_zero else FAINT)
        axes.errorbar(
            gap.value * scale, place, xerr=(gap.high - gap.value) * scale, fmt="o", markersize=6,
            color=colour, capsize=4, linewidth=1.6,
        )  # fmt: skip
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yticks(range(len(shown)), [_short(result.metrics[name].label) for name in shown])
    axes.set_ylim(max(len(shown), 1) - 0.4, -0.6)
    axes.margins(x=0.15)
    axes.grid(axis="x", color="#E4E7EB", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_title(title)
    if unit == "usd":
        axes.xaxis.set_major_formatter(lambda value, _: format_value(value, "usd_short"))
    axes.locator_params(axis="x", nbins=6)


def _budget_chart(result: ComparisonResult) -> "Figure":
    figure = new_figure(10.4, 3.9)
    _draw_flow(figure.subplots(), result)
    return figure


def _draw_flow(axes: "Axes", result: ComparisonResult) -> None:
    spend = {
        (mode, cell.retailer_id, cell.placement_type): 0.0
        for mode in BOTH
        for cell in result.modes[mode].budget
    }
    for mode in BOTH:
        for cell in result.modes[mode].budget:
            spend[mode, cell.retailer_id, cell.placement_type] += cell.spend_usd / 1e6
    retailers = sorted({retailer for _, retailer, _ in spend})
    used = {placement for _, _, placement in spend}
    placements = [name for name in PLACEMENT_COLOURS if name in used]
    ticks: dict[float, str] = {}
    for place, retailer in enumerate(retailers):
        for offset, mode in ((-0.2, "full_data"), (0.2, "clean_room")):
            start = 0.0
            for placement in placements:
                width = spend.get((mode, retailer, placement), 0.0)
                axes.barh(
                    place + offset, width, left=start, height=0.36, color=PLACEMENT_COLOURS[placement],
                    edgecolor="white", linewidth=0.7,
                )  # fmt: skip
                start += width
            axes.annotate(
                format_value(start * 1e6, "usd_short"), (start, place + offset), xytext=(5, 0),
                textcoords="offset points", va="center", fontsize=8,
            )  # fmt: skip
            ticks[place + offset] = f"{retailer} · {result.modes[mode].label.lower()}"
    axes.set_yticks(list(ticks), list(ticks.values()))
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.set_title("Budget by retailer and placement, USD million", pad=22)
    handles = [patch(PLACEMENT_COLOURS[name], name.replace("_", " ")) for name in placements]
    axes.legend(
        handles=handles, ncols=len(handles), loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.1,
        handlelength=1.0, columnspacing=1.2,
    )  # fmt: skip


def _forecast_chart(result: ComparisonResult) -> "Figure":
    figure = new_figure(10.4, 4.4)
    _draw_scatters(list(figure.subplots(1, 2)), result)
    return figure


def _draw_scatters(panels: "list[Axes]", result: ComparisonResult) -> None:
    """Predicted against mean realized revenue by arm, both axes logarithmic and alike in both panels."""
    outcomes = [result.modes[mode].arms for mode in BOTH]
    drawn = [_points(arms) for arms in outcomes]
    everything = np.concatenate([np.concatenate(pair) for pair in drawn])
    low, high = (everything.min() * 0.7, everything.max() * 1.4) if everything.size else (1.0, 10.0)
    for axes, mode, (predicted, realized), arms in zip(panels, BOTH, drawn, outcomes, strict=True):
        axes.plot([low, high], [low, high], color=INK, linewidth=1, zorder=1)
        axes.scatter(
            predicted, realized, s=13, color=MODE_COLOURS[mode], alpha=0.45, linewidths=0,
            rasterized=predicted.size > VECTOR_POINTS,
        )  # fmt: skip
        axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), aspect="equal")
        axes.set_xlabel("Predicted per arm, USD")
        axes.set_title(f"{result.modes[mode].label}: {predicted.size:,} arms")
        left_out = (0 if arms is None else len(arms.sku_id)) - predicted.size
        if left_out:
            axes.annotate(
                f"{left_out} arms at or below 0 not shown", (0.97, 0.03), xycoords="axes fraction", ha="right",
                fontsize=8,
            )  # fmt: skip
        axes.grid(color="#E4E7EB", linewidth=0.6)
        axes.set_axisbelow(True)
    panels[0].set_ylabel("Realized per arm, USD")


def _points(arms: ArmOutcomes | None) -> tuple[np.ndarray, np.ndarray]:
    if arms is None:
        return np.array([]), np.array([])
    predicted = np.array(arms.predicted_incremental_revenue_usd)
    realized = np.array(arms.realized_incremental_revenue_usd)
    positive = (predicted > 0) & (realized > 0)
    return predicted[positive], realized[positive]


def _short(label: str) -> str:
    return label.replace("Share of spend on out-of-stock SKU-weeks", "Share of spend out of stock").replace(
        "Spend on out-of-stock SKU-weeks", "Spend out of stock"
    )


def _pair(subfigures: Any) -> "tuple[SubFigure, SubFigure]":
    """matplotlib's types leave open whether it returns one subfigure or an array of them."""
    return subfigures[0], subfigures[1]


def _svg(name: str, draw: Callable[[ComparisonResult], "Figure"], result: ComparisonResult) -> str:
    """A chart as SVG that can stand inside a page: no prolog, no metadata, ids that no other chart has."""
    with drawing_style():
        text = saved(draw(result), "svg", metadata={"Date": None}, transparent=True).decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\sxmlns(:xlink)?="[^"]*"', "", text)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    return re.sub(r'<svg[^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" role="img">', text, count=1)
