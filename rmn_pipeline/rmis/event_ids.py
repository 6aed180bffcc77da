"""Event ids: what a row's natural key is, as text, and the stable hash of it that names an event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import polars as pl
import polars_hash as plh

# Control characters that a report's text hardly ever holds; where it does, they are escaped.
_SEPARATOR, _NULL, _ESCAPE = "\x1f", "\x1e", "\x1d"
_ESCAPES = {_ESCAPE: _ESCAPE + "0", _SEPARATOR: _ESCAPE + "1", _NULL: _ESCAPE + "2"}
# Arrow keeps texts up to this length inside of its views, longer ones in buffers of their own.
_INLINE_BYTES = 12
# 96 bits: among ten thousand million events the chance that any two share an id is below one in a thousand million.
_ID_BYTES = 12


def _as_text(rows: pl.DataFrame, name: str) -> pl.Expr:
    values = rows[name]
    if values.dtype == pl.Date and values.null_count() == 0 and values.min() == values.max():
        # Writing a date out costs more than all else in here, and a day's rows have but one.
        return pl.lit(str(values[0]))
    text = pl.col(name) if values.dtype == pl.String else pl.col(name).cast(pl.String)
    return text.fill_null(_NULL) if values.null_count() else text


def _joined(rows: pl.DataFrame, key: Sequence[str]) -> pl.Series:
    return rows.select(
        pl.concat_str([_as_text(rows, name) for name in key], separator=_SEPARATOR).alias("key")
    )["key"]


def _control_characters(texts: pl.Series) -> int:
    """How many of the three special characters the texts hold, counted over their bytes in one pass."""
    if cast(int, texts.str.len_bytes().min()) > _INLINE_BYTES:
        # As they lie in memory, without a copy.
        data = texts.to_arrow(compat_level=pl.CompatLevel.newest()).buffers()[2:]
    else:
        data = texts.to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()[2:]
    first, last = ord(_ESCAPE), ord(_SEPARATOR)
    codes = (np.frombuffer(buffer, np.uint8) for buffer in data if buffer is not None)
    return sum(int(np.count_nonzero(part - np.uint8(first) <= last - first)) for part in codes)


def _escaped(text: pl.Expr) -> pl.Expr:
    for special, escape in _ESCAPES.items():
        text = text.str.replace_all(special, escape, literal=True)
    return text


def key_texts(rows: pl.DataFrame, key: Sequence[str]) -> pl.Series:
    """The natural key of each row as one text: two rows have the same text only if all parts are the same."""
    if rows.is_empty():
        return pl.Series("key", [], dtype=pl.String)
    texts = _joined(rows, key)
    ours = rows.height * (len(key) - 1) + sum(rows[name].null_count() for name in key)
    if _control_characters(texts) == ours:
        return texts
    # Escaping leaves the texts alone that need none, so a count that is off for another reason does no harm.
    return _joined(
        rows.with_columns(_escaped(pl.col(name)) for name in key if rows.schema[name] == pl.String), key
    )


def with_ordinal(text: pl.Expr, ordinal: pl.Expr) -> pl.Expr:
    """The key text of the n-th row of a statement; the first keeps the plain one."""
    return pl.when(ordinal == 0).then(text).otherwise(pl.format(f"{{}}{_SEPARATOR}#{{}}", text, ordinal))


def event_ids(texts: pl.Series) -> pl.Series:
    """The first 24 hexadecimal digits of XXH3-128 over each text: the same on every machine and in every version."""
    digest = plh.col("key").nchash.xxh3_128(return_binary=True, byte_order="big")
    shortened = digest.bin.slice(0, _ID_BYTES).bin.encode("hex")
    return texts.alias("key").to_frame().select(shortened.alias("event_id"))["event_id"]
