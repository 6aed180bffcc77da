"""Harmonization: a network's reports, through its mapping, to RMIS events and rejects that add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from rmn_pipeline.feeds import ReportSource, report_sources
from rmn_pipeline.rmis.errors import HarmonizeError
from rmn_pipeline.rmis.mapping import Mapping
from rmn_pipeline.rmis.models import EVENTS_SCHEMA, REJECTS_SCHEMA
from rmn_pipeline.rmis.restatement import event_ids, settle
from rmn_pipeline.rmis.row_transform import RowTransform, TransformedBatch, raw_row_json


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

    @property
    def broken(self) -> int:
        """Rows that broke a rule: neither superseded nor a repeat."""
        return self.rejects - self.superseded - self.duplicates

    @property
    def conserved(self) -> bool:
        """Every input row is in exactly one place."""
        return self.rows_in == self.events + self.rejects


@dataclass(frozen=True)
class HarmonizeResult:
    """Events, rejects and the count of both."""

    events: pl.DataFrame
    rejects: pl.DataFrame
    report: HarmonizeReport


@dataclass(frozen=True)
class _Report:
    """One report after the row transform, with its rows as sent."""

    source: ReportSource
    frame: pl.DataFrame
    done: TransformedBatch
    unmapped_columns: tuple[str, ...]


def _read_all(mapping: Mapping, paths: Iterable[Path | str], transform: RowTransform) -> list[_Report]:
    # In one order whatever the caller's: the choice between equal rows must not depend on it.
    files = sorted((Path(path) for path in paths), key=lambda path: (path.name, str(path)))
    if not files:
        raise HarmonizeError(f"{mapping.retailer_id}: no report files were given")
    spec = mapping.source.report_format()
    reports = []
    for source in (source for path in files for source in report_sources([path], spec)):
        frame = pl.concat(source.batches())
        bound = transform.bind(source, frame.columns)
        reports.append(_Report(source, frame, bound.apply(frame), bound.unmapped_columns))
    return reports


def _late_rejects(mapping: Mapping, settled: pl.DataFrame, reports: Sequence[_Report]) -> pl.DataFrame:
    """Repeats and superseded rows, with the row as sent."""
    rejected = settled.filter(pl.col("rule").is_not_null())
    parts = [pl.DataFrame(schema=REJECTS_SCHEMA)]
    for index, report in enumerate(reports):
        mine = rejected.filter(pl.col("file_index") == index)
        sent = report.frame[(mine["source_row"] - 1).to_list()]
        parts.append(
            mine.with_columns(
                pl.lit(mapping.retailer_id).alias("retailer_id"),
                sent["source_line"],
                raw_row_json(sent).alias("raw_row"),
            ).select(*REJECTS_SCHEMA)
        )
    return pl.concat(parts)


def _report(
    mapping: Mapping,
    reports: Sequence[_Report],
    events: int,
    rejects: pl.DataFrame,
    warnings: Counter[str],
) -> HarmonizeReport:
    counted = rejects.group_by("rule").len().sort("len", "rule", descending=[True, False])
    counts = {str(rule): int(count) for rule, count in counted.iter_rows()}
    files: dict[str, int] = {}
    for report in reports:
        files[report.source.name] = files.get(report.source.name, 0) + report.frame.height
    return HarmonizeReport(
        retailer_id=mapping.retailer_id,
        files=files,
        rows_in=sum(report.frame.height for report in reports),
        events=events,
        rejects=rejects.height,
        superseded=counts.get("superseded_by_restatement", 0),
        duplicates=counts.get("duplicate", 0),
        rule_counts=counts,
        warnings={rule: count for rule, count in warnings.items() if count},
        unmapped_columns=tuple(dict.fromkeys(name for report in reports for name in report.unmapped_columns)),
    )


def _settled(mapping: Mapping, reports: Sequence[_Report]) -> pl.DataFrame:
    rows = pl.concat(
        report.done.events.with_columns(pl.lit(index, pl.Int32).alias("file_index"))
        for index, report in enumerate(reports)
    )
    keyed = rows.select("file_index", event_ids(rows, mapping.natural_key), pl.exclude("file_index"))
    return settle(keyed, mapping.restatement_window_days)


def harmonize(
    mapping: Mapping, paths: Iterable[Path | str], crosswalk: pl.DataFrame | None = None
) -> HarmonizeResult:
    """Turns a retailer's report files into RMIS events and rejects; every input row ends in exactly one of them.

    `crosswalk` is the retailer's catalog (`load_catalog`): needed where product ids are the network's own.
    """
    reports = _read_all(mapping, paths, RowTransform(mapping, crosswalk))
    settled = _settled(mapping, reports)
    events = settled.filter(pl.col("rule").is_null()).sort("date", "source_file", "source_row")
    broken = pl.concat(report.done.rejects for report in reports)
    rejects = pl.concat([broken, _late_rejects(mapping, settled, reports)])
    warnings: Counter[str] = Counter()
    for one in reports:
        warnings.update(one.done.warnings)
    report = _report(mapping, reports, events.height, rejects, warnings)
    return HarmonizeResult(events.select(*EVENTS_SCHEMA), rejects, report)
