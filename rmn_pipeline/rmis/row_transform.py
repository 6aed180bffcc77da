"""A mapping compiled to work on batches of a report's rows: raw text in, RMIS events and rejects out.

What concerns one row alone happens here; repeats, restatements and the lake are settled by harmonization.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from rmn_pipeline.feeds import ReportSource
from rmn_pipeline.rmis.errors import HarmonizeError
from rmn_pipeline.rmis.gtin import gtin_table
from rmn_pipeline.rmis.mapping import Mapping
from rmn_pipeline.rmis.models import EVENTS_SCHEMA, REJECTS_SCHEMA
from rmn_pipeline.rmis.raw_rows import SKU, RawColumns, SideFiles, bind_columns, raw_name
from rmn_pipeline.rmis.rules import MAPPED, PART, RowRule, all_rules, count_warnings, explain, judge
from rmn_pipeline.rmis.values import extract_part, map_values, parse_values, with_default

SOURCE_COLUMNS = ("source_file", "source_row", "source_line", "source_total")
# Position of a row in its batch: finds the row as sent again.
_POSITION = "row:position"
_EVENT_COLUMNS = tuple(name for name in EVENTS_SCHEMA if name != "event_id")


@dataclass(frozen=True)
class TransformedBatch:
    """One batch after the row transform: `events.height + rejects.height == rows_in`, always.

    `events` has the columns of rmis_events but for `event_id`; `rejects` those of rmis_rejects.
    """

    events: pl.DataFrame
    rejects: pl.DataFrame
    warnings: dict[str, int]
    rows_in: int


def raw_row_json(batch: pl.DataFrame) -> pl.Series:
    """Every row of a batch as JSON text, as it was sent."""
    sent = batch.drop(SOURCE_COLUMNS, strict=False)
    return sent.select(pl.struct(pl.all()).struct.json_encode()).to_series()


class RowTransform:
    """A mapping, compiled once for all reports of a retailer."""

    def __init__(self, mapping: Mapping, crosswalk: pl.DataFrame | None = None) -> None:
        self.mapping = mapping
        self.rules: list[RowRule] = all_rules(mapping)
        self.crosswalk = _native_table(mapping, crosswalk) if mapping.sku.kind == "native" else None
        self.known_skus = _known_skus(mapping, crosswalk)
        self._sides = SideFiles()

    def bind(self, source: ReportSource, columns: Sequence[str]) -> BoundTransform:
        """The transform of one report: its headers, side files and as-of date. HarmonizeError if they do not fit."""
        sent = [name for name in columns if name not in SOURCE_COLUMNS]
        return BoundTransform(self, bind_columns(self.mapping, source, sent, self._sides))


@dataclass(frozen=True)
class BoundTransform:
    """The transform of one report. `apply` changes no shared state, so batches may run in several threads."""

    transform: RowTransform
    raw: RawColumns
    unmapped_columns: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "unmapped_columns", self.raw.unmapped_columns)

    def apply(self, batch: pl.DataFrame) -> TransformedBatch:
        """Events, rejects and warnings of one batch."""
        transform, mapping = self.transform, self.transform.mapping
        rows = self.raw.read(_with_place(batch))
        rows = _typed(mapping, rows)
        rows = _with_constants(mapping, _with_sku(transform, rows))
        judged = judge(rows, transform.rules).collect()
        good = judged.filter(pl.col("broken").is_null())
        bad = judged.filter(pl.col("broken").is_not_null())
        return TransformedBatch(
            events=good.select(_EVENT_COLUMNS),
            rejects=_rejects(mapping, explain(bad, transform.rules), batch),
            warnings=count_warnings(good, transform.rules),
            rows_in=batch.height,
        )


def _with_place(batch: pl.DataFrame) -> pl.LazyFrame:
    lines = [] if "source_line" in batch.columns else [pl.lit(None, pl.Int64).alias("source_line")]
    return batch.lazy().with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias(_POSITION), *lines)


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


def _native_table(mapping: Mapping, crosswalk: pl.DataFrame | None) -> pl.DataFrame:
    if crosswalk is None:
        raise HarmonizeError(
            f"{mapping.retailer_id}: its product ids are the network's own; pass crosswalk=load_catalog(…)"
        )
    missing = [name for name in ("native_id", SKU) if name not in crosswalk.columns]
    if missing:
        raise HarmonizeError(f"{mapping.retailer_id}: the crosswalk has no column {missing[0]!r}")
    table = crosswalk.select(pl.col("native_id").alias("code"), pl.col(SKU)).unique()
    if table["code"].is_duplicated().any():
        raise HarmonizeError(f"{mapping.retailer_id}: the crosswalk ties one native_id to several products")
    return table


def _known_skus(mapping: Mapping, crosswalk: pl.DataFrame | None) -> list[str] | None:
    """The products that a bar code may name; None where every valid one is accepted."""
    if mapping.sku.kind == "native" or mapping.sku.unknown == "keep" or crosswalk is None:
        return None
    if SKU not in crosswalk.columns:
        raise HarmonizeError(f"{mapping.retailer_id}: the crosswalk has no column {SKU!r}")
    known: list[str] = crosswalk[SKU].unique().to_list()
    return known


def _with_sku(transform: RowTransform, rows: pl.LazyFrame) -> pl.LazyFrame:
    if transform.crosswalk is None:
        return _with_gtin_sku(rows, transform.known_skus)
    mapping, raw = transform.mapping, pl.col(raw_name(SKU))
    joined = rows.join(
        transform.crosswalk.lazy(), left_on=raw_name(SKU), right_on="code", how="left", maintain_order="left"
    )
    if mapping.sku.unknown == "keep":
        own_id = pl.format("{}:{}", pl.lit(mapping.retailer_id), raw)
        return joined.with_columns(pl.coalesce(SKU, own_id).alias(SKU), pl.lit(False).alias("sku:unknown"))
    return joined.with_columns((raw.is_not_null() & pl.col(SKU).is_null()).alias("sku:unknown"))


def _with_gtin_sku(rows: pl.LazyFrame, known: list[str] | None) -> pl.LazyFrame:
    codes = rows.select(raw_name(SKU)).unique().collect()[raw_name(SKU)]
    table = gtin_table(codes).rename({"gtin14": SKU, "problem": "gtin:problem", "reason": "gtin:reason"})
    joined = rows.join(
        table.lazy(), left_on=raw_name(SKU), right_on="code", how="left", maintain_order="left"
    )
    unknown = pl.lit(False)
    if known is not None:
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


def _rejects(mapping: Mapping, explained: pl.DataFrame, batch: pl.DataFrame) -> pl.DataFrame:
    raw_rows = raw_row_json(batch[explained[_POSITION].to_list()])
    return explained.with_columns(
        pl.lit(mapping.retailer_id).alias("retailer_id"), raw_rows.alias("raw_row")
    ).select(*REJECTS_SCHEMA)
