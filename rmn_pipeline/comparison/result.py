"""What a comparison holds: frozen models, from which comparison.json and its JSON schema come.

Every number that varies by replicate is an `Estimate` with its 95 % interval; a null means that the number is not
defined for that plan (a ratio over nothing spent, an accuracy without a forecast), never that it was left out.
"""

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rmn_pipeline.planning import PlanRequest

SCHEMA_VERSION = "1"

Unit = Literal["usd", "ratio", "share", "count"]
Better = Literal["higher", "lower", "closer_to_one", "none"]
# "mixed": ahead on the objective, but behind once the ads are paid for.
Winner = Literal["full_data", "clean_room", "mixed", "neither", "undecided"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MetricInfo(_Frozen):
    """How to read one metric."""

    label: str
    unit: Unit
    better: Better = Field(description="Which direction is good; 'none' where neither is")
    description: str


class Estimate(_Frozen):
    """A value over replicates with its 95 % interval."""

    value: float
    low: float
    high: float
    standard_error: float


class PredictedMetrics(_Frozen):
    """What the plan itself forecast, summed over its horizon."""

    spend_usd: float
    incremental_revenue_usd: float
    incremental_margin_usd: float
    net_margin_usd: float = Field(description="Incremental margin minus ad spend")
    iroas: float | None = Field(description="Incremental revenue / spend")
    imroas: float | None = Field(description="Incremental margin / spend")
    conversions: float


class RealizedMetrics(_Frozen):
    """What the judge's market gave, over replicates. `metrics` of the comparison says how to read each."""

    spend_usd: Estimate | None
    incremental_revenue_usd: Estimate | None
    incremental_margin_usd: Estimate | None
    net_margin_usd: Estimate | None
    iroas: Estimate | None
    imroas: Estimate | None
    attributed_roas: Estimate | None
    conversions: Estimate | None
    cost_per_conversion_usd: Estimate | None
    out_of_stock_spend_usd: Estimate | None
    out_of_stock_spend_share: Estimate | None
    skus_with_positive_margin: Estimate | None
    skus_with_positive_net_margin: Estimate | None


class PredictionMetrics(_Frozen):
    """How well the plan forecast itself: predicted against mean realized outcome."""

    accuracy_by_arm: Estimate | None
    accuracy_in_total: Estimate | None
    margin_accuracy_by_arm: Estimate | None
    margin_accuracy_in_total: Estimate | None
    calibration_ratio: Estimate | None
    margin_calibration_ratio: Estimate | None
    calibration_slope: Estimate | None = None


class RegretMetrics(_Frozen):
    """What the plan leaves on the table against the plan made on the true response curves."""

    regret: Estimate | None = Field(description="In the objective's own unit")
    regret_share: Estimate | None = Field(description="As a share of the oracle plan's value")


class RegretSplit(_Frozen):
    """Regret by where it comes from; the four pieces sum to the total in every replicate."""

    metric: str
    oracle: Estimate = Field(description="What the oracle on very fine segments brings")
    piecewise: Estimate = Field(description="Lost to straight segments instead of curves")
    estimation: Estimate = Field(description="Lost to estimated instead of true curves, limits kept in truth")
    constraint_misjudgement: Estimate = Field(
        description="Lost (or, where a true limit is broken, gained) by judging limits on estimated curves"
    )
    experiments: Estimate = Field(description="Spent on learning: the reserve for experiments")
    total: Estimate


class ConstraintCheck(_Frozen):
    """One constraint of the request, held against what really happened."""

    constraint: str
    scope: str = Field(description="What it was checked on: the total, a retailer, or a list of names")
    sense: Literal["at_least", "at_most"]
    limit: float
    planned: float | None = Field(description="The value that the plan itself expected, where it has one")
    realized: float = Field(description="Mean over replicates; a planned quantity where luck plays no part")
    shortfall: float = Field(
        description="How far the mean is on the wrong side of the limit; 0 if it is kept"
    )
    unit: Unit
    share_of_replicates_violated: float
    worst_shortfall: float = Field(description="The same in the worst replicate")
    varies_by_replicate: bool


class BudgetCell(_Frozen):
    """Where money went and what it brought: retailer × placement × product line."""

    retailer_id: str
    placement_type: str
    line_id: str
    spend_usd: float
    incremental_revenue_usd: float
    net_margin_usd: float


class ArmOutcomes(_Frozen):
    """Funded arms, column by column, in one order: predicted against mean realized outcome."""

    retailer_id: tuple[str, ...]
    placement_type: tuple[str, ...]
    audience_id: tuple[str | None, ...]
    sku_id: tuple[str, ...]
    spend_usd: tuple[float, ...]
    predicted_incremental_revenue_usd: tuple[float, ...]
    realized_incremental_revenue_usd: tuple[float, ...]
    predicted_incremental_margin_usd: tuple[float, ...]
    realized_incremental_margin_usd: tuple[float, ...]


class ModeResult(_Frozen):
    """One plan, judged. An infeasible plan carries its reasons instead of numbers."""

    mode: str
    label: str
    plan_id: str
    status: str
    feasible: bool
    infeasible_because: tuple[str, ...]
    adapters_used: tuple[str, ...]
    blocked_fields: tuple[str, ...]
    binding: tuple[str, ...]
    notes: tuple[str, ...] = Field(description="What the planner had to assume or could not enforce")
    certified_gap: float | None
    arms_funded: int
    skus_funded: int
    experiment_spend_usd: float
    predicted: PredictedMetrics | None
    realized: RealizedMetrics | None
    prediction: PredictionMetrics | None
    regret: RegretMetrics | None
    regret_split: RegretSplit | None = None
    constraint_violations: tuple[ConstraintCheck, ...]
    constraints_kept: tuple[ConstraintCheck, ...]
    budget: tuple[BudgetCell, ...]
    arms: ArmOutcomes | None = Field(description="For the full-data and the clean-room plan")


class Difference(_Frozen):
    """One metric of one plan minus the same of another, paired by replicate."""

    minuend: str
    subtrahend: str
    value: float
    low: float
    high: float
    standard_error: float
    relative: float | None = Field(description="Divided by the absolute value of the subtrahend")
    excludes_zero: bool
    favours: str | None = Field(description="The plan that does better, where the interval excludes 0")
    half_width: float = Field(description="Half-width of the paired interval")
    unpaired_half_width: float = Field(description="Half-width had the plans met different luck")


class SkuShift(_Frozen):
    """A product whose budget differs between the two plans."""

    sku_id: str
    title: str
    line_id: str
    full_data_spend_usd: float
    clean_room_spend_usd: float
    spend_difference_usd: float
    full_data_net_margin_usd: float
    clean_room_net_margin_usd: float
    net_margin_difference_usd: float
    margin_per_revenue: float | None = Field(description="Realized margin / realized revenue over both plans")


class Verdict(_Frozen):
    """Who wins on the metric that the request's objective asks for, unless net margin clearly says otherwise."""

    metric: str
    winner: Winner
    reason: str


class Bounds(_Frozen):
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float
    excludes_zero: bool


class FieldShare(_Frozen):
    """What a field adds: averaged over all orders in which fields may arrive, as the first, and as the last."""

    shapley: Bounds
    add_first: Bounds
    leave_one_out: Bounds


class Interaction(_Frozen):
    """Above 0 the two fields are worth more together than apart."""

    first: str
    second: str
    value: Bounds


class FieldGame(_Frozen):
    """All fields' shares in one outcome; the Shapley shares sum to the gap."""

    label: str
    gap: Bounds = Field(description="All fields visible minus none")
    shares: dict[str, FieldShare]
    interactions: tuple[Interaction, ...]


class FieldPrice(_Frozen):
    """Dollars of value per dollar of budget; what a brand could give for a field at most."""

    per_budget_dollar: Bounds = Field(description="Shapley share of the objective / budget")
    net_per_budget_dollar: Bounds = Field(description="Shapley share of margin net of ad spend / budget")
    alone_per_budget_dollar: Bounds = Field(description="Net margin if this field alone is bought / budget")
    last_per_budget_dollar: Bounds = Field(description="Net margin if all others are there already / budget")


class CoalitionOutcome(_Frozen):
    """One combination of visible fields: its plan's spend and mean outcomes."""

    visible: tuple[str, ...]
    planned: bool = Field(description="False where no plan could be made; it then counts as nothing")
    refused_because: str | None
    spend_usd: float
    outcomes: dict[str, float]


class FieldValues(_Frozen):
    """The value of every withheld field, over all combinations of them."""

    objective_metric: str = Field(description="The game that the price sheet and the waterfall show")
    fields: tuple[str, ...]
    labels: dict[str, str]
    budget_usd: float
    samples: int
    sampled_over: str = Field(description="What the intervals are over: 'replicates' or 'worlds'")
    games: dict[str, FieldGame]
    price_sheet: dict[str, FieldPrice]
    coalitions: tuple[CoalitionOutcome, ...]


class AblationCell(_Frozen):
    """One of four ways to plan: which data, and whether the brief was read with the brand's own vocabulary."""

    data: Literal["full_data", "clean_room"]
    brand_adapter: bool
    planned: bool = Field(
        description="False where the brief was refused or no plan exists; it counts as nothing"
    )
    refused_because: str | None
    adapters_used: tuple[str, ...]
    same_request: bool = Field(
        description="Whether the brief was understood as it was with the brand's adapter"
    )
    objective: Estimate
    net_margin_usd: Estimate


class Ablation(_Frozen):
    """Two by two: the data and the manufacturer's adapter, each with the other one either way."""

    metric: str
    cells: tuple[AblationCell, ...]
    data_effect: Bounds = Field(
        description="Full data minus clean room, mean over both readings of the brief"
    )
    adapter_effect: Bounds = Field(description="With minus without the adapter, mean over both kinds of data")
    interaction: Bounds = Field(description="The data's effect with the adapter minus that without it")


class CurveBand(_Frozen):
    """One plan's belief about a curve: weekly incremental revenue at each spend, with its 90 % interval."""

    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    chosen_spend_usd_per_week: float
    chosen_mean_usd_per_week: float


class CurvePanel(_Frozen):
    """A retailer, placement and product: audiences are added up, split as they were in the past."""

    retailer_id: str
    placement_type: str
    sku_id: str
    title: str
    spend_usd_per_week: tuple[float, ...]
    bands: dict[str, CurveBand]
    truth: tuple[float, ...] | None = Field(description="The market's own curve, where there is a truth")


class StockWeek(_Frozen):
    """Shelf presence in one week of history, weighted by what each plan spends on the shelves."""

    week: date
    by_plan: dict[str, float]
    all_shelves: float


class Provenance(_Frozen):
    """What this comparison was made from."""

    package_version: str
    judge: str
    plan_digests: dict[str, str] = Field(description="SHA-256 of each plan's JSON")
    plan_ids: dict[str, str]
    notes: dict[str, str] = Field(description="Whatever the caller adds: run id, digest of the market")


class ComparisonResult(_Frozen):
    """The same budget planned with different data, and what each plan brought in."""

    schema_version: str = SCHEMA_VERSION
    brand_id: str
    generated_at: datetime
    seed: int
    replicates: int
    confidence_level: float
    interval_method: str
    start_date: date
    weeks: int
    request: PlanRequest
    metrics: dict[str, MetricInfo]
    modes: dict[str, ModeResult]
    verdict: Verdict
    differences: dict[str, Difference] = Field(
        description="Full data minus clean room, for every metric that varies by replicate"
    )
    reference_differences: dict[str, dict[str, Difference]] = Field(
        description="Both plans minus each reference plan, keyed '<minuend>_minus_<subtrahend>'"
    )
    sku_shifts: tuple[SkuShift, ...]
    provenance: Provenance
    judged_by: Literal["truth", "model"] = Field(
        default="truth",
        description="'model': no truth is known; outcomes are expected by the full-data model's posterior",
    )
    field_values: FieldValues | None = None
    ablation: Ablation | None = None
    curves: tuple[CurvePanel, ...] = ()
    stock: tuple[StockWeek, ...] = ()


def json_schema() -> dict[str, Any]:
    """The JSON schema of comparison.json."""
    return ComparisonResult.model_json_schema(mode="serialization")
