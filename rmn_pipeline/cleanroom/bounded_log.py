"""The only reader of the customer-level log: a locked engine that holds bounded entries and nothing else."""

from __future__ import annotations

import datetime
import hashlib
import io
import logging
import threading
from collections.abc import Sequence
from pathlib import Path

import duckdb
import polars as pl

from rmn_pipeline.cleanroom.bounding import COUNTED_COLUMN, ENTRIES_TABLE, EntriesSql, literal
from rmn_pipeline.cleanroom.errors import CleanRoomSetupError
from rmn_pipeline.cleanroom.policy import CleanRoomPolicy
from rmn_pipeline.cleanroom.request import Domains, PermittedRequest
from rmn_pipeline.cleanroom.schema import COUNTS, CUSTOMER_COLUMN, CUSTOMERS, DATE_COLUMN, SUMMED_METRICS

_LOG = logging.getLogger(__name__)

Events = pl.DataFrame | pl.LazyFrame | str | Path | Sequence[Path]

_ENGINE_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    # The engine fetches nothing by itself, and never takes a Python variable for a table.
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    # Customers' rows are held in memory; they are not spilled to a folder that nobody guards.
    "temp_directory": "",
}


class BoundedLog:
    """One retailer's log with every privacy unit's contribution bounded, in a locked in-memory DuckDB.

    The log is fingerprinted at once and read when the first answer has to be computed: a room that only serves
    stored releases, or only refuses, never touches a customer's row.
    """

    def __init__(self, events: Events, policy: CleanRoomPolicy, domains: Domains, salt: bytes) -> None:
        self._sql = EntriesSql(policy, domains, salt)
        self._is_bounded = False
        self._bounding = threading.Lock()
        self._database = duckdb.connect(":memory:", config=_ENGINE_SETTINGS)
        try:
            # On a slow query a bar would run over the console, and tell how far the engine is.
            self._database.execute("SET enable_progress_bar = false")
            self.fingerprint = self._register(events)
            self._check_columns(policy)
        except duckdb.Error as error:
            self._database.close()
            raise CleanRoomSetupError(
                f"the customer log cannot be opened ({error}); give a Parquet file that the engine can read"
            ) from error
        except CleanRoomSetupError:
            self._database.close()
            raise

    def close(self) -> None:
        """Forget the data."""
        self._database.close()

    def prepare(self) -> None:
        """Read and bound the log now rather than with the first answer."""
        try:
            self._bound_once()
        except duckdb.Error:
            raise _engine_failure() from None

    def aggregate(self, request: PermittedRequest) -> pl.DataFrame:
        """Answer over the bounded entries, without noise, for the keys that occur. Never leaves the clean room."""
        sums = [SUMMED_METRICS[name] for name in request.charged_metrics if name not in COUNTS]
        counted = f"count(DISTINCT {COUNTED_COLUMN})" if request.count_metric == CUSTOMERS else "count(*)"
        columns = [f"{counted} AS {request.count_metric}"]
        columns += [f"CAST(sum({metric.name}) AS BIGINT) AS {metric.name}" for metric in sums]
        keys = [_KEY_SQL.get(name, f"CAST({name} AS VARCHAR)") + f" AS {name}" for name in request.dimensions]
        where, parameters = _conditions(request)
        group = f"GROUP BY {', '.join(str(i + 1) for i in range(len(keys)))}" if keys else ""
        query = f"SELECT {', '.join(keys + columns)} FROM {ENTRIES_TABLE} WHERE {where} {group}"
        try:
            self._bound_once()
            return self._database.cursor().execute(query, parameters).pl()
        except duckdb.Error:
            raise _engine_failure() from None

    def _bound_once(self) -> None:
        with self._bounding:
            if self._is_bounded:
                return
            for statement in self._sql.statements():
                self._database.execute(statement)
            # From here on the engine reads nothing but its own bounded table.
            self._database.execute("DROP VIEW log")
            self._database.execute("SET enable_external_access = false")
            self._database.execute("SET lock_configuration = true")
            self._is_bounded = True

    def _register(self, events: Events) -> str:
        """Show the log to the engine as the view `log`; return a fingerprint of its content."""
        if isinstance(events, pl.LazyFrame):
            events = events.collect()
        if isinstance(events, pl.DataFrame):
            buffer = io.BytesIO()
            events.write_ipc(buffer)
            self._database.register("log_frame", events.to_arrow())
            self._database.execute("CREATE VIEW log AS SELECT * FROM log_frame")
            return hashlib.sha256(buffer.getbuffer()).hexdigest()
        files = _parquet_files(events)
        listed = ", ".join(literal(str(file)) for file in files)
        self._database.execute(
            f"CREATE VIEW log AS SELECT * FROM read_parquet([{listed}], union_by_name = true)"
        )
        return _digest_files(files)

    def _check_columns(self, policy: CleanRoomPolicy) -> None:
        found = {row[0] for row in self._database.execute("DESCRIBE log").fetchall()}
        by_record = policy.contribution_unit == "record"
        if by_record and CUSTOMER_COLUMN in found:
            raise CleanRoomSetupError(
                f"the log names its customers ({CUSTOMER_COLUMN}), so the policy of {policy.retailer_id} must protect "
                "them: set contribution_unit to customer and declare max_cells_per_customer"
            )
        missing = [name for name in self._sql.log_columns if name not in found]
        if missing:
            hint = (
                "; a feed without customers opens under contribution_unit: record"
                if CUSTOMER_COLUMN in missing
                else ""
            )
            raise CleanRoomSetupError(
                f"the customer log has no column {', '.join(missing)}; it needs "
                f"{', '.join(self._sql.log_columns)}{hint}"
            )


def _engine_failure() -> CleanRoomSetupError:
    # What the engine says may quote data or hidden columns: it goes to the operator's log alone.
    _LOG.exception("the clean room's engine failed")
    return CleanRoomSetupError(
        "the clean room could not compute an answer; nothing was released or charged; "
        f"its operator finds the cause in the log of {__name__}"
    )


_KEY_SQL = {
    "week": f"CAST(date_trunc('week', {DATE_COLUMN}) AS DATE)",
    "date": DATE_COLUMN,
}


def _conditions(request: PermittedRequest) -> tuple[str, list[datetime.date | str]]:
    parts = [f"{DATE_COLUMN} BETWEEN ? AND ?"]
    parameters: list[datetime.date | str] = [request.first_day, request.last_day]
    for name, values in request.members:
        parts.append(f"{name} IN ({', '.join(f'?::{name}_domain' for _ in values)})")
        parameters.extend(values)
    return " AND ".join(parts), parameters


def _parquet_files(events: str | Path | Sequence[Path]) -> list[Path]:
    if isinstance(events, str | Path):
        pattern = Path(events)
        files = sorted(pattern.parent.glob(pattern.name))
        shown = str(pattern)
    else:
        files = sorted(events)
        shown = ", ".join(str(file) for file in files) or "an empty list of files"
    if not files or not all(file.is_file() for file in files):
        raise CleanRoomSetupError(
            f"{shown}: no customer log there; give a Parquet file or a glob like log/*.parquet"
        )
    return files


def _digest_files(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
