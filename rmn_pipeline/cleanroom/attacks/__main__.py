"""`python -m rmn_pipeline.cleanroom.attacks`: run the suite, print the table, write the report.

Exit status 0 when every attack fails on the room and succeeds on its control, else 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rmn_pipeline.cleanroom.attacks import AttackResult, markdown_table, run_suite, write_report


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from a command line."""
    parser = argparse.ArgumentParser(prog="python -m rmn_pipeline.cleanroom.attacks", description=__doc__)
    parser.add_argument(
        "--size", choices=("ci", "full"), default="ci", help="ci: a minute; full: half an hour"
    )
    parser.add_argument(
        "--out", type=Path, help="folder for attacks.json and attacks.html; none is written without"
    )
    options = parser.parse_args(arguments)
    results: list[AttackResult] = []
    for result in run_suite(options.size):
        print(
            f"{result.name}: {'holds' if result.holds else 'DOES NOT HOLD'} ({result.seconds:.0f} s)",
            file=sys.stderr,
        )
        results.append(result)
    print(markdown_table(results))
    if options.out is not None:
        files = write_report(results, options.out, options.size)
        print(f"\n{files.html}\n{files.json}")
    return 0 if all(result.holds for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
