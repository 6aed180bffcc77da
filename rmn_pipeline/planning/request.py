"""`PlanRequest`: the tool call that a brief is turned into, and the defaults for what a brief leaves unsaid.

The order of the fields is the order of the keys in the canonical JSON that language models are trained to write;
do not reorder them. What an unset field means is said in `RequestDefaults` and nowhere else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Objective = Literal["incremental_margin", "incremental_revenue", "roas"]
RoasBasis = Literal["incremental", "attributed"]
PlacementName = Literal["search", "category", "product_detail", "home", "cart", "offsite", "in_store"]


def _null_means_empty(value: object) -> object:
    return [] if value is None else value


Identifier = Annotated[str, Field(min_length=1)]
Identifiers = Annotated[tuple[Identifier, ...], BeforeValidator(_null_means_empty)]
Placements = Annotated[tuple[PlacementName, ...], BeforeValidator(_null_means_empty)]


class PlanRequest(BaseModel):
    """What a brand asks of a plan. Unset is null; for lists, unset is the empty list and means "all" (or "none").

    `min_roas` is read on incremental revenue unless `roas_basis` is `attributed`. `budget_usd` is an upper bound
    for the whole horizon. `max_retailer_share` is a share of `budget_usd`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    brand_id: Identifier
    retailers: Identifiers = ()
    budget_usd: float = Field(gt=0)
    weeks: int | None = Field(default=None, ge=1, le=104)
    objective: Objective | None = None
    min_roas: float | None = Field(default=None, gt=0)
    roas_basis: RoasBasis | None = None
    max_cpa: float | None = Field(default=None, gt=0)
    experiment_share: float | None = Field(default=None, ge=0, lt=1)
    max_retailer_share: float | None = Field(default=None, gt=0, le=1)
    placements: Placements = ()
    include_lines: Identifiers = ()
    exclude_lines: Identifiers = ()
    exclude_out_of_stock: bool | None = None

    @model_validator(mode="after")
    def _lists_are_consistent(self) -> Self:
        for name in ("retailers", "placements", "include_lines", "exclude_lines"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                raise ValueError(f"{name} names the same entry twice: {list(values)}")
        both = sorted(set(self.include_lines) & set(self.exclude_lines))
        if both:
            raise ValueError(
                f"include_lines and exclude_lines both name {both}; keep each line in one of them"
            )
        return self

    def canonical_json(self) -> str:
        """Compact JSON in field order, whole numbers without a trailing `.0`: one text per request."""
        values = {name: _plain_number(value) for name, value in self.model_dump(mode="json").items()}
        return json.dumps(values, separators=(",", ":"), ensure_ascii=False)


def _plain_number(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


@dataclass(frozen=True)
class RequestDefaults:
    """The one place that says what an unset request field means."""

    weeks: int = 13
    objective: Objective = "incremental_margin"
    roas_basis: RoasBasis = "incremental"
    experiment_share: float = 0.0
    exclude_out_of_stock: bool = False


@dataclass(frozen=True)
class ResolvedRequest:
    """A request with every default filled in; a limit that stays None is not imposed."""

    request: PlanRequest
    weeks: int
    objective: Objective
    roas_basis: RoasBasis
    experiment_share: float
    exclude_out_of_stock: bool

    @property
    def budget_usd(self) -> float:
        """Upper bound on the spend of the whole horizon."""
        return self.request.budget_usd


def resolve(request: PlanRequest, defaults: RequestDefaults | None = None) -> ResolvedRequest:
    """Fill the unset fields of a request from the documented defaults."""
    known = defaults or RequestDefaults()
    return ResolvedRequest(
        request=request,
        weeks=known.weeks if request.weeks is None else request.weeks,
        objective=request.objective or known.objective,
        roas_basis=request.roas_basis or known.roas_basis,
        experiment_share=known.experiment_share
        if request.experiment_share is None
        else request.experiment_share,
        exclude_out_of_stock=(
            known.exclude_out_of_stock
            if request.exclude_out_of_stock is None
            else request.exclude_out_of_stock
        ),
    )
