"""The sensitivity study as one picture: the gap world by world, and which field it comes from."""

from typing import TYPE_CHECKING

from rmn_pipeline.comparison.chart_style import FAINT, INK, MODE_COLOURS, drawing_style, new_figure, saved
from rmn_pipeline.comparison.field_values import FIELD_LABELS, GAME_LABELS
from rmn_pipeline.comparison.result import Bounds
from rmn_pipeline.comparison.sensitivity import PresetSummary, SensitivityResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOUR_OF = {
    "full data wins": MODE_COLOURS["full_data"],
    "clean room wins": MODE_COLOURS["clean_room"],
    "no difference shown": "#6B7780",
}
FIELD_COLOURS = ("#0072B2", "#E69F00", "#CC79A7", "#009E73", "#56B4E9")


def sensitivity_png(result: SensitivityResult) -> bytes:
    """Left: full data minus clean room, one dot per market, mean with its interval. Right: share of each field."""
    label = GAME_LABELS.get(result.objective_metric, result.objective_metric)
    with drawing_style():
        figure = new_figure(12.0, 1.6 + 0.95 * len(result.presets))
        left, right = figure.subplots(1, 2, width_ratios=[1.15, 1.0])
        for place, summary in enumerate(result.presets):
            _draw_gap(left, place, summary)
            _draw_fields(right, place, summary)
        for axes in (left, right):
            axes.axvline(0, color=INK, linewidth=1)
            axes.set_ylim(len(result.presets) - 0.4, -0.6)
            axes.grid(axis="x", color="#E4E7EB", linewidth=0.8)
            axes.set_axisbelow(True)
        left.set_yticks(range(len(result.presets)), [_label(summary) for summary in result.presets])
        left.xaxis.set_major_formatter(lambda value, _: f"{value:+.0%}" if value else "0")
        left.set_title(f"Full data minus clean room\n{label}, share of the clean room's")
        right.set_yticks(range(len(result.presets)), [""] * len(result.presets))
        right.set_title("Where it comes from: share of each field\nUS cents per dollar of budget (Shapley)")
        right.xaxis.set_major_formatter(lambda value, _: f"{100 * value:+.0f}" if value else "0")
        handles = [right.plot([], [], "o", color=c)[0] for c in FIELD_COLOURS]
        right.legend(
            handles, [FIELD_LABELS[name] for name in result.presets[0].fields], ncols=3, loc="upper center",
            bbox_to_anchor=(0.5, -0.07),
        )  # fmt: skip
        return saved(figure, "png", dpi=120)


def _label(summary: PresetSummary) -> str:
    return f"{summary.preset.replace('_', ' ')}\n{summary.worlds} markets"


def _draw_gap(axes: "Axes", place: int, summary: PresetSummary) -> None:
    colour = COLOUR_OF[summary.reading]
    # Spread by rank, not at random: the picture must come out the same each time.
    count = len(summary.relative_gaps)
    heights = [place + 0.16 + 0.16 * ((7 * number) % count) / count for number in range(count)]
    axes.scatter(summary.relative_gaps, heights, s=12, color=colour, alpha=0.4, linewidths=0)
    _interval(axes, summary.relative_gap, place, colour, 7)
    axes.annotate(
        f"{summary.relative_gap.value:+.1%} · {summary.reading}", (summary.relative_gap.high, place),
        xytext=(8, 4), textcoords="offset points", va="bottom", fontsize=8.5, color=colour, fontweight="bold",
    )  # fmt: skip


def _draw_fields(axes: "Axes", place: int, summary: PresetSummary) -> None:
    for number, (bounds, colour) in enumerate(zip(summary.fields.values(), FIELD_COLOURS, strict=True)):
        _interval(axes, bounds, place + 0.16 * (number - 2), colour if bounds.excludes_zero else FAINT, 4.5)
        if not bounds.excludes_zero:
            axes.plot(bounds.value, place + 0.16 * (number - 2), "o", markersize=4.5, color=colour)


def _interval(axes: "Axes", bounds: Bounds, place: float, colour: str, size: float) -> None:
    axes.plot([bounds.low, bounds.high], [place, place], color=colour, linewidth=2.0, solid_capstyle="butt")
    axes.plot(bounds.value, place, "o", markersize=size, color=colour)
