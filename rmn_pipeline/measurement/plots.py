"""Plots of read-outs. matplotlib is imported inside, so that the room loads quickly."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from rmn_pipeline.measurement.errors import MeasurementError
from rmn_pipeline.measurement.geo_lift import GeoLiftResult
from rmn_pipeline.measurement.power import PowerCurve

# Colours that stay apart for every common form of colour blindness.
BLUE, ORANGE, BLACK = "#0072B2", "#E69F00", "#000000"


def effect_over_time_png(result: GeoLiftResult, title: str = "Effect over time") -> bytes:
    """Lift of every period with its interval, and the running sum of extra sales, as PNG.

    Raises:
        MeasurementError: the result holds no periods.
    """
    frame = result.effect_over_time
    if frame.is_empty():
        raise MeasurementError("there is no period to plot")
    figure, axes = _figure(2)
    days, test = frame["date"].to_list(), frame.filter("in_test")["date"].to_list()
    axes[0].fill_between(
        days, 100 * frame["low"].to_numpy(), 100 * frame["high"].to_numpy(), color=BLUE, alpha=0.2
    )
    axes[0].plot(days, 100 * frame["lift"].to_numpy(), color=BLUE)
    axes[0].axhline(0.0, color=BLACK, linewidth=0.8)
    axes[0].set_ylabel("lift, %")
    axes[0].set_title(title, loc="left", fontsize=10)
    axes[1].plot(days, frame["cumulative"].to_list(), color=ORANGE)
    axes[1].set_ylabel("extra sales so far")
    for axis in axes:
        axis.axvline(test[0], color=BLACK, linewidth=0.8, linestyle=":")
    figure.autofmt_xdate()
    return _png(figure)


def power_png(curve: PowerCurve, title: str = "Power") -> bytes:
    """Simulated and analytic power by lift, as PNG."""
    figure, (axis,) = _figure(1)
    frame = curve.frame.sort("effect")
    lift = 100 * frame["effect"].to_numpy()
    axis.errorbar(
        lift,
        frame["power"].to_list(),
        yerr=frame["monte_carlo_95"].to_list(),
        color=BLUE,
        fmt="o-",
        label="simulated",
    )
    axis.plot(lift, frame["power_analytic"].to_list(), color=ORANGE, linestyle="--", label="by formula")
    axis.axhline(curve.alpha, color=BLACK, linewidth=0.8, linestyle=":")
    axis.set_ylim(0.0, 1.02)
    axis.set_xlabel("lift, %")
    axis.set_title(title, loc="left", fontsize=10)
    axis.legend(frameon=False)
    return _png(figure)


def _figure(rows: int) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 1.2 + 2.0 * rows), dpi=110, layout="constrained")
    axes = figure.subplots(rows, 1, squeeze=False, sharex=True)[:, 0]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: Any) -> bytes:
    drawn = BytesIO()
    figure.savefig(drawn, format="png")
    return drawn.getvalue()
