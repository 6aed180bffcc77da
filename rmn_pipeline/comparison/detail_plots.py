"""Charts of what stands behind a comparison: field values, regret, response curves, stock, and who answered."""

from typing import TYPE_CHECKING, Any

from rmn_pipeline.comparison.chart_style import BOTH, FAINT, GRID, INK, MODE_COLOURS, new_figure, patch
from rmn_pipeline.comparison.formats import format_value
from rmn_pipeline.comparison.result import ComparisonResult, CurvePanel, FieldGame

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GAIN, LOSS = "#009E73", "#CC3311"
PIECES = (
    ("piecewise", "straight segments", "#BFBFBF"),
    ("estimation", "estimated curves", "#E69F00"),
    ("constraint_misjudgement", "misjudged limits", "#CC79A7"),
    ("experiments", "experiments", "#56B4E9"),
)
ADAPTER_KINDS = ("industry", "retailer", "manufacturer", "task")


def waterfall_chart(result: ComparisonResult) -> "Figure":
    """From the clean-room plan to the full-data plan, field by field, on the objective and net of ad spend."""
    values = result.field_values
    assert values is not None
    shown = [name for name in (values.objective_metric, "net_margin_usd") if name in values.games]
    figure = new_figure(10.4, 3.7)
    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    start, end = values.coalitions[0], values.coalitions[-1]
    for axes, name in zip(panels, shown, strict=True):
        _draw_waterfall(axes, values.games[name], values.labels, start.outcomes[name], end.outcomes[name])
        axes.set_title(f"{values.games[name].label.capitalize()}, USD")
    panels[-1].set_yticklabels([])
    return figure


def _draw_waterfall(axes: "Axes", game: FieldGame, labels: dict[str, str], start: float, end: float) -> None:
    rows = len(game.shares) + 2
    axes.barh(0, start, height=0.62, color=MODE_COLOURS["clean_room"])
    axes.barh(rows - 1, end, height=0.62, color=MODE_COLOURS["full_data"])
    level, edges = start, [start, end]
    for place, share in enumerate(game.shares.values(), start=1):
        bounds = share.shapley
        colour = (GAIN if bounds.value > 0 else LOSS) if bounds.excludes_zero else FAINT
        axes.barh(place, bounds.value, left=level, height=0.62, color=colour)
        axes.plot([level + bounds.low, level + bounds.high], [place, place], color=INK, linewidth=1.1)
        axes.plot([level, level], [place - 1.31, place + 0.31], color=FAINT, linewidth=0.7)
        axes.annotate(
            format_value(bounds.value, "+usd_short"), (1.0, place), xycoords=("axes fraction", "data"),
            ha="right", va="center", fontweight="bold",
        )  # fmt: skip
        level += bounds.value
        edges += [level, level + bounds.value - bounds.low]
    for place, value in ((0, start), (rows - 1, end)):
        axes.annotate(
            format_value(value, "usd_short"), (1.0, place), xycoords=("axes fraction", "data"), ha="right",
            va="center", fontweight="bold",
        )  # fmt: skip
    _around(axes, edges)
    axes.set_yticks(range(rows), ["Clean room", *(labels[name] for name in game.shares), "Full data"])
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(lambda value, _: format_value(value, "usd_short"))
    axes.locator_params(axis="x", nbins=5)


def _around(axes: "Axes", edges: list[float]) -> None:
    """Steps must be seen beside totals ten times their size: the axis starts where something happens."""
    low, high = min(edges), max(edges)
    room = 0.35 * (high - low) if high > low else max(abs(high), 1.0)
    axes.set_xlim(low - room, high + 1.4 * room)


def regret_chart(result: ComparisonResult) -> "Figure":
    """What each plan misses of the oracle, by where it comes from."""
    figure = new_figure(10.4, 2.0)
    axes = figure.subplots()
    shown = [mode for mode in BOTH if result.modes[mode].regret_split is not None]
    for place, mode in enumerate(shown):
        split = result.modes[mode].regret_split
        above = below = 0.0
        for name, _, colour in PIECES:
            value = getattr(split, name).value
            axes.barh(place, value, left=above if value >= 0 else below, height=0.6, color=colour)
            above, below = above + max(value, 0.0), below + min(value, 0.0)
        total = split.total.value if split is not None else 0.0
        axes.annotate(
            format_value(total, "usd_short"), (above, place), xytext=(6, 0), textcoords="offset points",
            va="center", fontweight="bold",
        )  # fmt: skip
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(shown)), [result.modes[mode].label for mode in shown])
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.xaxis.set_major_formatter(lambda value, _: format_value(value, "usd_short"))
    axes.legend(
        handles=[patch(colour, label) for _, label, colour in PIECES], ncols=len(PIECES), loc="lower left",
        bbox_to_anchor=(0, 1.0), borderaxespad=0.1, handlelength=1.0,
    )  # fmt: skip
    return figure


def curves_chart(result: ComparisonResult) -> "Figure":
    """Weekly response as each planner believed it, with the spend that each chose."""
    rows = -(-len(result.curves) // 3)
    figure = new_figure(10.4, 2.75 * rows + 0.4)
    grid = figure.subplots(rows, 3, squeeze=False).ravel()
    for axes, panel in zip(grid, result.curves, strict=False):
        _draw_curve(axes, panel)
    for axes in grid[len(result.curves) :]:
        axes.set_visible(False)
    handles: list[Any] = [
        patch(MODE_COLOURS[mode], f"{result.modes[mode].label}: belief and choice") for mode in BOTH
    ]
    if any(panel.truth is not None for panel in result.curves):
        handles.append(
            grid[0].plot([], [], color=INK, linestyle=(0, (4, 2)), linewidth=1.3, label="Truth")[0]
        )
    figure.legend(handles=handles, loc="outside upper left", ncols=3)
    return figure


def _draw_curve(axes: "Axes", panel: CurvePanel) -> None:
    spend = panel.spend_usd_per_week
    for mode, band in panel.bands.items():
        colour = MODE_COLOURS[mode]
        axes.fill_between(spend, band.low, band.high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(spend, band.mean, color=colour, linewidth=1.6)
        axes.plot(
            band.chosen_spend_usd_per_week, band.chosen_mean_usd_per_week, "o", markersize=7, color=colour,
            markeredgecolor="white", zorder=5,
        )  # fmt: skip
    if panel.truth is not None:
        axes.plot(spend, panel.truth, color=INK, linestyle=(0, (4, 2)), linewidth=1.3)
    title = panel.title if len(panel.title) <= 34 else panel.title[:33] + "…"
    axes.set_title(f"{title}\n{panel.retailer_id} · {panel.placement_type.replace('_', ' ')}", fontsize=8.5)
    axes.set_ylim(bottom=0)
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: format_value(value, "usd_short"))
    axes.locator_params(nbins=4)
    axes.set_xlabel("spend per week", fontsize=8)


def stock_chart(result: ComparisonResult) -> "Figure":
    """Shelf presence behind each plan's money, week by week of history."""
    figure = new_figure(10.4, 2.4)
    axes = figure.subplots()
    weeks = [entry.week for entry in result.stock]
    axes.plot(weeks, [entry.all_shelves for entry in result.stock], color=FAINT, linewidth=1.4)  # type: ignore[arg-type]
    for mode in BOTH:
        known = [entry for entry in result.stock if mode in entry.by_plan]
        axes.plot(
            [entry.week for entry in known], [entry.by_plan[mode] for entry in known],  # type: ignore[arg-type]
            color=MODE_COLOURS[mode], linewidth=1.8, marker="o", markersize=3,
        )  # fmt: skip
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_title("Share of time on the shelf, weighted by planned spend", pad=20)
    handles = [
        *(
            patch(MODE_COLOURS[mode], f"what the {result.modes[mode].label.lower()} plan funds")
            for mode in BOTH
        ),
        patch(FAINT, "all shelves of the brand"),
    ]
    axes.legend(handles=handles, ncols=3, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.1)
    return figure


def federation_chart(result: ComparisonResult) -> "Figure":
    """Which adapters stood on the base model when each mode's brief was read."""
    figure = new_figure(10.4, 2.1)
    axes = figure.subplots()
    modes = [mode for mode in BOTH if result.modes[mode].adapters_used]
    for place, mode in enumerate(modes):
        chain = [
            "base model",
            *_in_order(result.modes[mode].adapters_used),
            f"{result.modes[mode].label} plan",
        ]
        for column, name in enumerate(chain):
            ends = column in (0, len(chain) - 1)
            axes.text(
                column, place, name.replace("_", " "), ha="center", va="center", fontsize=8.5,
                color="white" if ends and column else INK, zorder=3,
                bbox={
                    "boxstyle": "round,pad=0.5",
                    "facecolor": MODE_COLOURS[mode] if ends and column else "#F5F7F9",
                    "edgecolor": MODE_COLOURS[mode],
                },
            )  # fmt: skip
        axes.plot([0, len(chain) - 1], [place, place], color=MODE_COLOURS[mode], linewidth=1.4, zorder=1)
    longest = max((len(result.modes[mode].adapters_used) for mode in modes), default=0) + 1
    axes.set_xlim(-0.6, longest + 0.6)
    axes.set_ylim(len(modes) - 0.4, -0.6)
    axes.axis("off")
    return figure


def _in_order(adapters: tuple[str, ...]) -> list[str]:
    """From the widest adapter to the narrowest, as they are composed."""
    kinds = {kind: place for place, kind in enumerate(ADAPTER_KINDS)}
    return sorted(adapters, key=lambda name: (kinds.get(name.split("_")[0], len(kinds)), name))
