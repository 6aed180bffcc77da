"""All detectors by the name that a person sees: an asset check each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rmn_pipeline.rmis.detectors.anomaly import Anomaly
from rmn_pipeline.rmis.detectors.definition_changes import definition_changes
from rmn_pipeline.rmis.detectors.evidence import Evidence
from rmn_pipeline.rmis.detectors.impossible_values import impossible_values
from rmn_pipeline.rmis.detectors.level_shifts import level_shifts
from rmn_pipeline.rmis.detectors.missing_days import missing_days
from rmn_pipeline.rmis.detectors.null_rates import null_rates
from rmn_pipeline.rmis.detectors.rejected_shares import rejected_shares
from rmn_pipeline.rmis.detectors.stale_feed import stale_feed
from rmn_pipeline.rmis.detectors.unusual_ratios import unusual_ratios
from rmn_pipeline.rmis.detectors.vanished_parts import vanished_parts


@dataclass(frozen=True)
class Detector:
    """One kind of anomaly and how it is found; `on_rejects`: in what was rejected, not in the events."""

    name: str
    description: str
    find: Callable[[Evidence], Iterator[Anomaly]]
    on_rejects: bool = False


DETECTORS: tuple[Detector, ...] = (
    Detector(
        "impossible_values",
        "No day to come, no date far off, no negative cost or more clicks than impressions in a key's sums, no "
        "spend without impressions, no clicks for nothing.",
        impossible_values,
    ),
    Detector(
        "missing_days", "No day, and no weekday, without events between the first and the last.", missing_days
    ),
    Detector("stale_feed", "The newest report does not end earlier than reports usually do.", stale_feed),
    Detector("null_rates", "Columns are filled on all days as they usually are.", null_rates),
    Detector(
        "definition_changes",
        "Currency, attribution model, conversion unit and the other definitions are the same on all days.",
        definition_changes,
    ),
    Detector(
        "level_shifts",
        "Totals keep to their own history, weekdays compared with themselves: no lasting change of level, no odd "
        "days.",
        level_shifts,
    ),
    Detector(
        "vanished_parts",
        "No placement, campaign or audience with a good part of the impressions is gone while the rest runs on.",
        vanished_parts,
    ),
    Detector(
        "unusual_ratios",
        "Click rate, click price and return stay within the retailer's own distribution, by day and by event.",
        unusual_ratios,
    ),
    Detector(
        "rejected_shares",
        "No file has far more broken rows than the others.",
        rejected_shares,
        on_rejects=True,
    ),
)
