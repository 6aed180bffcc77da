"""The review of title matches: a CSV file in which a person decides, and a copy of what was proposed.

    <lake>/sku_match_proposals/<retailer>.csv       for the person: write accept or reject into the column decision
    <lake>/sku_match_proposals/<retailer>.parquet   what was proposed so far: ids in the CSV are held against it,
                                                    because spreadsheets turn ids into numbers when they save

Only accepted rows ever become part of a crosswalk.
"""

from __future__ import annotations

import io
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from rmn_pipeline.rmis.errors import CatalogError, LakeError
from rmn_pipeline.rmis.lake import write_table
from rmn_pipeline.rmis.reference_file import ROW, read_reference
from rmn_pipeline.rmis.titles import PROPOSALS_SCHEMA

SKU_MATCH_PROPOSALS = "sku_match_proposals"
ACCEPT, REJECT = "accept", "reject"

_NEEDED = ("native_id", "sku_id", "decision")
_KEY = ("native_id", "sku_id")


@dataclass(frozen=True)
class Review:
    """A review file after an update."""

    path: Path
    rows: pl.DataFrame

    def count(self, decision: str) -> int:
        """How many rows have this decision; '' for those that are still open."""
        return self.rows.filter(pl.col("decision") == decision).height


def review_file(lake_dir: Path | str, retailer_id: str) -> Path:
    """Where a retailer's review lies."""
    return Path(lake_dir) / SKU_MATCH_PROPOSALS / f"{retailer_id}.csv"


def _proposed_so_far(path: Path) -> pl.DataFrame:
    """What was ever proposed for a review; empty before the first time."""
    table = path.with_suffix(".parquet")
    if not table.is_file():
        return pl.DataFrame(schema=PROPOSALS_SCHEMA)
    try:
        return pl.read_parquet(table).select(*PROPOSALS_SCHEMA)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise LakeError(f"{table}: cannot be read ({error}); delete it and propose again") from error


def read_review(path: Path | str) -> pl.DataFrame:
    """The rows of a review with a checked decision ('' where there is none), and `source_row`.

    Raises:
        CatalogError: a column is missing, or a decision is neither accept nor reject.
    """
    file = Path(path)
    others = [name for name in PROPOSALS_SCHEMA if name not in _NEEDED]
    frame = read_reference(file, _NEEDED, may_be_empty=("decision",), may_lack=others)
    rows = frame.with_columns(pl.col("decision").str.to_lowercase().fill_null(""))
    wrong = rows.filter(~pl.col("decision").is_in(["", ACCEPT, REJECT]))
    if not wrong.is_empty():
        raise CatalogError(
            f"{file}: row {wrong[ROW][0]}: the decision '{wrong['decision'][0]}' is neither {ACCEPT} nor {REJECT}"
        )
    return rows


def accepted_matches(path: Path | str, catalog: pl.DataFrame | None = None) -> pl.DataFrame:
    """The rows that a person accepted: native_id, sku_id and source_row, for `merge_crosswalks`.

    No file means that nothing is accepted yet.

    Args:
        path: the review file.
        catalog: the products that may be accepted; by default every product that was proposed.

    Raises:
        CatalogError: an id was never proposed, stands in two accepted rows with two products, or its product is
            unknown; the row is named.
    """
    file = Path(path)
    if not file.is_file():
        return pl.DataFrame(schema={"native_id": pl.String, "sku_id": pl.String, ROW: pl.Int64})
    accepted = (
        read_review(file).filter(pl.col("decision") == ACCEPT).select(*_KEY, pl.col(ROW).cast(pl.Int64))
    )
    proposed = _proposed_so_far(file)
    known = catalog if catalog is not None else proposed
    _refuse_unknown(file, accepted, proposed["native_id"], "native_id", "was never proposed")
    _refuse_unknown(file, accepted, known["sku_id"], "sku_id", "is no product of the catalog")
    several = accepted.filter(pl.col("sku_id").n_unique().over("native_id") > 1).sort("native_id", ROW)
    if not several.is_empty():
        first, second = several.head(2).to_dicts()
        raise CatalogError(
            f"{file}: rows {first[ROW]} and {second[ROW]} accept {first['sku_id']} and {second['sku_id']} for "
            f"'{first['native_id']}'; reject one of them"
        )
    return accepted.unique(_KEY, keep="first", maintain_order=True)


def _refuse_unknown(file: Path, rows: pl.DataFrame, known: pl.Series, column: str, fault: str) -> None:
    unknown = rows.filter(~pl.col(column).is_in(known.unique().implode()))
    if not unknown.is_empty():
        raise CatalogError(
            f"{file}: row {unknown[ROW][0]}: the {column} '{unknown[column][0]}' {fault}. A spreadsheet may have "
            "changed it: import the file with all columns as text"
        )


def _typed(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of a review, read as text, in the types of proposals."""
    typed = [
        pl.col(name).str.to_lowercase() == "true"
        if dtype == pl.Boolean
        else pl.col(name).cast(dtype, strict=False)
        for name, dtype in PROPOSALS_SCHEMA.items()
    ]
    return rows.select(typed).with_columns(pl.col("also_proposed_for").fill_null(""))


def _decided(path: Path) -> pl.DataFrame:
    if not path.is_file():
        return pl.DataFrame(schema=PROPOSALS_SCHEMA)
    return _typed(read_review(path).filter(pl.col("decision") != ""))


def update_review(lake_dir: Path | str, retailer_id: str, proposals: pl.DataFrame) -> Review:
    """Writes new proposals into a retailer's review.

    Rows with a decision stay as they are; open rows are replaced. An accepted id gets no further proposal, and a
    rejected pair is not proposed again.

    Raises:
        CatalogError: the review cannot be read; it is left as it is.
        LakeError: the lake cannot be written.
    """
    path = review_file(lake_dir, retailer_id)
    decided = _decided(path)
    accepted = decided.filter(pl.col("decision") == ACCEPT)
    fresh = (
        proposals.select(*PROPOSALS_SCHEMA)
        .join(accepted, on="native_id", how="anti", maintain_order="left")
        .join(decided, on=_KEY, how="anti", maintain_order="left")
    )
    rows = pl.concat([fresh, decided])
    ever = pl.concat([rows, _proposed_so_far(path)]).unique(_KEY, keep="first", maintain_order=True)
    # First the copy: an id in the CSV that the copy lacks would look as if a spreadsheet had changed it.
    write_table(lake_dir, SKU_MATCH_PROPOSALS, retailer_id, ever)
    _write_csv(rows, path)
    return Review(path, rows)


def _write_csv(rows: pl.DataFrame, path: Path) -> None:
    """The whole file or nothing. It begins with a byte order mark, without which spreadsheets read cp1252."""
    buffer = io.BytesIO()
    rows.write_csv(buffer, include_bom=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(buffer.getvalue())
        Path(temporary).replace(path)
    except OSError as error:
        raise LakeError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        Path(temporary).unlink(missing_ok=True)
