"""Which arms a request allows: retailers, placements, product lines, stock; unknown names are refused."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from rmn_pipeline.planning.errors import PlanError
from rmn_pipeline.planning.request import PlanRequest


def check_brand(request: PlanRequest, brand_id: str) -> None:
    """A request and what it is planned on must be about the same brand."""
    if request.brand_id != brand_id:
        raise PlanError(
            f"the request is for brand '{request.brand_id}', the data shown is of brand '{brand_id}'"
        )


def allowed_arms(request: PlanRequest, arms: pl.DataFrame) -> pl.Series:
    """A mask over `arms` (retailer_id, placement_type, line_id) of those that the request's lists allow."""
    _known("retailers", request.retailers, arms["retailer_id"])
    _known("placements", request.placements, arms["placement_type"])
    _known("include_lines", request.include_lines, arms["line_id"])
    _known("exclude_lines", request.exclude_lines, arms["line_id"])
    allowed = pl.col("retailer_id").is_not_null()
    for column, wanted in (
        ("retailer_id", request.retailers),
        ("placement_type", request.placements),
        ("line_id", request.include_lines),
    ):
        if wanted:
            allowed = allowed & pl.col(column).is_in(list(wanted))
    if request.exclude_lines:
        allowed = allowed & ~pl.col("line_id").is_in(list(request.exclude_lines))
    return arms.select(allowed=allowed).to_series()


def require_arms(
    count: int, request: PlanRequest, reason: str = "its retailers, placements and lines"
) -> None:
    """Refuse to plan on nothing, saying which filters left nothing."""
    if count == 0:
        raise PlanError(
            f"no arm of brand '{request.brand_id}' is left after applying {reason}; widen the request"
        )


def _known(field: str, wanted: Iterable[str], present: pl.Series) -> None:
    known = set(present.drop_nulls().to_list())
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise PlanError(f"{field} names {unknown}, which the data does not hold; known are {sorted(known)}")
