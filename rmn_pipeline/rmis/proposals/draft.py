"""The draft of a mapping.yaml: everything a report tells, with comments, and a TODO where a person must decide.

A TODO is a small YAML mapping, {TODO: what to decide}, which stands where the answer belongs. No key of the
mapping language accepts it, so a draft with an open question cannot be loaded by mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import yaml

from rmn_pipeline.feeds import AS_OF_PATTERN
from rmn_pipeline.rmis.models import RMISRecord, enumerated_values
from rmn_pipeline.rmis.proposals.assignment import Assignment
from rmn_pipeline.rmis.proposals.evidence import Table
from rmn_pipeline.rmis.proposals.notation import DateChoice
from rmn_pipeline.rmis.proposals.profiles import ColumnProfile, placement_of, table_decimal_mark
from rmn_pipeline.rmis.proposals.relations import median_quotient
from rmn_pipeline.rmis.proposals.sampling import Sample, report_glob
from rmn_pipeline.rmis.proposals.targets import KEYS, MEASURES, SKU_FIELDS

TODO = "TODO"
_ORDER = (
    "retailer_id",
    "date",
    "campaign_id",
    "ad_group_id",
    "placement_type",
    "audience_id",
    *MEASURES,
    "currency",
)
_MOST_VALUES = 40
_MOST_ALTERNATIVES = 6
_DIVISORS = {"micros": 1e6, "millis": 1e3, "cents": 1e2}
_UNLIKELY_CPC = 500.0
_SYMBOLS = {"€": "EUR", "£": "GBP", "R$": "BRL", "₹": "INR", "Rs": "INR", "zł": "PLN", "₺": "TRY"}
_ISO_IN_HEADER = re.compile(r"(?<![A-Za-z])(?:USD|EUR|GBP|CAD|AUD|INR|BRL|MXN|CHF|SEK|PLN|JPY)(?![A-Za-z])")
_GTIN_SHARE = 0.5


@dataclass(frozen=True)
class Draft:
    """What a draft is written from."""

    sample: Sample
    table: Table
    assignment: Assignment
    dates: DateChoice | None

    def places(self, target: str) -> list[int]:
        """The columns that were chosen for a target, the best first."""
        chosen = [place for place, name in enumerate(self.assignment.targets) if name == target]
        return sorted(chosen, key=lambda place: -self.assignment.confidence[place])

    def header(self, place: int) -> str:
        """A column's name as sent."""
        return self.table.readings[place].header

    def profile(self, target: str) -> ColumnProfile | None:
        """The values of the first column that was chosen for a target."""
        places = self.places(target)
        return self.table.profiles[places[0]] if places else None


class _OneLine(yaml.SafeDumper):
    """Writes any value on one line: what cannot be seen is escaped."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


_OneLine.add_representer(str, _text)


def _flow(value: Any) -> str:
    """A value on one line of YAML."""
    text: str = yaml.dump(
        value, Dumper=_OneLine, default_flow_style=True, allow_unicode=True, width=1_000_000, sort_keys=False
    )
    return text.removesuffix("...\n").strip()


def _todo(question: str) -> dict[str, str]:
    return {TODO: question}


def _comment(text: str) -> str:
    return "# " + " ".join(text.split())


def _named(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)


def write_draft(draft: Draft, retailer_id: str | None) -> str:
    """The draft as YAML text."""
    sections = (
        _head(draft, retailer_id),
        _source(draft),
        _numbers(draft),
        _columns(draft, retailer_id),
        _sku(draft),
        _constants(draft),
        _keys_and_rules(draft),
    )
    return "\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _head(draft: Draft, retailer_id: str | None) -> list[str]:
    network = _todo("the network's name, e.g. the platform that the report comes from")
    return [
        "# A proposal, made from one report's headers and values. Check every line; answer every TODO.",
        *([_comment(f"Read from {draft.sample.file_name!r}.")] if draft.sample.file_name else []),
        *(
            [
                _comment(
                    f"The archive holds more, which was not looked at: {_named(draft.sample.other_sources)}."
                )
            ]
            if draft.sample.other_sources
            else []
        ),
        "version: 1",
        f"retailer_id: {_flow(retailer_id or _todo('lower-case letters, digits and _'))}",
        f"network: {_flow(network)}",
        "",
    ]


def _source(draft: Draft) -> list[str]:
    sample = draft.sample
    name = sample.file_name
    files = report_glob(name) if name else _todo("glob on the report files' names")
    lines = ["source:", f"  files: {_flow(files)}"]
    lines.append(f"  format: {_flow(sample.format or _todo('csv, tsv, json_array, json_lines, parquet …'))}")
    if sample.encoding_is_guessed:
        lines.append("  # A guess: the file is no UTF-8. Look at accented letters and money signs.")
    if sample.encoding not in (None, "auto", "utf-8"):
        lines.append(f"  encoding: {_flow(sample.encoding)}")
    if sample.delimiter not in (None, ",", "\t") and sample.format == "csv":
        lines.append(f"  delimiter: {_flow(sample.delimiter)}")
    if name is None or re.search(AS_OF_PATTERN, name) is None:
        question = "{fixed: YYYY-MM-DD}, or {file_name: pattern with one group around YYYY-MM-DD}"
        lines.append(f"  as_of: {_flow(_todo('when the network said so: ' + question))}")
    return [*lines, ""]


def _numbers(draft: Draft) -> list[str]:
    mark = table_decimal_mark(draft.table.frame)
    thousands = {
        profile.notation.thousands_mark
        for profile in draft.table.profiles
        if profile.notation is not None and profile.notation.thousands_mark
    }
    told = f"decimal mark {mark!r}" + (f", thousands {_named(sorted(thousands))}" if thousands else "")
    return [_comment(f"Numbers of this report: {told}."), ""] if mark == "," or thousands else []


def _columns(draft: Draft, retailer_id: str | None) -> list[str]:
    lines = ["columns:"]
    for target in _ORDER:
        places = draft.places(target)
        if places:
            lines += _column(draft, target, places, retailer_id)
    described = {target: draft.places(target) for target in SKU_FIELDS}
    if any(described.values()):
        lines.append("# Product attributes in this report; they belong in the retailer's catalog:")
        lines += [
            _comment(f"  {target.removeprefix('sku_dim.')}: {_named(map(draft.header, places))}")
            for target, places in described.items()
            if places
        ]
    return [*lines, *_left_out(draft), ""]


def _column(draft: Draft, target: str, places: Sequence[int], retailer_id: str | None) -> list[str]:
    headers = [draft.header(place) for place in places]
    # A retailer's name says more than its number, and one number under two names is read once.
    if target == "retailer_id":
        headers = [header for header in headers if "name" in header.lower()] or headers
    rule: dict[str, Any] = {"from": headers[0] if len(headers) == 1 else headers}
    rule |= _typed(draft, target, places[0])
    notes = [f"  {_comment(note)}" for note in _notes(draft, target, places)]
    values = _value_map(draft, target, places[0], retailer_id)
    if values is None:
        return [*notes, f"  {target}: {_flow(rule)}"]
    return [
        *notes,
        f"  {target}:",
        *(f"    {key}: {_flow(value)}" for key, value in rule.items()),
        "    values:",
        *(f"      {_flow(raw)}: {_flow(value)}" for raw, value in values.items()),
        "    unmapped: reject",
    ]


def _typed(draft: Draft, target: str, place: int) -> dict[str, Any]:
    if target == "date":
        return {"type": "date", "format": _date_format(draft)}
    if target not in MEASURES:
        return {}
    typed: dict[str, Any] = {"type": "int" if target in ("impressions", "clicks") else "decimal"}
    notation = draft.table.profiles[place].notation
    if target in ("cost", "revenue"):
        typed["type"] = "money"
    if notation is not None and notation.decimal_mark == ",":
        typed["decimal_mark"] = ","
    if notation is not None and notation.thousands_mark is not None:
        typed["thousands_mark"] = notation.thousands_mark
    for unit, divisor in _DIVISORS.items():
        if draft.table.readings[place].has(unit):
            typed["divide_by"] = int(divisor)
    return typed


def _date_format(draft: Draft) -> Any:
    dates = draft.dates
    if dates is None or dates.format is None:
        return _todo("the dates' format, e.g. %Y-%m-%d")
    if dates.is_certain:
        return dates.format
    return _todo(f"{dates.format} or {' or '.join(dates.alternatives)}: {dates.reason}")


def _notes(draft: Draft, target: str, places: Sequence[int]) -> list[str]:
    """What a person should know about a choice: how sure it is, and what else could stand there."""
    several = " One number under several names; the first that is there is used." if len(places) > 1 else ""
    notes = [f"Confidence {draft.assignment.confidence[places[0]]:.2f}." + several * (target in MEASURES)]
    if target == "date" and draft.dates is not None:
        notes.append(f"Format: {draft.dates.reason}.")
        notes += _period(draft, places[0])
    others = draft.assignment.alternatives.get(target, ())[:_MOST_ALTERNATIVES]
    if others and target != "date":
        notes.append("Not taken: " + ", ".join(_alternative(draft, place) for place in others) + ".")
    if target == "cost" and (unit := _odd_unit(draft, places[0])):
        notes.append(unit)
    if (profile := draft.table.profiles[places[0]]).negative_share and target in MEASURES:
        low = float(profile.finite.min())
        notes.append(
            f"Negative values are there (down to {low:g}): corrections add up under `repeats: corrections`."
        )
    return notes


def _period(draft: Draft, start: int) -> list[str]:
    """Rows that run from one day to a later one are no daily facts."""
    for place, reading in enumerate(draft.table.readings):
        ends = reading.has("date_end") and reading.has("date", "date_weak")
        if ends and draft.table.profiles[place].dates.is_date:
            first, last = draft.table.frame[draft.header(start)], draft.table.frame[reading.header]
            if not (first == last).all():
                return [f"Rows run on to {reading.header!r}: ask the network for one row per day."]
    return []


def _alternative(draft: Draft, place: int) -> str:
    window = draft.table.readings[place].window_days
    chosen = draft.assignment.window_days
    told = f" ({window} day{'s' * (window != 1)})" if window is not None and window != chosen else ""
    return f"{draft.header(place)!r}{told}"


def _odd_unit(draft: Draft, place: int) -> str | None:
    clicks = draft.places("clicks")
    each = median_quotient(draft.table.numbers, place, clicks[0]) if clicks else None
    if (
        each is None
        or each < _UNLIKELY_CPC
        or any(draft.table.readings[place].has(unit) for unit in _DIVISORS)
    ):
        return None
    return f"One click costs {each:,.0f}: are these cents or micros? Then add divide_by: 100 or 1000000."


def _value_map(draft: Draft, target: str, place: int, retailer_id: str | None) -> dict[str, Any] | None:
    distinct = draft.table.profiles[place].distinct[:_MOST_VALUES]
    if target == "placement_type":
        allowed = " | ".join(enumerated_values(RMISRecord, "placement_type"))
        return {raw: placement_of(raw) or _todo(allowed) for raw in distinct}
    if target == "retailer_id":
        own = retailer_id if retailer_id and len(distinct) == 1 else None
        named = _retailer_names(draft)
        return {
            raw: own or _todo("this mapping's retailer_id, or drop the line: others' rows are rejected")
            for raw in named
        }
    return None


def _retailer_names(draft: Draft) -> tuple[str, ...]:
    places = draft.places("retailer_id")
    by_name = [place for place in places if "name" in draft.header(place).lower()] or places
    return draft.table.profiles[by_name[0]].distinct[:_MOST_VALUES]


def _left_out(draft: Draft) -> list[str]:
    unused = [draft.header(place) for place, target in enumerate(draft.assignment.targets) if target is None]
    return [_comment(f"Left out: {_named(unused)}.")] if unused else []


def _sku(draft: Draft) -> list[str]:
    places = draft.places("sku_id")
    if not places:
        question = _todo("the product column; without one the report cannot become SKU-level events")
        return [f"sku: {_flow({'kind': 'native', 'from': question})}", ""]
    profile = draft.table.profiles[places[0]]
    share = profile.gtin_share
    kind = "gtin" if share >= _GTIN_SHARE else "native"
    told = (
        f"{share:.0%} of the codes are GTINs with a right check digit"
        if kind == "gtin"
        else "no product codes with check digits: looked up in the retailer's catalog"
    )
    if profile.is_empty:
        told = "the column is empty in this report; a side file may hold the product (see `joins`)"
    rule = {"kind": kind, "from": draft.header(places[0]), "unknown": "reject"}
    confidence = draft.assignment.confidence[places[0]]
    return [_comment(f"Confidence {confidence:.2f}; {told}."), f"sku: {_flow(rule)}", ""]


def _constants(draft: Draft) -> list[str]:
    mapped = {target for target in draft.assignment.targets if target is not None}
    lines = ["constants:"]
    for name in ("currency", "placement_type", *MEASURES):
        if name not in mapped:
            lines.append(f"  {name}: {_flow(_missing(draft, name))}")
    lines += [
        f"  ad_type: {_flow(_todo(' | '.join(enumerated_values(RMISRecord, 'ad_type'))))}",
        f"  conversion_unit: {_flow(_conversion_unit(draft))}",
        f"  revenue_scope: {_flow(_revenue_scope(draft))}",
        f"  attr_model: {_flow(_attribution(draft))}",
        f"  date_basis: {_flow(_todo('ad_interaction | order: which day a conversion is booked on'))}",
        f"  report_timezone: {_flow(_todo('the IANA zone that days are counted in, e.g. Europe/Berlin'))}",
        f"  cost_basis: {_flow(_todo(' | '.join(enumerated_values(RMISRecord, 'cost_basis'))))}",
    ]
    return [*lines, ""]


def _missing(draft: Draft, name: str) -> Any:
    if name == "currency":
        return _currency(draft)
    if name == "placement_type":
        return _todo("no column tells it: " + " | ".join(enumerated_values(RMISRecord, "placement_type")))
    return _todo(f"the report has no {name}; 0 only if that is true")


def _currency(draft: Draft) -> Any:
    texts = [
        text
        for target in ("cost", "revenue")
        for place in draft.places(target)
        for text in (draft.header(place), *draft.table.profiles[place].distinct[:5])
    ]
    for text in texts:
        found = _ISO_IN_HEADER.search(text)
        if found:
            return found.group(0)
        for symbol, code in _SYMBOLS.items():
            if symbol in text:
                return code
    dollars = " ('$' stands in the values)" if any("$" in text for text in texts) else ""
    return _todo(f"the account's currency, ISO 4217{dollars}")


def _conversion_unit(draft: Draft) -> Any:
    places = draft.places("conversions")
    if places:
        reading = draft.table.readings[places[0]]
        if reading.has("units") or (reading.has("count", "product") and not reading.has("orders")):
            return "units"
        if reading.has("orders"):
            return "orders"
    return _todo(" | ".join(enumerated_values(RMISRecord, "conversion_unit")))


def _revenue_scope(draft: Draft) -> Any:
    places = draft.places("revenue")
    if places:
        reading = draft.table.readings[places[0]]
        if reading.has("same", "direct"):
            return "same_sku"
        if reading.has("total") and not reading.has("halo"):
            return "total"
    return _todo("total | same_sku: are sales of other products in it?")


def _attribution(draft: Draft) -> Any:
    window = draft.assignment.window_days
    told = (
        f"the chosen columns are {window}-day ones, e.g. click_{window}d"
        if window
        else "no header names a window"
    )
    return _todo(f"{told}; ask the network for its model")


def _natural_key(draft: Draft) -> list[str]:
    mapped = set(draft.assignment.targets)
    optional = [name for name in (*KEYS, "placement_type") if name in mapped]
    return ["retailer_id", "date", *optional, "sku_id"]


def _keys_and_rules(draft: Draft) -> list[str]:
    question = _todo("days for which the network may still change a day; null where it does not say")
    lines = [f"restatement_window_days: {_flow(question)}"]
    repeated = _repeated_keys(draft)
    if repeated:
        lines.append(
            _comment(
                f"{repeated} rows of the sample repeat an earlier row's key: a column is missing from the key, or "
                "the rows are corrections (`repeats: corrections`)."
            )
        )
    lines.append(f"natural_key: {_flow(_natural_key(draft))}")
    return [*lines, "", "rules:", *(f"  - {_flow(rule)}" for rule in _rules(draft))]


def _repeated_keys(draft: Draft) -> int:
    names = [draft.header(draft.places(name)[0]) for name in _natural_key(draft) if draft.places(name)]
    frame = draft.table.frame
    return frame.height - frame.select(pl.struct(names).n_unique()).item() if names else 0


def _rules(draft: Draft) -> list[dict[str, Any]]:
    mapped = set(draft.assignment.targets)
    rules: list[dict[str, Any]] = [
        {"check": "range", "field": name, "min": 0}
        for name in ("impressions", "clicks", "cost")
        if name in mapped
    ]
    if {"impressions", "clicks"} <= mapped:
        rules.append({"check": "monotone", "fields": ["impressions", "clicks"]})
    if (currency := draft.profile("currency")) is not None and not currency.is_empty:
        rules.append(
            {"check": "in_set", "field": "currency", "values": list(currency.distinct[:_MOST_VALUES])}
        )
    rules.append({"check": "not_after", "field": "date", "limit": "as_of"})
    if "revenue" in mapped:
        rules.append({"check": "range", "field": "revenue", "min": 0, "severity": "warn"})
    return rules
