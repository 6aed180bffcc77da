"""An analyst in a process of its own: asks until its requests are used up and reports each answer once it has it.

Arguments: folder of ledger and log, first request number, number of requests, ε per request, total ε.
Request n asks for the n-th range of days, so equal numbers are equal requests.
"""

from __future__ import annotations

import datetime
import sys
from pathlib import Path

from rmn_pipeline.cleanroom import CleanRoom, CleanRoomError
from rmn_pipeline_tests.cleanroom.sample import SKUS, sample_policy


def range_request(number: int) -> dict[str, object]:
    later, earlier = number % 180, number // 180
    first = datetime.date(2026, 1, 1) + datetime.timedelta(days=later)
    last = datetime.date(2026, 12, 31) - datetime.timedelta(days=earlier)
    period = {"from": first.isoformat(), "to": last.isoformat()}
    return {"metrics": ["customers"], "filters": {"date": period}}


def main() -> None:
    folder, first, requests = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    policy = sample_policy(epsilon_per_query=float(sys.argv[4]), epsilon_total=float(sys.argv[5]))
    room = CleanRoom(folder / "log.parquet", policy, ledger=folder / "ledger.sqlite", sku_ids=SKUS)
    for number in range(first, first + requests):
        try:
            result = room.query(range_request(number))
        except CleanRoomError as refusal:
            print("refused", number, refusal.code.value, flush=True)
        else:
            print("answered", number, result.epsilon_spent, flush=True)


if __name__ == "__main__":
    main()
