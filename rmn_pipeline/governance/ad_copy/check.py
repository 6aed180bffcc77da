"""`check_copy` and `mend_copy`: what is wrong with an advertisement's words, and the words put right."""

from __future__ import annotations

from collections.abc import Iterable

from rmn_pipeline.governance.ad_copy.checkers import check_rule
from rmn_pipeline.governance.ad_copy.copy import AdCopy
from rmn_pipeline.governance.ad_copy.mending import replace_spans
from rmn_pipeline.governance.ad_copy.policy import CopyPolicy
from rmn_pipeline.governance.ad_copy.violations import TextField, Violation
from rmn_pipeline.governance.errors import CopyNotMendableError, CopyPolicyError

_FIELDS: tuple[TextField, ...] = ("title", "headline", "body", "call_to_action", "disclaimer")


def check_copy(copy: AdCopy, policy: CopyPolicy) -> list[Violation]:
    """Everything in `copy` that breaks the policy, by field and place. A pre-check: the network has the last word.

    Raises:
        CopyPolicyError: the network has no such placement.
    """
    if copy.placement not in policy.placements:
        raise CopyPolicyError(
            f"placement {copy.placement!r} is unknown to {policy.network}; it has: {', '.join(policy.placements)}"
        )
    found = {violation for rule in policy.rules for violation in check_rule(copy, rule)}
    return sorted(found, key=lambda item: (_FIELDS.index(item.field), item.span, item.code, item.message))


def apply_suggestions(copy: AdCopy, violations: Iterable[Violation]) -> AdCopy:
    """The copy with the suggestions of all mendable violations in place.

    Where suggestions overlap, the smaller ones come first: a text is shortened after its words were mended. Applying
    may bring out what the first pass could not see, so `mend_copy` repeats it.
    """
    mendable = [violation for violation in violations if violation.suggestion is not None]
    for field in _FIELDS:
        own = [violation for violation in mendable if violation.field == field]
        whole = [item for item in own if item.span == (0, len(copy.text(field))) and copy.text(field)]
        parts = [item for item in own if item not in whole]
        chosen = parts or whole[:1]
        if chosen:
            replacements = [(item.span, item.suggestion or "") for item in chosen]
            copy = copy.with_text(field, replace_spans(copy.text(field), replacements))
    return copy


def mend_copy(copy: AdCopy, policy: CopyPolicy) -> AdCopy:
    """Copy that keeps to the policy, by computed suggestions alone.

    Raises:
        CopyNotMendableError: a violation has no suggestion; lists all of them. Nothing is half mended.
        CopyPolicyError: the network has no such placement.
    """
    seen: set[AdCopy] = set()
    mended = copy
    while violations := check_copy(mended, policy):
        hopeless = [item for item in violations if not item.is_mendable]
        if hopeless or mended in seen:
            raise CopyNotMendableError(_refusal(hopeless or violations, policy))
        seen.add(mended)
        mended = apply_suggestions(mended, violations)
    return mended


def _refusal(violations: list[Violation], policy: CopyPolicy) -> str:
    lines = "\n".join(f"  {item.field}: {item.code}: {item.message}" for item in violations)
    return f"copy for {policy.network} has to be written anew, no suggestion mends it:\n{lines}"
