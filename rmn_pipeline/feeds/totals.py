"""Total rows: rows that sum up others and say so. They are flagged, not dropped."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rmn_pipeline.feeds.headers import RESERVED_COLUMNS

# More total rows than this above or below a table are no totals of it.
MOST_EDGE_ROWS = 50

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


def total_flags(
    frame: pl.DataFrame, labels: tuple[str, ...] | None, is_first: bool, is_last: bool
) -> pl.Series:
    """Which rows of a report's frame are totals.

    With `labels`, a row whose first filled cell is one of them is a total. Without, that takes a usual word, no
    other words in the row, and a place before the first or after the last other row: a product may be called so.
    """
    if labels is not None:
        return _labelled(frame, _folded_labels(labels))
    flags = np.zeros(frame.height, bool)
    if is_first:
        found = _totals_by_all_signs(frame.head(MOST_EDGE_ROWS))
        flags[: _run(found)] = True
    if is_last:
        found = _totals_by_all_signs(frame.tail(MOST_EDGE_ROWS))[::-1]
        flags[frame.height - _run(found) :] = True
    return pl.Series(flags)


def _run(found: NDArray[np.bool_]) -> int:
    """How many are true from the begin on."""
    return len(found) if found.all() else int(np.argmin(found))


def _totals_by_all_signs(frame: pl.DataFrame) -> NDArray[np.bool_]:
    labelled = _labelled(frame, _folded_labels(None))
    if not labelled.any():
        return np.zeros(frame.height, bool)
    # The label itself is the one word.
    words = (~pl.col(name).str.contains(_NO_WORD) for name in _texts(frame))
    without_others = frame.select(pl.sum_horizontal(word.fill_null(False) for word in words) <= 1).to_series()
    return (labelled & without_others).to_numpy()


def _texts(frame: pl.DataFrame) -> list[str]:
    return [name for name, kind in frame.schema.items() if kind == pl.String and name not in RESERVED_COLUMNS]


def _labelled(frame: pl.DataFrame, labels: frozenset[str]) -> pl.Series:
    names = _texts(frame)
    if not names or not labels or frame.is_empty():
        return pl.repeat(False, frame.height, dtype=pl.Boolean, eager=True)
    first = frame[names[0]]
    if first.null_count() or (first == "").any():
        filled = (pl.when(pl.col(name) != "").then(pl.col(name)) for name in names)
        first = frame.select(pl.coalesce(filled)).to_series()
    return (
        first.str.strip_chars()
        .str.strip_suffix(":")
        .str.strip_chars_end()
        .str.to_lowercase()
        .is_in(sorted(labels))
        .fill_null(False)
    )
