"""Values in words: money, weeks, shares and ratios the way people write them, and invented names.

Every function takes the caller's `random.Random`, so that a corpus row depends on its seed alone.
"""

import hashlib
from random import Random


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ONES = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TENS = _words("zero ten twenty thirty forty fifty sixty seventy eighty ninety")

_SYLLABLES = _words(
    "al an ar ba bel bo bri ca cor da del do el fen fi gal gro ha hol in ju ka kel la lin lo lum ma mer mi mo "
    "na nor o pa pri qua ra ri ro sa sol sta su ta tel ti tor u va ven vi wes win yo za zen"
)
_SHOP_ENDINGS = ("mart", "co", "fresh", "market", "way", "basket", "shop", "foods", "store", "direct")
_LINE_WORDS = _words(
    "apple almond amber arctic autumn baby bamboo barley basic berry black blue bold bright brown butter "
    "calm camp caramel cedar cherry chili choco citrus classic clean cloud coco comfort copper coral cotton "
    "country cream crisp crystal daily dark deep dental desert double dream early earth easy ember extra "
    "family farm fiber field fine fire flex floral forest free fresh frost garden gentle ginger glow gold "
    "grain grape green hazel herb home honey ice iron ivory jasmine jumbo junior kids kitchen lake lemon "
    "light lily lime linen little lunar magic mango maple max meadow mellow mild mini mint misty moon morning "
    "mountain multi natural night nordic nut oak ocean olive onyx opal orange orchid original pacific pearl "
    "pepper petal pine pink pizza plain plum polar power prime pro protein pure purple quick rain rapid red "
    "rice river rose ruby rustic sage salt sea seed select silk silver simple sky smart smooth snow soft "
    "solar spice spring star steel stone storm summer sun super sweet tea terra toast trail travel tropic "
    "ultra vanilla velvet verde violet vital walnut warm wave wheat white wild winter wood young zest zero"
)
_LINE_NOUNS = _words(
    "bars bites blend bread broth candles care cereal chips cleaner coffee cookies cola cream crackers cubes "
    "detergent diapers dips drops floss foam formula fresheners gel gels gum jerky juice kibble lotion "
    "mix mouthwash muffins noodles oil pasta pads pods popcorn powder rinse roast rolls salsa sauce scrub "
    "serum shampoo shots snacks soda sorbet soup spray sticks sweets syrup tablets tea tissues toothpaste "
    "towels treats wafers wash water wipes yogurt"
)


def bucket(text: str, buckets: int) -> int:
    """Return a stable bucket number of `text`, the same on every machine and run."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % buckets


def number_words(value: int) -> str:
    """Return a whole number below one billion in English words."""
    if value < 20:
        return _ONES[value]
    if value < 100:
        tens, ones = divmod(value, 10)
        return _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")
    for size, name in ((1_000_000, "million"), (1_000, "thousand"), (100, "hundred")):
        if value >= size:
            head, rest = divmod(value, size)
            return f"{number_words(head)} {name}" + (f" {number_words(rest)}" if rest else "")
    raise ValueError(f"cannot spell {value}")


def plain_number(value: float) -> str:
    """Return a number without a trailing `.0` and without thousands separators."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def sample_budget(rng: Random) -> int:
    """Draw a budget between $4,000 and $60 million, mostly round, evenly spread over magnitudes."""
    kind = rng.random()
    if kind < 0.35:
        return rng.randint(1, 600) * rng.choice((10_000, 50_000, 100_000))
    if kind < 0.6:
        return rng.randint(5, 995) * 1_000
    if kind < 0.8:
        return rng.randint(1, 60) * 1_000_000 // rng.choice((1, 1, 2, 4))
    if kind < 0.92:
        return rng.randint(40, 9_999) * 100
    return rng.randint(4_000, 9_000_000)


def money_text(rng: Random, value: int) -> str:
    """Return a budget as someone would write it: digits, separators, suffixes or words."""
    digits = f"{value:,}"
    forms = [
        f"${digits}",
        f"${digits}",
        f"{digits} dollars",
        f"USD {digits}",
        f"{digits} USD",
        f"${value}",
        f"{value}",
    ]
    if value >= 100_000 and value % 1_000 == 0 and len(plain_number(value / 1_000_000)) <= 5:
        amount = plain_number(value / 1_000_000)
        forms += [
            f"${amount} million",
            f"${amount} million",
            f"${amount}M",
            f"${amount}M",
            f"${amount}m",
            f"{amount}m",
            f"{amount}M",
            f"{amount} million dollars",
            f"{amount} million",
            f"${amount}mn",
            f"{amount} mil",
            f"USD {amount}M",
            f"{amount} million USD",
            f"${amount} mm",
            f"US${amount} million",
        ]
    if value % 1_000 == 0 and value < 3_000_000:
        amount = str(value // 1_000)
        forms += [
            f"${amount}k",
            f"${amount}K",
            f"{amount}k",
            f"{amount} thousand dollars",
            f"{amount}K USD",
            f"${amount} thousand",
            f"{amount} grand",
        ]
    elif value % 100 == 0 and value < 100_000:
        forms += [f"${plain_number(value / 1000)}k", f"{plain_number(value / 1000)}K"]
    spoken = _spoken_money(value)
    if spoken and rng.random() < 0.3:
        return rng.choice(spoken)
    return rng.choice(forms)


_SPOKEN_EXACT: dict[int, tuple[str, ...]] = {
    250_000: ("a quarter of a million dollars", "a quarter million"),
    500_000: ("half a million dollars", "half a million", "a half million"),
    750_000: ("three quarters of a million dollars",),
    1_000_000: ("a million dollars", "one million dollars", "a cool million"),
    1_500_000: ("one and a half million dollars", "a million and a half"),
    100_000: ("a hundred thousand dollars", "one hundred grand"),
    10_000: ("ten grand", "ten thousand dollars"),
}


def _spoken_money(value: int) -> list[str]:
    forms = list(_SPOKEN_EXACT.get(value, ()))
    millions, rest = divmod(value, 1_000_000)
    if millions and rest == 500_000:
        forms += [
            f"{number_words(millions)} and a half million dollars",
            f"{number_words(millions)} point five million",
        ]
    elif millions and rest % 100_000 == 0 and rest:
        forms.append(f"{number_words(millions)} point {number_words(rest // 100_000)} million dollars")
    if value % 1_000 == 0 and len(number_words(value).split()) <= 5:
        forms += [f"{number_words(value)} dollars", number_words(value)]
    return forms


WEEKS_IN_PERIOD: dict[int, tuple[str, ...]] = {
    13: ("a quarter", "one quarter", "a full quarter", "the quarter", "one fiscal quarter"),
    26: ("half a year", "two quarters", "a half year", "six and twenty weeks", "half of a year"),
    39: ("three quarters of a year", "three quarters"),
    52: ("a year", "one year", "a full year", "four quarters", "a whole year"),
}
_NEXT_PERIOD: dict[int, tuple[str, ...]] = {
    13: ("quarter",),
    26: ("half year", "two quarters", "half-year"),
    39: ("three quarters",),
    52: ("year", "four quarters"),
}


def sample_weeks(rng: Random) -> int:
    """Draw a horizon between 2 and 78 weeks; the periods that have names come more often."""
    return (
        rng.choice((13, 26, 52, 39))
        if rng.random() < 0.25
        else rng.randint(2, 78 if rng.random() < 0.2 else 54)
    )


def weeks_text(rng: Random, weeks: int) -> str:
    """Return a horizon as a noun phrase, such as `26 weeks` or `half a year`."""
    if weeks in WEEKS_IN_PERIOD and rng.random() < 0.45:
        return rng.choice(WEEKS_IN_PERIOD[weeks])
    return _counted_weeks(rng, weeks)


def next_weeks_text(rng: Random, weeks: int) -> str:
    """Return what follows `the next`: `26 weeks`, `quarter`, `half year`."""
    if weeks in _NEXT_PERIOD and rng.random() < 0.4:
        return rng.choice(_NEXT_PERIOD[weeks])
    return _counted_weeks(rng, weeks)


def adjective_weeks_text(rng: Random, weeks: int) -> str:
    """Return a horizon as an adjective: `26-week`, `twenty-six-week`, `half-year`."""
    named = {13: "one-quarter", 26: "half-year", 52: "one-year"}
    if weeks in named and rng.random() < 0.4:
        return named[weeks]
    return rng.choice((f"{weeks}-week", f"{weeks} week", f"{weeks}-week", f"{number_words(weeks)}-week"))


def _counted_weeks(rng: Random, weeks: int) -> str:
    digits = (
        f"{weeks} weeks",
        f"{weeks} weeks",
        f"{weeks} weeks",
        f"{weeks} wks",
        f"{weeks}w",
        f"{weeks} wk",
    )
    words = (f"{number_words(weeks)} weeks", f"{number_words(weeks)} full weeks")
    return rng.choice(words if rng.random() < 0.25 else digits)


_FRACTIONS: dict[float, tuple[str, ...]] = {
    0.05: ("a twentieth", "one twentieth"),
    0.1: ("a tenth", "one tenth", "one dollar in ten"),
    0.2: ("a fifth", "one fifth", "one dollar in five"),
    0.25: ("a quarter", "one quarter"),
    0.3: ("three tenths",),
    0.4: ("two fifths",),
    0.5: ("half", "one half"),
    0.6: ("three fifths",),
    0.75: ("three quarters",),
}


def share_text(rng: Random, share: float, fractions: bool = True) -> str:
    """Return a share in percent or, where one has a name, as a fraction."""
    if fractions and share in _FRACTIONS and rng.random() < 0.2:
        return rng.choice(_FRACTIONS[share])
    percent = plain_number(share * 100)
    forms = [
        f"{percent}%",
        f"{percent}%",
        f"{percent}%",
        f"{percent} %",
        f"{percent} percent",
        f"{percent} per cent",
        f"{percent}pct",
    ]
    if float(percent).is_integer():
        forms.append(f"{number_words(int(float(percent)))} percent")
    return rng.choice(forms)


def ratio_text(rng: Random, ratio: float) -> str:
    """Return a return-on-spend target: `3`, `3.0`, `3x`, `3:1`, `300%`, `three to one`, `three`."""
    number = plain_number(ratio)
    fixed = f"{ratio:.1f}" if round(ratio, 1) == ratio else f"{ratio:.2f}"
    forms = [
        number,
        fixed,
        fixed,
        f"{number}x",
        f"{fixed}x",
        f"{number}:1",
        f"{number} to 1",
        f"{number} times",
    ]
    if rng.random() < 0.05:
        return f"{plain_number(ratio * 100)}%"
    if float(ratio).is_integer():
        forms += [number_words(int(ratio)), f"{number_words(int(ratio))} to one"]
    elif round(ratio * 10) % 10 == 5 and round(ratio, 1) == ratio:
        forms += [f"{number_words(int(ratio))} and a half", f"{number_words(int(ratio))} point five"]
    elif round(ratio, 1) == ratio:
        forms.append(f"{number_words(int(ratio))} point {number_words(round(ratio * 10) % 10)}")
    return rng.choice(forms)


def price_text(rng: Random, price: float) -> str:
    """Return a small amount of money such as a cost per order."""
    number = plain_number(price)
    fixed = number if float(price).is_integer() else f"{price:.2f}"
    return rng.choice(
        (f"${fixed}", f"${fixed}", f"{fixed} dollars", f"${price:.2f}", f"{fixed} USD", f"USD {fixed}")
    )


def invented_word(rng: Random) -> str:
    """Return a pronounceable invented name of two or three syllables."""
    return "".join(rng.choice(_SYLLABLES) for _ in range(rng.choice((2, 2, 3))))


def _code(rng: Random) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    return rng.choice(
        (
            rng.choice(letters),
            rng.choice(letters) + str(rng.randint(0, 99)),
            str(rng.randint(1, 999)),
            rng.choice(letters) + rng.choice(letters),
            str(rng.randint(1, 9)) + rng.choice(letters),
        )
    )


def sample_brand_id(rng: Random) -> str:
    """Draw a brand id: `brand_x`, `brand_k7`, `brand_morlin`, `solvane_foods`, `tamira`."""
    kind = rng.random()
    if kind < 0.12:
        return rng.choice(("brand_x", "brand_y"))
    if kind < 0.5:
        return f"brand_{_code(rng)}"
    if kind < 0.7:
        return f"brand_{invented_word(rng)}"
    if kind < 0.85:
        endings = ("foods", "home", "care", "co", "labs", "farms", "pets", invented_word(rng))
        return f"{invented_word(rng)}_{rng.choice(endings)}"
    return invented_word(rng) + rng.choice(("", "", str(rng.randint(1, 9))))


_KNOWN_RETAILERS = ("alpha", "beta", "gamma", "delta")
_OTHER_RETAILERS = ("epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "omega", "sigma", "tau")


def sample_retailers(rng: Random) -> list[str]:
    """Draw one to four retailer ids, in the order in which a brief will name them."""
    if rng.random() < 0.55:
        return rng.sample(_KNOWN_RETAILERS, rng.choice((1, 1, 2, 2, 3)))
    chosen: list[str] = []
    for _ in range(rng.choice((1, 1, 2, 2, 3, 4))):
        retailer = _invented_retailer(rng)
        if retailer not in chosen:
            chosen.append(retailer)
    return chosen


def _invented_retailer(rng: Random) -> str:
    kind = rng.random()
    if kind < 0.2:
        return rng.choice(_OTHER_RETAILERS)
    if kind < 0.35:
        return rng.choice(_KNOWN_RETAILERS)
    if kind < 0.55:
        return f"{rng.choice(('retailer', 'shop', 'store', 'rmn', 'network'))}_{_code(rng)}"
    if kind < 0.8:
        return invented_word(rng) + rng.choice(_SHOP_ENDINGS)
    return f"{invented_word(rng)}_{rng.choice(_SHOP_ENDINGS)}"


def sample_line_id(rng: Random) -> str:
    """Draw a product line id in snake case, such as `maple_bars`, `rose` or `night_serum`."""
    kind = rng.random()
    if kind < 0.3:
        return rng.choice(_LINE_NOUNS if rng.random() < 0.6 else _LINE_WORDS)
    if kind < 0.75:
        return f"{rng.choice(_LINE_WORDS)}_{rng.choice(_LINE_NOUNS)}"
    if kind < 0.85:
        return f"{rng.choice(_LINE_WORDS)}_{rng.choice(_LINE_WORDS)}_{rng.choice(_LINE_NOUNS)}"
    return f"{invented_word(rng)}_{rng.choice(_LINE_NOUNS)}"


def line_text(rng: Random, line_id: str) -> str:
    """Return a line the way a brief names it: its id, or its plain name, in either case."""
    words = line_id.replace("_", " ")
    return rng.choice((line_id, line_id, words, words, words.title()))


def list_text(rng: Random, items: list[str]) -> str:
    """Join names as in a sentence."""
    if len(items) == 1:
        return items[0]
    if len(items) == 2:
        return rng.choice(
            (
                f"{items[0]} and {items[1]}",
                f"{items[0]} and {items[1]}",
                f"{items[0]} & {items[1]}",
                f"{items[0]}, {items[1]}",
                f"{items[0]} + {items[1]}",
            )
        )
    head = ", ".join(items[:-1])
    return rng.choice(
        (
            f"{head} and {items[-1]}",
            f"{head}, and {items[-1]}",
            f"{head}, {items[-1]}",
            f"{head} & {items[-1]}",
        )
    )
