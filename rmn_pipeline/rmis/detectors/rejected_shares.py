"""Files of which far more rows break a rule than of the retailer's other files."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from rmn_pipeline.rmis.detectors.anomaly import Anomaly
from rmn_pipeline.rmis.detectors.evidence import Evidence
from rmn_pipeline.rmis.detectors.series import robust_sigma

_FAR = 6.0
_LEAST_FILES = 3


def rejected_shares(evidence: Evidence) -> Iterator[Anomaly]:
    """Files whose share of broken rows stands out."""
    if evidence.rejects is None:
        return
    files = file_shares(evidence)
    if files.height < _LEAST_FILES:
        return
    shares = files["share"].to_numpy()
    usual = float(np.median(shares))
    counting = np.sqrt(max(usual * (1 - usual), 0.001) / files["rows"].to_numpy())
    limit = np.maximum(evidence.settings.reject_share_rise, _FAR * np.maximum(robust_sigma(shares), counting))
    for row in files.filter(pl.Series(shares - usual > limit)).iter_rows(named=True):
        yield Anomaly(
            "rejected_share",
            "warn",
            f"{row['share']:.1%} of the {row['rows']} rows of {row['source_file']} break a rule, {usual:.1%} of a "
            f"file usually do; most often {row['rule']} ({row['rule_rows']} rows)",
            rows=row["broken"],
            subject=row["source_file"],
        )


def file_shares(evidence: Evidence) -> pl.DataFrame:
    """Per file: its rows, how many of them broke a rule, the share, and the rule most often broken."""
    assert evidence.rejects is not None
    broken = evidence.rejects.filter(pl.col("severity") == "reject")
    by_rule = (
        broken.group_by("source_file", "rule").len("rule_rows").sort("rule_rows", "rule", descending=True)
    )
    worst = by_rule.group_by("source_file", maintain_order=True).first()
    rows = pl.concat([table.select("source_file") for table in (evidence.events, evidence.rejects)])
    return (
        rows.group_by("source_file")
        .len("rows")
        .join(broken.group_by("source_file").len("broken"), on="source_file", how="left")
        .join(worst, on="source_file", how="left")
        .with_columns(pl.col("broken").fill_null(0))
        .with_columns((pl.col("broken") / pl.col("rows")).alias("share"))
        .sort("source_file")
        .collect()
    )
