"""Contribution bounding, as SQL: how a log becomes entries of which no privacy unit has more than its share.

The statements are made from policy and declared domains alone. Every answer is computed from the entries, so no
request, however it is grouped or filtered, lets one unit move it further than the policy says; and all answers of a
room agree with one another.
"""

from __future__ import annotations

from collections.abc import Iterator

from rmn_pipeline.cleanroom.policy import CleanRoomPolicy
from rmn_pipeline.cleanroom.request import Domains
from rmn_pipeline.cleanroom.schema import (
    COUNTS,
    CUSTOMER_COLUMN,
    DATE_COLUMN,
    LISTED_DIMENSIONS,
    SUMMED_METRICS,
    SummedMetric,
)

ENTRIES_TABLE = "entries"
#: The column of the entries that the room's count looks at: a number per customer, null where an entry is not counted.
COUNTED_COLUMN = "counted"


class EntriesSql:
    """The statements that make the table of bounded entries from the view `log`."""

    def __init__(self, policy: CleanRoomPolicy, domains: Domains, salt: bytes) -> None:
        self._policy = policy
        self._domains = domains
        self._salt = salt
        self._is_by_record = policy.contribution_unit == "record"
        self._dimensions = [name for name in LISTED_DIMENSIONS if name in domains.values]
        self._metrics = [SUMMED_METRICS[name] for name in policy.allowed_metrics if name not in COUNTS]
        self._metric_names = [metric.name for metric in self._metrics]
        self._keys = [DATE_COLUMN, *self._dimensions]
        if not self._is_by_record:
            self._keys.insert(0, CUSTOMER_COLUMN)

    @property
    def log_columns(self) -> list[str]:
        """The columns of the log that are read, and no others."""
        return [*self._keys, *(metric.column for metric in self._metrics)]

    def statements(self) -> Iterator[str]:
        """In order; what they leave behind is the table of entries, without any customer's id."""
        for name in self._dimensions:
            values = ", ".join(literal(value) for value in self._domains.values[name])
            yield f"CREATE TYPE {name}_domain AS ENUM ({values})"
        if self._is_by_record:
            yield self._record_entries()
        else:
            yield self._folded()
            yield self._people()
            yield self._customer_entries()
            yield "DROP TABLE folded"
            yield "DROP TABLE people"

    def _record_entries(self) -> str:
        """One entry per row of the feed, clamped; the feed has nobody to fold over."""
        columns = [*self._keys, *(f"CAST({name} AS BIGINT) AS {name}" for name in self._metric_names)]
        return f"CREATE TABLE {ENTRIES_TABLE} AS SELECT {', '.join(columns)} FROM ({self._declared_rows()})"

    def _folded(self) -> str:
        """One row per customer, day and declared key; every metric in lattice steps and clamped."""
        clamped = [
            f"CAST(least(sum({name}), {self._policy.maximum_steps_per_cell(name)}) AS BIGINT) AS {name}"
            for name in self._metric_names
        ]
        return (
            f"CREATE TABLE folded AS SELECT {', '.join([*self._keys, *clamped])} "
            f"FROM ({self._declared_rows()}) GROUP BY {', '.join(self._keys)}"
        )

    def _people(self) -> str:
        """Every customer's number inside this room, and whether a bound is exceeded."""
        over = [f"count(*) > {self._policy.contribution_bounds.max_cells_per_customer}"]
        over += [
            f"sum({name}) > {self._policy.maximum_steps_per_customer(name)}" for name in self._metric_names
        ]
        return (
            f"CREATE TABLE people AS SELECT *, CAST(row_number() OVER () AS INTEGER) AS {COUNTED_COLUMN} FROM "
            f"(SELECT {CUSTOMER_COLUMN}, {' OR '.join(over)} AS is_busy FROM folded GROUP BY {CUSTOMER_COLUMN})"
        )

    def _customer_entries(self) -> str:
        """The folded rows with every busy customer cut down to the bounds.

        Which entries of a busy customer are counted depends on a salted hash of that customer's own keys: not
        on amounts, so it favours no outcome; and not on other customers, so the bound holds person by person.
        Windows cost the most, so only customers who exceed a bound go through them.
        """
        shown = [DATE_COLUMN, *self._dimensions]
        order = ", ".join(f"CAST({name} AS VARCHAR)" for name in self._keys)
        rank = (
            f"row_number() OVER (PARTITION BY {CUSTOMER_COLUMN} "
            f"ORDER BY hash({literal(self._salt.hex())}, {order}))"
        )
        kept = self._policy.contribution_bounds.max_cells_per_customer
        as_is = ", ".join([*shown, *self._metric_names, COUNTED_COLUMN])
        cut_down = ", ".join(
            [
                *shown,
                *(self._scaled(name) for name in self._metric_names),
                f"CASE WHEN {rank} <= {kept} THEN {COUNTED_COLUMN} END AS {COUNTED_COLUMN}",
            ]
        )
        joined = f"FROM folded JOIN people USING ({CUSTOMER_COLUMN})"
        return (
            f"CREATE TABLE {ENTRIES_TABLE} AS SELECT {as_is} {joined} WHERE NOT is_busy "
            f"UNION ALL SELECT {cut_down} {joined} WHERE is_busy"
        )

    def _declared_rows(self) -> str:
        """The log's rows with declared keys, every metric in lattice steps and clamped."""
        dimensions = [f"TRY_CAST({name} AS {name}_domain) AS {name}" for name in self._dimensions]
        columns = [f"TRY_CAST({DATE_COLUMN} AS DATE) AS {DATE_COLUMN}", *dimensions]
        if not self._is_by_record:
            columns.insert(0, CUSTOMER_COLUMN)
        columns += [self._steps(metric) for metric in self._metrics]
        first, last = (
            literal(day.isoformat()) for day in (self._policy.date_range.first, self._policy.date_range.last)
        )
        declared = " AND ".join(f"{name} IS NOT NULL" for name in self._keys)
        return (
            f"SELECT * FROM (SELECT {', '.join(columns)} FROM log) "
            f"WHERE {declared} AND {DATE_COLUMN} BETWEEN {first}::DATE AND {last}::DATE"
        )

    def _steps(self, metric: SummedMetric) -> str:
        """One row's value in lattice steps: unreadable is zero, and the clamp comes before the sum, so no row can fail.

        Whole numbers in a DOUBLE: far below 2^53 they add up exactly, and several times faster than in 128 bits.
        """
        value, factor = f"TRY_CAST({metric.column} AS DOUBLE)", metric.steps_per_log_unit
        maximum = self._policy.maximum_steps_per_cell(metric.name)
        # DuckDB sorts NaN above every number, where the clamp would read it as the maximum.
        finite = f"CASE WHEN {value} IS NULL OR isnan({value}) THEN 0 ELSE {value} END"
        return f"least(greatest(round({finite} * {factor}), 0), {maximum}) AS {metric.name}"

    def _scaled(self, name: str) -> str:
        maximum = self._policy.maximum_steps_per_customer(name)
        total = f"sum({name}) OVER (PARTITION BY {CUSTOMER_COLUMN})"
        # Integer division rounds down, so the scaled entries never add up to more than the maximum.
        scaled = f"CASE WHEN {total} > {maximum} THEN {name} * {maximum} // {total} ELSE {name} END"
        return f"CAST({scaled} AS BIGINT) AS {name}"


def literal(text: str) -> str:
    """A SQL string."""
    return "'" + text.replace("'", "''") + "'"
