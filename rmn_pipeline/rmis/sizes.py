"""How much of a product there is: sizes and packs out of titles, in grams, millilitres and pieces, and whether two
agree.

A different pack is a different trade item, so the comparison never rounds doubt up: True and False are certain, None
says that the texts do not tell.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Literal

Dimension = Literal["mass", "volume", "count"]

OUNCE_GRAMS, FLUID_OUNCE_MILLILITRES = 28.349523, 29.573530
# Labels round: 12 oz is printed as 340 g, 1 oz as 28 g.
_TOLERANCE = 0.02

_UNITS: dict[Dimension, dict[str, float]] = {
    "mass": {
        r"mg": 0.001,
        r"g|gr|grs|gramm?s?|grammes?": 1.0,
        r"kg|kgs|kilos?|kilogramm?s?|kilogrammes?": 1000.0,
        r"oz|ozs|ounces?": OUNCE_GRAMS,
        r"lb|lbs|pounds?": 453.59237,
    },
    "volume": {
        r"ml|mls|millilit(?:er|re)s?": 1.0,
        r"cl|centilit(?:er|re)s?": 10.0,
        r"dl|decilit(?:er|re)s?": 100.0,
        r"l|lt|ltr|ltrs|lit(?:er|re)s?": 1000.0,
        r"fl\.?\s?oz|floz|fluid\s?ounces?": FLUID_OUNCE_MILLILITRES,
        r"pt|pints?": 473.176473,
        r"qt|quarts?": 946.352946,
        r"gal|gallons?": 3785.411784,
    },
    "count": {
        r"ct|cnt|counts?|pc|pcs|pieces?|stuck|stk|unidades|bags?|bars?|bottles?|cans?|capsules?|pods?|rolls?"
        r"|sachets?|sheets?|sticks?|tablets?|wipes": 1.0,
    },
}
_MEANINGS: list[tuple[re.Pattern[str], Dimension, float]] = [
    (re.compile(unit), dimension, factor)
    for dimension, units in _UNITS.items()
    for unit, factor in units.items()
]
_UNIT = "|".join(unit for units in _UNITS.values() for unit in units)
_FRACTION = r"(?:\d+\s)?\d+[/\u2044]\d+"
_NUMBER = rf"(?<![\d.,/\u2044])(?:{_FRACTION}|\d+(?:[.,]\d+)*)"


def _measure(place: str) -> str:
    """Amount and unit, '12 fl oz' or '2.5-oz'; group names must differ within one pattern."""
    return rf"(?P<amount{place}>{_NUMBER})\s*-?\s*(?P<unit{place}>{_UNIT})\.?(?![a-z0-9])"


_SIZE = re.compile(
    "|".join(
        (
            # 6 x 330 ml, 330 ml x 6, 330 ml
            rf"(?P<times1>\d{{1,3}})\s*x\s*{_measure('1')}",
            rf"{_measure('2')}\s*x\s*(?P<times2>\d{{1,3}})\b",
            _measure("3"),
            # pack of 6, 6 pack, 6er-Pack
            r"\b(?:packs?|pk|cases?|box(?:es)?|sets?|lots?|multipacks?)\s*(?:of|de|a)\s*(?P<of>\d{1,3})\b",
            r"(?<![\d.,])(?P<n>\d{1,3})\s*-?\s*(?:er\s*-?\s*)?(?:packs?|pk|pks)\b",
        )
    )
)


@dataclass(frozen=True)
class Size:
    """What a text says about amount and pack.

    Args:
        masses: total grams that the text may mean; several where it does not say whether the pack is counted in.
        volumes: the same in millilitres.
        counts: the same in pieces.
        loose_volumes: millilitres, if its ounces are fluid ounces.
        pack: how many units are sold together, where the text says so.
    """

    masses: frozenset[float] = frozenset()
    volumes: frozenset[float] = frozenset()
    counts: frozenset[float] = frozenset()
    loose_volumes: frozenset[float] = frozenset()
    pack: int = 1

    @property
    def known(self) -> bool:
        """Whether the text says anything."""
        return bool(self.masses or self.volumes or self.counts)


@dataclass
class _Found:
    """What was found in a text so far: (dimension, amount in base units, is an ounce, multiplier given with it)."""

    measures: list[tuple[Dimension, float, bool, int | None]] = field(default_factory=list)
    pack: int = 1


def fold_text(text: str) -> str:
    """Lower case, accents off, one blank between words; × is x, and an underscore a blank."""
    text = text.replace("_", " ")
    if text.isascii():
        return " ".join(text.lower().split())
    # '1½' would decompose to eleven halves.
    spaced = re.sub("([¼-¾⅐-⅞])", r" \1", text.replace("×", "x"))
    # Decomposing can bring capitals back ('㎴' is 'pV'), so both are done twice, as Unicode's caseless matching does.
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", spaced.casefold()).casefold())
    letters = "".join(sign for sign in decomposed if not unicodedata.combining(sign))
    return " ".join(letters.split())


def _number(text: str) -> float | None:
    """1.5, 1,5, 1,000, 1/2 and 1 1/2; None for what is neither."""
    if text.isdigit():
        return float(text)
    if re.fullmatch(r"[1-9]\d{0,2}(,\d{3})+", text):
        return float(text.replace(",", ""))
    try:
        return sum(float(Fraction(part)) for part in text.replace(",", ".").replace("\u2044", "/").split())
    except (ValueError, ZeroDivisionError):
        return None


@cache
def _meaning(unit: str) -> tuple[Dimension, float]:
    return next((dimension, factor) for pattern, dimension, factor in _MEANINGS if pattern.fullmatch(unit))


def _add(found: _Found, amount: str, unit: str, times: str | None) -> None:
    value = _number(amount)
    if value:
        dimension, factor = _meaning(unit)
        is_ounce = dimension == "mass" and factor == OUNCE_GRAMS
        found.measures.append((dimension, value * factor, is_ounce, int(times) if times else None))


def _collector(found: _Found) -> Callable[[re.Match[str]], str]:
    def collect(match: re.Match[str]) -> str:
        groups = match.groupdict()
        for place in "123":
            if groups[f"amount{place}"]:
                _add(found, groups[f"amount{place}"], groups[f"unit{place}"], groups.get(f"times{place}"))
        packs = [groups[name] for name in ("times1", "times2", "of", "n") if groups[name]]
        found.pack = max(found.pack, *map(int, packs), 1)
        return " "

    return collect


def _totals(found: _Found, dimension: Dimension, pieces: float | None) -> frozenset[float]:
    totals: set[float] = set()
    for kind, amount, _, times in found.measures:
        if kind != dimension:
            continue
        if times is not None:
            totals.add(amount * times)
        elif found.pack > 1:
            totals.add(amount * found.pack)
        else:
            totals.add(amount)
            # '12 ct, 12 fl oz': twelve cans of twelve ounces, or twelve ounces in all.
            if pieces is not None and dimension != "count":
                totals.add(amount * pieces)
    return frozenset(totals)


def _ounces_as_volume(found: _Found, masses: frozenset[float]) -> frozenset[float]:
    only_ounces = all(is_ounce for kind, _, is_ounce, _ in found.measures if kind == "mass")
    if not only_ounces:
        return frozenset()
    return frozenset(mass / OUNCE_GRAMS * FLUID_OUNCE_MILLILITRES for mass in masses)


def read_size(text: str) -> tuple[Size, str]:
    """The size that a text states, and the folded text without it."""
    found = _Found()
    rest = _SIZE.sub(_collector(found), fold_text(text))
    counted = [amount for kind, amount, _, _ in found.measures if kind == "count"]
    counts = _totals(found, "count", None)
    if not counts and found.pack > 1:
        counts = frozenset({float(found.pack)})
    masses = _totals(found, "mass", max(counted, default=None))
    size = Size(
        masses=masses,
        volumes=_totals(found, "volume", max(counted, default=None)),
        counts=counts,
        loose_volumes=_ounces_as_volume(found, masses),
        pack=found.pack,
    )
    return size, " ".join(rest.split())


def _share_one(left: frozenset[float], right: frozenset[float]) -> bool:
    return any(abs(one - other) <= _TOLERANCE * max(one, other) for one in left for other in right)


def _comparisons(left: Size, right: Size) -> list[bool]:
    """For every dimension that both state: whether some total is the same."""
    pairs = [(left.masses, right.masses), (left.volumes, right.volumes), (left.counts, right.counts)]
    if not pairs[0][0] or not pairs[0][1]:
        pairs.append((left.loose_volumes, right.volumes))
        pairs.append((left.volumes, right.loose_volumes))
    return [_share_one(one, other) for one, other in pairs if one and other]


def sizes_agree(left: Size, right: Size) -> bool | None:
    """Whether two texts speak of the same amount in the same pack; None where one of them does not say."""
    same = _comparisons(left, right)
    if not all(same) or (left.pack > 1 and right.pack > 1 and left.pack != right.pack):
        return False
    if not same or bool(_several(left)) != bool(_several(right)):
        return None
    return True


def _several(size: Size) -> bool:
    return size.pack > 1 or any(count > 1 for count in size.counts)
