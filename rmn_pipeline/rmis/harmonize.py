"""Harmonization: a network's reports, through its mapping, to RMIS events, their history, and rejects that add up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import polars as pl

from rmn_pipeline.feeds import ReportSource, report_sources
from rmn_pipeline.rmis.engine import Engine, Limits, Tally
from rmn_pipeline.rmis.errors import HarmonizeError
from rmn_pipeline.rmis.journal import NO_CHANGES, Changes
from rmn_pipeline.rmis.lake import EVENTS, HISTORY, RetailerWriter
from rmn_pipeline.rmis.mapping import Mapping
from rmn_pipeline.rmis.models import EVENTS_SCHEMA, REJECTS_SCHEMA
from rmn_pipeline.rmis.restatement import DUPLICATE, HISTORY_SCHEMA, SUPERSEDED, Settled, StatementRules
from rmn_pipeline.rmis.row_selection import TOTAL_ROW
from rmn_pipeline.rmis.row_transform import RowTransform
from rmn_pipeline.rmis.spill import CompactRows

FILTERED_PREFIX = "filtered."


@dataclass(frozen=True)
class HarmonizeReport:
    """What went in, what came out, and why the rest did not."""

    retailer_id: str
    files: dict[str, int]
    rows_in: int
    events: int
    rejects: int
    superseded: int
    duplicates: int
    rule_counts: dict[str, int]
    warnings: dict[str, int] = field(default_factory=dict)
    unmapped_columns: tuple[str, ...] = ()
    readings: int = 0
    filtered: int = 0
    total_rows: int = 0
    severities: dict[str, int] = field(default_factory=dict)
    history: int = 0
    conversions: dict[str, int] = field(default_factory=dict)
    days_written: int = 0
    days_unchanged: int = 0
    days_removed: int = 0

    @property
    def broken(self) -> int:
        """Rows that broke a rule: neither superseded nor a repeat, a total or filtered."""
        return self.rejects - self.severities.get("info", 0)

    @property
    def conserved(self) -> bool:
        """Every reading of an input row (one per fact family) is in exactly one place."""
        return self.readings == self.events + self.rejects


@dataclass(frozen=True)
class HarmonizeResult:
    """Events, what they superseded, rejects, and the count of all."""

    events: pl.DataFrame
    rejects: pl.DataFrame
    report: HarmonizeReport
    history: pl.DataFrame


def _sources(mapping: Mapping, paths: Iterable[Path | str]) -> list[ReportSource]:
    files = [Path(path) for path in paths]
    if not files:
        raise HarmonizeError(f"{mapping.retailer_id}: no report files were given")
    found = report_sources(files, mapping.source.report_format())
    # In one order whatever the caller's: the choice between equal rows must not depend on it.
    return sorted(found, key=lambda source: (source.name, [str(path) for path in source.paths]))


def _statement_rules(transform: RowTransform) -> StatementRules:
    mapping = transform.mapping
    if "date" not in mapping.natural_key:
        raise HarmonizeError(f"{mapping.retailer_id}: the natural key must have 'date': a fact is one day's")
    return StatementRules(
        natural_key=tuple(mapping.natural_key),
        window_days=mapping.restatement_window_days,
        corrections=mapping.repeats == "corrections",
        key_rules=tuple(transform.key_rules),
        unique_rules=tuple(transform.unique_rules),
    )


def _engine(
    mapping: Mapping,
    paths: Iterable[Path | str],
    crosswalk: pl.DataFrame | None,
    scratch: Path | None,
    limits: Limits,
) -> Engine:
    transform = RowTransform(mapping, crosswalk)
    return Engine(transform, _statement_rules(transform), _sources(mapping, paths), scratch, limits)


def _filtered(tally: Tally) -> int:
    return sum(count for rule, count in tally.rules.items() if rule.startswith(FILTERED_PREFIX))


def _count_days(names: Iterable[str]) -> int:
    return sum(name.startswith(f"{EVENTS}/") for name in names)


def _report(mapping: Mapping, tally: Tally, changes: Changes = NO_CHANGES) -> HarmonizeReport:
    by_count = sorted(tally.rules.items(), key=lambda item: (-item[1], item[0]))
    return HarmonizeReport(
        retailer_id=mapping.retailer_id,
        files=tally.files,
        rows_in=tally.rows_in,
        events=tally.events,
        rejects=tally.rules.total(),
        superseded=tally.rules[SUPERSEDED],
        duplicates=tally.rules[DUPLICATE],
        rule_counts=dict(by_count),
        warnings={rule: count for rule, count in tally.warnings.items() if count},
        unmapped_columns=tuple(tally.unmapped_columns),
        readings=tally.readings,
        filtered=_filtered(tally),
        total_rows=tally.rules[TOTAL_ROW],
        severities=dict(tally.severities),
        history=tally.history,
        conversions=dict(tally.conversions),
        days_written=_count_days(changes.written),
        days_unchanged=_count_days(changes.unchanged),
        days_removed=_count_days(changes.removed),
    )


def harmonize(
    mapping: Mapping,
    paths: Iterable[Path | str],
    crosswalk: pl.DataFrame | None = None,
    *,
    limits: Limits | None = None,
) -> HarmonizeResult:
    """Turns a retailer's report files into RMIS events and rejects; every input row ends in exactly one of them.

    `crosswalk` is the retailer's catalog (`load_catalog`): needed where product ids are the network's own. All is
    kept in memory; `harmonize_to_lake` is for reports that are larger than that.
    """
    engine = _engine(mapping, paths, crosswalk, None, limits or Limits())
    engine.read()
    settled = [part for parts in engine.days(lambda _, parts: list(parts)) for part in parts]
    rejects = pl.concat([pl.DataFrame(schema=REJECTS_SCHEMA), *engine.rejects()])
    return HarmonizeResult(
        events=pl.concat([pl.DataFrame(schema=EVENTS_SCHEMA), *(part.events.whole() for part in settled)]),
        rejects=rejects,
        report=_report(mapping, engine.tally),
        history=pl.concat([pl.DataFrame(schema=HISTORY_SCHEMA), *(part.history.whole() for part in settled)]),
    )


def _events_of(parts: Iterable[Settled], superseded: list[CompactRows]) -> Iterator[CompactRows]:
    """The events of a day, part by part; what they supersede is put aside for the table that is written next."""
    for part in parts:
        superseded.append(part.history)
        yield part.events


def harmonize_to_lake(
    mapping: Mapping,
    paths: Iterable[Path | str],
    lake_dir: Path | str,
    crosswalk: pl.DataFrame | None = None,
    *,
    limits: Limits | None = None,
) -> HarmonizeReport:
    """The same into the lake, in bounded memory: rmis_events, rmis_history and rmis_rejects change as one state.

    What the lake had of this retailer is replaced; a day that comes out the same keeps its file. Whatever goes
    wrong on the way, or a kill at any point, leaves the old state or the new one.
    """
    with RetailerWriter(lake_dir, mapping.retailer_id) as writer:
        engine = _engine(mapping, paths, crosswalk, writer.scratch, limits or Limits())
        engine.read()

        def write(day: date, parts: Iterator[Settled]) -> None:
            superseded: list[CompactRows] = []
            writer.write_day(day, EVENTS, _events_of(parts, superseded))
            writer.write_day(day, HISTORY, superseded)

        for _ in engine.days(write):
            pass
        writer.write_rejects(engine.rejects())
        changes = writer.commit()
    return _report(mapping, engine.tally, changes)
