"""A feed whose newest report ends earlier than its reports usually do.

Reports are compared with one another, each by the day it was made (`as_of`) against the last day it holds. The
clock on the wall is no witness here: history that nobody continues is not stale, and a pipeline that nobody ran is
Dagster's to tell.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from rmn_pipeline.rmis.detectors.anomaly import Anomaly, DaySpan, told_days
from rmn_pipeline.rmis.detectors.evidence import Evidence
from rmn_pipeline.rmis.detectors.series import robust_sigma

_LEAST_REPORTS = 3
_TOLERATED_DEVIATIONS = 3.0


def stale_feed(evidence: Evidence) -> Iterator[Anomaly]:
    """The newest report's lag, if it is larger than usual."""
    lags = report_lags(evidence)
    if lags.height <= _LEAST_REPORTS:
        return
    newest = lags.row(-1, named=True)
    earlier = lags["lag_days"][:-1].to_numpy().astype(np.float64)
    usual = float(np.median(earlier))
    slack = max(evidence.settings.lag_slack_days, _TOLERATED_DEVIATIONS * robust_sigma(earlier))
    if newest["lag_days"] > usual + slack:
        yield Anomaly(
            "stale_feed",
            "warn",
            f"the newest report (as of {newest['as_of']}) ends on {newest['last_day']}, "
            f"{told_days(newest['lag_days'])} earlier; the {lags.height - 1} reports before it ended "
            f"{told_days(round(usual))} earlier on the median",
            (DaySpan(newest["last_day"], newest["as_of"]),),
        )


def report_lags(evidence: Evidence) -> pl.DataFrame:
    """Per day on which reports were made: the last day they hold, and how many days lie between."""
    columns = ("as_of", "date")
    statements = [evidence.events.select(columns)]
    if evidence.superseded is not None:
        statements.append(evidence.superseded.select(columns))
    return (
        pl.concat(statements)
        .drop_nulls()
        .group_by("as_of")
        .agg(pl.col("date").max().alias("last_day"))
        .with_columns((pl.col("as_of") - pl.col("last_day")).dt.total_days().alias("lag_days"))
        .sort("as_of")
        .collect()
    )
