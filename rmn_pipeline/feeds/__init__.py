"""Feeds: what networks send, read as it was sent. Landing inventory and report readers; no RMIS in here."""

from rmn_pipeline.feeds.errors import FeedError
from rmn_pipeline.feeds.facts import PartFacts, ReportFacts
from rmn_pipeline.feeds.formats import Compression, DuplicateHeaders, FileFormat, RaggedRows, ReportFormat
from rmn_pipeline.feeds.landing import AS_OF_PATTERN, LandingFile, date_in_name, describe_file, list_landing
from rmn_pipeline.feeds.sources import ReportSource, read_report, report_sources

__all__ = [
    "AS_OF_PATTERN",
    "Compression",
    "DuplicateHeaders",
    "FeedError",
    "FileFormat",
    "LandingFile",
    "PartFacts",
    "RaggedRows",
    "ReportFacts",
    "ReportFormat",
    "ReportSource",
    "date_in_name",
    "describe_file",
    "list_landing",
    "read_report",
    "report_sources",
]
