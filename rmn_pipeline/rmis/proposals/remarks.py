"""What a draft tells a person beside each choice: how sure it is, what was not taken, what looks odd."""

from __future__ import annotations

from collections.abc import Sequence

from rmn_pipeline.rmis.proposals.basis import DraftBasis
from rmn_pipeline.rmis.proposals.meanings import is_part
from rmn_pipeline.rmis.proposals.relations import constant_quotient, median_quotient, moves_together
from rmn_pipeline.rmis.proposals.targets import MEASURES, UNITS

_MOST_ALTERNATIVES = 6
_UNLIKELY_CPC = 500.0
_FACTOR_OF_TWINS = 0.005


def remarks(draft: DraftBasis, target: str, places: Sequence[int]) -> list[str]:
    """What a person should know about a choice: how sure it is, and what else could stand there."""
    several = " One number under several names; the first that is there is used." if len(places) > 1 else ""
    notes = [f"Confidence {draft.assignment.confidence[places[0]]:.2f}." + several * (target in MEASURES)]
    if target == "date" and draft.dates is not None:
        notes.append(f"Format: {draft.dates.reason}.")
        notes += _period(draft, places[0])
    others = draft.assignment.alternatives.get(target, ())[:_MOST_ALTERNATIVES]
    if others and target != "date":
        notes.append("Not taken: " + ", ".join(_alternative(draft, place) for place in others) + ".")
    if target in ("cost", "revenue"):
        notes += _money_doubts(draft, target, places[0])
    if (profile := draft.table.profiles[places[0]]).negative_share and target in MEASURES:
        low = float(profile.finite.min())
        notes.append(
            f"Negative values are there (down to {low:g}): corrections add up under `repeats: corrections`."
        )
    return notes


def _period(draft: DraftBasis, start: int) -> list[str]:
    """Rows that run from one day to a later one are no daily facts."""
    for place, reading in enumerate(draft.table.readings):
        ends = reading.has("date_end") and reading.has("date", "date_weak")
        if ends and draft.table.profiles[place].dates.is_date:
            first, last = draft.table.frame[draft.header(start)], draft.table.frame[reading.header]
            if not (first == last).all():
                return [f"Rows run on to {reading.header!r}: ask the network for one row per day."]
    return []


def _alternative(draft: DraftBasis, place: int) -> str:
    window = draft.table.readings[place].window_days
    chosen = draft.assignment.window_days
    told = f" ({window} day{'s' * (window != 1)})" if window is not None and window != chosen else ""
    return f"{draft.header(place)!r}{told}"


def _money_doubts(draft: DraftBasis, target: str, place: int) -> list[str]:
    """What about an amount is odd enough for a person to look at."""
    numbers, clicks = draft.table.numbers, draft.places("clicks")
    doubts = [
        f"{draft.header(other)!r} is {factor:.4g} times this in every row: one amount in two currencies or units?"
        for other in draft.assignment.alternatives.get(target, ())
        if _is_rival(draft, other, place)
        and (factor := constant_quotient(numbers, other, place)) is not None
        and abs(factor - 1) > _FACTOR_OF_TWINS
    ]
    each = median_quotient(numbers, place, clicks[0]) if clicks else None
    unit_said = any(draft.table.readings[place].has(unit) for unit in UNITS)
    if target == "cost" and each is not None and each >= _UNLIKELY_CPC and not unit_said:
        doubts.append(
            f"One click costs {each:,.0f}: are these cents or micros? Then add scale: cents, or scale: micros."
        )
    if (
        target == "revenue"
        and clicks
        and not draft.places("cost")
        and moves_together(numbers, clicks[0], place)
    ):
        doubts.append(
            "It is there exactly where clicks are: the network's own revenue would be the advertiser's cost."
        )
    return doubts


def _is_rival(draft: DraftBasis, other: int, place: int) -> bool:
    """The same measure in the same window under another name, as far as the words say."""
    ours, theirs = draft.table.readings[place], draft.table.readings[other]
    return ours.window_days == theirs.window_days and not is_part(theirs)
