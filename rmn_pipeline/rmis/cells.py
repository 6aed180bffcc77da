"""Cells of one text column, each distinct text held once where that pays: reports repeat few texts in many rows."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

_SAMPLE_ROWS = 2000
# A sample of 2000 that is this varied comes from some 20 thousand texts or more; finding them costs more than it saves.
_TOO_VARIED = 0.95


@dataclass(frozen=True)
class Cells:
    """`values[codes[row]]` is the text of a row, a null code is an empty cell; without codes `values[row]` is."""

    values: pl.Series
    codes: pl.Series | None = None

    def spread(self, per_value: pl.Series) -> pl.Series:
        """What was found for each value, for each row."""
        return per_value if self.codes is None else per_value.gather(self.codes)

    def rows_with(self, chosen: pl.Series) -> tuple[pl.Series, pl.Series]:
        """Rows whose value is among the chosen positions of `values`, and that position for each of them."""
        if self.codes is None:
            return chosen, chosen
        rows = self.codes.is_in(chosen.to_list()).arg_true()
        return rows, self.codes.gather(rows)


def encode(texts: pl.Series) -> Cells:
    """The cells of a text column, coded where its texts repeat."""
    sample = texts.gather_every(max(1, texts.len() // _SAMPLE_ROWS))
    if texts.len() >= _SAMPLE_ROWS and sample.n_unique() > _TOO_VARIED * sample.len():
        return Cells(texts)
    # A category set of its own: the global one would grow with every report.
    categories = pl.Categories.random()
    coded = texts.cast(pl.Categorical(categories))
    return Cells(categories.to_series(), coded.to_physical())


def only_where(condition: pl.Series, values: pl.Series) -> pl.Series:
    """The values where the condition holds, null elsewhere."""
    return pl.select(pl.when(condition).then(values)).to_series()
