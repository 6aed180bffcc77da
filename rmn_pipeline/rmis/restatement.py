"""One event per natural key: stable ids, exact repeats, and which of several statements about a row holds."""

from __future__ import annotations

import duckdb
import polars as pl

_SEPARATOR = "\x1f"
# Says something different from "" when a key part is null.
_NULL = "\x1e"

NUMBERS = ("impressions", "clicks", "conversions", "revenue", "cost")


def event_ids(rows: pl.DataFrame, natural_key: list[str]) -> pl.Series:
    """MD5 of each row's natural key: the same on every machine and with every library version."""
    parts = [pl.col(name).cast(pl.String).fill_null(_NULL) for name in natural_key]
    keys = rows.select(pl.concat_str(parts, separator=_SEPARATOR).alias("key"))
    if keys.is_empty():
        return pl.Series("event_id", [], dtype=pl.String)
    with duckdb.connect() as connection:
        connection.register("keys", keys.to_arrow())
        return connection.sql("SELECT md5(key) AS event_id FROM keys").pl()["event_id"]


def settle(rows: pl.DataFrame, window_days: int | None) -> pl.DataFrame:
    """Adds `rule` (null for the row that becomes the event), `severity` and `message`.

    A statement is final once the restatement window of its day has passed. The event is the first final
    statement, or, while there is none, the latest; so the outcome does not depend on the order of files.
    """
    shared = rows.filter(pl.col("event_id").is_duplicated())
    alone = rows.filter(~pl.col("event_id").is_duplicated()).with_columns(
        pl.lit(None, pl.String).alias(name) for name in ("rule", "severity", "message")
    )
    if shared.is_empty():
        return alone
    return pl.concat([alone, _settle_shared(shared, window_days)])


def _settle_shared(rows: pl.DataFrame, window_days: int | None) -> pl.DataFrame:
    final = (
        pl.lit(False)
        if window_days is None
        else pl.col("as_of") > pl.col("date") + pl.duration(days=window_days)
    )
    first_final = pl.col("as_of").filter(final).min().over("event_id")
    latest = pl.col("as_of").max().over("event_id")
    ordered = rows.sort("source_file", "source_row", "file_index").with_columns(
        holding=pl.coalesce(first_final, latest),
        content=pl.struct(pl.all().exclude("as_of", "source_file", "source_row", "file_index")).hash(),
    )
    holds = pl.col("as_of") == pl.col("holding")
    position = pl.int_range(pl.len()).over("event_id", "as_of")
    told = ordered.with_columns(
        kept=holds & (position == 0),
        same=pl.col("content") == pl.col("content").filter(holds).first().over("event_id"),
    )
    rule = (
        pl.when("kept")
        .then(None)
        .when(pl.col("as_of") < pl.col("holding"))
        .then(pl.lit("superseded_by_restatement"))
        .when("same")
        .then(pl.lit("duplicate"))
        .when(pl.col("as_of") > pl.col("holding"))
        .then(pl.lit("restatement_outside_window"))
        .otherwise(pl.lit("conflicting_duplicate"))
    )
    return (
        told.with_columns(rule.alias("rule"))
        .with_columns(_severity(), _message())
        .drop("holding", "content", "kept", "same")
    )


def _severity() -> pl.Expr:
    harmless = pl.col("rule").is_in(["superseded_by_restatement", "duplicate"])
    return (
        pl.when(pl.col("rule").is_null())
        .then(None)
        .when(harmless)
        .then(pl.lit("info"))
        .otherwise(pl.lit("warn"))
        .alias("severity")
    )


def _message() -> pl.Expr:
    texts = {
        "superseded_by_restatement": pl.format("restated as of {}", pl.col("holding")),
        "duplicate": pl.lit("says the same as a row that is an event already"),
        "restatement_outside_window": pl.format(
            "differs from the final statement of {}, after the restatement window", pl.col("holding")
        ),
        "conflicting_duplicate": pl.lit("same natural key and as-of date as another row, different numbers"),
    }
    message: pl.Expr = pl.lit(None, pl.String)
    for rule, text in texts.items():
        message = pl.when(pl.col("rule") == rule).then(text).otherwise(message)
    return message.alias("message")
