"""Attacks on the clean room, shipped with it: each on the real room and on an unprotected control.

The control must fall, or the attack has shown nothing; the room must stand. One module per attack; `suite` runs them
all at two sizes, `report` writes down what they found. Nothing here reads a retailer's log: targets are synthetic.
"""

from rmn_pipeline.cleanroom.attacks.report import ReportFiles, markdown_table, plot, write_report
from rmn_pipeline.cleanroom.attacks.result import AttackResult
from rmn_pipeline.cleanroom.attacks.suite import SUITE, Size, SuiteEntry, run_suite

__all__ = [
    "SUITE",
    "AttackResult",
    "ReportFiles",
    "Size",
    "SuiteEntry",
    "markdown_table",
    "plot",
    "run_suite",
    "write_report",
]
