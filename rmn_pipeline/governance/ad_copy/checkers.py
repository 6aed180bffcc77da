"""One checker per kind of rule: copy and rule in, violations out, suggestions computed where they can be."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from rmn_pipeline.governance.ad_copy import rules
from rmn_pipeline.governance.ad_copy.copy import AdCopy
from rmn_pipeline.governance.ad_copy.mending import quieter_text, quieter_word, shorten
from rmn_pipeline.governance.ad_copy.seasons import runs_past
from rmn_pipeline.governance.ad_copy.violations import TextField, Violation, ViolationCode
from rmn_pipeline.governance.ad_copy.wording import Span, expression, find_words, term_pattern
from rmn_pipeline.governance.plain_text import plain_form

Violations = Iterator[Violation]

_CAPITAL_WORD = re.compile(r"(?<![\w])[^\W\d_]{2,}(?![\w])")
_SENTENCE_END = re.compile(r"[.!?]\s*$")
# Pictures, dingbats, flags and what joins and colours them.
_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u2190-\u21ff\u231a-\u23ff\u25a0-\u25ff\u3030\u303d\u3297\u3299"
    "\ufe0f\u20e3\U000e0020-\U000e007f]+(?:\u200d[\U0001f000-\U0001faff\u2600-\u27bf\ufe0f]+)*"
)


def check_rule(copy: AdCopy, rule: rules.Rule) -> Violations:
    """What one rule finds in a copy; nothing where it is for other placements or categories."""
    if rule.placements is not None and copy.placement not in rule.placements:
        return
    if rule.categories is not None and (copy.category or "") not in rule.categories:
        return
    yield from _CHECKERS[rule.kind](copy, rule)


def _violation(rule: Any, field: TextField, span: Span, message: str, suggestion: str | None) -> Violation:
    return Violation(rule.code, field, span, message, suggestion, rule.source, getattr(rule, "claim", None))


def _fields(copy: AdCopy, rule: Any) -> Iterator[tuple[TextField, str]]:
    for field in rule.fields:
        text = copy.text(field)
        if text:
            yield field, text


def _length(copy: AdCopy, rule: rules.LengthRule) -> Violations:
    most = rule.max_by_language.get(copy.language, rule.max_characters)
    for field, text in _fields(copy, rule):
        if len(text) > most:
            message = f"{rule.message}: {len(text)} characters, at most {most} are shown"
            yield _violation(rule, field, (0, len(text)), message, shorten(text, most))


def _required(copy: AdCopy, rule: rules.RequiredRule) -> Violations:
    for field in rule.fields:
        if not plain_form(copy.text(field)).text.strip():
            yield _violation(rule, field, (0, len(copy.text(field))), rule.message, None)


def _terms(copy: AdCopy, rule: rules.TermsRule) -> Violations:
    yield from _wording(copy, rule, term_pattern(rule.terms))


def _patterns(copy: AdCopy, rule: rules.PatternsRule) -> Violations:
    for pattern in rule.patterns:
        yield from _wording(copy, rule, expression(pattern, rule.case_matters))


def _wording(
    copy: AdCopy, rule: rules.TermsRule | rules.PatternsRule, pattern: re.Pattern[str]
) -> Violations:
    for field, text in _fields(copy, rule):
        for start, end in find_words(pattern, text):
            if rule.accepts_proof and _is_proven(copy, text, (start, end)):
                continue
            message = f"{rule.message}: {text[start:end]!r}"
            yield _violation(rule, field, (start, end), message, rule.replace_with)


def _is_proven(copy: AdCopy, text: str, span: Span) -> bool:
    """Whether the words stand inside a claim that the brand names a proof for."""
    claims = (find_words(term_pattern([proof.claim]), text) for proof in copy.proofs)
    return any(start <= span[0] and span[1] <= end for places in claims for start, end in places)


def _characters(copy: AdCopy, rule: rules.CharactersRule) -> Violations:
    pattern = re.compile("[" + re.escape("".join(rule.forbidden)) + "]")
    for field, text in _fields(copy, rule):
        for found in pattern.finditer(text):
            message = f"{rule.message}: {found.group()!r}"
            yield _violation(rule, field, found.span(), message, rule.forbidden[found.group()])


def _emoji(copy: AdCopy, rule: rules.EmojiRule) -> Violations:
    for field, text in _fields(copy, rule):
        for found in _EMOJI.finditer(text):
            yield _violation(rule, field, found.span(), f"{rule.message}: {found.group()!r}", "")


def _capitals(copy: AdCopy, rule: rules.CapitalsRule) -> Violations:
    for field, text in _fields(copy, rule):
        yield from _capital_words(rule, field, text)
        if len(text) > rule.longer_than and _capital_share(text) > rule.max_share:
            message = (
                f"{rule.message}: {_capital_share(text):.0%} of the letters, at most {rule.max_share:.0%}"
            )
            quieter = quieter_text(text, lambda candidate: _capital_share(candidate) <= rule.max_share)
            yield _violation(rule, field, (0, len(text)), message, quieter)


def _capital_words(rule: rules.CapitalsRule, field: TextField, text: str) -> Violations:
    for found in _CAPITAL_WORD.finditer(text):
        word = found.group()
        if len(word) < rule.least_letters or not word.isupper() or word in rule.acronyms:
            continue
        begins = found.start() == 0 or _SENTENCE_END.search(text, 0, found.start()) is not None
        suggestion = quieter_word(word, begins=begins)
        # Letters without a small form cannot be written otherwise.
        yield _violation(
            rule,
            field,
            found.span(),
            f"{rule.message}: {word!r}",
            None if suggestion.isupper() else suggestion,
        )


def _capital_share(text: str) -> float:
    letters = [char for char in text if char.isalpha()]
    return sum(char.isupper() for char in letters) / len(letters) if letters else 0.0


def _competitors(copy: AdCopy, rule: rules.CompetitorsRule) -> Violations:
    if not copy.competitors:
        return
    pattern = term_pattern(copy.competitors)
    for field, text in _fields(copy, rule):
        for start, end in find_words(pattern, text):
            yield _violation(rule, field, (start, end), f"{rule.message}: {text[start:end]!r}", None)


def _sponsor(copy: AdCopy, rule: rules.SponsorRule) -> Violations:
    if copy.brand is None:
        return
    pattern = term_pattern([copy.brand])
    for field, text in _fields(copy, rule):
        if next(find_words(pattern, text), None) is None:
            yield _violation(
                rule, field, (0, len(text)), f"{rule.message}: {copy.brand!r} is not named", None
            )


def _disclaimer(copy: AdCopy, rule: rules.DisclaimerRule) -> Violations:
    pattern = term_pattern(rule.any_of)
    fields: tuple[TextField, ...] = ("title", "headline", "body", "disclaimer")
    if any(next(find_words(pattern, copy.text(field)), None) for field in fields):
        return
    present = copy.text("disclaimer")
    end = len(present)
    yield _violation(rule, "disclaimer", (end, end), rule.message, f" {rule.text}" if present else rule.text)


def _call_to_action(copy: AdCopy, rule: rules.CallToActionRule) -> Violations:
    allowed = {text.casefold(): text for text in rule.allowed}
    for field, text in _fields(copy, rule):
        meant = allowed.get(text.strip().casefold())
        if meant is None:
            message = f"{rule.message}: {text!r}; allowed: {', '.join(rule.allowed)}"
            yield _violation(rule, field, (0, len(text)), message, rule.allowed[0])
        elif text.isupper() and not meant.isupper():
            message = f"a call to action is not written in capitals: {text!r}"
            yield Violation(ViolationCode.CTA_IN_ALL_CAPS, field, (0, len(text)), message, meant, rule.source)


def _language(copy: AdCopy, rule: rules.LanguageRule) -> Violations:
    if copy.language not in rule.allowed:
        message = f"{rule.message}: {copy.language!r}; allowed: {', '.join(rule.allowed)}"
        yield _violation(rule, "headline", (0, 0), message, None)


def _seasonal(copy: AdCopy, rule: rules.SeasonalRule) -> Violations:
    for event in rule.events:
        problem = _season_problem(copy, rule, event)
        if problem is None:
            continue
        for field, text in _fields(copy, rule):
            for start, end in find_words(term_pattern(event.terms), text):
                yield _violation(
                    rule, field, (start, end), f"{rule.message}: {text[start:end]!r} {problem}", None
                )


def _season_problem(copy: AdCopy, rule: rules.SeasonalRule, event: rules.SeasonalEvent) -> str | None:
    if copy.last_day is None:
        return "goes out of date, and the copy has no last day"
    feast = runs_past(event.when, copy.last_day, rule.days_after)
    return None if feast is None else f"was on {feast}, and the copy runs until {copy.last_day}"


def _prohibited_category(copy: AdCopy, rule: rules.CategoryRule) -> Violations:
    yield _violation(rule, "headline", (0, 0), f"{rule.message}: {copy.category!r}", None)


_CHECKERS: dict[str, Callable[[AdCopy, Any], Violations]] = {
    "length": _length,
    "required": _required,
    "terms": _terms,
    "patterns": _patterns,
    "characters": _characters,
    "emoji": _emoji,
    "capitals": _capitals,
    "competitors": _competitors,
    "sponsor": _sponsor,
    "disclaimer": _disclaimer,
    "call_to_action": _call_to_action,
    "language": _language,
    "seasonal": _seasonal,
    "prohibited_category": _prohibited_category,
}
