"""A brief taken apart: clauses, the quantities in them with the fields they can speak about, names left out.

Belongs here: reading the brief on its own. Comparing it with a call is `grounding`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rmn_pipeline.federation.numbers import Quantity, Unit, find_quantities

NUMBER_UNITS: dict[str, tuple[Unit, ...]] = {
    "budget_usd": ("money", "number"),
    "weeks": ("weeks", "number"),
    "min_roas": ("ratio", "number"),
    "max_cpa": ("money", "number"),
    "experiment_share": ("share",),
    "max_retailer_share": ("share",),
}
ROLE_CUES: dict[str, str] = {
    "budget_usd": r"budget|spend\w*|invest\w*|total|money|pot|cost it|all in|fund\w*|signed off",
    "weeks": r"weeks?|wks?|duration|horizon|flight|period|how long",
    "min_roas": r"i?roas|return on (?:ad )?spend|return per",
    "max_cpa": r"cpa|cost per|per (?:order|acquisition|conversion)|an order|a conversion|acquisition",
    "experiment_share": r"experiment\w*|test\w*|learn\w*|trying new|explor\w*|pilots?",
    "max_retailer_share": r"retailers?|networks?|nobody|any ?one|partners?",
}
# What was, what others do, and numbers that are no constraint of this plan.
_CONTEXT = re.compile(
    r"\b(?:last|previous|prior|old) (?:year|quarter|month|season|time|plan|campaign|agency|flight|test|roas|cpa)"
    r"|\b(?:was|were|took|used to|we spent|grew|ago|before|competitors?|forget|extension|version)\b|\bmarket share\b"
    r"|\bwent up\b|\bsells \w+ skus\b|\breview (?:it|this|that)\b|\bshipping\b|\bper parcel\b|\bkept\b.*\bitself\b",
    re.IGNORECASE,
)
_NEGATIVE = re.compile(
    r"\b(?:no|not|none|without|except|excepting|exclud\w+|leave|leaving|skip\w*|drop\w*|avoid\w*|omit\w*|pause"
    r"|don'?t|never|nothing|but not|ignore|cut|other than|everything but|anything but|away from|stay out|stay off)\b"
    r"|\b(?:take|keep)\b(?=(?:(?!\b(?:leave|take|keep)\b)[^.;,])*\bout\b)",
    re.IGNORECASE,
)
_POSITIVE = re.compile(
    r"\b(?:only|just|use|focus\w*|stick|limit|restrict|promote|push|advertise|include|run|buy|keep|concentrate"
    r"|everything behind|lines?|placements?|retailers?|networks?|choose|pick|sell|go with|place|put|show"
    r"|all about|inventory|where)\b",
    re.IGNORECASE,
)
_NEGATIVE_AFTER = re.compile(
    r"^[\w &+']*?\b(?:gets? nothing|stays? out|out of it|left out|excluded|out)\b(?! of stock)", re.IGNORECASE
)
# "do not use gamma", "stay out of search": a negation, then a word that would otherwise pick.
_DIRECT_NEGATION = re.compile(
    r"\b(?:no|not|don'?t|never|without)\s+(?:\w+\s+){0,2}$"
    r"|\b(?:do not|don'?t|never|not)\s+(?:use|run|buy|advertise|promote|push|include|keep|sell)\b[^.;,]*$",
    re.IGNORECASE,
)
# "no retailer other than gamma", "nothing else", "no more than": negations that pick, or bound a number.
_NOT_NEGATIVE = re.compile(
    r"\b(?:and )?(?:nothing|nowhere|no one|nobody) else\b|\bno (?:more|less|lower|higher|fewer) than\b"
    r"|\b(?:no \w+|none|nowhere|nothing) (?:other than|but|except)\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|[;\n|·]")
_CLAUSE_END = re.compile(r",\s|\s(?:and|but|also|with)\s|\s-\s|\s/\s")


@dataclass(frozen=True)
class Clause:
    """A stretch of a brief between two commas or joining words; context clauses do not speak about this plan."""

    start: int
    end: int
    text: str
    sentence_start: int
    sentence: str
    is_context: bool


@dataclass(frozen=True)
class Brief:
    """A brief taken apart once: clauses, and the quantities of those that speak about this plan."""

    text: str
    clauses: tuple[Clause, ...]
    quantities: tuple[tuple[Quantity, Clause], ...]

    def stated_clauses(self) -> list[Clause]:
        """The clauses that speak about this plan."""
        return [clause for clause in self.clauses if not clause.is_context]


def read_brief(brief: str) -> Brief:
    """Take a brief apart."""
    quantities = find_quantities(brief)
    clauses = tuple(_clauses(brief, quantities))
    placed = [(quantity, _clause_at(quantity.start, clauses)) for quantity in quantities]
    stated = tuple((quantity, clause) for quantity, clause in placed if not clause.is_context)
    return Brief(brief, clauses, stated)


def _clauses(brief: str, quantities: Sequence[Quantity]) -> Iterable[Clause]:
    for start, end in _split(brief, 0, len(brief), _SENTENCE_END, quantities):
        for first, last in _split(brief, start, end, _CLAUSE_END, quantities):
            text = brief[first:last]
            is_context = _CONTEXT.search(text) is not None
            yield Clause(first, last, text, start, brief[start:end], is_context)


def _split(
    text: str, start: int, end: int, pattern: re.Pattern[str], quantities: Sequence[Quantity]
) -> list[tuple[int, int]]:
    """Cut a stretch at a pattern, never inside a quantity."""
    pieces: list[tuple[int, int]] = []
    first = start
    for match in pattern.finditer(text, start, end):
        inside = any(quantity.start < match.end() and match.start() < quantity.end for quantity in quantities)
        if not inside:
            pieces.append((first, match.start()))
            first = match.end()
    pieces.append((first, end))
    return [(low, high) for low, high in pieces if text[low:high].strip()]


def _clause_at(position: int, clauses: Sequence[Clause]) -> Clause:
    """Return the clause around a position; what joins two clauses counts with the one before it."""
    before = [clause for clause in clauses if clause.start <= position]
    return before[-1] if before else clauses[0]


def roles_of(quantity: Quantity, clause: Clause, others: Sequence[Quantity]) -> set[str]:
    """Return the fields that a quantity can speak about: by its unit, narrowed by the words around it."""
    fitting = _fitting(quantity)
    for start, text in ((clause.start, clause.text), (clause.sentence_start, clause.sentence)):
        cued = {name for name in fitting if _cue_belongs(name, quantity, start, text, others)}
        if cued:
            return _sharper(cued)
    return fitting


def _fitting(quantity: Quantity) -> set[str]:
    return {name for name, units in NUMBER_UNITS.items() if any(quantity.has_unit(unit) for unit in units)}


def _cue_belongs(name: str, quantity: Quantity, start: int, text: str, others: Sequence[Quantity]) -> bool:
    """Whether some word for this field stands nearer to this quantity than to any other that could take it."""
    rivals = [
        other for other in others if start <= other.start < start + len(text) and name in _fitting(other)
    ]
    for match in re.finditer(rf"\b(?:{ROLE_CUES[name]})\b", text, re.IGNORECASE):
        low, high = start + match.start(), start + match.end()
        nearest = min(rivals, key=lambda other: _gap(other, low, high), default=None)
        if nearest is not None and nearest.start == quantity.start:
            return True
    return False


def _gap(quantity: Quantity, low: int, high: int) -> int:
    return max(quantity.start - high, low - quantity.end, 0)


def _sharper(cued: set[str]) -> set[str]:
    """Words for money and for retailers stand beside other constraints too; the special word decides."""
    for general in ("budget_usd", "max_retailer_share"):
        if general in cued and len(cued) > 1:
            cued = cued - {general}
    return cued


def is_constraint(quantity: Quantity, clause: Clause) -> bool:
    """Whether a number states a constraint; a bare small number does only beside a word that says which."""
    if not quantity.is_plain:
        return True
    value = max(reading.value for reading in quantity.readings)
    if 1990 <= value <= 2100:
        return False
    if value >= 1000:
        return True
    cues = "|".join(ROLE_CUES[name] for name in ("weeks", "min_roas", "max_cpa", "budget_usd"))
    return re.search(rf"\b(?:{cues})\b", clause.text, re.IGNORECASE) is not None


def find_mentions(brief: Brief, pattern: re.Pattern[str]) -> list[tuple[re.Match[str], Clause]]:
    """Return every match of a pattern in clauses that speak about this plan."""
    placed = ((match, _clause_at(match.start(), brief.clauses)) for match in pattern.finditer(brief.text))
    return [(match, clause) for match, clause in placed if not clause.is_context]


def is_left_out(brief: Brief, match: re.Match[str], clause: Clause) -> bool:
    """Whether a name is left out: by the nearest word before it that picks or leaves out, or by one behind it."""
    numbers_end = [q.end for q, _ in brief.quantities if clause.sentence_start <= q.start < match.start()]
    start = max([clause.sentence_start, *numbers_end])
    # Searched in the whole text, because "keep … out" is told from "keep" by what stands behind the name.
    masked = _NOT_NEGATIVE.sub(lambda found: "#" * len(found.group()), brief.text)
    last = {
        polarity: max(
            (found.end() for found in pattern.finditer(masked, start) if found.end() <= match.start()),
            default=-1,
        )
        for polarity, pattern in (("negative", _NEGATIVE), ("positive", _POSITIVE))
    }
    if last["negative"] >= 0 and last["negative"] >= last["positive"]:
        return True
    if _DIRECT_NEGATION.search(masked[start : match.start()]) is not None:
        return True
    return last["positive"] < 0 and _NEGATIVE_AFTER.search(brief.text[match.end() : clause.end]) is not None
