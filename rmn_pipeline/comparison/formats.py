"""How numbers are written for people, and how a number is found again in comparison.json.

One place for both, so that every figure in the report can be traced: the report names the path of each number that
it shows, and a test follows the paths back.
"""

from collections.abc import Callable
from typing import Any

from rmn_pipeline.comparison.result import Unit

MINUS = "−"
NOTHING = "–"


def _signed(text: str, value: float, always: bool) -> str:
    if not any(character in "123456789" for character in text):
        return text
    if value < 0:
        return MINUS + text
    return f"+{text}" if always else text


def _usd(value: float) -> str:
    size = abs(value)
    return f"${size:,.2f}" if 0.005 <= size < 100 else f"${size:,.0f}"


def _usd_short(value: float) -> str:
    size = abs(value)
    if size >= 999_500:
        return f"${size / 1e6:,.2f}M"
    if size >= 9_950:
        return f"${size / 1e3:,.0f}k"
    return _usd(value)


def _ratio(value: float) -> str:
    return f"{abs(value):.3f}" if 0 < abs(value) < 0.005 else f"{abs(value):,.2f}"


def _share(value: float) -> str:
    return f"{abs(value):.1%}"


def _fine_share(value: float) -> str:
    return f"{abs(value):.3%}"


def _percent(value: float) -> str:
    return f"{abs(value):.0%}"


def _count(value: float) -> str:
    size = abs(value)
    return f"{size:,.0f}" if size >= 1000 or float(size).is_integer() else f"{size:,.1f}"


def _points(value: float) -> str:
    return f"{100 * abs(value):,.1f} pts"


def _cents(value: float) -> str:
    return f"{100 * abs(value):,.1f} ¢"


_STYLES: dict[str, Callable[[float], str]] = {
    "usd": _usd,
    "usd_short": _usd_short,
    "ratio": _ratio,
    "share": _share,
    "fine_share": _fine_share,
    "percent": _percent,
    "count": _count,
    "points": _points,
    "cents": _cents,
}
_DIFFERENCE_STYLE: dict[Unit, str] = {"usd": "usd", "ratio": "ratio", "share": "points", "count": "count"}


def difference_style(unit: Unit) -> str:
    """The style of a difference between two values of this unit: shares differ by percentage points."""
    return f"+{_DIFFERENCE_STYLE[unit]}"


def format_value(value: Any, style: str) -> str:
    """A value as text. A leading `+` in the style always shows the sign, a leading `|` never does."""
    if value is None:
        return NOTHING
    if style == "text":
        return str(value)
    name = style.lstrip("+|")
    text = _STYLES[name](float(value))
    return text if style.startswith("|") else _signed(text, float(value), style.startswith("+"))


def resolve_path(document: Any, path: str) -> Any:
    """Follow a dotted path into parsed JSON; numbers index lists."""
    for step in path.split("."):
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document
