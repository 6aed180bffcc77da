"""Contribution bounding: the only place where the customer-level log is read.

DuckDB holds only *bounded* entries: when a room opens, every customer's contribution is clamped and scaled down to
the policy's bounds. Every answer is computed from those, so no request, however it is grouped or filtered,
can let one customer move it further than the policy says; and all answers of a room agree with one another.
"""

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

from rmn_pipeline.cleanroom.errors import CleanRoomSetupError
from rmn_pipeline.cleanroom.policy import CleanRoomPolicy
from rmn_pipeline.cleanroom.request import Domains, PermittedRequest
from rmn_pipeline.cleanroom.schema import (
    CUSTOMER_COLUMN,
    CUSTOMERS,
    DATE_COLUMN,
    LISTED_DIMENSIONS,
    SUMMED_METRICS,
    SummedMetric,
)

_LOG = logging.getLogger(__name__)

Events = pl.DataFrame | pl.LazyFrame | str | Path | Sequence[Path]


class BoundedLog:
    """One retailer's log with every customer's contribution bounded, in a locked in-memory DuckDB.

    The log is fingerprinted at once and read when the first answer has to be computed: a room that only serves
    stored releases, or only refuses, never touches a customer's row.
    """

    def __init__(self, events: Events, policy: CleanRoomPolicy, domains: Domains, salt: bytes) -> None:
        self._policy = policy
        self._domains = domains
        self._salt = salt
        self._dimensions = [name for name in LISTED_DIMENSIONS if name in domains.values]
        self._metrics = [SUMMED_METRICS[name] for name in policy.allowed_metrics if name != CUSTOMERS]
        self._metric_names = [metric.name for metric in self._metrics]
        self._is_bounded = False
        self._bounding = threading.Lock()
        # One fixed engine set-up; DuckDB must fetch nothing by itself.
        self._database = duckdb.connect(
            ":memory:", config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
        )
        try:
            self.fingerprint = self._register(events)
            self._database.execute(f"SELECT {', '.join(self._columns())} FROM log LIMIT 0")
        except duckdb.Error as error:
            self._database.close()
            raise CleanRoomSetupError(
                f"the customer log cannot be opened ({error}); it needs the columns {', '.join(self._columns())}"
            ) from error

    def close(self) -> None:
        """Forget the data."""
        self._database.close()

    def aggregate(self, request: PermittedRequest) -> pl.DataFrame:
        """Answer over the bounded entries, without noise, for the keys that occur. Never leaves the clean room."""
        sums = [SUMMED_METRICS[name] for name in request.charged_metrics if name != CUSTOMERS]
        columns = [f"count(DISTINCT {CUSTOMER_COLUMN}) FILTER (WHERE counted) AS {CUSTOMERS}"]
        columns += [f"CAST(sum({metric.name}) AS BIGINT) AS {metric.name}" for metric in sums]
        keys = [_KEY_SQL.get(name, f"CAST({name} AS VARCHAR)") + f" AS {name}" for name in request.dimensions]
        where, parameters = _conditions(request)
        group = f"GROUP BY {', '.join(str(i + 1) for i in range(len(keys)))}" if keys else ""
        query = f"SELECT {', '.join(keys + columns)} FROM entries WHERE {where} {group}"
        try:
            self._bound_once()
            return self._database.cursor().execute(query, parameters).pl()
        except duckdb.Error:
            # What the engine says may quote data or hidden columns: it goes to the operator's log alone.
            _LOG.exception("the clean room's engine failed")
            raise CleanRoomSetupError(
                "the clean room could not compute an answer; nothing was released or charged; "
                f"its operator finds the cause in the log of {__name__}"
            ) from None

    def _bound_once(self) -> None:
        with self._bounding:
            if self._is_bounded:
                return
            self._create_domains()
            self._create_entries()
            # From here on the engine reads nothing but its own bounded table.
            self._database.execute("DROP VIEW log")
            self._database.execute("SET enable_external_access = false")
            self._database.execute("SET lock_configuration = true")
            self._is_bounded = True

    def _columns(self) -> list[str]:
        return [CUSTOMER_COLUMN, DATE_COLUMN, *self._dimensions, *(metric.column for metric in self._metrics)]

    def _register(self, events: Events) -> str:
        """Show the log to the engine as the view `log`; return a fingerprint of its content."""
        if isinstance(events, pl.LazyFrame):
            events = events.collect()
        if isinstance(events, pl.DataFrame):
            frame = events
            buffer = io.BytesIO()
            frame.write_ipc(buffer)
            self._database.register("log_frame", frame.to_arrow())
            self._database.execute("CREATE VIEW log AS SELECT * FROM log_frame")
            return hashlib.sha256(buffer.getbuffer()).hexdigest()
        files = _parquet_files(events)
        listed = ", ".join(_literal(str(file)) for file in files)
        self._database.execute(
            f"CREATE VIEW log AS SELECT * FROM read_parquet([{listed}], union_by_name = true)"
        )
        return _digest_files(files)

    def _create_domains(self) -> None:
        for name in self._dimensions:
            values = ", ".join(_literal(value) for value in self._domains.values[name])
            self._database.execute(f"CREATE TYPE {name}_domain AS ENUM ({values})")

    def _create_entries(self) -> None:
        """Fold the log to one entry per customer, day and declared key, and bound what each customer adds.

        Which entries of a busy customer are counted depends on a salted hash of that customer's own keys: not
        on amounts, so it favours no outcome; and not on other customers, so the bound holds person by person.
        """
        keys = ", ".join([CUSTOMER_COLUMN, DATE_COLUMN, *self._dimensions])
        self._database.execute(self._folding_sql())
        over = [f"count(*) > {self._policy.contribution_bounds.max_cells_per_customer}"]
        over += [
            f"sum({name}) > {self._policy.maximum_steps_per_customer(name)}" for name in self._metric_names
        ]
        # Windows cost the most, so only customers who exceed a bound go through them.
        self._database.execute(
            f"CREATE TABLE busy AS SELECT {CUSTOMER_COLUMN} FROM folded GROUP BY 1 HAVING {' OR '.join(over)}"
        )
        as_is = ", ".join([keys, *self._metric_names])
        scaled = ", ".join([keys, *(self._scaled_sql(name) for name in self._metric_names)])
        order = ", ".join(f"CAST({name} AS VARCHAR)" for name in keys.split(", "))
        self._database.execute(
            f"""
            CREATE TABLE entries AS
            SELECT {as_is}, true AS counted FROM folded ANTI JOIN busy USING ({CUSTOMER_COLUMN})
            UNION ALL
            SELECT {scaled},
                row_number() OVER (PARTITION BY {CUSTOMER_COLUMN} ORDER BY hash({_literal(self._salt.hex())}, {order}))
                    <= {self._policy.contribution_bounds.max_cells_per_customer} AS counted
            FROM folded SEMI JOIN busy USING ({CUSTOMER_COLUMN})
            """
        )
        self._database.execute("DROP TABLE folded")
        self._database.execute("DROP TABLE busy")

    def _folding_sql(self) -> str:
        """One row per customer, day and declared key; every metric in lattice steps and clamped."""
        dimensions = [f"TRY_CAST({name} AS {name}_domain) AS {name}" for name in self._dimensions]
        steps = [self._steps_sql(metric) for metric in self._metrics]
        clamped = [
            f"CAST(least(sum({name}), {self._policy.maximum_steps_per_cell(name)}) AS BIGINT) AS {name}"
            for name in self._metric_names
        ]
        keys = [CUSTOMER_COLUMN, DATE_COLUMN, *self._dimensions]
        declared = " AND ".join(f"{name} IS NOT NULL" for name in keys)
        first, last = (
            _literal(day.isoformat()) for day in (self._policy.date_range.first, self._policy.date_range.last)
        )
        columns = ", ".join(
            [CUSTOMER_COLUMN, f"TRY_CAST({DATE_COLUMN} AS DATE) AS {DATE_COLUMN}", *dimensions, *steps]
        )
        return f"""
            CREATE TABLE folded AS
            SELECT {", ".join([*keys, *clamped])} FROM (SELECT {columns} FROM log)
            WHERE {declared} AND {DATE_COLUMN} BETWEEN {first}::DATE AND {last}::DATE
            GROUP BY {", ".join(keys)}
        """

    def _steps_sql(self, metric: SummedMetric) -> str:
        """One row's value in lattice steps: unreadable is zero, and the clamp comes before the sum, so no row can fail.

        Whole numbers in a DOUBLE: far below 2^53 they add up exactly, and several times faster than in 128 bits.
        """
        value, factor = f"TRY_CAST({metric.column} AS DOUBLE)", metric.steps_per_log_unit
        maximum = self._policy.maximum_steps_per_cell(metric.name)
        # DuckDB sorts NaN above every number, where the clamp would read it as the maximum.
        finite = f"CASE WHEN isnan({value}) THEN 0 ELSE {value} END"
        return f"least(greatest(round({finite} * {factor}), 0), {maximum}) AS {metric.name}"

    def _scaled_sql(self, name: str) -> str:
        maximum = self._policy.maximum_steps_per_customer(name)
        total = f"sum({name}) OVER (PARTITION BY {CUSTOMER_COLUMN})"
        # Integer division rounds down, so the scaled entries never add up to more than the maximum.
        scaled = f"CASE WHEN {total} > {maximum} THEN {name} * {maximum} // {total} ELSE {name} END"
        return f"CAST({scaled} AS BIGINT) AS {name}"


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


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
