"""An invented catalog and the ways in which shops mess its titles up, for measuring title matching.

Ways are split in two: the matcher was built on `KNOWN_WAYS`; `HELD_OUT_WAYS` were written when it was done, and are
for the figures alone. Each seed invents its own brands and products.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from rmn_pipeline.rmis.models import SKUS_SCHEMA

# fmt: off
_SYLLABLES = [
    "bar", "bel", "cal", "dor", "fen", "gal", "har", "jun", "kel", "lor", "mar", "nor", "pel", "quin",
    "ros", "sal", "tor", "ver", "wil", "yar",
]
_NOUNS = [
    "granola", "tea", "coffee", "yogurt", "soap", "shampoo", "detergent", "cereal", "crackers",
    "pasta", "salsa", "juice", "water", "soda", "chips", "cookies", "popcorn", "oatmeal", "candle",
    "sponge", "lotion", "toothpaste", "mustard", "honey", "jam", "syrup", "rice", "beans", "broth",
    "soup", "tuna", "olives", "pretzels", "almonds", "cashews", "raisins", "kefir", "butter", "cheese",
    "ketchup",
]
_KINDS = [
    "organic", "classic", "crunchy", "creamy", "roasted", "sparkling", "instant", "natural", "gourmet",
    "whole", "light", "creme",
]
_FLAVOURS = [
    "vanilla", "chocolate", "strawberry", "mango", "lemon", "lime", "ginger", "peach", "cherry",
    "cinnamon", "rosemary", "lavender", "coconut", "caramel", "maple", "hazelnut", "blueberry",
    "raspberry", "orange", "mint", "jasmine", "pumpkin", "apple", "banana", "garlic", "basil", "chili",
    "honeycomb", "eucalyptus", "citrus", "unscented", "original",
]
# fmt: on
# A line is sold by the piece, by weight or by volume; no two sizes of a family are the same amount.
_SIZE_FAMILIES = (
    ("6 ct", "12 ct", "24 ct", "100 ct"),
    ("8 oz", "12 oz", "16 oz", "32 oz", "500 g", "1 kg", "2 x 500 g"),
    ("12 fl oz", "20 fl oz", "330 ml", "500 ml", "1 l", "1.5 l", "6 x 330 ml", "12 x 12 fl oz", "6 x 500 ml"),
)


@dataclass(frozen=True)
class Item:
    """One product as its parts."""

    brand: str
    kind: str
    noun: str
    flavour: str
    size: str

    @property
    def title(self) -> str:
        return f"{self.brand} {self.kind} {self.noun} {self.flavour}, {self.size}".title()


Way = Callable[[Item, random.Random], str]


def _brand(rng: random.Random) -> str:
    words = ["".join(rng.sample(_SYLLABLES, 2)) for _ in range(rng.choice((1, 2)))]
    return " ".join(words)


def invent_items(seed: int, brands: int = 25, lines_per_brand: int = 4) -> list[Item]:
    """Products as real catalogs have them: lines of flavours, each in a few sizes."""
    rng = random.Random(seed)
    items = []
    for brand in sorted({_brand(rng) for _ in range(brands)}):
        for noun in rng.sample(_NOUNS, lines_per_brand):
            kind, sizes = rng.choice(_KINDS), rng.choice(_SIZE_FAMILIES)
            for flavour in rng.sample(_FLAVOURS, rng.randint(3, 8)):
                for size in rng.sample(sizes, rng.randint(1, 3)):
                    items.append(Item(brand, kind, noun, flavour, size))
    return items


def catalog_frame(items: list[Item]) -> pl.DataFrame:
    """The catalog of these products."""
    rows = [
        {
            "sku_id": f"shop:{number}",
            "gtin": None,
            "title": item.title,
            "brand_id": item.brand.replace(" ", "_"),
            "category": "grocery",
            "line_id": item.noun,
            "size": item.size,
        }
        for number, item in enumerate(items)
    ]
    return pl.DataFrame(rows, schema=SKUS_SCHEMA)


def _typo(word: str, rng: random.Random) -> str:
    place = rng.randrange(1, len(word) - 1)
    kind = rng.randrange(3)
    if kind == 0:
        return word[:place] + word[place + 1 :]
    if kind == 1:
        return word[:place] + rng.choice("abcdefghijklmnopqrstuvwxyz") + word[place + 1 :]
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def _shout(item: Item, rng: random.Random) -> str:
    return item.title.upper().replace(",", " -")


def _shuffle(item: Item, rng: random.Random) -> str:
    parts = [item.brand, f"{item.kind} {item.noun}", item.flavour, item.size]
    rng.shuffle(parts)
    return ", ".join(parts)


def _without_kind(item: Item, rng: random.Random) -> str:
    return f"{item.brand} {item.noun} {item.flavour} {item.size}"


def _mistyped(item: Item, rng: random.Random) -> str:
    words = item.title.split()
    long = [place for place, word in enumerate(words) if len(word) > 4 and word.isalpha()]
    place = rng.choice(long)
    words[place] = _typo(words[place], rng)
    return " ".join(words)


def _praised(item: Item, rng: random.Random) -> str:
    praise = rng.choice(("NEW!", "Great Taste", "Limited Edition", "Family Favorite", "Bonus"))
    return f"{praise} {item.title}"


def _unit_words(size: str) -> str:
    words = {"fl oz": "fluid ounces", "oz": "ounce", "ct": "count", "kg": "kilogram", "ml": "milliliters"}
    for unit, word in words.items():
        if f" {unit}" in size:
            return size.replace(f" {unit}", f" {word}")
    return size


def _spelled_out(item: Item, rng: random.Random) -> str:
    return f"{item.brand} {item.kind} {item.noun} - {item.flavour} ({_unit_words(item.size)})"


def _cut_off(item: Item, rng: random.Random) -> str:
    """Export columns of forty characters."""
    return f"{item.brand} {item.size} {item.kind} {item.noun} {item.flavour}"[:40]


def _abbreviated(item: Item, rng: random.Random) -> str:
    return f"{item.brand} {item.kind[:4]} {item.noun[:4]} {item.flavour[:5]} {item.size.replace(' ', '')}"


def _converted(item: Item, rng: random.Random) -> str:
    """The other system of units, rounded as labels round."""
    factors = {
        " fl oz": (29.5735, "ml"),
        " oz": (28.3495, "g"),
        " ml": (1 / 29.5735, "fl oz"),
        " g": (1 / 28.3495, "oz"),
    }
    times, _, measure = item.size.rpartition(" x ")
    size = item.size
    for unit, (factor, other) in factors.items():
        if measure.endswith(unit):
            amount = float(measure.removesuffix(unit)) * factor
            shown = f"{amount:.0f}" if other in ("ml", "g") else f"{amount:.1f}"
            size = f"{times} x {shown} {other}" if times else f"{shown} {other}"
            break
    return f"{item.title.rpartition(',')[0]} {size}"


def _packed(item: Item, rng: random.Random) -> str:
    times, _, measure = item.size.rpartition(" x ")
    size = f"{measure} (Pack of {times})" if times else measure
    return f"{item.flavour} {item.noun} {item.kind} {size} by {item.brand}"


def _accented(item: Item, rng: random.Random) -> str:
    return item.title.replace("e", "é").replace("o", "ö")


def _categorised(item: Item, rng: random.Random) -> str:
    return f"Grocery > Pantry > {item.title} | Shop Now"


def _without_brand(item: Item, rng: random.Random) -> str:
    return f"{item.kind} {item.noun} {item.flavour} {item.size}"


def _twice_mistyped(item: Item, rng: random.Random) -> str:
    words = item.title.lower().split()
    long = [place for place, word in enumerate(words) if len(word) > 4 and word.isalpha()]
    for place in rng.sample(long, min(2, len(long))):
        words[place] = _typo(words[place], rng)
    return " ".join(words)


KNOWN_WAYS: dict[str, Way] = {
    "shouted": _shout,
    "shuffled": _shuffle,
    "without its kind": _without_kind,
    "mistyped": _mistyped,
    "praised": _praised,
    "units spelled out": _spelled_out,
    "cut off": _cut_off,
    "abbreviated": _abbreviated,
    "units converted": _converted,
    "pack in brackets": _packed,
    "accented": _accented,
    "with categories": _categorised,
    "without brand": _without_brand,
    "mistyped twice": _twice_mistyped,
}


def _without_vowels(item: Item, rng: random.Random) -> str:
    """Point-of-sale receipts leave vowels out of long words."""
    short = " ".join(
        word if len(word) < 7 else word[0] + re.sub("[aeiou]", "", word[1:])
        for word in (item.noun, item.flavour)
    )
    return f"{item.brand} {item.kind} {short} {item.size}".upper()


def _underscored(item: Item, rng: random.Random) -> str:
    return "_".join(item.title.replace(",", "").split())


def _numbered(item: Item, rng: random.Random) -> str:
    """An article number in front."""
    return f"{rng.choice('ABCXYZ')}{rng.randrange(1000, 99999)} {item.title}"


def _in_plural(item: Item, rng: random.Random) -> str:
    noun = item.noun if item.noun.endswith("s") else f"{item.noun}s"
    return f"{item.brand} {item.flavour} Flavored {noun}, {item.kind} - {item.size}"


def _said_twice(item: Item, rng: random.Random) -> str:
    return f"{item.brand} - {item.title} - {item.flavour} {item.noun}"


def _glued(item: Item, rng: random.Random) -> str:
    """Two words written as one."""
    return f"{item.brand} {item.kind}{item.noun} {item.flavour} {item.size.replace(' ', '')}"


def _without_size(item: Item, rng: random.Random) -> str:
    return f"{item.brand} {item.flavour} {item.kind} {item.noun}"


def _in_german(item: Item, rng: random.Random) -> str:
    """Units, decimal commas and multipacks as German shops print them."""
    size = re.sub(r"^(\d+) x (.+)$", r"\1er-Pack, \2", item.size).replace(".", ",")
    return f"{item.brand}: {item.flavour} {item.kind} {item.noun} {size.replace(' ct', ' Stück')}"


HELD_OUT_WAYS: dict[str, Way] = {
    "without vowels": _without_vowels,
    "underscored": _underscored,
    "numbered": _numbered,
    "in plural": _in_plural,
    "said twice": _said_twice,
    "glued": _glued,
    "without size": _without_size,
    "in German": _in_german,
}


@dataclass(frozen=True)
class Question:
    """A messed-up title and the product it means; None for one that the catalog lacks."""

    native_id: str
    title: str
    way: str
    sku_id: str | None


def _absent(items: list[Item], rng: random.Random) -> list[tuple[str, Item]]:
    """Products that the catalog lacks and that look like one it has."""
    known = set(items)
    absent = []
    for item in rng.sample(items, len(items) // 3):
        sizes = next(family for family in _SIZE_FAMILIES if item.size in family)
        for way, other in (
            ("other size", Item(item.brand, item.kind, item.noun, item.flavour, rng.choice(sizes))),
            ("other flavour", Item(item.brand, item.kind, item.noun, rng.choice(_FLAVOURS), item.size)),
            ("other brand", Item(_brand(rng), item.kind, item.noun, item.flavour, item.size)),
        ):
            if other not in known:
                absent.append((way, other))
    return absent


def questions(items: list[Item], ways: dict[str, Way], seed: int) -> list[Question]:
    """Every product messed up in one way, and products that the catalog lacks, messed up in the same ways."""
    rng = random.Random(seed)
    asked = []
    for number, item in enumerate(items):
        way = rng.choice(list(ways))
        asked.append(Question(f"N{number}", ways[way](item, rng), way, f"shop:{number}"))
    for number, (kind, item) in enumerate(_absent(items, rng)):
        asked.append(Question(f"A{number}", ways[rng.choice(list(ways))](item, rng), kind, None))
    return asked


@dataclass(frozen=True)
class Figures:
    """How good proposals are.

    Args:
        precision: share of proposals that are right.
        recall: share of the catalog's products that are proposed rightly.
        by_way: share of right answers per way of messing up; for products that the catalog lacks, a right answer
            is none.
    """

    precision: float
    recall: float
    by_way: dict[str, float]


def judge(asked: list[Question], proposals: pl.DataFrame) -> Figures:
    """Compares proposals with what was meant."""
    proposed = dict(proposals.select("native_id", "sku_id").iter_rows())
    right = sum(question.sku_id == proposed.get(question.native_id) for question in asked if question.sku_id)
    findable = sum(question.sku_id is not None for question in asked)
    answers: dict[str, list[bool]] = {}
    for question in asked:
        answers.setdefault(question.way, []).append(question.sku_id == proposed.get(question.native_id))
    return Figures(
        precision=right / len(proposed) if proposed else 1.0,
        recall=right / findable,
        by_way={way: sum(given) / len(given) for way, given in sorted(answers.items())},
    )
