"""Which statement about a natural key holds: decided on a narrow table of keys, dates, places and hashed contents.

A statement is everything that was said about one natural key as of one date. It is final once the restatement window
of its day has passed. The first final statement holds, or, while there is none, the latest.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Numbers = npt.NDArray[Any]
# Days since 1970 that no report reaches: stands for 'never final'.
_NEVER = np.iinfo(np.int64).max


class Verdict(IntEnum):
    """What becomes of a row."""

    HOLDS = 0
    SUPERSEDED = 1
    REPEATED = 2
    CONFLICTING = 3
    SAID_AGAIN = 4
    OUTSIDE_WINDOW = 5
    BROKEN = 6


@dataclass(frozen=True)
class Said:
    """Rows in the order key, as-of date, place; all arrays are as long as there are rows.

    `row` is a row's number in the table that it comes from, `statement` the number of its statement, `group` that of
    its key. `kept` is false for a row that its statement has already; `same` tells whether it says the same.
    """

    row: Numbers
    group: Numbers
    statement: Numbers
    as_of: Numbers
    date: Numbers
    content: Numbers
    kept: Numbers
    same: Numbers


@dataclass(frozen=True)
class Judged:
    """A verdict for each row of `Said`, and the as-of date that it refers to: of the next or the final statement."""

    verdict: Numbers
    refers_to: Numbers


def said(rows: pl.DataFrame, corrections: bool) -> Said:
    """Statements of rows (key, as_of, date, content, source, position).

    Without corrections a statement is its first row. With corrections all rows of one file count; other files with
    the same date are deliveries of the same, so a content counts as often as in the file that has it most often.
    """
    ordered = _in_key_order(rows.with_row_index("row"))
    new_key = _changes(ordered["group"])
    new_statement = new_key | _changes(ordered["as_of"])
    statement = np.cumsum(new_statement) - 1
    content = ordered["content"].to_numpy()
    if corrections:
        kept = _first_delivered(ordered, statement)
        same = np.ones(len(kept), dtype=bool)
    else:
        kept = new_statement
        same = content == content[np.flatnonzero(new_statement)][statement]
    return Said(
        row=ordered["row"].to_numpy(),
        group=np.cumsum(new_key) - 1,
        statement=statement,
        as_of=ordered["as_of"].to_physical().cast(pl.Int64).to_numpy(),
        date=ordered["date"].to_physical().cast(pl.Int64).to_numpy(),
        content=content,
        kept=kept,
        same=same,
    )


def _changes(column: pl.Series) -> Numbers:
    """True where a value differs from the one before it, and at the start."""
    return (column != column.shift(1)).fill_null(True).to_numpy()


def _in_key_order(rows: pl.DataFrame) -> pl.DataFrame:
    """By key, as-of date and position, with `group`, equal for equal keys and only for those."""
    hashed = rows.with_columns(pl.col("key").hash().alias("group")).sort("group", maintain_order=True)
    before = {name: pl.col(name).shift(1) for name in ("key", "group", "as_of", "position")}
    same_group = pl.col("group") == before["group"]
    earlier = (pl.col("as_of") < before["as_of"]) | (
        (pl.col("as_of") == before["as_of"]) & (pl.col("position") < before["position"])
    )
    collides, disordered = hashed.select(
        (same_group & (pl.col("key") != before["key"])).any(),
        (same_group & earlier).any().alias("disordered"),
    ).row(0)
    if collides:
        hashed = hashed.with_columns(pl.col("key").alias("group"))
    # Rows come in the order of their places, and files mostly in that of their dates: then they are sorted by now.
    return hashed.sort("group", "as_of", "position") if collides or disordered else hashed


def _first_delivered(ordered: pl.DataFrame, statement: Numbers) -> Numbers:
    """True for the n-th row of a content in the first file that has it n times."""
    nth = pl.int_range(pl.len())
    numbered = ordered.select("content", "source", pl.Series("statement", statement))
    counted = numbered.with_columns(nth.over("statement", "source", "content").alias("nth"))
    first = nth.over("statement", "content", "nth") == 0
    return counted.select(first.alias("first"))["first"].to_numpy()


def _signatures(rows: Said, starts: Numbers) -> Numbers:
    """What each statement says, as two numbers; halves of hashes, so that no sum overflows."""
    halves = np.stack([rows.content >> np.uint64(32), rows.content & np.uint64(2**32 - 1)], axis=1)
    halves[~rows.kept] = 0
    return np.add.reduceat(halves, starts, axis=0)


def judge_statements(rows: Said, window_days: int | None, broken: Numbers) -> Judged:
    """A verdict on every row; `broken` are the numbers of statements that a rule has rejected as a whole."""
    starts = np.flatnonzero(np.diff(rows.statement, prepend=-1))
    verdict = np.full(len(starts), Verdict.BROKEN, dtype=np.int8)
    refers_to = rows.as_of[starts]
    sound = np.setdiff1d(np.arange(len(starts)), broken, assume_unique=True)
    if len(sound):
        first = starts[sound]
        verdict[sound], refers_to[sound] = _judge_sound(
            rows.group[first],
            rows.as_of[first],
            _final_after(rows.date[first], window_days),
            _signatures(rows, starts)[sound],
        )
    repeat = np.where(rows.same, Verdict.REPEATED, Verdict.CONFLICTING)
    return Judged(
        np.where(rows.kept, verdict[rows.statement], repeat).astype(np.int8), refers_to[rows.statement]
    )


def _final_after(day: Numbers, window_days: int | None) -> Numbers:
    return np.full(len(day), _NEVER) if window_days is None else day + window_days


def _judge_sound(
    group: Numbers, as_of: Numbers, final_after: Numbers, signature: Numbers
) -> tuple[Numbers, Numbers]:
    """Verdicts on statements in the order of keys and dates, and the dates that they refer to."""
    index = np.arange(len(group))
    key_starts = np.flatnonzero(np.diff(group, prepend=-1))
    key = np.cumsum(np.diff(group, prepend=-1) > 0) - 1
    last = np.append(key_starts[1:], len(group)) - 1
    first_final = np.minimum.reduceat(np.where(as_of > final_after, index, len(group)), key_starts)
    # Where no statement of the key is final, the minimum is past its last one.
    holding = np.minimum(first_final, last)[key]
    says_the_same = (signature == signature[holding]).all(axis=1)
    verdict = np.where(says_the_same, Verdict.SAID_AGAIN, Verdict.OUTSIDE_WINDOW)
    verdict[index == holding] = Verdict.HOLDS
    superseded = index < holding
    verdict[superseded] = Verdict.SUPERSEDED
    refers_to = as_of[holding]
    refers_to[superseded] = as_of[index[superseded] + 1]
    return verdict, refers_to
