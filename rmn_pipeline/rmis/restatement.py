"""Statements: one event per natural key, and which of several things that a network said about it holds.

A statement is everything that was said about one natural key as of one date. Where the mapping declares that keys
repeat as corrections, it may have several rows, and its sum counts; else it has one, and more are repeats. A later
statement replaces the whole earlier one while the day is open; once a day's restatement window has passed, what was
said then is final. Nothing in here depends on the order in which files or rows came.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import polars as pl

from rmn_pipeline.rmis.event_ids import event_ids, key_texts, with_ordinal
from rmn_pipeline.rmis.models import EVENTS_SCHEMA
from rmn_pipeline.rmis.rules import RowRule, count_warnings, explain, judge

NUMBERS = ("impressions", "clicks", "conversions", "revenue", "cost")
SUPERSEDED = "superseded_by_restatement"
DUPLICATE = "duplicate"
CONFLICT = "conflicting_duplicate"
OUTSIDE_WINDOW = "restatement_outside_window"
# Columns that the engine adds to the events of a batch.
SOURCE_INDEX = "source:index"
REPEATED_DELIVERY = "dedupe:repeated"
DEDUPE_KEY = "dedupe:key"
FAMILY = "family"

HISTORY_SCHEMA: dict[str, pl.DataType] = {**EVENTS_SCHEMA, "superseded_by_as_of": pl.Date()}
LATE_REJECTS_SCHEMA: dict[str, pl.DataType] = {
    SOURCE_INDEX: pl.Int32(),
    "source_file": pl.String(),
    "source_row": pl.Int64(),
    "rule": pl.String(),
    "severity": pl.String(),
    "message": pl.String(),
}
_VERDICT = ("rule", "severity", "message")
# What a row says: all but its key, and where and when it was said.
_NOT_CONTENT = {"event_id", "as_of", "source_file", "source_row", SOURCE_INDEX, REPEATED_DELIVERY, FAMILY}


@dataclass(frozen=True)
class StatementRules:
    """What a mapping says about repeats, corrections and restatements."""

    natural_key: tuple[str, ...]
    window_days: int | None
    corrections: bool = False
    key_rules: tuple[RowRule, ...] = ()


@dataclass(frozen=True)
class Settled:
    """Rows of one day after settling: each row is in exactly one of the three tables."""

    events: pl.DataFrame
    history: pl.DataFrame
    rejects: pl.DataFrame
    warnings: Counter[str]


def settle(rows: pl.DataFrame, rules: StatementRules) -> Settled:
    """Settles all rows of one day, or all rows of some natural keys of it."""
    delivered, again = _without_repeated_deliveries(rows)
    key = [*rules.natural_key, *([FAMILY] if FAMILY in rows.columns else [])]
    keyed = delivered.with_columns(key_texts(delivered, key))
    shared = _shared(keyed, rules)
    if shared is None:
        nothing = pl.DataFrame(schema=HISTORY_SCHEMA)
        return Settled(_as_events(keyed.with_columns(event_ids(keyed["key"]))), nothing, again, Counter())
    alone = keyed.filter(~shared)
    said = _with_statements(keyed.filter(shared), rules.corrections)
    kept, warnings = _with_verdicts(_with_ids(said.filter("kept"), rules.corrections), rules)
    events = kept.filter(pl.col("rule").is_null()).select(*alone.columns, "event_id")
    superseded = kept.filter(pl.col("rule") == SUPERSEDED)
    return Settled(
        events=_as_events(pl.concat([alone.with_columns(event_ids(alone["key"])), events])),
        history=_ordered(superseded).select(*HISTORY_SCHEMA),
        rejects=pl.concat([again, _repeats(said), _late_rejects(kept.filter(pl.col("rule").is_not_null()))]),
        warnings=warnings,
    )


def _without_repeated_deliveries(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    if REPEATED_DELIVERY not in rows.columns:
        return rows, pl.DataFrame(schema=LATE_REJECTS_SCHEMA)
    again = rows.filter(REPEATED_DELIVERY).with_columns(
        rule=pl.lit(DUPLICATE),
        severity=pl.lit("info"),
        message=pl.format("delivered before under the same key '{}'", DEDUPE_KEY),
    )
    return rows.filter(~pl.col(REPEATED_DELIVERY)), _late_rejects(again)


def _shared(rows: pl.DataFrame, rules: StatementRules) -> pl.Series | None:
    """Which rows may share their natural key with another; None where surely none does."""
    if rules.key_rules:
        # Rules on whole statements are judged on those of one row, too.
        return pl.Series("shared", [True]).new_from_index(0, rows.height)
    hashes = rows["key"].hash()
    ordered = hashes.sort()
    repeated = ordered.filter(ordered == ordered.shift(1)).unique()
    return None if repeated.is_empty() else hashes.is_in(repeated.implode())


def _position() -> pl.Expr:
    """Where a row stands among all rows of all sources, as one number."""
    return pl.col(SOURCE_INDEX).cast(pl.Int64) * 2**40 + pl.col("source_row")


def _ordered(rows: pl.DataFrame) -> pl.DataFrame:
    position = rows.select(_position().alias("position"))["position"]
    if position.is_sorted() and FAMILY not in rows.columns:
        return rows
    ties = [FAMILY] if FAMILY in rows.columns else []
    return rows.with_columns(position).sort("position", *ties, maintain_order=True)


def _grouped(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with `group`, a number for each natural key."""
    hashed = rows.with_columns(pl.col("key").hash().alias("group")).sort("group")
    collision = (pl.col("group") == pl.col("group").shift(1)) & (pl.col("key") != pl.col("key").shift(1))
    if hashed.select(collision.any()).item():
        return hashed.with_columns(pl.col("key").rank("dense").cast(pl.UInt64).alias("group"))
    return hashed


def _with_statements(rows: pl.DataFrame, corrections: bool) -> pl.DataFrame:
    """Adds `statement` (its number), `content`, `kept` (false for repeats), and `same` (an exact repeat)."""
    ordered = _grouped(rows).with_columns(_position().alias("position")).sort("group", "as_of", "position")
    starts = (pl.col("group") != pl.col("group").shift(1)) | (pl.col("as_of") != pl.col("as_of").shift(1))
    ignored = _NOT_CONTENT if corrections else {*_NOT_CONTENT, DEDUPE_KEY}
    content = [name for name in rows.columns if name not in ignored and name != "key"]
    numbered = ordered.with_columns(
        starts.fill_null(True).alias("starts"), pl.struct(content).hash().alias("content")
    ).with_columns((pl.col("starts").cum_sum() - 1).cast(pl.UInt32).alias("statement"))
    return _judged_by_file(numbered) if corrections else _judged_by_first(numbered)


def _judged_by_first(rows: pl.DataFrame) -> pl.DataFrame:
    first = rows.filter("starts")["content"].gather(rows["statement"])
    return rows.with_columns(pl.col("starts").alias("kept"), (pl.col("content") == first).alias("same"))


def _judged_by_file(rows: pl.DataFrame) -> pl.DataFrame:
    """A row that a file repeats counts as often as the file that has it most often says: deliveries do not add up."""
    nth = pl.int_range(pl.len())
    return rows.with_columns(nth.over("statement", SOURCE_INDEX, "content").alias("occurrence")).with_columns(
        (nth.over("statement", "content", "occurrence") == 0).alias("kept"), pl.lit(True).alias("same")
    )


def _statements(kept: pl.DataFrame) -> pl.DataFrame:
    """One row per statement: its numbers summed, and a signature of all that it says."""
    content = pl.col("content")
    numbers = [pl.col(name).sum() for name in NUMBERS]
    others = [name for name in EVENTS_SCHEMA if name in kept.columns and name not in NUMBERS]
    return kept.group_by("statement", maintain_order=True).agg(
        *numbers,
        pl.first("group", *others),
        # Halves, so that no sum overflows.
        (content // 2**32).sum().alias("signature:high"),
        (content % 2**32).sum().alias("signature:low"),
    )


def _with_verdicts(kept: pl.DataFrame, rules: StatementRules) -> tuple[pl.DataFrame, Counter[str]]:
    """Adds rule (null for what holds), severity, message and `superseded_by_as_of`; and the warnings."""
    statements = _statements(kept)
    broken = _broken(statements, rules.key_rules)
    sound = statements.join(broken, on="statement", how="anti", maintain_order="left")
    chosen = _chosen(sound, rules.window_days)
    holding = sound.join(chosen.filter(pl.col("rule").is_null()), on="statement", how="semi")
    verdicts = pl.concat([chosen, broken], how="diagonal")
    return (
        kept.join(verdicts, on="statement", how="left", maintain_order="left"),
        Counter(count_warnings(holding, list(rules.key_rules))),
    )


def _broken(statements: pl.DataFrame, key_rules: tuple[RowRule, ...]) -> pl.DataFrame:
    """The statements whose sums break a rule, with the verdict."""
    if not key_rules:
        return pl.DataFrame(schema={"statement": pl.UInt32, **dict.fromkeys(_VERDICT, pl.String)})
    judged = judge(statements.lazy(), list(key_rules)).collect()
    bad = judged.filter(pl.col("broken").is_not_null())
    return explain(bad, list(key_rules)).select("statement", *_VERDICT)


def _chosen(statements: pl.DataFrame, window_days: int | None) -> pl.DataFrame:
    """`statement`, the verdict on it, and, where it is superseded, by which date."""
    closes = pl.duration(days=window_days if window_days is not None else 0)
    final = pl.lit(False) if window_days is None else pl.col("as_of") > pl.col("date") + closes
    first_final = pl.col("as_of").filter(final).min().over("group")
    timed = statements.with_columns(
        pl.coalesce(first_final, pl.col("as_of").max().over("group")).alias("holding"),
        pl.col("as_of").shift(-1).over("group").alias("next_as_of"),
        pl.struct("signature:high", "signature:low").alias("signature"),
    )
    holds = pl.col("as_of") == pl.col("holding")
    said = pl.col("signature").filter(holds).first().over("group")
    rule = (
        pl.when(holds)
        .then(None)
        .when(pl.col("as_of") < pl.col("holding"))
        .then(pl.lit(SUPERSEDED))
        .when(pl.col("signature") == said)
        .then(pl.lit(DUPLICATE))
        .otherwise(pl.lit(OUTSIDE_WINDOW))
    )
    return timed.with_columns(rule.alias("rule")).select(
        "statement",
        "rule",
        _severity().alias("severity"),
        _message().alias("message"),
        pl.when(pl.col("rule") == SUPERSEDED).then("next_as_of").alias("superseded_by_as_of"),
    )


def _severity() -> pl.Expr:
    rule = pl.col("rule")
    harmless = rule.is_in([SUPERSEDED, DUPLICATE])
    return pl.when(rule.is_null()).then(None).when(harmless).then(pl.lit("info")).otherwise(pl.lit("warn"))


def _message() -> pl.Expr:
    texts = {
        SUPERSEDED: pl.format("restated as of {}", "next_as_of"),
        DUPLICATE: pl.lit("says the same as a row that is an event already"),
        OUTSIDE_WINDOW: pl.format(
            "differs from the final statement of {}, after the restatement window", "holding"
        ),
    }
    message: pl.Expr = pl.lit(None, pl.String)
    for rule, text in texts.items():
        message = pl.when(pl.col("rule") == rule).then(text).otherwise(message)
    return message


def _repeats(said: pl.DataFrame) -> pl.DataFrame:
    """Rows that their own statement has already."""
    same = pl.col("same")
    told = said.filter(~pl.col("kept")).with_columns(
        rule=pl.when(same).then(pl.lit(DUPLICATE)).otherwise(pl.lit(CONFLICT)),
        severity=pl.when(same).then(pl.lit("info")).otherwise(pl.lit("warn")),
        message=pl.when(same)
        .then(pl.lit("says the same as another row of its statement"))
        .otherwise(pl.lit("same natural key and as-of date as another row, different numbers")),
    )
    return _late_rejects(told)


def _late_rejects(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(pl.col(name).cast(dtype) for name, dtype in LATE_REJECTS_SCHEMA.items())


def _with_ids(kept: pl.DataFrame, corrections: bool) -> pl.DataFrame:
    """Adds `event_id`; where a statement has several rows, they are told apart by what they say, not by place."""
    texts = kept["key"]
    if corrections:
        content = [name for name in kept.columns if name in EVENTS_SCHEMA and name not in _NOT_CONTENT]
        ordinal = pl.struct(*NUMBERS, *content, "position").rank("ordinal").over("statement") - 1
        texts = kept.select(with_ordinal(pl.col("key"), ordinal))["key"]
    return kept.with_columns(event_ids(texts))


def _as_events(rows: pl.DataFrame) -> pl.DataFrame:
    return _ordered(rows).select(*EVENTS_SCHEMA)
