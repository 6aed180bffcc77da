"""Personal data in columns of text: a vectorized look first, the recognizers only where it finds a reason.

The look is `gates.open_gates_expression`: it says which recognizers have a reason to read a text, and lets through
every text in which `detect_pii` would find something.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from rmn_pipeline.governance.errors import ScanError
from rmn_pipeline.governance.pii.detect import detect_behind_gates
from rmn_pipeline.governance.pii.gates import open_gates_expression
from rmn_pipeline.governance.pii.presidio import require_presidio
from rmn_pipeline.governance.pii.redact import redact
from rmn_pipeline.governance.pii.spans import PiiSpan

# Verdicts kept over batches, so that a title that every batch repeats is looked at once.
_REMEMBERED = 100_000
EXAMPLES_PER_TYPE = 3

FINDINGS_SCHEMA: dict[str, pl.DataType] = {
    "row": pl.Int64(),
    "start": pl.Int64(),
    "end": pl.Int64(),
    "entity_type": pl.String(),
    "score": pl.Float64(),
}


def scan_texts(texts: pl.Series) -> pl.DataFrame:
    """Everything found in a series of texts: row, start, end, entity_type and score, in the order of rows.

    Raises:
        ScanError: the series holds no text.
        GovernanceDependencyError: Presidio is not installed.
    """
    if texts.dtype not in (pl.String, pl.Categorical, pl.Null):
        raise ScanError(f"column {texts.name!r} is {texts.dtype}, no text; cast it to String or leave it out")
    require_presidio()
    frame = pl.DataFrame({"text": texts.cast(pl.String)}).with_row_index("row")
    candidates = frame.with_columns(gates=open_gates_expression("text")).filter(pl.col("gates") > 0)
    rows = [
        (row, span.start, span.end, span.entity_type, span.score)
        for row, text, gates in candidates.iter_rows()
        for span in detect_behind_gates(text, gates)
    ]
    return pl.DataFrame(rows, schema=FINDINGS_SCHEMA, orient="row")


def scan_named_texts(texts: pl.Series) -> Iterator[tuple[int, list[PiiSpan]]]:
    """Rows of a column that hold personal data, with what they hold; the column's name is read with its cells."""
    require_presidio()
    lead = _lead(texts.name)
    frame = pl.DataFrame({"text": texts.cast(pl.String)}).with_row_index("row").drop_nulls("text")
    distinct = frame.group_by("text", maintain_order=True).agg("row")
    told = distinct.with_columns(told=pl.lit(lead) + pl.col("text"))
    looked = told.with_columns(gates=open_gates_expression("told")).filter(pl.col("gates") > 0)
    for told_text, rows, gates in looked.select("told", "row", "gates").iter_rows():
        found = _in_cell(lead, detect_behind_gates(told_text, gates))
        if found:
            yield from ((row, found) for row in rows)


def _in_cell(lead: str, spans: Iterable[PiiSpan]) -> list[PiiSpan]:
    """Places in the cell itself; what begins in the column's name is none of its."""
    return [
        replace(span, start=span.start - len(lead), end=span.end - len(lead))
        for span in spans
        if span.start >= len(lead)
    ]


@dataclass(frozen=True)
class PiiScan:
    """What a scan found: counts and redacted examples, never a value.

    `texts` counts cells that hold text, repeated ones too; `looked_at` the distinct texts that recognizers read;
    `flagged` the cells with personal data, and `by_type` and `by_column` the same by kind and by column.
    """

    texts: int
    looked_at: int
    flagged: int
    by_type: dict[str, int]
    by_column: dict[str, int]
    examples: dict[str, tuple[str, ...]]


@dataclass
class _Tally:
    texts: int = 0
    looked_at: int = 0
    flagged: int = 0
    by_type: Counter[str] = field(default_factory=Counter)
    by_column: Counter[str] = field(default_factory=Counter)
    examples: dict[str, dict[str, None]] = field(default_factory=dict)
    verdicts: dict[str, list[PiiSpan]] = field(default_factory=dict)

    def spans(self, lead: str, text: str, gates: int) -> list[PiiSpan]:
        """What a text holds beside its column's name; remembered over batches, up to a bound."""
        told = lead + text
        known = self.verdicts.get(told)
        if known is None:
            self.looked_at += 1
            known = _in_cell(lead, detect_behind_gates(told, gates))
            if len(self.verdicts) < _REMEMBERED:
                self.verdicts[told] = known
        return known

    def add(self, column: str, text: str, cells: int, gates: int) -> None:
        """Count one distinct text that stands in `cells` cells."""
        found = self.spans(_lead(column), text, gates)
        if not found:
            return
        self.flagged += cells
        self.by_column[column] += cells
        for entity_type in {span.entity_type for span in found}:
            self.by_type[entity_type] += cells
            shown = self.examples.setdefault(entity_type, {})
            if len(shown) < EXAMPLES_PER_TYPE:
                shown[redact(text, "tag", spans=found)] = None


def scan_batches(batches: Iterable[pl.DataFrame], columns: Sequence[str] | None = None) -> PiiScan:
    """Scan text columns batch by batch; memory does not grow with the number of rows.

    A column's name is read with its cells: ten digits are a phone under "phone" and none under "campaignId".

    Args:
        batches: frames of one report, in any number.
        columns: which columns to scan; by default all that hold text.

    Raises:
        ScanError: a named column is missing or holds no text.
        GovernanceDependencyError: Presidio is not installed.
    """
    require_presidio()
    tally = _Tally()
    for batch in batches:
        for column in _text_columns(batch, columns):
            _scan_column(batch[column], tally)
    return PiiScan(
        texts=tally.texts,
        looked_at=tally.looked_at,
        flagged=tally.flagged,
        by_type=dict(tally.by_type.most_common()),
        by_column=dict(tally.by_column.most_common()),
        examples={name: tuple(shown) for name, shown in tally.examples.items()},
    )


def _lead(column: str) -> str:
    """What is read before a cell: its column's name says whether bare digits are a phone or a campaign."""
    return f"{column}: "


def _text_columns(batch: pl.DataFrame, columns: Sequence[str] | None) -> list[str]:
    texts = [name for name, dtype in batch.schema.items() if dtype in (pl.String, pl.Categorical)]
    if columns is None:
        return texts
    wrong = [name for name in columns if name not in texts]
    if wrong:
        raise ScanError(
            f"no text column {', '.join(map(repr, wrong))} to scan; text columns are: {', '.join(texts)}"
        )
    return list(columns)


def _scan_column(texts: pl.Series, tally: _Tally) -> None:
    """Look at every distinct text once; reports repeat titles and campaign names over many rows."""
    present = texts.drop_nulls().cast(pl.String)
    tally.texts += present.len()
    counted = present.rename("text").value_counts(name="cells")
    told = counted.with_columns(told=pl.lit(_lead(texts.name)) + pl.col("text"))
    looked = told.with_columns(gates=open_gates_expression("told")).filter(pl.col("gates") > 0)
    for text, cells, gates in looked.select("text", "cells", "gates").iter_rows():
        tally.add(texts.name, text, cells, gates)
