"""The attack suite: every attack at two sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rmn_pipeline.cleanroom.attacks.averaging import averaging
from rmn_pipeline.cleanroom.attacks.complement import complement
from rmn_pipeline.cleanroom.attacks.epsilon_audit import epsilon_audit
from rmn_pipeline.cleanroom.attacks.membership import membership
from rmn_pipeline.cleanroom.attacks.oracle import error_oracle, low_bits, timing_oracle
from rmn_pipeline.cleanroom.attacks.query_search import query_search
from rmn_pipeline.cleanroom.attacks.range_differencing import range_differencing
from rmn_pipeline.cleanroom.attacks.reconstruction import reconstruction
from rmn_pipeline.cleanroom.attacks.result import AttackResult, clocked
from rmn_pipeline.cleanroom.attacks.rewriting import rewriting
from rmn_pipeline.cleanroom.attacks.sql_fuzz import sql_fuzz
from rmn_pipeline.cleanroom.attacks.threshold_oracle import threshold_oracle
from rmn_pipeline.cleanroom.attacks.tracker import tracker

Size = Literal["ci", "full"]


@dataclass(frozen=True)
class SuiteEntry:
    """An attack; its own defaults are the full size."""

    attack: Callable[..., AttackResult]
    #: What is smaller when every commit runs it.
    ci: Mapping[str, Any]

    def run(self, size: Size) -> AttackResult:
        """Run at one size."""
        arguments = self.ci if size == "ci" else {}
        return clocked(lambda: self.attack(**arguments))


SUITE: tuple[SuiteEntry, ...] = (
    SuiteEntry(range_differencing, {"days": 240, "splits": (240, 8), "concentrated_trials": 2}),
    SuiteEntry(averaging, {"repeats": 100, "control_trials": 30}),
    SuiteEntry(rewriting, {}),
    SuiteEntry(reconstruction, {"people": 150, "queries": (150,), "room_trials": (1,), "noise_trials": 30}),
    SuiteEntry(tracker, {"trials": 15}),
    SuiteEntry(threshold_oracle, {"cells": 300}),
    SuiteEntry(complement, {"products": 60}),
    SuiteEntry(membership, {"trials": 4_000}),
    SuiteEntry(
        query_search,
        {"generations": 10, "population": 10, "shadows": 400, "room_trials": 1, "noise_trials": 400},
    ),
    SuiteEntry(epsilon_audit, {"draws": 10_000}),
    SuiteEntry(error_oracle, {"repeats": 2}),
    SuiteEntry(low_bits, {"draws": 20_000}),
    SuiteEntry(timing_oracle, {"rounds": 60}),
    SuiteEntry(sql_fuzz, {"statements": 300}),
)


def run_suite(size: Size = "ci") -> Iterator[AttackResult]:
    """Run every attack, one after the other.

    Args:
        size: `ci` takes about a minute of one core, `full` about half an hour.
    """
    for entry in SUITE:
        yield entry.run(size)
