"""Grounding before execution: every value of a tool call must be traceable to the brief, and the other way round.

A small model's typical failure is a well-formed call with a wrong value ("200000 dollars, 3 weeks" became 18 weeks).
So nothing that it wrote is spent before this check: each number, name and flag of a `PlanRequest` call must have its
span in the brief, with a fitting role, and each constraint that the brief states must be in the call. The check is
deterministic and errs on the side of asking back. It reads the brief on its own; it does not fill in values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rmn_pipeline.federation.brief import (
    NUMBER_UNITS,
    ROLE_CUES,
    Brief,
    find_mentions,
    is_constraint,
    is_left_out,
    read_brief,
    roles_of,
)

PLACEMENTS: dict[str, str] = {
    "search": r"(?:sponsored |keyword )?search(?: results| ads)?",
    "category": r"category(?: pages| browse| listings)?|browse pages",
    "product_detail": r"product[_ ]?detail(?: pages)?|product pages|item pages|pdps?",
    "home": r"(?:the )?home ?page|start page|home(?= |$|,|;|\.|/)",
    "offsite": r"off-?site(?: ads| media| display)?|ads outside the store",
    "cart": r"(?:shopping )?cart(?: pages)?|basket page",
    "in_store": r"in[-_ ]store(?: screens)?",
}
_STOCK = re.compile(
    r"out[- ]of[- ]stock|in[- ]stock|sold[- ]out|unavailable|not available|without stock|empty shelves"
    r"|(?:cannot|can'?t|can not) (?:deliver|ship|buy)|can be bought|\boos\b|by stock"
    r"|stock levels?|filter\w* .*\bstock\b",
    re.IGNORECASE,
)
_STOCK_ALLOWED = re.compile(
    r"may stay|\binclude|included|\ballowed|not filter|ignore stock|\bkeep\b(?!.*\bout of it)|\bfine\b"
    r"|\bok(?:ay)?\b|all right",
    re.IGNORECASE,
)
_NO_EXPERIMENTS = re.compile(
    r"\b(?:no|not|nothing|skip|zero|without)\b[^.;\n]*\b(?:experiment|test)|\bexperiments are not\b",
    re.IGNORECASE,
)
_OBJECTIVE_CUE = re.compile(
    r"\bmaximi[sz]e\b|\boptimi[sz]e\b|\bgoals?\b|\bobjective\b|\bwhat (?:counts|matters)\b|\bfirst\b|\bkpi\b"
    r"|\bis what\b|\btarget is\b|\bas (?:high|much|many|far)\b|\bbest\b|\bmost\b|\bhighest\b|\bwins?\b|\bgrow\b"
    r"|\baim for\b|\bfocus on\b|\bprioriti[sz]e\b|\boptimi[sz]e for\b|\b(?:incremental|extra|added) ",
    re.IGNORECASE,
)
_METRICS: dict[str, re.Pattern[str]] = {
    "incremental_margin": re.compile(r"\bmargin|\bprofit|\bbottom line\b", re.IGNORECASE),
    "incremental_revenue": re.compile(r"\brevenue|\bsales\b|\bturnover|\btop line|\blift\b", re.IGNORECASE),
    "roas": re.compile(r"\bi?roas\b|\breturn (?:on|per)\b|\befficien", re.IGNORECASE),
}
_ATTRIBUTED = re.compile(r"\battributed\b|\breported\b|\bplatform\b", re.IGNORECASE)
_SELECTION_CUE = re.compile(
    r"\b(?:focus(?:ed)? on|concentrate on|stick (?:to|with)|push|promote|advertise|exclud\w+|leave out|leave|skip|drop"
    r"|omit|pause|avoid|except|without|don'?t advertise|everything behind|only|just)\b",
    re.IGNORECASE,
)
_SELECTION_KNOWN = re.compile(
    r"\bstock\b|\boos\b|sold[- ]out|availab|experiment|\btest|\broas\b|\bcpa\b|\bretailers?\b|\bnetworks?\b"
    r"|\bplacements?\b|\blines?\b|\bbudget\b|\bspend\b|\bmoney\b|\bweeks?\b|\bplan\b|\bsales\b|\bmargin\b|\brevenue\b|\bprofit\b"
    r"|\bdeliver\b|\bshelves\b|\bstore\b|\bcap\b|\blimit\b|\brestriction",
    re.IGNORECASE,
)
_FILLER_WORDS = (
    "a all also and any are as be but can for from have if important in is it just like items leave more no of on one "
    "our out please products that the them they thing this to use want we what which whatever with would you your only"
)
_FILLER = frozenset(_FILLER_WORDS.split(" "))


@dataclass(frozen=True)
class GroundingContext:
    """What a call may rely on besides the brief: declared by the caller, never guessed.

    Args:
        brand_id: the brand whose brief this is.
        retailer_ids: every retailer that a brief can name.
        line_names: per product line the ways in which a brief may name it, besides its id.
    """

    brand_id: str | None = None
    retailer_ids: tuple[str, ...] = ()
    line_names: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Concern:
    """One thing that has to be asked back: a call's value without a span, or a span without a value."""

    kind: str
    field: str | None
    text: str

    def __str__(self) -> str:
        if self.kind == "ungrounded":
            return f"{self.field} = {self.text}: the brief does not say so"
        return f"“{self.text}”: not accounted for in the call"


@dataclass(frozen=True)
class GroundingReport:
    """The outcome of a check; empty concerns mean that the call may be executed."""

    concerns: tuple[Concern, ...]

    @property
    def grounded(self) -> bool:
        """Whether everything is traceable both ways."""
        return not self.concerns

    @property
    def messages(self) -> tuple[str, ...]:
        """The concerns in words."""
        return tuple(str(concern) for concern in self.concerns)


def ground_plan_call(
    brief: str, call: Mapping[str, object], context: GroundingContext | None = None
) -> GroundingReport:
    """Check a `PlanRequest` call against its brief, both ways."""
    known = context or GroundingContext()
    read = read_brief(brief)
    concerns = [
        *_check_brand(read, call, known),
        *_check_numbers(read, call),
        *_check_retailers(read, call, known),
        *_check_placements(read, call),
        *_check_lines(read, call, known),
        *_check_objective(read, call),
        *_check_basis(read, call),
        *_check_stock(read, call),
    ]
    return GroundingReport(tuple(dict.fromkeys(concerns)))


def states_budget(brief: str) -> bool:
    """Whether a brief says how much may be spent."""
    read = read_brief(brief)
    everything = [quantity for quantity, _ in read.quantities]
    for quantity, clause in read.quantities:
        roles = roles_of(quantity, clause, everything)
        if "budget_usd" not in roles:
            continue
        large = any(reading.value >= 1000 for reading in quantity.readings if reading.unit == "number")
        cued = re.search(rf"\b(?:{ROLE_CUES['budget_usd']})\b", clause.text, re.IGNORECASE) is not None
        if quantity.has_unit("money") or large or (cued and len(roles) == 1):
            return True
    return False


# --- numbers ---------------------------------------------------------------------------------------------------


def _check_numbers(brief: Brief, call: Mapping[str, object]) -> list[Concern]:
    values = {name: float(value) for name in NUMBER_UNITS if isinstance(value := call.get(name), int | float)}
    everything = [quantity for quantity, _ in brief.quantities]
    roles = [roles_of(quantity, clause, everything) for quantity, clause in brief.quantities]
    fits = {
        name: [
            index
            for index, (quantity, _) in enumerate(brief.quantities)
            if name in roles[index] and quantity.means(value, NUMBER_UNITS[name])
        ]
        for name, value in values.items()
    }
    zero_tests = values.get("experiment_share") == 0 and _NO_EXPERIMENTS.search(brief.text) is not None
    concerns = [
        Concern("ungrounded", name, _plain(values[name]))
        for name in values
        if not fits[name] and not (name == "experiment_share" and zero_tests)
    ]
    concerns += _shared_spans(fits, values)
    used = {index for indices in fits.values() for index in indices}
    for index, (quantity, clause) in enumerate(brief.quantities):
        if index not in used and is_constraint(quantity, clause):
            concerns.append(Concern("unaccounted", None, quantity.text))
    return concerns


def _shared_spans(fits: Mapping[str, list[int]], values: Mapping[str, float]) -> list[Concern]:
    """Two fields cannot both live on one span: find a span for each, or say which field is left without."""
    taken: dict[int, str] = {}

    def place(name: str, tried: set[int]) -> bool:
        for index in fits[name]:
            if index in tried:
                continue
            tried.add(index)
            if index not in taken or place(taken[index], tried):
                taken[index] = name
                return True
        return False

    return [
        Concern("ungrounded", name, _plain(values[name]))
        for name in fits
        if fits[name] and not place(name, set())
    ]


# --- names -----------------------------------------------------------------------------------------------------


def _name_pattern(names: Iterable[str]) -> re.Pattern[str]:
    forms = sorted({form for name in names for form in _forms(name)}, key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, forms))})(?![\w-])", re.IGNORECASE)


def _forms(name: str) -> set[str]:
    return {name, name.replace("_", " "), name.replace("_", "-")}


def _names(call: Mapping[str, object], name: str) -> list[str]:
    value = call.get(name)
    return [str(item) for item in value] if isinstance(value, list | tuple) else []


def _check_brand(brief: Brief, call: Mapping[str, object], known: GroundingContext) -> list[Concern]:
    brand_id = str(call.get("brand_id") or "")
    declared = known.brand_id is not None and brand_id == known.brand_id
    if declared or (known.brand_id is None and brand_id and _name_pattern([brand_id]).search(brief.text)):
        return []
    return [Concern("ungrounded", "brand_id", brand_id or "empty")]


def _check_retailers(brief: Brief, call: Mapping[str, object], known: GroundingContext) -> list[Concern]:
    called = _names(call, "retailers")
    wanted: dict[str, str] = {}
    refused: dict[str, str] = {}
    for retailer in dict.fromkeys([*known.retailer_ids, *called]):
        for match, clause in find_mentions(brief, _name_pattern([retailer])):
            (refused if is_left_out(brief, match, clause) else wanted)[retailer] = match.group()
    if refused and not wanted:
        wanted = {name: refused_by for name in known.retailer_ids for refused_by in ["all but these"]}
        wanted = {name: text for name, text in wanted.items() if name not in refused}
    concerns = [Concern("ungrounded", "retailers", retailer) for retailer in called if retailer not in wanted]
    missing = [name for name in wanted if name not in called]
    if wanted and missing:
        spans = {refused[name] for name in refused} or {wanted[name] for name in missing}
        concerns += [Concern("unaccounted", None, span) for span in sorted(spans)]
    return concerns


def _check_placements(brief: Brief, call: Mapping[str, object]) -> list[Concern]:
    called = _names(call, "placements")
    masked = _mask_lines(brief, call)
    wanted: dict[str, str] = {}
    refused: dict[str, str] = {}
    for name, form in PLACEMENTS.items():
        pattern = re.compile(rf"(?<![\w-])(?:{form})(?![\w-])", re.IGNORECASE)
        for match, clause in find_mentions(masked, pattern):
            (refused if is_left_out(masked, match, clause) else wanted)[name] = match.group()
    shown = set(PLACEMENTS) - {"cart", "in_store"}
    if refused and not wanted:
        allowed = shown - set(refused)
        concerns = [Concern("ungrounded", "placements", name) for name in called if name in refused]
        if set(called) & allowed != allowed:
            concerns += [Concern("unaccounted", None, text) for text in refused.values()]
        return concerns
    concerns = [Concern("ungrounded", "placements", name) for name in called if name not in wanted]
    missing = [text for name, text in wanted.items() if name not in called]
    return concerns + [Concern("unaccounted", None, text) for text in missing]


def _mask_lines(brief: Brief, call: Mapping[str, object]) -> Brief:
    """Blank out the names of the call's lines: `home spray` is no home-page placement."""
    lines = [*_names(call, "include_lines"), *_names(call, "exclude_lines")]
    if not lines:
        return brief
    text = _name_pattern(lines).sub(lambda match: "#" * len(match.group()), brief.text)
    return Brief(text, brief.clauses, brief.quantities)


def _check_lines(brief: Brief, call: Mapping[str, object], known: GroundingContext) -> list[Concern]:
    concerns: list[Concern] = []
    called = {
        **{line: "include_lines" for line in _names(call, "include_lines")},
        **{line: "exclude_lines" for line in _names(call, "exclude_lines")},
    }
    for line in dict.fromkeys([*called, *known.line_names]):
        mentions = find_mentions(brief, _name_pattern([line, *known.line_names.get(line, ())]))
        field_name = called.get(line)
        if field_name is not None and not any(
            is_left_out(brief, match, clause) == (field_name == "exclude_lines") for match, clause in mentions
        ):
            concerns.append(Concern("ungrounded", field_name, line))
        if field_name is None and mentions:
            concerns.append(Concern("unaccounted", None, mentions[0][0].group()))
    return concerns + _unread_selections(brief, call, known)


def _unread_selections(brief: Brief, call: Mapping[str, object], known: GroundingContext) -> list[Concern]:
    """Find clauses that pick or leave out something which the call does not know by any name."""
    names = [*_names(call, "include_lines"), *_names(call, "exclude_lines"), *_names(call, "retailers")]
    names += [*known.retailer_ids, *known.line_names]
    names += [form for forms in known.line_names.values() for form in forms]
    placements = "|".join(PLACEMENTS.values())
    concerns = []
    for clause in brief.stated_clauses():
        cue = _SELECTION_CUE.search(clause.text)
        if cue is None or any(character.isdigit() for character in clause.text):
            continue
        rest = clause.text[: cue.start()] + clause.text[cue.end() :]
        explained = (
            _SELECTION_KNOWN.search(rest)
            or re.search(rf"\b(?:{placements})\b", rest, re.IGNORECASE)
            or (names and _name_pattern(names).search(rest))
            or any(clause.start <= quantity.start < clause.end for quantity, _ in brief.quantities)
        )
        content = set(re.findall(r"[a-z]+", rest.lower())) - _FILLER
        if not explained and content:
            concerns.append(Concern("unaccounted", None, clause.text.strip()))
    return concerns


# --- objective, basis, stock -----------------------------------------------------------------------------------


def _check_objective(brief: Brief, call: Mapping[str, object]) -> list[Concern]:
    objective = call.get("objective")
    stated: dict[str, str] = {}
    mentioned: set[str] = set()
    for clause in brief.stated_clauses():
        counted = any(clause.start <= quantity.start < clause.end for quantity, _ in brief.quantities)
        for name, pattern in _METRICS.items():
            if not pattern.search(clause.text):
                continue
            # Beside a number, ROAS is a floor; the other metrics are an objective all the same.
            if not (counted and name == "roas"):
                mentioned.add(name)
                if _OBJECTIVE_CUE.search(clause.text) and not counted:
                    stated.setdefault(name, clause.text.strip())
            # Margin on extra sales is margin: the first metric in the list's order decides.
            break
    concerns: list[Concern] = []
    if objective is not None and objective not in mentioned:
        concerns.append(Concern("ungrounded", "objective", str(objective)))
    for name, text in stated.items():
        if objective != name and objective not in stated:
            concerns.append(Concern("unaccounted", None, text))
    return concerns


def _check_basis(brief: Brief, call: Mapping[str, object]) -> list[Concern]:
    """Attributed must be asked for; incremental is also what an unset basis means, so it needs no span."""
    roas = [clause for clause in brief.stated_clauses() if _METRICS["roas"].search(clause.text)]
    spans = [clause.text.strip() for clause in roas if _ATTRIBUTED.search(clause.text)]
    if call.get("roas_basis") == "attributed" and not spans:
        return [Concern("ungrounded", "roas_basis", "attributed")]
    if call.get("roas_basis") != "attributed" and call.get("min_roas") is not None and spans:
        return [Concern("unaccounted", None, spans[0])]
    return []


def _check_stock(brief: Brief, call: Mapping[str, object]) -> list[Concern]:
    clauses = [clause for clause in brief.stated_clauses() if _STOCK.search(clause.text)]
    value = call.get("exclude_out_of_stock")
    if not clauses:
        if value is None:
            return []
        return [Concern("ungrounded", "exclude_out_of_stock", str(value).lower())]
    allowed = any(_STOCK_ALLOWED.search(clause.text) for clause in clauses)
    if (value is True) != allowed:
        return []
    return [Concern("unaccounted", None, clauses[0].text.strip())]


def _plain(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
