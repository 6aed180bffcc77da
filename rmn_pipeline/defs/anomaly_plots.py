"""Pictures of anomalies: series with what was to be expected, and the days that a finding concerns.

matplotlib is imported inside, so definitions load quickly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from rmn_pipeline.defs.plots import PALETTE, png
from rmn_pipeline.rmis.detectors import DaySpan
from rmn_pipeline.rmis.detectors.series import SeriesReading

Array = npt.NDArray[np.float64]

MOST_PANELS = 4
_OBSERVED, _FLAGGED, _BAND = PALETTE[0], PALETTE[5], "#9aa5b1"


@dataclass(frozen=True)
class Panel:
    """One series over days.

    Args:
        title: what it shows.
        days: its days in order; a gap in them is a gap in the line.
        values: one per day.
        spans: the days to point out.
        expected: what was to be expected, with `low` and `high` around it.
        is_share: whether the values are shares of one.
    """

    title: str
    days: Sequence[date]
    values: Array
    spans: Sequence[DaySpan] = ()
    expected: Array | None = None
    low: Array | None = None
    high: Array | None = None
    is_share: bool = False


def panel_of(title: str, reading: SeriesReading, spans: Sequence[DaySpan]) -> Panel:
    """A reading as a panel."""
    return Panel(title, reading.days, reading.observed, spans, reading.expected, reading.low, reading.high)


def panels_plot(title: str, panels: Sequence[Panel]) -> bytes:
    """Series below one another over the same days, as PNG."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    shown = panels[:MOST_PANELS]
    figure = Figure(figsize=(7.6, 0.9 + 1.75 * len(shown)), dpi=110, layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    axes = np.atleast_1d(figure.subplots(len(shown), 1, sharex=True))
    for axis, panel in zip(axes, shown, strict=True):
        _draw(axis, panel)
    locator = AutoDateLocator(minticks=4, maxticks=9)
    axes[-1].xaxis.set_major_locator(locator)
    axes[-1].xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes[-1].xaxis.get_offset_text().set_fontsize(8)
    _legend(figure, shown)
    return png(figure)


def _draw(axis: Any, panel: Panel) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

    days, values = _with_gaps(panel.days, panel.values)
    if panel.expected is not None and panel.low is not None and panel.high is not None:
        axis.fill_between(panel.days, panel.low, panel.high, color=_BAND, alpha=0.28, linewidth=0)
        axis.plot(panel.days, panel.expected, color=_BAND, linewidth=1.0, linestyle=(0, (4, 2)))
    axis.plot(days, values, color=_OBSERVED, linewidth=1.1)
    _point_out(axis, panel)
    axis.set_title(panel.title, loc="left", fontsize=8.5)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8)
    axis.margins(x=0.01)
    axis.set_ylim(0, _top(panel))
    is_count = not panel.is_share and bool(np.all(panel.values == np.round(panel.values)))
    axis.yaxis.set_major_locator(MaxNLocator(4, integer=is_count))
    axis.yaxis.set_major_formatter(PercentFormatter(1.0) if panel.is_share else FuncFormatter(_amount))


def _point_out(axis: Any, panel: Panel) -> None:
    """Lasting spans as a background, single days as dots on the line, days without a value on the ground."""
    value_of = dict(zip(panel.days, panel.values.tolist(), strict=True))
    for span in panel.spans:
        inside = [span.first + timedelta(days=number) for number in range(span.days)]
        if span.days > 1:
            half = timedelta(hours=12)
            axis.axvspan(span.first - half, span.last + half, color=_FLAGGED, alpha=0.12, linewidth=0)
        if span.days <= 7:
            heights = [value_of.get(day, 0.0) for day in inside]
            axis.plot(inside, heights, "o", color=_FLAGGED, markersize=3.6, clip_on=False, zorder=5)


def _with_gaps(days: Sequence[date], values: Array) -> tuple[list[date], list[float]]:
    """A missing day breaks the line instead of being bridged."""
    told_days: list[date] = []
    told: list[float] = []
    usual = min((b - a for a, b in pairwise(days)), default=timedelta(days=1))
    for day, value in zip(days, values.tolist(), strict=True):
        if told_days and day - told_days[-1] > usual:
            told_days.append(told_days[-1] + usual)
            told.append(float("nan"))
        told_days.append(day)
        told.append(value)
    return told_days, told


def _top(panel: Panel) -> float:
    """Room for every observed value, but not for a band that is wider than all of them."""
    highest = float(np.nanmax(panel.values)) if len(panel.values) else 0.0
    if panel.high is not None and np.isfinite(panel.high).any():
        highest = max(highest, min(float(np.nanquantile(panel.high, 0.98)), 2.5 * highest))
    return 1.06 * highest or 1.0


def _amount(value: float, _: int) -> str:
    return f"{value:,.0f}" if value == 0 or abs(value) >= 10 else f"{value:.3g}"


def _legend(figure: Any, panels: Sequence[Panel]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [Line2D([], [], color=_OBSERVED, linewidth=1.1, label="observed")]
    if any(panel.expected is not None for panel in panels):
        handles += [
            Line2D([], [], color=_BAND, linestyle=(0, (4, 2)), linewidth=1.0, label="expected"),
            Patch(color=_BAND, alpha=0.28, linewidth=0, label="band of a single day"),
        ]
    spans = [span for panel in panels for span in panel.spans]
    if any(span.days <= 7 for span in spans):
        handles.append(
            Line2D([], [], marker="o", linestyle="", color=_FLAGGED, markersize=3.6, label="flagged day")
        )
    if any(span.days > 1 for span in spans):
        handles.append(Patch(color=_FLAGGED, alpha=0.12, linewidth=0, label="flagged span"))
    figure.legend(handles=handles, loc="outside lower left", ncols=len(handles), frameon=False, fontsize=8)


def bars_plot(title: str, names: Sequence[str], shares: Sequence[float], flagged: Sequence[str]) -> bytes:
    """One bar per file with a share, the flagged ones in another colour, as PNG."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(7.6, 0.9 + 0.26 * len(names)), dpi=110, layout="constrained")
    axis = figure.subplots()
    axis.barh(names, shares, color=[_FLAGGED if name in flagged else _OBSERVED for name in names])
    axis.invert_yaxis()
    axis.set_title(title, loc="left", fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8)
    axis.xaxis.set_major_formatter(PercentFormatter(1.0))
    return png(figure)
