"""Asset checks on anomalies: one per detector on the events, and drift and twin columns on the raw feed.

None blocks: an anomaly is for a person to look at. ERROR marks what must not be trusted as it stands, WARN what is
worth a look; findings that are worth knowing only are listed in the metadata of a check that passes.
"""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import dagster as dg
import numpy as np
import polars as pl

from rmn_pipeline.defs.anomaly_plots import MOST_PANELS, Panel, bars_plot, panel_of, panels_plot
from rmn_pipeline.defs.metadata import image_markdown, markdown_table
from rmn_pipeline.defs.project import Project
from rmn_pipeline.defs.resources import ProjectResource
from rmn_pipeline.rmis import (
    DETECTORS,
    Anomaly,
    AnomalySettings,
    Detector,
    Evidence,
    Mapping,
    columns_read_by,
    examine,
    find_drift,
    load_mapping,
    read_events,
    read_feed_profile,
    read_history,
    read_previous_feed_profile,
    read_table,
    twin_findings,
    worst_severity,
)
from rmn_pipeline.rmis.detectors.anomaly import told_spans
from rmn_pipeline.rmis.detectors.evidence import EVENTS_PER_DAY, METRICS, finite_sum
from rmn_pipeline.rmis.detectors.level_shifts import metric_readings
from rmn_pipeline.rmis.detectors.null_rates import daily_null_shares
from rmn_pipeline.rmis.detectors.rejected_shares import file_shares
from rmn_pipeline.rmis.detectors.unusual_ratios import ratio_readings

# Networks book late conversions for longer, but after two weeks a day is nearly complete.
MOST_YOUNG_DAYS = 14

Plotter = Callable[[str, Evidence, Sequence[Anomaly]], bytes | None]


def anomaly_checks(retailers: dg.PartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """All checks of this kind."""
    return [
        *[_detector_check(detector, retailers) for detector in DETECTORS],
        _drift_check(retailers),
        _twins_check(retailers),
    ]


def _mapping(project: Project, retailer_id: str) -> Mapping:
    return load_mapping(project.retailer_dir(retailer_id) / "mapping.yaml")


def gather_evidence(project: Project, retailer_id: str, *, with_rejects: bool) -> Evidence:
    """One retailer's events, with what was superseded, and on demand what was rejected."""
    lake = project.lake_dir
    window = _mapping(project, retailer_id).restatement_window_days
    young = AnomalySettings.young_days if window is None else window
    return Evidence(
        events=read_events(lake, [retailer_id]),
        today=date.today(),
        settings=AnomalySettings(
            young_days=min(max(young, AnomalySettings.young_days), MOST_YOUNG_DAYS),
        ),
        superseded=read_history(lake, [retailer_id]),
        rejects=read_table(lake, "rmis_rejects", retailer_id).lazy() if with_rejects else None,
    )


def _detector_check(detector: Detector, retailers: dg.PartitionsDefinition) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        name=detector.name,
        asset="rmis_rejects" if detector.on_rejects else "rmis_events",
        additional_deps=["rmis_events"] if detector.on_rejects else [],
        partitions_def=retailers,
        description=detector.description,
    )
    def detector_check(
        context: dg.AssetCheckExecutionContext, project: ProjectResource
    ) -> dg.AssetCheckResult:
        retailer_id = context.partition_key
        evidence = gather_evidence(project.paths, retailer_id, with_rejects=detector.on_rejects)
        return judged(detector, retailer_id, evidence)

    return detector_check


def judged(detector: Detector, retailer_id: str, evidence: Evidence) -> dg.AssetCheckResult:
    """What a detector finds, as a check's result with a picture of it."""
    anomalies = examine(evidence, [detector])
    is_drawn = evidence.days and (anomalies or detector.name in _ALWAYS_DRAWN)
    draw = _PLOTTERS.get(detector.name, _spend_plot)
    return check_result(anomalies, draw(retailer_id, evidence, anomalies) if is_drawn else None)


def _drift_check(retailers: dg.PartitionsDefinition) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        name="schema_drift",
        asset="raw_feed",
        partitions_def=retailers,
        description="Columns are those of the previous delivery and those that the mapping reads, and their values "
        "are written as before: types, units, encoding, delimiter.",
    )
    def schema_drift(context: dg.AssetCheckExecutionContext, project: ProjectResource) -> dg.AssetCheckResult:
        retailer_id = context.partition_key
        folder = project.paths.lake_dir / "raw_feed"
        found = find_drift(
            read_feed_profile(folder, retailer_id),
            read_previous_feed_profile(folder, retailer_id),
            columns_read_by(_mapping(project.paths, retailer_id)),
        )
        return check_result(found)

    return schema_drift


def _twins_check(retailers: dg.PartitionsDefinition) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        name="twin_columns",
        asset="raw_feed",
        partitions_def=retailers,
        description="No two fields are read from columns that hold one amount; columns that are equal, or sums of "
        "others, are listed so that nobody adds them up.",
    )
    def twin_columns(context: dg.AssetCheckExecutionContext, project: ProjectResource) -> dg.AssetCheckResult:
        retailer_id = context.partition_key
        editions = read_feed_profile(project.paths.lake_dir / "raw_feed", retailer_id).editions
        fields = _mapping(project.paths, retailer_id).column_map()
        return check_result(
            list(twin_findings(editions[-1].twins, editions[-1].sums, fields)) if editions else []
        )

    return twin_columns


def check_result(anomalies: Sequence[Anomaly], plot: bytes | None = None) -> dg.AssetCheckResult:
    """Findings as a check: red from a warning on."""
    worst = worst_severity(anomalies)
    rows = [
        {
            "severity": anomaly.severity,
            "code": anomaly.code,
            "what": anomaly.message,
            "days": told_spans(anomaly.spans),
            "events": anomaly.rows,
        }
        for anomaly in sorted(
            anomalies, key=lambda anomaly: ("error", "warn", "info").index(anomaly.severity)
        )
    ]
    metadata: dict[str, Any] = {
        "count": sum(anomaly.severity != "info" for anomaly in anomalies),
        "anomalies": dg.MetadataValue.md(
            markdown_table(pl.DataFrame(rows, infer_schema_length=None)) if rows else "_none_"
        ),
    }
    if plot is not None:
        metadata["plot"] = image_markdown(plot, "series with flagged days")
    return dg.AssetCheckResult(
        passed=worst in (None, "info"),
        severity=dg.AssetCheckSeverity.ERROR if worst == "error" else dg.AssetCheckSeverity.WARN,
        metadata=metadata,
    )


def _flagged(name: str, anomalies: Sequence[Anomaly]) -> list[Any]:
    """Days of the findings about one metric."""
    codes = (f"level_shift.{name}", f"odd_days.{name}", f"unusual_ratio.{name}")
    return [span for anomaly in anomalies if anomaly.code in codes for span in anomaly.spans]


def _readings_plot(
    retailer_id: str, readings: dict[str, Any], anomalies: Sequence[Anomaly], usual: Sequence[str]
) -> bytes | None:
    """The series that were flagged, worst first; some usual ones where none was."""
    flagged = [name for name in readings if _flagged(name, anomalies)]
    shown = (flagged or [name for name in usual if name in readings])[:MOST_PANELS]
    if not shown:
        return None
    panels = [panel_of(f"{name} per day", readings[name], _flagged(name, anomalies)) for name in shown]
    rest = f" ({len(flagged) - len(shown)} more flagged)" if len(flagged) > len(shown) else ""
    return panels_plot(f"{retailer_id}: against its own history, weekdays with themselves{rest}", panels)


def _level_plot(retailer_id: str, evidence: Evidence, anomalies: Sequence[Anomaly]) -> bytes | None:
    return _readings_plot(retailer_id, metric_readings(evidence), anomalies, ("impressions", "cost"))


def _ratio_plot(retailer_id: str, evidence: Evidence, anomalies: Sequence[Anomaly]) -> bytes | None:
    return _readings_plot(retailer_id, ratio_readings(evidence), anomalies, ())


def _daily_panel(title: str, daily: pl.DataFrame, column: str, anomalies: Sequence[Anomaly]) -> Panel:
    spans = [span for anomaly in anomalies for span in anomaly.spans]
    return Panel(title, daily["date"].to_list(), daily[column].to_numpy().astype(np.float64), spans)


def _spend_plot(retailer_id: str, evidence: Evidence, anomalies: Sequence[Anomaly]) -> bytes | None:
    panel = _daily_panel("spend per day", evidence.daily, "cost", _within(evidence, anomalies))
    return panels_plot(f"{retailer_id}: days of the findings", [panel])


def _within(evidence: Evidence, anomalies: Sequence[Anomaly]) -> list[Anomaly]:
    """Findings whose days lie near the feed's own: a date of another century would squeeze all others."""
    first, last = evidence.days[0], evidence.days[-1]
    return [a for a in anomalies if all(first <= span.first and span.last <= last for span in a.spans)]


def _missing_plot(retailer_id: str, evidence: Evidence, anomalies: Sequence[Anomaly]) -> bytes | None:
    panel = _daily_panel("events per day", evidence.daily, EVENTS_PER_DAY, anomalies)
    return panels_plot(f"{retailer_id}: days without events", [panel])


def _null_plot(retailer_id: str, evidence: Evidence, anomalies: Sequence[Anomaly]) -> bytes | None:
    daily = daily_null_shares(evidence)
    panels = [
        Panel(
            f"share of events without {name}",
            daily["date"].to_list(),
            daily[name].to_numpy(),
            anomaly.spans,
            is_share=True,
        )
        for anomaly in anomalies
        for name in [anomaly.code.removeprefix("null_share.")]
    ]
    return panels_plot(f"{retailer_id}: empty values", panels)


def _parts_plot(retailer_id: str, evidence: Evidence, anomalies: Sequence[Anomaly]) -> bytes | None:
    panels = []
    for anomaly in anomalies[:MOST_PANELS]:
        dimension = anomaly.code.removeprefix("vanished.")
        mine = evidence.usable_events.filter(pl.col(dimension) == anomaly.subject)
        sums = mine.group_by("date").agg(finite_sum(METRICS[0])).collect()
        daily = evidence.daily.select("date").join(sums, on="date", how="left").sort("date").fill_null(0)
        title = f"impressions per day of {dimension} {anomaly.subject}"
        panels.append(_daily_panel(title, daily, METRICS[0], [anomaly]))
    return panels_plot(f"{retailer_id}: parts that are gone", panels)


def _rejects_plot(retailer_id: str, evidence: Evidence, anomalies: Sequence[Anomaly]) -> bytes | None:
    files = file_shares(evidence).sort("source_file").tail(30)
    return bars_plot(
        f"{retailer_id}: share of rows that break a rule, per file",
        files["source_file"].to_list(),
        files["share"].to_list(),
        [anomaly.subject for anomaly in anomalies],
    )


_PLOTTERS: dict[str, Plotter] = {
    "level_shifts": _level_plot,
    "unusual_ratios": _ratio_plot,
    "missing_days": _missing_plot,
    "null_rates": _null_plot,
    "vanished_parts": _parts_plot,
    "rejected_shares": _rejects_plot,
}
# Worth seeing even when nothing departs from it.
_ALWAYS_DRAWN = frozenset({"level_shifts"})
