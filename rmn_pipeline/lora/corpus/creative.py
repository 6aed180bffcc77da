"""Product facts and copy limits, and a short ad headline that keeps to them.

A headline names the product, uses one of the given points, stays within the limit and out of the banned words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from rmn_pipeline.lora.corpus import values
from rmn_pipeline.lora.corpus.phrases import view

POINTS: tuple[str, ...] = (
    "crunchy",
    "bright",
    "gentle",
    "honest",
    "everyday",
    "clean",
    "dependable",
    "fresh",
    "family size",
    "no added sugar",
    "plant based",
    "quick",
    "light",
    "soft",
    "recyclable pack",
    "made with oats",
    "fruit first",
    "low foam",
    "easy pour",
    "for busy mornings",
    "for small kitchens",
    "mild scent",
    "ready to drink",
    "bold taste",
    "slow brewed",
    "cold pressed",
    "long lasting",
    "kind to skin",
    "whole grain",
    "small batch",
    "zero waste",
    "simple",
    "calm",
    "warm",
    "crisp",
)
BANNED: tuple[str, ...] = (
    "best",
    "cheapest",
    "miracle",
    "guaranteed",
    "cure",
    "number one",
    "free",
    "luxury",
    "elite",
    "extreme",
    "harsh",
    "medical",
    "perfect",
    "healthiest",
    "instant",
    "unbeatable",
)
# From the longest to the shortest, so that a tight limit still finds a form.
FORMS: tuple[str, ...] = (
    "Make room for {point} days with {title}",
    "{title}: {point}, every day",
    "Meet {title}. Simply {point}",
    "Say hello to {title}, {point}",
    "{point}: that is {title}",
    "Today is {title} day: {point}",
    "{title}, {point} and ready",
    "{title}: {point}",
    "{title} - {point}",
    "Try {title}",
    "{title}",
)
_PROMPTS: tuple[str, ...] = (
    "product: {title}\nsize: {size}\npoints: {points}\nlimit: {limit}\navoid: {avoid}",
    "Write a headline of at most {limit} characters for {title} ({size}). Points: {points}. Avoid: {avoid}.",
    "title: {title} | size: {size} | points: {points} | max: {limit} | banned: {avoid}",
    "Headline for {title}, {size}. Say one of: {points}. Never say: {avoid}. Limit {limit} characters.",
    "Ad copy, {limit} characters at most. {title}, {size}; {points}. Not allowed: {avoid}.",
    "We need a short ad for {title} ({size}), {limit} characters. Points are {points}; keep out {avoid}.",
    "{title}, {size}: one line of copy, limit {limit}, points {points}, banned {avoid}.",
)


@dataclass(frozen=True)
class CreativeExample:
    """One copy request with a headline that keeps to it."""

    prompt: str
    completion: str
    template_id: str


def headline(rng: Random, title: str, points: Sequence[str], limit: int, banned: Sequence[str]) -> str:
    """Return a headline within `limit` characters without banned words; the product's name alone at worst, cut."""
    forms = list(FORMS[:-2])
    rng.shuffle(forms)
    for form in [*forms, *FORMS[-2:]]:
        for point in points:
            text = form.format(title=title, point=point)
            text = text[:1].upper() + text[1:]
            if len(text) <= limit and not any(word.lower() in text.lower() for word in banned):
                return text
    return title[:limit].rstrip()


def copy_prompt(
    title: str, size: str, points: Sequence[str], limit: int, banned: Sequence[str], form: str = _PROMPTS[0]
) -> str:
    """Return the copy request for a product in the plain form (or another of the trained forms)."""
    return form.format(title=title, size=size, points=", ".join(points), limit=limit, avoid=", ".join(banned))


def creative_example(
    rng: Random,
    *,
    title: str,
    size: str,
    points: Sequence[str],
    limit: int,
    banned: Sequence[str],
    split: str,
    name: str | None = None,
) -> CreativeExample:
    """Return one copy request for a given product and limit; `name` is what the headline calls the product."""
    form = rng.choice(view(_PROMPTS, split))
    prompt = copy_prompt(title, size, points, limit, banned, form)
    return CreativeExample(prompt, headline(rng, name or title, points, limit, banned), f"form:{form}")


def generate_creative(rng: Random, split: str = "train") -> CreativeExample:
    """Draw an invented product with points, a limit and banned words."""
    title = f"{values.invented_word(rng).title()} {values.sample_line_id(rng).replace('_', ' ').title()}"
    size = f"{rng.randint(1, 64)} {rng.choice(('oz', 'ct', 'ml', 'g', 'fl oz', 'pack'))}"
    points = rng.sample(POINTS, rng.choice((1, 2, 3)))
    banned = rng.sample(BANNED, rng.choice((1, 2, 3)))
    limit = rng.choice((25, 30, 35, 40, 50, 60, 70, 80, 90, 100))
    return creative_example(
        rng, title=title, size=size, points=points, limit=limit, banned=banned, split=split
    )
