"""The columns of a retailer's customer-level log, and the dimensions and metrics a policy may open.

A policy chooses from these closed lists; nothing else in a log can be named at all.
"""

from __future__ import annotations

from dataclasses import dataclass

CUSTOMER_COLUMN = "customer_id"
DATE_COLUMN = "date"

#: Dimensions taken from the log's date: their key domain is a range of days, not a list.
TIME_DIMENSIONS = ("week", "date")
#: Dimensions with a declared list of values; each is a log column of the same name.
LISTED_DIMENSIONS = ("placement_type", "audience_id", "sku_id", "brand_id")
DIMENSIONS = (*TIME_DIMENSIONS, *LISTED_DIMENSIONS)

#: The room's own count, which decides what is shown: distinct customers, or records where nobody is identified.
CUSTOMERS = "customers"
RECORDS = "records"
COUNTS = (CUSTOMERS, RECORDS)

#: What SQL calls the log. It is a name only: no engine holds a table of it.
TABLE_NAME = "events"


@dataclass(frozen=True)
class SummedMetric:
    """A metric that sums one log column, kept and perturbed as whole lattice steps."""

    name: str
    column: str
    #: Lattice steps per reported unit: money in cents, counts in thousandths, because scaling a busy customer down
    #: to the bound leaves fractions of an impression.
    steps_per_unit: int
    #: What one unit of the log column is worth in lattice steps.
    steps_per_log_unit: int
    #: Whether the reported value is a whole number (rounded after the noise).
    is_whole: bool


SUMMED_METRICS: dict[str, SummedMetric] = {
    metric.name: metric
    for metric in (
        SummedMetric("impressions", "impressions", 1000, 1000, is_whole=True),
        SummedMetric("clicks", "clicks", 1000, 1000, is_whole=True),
        SummedMetric("conversions", "conversions", 1000, 1000, is_whole=False),
        SummedMetric("revenue", "revenue_cents", 100, 1, is_whole=False),
        SummedMetric("cost", "cost_cents", 100, 1, is_whole=False),
    )
}
METRICS = (*COUNTS, *SUMMED_METRICS)
#: Every name that a policy can open.
VISIBLE_NAMES = frozenset({*DIMENSIONS, *METRICS})
LOG_COLUMNS = frozenset(
    {CUSTOMER_COLUMN, DATE_COLUMN, *LISTED_DIMENSIONS, *(metric.column for metric in SUMMED_METRICS.values())}
)
