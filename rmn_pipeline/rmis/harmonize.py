"""Harmonization: a network's reports, through its mapping, to RMIS events and rejects that add up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from rmn_pipeline.rmis.errors import HarmonizeError
from rmn_pipeline.rmis.gtin import gtin_table
from rmn_pipeline.rmis.mapping import Mapping
from rmn_pipeline.rmis.models import EVENTS_SCHEMA, REJECTS_SCHEMA
from rmn_pipeline.rmis.raw_rows import SKU, SOURCE_COLUMNS, RawReport, SideFiles, raw_name, read_raw
from rmn_pipeline.rmis.restatement import event_ids, settle
from rmn_pipeline.rmis.rules import MAPPED, PART, RowRule, all_rules, count_warnings, explain, judge
from rmn_pipeline.rmis.values import extract_part, map_values, parse_values, with_default

_PLACE = ("file_index", *SOURCE_COLUMNS)
_VERDICT = ("rule", "severity", "message")


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


def _typed(mapping: Mapping, rows: pl.LazyFrame) -> pl.LazyFrame:
    columns = mapping.columns.items()
    rows = rows.with_columns(
        extract_part(pl.col(raw_name(name)), column.extract).alias(PART + name) for name, column in columns
    )
    rows = rows.with_columns(
        map_values(pl.col(PART + name), column).alias(MAPPED + name) for name, column in columns
    )
    return rows.with_columns(
        with_default(
            parse_values(pl.col(MAPPED + name), name, column), pl.col(raw_name(name)), column.default, name
        ).alias(name)
        for name, column in columns
    )


def _crosswalk_table(mapping: Mapping, crosswalk: pl.DataFrame, key: str) -> pl.LazyFrame:
    missing = [name for name in (key, SKU) if name not in crosswalk.columns]
    if missing:
        raise HarmonizeError(f"{mapping.retailer_id}: the crosswalk has no column {missing[0]!r}")
    table = crosswalk.select(pl.col(key).alias("code"), pl.col(SKU)).unique()
    if table["code"].is_duplicated().any():
        raise HarmonizeError(f"{mapping.retailer_id}: the crosswalk ties one {key} to several products")
    return table.lazy()


def _with_native_sku(mapping: Mapping, rows: pl.LazyFrame, crosswalk: pl.DataFrame | None) -> pl.LazyFrame:
    if crosswalk is None:
        raise HarmonizeError(
            f"{mapping.retailer_id}: its product ids are the network's own; pass crosswalk=load_catalog(…)"
        )
    raw = pl.col(raw_name(SKU))
    table = _crosswalk_table(mapping, crosswalk, "native_id")
    joined = rows.join(table, left_on=raw_name(SKU), right_on="code", how="left", maintain_order="left")
    if mapping.sku.unknown == "keep":
        own_id = pl.format("{}:{}", pl.lit(mapping.retailer_id), raw)
        return joined.with_columns(pl.coalesce(SKU, own_id).alias(SKU), pl.lit(False).alias("sku:unknown"))
    return joined.with_columns((raw.is_not_null() & pl.col(SKU).is_null()).alias("sku:unknown"))


def _with_gtin_sku(mapping: Mapping, rows: pl.LazyFrame, crosswalk: pl.DataFrame | None) -> pl.LazyFrame:
    codes = rows.select(raw_name(SKU)).unique().collect()[raw_name(SKU)]
    table = gtin_table(codes).rename({"gtin14": SKU, "problem": "gtin:problem", "reason": "gtin:reason"})
    joined = rows.join(
        table.lazy(), left_on=raw_name(SKU), right_on="code", how="left", maintain_order="left"
    )
    unknown = pl.lit(False)
    if crosswalk is not None and mapping.sku.unknown == "reject":
        known = crosswalk[SKU].unique().to_list()
        unknown = pl.col(SKU).is_not_null() & ~pl.col(SKU).is_in(known)
    return joined.with_columns(unknown.alias("sku:unknown"))


def _with_constants(mapping: Mapping, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Constants, the retailer's id, and nulls for every field that this network does not send."""
    constants = {"retailer_id": mapping.retailer_id, **mapping.constants}
    given = {*mapping.columns, SKU, "event_id", "as_of", *SOURCE_COLUMNS}
    return rows.with_columns(
        pl.lit(constants.get(name)).cast(dtype).alias(name)
        for name, dtype in EVENTS_SCHEMA.items()
        if name not in given
    )


def _raw_json(report: RawReport, indices: pl.Series) -> pl.Series:
    """Rows of a report as JSON text, as they were sent."""
    sent = report.frame.drop(SOURCE_COLUMNS)
    return sent[indices.to_list()].select(pl.struct(pl.all()).struct.json_encode()).to_series()


def _rejects_table(mapping: Mapping, rejected: pl.DataFrame, reports: Sequence[RawReport]) -> pl.DataFrame:
    parts = [pl.DataFrame(schema=REJECTS_SCHEMA)]
    for index, report in enumerate(reports):
        mine = rejected.filter(pl.col("file_index") == index).sort("source_row")
        if mine.is_empty():
            continue
        parts.append(
            mine.with_columns(
                pl.lit(mapping.retailer_id).alias("retailer_id"),
                _raw_json(report, mine["source_row"] - 1).alias("raw_row"),
            ).select(*REJECTS_SCHEMA)
        )
    return pl.concat(parts)


def _prepare(mapping: Mapping, reports: Sequence[RawReport], crosswalk: pl.DataFrame | None) -> pl.LazyFrame:
    rows = pl.concat([report.rows for report in reports])
    typed = _typed(mapping, rows)
    with_sku = _with_native_sku if mapping.sku.kind == "native" else _with_gtin_sku
    return _with_constants(mapping, with_sku(mapping, typed, crosswalk))


def _read_all(mapping: Mapping, paths: Iterable[Path | str]) -> list[RawReport]:
    # In one order whatever the caller's: the choice between equal rows must not depend on it.
    files = sorted((Path(path) for path in paths), key=lambda path: (path.name, str(path)))
    if not files:
        raise HarmonizeError(f"{mapping.retailer_id}: no report files were given")
    sides = SideFiles()
    return [read_raw(mapping, path, index, sides) for index, path in enumerate(files)]


def _report(
    mapping: Mapping,
    reports: Sequence[RawReport],
    events: int,
    rejects: pl.DataFrame,
    warnings: dict[str, int],
) -> HarmonizeReport:
    counted = rejects.group_by("rule").len().sort("len", "rule", descending=[True, False])
    counts = {str(rule): int(count) for rule, count in counted.iter_rows()}
    files: dict[str, int] = {}
    for report in reports:
        files[report.path.name] = files.get(report.path.name, 0) + report.frame.height
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


def _split(
    mapping: Mapping, judged: pl.DataFrame, rules: list[RowRule]
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, int]]:
    """Events, rejected rows with their verdicts, and the warnings."""
    bad = explain(judged.filter(pl.col("broken").is_not_null()), rules).select(*_PLACE, *_VERDICT)
    good = judged.filter(pl.col("broken").is_null())
    warnings = count_warnings(good, rules)
    fields = [name for name in EVENTS_SCHEMA if name != "event_id"]
    keyed = good.select("file_index", event_ids(good, mapping.natural_key), *fields)
    settled = settle(keyed, mapping.restatement_window_days)
    late = settled.filter(pl.col("rule").is_not_null()).select(*_PLACE, *_VERDICT)
    events = (
        settled.filter(pl.col("rule").is_null())
        .sort("date", "source_file", "source_row")
        .select(*EVENTS_SCHEMA)
    )
    return events, pl.concat([bad, late]), warnings


def harmonize(
    mapping: Mapping, paths: Iterable[Path | str], crosswalk: pl.DataFrame | None = None
) -> HarmonizeResult:
    """Turns a retailer's report files into RMIS events and rejects; every input row ends in exactly one of them.

    `crosswalk` is the retailer's catalog (`load_catalog`): needed where product ids are the network's own.
    """
    reports = _read_all(mapping, paths)
    rules = all_rules(mapping)
    judged = judge(_prepare(mapping, reports, crosswalk), rules).collect()
    events, rejected, warnings = _split(mapping, judged, rules)
    rejects = _rejects_table(mapping, rejected, reports)
    return HarmonizeResult(events, rejects, _report(mapping, reports, events.height, rejects, warnings))
