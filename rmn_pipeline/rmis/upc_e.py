"""UPC-E: the short form of a UPC-A whose number has enough zeros to leave out.

Six digits carry the number; a number system (0 or 1) may stand before them and the check digit of the full UPC-A
behind them.
"""

from __future__ import annotations

NUMBER_SYSTEMS = frozenset("01")


def expand_upc_e(number_system: str, body: str) -> str | None:
    """The first eleven digits of the UPC-A that six digits stand for; None where nothing is shortened to them.

    The last of the six says where the zeros were. Each UPC-A has one short form only, so a body that another rule
    would have written differently is none.
    """
    kind = body[5]
    if kind in "012":
        return f"{number_system}{body[:2]}{kind}0000{body[2:5]}"
    if kind == "3":
        return f"{number_system}{body[:3]}00000{body[3:5]}" if body[2] not in "012" else None
    if kind == "4":
        return f"{number_system}{body[:4]}00000{body[4]}" if body[3] != "0" else None
    return f"{number_system}{body[:5]}0000{kind}" if body[4] != "0" else None
