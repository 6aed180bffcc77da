"""What the columns of a report say about one another, as log-odds on top of headers and values.

Belongs here: rates and what they are made of, funnels, totals and parts, product attributes that follow the
product, and the vote of a model. Each judgement returns what it adds; nothing here decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from rmn_pipeline.rmis.errors import HarmonizeError
from rmn_pipeline.rmis.proposals.headers import MEASURE_SENSES, HeaderReading
from rmn_pipeline.rmis.proposals.meanings import Scores
from rmn_pipeline.rmis.proposals.profiles import ColumnProfile
from rmn_pipeline.rmis.proposals.relations import (
    RATE_PARTS,
    Numbers,
    RateIdentity,
    is_at_most,
    median_quotient,
    moves_together,
    rate_identities,
    sums,
)
from rmn_pipeline.rmis.proposals.targets import TARGETS

Vote = Callable[[str, list[str]], Mapping[str, float]]

_ANCHOR = 2.5
_RATE_SUPPORT = 2.5
_VOTED_VALUES = 3
# A vote counts as much as a word of the header that it speaks for, and never more: clear values outweigh it.
VOTE_WEIGHT = 1.5
VOTE_CAP = 3.0
_VOTE_FLOOR = 0.02
_VOTE_CHANCE = 0.1
NO_FIELD = "none"
_PLAUSIBLE_CPC = (0.01, 100.0)
_PLAUSIBLE_BASKET = (0.2, 20_000.0)


@dataclass(frozen=True)
class Table:
    """A report as proposals see it."""

    frame: pl.DataFrame
    readings: Sequence[HeaderReading]
    profiles: Sequence[ColumnProfile]
    numbers: Numbers

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.readings)


@dataclass
class Evidence:
    """The sum of all evidence, column by column, and the reasons that changed it."""

    scores: list[Scores]
    reasons: dict[tuple[int, str], list[str]] = field(default_factory=dict)

    def add(self, place: int, target: str, amount: float, reason: str = "") -> None:
        """Counts `amount` for a target of a column."""
        self.scores[place][target] += amount
        if reason:
            self.reasons.setdefault((place, target), []).append(reason)


def start_evidence(header: Sequence[Scores], values: Sequence[Scores]) -> Evidence:
    """Headers and values added up."""
    combined = [
        {target: said[target] + shown[target] for target in TARGETS}
        for said, shown in zip(header, values, strict=True)
    ]
    return Evidence(combined)


def _vote_weight(header: str, probability: float) -> float:
    """1.5 · ln((p + 0.02) / 0.12), at most ±3: 0 at one in ten, 2.2 at a half, the cap from p = 0.87 on."""
    if not 0.0 <= probability <= 1.0:
        raise HarmonizeError(f"the vote on column {header!r} is no probability: {probability}")
    weight = VOTE_WEIGHT * math.log((probability + _VOTE_FLOOR) / (_VOTE_CHANCE + _VOTE_FLOOR))
    return max(-VOTE_CAP, min(VOTE_CAP, weight))


def add_votes(evidence: Evidence, table: Table, vote: Vote) -> None:
    """Asks `vote` about every column and counts its answers.

    Raises:
        HarmonizeError: an answer is no probability.
    """
    for place, profile in enumerate(table.profiles):
        answers = vote(profile.name, list(profile.distinct[:_VOTED_VALUES]))
        for target, probability in answers.items():
            weight = _vote_weight(profile.name, probability)
            if target == NO_FIELD:
                for each in TARGETS:
                    evidence.add(place, each, -max(weight, 0.0), "the model sees no field in it")
            elif target in TARGETS:
                evidence.add(place, target, weight, f"the model votes for {target} ({probability:.0%})")


def anchors(evidence: Evidence) -> dict[str, int]:
    """For each target the column that is beyond doubt already."""
    found = {}
    for target in TARGETS:
        place = max(range(len(evidence.scores)), key=lambda index: evidence.scores[index][target])
        if evidence.scores[place][target] >= _ANCHOR:
            found[target] = place
    return found


def add_relations(evidence: Evidence, table: Table) -> list[RateIdentity]:
    """Counts what the columns' relations say; returns the rates that were found to be quotients."""
    rates = {place for place, reading in enumerate(table.readings) if reading.is_rate}
    kinds = {place: reading.rate_kind for place, reading in enumerate(table.readings) if reading.rate_kind}
    identities = [
        identity
        for identity in rate_identities(table.numbers, {place: kind for place, kind in kinds.items() if kind})
        if rates.isdisjoint((identity.numerator, identity.denominator))
    ]
    _add_rates(evidence, table, identities)
    _add_funnel(evidence, table)
    _add_money(evidence, table)
    _add_totals(evidence, table)
    _add_product_attributes(evidence, table)
    return identities


def _add_rates(evidence: Evidence, table: Table, identities: Sequence[RateIdentity]) -> None:
    """The columns that a rate is made of; support is shared where several columns would fit."""
    support: dict[tuple[int, str], tuple[float, int]] = {}
    for rate in {identity.rate for identity in identities}:
        mine = [identity for identity in identities if identity.rate == rate]
        tops, belows = ({one.numerator for one in mine}, {one.denominator for one in mine})
        for role, places in zip(RATE_PARTS[mine[0].kind], (tops, belows), strict=True):
            fitting = _of_window(table, places, rate)
            for place in fitting:
                amount = _RATE_SUPPORT / len(fitting)
                if amount > support.get((place, role), (0.0, 0))[0]:
                    support[(place, role)] = (amount, rate)
    for (place, role), (amount, rate) in support.items():
        evidence.add(place, role, amount, f"{table.readings[rate].header!r} is computed from it as {role}")


def _of_window(table: Table, places: set[int], rate: int) -> set[int]:
    """The columns of the rate's own window, where it names one; else all of them."""
    window = table.readings[rate].window_days
    same = {place for place in places if table.readings[place].window_days == window}
    return same if window is not None and same else places


def _add_funnel(evidence: Evidence, table: Table) -> None:
    """Clicks never exceed impressions. The largest of unnamed counts is likely the impressions."""
    known = anchors(evidence)
    for place in range(table.width):
        for smaller, larger in (("clicks", "impressions"), ("conversions", "impressions")):
            _compare(evidence, table, place, known.get(larger), smaller, f"exceeds the {larger}")
        if "clicks" in known and known["clicks"] != place:
            fits = is_at_most(table.numbers, known["clicks"], place)
            evidence.add(place, "impressions", {True: 0.3, False: -3.0, None: 0.0}[fits])
        if not table.readings[place].is_understood and _dominates(table, place):
            evidence.add(place, "impressions", 2.7 if "clicks" in known else 1.5, "no other count exceeds it")


def _compare(
    evidence: Evidence, table: Table, place: int, larger: int | None, target: str, problem: str
) -> None:
    if larger is None or larger == place:
        return
    fits = is_at_most(table.numbers, place, larger)
    if fits is not None:
        evidence.add(place, target, 0.3 if fits else -3.0, "" if fits else problem)


def _dominates(table: Table, place: int) -> bool:
    """Whether a column of whole numbers exceeds every other count of the report in every row."""
    if not table.profiles[place].is_whole or table.profiles[place].is_constant:
        return False
    others = [
        other
        for other, profile in enumerate(table.profiles)
        if other != place
        and profile.is_whole
        and not profile.dates.is_date
        and (table.readings[other].has(*MEASURE_SENSES) or not table.readings[other].is_understood)
    ]
    below = [is_at_most(table.numbers, other, place) for other in others]
    return len(below) >= 2 and all(fits is not False for fits in below)


def _add_money(evidence: Evidence, table: Table) -> None:
    """Cost is there where clicks are, at a plausible price; revenue is there where conversions are."""
    pairs = (("cost", "clicks", _PLAUSIBLE_CPC), ("revenue", "conversions", _PLAUSIBLE_BASKET))
    for money, count, plausible in pairs:
        counted = [place for place in range(table.width) if evidence.scores[place][count] >= _ANCHOR]
        paid = [place for place in range(table.width) if evidence.scores[place][money] >= _ANCHOR]
        for place, reading in enumerate(table.readings):
            silent = not reading.is_understood
            whole = table.profiles[place].is_whole
            partner = _partner(table, place, counted, plausible, place_is_money=True)
            if partner is not None:
                evidence.add(place, money, 2.7 if silent and not whole else 0.5, _together(table, partner))
            partner = (
                _partner(table, place, paid, plausible, place_is_money=False) if silent and whole else None
            )
            if partner is not None:
                evidence.add(place, count, 2.7, _together(table, partner))


def _together(table: Table, partner: int) -> str:
    return f"is there exactly where {table.readings[partner].header!r} is"


def _partner(
    table: Table, place: int, partners: Sequence[int], plausible: tuple[float, float], *, place_is_money: bool
) -> int | None:
    """The column among `partners`, of the same window, that comes and goes with this one at a plausible price."""
    for partner in partners:
        money, count = (place, partner) if place_is_money else (partner, place)
        if partner == place or table.readings[partner].window_days != table.readings[place].window_days:
            continue
        each = median_quotient(table.numbers, money, count)
        if each is None or not plausible[0] <= each <= plausible[1]:
            continue
        if moves_together(table.numbers, count, money):
            return partner
    return None


def _add_totals(evidence: Evidence, table: Table) -> None:
    """A column that is the sum of two others of its kind is their total."""
    for place, parts in sums(table.numbers).items():
        for target in ("revenue", "conversions"):
            kin = [
                part
                for pair in parts
                for part in pair
                if all(_is_kin(table, place, one) for one in pair) and not table.readings[part].is_rate
            ]
            if not kin or evidence.scores[place][target] <= 0:
                continue
            named = " and ".join(repr(table.readings[part].header) for part in kin[:2])
            evidence.add(place, target, 1.0, f"is the sum of {named}")
            for part in set(kin):
                evidence.add(part, target, -1.5, f"is a part of {table.readings[place].header!r}")


def _is_kin(table: Table, total: int, part: int) -> bool:
    """A part has the total's window and at least one of its measure words."""
    whole, piece = table.readings[total], table.readings[part]
    shared = (whole.senses & piece.senses) & {
        "revenue",
        "sale",
        "orders",
        "units",
        "conversions",
        "amount",
        "sold",
    }
    return bool(shared) and whole.window_days == piece.window_days


def _add_product_attributes(evidence: Evidence, table: Table) -> None:
    """What describes a product is the same wherever the product is the same."""
    product = anchors(evidence).get("sku_id")
    if product is None:
        return
    code = pl.col(table.readings[product].header)
    products = table.frame[code.meta.output_name()].n_unique()
    for place, reading in enumerate(table.readings):
        if place == product or table.profiles[place].is_empty:
            continue
        column = pl.col(reading.header)
        most = table.frame.group_by(code).agg(column.drop_nulls().n_unique().alias("values"))["values"].max()
        follows = isinstance(most, int) and most <= 1
        for target in (
            "sku_dim.name",
            "sku_dim.brand",
            "sku_dim.category",
            "sku_dim.size",
            "sku_dim.seller_sku",
        ):
            if not follows:
                evidence.add(place, target, -2.5, "")
        if follows and products >= 3 and table.profiles[place].distinct_count >= 0.6 * products:
            evidence.add(place, "sku_dim.name", 0.7, "")
