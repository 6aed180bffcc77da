"""A mapping compiled to work on batches of a report's rows: raw text in, RMIS events and rejects out.

What concerns one row alone happens here; repeats, restatements and the lake are settled by harmonization.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from rmn_pipeline.feeds import ReportSource
from rmn_pipeline.rmis.cells import Cells
from rmn_pipeline.rmis.computed import Computed, compile_computed, field_kinds
from rmn_pipeline.rmis.cost_basis import converted_cost
from rmn_pipeline.rmis.currency import Converter, conversions, load_converter
from rmn_pipeline.rmis.dates import as_of_in_name, day_in_zone
from rmn_pipeline.rmis.errors import HarmonizeError
from rmn_pipeline.rmis.families import Facts, facts_of
from rmn_pipeline.rmis.faults import Fault, FaultList, fault_for_all
from rmn_pipeline.rmis.mapping import AsOfFixed, AsOfFromColumn, ColumnRule, Mapping, TotalRows
from rmn_pipeline.rmis.models import EVENTS_SCHEMA, REJECTS_SCHEMA
from rmn_pipeline.rmis.places import BatchCells, Place, Places
from rmn_pipeline.rmis.raw_rows import SOURCE_COLUMNS, raw_row_json
from rmn_pipeline.rmis.reading import Read, Reading, compile_reading
from rmn_pipeline.rmis.row_selection import (
    TOTAL_ROW,
    ExpressionFilter,
    compile_filters,
    detected_totals,
    dropped_by_value,
    ragged_rows,
    rows_with_values,
)
from rmn_pipeline.rmis.rules import RowRule, RuleSet, UniqueFields, compile_rules
from rmn_pipeline.rmis.side_files import SideFiles
from rmn_pipeline.rmis.sku import SKU, compile_sku
from rmn_pipeline.rmis.values import clean_text

__all__ = ["BoundTransform", "RowTransform", "TransformedBatch", "raw_row_json"]

DEDUPE_KEY = "dedupe:key"
FAMILY = "family"
_SEPARATOR, _NULL = "\x1f", "\x1e"
_EVENT_COLUMNS = tuple(name for name in EVENTS_SCHEMA if name != "event_id")


@dataclass(frozen=True)
class TransformedBatch:
    """One batch after the row transform: `events.height + rejects.height == rows_in`, always.

    Attributes:
        events: the columns of rmis_events but for `event_id`; `family` where the mapping has several families, and
            `dedupe:key` where it has a dedupe key (null where all of its columns are empty: such rows have none).
        rejects: the columns of rmis_rejects. Total and filtered rows have severity info.
        warnings: events that break a rule of severity warn, by rule.
        rows_in: rows of the batch times families.
        conversions: events whose amounts were converted, by 'GBP to EUR'.
    """

    events: pl.DataFrame
    rejects: pl.DataFrame
    warnings: dict[str, int]
    rows_in: int
    conversions: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _FactsPlan:
    """One kind of fact, compiled."""

    name: str | None
    # RMIS field or input to the reading that gives it, by its key in `RowTransform.readings`.
    readings: dict[str, str]
    literals: tuple[pl.Expr, ...]
    computed: tuple[Computed, ...]
    # The zone in whose days `date` is counted, where it follows from `event_at`.
    day_zone: str | None
    filters: tuple[ExpressionFilter, ...]
    rules: tuple[RowRule, ...]


class RowTransform:
    """A mapping, compiled once for all reports of a retailer.

    `key_rules` have to be judged on the sums of a statement, `unique_rules` over the events that hold; both are
    described in `rules`.
    """

    def __init__(self, mapping: Mapping, crosswalk: pl.DataFrame | None = None) -> None:
        self.mapping = mapping
        self.sku = compile_sku(mapping, crosswalk)
        self.readings: dict[str, Reading] = {}
        self.sides = SideFiles()
        all_facts = facts_of(mapping)
        self.plans = tuple(self._plan(facts) for facts in all_facts)
        rules = self._rules(all_facts[0])
        self.key_rules: list[RowRule] = list(rules.key_rules)
        self.unique_rules: list[UniqueFields] = list(rules.unique_rules)

    def bind(self, source: ReportSource, columns: Sequence[str]) -> BoundTransform:
        """The transform of one report: its headers, side files and as-of date. HarmonizeError if they do not fit."""
        mapping = self.mapping
        places = Places(mapping, source, columns, self.sides)
        found: dict[tuple[str, ...], Place] = {}

        def find(sources: Sequence[str], purpose: str, optional: bool = False) -> None:
            found[tuple(sources)] = places.find(sources, purpose, optional)

        for reading in self.readings.values():
            find(reading.column.sources, reading.purpose, reading.column.optional)
        find(mapping.sku.sources, "the product")
        for name in mapping.dedupe_key or []:
            find([name], "the dedupe key")
        if isinstance(mapping.total_rows, TotalRows):
            find(mapping.total_rows.sources, "the total rows")
        for one in mapping.filters:
            if one.sources is not None:
                find(one.sources, f"the filter '{one.name}'")
        places.refuse_missing()
        rates = mapping.currency_conversion
        return BoundTransform(
            transform=self,
            as_of=_as_of(mapping, source),
            places=found,
            joined=places,
            converter=load_converter(rates, source.paths[0]) if rates is not None else None,
            unmapped_columns=places.headers.unused,
        )

    def _plan(self, facts: Facts) -> _FactsPlan:
        mapping = self.mapping
        names: dict[str, str] = {}
        for section, family in ((mapping.inputs, None), (facts.columns, facts.name)):
            for name, column in section.items():
                if isinstance(column, ColumnRule):
                    names[name] = self._reading_key(name, column, family)
        if isinstance(mapping.source.as_of, AsOfFromColumn):
            names["as_of"] = self._reading_key("as_of", mapping.source.as_of, None)
        computed, kinds, _ = compile_computed(mapping, facts)
        filled = {*names, *(one.name for one in computed), SKU, "as_of", "event_id", *SOURCE_COLUMNS}
        zone = str(facts.constants.get("report_timezone"))
        derived = "event_at" in facts.columns and "date" not in filled and "date" not in facts.constants
        return _FactsPlan(
            name=facts.name,
            readings=names,
            literals=_literals(mapping, facts, filled),
            computed=tuple(computed),
            day_zone=zone if derived else None,
            filters=compile_filters(mapping, kinds),
            rules=self._rules(facts).row_rules,
        )

    def _rules(self, facts: Facts) -> RuleSet:
        _, kinds, _ = compile_computed(self.mapping, facts)
        return compile_rules(self.mapping, {**kinds, **field_kinds()})

    def _reading_key(self, name: str, column: ColumnRule, family: str | None) -> str:
        """A reading is made once, however many families use it."""
        common = self.mapping.inputs.get(name) or self.mapping.columns.get(name)
        key = name if family is None or column is common else f"{family}:{name}"
        if key not in self.readings:
            self.readings[key] = compile_reading(self.mapping, name, column)
        return key


def _literals(mapping: Mapping, facts: Facts, filled: set[str]) -> tuple[pl.Expr, ...]:
    """Constants, the retailer's id, and nulls for every field that this network does not send."""
    constants: dict[str, Any] = {"retailer_id": mapping.retailer_id, **facts.constants}
    if mapping.cost_conversion is not None:
        constants["cost_basis"] = mapping.cost_conversion.report
    return tuple(
        pl.lit(constants.get(name), dtype).alias(name)
        for name, dtype in EVENTS_SCHEMA.items()
        if name not in filled
    )


def _as_of(mapping: Mapping, source: ReportSource) -> date | None:
    """The as-of date of a whole report; None where every row has its own."""
    rule = mapping.source.as_of
    if isinstance(rule, AsOfFixed):
        return rule.fixed
    if isinstance(rule, AsOfFromColumn):
        return None
    names = [source.name, *(path.name for path in source.paths)]
    found = as_of_in_name(names, rule.file_name, rule.format)
    if found is None:
        raise HarmonizeError(
            f"{source.paths[0]}: the file name does not say when the report was made "
            f"(pattern {rule.file_name}, date as {rule.format})"
        )
    return found


@dataclass(frozen=True)
class BoundTransform:
    """The transform of one report. `apply` changes no shared state, so batches may run in several threads."""

    transform: RowTransform
    as_of: date | None
    places: dict[tuple[str, ...], Place]
    joined: Places
    converter: Converter | None
    unmapped_columns: tuple[str, ...]

    def apply(self, batch: pl.DataFrame) -> TransformedBatch:
        """Events, rejects and warnings of one batch."""
        cells = BatchCells(batch, self.joined.joins)
        reads = {key: self._read(reading, cells) for key, reading in self.transform.readings.items()}
        product = self.transform.sku.read(self._cells(cells, self.transform.mapping.sku.sources))
        common = list(self._common_faults(batch, cells))
        parts = [
            _FactsOfBatch(self, plan, batch, reads, product).made(common) for plan in self.transform.plans
        ]
        return _together(parts, self._dedupe_keys(batch, cells), batch.height)

    def _cells(self, cells: BatchCells, sources: Sequence[str]) -> Cells:
        return cells.at(self.places[tuple(sources)])

    def _read(self, reading: Reading, cells: BatchCells) -> Read:
        place = self.places[tuple(reading.column.sources)]
        return reading.read(cells.rows_at(place) if reading.reads_rows else cells.at(place))

    def _common_faults(self, batch: pl.DataFrame, cells: BatchCells) -> Iterator[tuple[Fault, str]]:
        """Faults of rows as such, whatever fact they tell, with their severity."""
        mapping = self.transform.mapping
        if isinstance(mapping.total_rows, TotalRows):
            totals = rows_with_values(
                self._cells(cells, mapping.total_rows.sources), mapping.total_rows.values
            )
            message = f"sums up other rows, as '{mapping.total_rows.sources[0]}' says"
            yield fault_for_all(TOTAL_ROW, totals.arg_true(), message), "info"
        elif mapping.total_rows == "detected" and (detected := detected_totals(batch)) is not None:
            yield detected, "info"
        for one in mapping.filters:
            if one.sources is not None:
                yield dropped_by_value(one, self._cells(cells, one.sources)), "info"
        if (ragged := ragged_rows(batch)) is not None:
            yield ragged, "reject"
        for name, join in mapping.joins.items():
            if join.missing == "reject":
                rows = cells.side_rows(name).is_null().arg_true()
                message = f"no row in {join.file} for its {', '.join(join.key)}"
                yield fault_for_all(f"unmatched.{name}", rows, message), "reject"

    def _dedupe_keys(self, batch: pl.DataFrame, cells: BatchCells) -> pl.Series | None:
        names = self.transform.mapping.dedupe_key
        if names is None:
            return None
        clean = clean_text(pl.col("text"), self.transform.mapping.source.null_values)
        texts = []
        for number, name in enumerate(names):
            found = self._cells(cells, [name])
            values = found.values.cast(pl.String, strict=False).alias("text").to_frame().select(clean)
            texts.append(found.spread(values.to_series()).alias(str(number)))
        joined = pl.concat_str([pl.col(text.name).fill_null(_NULL) for text in texts], separator=_SEPARATOR)
        empty = pl.all_horizontal(pl.col(text.name).is_null() for text in texts)
        return pl.DataFrame(texts).select(pl.when(~empty).then(joined).alias(DEDUPE_KEY)).to_series()


@dataclass(frozen=True)
class _Made:
    """Events of one kind of fact with their rows in the batch, and what became of the other rows."""

    events: pl.DataFrame
    sound: pl.Series | None
    rejects: pl.DataFrame
    warnings: Counter[str]


class _FactsOfBatch:
    """One kind of fact, made from the rows of one batch."""

    def __init__(
        self,
        bound: BoundTransform,
        plan: _FactsPlan,
        batch: pl.DataFrame,
        reads: dict[str, Read],
        product: Read,
    ) -> None:
        self._bound = bound
        self._mapping = bound.transform.mapping
        self._plan = plan
        self._batch = batch
        self._faults = FaultList()
        self._reads = {name: reads[key] for name, key in plan.readings.items()}
        self._reads[SKU] = product

    def made(self, common: list[tuple[Fault, str]]) -> _Made:
        """Events, rejects and warnings."""
        for fault, severity in common:
            self._faults.add(fault, "info" if severity == "info" else "reject")
        rows = self._read()
        steps: list[Callable[[pl.DataFrame], pl.DataFrame]] = [
            self._with_computed,
            self._with_day,
            self._with_cost_basis,
            self._with_currency,
        ]
        for step in steps:
            rows = step(rows)
        warned = self._judge(rows)
        self._filter(rows)
        return self._split(rows, warned)

    def _read(self) -> pl.DataFrame:
        """What stands in cells, and what every row has."""
        columns = []
        for name, read in self._reads.items():
            columns.append(read.values.alias(name))
            for fault in read.faults:
                self._faults.add(fault)
        place = self._batch.select("source_file", "source_row")
        rows = place.with_columns(columns)
        if self._bound.as_of is not None:
            rows = rows.with_columns(pl.lit(self._bound.as_of, pl.Date).alias("as_of"))
        return rows.with_columns(self._plan.literals)

    def _with_computed(self, rows: pl.DataFrame) -> pl.DataFrame:
        for computed in self._plan.computed:
            read = computed.evaluate(rows)
            for fault in read.faults:
                self._faults.add(fault)
            rows = rows.with_columns(read.values.alias(computed.name))
        return rows

    def _with_day(self, rows: pl.DataFrame) -> pl.DataFrame:
        zone = self._plan.day_zone
        if zone is None:
            return rows
        rows = rows.with_columns(day_in_zone(pl.col("event_at"), zone).alias("date"))
        message = "date is empty (event_at is)"
        self._faults.add(fault_for_all("not_null.date", rows["date"].is_null().arg_true(), message))
        return rows

    def _with_cost_basis(self, rows: pl.DataFrame) -> pl.DataFrame:
        conversion = self._mapping.cost_conversion
        if conversion is None:
            return rows
        converted = rows.with_columns(converted_cost(conversion))
        lost = (converted["cost"].is_null() & rows["cost"].is_not_null()).arg_true()
        message = f"cost cannot be brought to the basis {conversion.report}: a rate is empty"
        self._faults.add(fault_for_all("not_null.cost", lost, message))
        return converted

    def _with_currency(self, rows: pl.DataFrame) -> pl.DataFrame:
        if self._bound.converter is None:
            return rows
        rows, missing = self._bound.converter.convert(rows)
        if missing is not None:
            self._faults.add(missing)
        return rows

    def _judge(self, rows: pl.DataFrame) -> list[tuple[str, pl.Series]]:
        """Blames rows for rules of severity reject, and gives the broken rows of the others."""
        rules = self._plan.rules
        if not rules:
            return []
        found = rows.select(
            rule.broken.fill_null(False).alias(f"{number}") for number, rule in enumerate(rules)
        )
        warned = []
        for rule, broken in zip(rules, found.get_columns(), strict=True):
            if not broken.any():
                continue
            # A rule that looks at constants alone has one answer for all rows.
            places = (
                broken if broken.len() == rows.height else broken.new_from_index(0, rows.height)
            ).arg_true()
            if rule.severity == "warn":
                warned.append((rule.name, places))
            else:
                messages = rows[places.to_list()].with_columns(rule.message.alias("message:"))["message:"]
                self._faults.add(Fault(rule.name, places, messages))
        return warned

    def _filter(self, rows: pl.DataFrame) -> None:
        faulty = self._faults.rows()
        for one in self._plan.filters:
            self._faults.add(one.dropped(rows, faulty), "info")

    def _split(self, rows: pl.DataFrame, warned: list[tuple[str, pl.Series]]) -> _Made:
        verdicts = self._faults.verdicts()
        wanted = rows.select(_EVENT_COLUMNS)
        sound = None
        if not verdicts.is_empty():
            everywhere = pl.repeat(True, rows.height, dtype=pl.Boolean, eager=True)
            sound = everywhere.scatter(verdicts["row"], False)
            wanted = wanted.filter(sound)
        warnings: Counter[str] = Counter()
        for name, places in warned:
            warnings[name] += places.len() if sound is None else int(sound.gather(places).sum())
        if self._plan.name is not None and len(self._bound.transform.plans) > 1:
            wanted = wanted.with_columns(pl.lit(self._plan.name).alias(FAMILY))
            told = pl.format("{} (family {})", "message", pl.lit(self._plan.name))
            verdicts = verdicts.with_columns(told.alias("message"))
        return _Made(wanted, sound, self._rejects(verdicts), warnings)

    def _rejects(self, verdicts: pl.DataFrame) -> pl.DataFrame:
        sent = self._batch[verdicts["row"].to_list()]
        line = "source_line" in sent.columns
        return verdicts.with_columns(
            pl.lit(self._mapping.retailer_id).alias("retailer_id"),
            sent["source_file"],
            sent["source_row"],
            sent["source_line"] if line else pl.lit(None, pl.Int64).alias("source_line"),
            raw_row_json(sent).alias("raw_row"),
        ).select(*REJECTS_SCHEMA)


def _together(parts: list[_Made], dedupe_keys: pl.Series | None, height: int) -> TransformedBatch:
    tables = []
    warnings: Counter[str] = Counter()
    for part in parts:
        table = part.events
        if dedupe_keys is not None:
            keys = dedupe_keys if part.sound is None else dedupe_keys.filter(part.sound)
            table = table.with_columns(keys)
        tables.append(table)
        warnings.update(part.warnings)
    events = tables[0] if len(tables) == 1 else pl.concat(tables)
    return TransformedBatch(
        events=events,
        rejects=pl.concat(part.rejects for part in parts),
        warnings=dict(warnings),
        rows_in=height * len(parts),
        conversions=conversions(events) if events["original_currency"].null_count() < events.height else {},
    )
