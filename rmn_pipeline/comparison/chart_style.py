"""Colours, type and small helpers that all charts share.

Colours are Okabe and Ito's, which stay apart for colour-blind readers; every series also has a label or a position
of its own. matplotlib is imported when a chart is drawn.
"""

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODE_COLOURS = {
    "full_data": "#0072B2",
    "clean_room": "#D55E00",
    "oracle": "#009E73",
    "status_quo": "#8C8C8C",
    "equal_split": "#BFBFBF",
    "proportional_to_sales": "#A6A6A6",
}
PLACEMENT_COLOURS = {
    "search": "#0072B2",
    "category": "#56B4E9",
    "product_detail": "#009E73",
    "home": "#E69F00",
    "offsite": "#CC79A7",
    "cart": "#F0E442",
    "in_store": "#D55E00",
    "unspecified": "#8C8C8C",
}
BOTH = ("full_data", "clean_room")
INK, FAINT, GRID = "#1F2933", "#9AA5B1", "#E4E7EB"
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 9,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "comparison",
}


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure, in inches, that lays itself out."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def patch(colour: str, label: str) -> Any:
    """A coloured square for a legend."""
    from matplotlib.patches import Patch

    return Patch(color=colour, label=label)


def drawing_style() -> Any:
    """A context in which charts look like those of the report."""
    import matplotlib

    return matplotlib.rc_context(STYLE)


def saved(figure: "Figure", kind: str, **options: Any) -> bytes:
    """The figure as a file's bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, **options)
    return buffer.getvalue()
