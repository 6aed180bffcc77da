"""From text to text: what a cell says once blanks, surroundings and the network's own words are taken off."""

from __future__ import annotations

import polars as pl

from rmn_pipeline.rmis.mapping_columns import ColumnRule, RegexPart, SplitPart, UseValue

_TRUE = ["true", "t", "yes", "y", "1"]
_FALSE = ["false", "f", "no", "n", "0"]


def fold(text: str) -> str:
    """Texts are compared without case and with blanks squeezed."""
    return " ".join(text.split()).casefold()


def folded(text: pl.Expr) -> pl.Expr:
    """The same for a column."""
    return text.str.strip_chars().str.replace_all(r"\s+", " ").str.to_lowercase()


def clean_text(text: pl.Expr, null_values: list[str]) -> pl.Expr:
    """Outer blanks dropped; what the network writes for 'nothing' is null."""
    stripped = text.str.strip_chars()
    return pl.when(~stripped.is_in(["", *null_values])).then(stripped)


def extract_part(text: pl.Expr, part: SplitPart | RegexPart) -> pl.Expr:
    """The wanted part of a text; null where the text has no such part."""
    if isinstance(part, RegexPart):
        found = text.str.extract(part.regex, 1).str.strip_chars()
    else:
        pieces = text.str.split(part.split)
        piece = pieces.list.get(part.part - 1, null_on_oob=True).str.strip_chars()
        found = piece if part.of is None else pl.when(pieces.list.len() == part.of).then(piece)
    return pl.when(found != "").then(found)


def map_values(text: pl.Expr, column: ColumnRule) -> pl.Expr:
    """The value map's answer for each text; null where the declared answer is to reject."""
    answers = {fold(raw): value for raw, value in (column.values or {}).items()}
    known = folded(text).replace_strict(
        list(answers), list(answers.values()), default=None, return_dtype=pl.String
    )
    if column.unmapped == "keep":
        return pl.coalesce(known, text)
    if isinstance(column.unmapped, UseValue):
        return pl.when(text.is_not_null()).then(known.fill_null(column.unmapped.use))
    return known


def read_booleans(text: pl.Expr) -> pl.Expr:
    """true, yes, y, t, 1 and their opposites; null for anything else. Other words go through `values` first."""
    word = text.str.to_lowercase()
    return pl.when(word.is_in(_TRUE)).then(True).when(word.is_in(_FALSE)).then(False)
