"""Feeds: what networks send, read as it was sent. Landing inventory and report readers; no RMIS in here."""

from rmn_pipeline.feeds.errors import FeedError
from rmn_pipeline.feeds.landing import AS_OF_PATTERN, LandingFile, date_in_name, describe_file, list_landing
from rmn_pipeline.feeds.readers import Compression, FileFormat, ReportFormat, read_report

__all__ = [
    "AS_OF_PATTERN",
    "Compression",
    "FeedError",
    "FileFormat",
    "LandingFile",
    "ReportFormat",
    "date_in_name",
    "describe_file",
    "list_landing",
    "read_report",
]
