"""At-least-once delivery: rows that come again under the idempotency key that the mapping declares."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from rmn_pipeline.rmis.restatement import SOURCE_INDEX
from rmn_pipeline.rmis.row_transform import DEDUPE_KEY
from rmn_pipeline.rmis.spill import Buckets, compact

# Repeats are looked for in one part of the keys at a time.
_PARTS = 16
_SECOND_SEED = 1
REPEATED_SCHEMA: dict[str, pl.DataType] = {SOURCE_INDEX: pl.Int32(), "source_row": pl.Int64()}


def delivery_keys(events: pl.DataFrame) -> pl.DataFrame:
    """Two hashes of each row's delivery, and the place of the row. A statement may repeat what an older one said."""
    delivery = pl.struct("as_of", DEDUPE_KEY)
    return events.filter(pl.col(DEDUPE_KEY).is_not_null()).select(
        delivery.hash().alias("first_hash"),
        delivery.hash(_SECOND_SEED).alias("second_hash"),
        *REPEATED_SCHEMA,
    )


class Deliveries:
    """All deliveries of a harmonization, by place; finds those that came before."""

    def __init__(self, scratch: Path | None, budget_bytes: int) -> None:
        self._parts: Buckets[int] = Buckets(scratch, budget_bytes)

    def add(self, keys: pl.DataFrame) -> None:
        """Takes what `delivery_keys` made of a batch."""
        for (part,), rows in keys.group_by(pl.col("first_hash") % _PARTS, maintain_order=True):
            self._parts.add(int(str(part)), compact(rows), int(rows.estimated_size()))

    def repeated(self) -> pl.DataFrame:
        """Places (source, row) of all deliveries but the first, in the order of sources and rows."""
        found = [pl.DataFrame(schema=REPEATED_SCHEMA)]
        for part in self._parts:
            # One raw row may tell several facts; it is still one delivery.
            keys = self._parts.read(part).whole().unique()
            again = keys.sort(*REPEATED_SCHEMA).filter(
                ~pl.struct("first_hash", "second_hash").is_first_distinct()
            )
            found.append(again.select(*REPEATED_SCHEMA))
        return pl.concat(found)
