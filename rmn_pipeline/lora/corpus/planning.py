"""Briefs in plain words and the `PlanRequest` that each of them means.

One row depends only on its seed. Words of a brief that carry a value are protected while typing errors are put in,
so that the answer stays derivable from the text.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from rmn_pipeline.lora.corpus import phrases, values
from rmn_pipeline.planning.request import PlanRequest

PLACEMENT_IDS: tuple[str, ...] = ("search", "category", "product_detail", "home", "offsite")
_OBJECTIVE_DRAWS = ("incremental_margin", "incremental_margin", "incremental_revenue", "roas")
# Marks around the text of a value; typing errors stay outside of them.
_OPEN, _CLOSE = "\x01", "\x02"


@dataclass(frozen=True)
class NamePool:
    """Where a brief's names come from; an empty tuple means that they are invented.

    `line_names` maps a line id to the ways in which a brief may name it; `line_share` is how often one does.
    """

    brand_ids: tuple[str, ...] = ()
    retailer_ids: tuple[str, ...] = ()
    line_names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    line_share: float = 0.3


@dataclass(frozen=True)
class Brief:
    """One brief with its meaning and the lead sentence (or style) that it was built from."""

    text: str
    request: PlanRequest
    template_id: str


@dataclass(frozen=True)
class _Draft:
    """Values of one brief before they are put into words."""

    wanted: dict[str, Any]
    lines: dict[str, str]
    rng: Random
    split: str

    def pick(self, bank: Sequence[str]) -> str:
        return self.rng.choice(phrases.view(bank, self.split))


def reserved_for_evaluation(budget_usd: int) -> bool:
    """Say whether a budget is kept for evaluation: no training brief ever shows it."""
    return values.bucket(f"budget:{budget_usd}", 10) == 0


def generate_brief(
    rng: Random, split: str = "train", pool: NamePool | None = None, richness: float = 1.0
) -> Brief:
    """Draw one brief.

    `split` "evaluation" uses held-out lead sentences, phrases and budgets; `richness` scales how many constraints
    a brief carries.
    """
    draft = _draw(rng, split, pool or NamePool(), richness)
    style = rng.random()
    if style < 0.1:
        text, template = _key_value_brief(draft), "style:key-value"
    elif style < 0.24:
        text, template = _terse_brief(draft), "style:terse"
    else:
        text, template = _prose_brief(draft)
    text = _finish(rng, text)
    return Brief(text=text, request=_request(draft), template_id=template)


def _request(draft: _Draft) -> PlanRequest:
    return PlanRequest(**{name: value for name, value in draft.wanted.items() if value is not None})


# --- drawing the meaning ---------------------------------------------------------------------------------------


def _draw(rng: Random, split: str, pool: NamePool, richness: float) -> _Draft:
    budget = values.sample_budget(rng)
    while reserved_for_evaluation(budget) != (split == "evaluation"):
        budget = values.sample_budget(rng)
    wanted: dict[str, Any] = {
        "brand_id": rng.choice(pool.brand_ids) if pool.brand_ids else values.sample_brand_id(rng),
        "budget_usd": budget,
    }

    def maybe(probability: float) -> bool:
        return rng.random() < probability * richness

    draws: tuple[tuple[str, float, Callable[[], Any]], ...] = (
        ("weeks", 0.85, lambda: values.sample_weeks(rng)),
        ("retailers", 0.4, lambda: _draw_retailers(rng, pool)),
        ("objective", 0.5, lambda: rng.choice(_OBJECTIVE_DRAWS)),
        ("min_roas", 0.5, lambda: _draw_ratio(rng)),
        ("max_cpa", 0.2, lambda: _draw_price(rng)),
        ("experiment_share", 0.45, lambda: 0 if rng.random() < 0.08 else _draw_share(rng, 40)),
        ("max_retailer_share", 0.22, lambda: _draw_share(rng, 90, low=10)),
        ("placements", 0.22, lambda: rng.sample(PLACEMENT_IDS, rng.choice((1, 1, 2, 2, 3)))),
        ("exclude_out_of_stock", 0.45, lambda: rng.random() > 0.08),
    )
    for name, probability, draw in draws:
        if maybe(probability):
            wanted[name] = draw()
    if "min_roas" in wanted:
        wanted["roas_basis"] = rng.choice((None, None, None, "incremental", "attributed"))
    lines = _draw_lines(rng, wanted, pool, maybe)
    return _Draft(wanted=wanted, lines=lines, rng=rng, split=split)


def _draw_retailers(rng: Random, pool: NamePool) -> list[str]:
    if not pool.retailer_ids:
        return values.sample_retailers(rng)
    return rng.sample(pool.retailer_ids, rng.randint(1, max(1, len(pool.retailer_ids) - 1)))


def _draw_lines(
    rng: Random, wanted: dict[str, Any], pool: NamePool, maybe: Callable[[float], bool]
) -> dict[str, str]:
    """Draw included and excluded lines into `wanted`; return how the brief names each."""
    names: dict[str, str] = {}

    def draw(count: int) -> list[str]:
        chosen: list[str] = []
        while len(chosen) < count:
            line = rng.choice(sorted(pool.line_names)) if pool.line_names else values.sample_line_id(rng)
            if line in names:
                if len(names) >= len(pool.line_names or {"": ()}) and pool.line_names:
                    break
                continue
            known = pool.line_names.get(line)
            names[line] = rng.choice(known) if known else values.line_text(rng, line)
            chosen.append(line)
        return chosen

    kind = rng.random()
    if maybe(pool.line_share):
        if kind < 0.45:
            wanted["include_lines"] = draw(rng.choice((1, 1, 2, 3)))
        elif kind < 0.9:
            wanted["exclude_lines"] = draw(rng.choice((1, 1, 2)))
        else:
            wanted["include_lines"] = draw(rng.choice((1, 2)))
            wanted["exclude_lines"] = draw(1)
    return names


def _draw_ratio(rng: Random) -> float:
    kind = rng.random()
    if kind < 0.35:
        return float(rng.randint(1, 10))
    if kind < 0.6:
        return rng.randint(2, 20) / 2
    if kind < 0.85:
        return rng.randint(8, 90) / 10
    return rng.randint(90, 800) / 100


def _draw_price(rng: Random) -> float:
    return float(rng.randint(2, 90)) if rng.random() < 0.6 else rng.randint(150, 9000) / 100


def _draw_share(rng: Random, high: int, low: int = 1) -> float:
    if rng.random() < 0.7:
        return rng.randint(max(1, low // 5), high // 5) * 5 / 100
    return rng.randint(low, high) / 100 if rng.random() < 0.8 else rng.randint(low * 2, high * 2) / 200


# --- putting it into words -------------------------------------------------------------------------------------


def _value(text: str) -> str:
    return f"{_OPEN}{text}{_CLOSE}"


def _fill(draft: _Draft, phrase: str) -> str:
    """Fill a phrase's slots with the draft's values in words."""
    rng, wanted = draft.rng, draft.wanted
    fillers: dict[str, Callable[[], str]] = {
        "brand": lambda: wanted["brand_id"],
        "money": lambda: values.money_text(rng, wanted["budget_usd"]),
        "weeks": lambda: values.weeks_text(rng, wanted["weeks"]),
        "next": lambda: values.next_weeks_text(rng, wanted["weeks"]),
        "adj": lambda: values.adjective_weeks_text(rng, wanted["weeks"]),
        "retailers": lambda: values.list_text(rng, wanted["retailers"]),
        "everywhere": lambda: draft.pick(phrases.EVERYWHERE),
        "roas_name": lambda: rng.choice(phrases.ROAS_NAMES[wanted["roas_basis"]]),
        "ratio": lambda: values.ratio_text(rng, wanted["min_roas"]),
        "price": lambda: values.price_text(rng, wanted["max_cpa"]),
        "experiment": lambda: values.share_text(rng, wanted["experiment_share"]),
        "cap": lambda: values.share_text(rng, wanted["max_retailer_share"]),
        "included": lambda: _lines_text(draft, "include_lines"),
        "excluded": lambda: _lines_text(draft, "exclude_lines"),
        "placements": lambda: _placements_text(draft),
    }

    def replace(match: re.Match[str]) -> str:
        return _value(fillers[match.group(1)]())

    return re.sub(r"\{(\w+)\}", replace, phrase)


def _slots(phrase: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", phrase))


def _lead_fits(draft: _Draft, lead: str) -> bool:
    slots = _slots(lead)
    has_weeks = draft.wanted.get("weeks") is not None
    if slots & {"weeks", "next", "adj"} and not has_weeks:
        return False
    if "retailers" in slots and not draft.wanted.get("retailers"):
        return False
    return not ("everywhere" in slots and draft.wanted.get("retailers"))


def _clauses(draft: _Draft, said: set[str]) -> list[str]:
    """Return one clause per constraint that the lead has not said yet."""
    wanted = draft.wanted
    result: list[str] = []

    def add(bank: Sequence[str]) -> None:
        result.append(_fill(draft, draft.pick(bank)))

    if "money" not in said:
        add(phrases.BUDGET)
    if wanted.get("weeks") is not None and not said & {"weeks", "next", "adj"}:
        add(phrases.WEEKS)
    if wanted.get("retailers") and "retailers" not in said:
        add(phrases.RETAILERS)
    if wanted.get("objective") and "objective" not in said:
        add(phrases.OBJECTIVE[wanted["objective"]])
    if wanted.get("min_roas") and "min_roas" not in said:
        add(phrases.MIN_ROAS)
    if wanted.get("max_cpa") and "max_cpa" not in said:
        add(phrases.MAX_CPA)
    result += _share_clauses(draft, said) + _product_clauses(draft, said)
    draft.rng.shuffle(result)
    return result


def _share_clauses(draft: _Draft, said: set[str]) -> list[str]:
    result: list[str] = []
    experiment = draft.wanted.get("experiment_share")
    if experiment is not None and "experiment_share" not in said:
        bank = phrases.EXPERIMENTS if experiment else phrases.NO_EXPERIMENTS
        result.append(_fill(draft, draft.pick(bank).replace("{share}", "{experiment}")))
    if draft.wanted.get("max_retailer_share") is not None and "max_retailer_share" not in said:
        result.append(_fill(draft, draft.pick(phrases.MAX_SHARE).replace("{share}", "{cap}")))
    return result


def _product_clauses(draft: _Draft, said: set[str]) -> list[str]:
    result: list[str] = []
    if draft.wanted.get("placements") and "placements" not in said:
        result.append(_placement_clause(draft))
    banks = (
        ("include_lines", phrases.INCLUDE_LINES, "{included}"),
        ("exclude_lines", phrases.EXCLUDE_LINES, "{excluded}"),
    )
    for key, bank, slot in banks:
        if draft.wanted.get(key) and key not in said:
            result.append(_fill(draft, draft.pick(bank).replace("{lines}", slot)))
    stock = draft.wanted.get("exclude_out_of_stock")
    if stock is not None and "exclude_out_of_stock" not in said:
        result.append(draft.pick(phrases.OUT_OF_STOCK if stock else phrases.OUT_OF_STOCK_ALLOWED))
    return result


def _tails(draft: _Draft) -> dict[str, str]:
    """Return up to three constraints as tails of the lead sentence, by field."""
    wanted, rng = draft.wanted, draft.rng
    usable = [name for name in phrases.TAILS if wanted.get(name)]
    if wanted.get("objective"):
        usable.append("objective")
    chosen = rng.sample(usable, min(len(usable), rng.choice((1, 1, 1, 2, 2, 3))))
    tails: dict[str, str] = {}
    for name in chosen:
        bank = phrases.OBJECTIVE_TAILS[wanted["objective"]] if name == "objective" else phrases.TAILS[name]
        tails[name] = _fill(draft, draft.pick(bank))
    return tails


def _lines_text(draft: _Draft, key: str) -> str:
    rng = draft.rng
    names = [draft.lines[line] for line in draft.wanted[key]]
    text = values.list_text(rng, names)
    kind = rng.random()
    if kind < 0.2 and not text.startswith("the "):
        text = f"the {text} " + ("line" if len(names) == 1 else "lines")
    elif kind < 0.3 and not text.startswith("the "):
        text = f"the {text}"
    elif kind < 0.36 and not text.startswith("the "):
        text = f"our {text}"
    return text


def _placement_clause(draft: _Draft) -> str:
    rng = draft.rng
    chosen: list[str] = draft.wanted["placements"]
    if len(chosen) <= 3 and rng.random() < 0.25:
        # A negation means the other placements, in their fixed order.
        left_out = chosen[:2]
        draft.wanted["placements"] = [name for name in PLACEMENT_IDS if name not in left_out]
        names = [rng.choice(phrases.PLACEMENT_NAMES[name]) for name in left_out]
        joined = names[0] if len(names) == 1 else rng.choice((" and ", " or ")).join(names)
        return draft.pick(phrases.NO_PLACEMENTS).replace("{placements}", _value(joined))
    return _fill(draft, draft.pick(phrases.PLACEMENTS))


def _placements_text(draft: _Draft) -> str:
    names = [draft.rng.choice(phrases.PLACEMENT_NAMES[name]) for name in draft.wanted["placements"]]
    return values.list_text(draft.rng, names)


def _distractor(draft: _Draft) -> str:
    """Return a sentence without meaning for the plan, its numbers drawn apart from the plan's."""
    rng = draft.rng
    fitting = [
        text for text in phrases.view(phrases.DISTRACTORS, draft.split) if _distractor_fits(draft, text)
    ]
    sentence = rng.choice(fitting)
    number = str(rng.randint(2, 900))
    replacements = {
        "{money}": values.money_text(rng, values.sample_budget(rng)),
        "{ratio}": values.ratio_text(rng, _draw_ratio(rng)),
        "{weeks}": values.weeks_text(rng, values.sample_weeks(rng)),
        "{share}": values.share_text(rng, _draw_share(rng, 40)),
        "{price}": values.price_text(rng, _draw_price(rng)),
        "{number}": number,
    }
    for slot, text in replacements.items():
        sentence = sentence.replace(slot, _value(text))
    return sentence


_CONTRADICTS: dict[str, str] = {
    "CPA": "max_cpa",
    "ROAS floor": "min_roas",
    "ROAS target": "min_roas",
    "minimum ROAS": "min_roas",
    "limit on what one retailer": "max_retailer_share",
    "whole range": "lines",
    "per retailer": "max_retailer_share",
    "Retailer shares": "max_retailer_share",
    "placement": "placements",
    "lines": "lines",
}


def _distractor_fits(draft: _Draft, text: str) -> bool:
    for words, field_name in _CONTRADICTS.items():
        if words in text and (draft.lines if field_name == "lines" else draft.wanted.get(field_name)):
            return False
    return True


def _sentence(text: str) -> str:
    start = 1 if text.startswith(_OPEN) else 0
    return text[:start] + text[start : start + 1].upper() + text[start + 1 :] + "."


def _keeps_case(text: str) -> bool:
    """Names in front of a sentence keep their case."""
    return text.startswith(_OPEN)


def _grouped(draft: _Draft, clauses: list[str]) -> list[str]:
    """Join clauses into sentences of one to three."""
    rng = draft.rng
    sentences: list[str] = []
    rest = list(clauses)
    while rest:
        count = min(len(rest), rng.choice((1, 1, 2, 2, 3)))
        group, rest = rest[:count], rest[count:]
        text = group[0]
        for index, clause in enumerate(group[1:], start=2):
            last = index == len(group)
            text += (
                rng.choice((", and ", " and ", "; ", ", ", " but ", " - ", ", also "))
                if last
                else rng.choice((", ", "; "))
            )
            text += clause
        opener = rng.choice(
            (
                "",
                "",
                "",
                "",
                "",
                "please ",
                "also, ",
                "and ",
                "important: ",
                "one more thing: ",
                "we would like to ask: ",
            )
        )
        text = opener + text
        sentences.append(f"{text}." if _keeps_case(text) else _sentence(text))
    return sentences


def _prose_brief(draft: _Draft) -> tuple[str, str]:
    rng = draft.rng
    leads = [lead for lead in phrases.view(phrases.LEADS, draft.split) if _lead_fits(draft, lead)]
    if not leads:
        leads = ["Time to plan {brand} again."] if draft.split == "train" else ["This one is about {brand}."]
    lead = rng.choice(leads)
    said = _slots(lead)
    body = _fill(draft, lead)
    if rng.random() < 0.35 and lead.endswith("."):
        tails = _tails(draft)
        said |= set(tails)
        body = body[:-1] + "".join(f"{rng.choice((', ', ' ', ', '))}{tail}" for tail in tails.values()) + "."
    sentences = _grouped(draft, _clauses(draft, said))
    for _ in range(rng.choice((0, 0, 0, 0, 1, 1, 2))):
        sentences.insert(rng.randint(0, len(sentences)), _distractor(draft))
    if not draft.wanted.get("retailers") and "everywhere" not in said and rng.random() < 0.2:
        place = draft.pick(phrases.EVERYWHERE)
        sentences.insert(0, rng.choice((f"Run it {place}.", f"Spread it {place}.", f"Plan {place}.")))
    position = 0 if rng.random() < 0.82 else rng.randint(0, len(sentences))
    sentences.insert(position, body)
    text = rng.choice((" ", " ", " ", " ", "\n")).join(sentences)
    if rng.random() < 0.12:
        text = rng.choice(phrases.GREETINGS) + rng.choice((" ", "\n")) + text
    return text, f"lead:{lead}"


def _terse_brief(draft: _Draft) -> str:
    rng = draft.rng
    parts = _clauses(draft, {"money", "weeks"})
    money = _value(values.money_text(rng, draft.wanted["budget_usd"]))
    parts.insert(
        rng.randint(0, min(2, len(parts))), rng.choice(("{}", "{}", "budget {}", "{} total")).format(money)
    )
    if draft.wanted.get("weeks") is not None:
        weeks = _value(values.weeks_text(rng, draft.wanted["weeks"]))
        parts.insert(rng.randint(0, min(3, len(parts))), weeks)
    brand = _value(draft.wanted["brand_id"])
    parts.insert(0 if rng.random() < 0.8 else rng.randint(0, len(parts)), brand)
    separator = rng.choice((", ", ", ", " / ", "; ", " | ", "\n", "\n- ", " - ", " · "))
    start = "- " if separator == "\n- " else ""
    return start + separator.join(parts)


def _key_value_brief(draft: _Draft) -> str:
    rng, wanted = draft.rng, draft.wanted
    entries = [("brand", wanted["brand_id"]), ("budget", values.money_text(rng, wanted["budget_usd"]))]
    if wanted.get("weeks") is not None:
        entries.append(("weeks", rng.choice((str(wanted["weeks"]), values.weeks_text(rng, wanted["weeks"])))))
    if wanted.get("retailers"):
        entries.append(("retailers", values.list_text(rng, wanted["retailers"])))
    elif rng.random() < 0.4:
        entries.append(("retailers", rng.choice(("all", "any", "all retailers", "every network"))))
    if wanted.get("objective"):
        entries.append(("objective", rng.choice(phrases.TERSE_OBJECTIVES[wanted["objective"]])))
    entries += _key_value_limits(draft)
    separator = rng.choice((": ", ": ", " = ", " - ", ":"))
    if rng.random() < 0.3:
        tail = entries[1:]
        rng.shuffle(tail)
        entries = entries[:1] + tail
    lines = [f"{rng.choice(phrases.TERSE_KEYS[key])}{separator}{_value(text)}" for key, text in entries]
    return rng.choice(("\n", "\n", "\n", "; ", ", ", " | ")).join(lines)


def _key_value_limits(draft: _Draft) -> list[tuple[str, str]]:
    rng, wanted = draft.rng, draft.wanted
    entries: list[tuple[str, str]] = []
    if wanted.get("min_roas"):
        basis = wanted["roas_basis"]
        entries.append(
            (f"min_roas_{basis}" if basis else "min_roas", values.ratio_text(rng, wanted["min_roas"]))
        )
    if wanted.get("max_cpa"):
        entries.append(("max_cpa", values.price_text(rng, wanted["max_cpa"])))
    for key, name in (("experiment_share", "experiments"), ("max_retailer_share", "max_share")):
        if wanted.get(key) is not None:
            entries.append((name, values.share_text(rng, wanted[key], fractions=False)))
    if wanted.get("placements"):
        entries.append(
            (
                "placements",
                values.list_text(rng, [rng.choice(phrases.PLACEMENT_NAMES[p]) for p in wanted["placements"]]),
            )
        )
    for key, name in (("include_lines", "include"), ("exclude_lines", "exclude")):
        if wanted.get(key):
            entries.append((name, values.list_text(rng, [draft.lines[line] for line in wanted[key]])))
    stock = wanted.get("exclude_out_of_stock")
    if stock is not None:
        entries.append(
            (
                "out_of_stock",
                rng.choice(
                    ("exclude", "no", "leave out", "skip") if stock else ("include", "allowed", "keep")
                ),
            )
        )
    return entries


# --- last touches ----------------------------------------------------------------------------------------------


def _finish(rng: Random, marked: str) -> str:
    if rng.random() < 0.15:
        marked = _with_typos(rng, marked)
    text = marked.replace(_OPEN, "").replace(_CLOSE, "")
    kind = rng.random()
    if kind < 0.08:
        text = text.lower()
    elif kind < 0.14:
        text = text.rstrip(".")
    return text


def _with_typos(rng: Random, marked: str) -> str:
    """Put one to three typing errors into words of four letters or more that carry no value."""
    pieces = re.split(f"({_OPEN}[^{_CLOSE}]*{_CLOSE})", marked)
    for _ in range(rng.randint(1, 3)):
        places = [
            (index, match)
            for index, piece in enumerate(pieces)
            if not piece.startswith(_OPEN)
            for match in re.finditer(r"[a-z]{4,}", piece)
        ]
        if not places:
            break
        index, match = rng.choice(places)
        pieces[index] = (
            pieces[index][: match.start()] + _misspell(rng, match.group()) + pieces[index][match.end() :]
        )
    return "".join(pieces)


def _misspell(rng: Random, word: str) -> str:
    at = rng.randint(1, len(word) - 2)
    return rng.choice(
        (
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
        )
    )
