"""Unique rules: among the events of one day, no two may agree in the fields that a rule names."""

from __future__ import annotations

import polars as pl

from rmn_pipeline.rmis.rules import UniqueFields


def equal_to_earlier(events: pl.DataFrame, rule: UniqueFields) -> pl.Series:
    """True for events that agree with an earlier one of their day in all fields; an empty field is equal to nothing."""
    fields = ["date", *dict.fromkeys(name for name in rule.fields if name != "date")]
    complete = pl.all_horizontal(pl.col(name).is_not_null() for name in fields)
    hashed = events.select(complete.alias("complete"), pl.struct(fields).hash().alias("hash"))
    if not hashed.filter("complete")["hash"].is_duplicated().any():
        return pl.repeat(False, events.height, dtype=pl.Boolean, eager=True)
    # Equal hashes are rare; what they stand for is compared as it is.
    first = pl.struct(fields).is_first_distinct()
    return events.select((complete & ~first).alias("repeated"))["repeated"]


def told_apart(rule: UniqueFields) -> str:
    """What a reject says."""
    return f"an earlier event of the same date has the same {', '.join(rule.fields)}"
