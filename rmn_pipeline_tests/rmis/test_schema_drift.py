"""Schema drift: what changed between deliveries and files, and whether the mapping still fits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from rmn_pipeline.feeds import ReportFormat, list_landing, report_sources
from rmn_pipeline.rmis import load_mapping, parse_mapping
from rmn_pipeline.rmis.column_likeness import name_likeness, renamings
from rmn_pipeline.rmis.detectors import Anomaly
from rmn_pipeline.rmis.feed_profile import FeedProfile, FeedProfiler
from rmn_pipeline.rmis.report_profile import ReportProfile
from rmn_pipeline.rmis.schema_drift import ReadColumns, columns_read_by, find_drift
from rmn_pipeline_tests.rmis.fixtures import BASE

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT.parent / "shared" / "feeds"
READS = ReadColumns(
    {"date": ["day"], "impressions": ["shown"], "cost": ["spend", "cost"], "audience_id": ["audience"]},
    frozenset({"audience_id"}),
)
Change = Callable[[pl.DataFrame], pl.DataFrame]


def report(month: int, rows: int = 200) -> pl.DataFrame:
    random = np.random.default_rng(month)
    return pl.DataFrame(
        {
            "day": [f"2026-{month:02}-{1 + number % 28:02}" for number in range(rows)],
            "campaign": [f"c{number % 7}" for number in range(rows)],
            "shown": random.poisson(2_000, rows),
            "clicks": random.poisson(60, rows),
            "spend": random.gamma(3, 20, rows).round(2),
            "note": [f"free text {number % 3}" for number in range(rows)],
        }
    ).cast(pl.String)


def feed(folder: Path, *reports: pl.DataFrame, spec: ReportFormat | None = None, **csv: str) -> FeedProfile:
    folder.mkdir(exist_ok=True)
    profiler = FeedProfiler()
    for month, frame in enumerate(reports, start=1):
        path = folder / f"report_{month:02}.csv"
        if not path.exists():
            frame.write_csv(path, **csv)  # type: ignore[call-overload]
        for source in report_sources([path], spec or ReportFormat("csv")):
            profiler.read(source)
    return profiler.profile("shop")


def drift(folder: Path, change: Change, reads: ReadColumns = READS) -> dict[str, Anomaly]:
    """Findings after a third report that is changed arrives beside two that are not."""
    reports = [report(1), report(2), change(report(3))]
    previous, current = feed(folder, *reports[:2]), feed(folder, *reports)
    return {anomaly.code: anomaly for anomaly in find_drift(current, previous, reads)}


def test_reports_that_stay_the_same_have_no_drift(tmp_path: Path) -> None:
    assert set(drift(tmp_path, lambda frame: frame)) == {"unread_columns"}


def test_a_new_column_is_news_once_and_then_history(tmp_path: Path) -> None:
    reports = [report(1), report(2).with_columns(video=pl.lit("1"))]
    first, both = feed(tmp_path, *reports[:1]), feed(tmp_path, *reports)
    (added,) = [a for a in find_drift(both, first, READS) if a.code == "columns_added"]
    assert (added.severity, added.message) == ("warn", "1 columns are new from report_02.csv on: 'video'")
    (later,) = [a for a in find_drift(both, both, READS) if a.code == "columns_added"]
    assert later.severity == "info"


def test_a_column_that_is_gone_is_told_and_is_an_error_where_it_is_read(tmp_path: Path) -> None:
    found = drift(tmp_path, lambda frame: frame.drop("note", "shown"))
    assert found["columns_gone"].message == "2 columns are gone from report_03.csv on: 'shown', 'note'"
    assert found["missing_column.impressions"].severity == "error"
    assert found["missing_column.impressions"].message == (
        "report_03.csv has no column for impressions: the mapping knows 'shown'"
    )


def test_a_renamed_column_is_suggested_with_its_likeness(tmp_path: Path) -> None:
    found = drift(tmp_path, lambda frame: frame.rename({"shown": "adImpressionsShown"}))
    assert "'shown' to 'adImpressionsShown' for impressions (likeness 0." in found["columns_renamed"].message
    assert "columns_gone" not in found and "columns_added" not in found
    assert found["missing_column.impressions"].severity == "error"


def test_a_new_name_that_the_mapping_lists_is_no_error(tmp_path: Path) -> None:
    found = drift(tmp_path, lambda frame: frame.rename({"spend": "cost"}))
    assert "columns_renamed" in found
    assert not [anomaly for anomaly in found.values() if anomaly.severity == "error"]


def test_an_unlike_column_is_no_new_name(tmp_path: Path) -> None:
    found = drift(tmp_path, lambda frame: frame.drop("note").with_columns(ratio=pl.lit("0.5")))
    assert "columns_renamed" not in found
    assert "columns_gone" in found and "columns_added" in found


def test_columns_in_another_order_are_told(tmp_path: Path) -> None:
    found = drift(
        tmp_path, lambda frame: frame.select("campaign", "day", pl.all().exclude("campaign", "day"))
    )
    assert found["columns_reordered"].message == (
        "2 columns stand elsewhere from report_03.csv on: 'campaign', 'day'"
    )


@pytest.mark.parametrize(
    ("column", "value", "code", "told"),
    [
        ("shown", pl.lit("n/k"), "changed_type.shown", "holds text values from report_03.csv on, integer before"),
        ("day", pl.lit("31/03/2026"), "changed_type.day", "holds date 9/9/Y values from report_03.csv on, date Y-9-9"),
        ("spend", (pl.col("spend").cast(pl.Float64) * 100).round().cast(pl.Int64).cast(pl.String),
         "changed_unit.spend", "are about 100 times as large from report_03.csv on"),
        ("spend", pl.lit(None, pl.String), "emptied_column.spend", "is empty in 100% of the 200 rows of report_03.csv"),
    ],
)  # fmt: skip
def test_values_that_are_written_otherwise_are_told(
    tmp_path: Path, column: str, value: pl.Expr, code: str, told: str
) -> None:
    anomaly = drift(tmp_path, lambda frame: frame.with_columns(value.alias(column)))[code]
    assert told in anomaly.message and anomaly.severity == "warn"


def test_what_nobody_reads_may_change_for_information(tmp_path: Path) -> None:
    found = drift(tmp_path, lambda frame: frame.with_columns(note=pl.lit(None, pl.String)))
    assert found["emptied_column.note"].severity == "info"


def test_another_delimiter_is_told(tmp_path: Path) -> None:
    old = feed(tmp_path / "old", report(1))
    new = feed(tmp_path / "new", report(1), report(2), spec=ReportFormat("csv", delimiter=";"), separator=";")
    files = tuple(
        file.__class__(**{**vars(file), "delimiter": mark, "name": f"{mark}.csv"})
        for file, mark in ((old.files[0], ","), (new.files[1], ";"))
    )
    codes = [a.message for a in find_drift(new.model_copy(update={"files": files}), None, READS)]
    assert "delimiter is ';' from ;.csv on, ',' before" in codes


def test_blanks_and_case_in_headers_mean_nothing(tmp_path: Path) -> None:
    found = drift(tmp_path, lambda frame: frame.rename({"shown": " Shown "}))
    assert not [code for code in found if code.startswith("missing_column")]


def test_side_files_file_names_and_expressions_are_no_columns_of_the_report() -> None:
    content = {
        **BASE,
        "source": {"files": "*.csv", "format": "csv", "name_pattern": "(?P<account>[a-z]+)_"},
        "inputs": {"fees": {"from": "ad_fees", "type": "money", "optional": True}},
        "joins": {"ads": {"file": "../ads.csv", "key": "ad_id", "take": ["sku"]}},
        "columns": {
            **BASE["columns"],
            "cost": {"expression": "fees * 2"},
            "ad_group_id": {"from": ["ads.sku", "adGroup"]},
            "campaign_id": {"from": "file.account"},
        },
    }
    reads = columns_read_by(parse_mapping(yaml.safe_dump(content)))
    assert {"cost", "campaign_id"}.isdisjoint(reads.aliases)
    assert reads.aliases["ad_group_id"] == ["adGroup"]
    assert (reads.aliases["inputs.fees"], reads.aliases["joins.ads.ad_id"]) == (["ad_fees"], ["ad_id"])
    assert reads.optional == {"inputs.fees"}


def test_names_are_alike_by_their_words() -> None:
    assert name_likeness("adSpend", "ad_spend") == 1.0
    assert name_likeness("attributed_sales", "event.attributed_sales_linear") > 0.8
    assert name_likeness("upc", "campaign.name") < 0.4


needs_landing = pytest.mark.skipif(
    not (ROOT / "data" / "landing").is_dir(), reason="the sample market has not been written (make sample)"
)


def columns_of(frame: pl.DataFrame):
    profile = ReportProfile()
    profile.update(frame)
    return profile.columns()


@needs_landing
@pytest.mark.skipif(not SAMPLES.is_dir(), reason="shared/feeds, the network samples, is absent")
def test_every_renaming_of_a_real_new_edition_is_found() -> None:
    names = json.loads((SAMPLES / "instacart_ads" / "schema_drift_v2_to_v3.json").read_text())
    reports = sorted((ROOT / "data" / "landing" / "delta" / "reports").glob("*.csv"))
    march, april = (pl.read_csv(path, infer_schema=False) for path in reports[2:4])
    old = columns_of(march.rename({new: old for old, new in names.items()}))
    assert {pair.old: pair.new for pair in renamings(old, columns_of(april))} == names


@needs_landing
@pytest.mark.parametrize("retailer_id", ["gamma", "delta"])
def test_the_sample_market_has_no_drift(retailer_id: str) -> None:
    mapping = load_mapping(ROOT / "data" / "retailers" / retailer_id / "mapping.yaml")
    profiler = FeedProfiler(mapping.source.null_values)
    for file in list_landing(ROOT / "data" / "landing" / retailer_id / "reports", mapping.source.files):
        for source in report_sources([file.path], mapping.source.report_format()):
            profiler.read(source, file.as_of)
    found = find_drift(profiler.profile(retailer_id), None, columns_read_by(mapping))
    assert [anomaly.code for anomaly in found] == ["unread_columns"]
