"""Exercises in copying and looking up: lists said again, and values asked for by their name.

A small model learns to carry an unknown name or number from a brief into a call late and suddenly. These rows hold
nothing but that skill, in the corpus' own names, numbers and tokens, and bring the moment forward.
"""

from collections.abc import Callable
from random import Random

from rmn_pipeline.lora.corpus import values

_KEYS: dict[str, tuple[tuple[str, ...], Callable[[Random], str]]] = {
    "brand_id": (("brand", "for", "client"), values.sample_brand_id),
    "budget_usd": (("budget", "spend", "total"), lambda rng: str(values.sample_budget(rng))),
    "weeks": (("weeks", "horizon", "run"), lambda rng: str(rng.randint(2, 60))),
    "min_roas": (("ROAS", "return", "min ROAS"), lambda rng: values.plain_number(rng.randint(8, 90) / 10)),
    "max_cpa": (("CPA", "per order", "cost"), lambda rng: str(rng.randint(2, 90))),
    "retailers": (("retailer", "at", "network"), lambda rng: values.sample_retailers(rng)[0]),
    "include_lines": (("only", "line", "focus on"), values.sample_line_id),
    "exclude_lines": (("no", "without", "leave out"), values.sample_line_id),
}


def generate_drill(rng: Random) -> str:
    """Draw one exercise: a list repeated, or facts with the values asked for in another order."""
    return _repetition(rng) if rng.random() < 0.6 else _lookup(rng)


def _repetition(rng: Random) -> str:
    """Say a list of names and numbers two or three times."""
    makers = [maker for _, maker in _KEYS.values()]
    items = [rng.choice(makers)(rng) for _ in range(rng.randint(2, 5))]
    form = rng.choice(("{}", '"{}"', "{}"))
    separator = rng.choice((", ", " ", '","', " and "))
    joint = rng.choice((". ", " | ", "\n", " = "))
    first = separator.join(items)
    return joint.join(
        [first, *[separator.join(form.format(item) for item in items) for _ in range(rng.choice((1, 2)))]]
    )


def _lookup(rng: Random) -> str:
    """State facts in words, then give them as the members of a call, in the call's order or any other."""
    names = rng.sample(sorted(_KEYS), rng.randint(2, 5))
    facts = {name: (rng.choice(_KEYS[name][0]), _KEYS[name][1](rng)) for name in names}
    order = list(names)
    rng.shuffle(order)
    said = rng.choice((", ", "; ", ". ", " ")).join(
        f"{word} {value}" for word, value in (facts[name] for name in order)
    )
    members = [f'"{name}":{_member(name, facts[name][1])}' for name in names]
    return f"{said}\n{','.join(members)}"


def _member(name: str, value: str) -> str:
    if name in ("budget_usd", "weeks", "min_roas", "max_cpa"):
        return value
    return f'["{value}"]' if name in ("retailers", "include_lines", "exclude_lines") else f'"{value}"'
