"""The draft of a mapping.yaml: everything a report tells, with comments, and a TODO where a person must decide.

A TODO is a small YAML mapping, {TODO: what to decide}, which stands where the answer belongs. No key of the
mapping language accepts it, so a draft with an open question cannot be loaded by mistake.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import polars as pl
import yaml

from rmn_pipeline.feeds import AS_OF_PATTERN
from rmn_pipeline.rmis.models import RMISRecord, enumerated_values
from rmn_pipeline.rmis.proposals.basis import DraftBasis, named
from rmn_pipeline.rmis.proposals.profiles import placement_of, table_decimal_mark
from rmn_pipeline.rmis.proposals.remarks import remarks
from rmn_pipeline.rmis.proposals.sampling import report_glob
from rmn_pipeline.rmis.proposals.targets import KEYS, MEASURES, SKU_FIELDS, UNITS

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
_SYMBOLS = {"€": "EUR", "£": "GBP", "R$": "BRL", "₹": "INR", "Rs": "INR", "zł": "PLN", "₺": "TRY"}
_ISO_IN_HEADER = re.compile(r"(?<![A-Za-z])(?:USD|EUR|GBP|CAD|AUD|INR|BRL|MXN|CHF|SEK|PLN|JPY)(?![A-Za-z])")
_GTIN_SHARE = 0.5


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


def write_draft(draft: DraftBasis, retailer_id: str | None) -> str:
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


def _head(draft: DraftBasis, retailer_id: str | None) -> list[str]:
    network = _todo("the network's name, e.g. the platform that the report comes from")
    return [
        "# A proposal, made from one report's headers and values. Check every line; answer every TODO.",
        *([_comment(f"Read from {draft.sample.file_name!r}.")] if draft.sample.file_name else []),
        *([_comment(f"No facts, so not looked at: {draft.sample.found}.")] if draft.sample.found else []),
        *(
            [
                _comment(
                    f"The archive holds more, which was not looked at: {named(draft.sample.other_sources)}."
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


def _source(draft: DraftBasis) -> list[str]:
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


def _numbers(draft: DraftBasis) -> list[str]:
    """The marks of the report's numbers, where they are not the default."""
    marks = _marks(draft)
    return [f"numbers: {_flow(marks)}", ""] if marks else []


def _marks(draft: DraftBasis) -> dict[str, str]:
    decimal = table_decimal_mark(draft.table.frame)
    seen = Counter(
        profile.notation.thousands_mark
        for profile in draft.table.profiles
        if profile.notation is not None and profile.notation.thousands_mark is not None
    )
    marks = {} if decimal == "." else {"decimal_mark": decimal}
    # A column without a large number in the sample may still get one.
    return marks | ({"thousands_mark": seen.most_common(1)[0][0]} if seen else {})


def _columns(draft: DraftBasis, retailer_id: str | None) -> list[str]:
    lines = ["columns:"]
    for target in _ORDER:
        places = draft.places(target)
        if places:
            lines += _column(draft, target, places, retailer_id)
    described = {target: draft.places(target) for target in SKU_FIELDS}
    if any(described.values()):
        lines.append("# Product attributes in this report; they belong in the retailer's catalog:")
        lines += [
            _comment(f"  {target.removeprefix('sku_dim.')}: {named(map(draft.header, places))}")
            for target, places in described.items()
            if places
        ]
    return [*lines, *_left_out(draft), ""]


def _column(draft: DraftBasis, target: str, places: Sequence[int], retailer_id: str | None) -> list[str]:
    headers = [draft.header(place) for place in places]
    # A retailer's name says more than its number, and one number under two names is read once.
    if target == "retailer_id":
        headers = [header for header in headers if "name" in header.lower()] or headers
    rule: dict[str, Any] = {"from": headers[0] if len(headers) == 1 else headers}
    rule |= _typed(draft, target, places[0])
    notes = [f"  {_comment(note)}" for note in remarks(draft, target, places)]
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


def _typed(draft: DraftBasis, target: str, place: int) -> dict[str, Any]:
    if target == "date":
        return {"type": "date", "format": _date_format(draft)}
    if target not in MEASURES:
        return {}
    typed: dict[str, Any] = {"type": "int" if target in ("impressions", "clicks") else "decimal"}
    if target in ("cost", "revenue"):
        typed["type"] = "money"
    typed |= _own_marks(draft, place)
    units = [unit for unit in UNITS if draft.table.readings[place].has(unit)]
    return typed | ({"scale": units[0]} if units else {})


def _own_marks(draft: DraftBasis, place: int) -> dict[str, str]:
    """The marks of a column that is written otherwise than the rest of the report."""
    notation, table = draft.table.profiles[place].notation, _marks(draft)
    if notation is None:
        return {}
    own = {"decimal_mark": notation.decimal_mark, "thousands_mark": notation.thousands_mark}
    usual = {"decimal_mark": ".", "thousands_mark": None} | table
    return {name: mark for name, mark in own.items() if mark is not None and mark != usual[name]}


def _date_format(draft: DraftBasis) -> Any:
    dates = draft.dates
    if dates is None or dates.format is None:
        return _todo("the dates' format, e.g. %Y-%m-%d")
    if dates.is_certain:
        return dates.format
    return _todo(f"{dates.format} or {' or '.join(dates.alternatives)}: {dates.reason}")


def _value_map(draft: DraftBasis, target: str, place: int, retailer_id: str | None) -> dict[str, Any] | None:
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


def _retailer_names(draft: DraftBasis) -> tuple[str, ...]:
    places = draft.places("retailer_id")
    by_name = [place for place in places if "name" in draft.header(place).lower()] or places
    return draft.table.profiles[by_name[0]].distinct[:_MOST_VALUES]


def _left_out(draft: DraftBasis) -> list[str]:
    unused = [draft.header(place) for place, target in enumerate(draft.assignment.targets) if target is None]
    return [_comment(f"Left out: {named(unused)}.")] if unused else []


def _sku(draft: DraftBasis) -> list[str]:
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


def _constants(draft: DraftBasis) -> list[str]:
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


def _missing(draft: DraftBasis, name: str) -> Any:
    if name == "currency":
        return _currency(draft)
    if name == "placement_type":
        return _todo("no column tells it: " + " | ".join(enumerated_values(RMISRecord, "placement_type")))
    return _todo(f"the report has no {name}; 0 only if that is true")


def _currency(draft: DraftBasis) -> Any:
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


def _conversion_unit(draft: DraftBasis) -> Any:
    places = draft.places("conversions")
    if places:
        reading = draft.table.readings[places[0]]
        if reading.has("units") or (reading.has("count", "product") and not reading.has("orders")):
            return "units"
        if reading.has("orders"):
            return "orders"
    return _todo(" | ".join(enumerated_values(RMISRecord, "conversion_unit")))


def _revenue_scope(draft: DraftBasis) -> Any:
    places = draft.places("revenue")
    if places:
        reading = draft.table.readings[places[0]]
        if reading.has("same", "direct"):
            return "same_sku"
        if reading.has("total") and not reading.has("halo"):
            return "total"
    return _todo("total | same_sku: are sales of other products in it?")


def _attribution(draft: DraftBasis) -> Any:
    window = draft.assignment.window_days
    told = (
        f"the chosen columns are {window}-day ones, e.g. click_{window}d"
        if window
        else "no header names a window"
    )
    return _todo(f"{told}; ask the network for its model")


def _natural_key(draft: DraftBasis) -> list[str]:
    mapped = set(draft.assignment.targets)
    optional = [name for name in (*KEYS, "placement_type") if name in mapped]
    return ["retailer_id", "date", *optional, "sku_id"]


def _keys_and_rules(draft: DraftBasis) -> list[str]:
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


def _repeated_keys(draft: DraftBasis) -> int:
    names = [draft.header(draft.places(name)[0]) for name in _natural_key(draft) if draft.places(name)]
    frame = draft.table.frame
    return frame.height - frame.select(pl.struct(names).n_unique()).item() if names else 0


def _rules(draft: DraftBasis) -> list[dict[str, Any]]:
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
