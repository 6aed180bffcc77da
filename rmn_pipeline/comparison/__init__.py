"""Both plans judged: metrics, paired intervals, constraint violations, verdict, report."""

from rmn_pipeline.comparison.compare import REQUIRED_PLANS, compare
from rmn_pipeline.comparison.errors import ComparisonError
from rmn_pipeline.comparison.judge import Judge, Judgement
from rmn_pipeline.comparison.report import ReportFiles, render_html, render_json, render_report
from rmn_pipeline.comparison.result import ComparisonResult, Difference, Estimate, ModeResult, json_schema
from rmn_pipeline.comparison.summary import plain_summary
from rmn_pipeline.comparison.table import format_table

__all__ = [
    "REQUIRED_PLANS",
    "ComparisonError",
    "ComparisonResult",
    "Difference",
    "Estimate",
    "Judge",
    "Judgement",
    "ModeResult",
    "ReportFiles",
    "compare",
    "format_table",
    "json_schema",
    "plain_summary",
    "render_html",
    "render_json",
    "render_report",
]
