"""Settling a day: its rows become events, superseded history, or rejects, by the statements that they belong to.

Where the mapping declares that keys repeat as corrections, a statement may have several rows, and its sum counts; else
it has one, and more are repeats. A later statement replaces the whole earlier one while the day is open. Nothing in
here depends on the order in which files or rows came.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from rmn_pipeline.rmis.event_ids import event_ids, key_texts, with_ordinal
from rmn_pipeline.rmis.models import EVENTS_SCHEMA
from rmn_pipeline.rmis.row_transform import DEDUPE_KEY, FAMILY
from rmn_pipeline.rmis.rules import RowRule, UniqueFields, count_warnings, explain, judge
from rmn_pipeline.rmis.spill import CompactRows
from rmn_pipeline.rmis.statements import Judged, Numbers, Said, Verdict, judge_statements, said
from rmn_pipeline.rmis.unique_events import equal_to_earlier, told_apart

NUMBERS = ("impressions", "clicks", "conversions", "revenue", "cost")
SUPERSEDED = "superseded_by_restatement"
DUPLICATE = "duplicate"
CONFLICT = "conflicting_duplicate"
OUTSIDE_WINDOW = "restatement_outside_window"
# Columns that the engine adds to the events of a batch.
SOURCE_INDEX = "source:index"
REPEATED_DELIVERY = "dedupe:repeated"

HISTORY_SCHEMA: dict[str, pl.DataType] = {**EVENTS_SCHEMA, "superseded_by_as_of": pl.Date()}
LATE_REJECTS_SCHEMA: dict[str, pl.DataType] = {
    SOURCE_INDEX: pl.Int32(),
    "source_file": pl.String(),
    "source_row": pl.Int64(),
    "rule": pl.String(),
    "severity": pl.String(),
    "message": pl.String(),
}
# What a row says: all but its key, and where and when it was said.
_NOT_CONTENT = {"event_id", "as_of", "source_file", "source_row", SOURCE_INDEX, REPEATED_DELIVERY, FAMILY}
_NO_ROWS: Numbers = np.empty(0, dtype=np.int64)
_RULES = {
    Verdict.SUPERSEDED: (SUPERSEDED, "info", "restated as of {}"),
    Verdict.REPEATED: (DUPLICATE, "info", "says the same as another row of its statement"),
    Verdict.CONFLICTING: (
        CONFLICT,
        "warn",
        "same natural key and as-of date as another row, different content",
    ),
    Verdict.SAID_AGAIN: (DUPLICATE, "info", "says the same as the final statement of {}"),
    Verdict.OUTSIDE_WINDOW: (
        OUTSIDE_WINDOW,
        "warn",
        "differs from the final statement of {}, after the restatement window",
    ),
}


@dataclass(frozen=True)
class StatementRules:
    """What a mapping says about repeats, corrections and restatements."""

    natural_key: tuple[str, ...]
    window_days: int | None
    corrections: bool = False
    key_rules: tuple[RowRule, ...] = ()
    unique_rules: tuple[UniqueFields, ...] = ()


@dataclass(frozen=True)
class Settled:
    """Rows of one day after settling: each row is in exactly one of the three tables."""

    events: CompactRows
    history: CompactRows
    rejects: pl.DataFrame
    warnings: Counter[str]


def settle(compact_rows: CompactRows, rules: StatementRules) -> Settled:
    """Settles all rows of one day, or all rows of some natural keys of it."""
    rows = compact_rows.whole()
    delivered, again = _without_repeated_deliveries(_in_place_order(rows))
    family = [FAMILY] if FAMILY in rows.columns else []
    keyed = delivered.with_columns(key_texts(delivered, [*rules.natural_key, *family]))
    shared = _shared(keyed, rules)
    if shared.is_empty():
        day = _Day(keyed, _superseded(keyed, _NO_ROWS, _NO_ROWS), [again], Counter())
    else:
        day = _by_statements(keyed, shared, rules)
        day.rejects.append(again)
    for rule in rules.unique_rules:
        day = _without_equal_events(day, rule)
    return Settled(
        compact_rows.with_varying(_with_ids(day.holding), EVENTS_SCHEMA),
        compact_rows.with_varying(_with_ids(day.history), HISTORY_SCHEMA),
        pl.concat(day.rejects),
        day.warnings,
    )


@dataclass(frozen=True)
class _Day:
    """Rows on their way to `Settled`; those that hold still have the engine's columns."""

    holding: pl.DataFrame
    history: pl.DataFrame
    rejects: list[pl.DataFrame]
    warnings: Counter[str]


def _by_statements(keyed: pl.DataFrame, shared: pl.Series, rules: StatementRules) -> _Day:
    """What holds where some rows, those with the numbers `shared`, may share their key with others."""
    some = keyed[shared]
    statements = said(_narrow(some, rules), rules.corrections)
    sums = _sums(some, statements) if rules.key_rules else pl.DataFrame()
    broken = _broken(sums, rules.key_rules)
    judged = judge_statements(statements, rules.window_days, broken["statement"].to_numpy())
    if rules.corrections:
        keyed = _with_ordinals(keyed, shared, statements)
    at = shared.to_numpy()[statements.row]
    verdict = np.zeros(keyed.height, dtype=np.int8)
    verdict[at] = judged.verdict
    superseded = judged.verdict == Verdict.SUPERSEDED
    return _Day(
        holding=keyed.filter(pl.Series(verdict == Verdict.HOLDS)),
        history=_superseded(keyed, at[superseded], judged.refers_to[superseded]),
        rejects=[_rejected(keyed, at, judged), _rejected_by_rule(keyed, at, statements, judged, broken)],
        warnings=_warnings(sums, statements, judged, rules.key_rules),
    )


def _without_equal_events(day: _Day, rule: UniqueFields) -> _Day:
    equal = equal_to_earlier(day.holding, rule)
    if rule.severity == "warn":
        return replace(day, warnings=day.warnings + Counter({rule.name: int(equal.sum())}))
    rejected = day.holding.filter(equal).with_columns(
        rule=pl.lit(rule.name), severity=pl.lit("reject"), message=pl.lit(told_apart(rule))
    )
    return replace(day, holding=day.holding.filter(~equal), rejects=[*day.rejects, _late_rejects(rejected)])


def _in_place_order(rows: pl.DataFrame) -> pl.DataFrame:
    """By source and row; a row's place is `position`, one number."""
    position = (pl.col(SOURCE_INDEX).cast(pl.Int64) * 2**40 + pl.col("source_row")).alias("position")
    placed = rows.with_columns(position)
    if FAMILY in rows.columns:
        return placed.sort("position", FAMILY)
    return placed if placed["position"].is_sorted() else placed.sort("position")


def _without_repeated_deliveries(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    if REPEATED_DELIVERY not in rows.columns:
        return rows, pl.DataFrame(schema=LATE_REJECTS_SCHEMA)
    again = rows.filter(REPEATED_DELIVERY).with_columns(
        rule=pl.lit(DUPLICATE),
        severity=pl.lit("info"),
        message=pl.format("delivered before under the same key '{}'", DEDUPE_KEY),
    )
    return rows.filter(~pl.col(REPEATED_DELIVERY)), _late_rejects(again)


def _shared(rows: pl.DataFrame, rules: StatementRules) -> pl.Series:
    """The numbers of the rows that may share their natural key with another; all others surely do not."""
    if rules.key_rules:
        # Rules on whole statements are judged on those of one row, too.
        return pl.int_range(rows.height, dtype=pl.UInt32, eager=True)
    hashes = rows["key"].hash()
    ordered = hashes.sort()
    repeated = ordered.filter(ordered == ordered.shift(1)).unique()
    if repeated.is_empty():
        return pl.Series(dtype=pl.UInt32)
    return hashes.is_in(repeated.implode()).arg_true()


def _narrow(rows: pl.DataFrame, rules: StatementRules) -> pl.DataFrame:
    """What the verdict depends on."""
    ignored = {*_NOT_CONTENT, "key", "position", *rules.natural_key}
    if not rules.corrections:
        ignored.add(DEDUPE_KEY)
    content = [name for name in rows.columns if name not in ignored]
    return rows.select(
        "key",
        "as_of",
        "date",
        "position",
        pl.col(SOURCE_INDEX).alias("source"),
        pl.struct(content).hash().alias("content"),
    )


def _sums(rows: pl.DataFrame, statements: Said) -> pl.DataFrame:
    """One row per statement, its numbers summed."""
    kept = rows[statements.row[statements.kept]].with_columns(
        pl.Series("statement", statements.statement[statements.kept])
    )
    others = [name for name in EVENTS_SCHEMA if name in rows.columns and name not in NUMBERS]
    return kept.group_by("statement", maintain_order=True).agg(pl.col(NUMBERS).sum(), pl.first(*others))


def _broken(sums: pl.DataFrame, key_rules: tuple[RowRule, ...]) -> pl.DataFrame:
    """The statements whose sums break a rule: statement, rule, severity, message."""
    if sums.is_empty() or all(rule.severity == "warn" for rule in key_rules):
        return pl.DataFrame(
            schema={"statement": pl.Int64, "rule": pl.String, "severity": pl.String, "message": pl.String}
        )
    judged = judge(sums.lazy(), list(key_rules)).collect()
    bad = judged.filter(pl.col("broken").is_not_null())
    return explain(bad, list(key_rules)).select("statement", "rule", "severity", "message")


def _warnings(
    sums: pl.DataFrame, statements: Said, judged: Judged, key_rules: tuple[RowRule, ...]
) -> Counter[str]:
    if not key_rules or sums.is_empty():
        return Counter()
    holding = np.unique(statements.statement[judged.verdict == Verdict.HOLDS])
    held = sums.filter(pl.col("statement").is_in(pl.Series(holding).implode()))
    return Counter(count_warnings(held, list(key_rules)))


def _with_ordinals(keyed: pl.DataFrame, shared: pl.Series, statements: Said) -> pl.DataFrame:
    """Rows of one statement told apart in `key`: by what they say, and only where that is the same by place."""
    at = shared.to_numpy()[statements.row[statements.kept]]
    content = [name for name in EVENTS_SCHEMA if name in keyed.columns and name not in _NOT_CONTENT]
    kept = keyed[at].with_columns(
        pl.Series("statement", statements.statement[statements.kept]), pl.Series("row", at)
    )
    ordered = kept.sort("statement", *NUMBERS, *content, "position")
    ordinal = pl.int_range(pl.len()).over("statement")
    told = ordered.select("row", with_ordinal(pl.col("key"), ordinal).alias("key"))
    return keyed.with_columns(keyed["key"].scatter(told["row"], told["key"]))


def _with_ids(keyed: pl.DataFrame) -> pl.DataFrame:
    return keyed.with_columns(event_ids(keyed["key"]))


def _superseded(keyed: pl.DataFrame, rows: Numbers, by: Numbers) -> pl.DataFrame:
    """These rows in their order, with the dates that superseded them, given as days since 1970."""
    order = np.argsort(rows)
    until = pl.Series("superseded_by_as_of", by[order]).cast(pl.Int32).cast(pl.Date)
    return keyed[rows[order]].with_columns(until)


def _rejected(keyed: pl.DataFrame, at: Numbers, judged: Judged) -> pl.DataFrame:
    """Rows that the statements decided on, with rule and message."""
    parts = [pl.DataFrame(schema=LATE_REJECTS_SCHEMA)]
    places = keyed.select(SOURCE_INDEX, "source_file", "source_row")
    for verdict, (rule, severity, message) in _RULES.items():
        chosen = judged.verdict == verdict
        if not chosen.any():
            continue
        dates = pl.Series(judged.refers_to[chosen]).cast(pl.Int32).cast(pl.Date)
        texts = {day: message.format(day) for day in dates.unique()}
        told = dates.replace_strict(list(texts), list(texts.values()), return_dtype=pl.String)
        parts.append(
            _late_rejects(
                places[at[chosen]].with_columns(
                    pl.lit(rule).alias("rule"), pl.lit(severity).alias("severity"), told.alias("message")
                )
            )
        )
    return pl.concat(parts)


def _rejected_by_rule(
    keyed: pl.DataFrame, at: Numbers, statements: Said, judged: Judged, broken: pl.DataFrame
) -> pl.DataFrame:
    """The rows of statements whose sums break a rule."""
    chosen = judged.verdict == Verdict.BROKEN
    if not chosen.any():
        return pl.DataFrame(schema=LATE_REJECTS_SCHEMA)
    rows = keyed[at[chosen]].with_columns(pl.Series("statement", statements.statement[chosen]))
    return _late_rejects(rows.join(broken, on="statement", how="left", maintain_order="left"))


def _late_rejects(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(pl.col(name).cast(dtype) for name, dtype in LATE_REJECTS_SCHEMA.items())
