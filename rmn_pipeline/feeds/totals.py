"""Total rows: rows that sum up others and say so. They are flagged, not dropped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
import polars as pl

TOTAL_WORDS = (
    "total", "totals", "grand total", "grand totals", "overall", "overall total", "subtotal", "sub total", "sum",
    "total general", "suma", "suma total", "totales",
    "totale", "totale complessivo", "totale generale", "totali", "somma",
    "gesamt", "summe", "gesamtsumme", "gesamtergebnis", "insgesamt",
    "total général", "totaux", "somme",
    "total geral", "soma",
    "totaal", "eindtotaal",
    "totalt", "summa", "i alt", "totalsumma", "yhteensä",
    "razem", "suma końcowa", "łącznie", "celkem", "celkový součet", "spolu", "összesen", "végösszeg",
    "toplam", "genel toplam", "σύνολο", "γενικό σύνολο", "итого", "всего", "общий итог", "усього", "разом",
    "合計", "総計", "总计", "合计", "總計", "합계", "총계", "الإجمالي", "المجموع", "סה\"כ", "tổng", "tổng cộng", "รวม",
)  # fmt: skip

# A number, an amount, a percentage, a placeholder or a currency's code: what stands beside a total's label.
_NO_WORD = (
    r"^(?:[^\p{L}\d]*|[A-Z]{3}|(?:[A-Z]{3})?[^\p{L}\d/:]{0,4}\d[\d.,'’\s]*[^\p{L}\d]{0,4}(?:[A-Z]{3})?)$"
)


def folded(label: str) -> str:
    """A label as it is compared: case, surrounding blanks and a final colon aside."""
    return label.strip().rstrip(":").strip().lower()


def is_total_label(cell: str | None, labels: tuple[str, ...] | None) -> bool:
    """Whether a cell says that its row is a total."""
    return cell is not None and folded(cell) in _folded_labels(labels)


@lru_cache(maxsize=16)
def _folded_labels(labels: tuple[str, ...] | None) -> frozenset[str]:
    return frozenset(folded(label) for label in (TOTAL_WORDS if labels is None else labels))


def flag_totals(
    frames: Iterable[tuple[pl.DataFrame, bool, bool]], labels: tuple[str, ...] | None
) -> Iterator[pl.DataFrame]:
    """The frames (each with: is it the first, is it the last) with `source_total` added.

    With `labels`, a row whose first filled cell is one of them is a total. Without, that takes a usual word, no
    other words in the row, and a place before the first or after the last other row: a product may be called so.
    """
    for frame, is_first, is_last in frames:
        mask = _labelled(frame, _folded_labels(labels))
        if labels is None and mask.any():
            mask = _without_words(frame, mask)
            mask = _at_the_edges(mask, is_first, is_last)
        yield frame.with_columns(mask.alias("source_total"))


def _texts(frame: pl.DataFrame) -> list[str]:
    return [
        name for name, kind in frame.schema.items() if kind == pl.String and not name.startswith("source_")
    ]


def _labelled(frame: pl.DataFrame, labels: frozenset[str]) -> pl.Series:
    names = _texts(frame)
    if not names or not labels or frame.is_empty():
        return pl.repeat(False, frame.height, dtype=pl.Boolean, eager=True)
    first = frame[names[0]]
    if first.null_count():
        first = frame.select(pl.coalesce(names)).to_series()
    return (
        first.str.strip_chars()
        .str.strip_suffix(":")
        .str.strip_chars_end()
        .str.to_lowercase()
        .is_in(sorted(labels))
        .fill_null(False)
    )


def _without_words(frame: pl.DataFrame, mask: pl.Series) -> pl.Series:
    names = _texts(frame)
    found = frame.select(names).filter(mask)
    words = pl.sum_horizontal((~pl.col(name).str.contains(_NO_WORD)).fill_null(False) for name in names)
    # The label itself is the one word.
    sound = found.select(words <= 1).to_series()
    positions = mask.arg_true().filter(sound)
    flags = np.zeros(frame.height, bool)
    flags[positions.to_numpy()] = True
    return pl.Series(flags)


def _at_the_edges(mask: pl.Series, is_first: bool, is_last: bool) -> pl.Series:
    flags = mask.to_numpy()
    others = np.flatnonzero(~flags)
    if not len(others):
        return mask
    kept = np.zeros(len(flags), bool)
    if is_first:
        kept[: others[0]] = True
    if is_last:
        kept[others[-1] + 1 :] = True
    return pl.Series(flags & kept)
