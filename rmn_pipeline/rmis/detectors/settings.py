"""When a finding is worth telling."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AnomalySettings:
    """Thresholds. The defaults of the level statistics come from a simulation study; its tests hold the rates.

    Args:
        max_null_share: share of empty values from which a partly filled column is told.
        odd_day_z: robust deviations from which single days, or runs of 3 and 7, are odd.
        odd_day_ratio: and how large the ratio to the expectation must be as well.
        step_z: robust deviations from which a lasting change of level is told.
        step_ratio: and how large the ratio of the levels must be as well.
        launch_days: a rise within so many days of the beginning is a launch.
        min_days: of shorter series it is not known what is usual: no levels are compared.
        young_days: so long after a day, conversions and revenue may still be low because they are not complete.
        history_days: a change of level longer ago than this is told as info.
        min_row_share: share of events from which rows that are merely doubtful are told.
        row_ratio_z: robust deviations from which a row's rate is far off.
        row_ratio: and how large the ratio to the usual rate must be as well.
        min_part_share: share of impressions from which a part that vanishes is told.
        min_absent_days: and for how many days it must be gone.
        reject_share_rise: rise of a file's share of rejected rows that is told.
        lag_slack_days: days that a feed may be later than it usually is.
    """

    max_null_share: float = 0.05
    odd_day_z: float = 6.5
    odd_day_ratio: float = 1.5
    step_z: float = 4.75
    step_ratio: float = 1.4
    launch_days: int = 21
    min_days: int = 42
    young_days: int = 3
    history_days: int = 180
    min_row_share: float = 0.001
    row_ratio_z: float = 8.0
    row_ratio: float = 5.0
    min_part_share: float = 0.05
    min_absent_days: int = 3
    reject_share_rise: float = 0.02
    lag_slack_days: int = 2
