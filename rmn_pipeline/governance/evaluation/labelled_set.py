"""The labelled set: texts with personal data at known places, and clean retail lines, drawn from a seed.

Belongs here: sentences around the values of `formats`, and how many of each. Development and held-out texts share
neither value formats nor sentences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from rmn_pipeline.governance.evaluation.clean_lines import clean_retail_lines, title
from rmn_pipeline.governance.evaluation.formats import FORMATS, Split, digits, draw_value, gtin_complete

DEFAULT_SEED = 20261
TEXTS_PER_GROUP = 400
CLEAN_LINES = 1_000

# Sentences that do not say what kind of value they hold.
_NEUTRAL: Mapping[Split, tuple[str, ...]] = {
    "development": (
        "{x}",
        "customer note: {x}",
        "shopper left {x} in the review of {title}",
        "order {order}: {x}, deliver before noon",
        "notes={x};status=open",
        "GTIN {gtin} returned, details {x}",
        "feedback from {x}: {title} arrived late",
    ),
    "held_out": (
        "[{x}]",
        "comment field says {x}",
        '{{"note": "{x}", "item": {item}}}',
        "Q: who asked? A: {x}.",
        "{title} / {x} / {units} units",
        "import row 17, free text <{x}>, please check",
        "survey answer no. 4 -> {x}",
        "refund case {order} opened ({x}) today",
    ),
}
# Sentences that do.
_CUED: Mapping[str, Mapping[Split, tuple[str, ...]]] = {
    "EMAIL_ADDRESS": {
        "development": ("email {x} for the coupon", "mailto:{x}", "contact {x} about order {order}"),
        "held_out": ("write to {x}!", "unsubscribe?user={x}&list=7", "cc: {x}; subject: {title}"),
    },
    "CREDIT_CARD": {
        "development": ("paid with card {x}", "visa {x} declined for order {order}", "card no {x} exp 11/29"),
        "held_out": ("cc number: {x}, cvv on file", "charged to my Mastercard {x}", "PAN={x} amount 19.99"),
    },
    "PHONE_NUMBER": {
        "development": ("please call {x} about order {order}", "phone: {x}", "tel {x}, ask for the manager"),
        "held_out": (
            "my mobile is {x}",
            "text me at {x} when {title} is back",
            "Fax {x} / store {item}",
            "reach the buyer on {x}",
        ),
    },
    "US_SSN": {
        "development": ("SSN {x}", "social security number {x} given at the desk"),
        "held_out": ("ssn#{x} on the form", "his social is {x}", "soc. sec. no. {x}, order {order}"),
    },
    "IP_ADDRESS": {
        "development": ("ip {x} clicked 14 times", "visitor from {x}"),
        "held_out": ("src={x} dst=checkout", "fraud flag on host {x}"),
    },
    "IBAN_CODE": {
        "development": ("refund to {x}", "IBAN: {x}"),
        "held_out": ("bank details {x} received", "pay out to account {x} please"),
    },
    "STREET_ADDRESS": {
        "development": ("ship to {x}, {city}", "lives at {x}"),
        "held_out": ("leave it at {x}, {city}", "home address: {x}"),
    },
    "DEVICE_ID": {
        "development": ("seen on {x} twice", "frequency cap for {x}"),
        "held_out": ("blocked: {x}", "last touch {x} / app"),
    },
}
_CITIES = ("Columbus, OH 43004", "Austin, TX 78701", "Boise, ID 83702", "Portland, OR 97201")
# Nine bare digits and bare OCR-damaged ones are told from an item id by their cue alone.
_ALWAYS_CUED = frozenset({"US_SSN/cued"})


@dataclass(frozen=True)
class Label:
    """One value of personal data in a text: where it is and what it is."""

    start: int
    end: int
    entity_type: str


@dataclass(frozen=True)
class LabelledText:
    """A text, what it holds, and the group it was drawn for (a type, a variant, or `clean`)."""

    text: str
    labels: tuple[Label, ...]
    group: str


def labelled_texts(
    split: Split, *, per_group: int = TEXTS_PER_GROUP, seed: int = DEFAULT_SEED
) -> list[LabelledText]:
    """Draw `per_group` texts for every group of formats, half of them in sentences that say what they hold."""
    return [_draw(group, split, number, seed) for group in FORMATS for number in range(per_group)]


def clean_texts(split: Split, count: int = CLEAN_LINES, seed: int = DEFAULT_SEED) -> list[LabelledText]:
    """Draw retail lines that hold nothing personal."""
    return [LabelledText(line, (), "clean") for line in clean_retail_lines(split, count, seed)]


def labelled_text(
    rng: Random, group: str, split: Split, *, value: str, cued: bool, lead: str = ""
) -> LabelledText:
    """Put a value into one of the split's sentences; `cued` ones say what they hold, `lead` is no part of the value."""
    entity_type = group.partition("/")[0]
    sentence = rng.choice(_CUED[entity_type][split] if cued else _NEUTRAL[split])
    before, after = (_fill(rng, part) for part in sentence.split("{x}"))
    start = len(before) + len(lead)
    label = Label(start, start + len(value), entity_type)
    return LabelledText(f"{before}{lead}{value}{after}", (label,), group)


def _draw(group: str, split: Split, number: int, seed: int) -> LabelledText:
    rng = Random(f"{seed}:{split}:{group}:{number}")
    drawn = draw_value(rng, group, split)
    cued = group in _ALWAYS_CUED or number % 2 == 1
    return labelled_text(rng, group, split, value=drawn.value, cued=cued, lead=drawn.lead)


def _fill(rng: Random, part: str) -> str:
    return part.format(
        title=title(rng),
        order=digits(rng, 10),
        item=digits(rng, 9),
        gtin=gtin_complete("40" + digits(rng, 10)),
        units=rng.randint(1, 900),
        city=rng.choice(_CITIES),
    )
