"""The clean-room view that planning works from: two ordinary requests, within the budget, and nothing else."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import polars as pl

from rmn_pipeline.cleanroom.policy import to_micro
from rmn_pipeline.cleanroom.room import CleanRoom, CleanRoomResult

CELL_DIMENSIONS = ("week", "placement_type", "sku_id")
CELL_METRICS = ("customers", "impressions", "clicks", "conversions", "revenue", "cost")
AUDIENCE_DIMENSIONS = ("placement_type", "audience_id")
AUDIENCE_METRICS = ("customers", "revenue", "cost")

_MONEY = ("revenue", "cost")


@dataclass(frozen=True)
class CleanRoomView:
    """What the clean room told about one retailer and period.

    Both frames hold released cells only (`suppressed` is False throughout); cells under the threshold have no row and
    are counted in `suppressed_cells`, because most of the declared key domain is usually empty. A week that the
    period cuts short is listed under its Monday and counts the days inside the period only.
    """

    #: retailer_id, week, placement_type, sku_id, six metrics and their error bounds, suppressed.
    cells: pl.DataFrame
    #: retailer_id, placement_type, audience_id, customers, revenue_usd, cost_usd and error bounds, suppressed.
    audience_cells: pl.DataFrame
    blocked_fields: tuple[str, ...]
    suppressed_cells: int
    suppressed_audience_cells: int
    #: ε that these releases cost the data set's budget, whenever it was charged.
    epsilon_spent: float
    #: The part of it that this very call charged: 0 when both answers were stored.
    epsilon_charged_now: float
    #: The requests as sent.
    queries: tuple[dict[str, object], ...]
    #: The days that the cells are about: those asked for, unless the view is stale.
    first_day: datetime.date
    last_day: datetime.date
    #: The budget did not cover new answers, so the last ones that were given stand here.
    is_stale: bool
    #: When the older of the two answers was computed, ISO 8601 UTC; empty where an old ledger does not know.
    answered_at: str
    privacy_unit: str
    notices: tuple[str, ...]


def release_view(
    room: CleanRoom,
    *,
    retailer_id: str,
    start: datetime.date,
    end: datetime.date,
    analyst: str = "planning",
) -> CleanRoomView:
    """Ask the room for a period (both ends included); a repeat is served from stored releases at no charge.

    A log that grew holds new days of the same people, so new answers draw on the same budget. Where it does not cover
    both requests, neither is asked: the last answers given to such requests are served instead, and the view says
    so (`is_stale`, `answered_at`, `first_day`, `last_day`, `notices`).

    Raises:
        CleanRoomError: the policy does not permit the requests, or the budget is spent and no such answer was ever
            given.

    The weekly cells get the policy's ε per query; the audience totals, whose few cells are large, get what the
    policy's total leaves beside it.
    """
    period = {"date": {"from": start.isoformat(), "to": end.isoformat()}}
    policy = room.policy
    left_micro = policy.epsilon_total_micro - policy.epsilon_per_query_micro
    audience_epsilon = min(left_micro, to_micro(policy.epsilon_per_query)) / 1_000_000
    cell_query: dict[str, object] = {
        "dimensions": list(CELL_DIMENSIONS),
        "metrics": list(CELL_METRICS),
        "filters": period,
        "epsilon": policy.epsilon_per_query,
    }
    audience_query: dict[str, object] = {
        "dimensions": list(AUDIENCE_DIMENSIONS),
        "metrics": list(AUDIENCE_METRICS),
        "filters": period,
        "epsilon": audience_epsilon,
    }
    # Both or neither: half a view would mix two states of the log and leave the budget spent on it.
    ask = room.query if room.covers([cell_query, audience_query]) else room.latest
    cells = ask(cell_query, analyst=analyst)
    audiences = ask(audience_query, analyst=analyst)
    return CleanRoomView(
        cells=_labelled(cells, retailer_id),
        audience_cells=_labelled(audiences, retailer_id),
        blocked_fields=cells.blocked_fields,
        suppressed_cells=cells.suppressed_cells,
        suppressed_audience_cells=audiences.suppressed_cells,
        epsilon_spent=cells.release_epsilon + audiences.release_epsilon,
        epsilon_charged_now=cells.epsilon_spent + audiences.epsilon_spent,
        queries=(cell_query, audience_query),
        first_day=cells.first_day,
        last_day=cells.last_day,
        is_stale=cells.is_stale or audiences.is_stale,
        answered_at=min(cells.answered_at, audiences.answered_at),
        privacy_unit=cells.privacy_unit,
        notices=tuple(dict.fromkeys([*cells.notices, *audiences.notices])),
    )


def _labelled(result: CleanRoomResult, retailer_id: str) -> pl.DataFrame:
    renamed = {name: f"{name}_usd" for name in _MONEY}
    renamed |= {f"{name}_error95": f"{name}_usd_error95" for name in _MONEY}
    rows = result.rows.rename(renamed, strict=False)
    keys_and_values = [name for name in rows.columns if not name.endswith("_error95")]
    bounds = [name for name in rows.columns if name.endswith("_error95")]
    return rows.select(pl.lit(retailer_id).alias("retailer_id"), *keys_and_values, *bounds).with_columns(
        pl.lit(False).alias("suppressed")
    )
