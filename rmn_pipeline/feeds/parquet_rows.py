"""Rows of Parquet reports: own types kept, read row group by row group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from rmn_pipeline.feeds.byte_streams import FETCH_AGAIN, Piece, opened_whole
from rmn_pipeline.feeds.facts import Tally
from rmn_pipeline.feeds.formats import ReportFormat
from rmn_pipeline.feeds.headers import column_names


@dataclass
class ParquetRows:
    """The rows of one Parquet piece."""

    piece: Piece
    spec: ReportFormat
    tally: Tally

    def frames(self, batch_rows: int) -> Iterator[pl.DataFrame]:
        """The rows; `source_line` is null, for such a file has no lines."""
        with opened_whole(self.piece) as file:
            try:
                with pq.ParquetFile(file) as report:
                    names = column_names(self.piece, report.schema_arrow.names, self.spec)
                    self._check_schema(_frame(report.schema_arrow.empty_table(), names))
                    for batch in report.iter_batches(batch_rows):
                        yield _frame(batch, names)
            except (pa.ArrowException, pl.exceptions.PolarsError, OSError, ValueError) as error:
                reason = (str(error).strip() or type(error).__name__).splitlines()[0]
                raise self.piece.error(f"not readable as Parquet ({reason})", FETCH_AGAIN) from error

    def _check_schema(self, empty: pl.DataFrame) -> None:
        """A later part must have the columns of the first."""
        schema = dict(empty.drop("source_line").schema)
        if self.tally.schema and self.tally.schema != schema:
            raise self.piece.error(
                "its columns or their types differ from those of the report's first part",
                "Load parts of different reports separately.",
            )
        self.tally.schema = schema
        self.tally.header = tuple(schema)


def _frame(batch: pa.RecordBatch | pa.Table, names: tuple[str, ...]) -> pl.DataFrame:
    frame = pl.from_arrow(batch.rename_columns(list(names)))
    if isinstance(frame, pl.Series):  # Of one column, depending on the library's version.
        frame = frame.to_frame()
    return frame.with_columns(pl.lit(None, pl.Int64).alias("source_line"))
