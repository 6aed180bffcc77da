"""A retailer's clean-room policy: what may be asked, how precisely, and how much in total.

One YAML file per retailer. A policy is data, versioned with the project; a mistake in it stops the room from
opening and names the file and the key.
"""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from rmn_pipeline.cleanroom.errors import CleanRoomPolicyError
from rmn_pipeline.cleanroom.presets import (
    CLASS_MINIMUM,
    ColumnClass,
    check_classes,
    check_preset,
    fill_in,
)
from rmn_pipeline.cleanroom.schema import (
    COUNTS,
    CUSTOMERS,
    DIMENSIONS,
    LISTED_DIMENSIONS,
    METRICS,
    RECORDS,
    SUMMED_METRICS,
    TIME_DIMENSIONS,
)

MICRO = 1_000_000

BLOCKED_FIELDS = (
    "margin",
    "promo_flag",
    "stock_level",
    "price",
    "customer_id",
    "geo_detail",
    "creative_text",
)

REFRESH_WARNING = (
    "The privacy budget of this data set is renewed every {every}. Nothing bounds what the periods give away together: "
    "who asks the same question in every period averages the noise out. The ledger keeps the sum over all periods."
)

ListedDomain = Annotated[list[str], Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class DateRange(_Section):
    """The days that may be asked about, both ends included."""

    first: datetime.date
    last: datetime.date

    @model_validator(mode="after")
    def _ordered(self) -> DateRange:
        if self.last < self.first:
            raise ValueError("last must not be before first")
        return self


class ContributionBounds(_Section):
    """How much one privacy unit can move any answer.

    Over customers, a *cell* is one customer's log entry: one day, placement, audience and SKU. A customer is counted
    in at most `max_cells_per_customer` of them. Each metric is clamped to [0, `maximum_per_cell`] per cell; a customer
    whose total still exceeds `maximum_per_customer` has all entries scaled down to it in proportion.

    Over records, a cell is one row of the feed, clamped the same way. `max_records` is the *declared* number of rows
    that one privacy unit may stand behind; nothing in such a feed can check it.
    """

    max_cells_per_customer: PositiveInt | None = None
    max_records: PositiveInt | None = None
    maximum_per_cell: dict[str, PositiveFloat]
    #: Without a value for a metric: max_cells_per_customer times its maximum_per_cell.
    maximum_per_customer: dict[str, PositiveFloat] = Field(default_factory=dict)

    @field_validator("maximum_per_cell", "maximum_per_customer")
    @classmethod
    def _known_metrics(cls, bounds: dict[str, float]) -> dict[str, float]:
        for name, value in bounds.items():
            _require_known(name, SUMMED_METRICS, "metric")
            if _lattice_steps(name, value) < 1:
                raise ValueError(f"{name}: {value} is below the smallest step that is kept")
        return bounds


class BudgetRefresh(_Section):
    """A budget that is renewed by the calendar (UTC): off unless a policy declares it, and its author accepts the cost.

    Refresh turns a bound on everything that is ever told about a person into a bound per period.
    """

    every: Literal["month", "quarter", "year"]
    #: Has to be written out, so that nobody switches this on in passing.
    accepts_unbounded_total: Literal[True]

    def period(self, day: datetime.date) -> str:
        """The name of the period that a day lies in, such as 2026-11, 2026-Q4 or 2026."""
        if self.every == "month":
            return f"{day:%Y-%m}"
        return f"{day.year}-Q{(day.month + 2) // 3}" if self.every == "quarter" else str(day.year)


class CopyLimits(_Section):
    """Limits on ad copy that the network enforces; read by RMIS, not by the room itself."""

    max_title_characters: PositiveInt
    max_headline_characters: PositiveInt
    max_body_characters: PositiveInt
    banned_terms: list[str]


class CleanRoomPolicy(_Section):
    """Everything the clean room enforces for one retailer."""

    retailer_id: Annotated[str, Field(min_length=1)]
    version: PositiveInt = 1
    #: The commercial rule that the file follows, if any: defaults and demands, never a relaxation.
    preset: Literal["aws", "snowflake", "amc"] | None = None
    #: Whom ε protects: a customer with everything that is logged about them, or one record of an aggregated feed.
    contribution_unit: Literal["customer", "record"] = "customer"
    #: A cell is released only if at least this many distinct customers (records, without customers) stand behind it.
    k: Annotated[int, Field(ge=2)] = 100
    #: The whole privacy budget of the data set, for everyone and for ever (per period under `budget_refresh`).
    epsilon_total: PositiveFloat = 8.0
    #: The most a single request may cost, and what it costs if it names nothing.
    epsilon_per_query: PositiveFloat = 1.0
    #: The chance that the noisy threshold lets through one cell with fewer than k customers.
    delta: Annotated[float, Field(gt=0, lt=0.5)] = 1e-9
    contribution_bounds: ContributionBounds
    #: How a request's ε is split over its metrics; a metric that is not named weighs 1.
    epsilon_weights: dict[str, PositiveInt] = Field(default_factory=dict)
    date_range: DateRange
    allowed_dimensions: dict[str, ListedDomain | Literal["date_range", "catalogue"]]
    allowed_metrics: list[str]
    allowed_filters: list[str] = Field(default_factory=list)
    blocked_fields: list[str] = Field(default_factory=lambda: list(BLOCKED_FIELDS))
    #: How close each column comes to a person; a class raises k for requests that show or filter by the column.
    column_classes: dict[str, ColumnClass] = Field(default_factory=dict)
    budget_refresh: BudgetRefresh | None = None
    #: A request whose declared key domain is larger than this is refused before anything is computed.
    max_cells_per_query: PositiveInt = 500_000
    copy_limits: CopyLimits | None = Field(default=None, alias="copy")

    @model_validator(mode="before")
    @classmethod
    def _preset_defaults(cls, content: Any) -> Any:
        return fill_in(content) if isinstance(content, dict) else content

    @field_validator("allowed_dimensions")
    @classmethod
    def _dimension_domains(cls, dimensions: dict[str, Any]) -> dict[str, Any]:
        for name, domain in dimensions.items():
            _require_known(name, DIMENSIONS, "dimension")
            if (name in TIME_DIMENSIONS) != (domain == "date_range"):
                raise ValueError(f"{name}: week and date take `date_range`, the others a list or `catalogue`")
            if domain == "catalogue" and name != "sku_id":
                raise ValueError(f"{name}: only sku_id takes its domain from the catalogue")
            if isinstance(domain, list) and len(set(domain)) != len(domain):
                raise ValueError(f"{name}: a value is declared twice")
        return dimensions

    @field_validator("allowed_metrics")
    @classmethod
    def _metrics_known(cls, metrics: list[str]) -> list[str]:
        for name in metrics:
            _require_known(name, METRICS, "metric")
        return metrics

    @field_validator("allowed_filters")
    @classmethod
    def _filters_known(cls, filters: list[str]) -> list[str]:
        for name in filters:
            _require_known(name, ("date", *LISTED_DIMENSIONS), "filter")
        return filters

    @field_validator("epsilon_weights")
    @classmethod
    def _weights_known(cls, weights: dict[str, int]) -> dict[str, int]:
        for name in weights:
            _require_known(name, METRICS, "metric")
        return weights

    @model_validator(mode="after")
    def _consistent(self) -> CleanRoomPolicy:
        if self.epsilon_per_query > self.epsilon_total:
            raise ValueError("epsilon_per_query is larger than epsilon_total")
        if to_micro(self.epsilon_per_query) < 1:
            raise ValueError("epsilon_per_query is below one millionth")
        self._check_bounds()
        for name in self.allowed_filters:
            if name != "date" and name not in self.allowed_dimensions:
                raise ValueError(f"allowed_filters: {name!r} has no declared domain in allowed_dimensions")
        for name in self.blocked_fields:
            if name in self.opened_names:
                raise ValueError(f"blocked_fields: {name!r} is also permitted")
        check_classes(self)
        check_preset(self)
        return self

    def _check_bounds(self) -> None:
        bounds, by_record = self.contribution_bounds, self.contribution_unit == "record"
        wanted, unwanted = (
            ("max_records", "max_cells_per_customer")
            if by_record
            else ("max_cells_per_customer", "max_records")
        )
        if getattr(bounds, wanted) is None:
            raise ValueError(f"contribution_bounds: {wanted!r} is missing")
        if getattr(bounds, unwanted) is not None or (by_record and bounds.maximum_per_customer):
            raise ValueError(
                f"contribution_bounds: contribution_unit {self.contribution_unit} takes {wanted!r} only"
            )
        for name in self.allowed_metrics:
            if name in COUNTS:
                if name != self.count_metric:
                    raise ValueError(
                        f"allowed_metrics: contribution_unit {self.contribution_unit} counts "
                        f"{self.count_metric!r}, not {name!r}"
                    )
            elif name not in bounds.maximum_per_cell:
                raise ValueError(f"contribution_bounds.maximum_per_cell has no bound for the metric {name!r}")

    @property
    def opened_names(self) -> frozenset[str]:
        """Every column that a request may name."""
        return frozenset({*self.allowed_dimensions, *self.allowed_metrics, *self.allowed_filters})

    @property
    def count_metric(self) -> str:
        """The count that k is tested on."""
        return RECORDS if self.contribution_unit == "record" else CUSTOMERS

    @property
    def notices(self) -> tuple[str, ...]:
        """What a reader of any answer must know about the room's guarantee."""
        notices = []
        if self.contribution_unit == "record":
            records = self.contribution_bounds.max_records
            protected = "one record" if records == 1 else f"any {records} records"
            notices.append(
                f"The feed names no customer: ε protects {protected}, not a person, and k counts records."
            )
        if self.budget_refresh is not None:
            notices.append(REFRESH_WARNING.format(every=self.budget_refresh.every))
        return tuple(notices)

    def minimum_count(self, names: Iterable[str]) -> int:
        """The k of a request that shows or filters by these columns: the strictest class decides, `k` is the floor."""
        classes = (self.column_classes.get(name, ColumnClass.NONE) for name in names)
        return max([self.k, *(CLASS_MINIMUM[column_class] for column_class in classes)])

    def count_sensitivity(self, cells: int) -> int:
        """The most that one privacy unit adds to the room's count over so many cells together."""
        bounds = self.contribution_bounds
        if bounds.max_records is not None:
            # All of a unit's records may lie in one cell.
            return bounds.max_records
        # A customer adds at most one to each cell's count, and is counted in so many cells at most.
        return min(bounds.max_cells_per_customer or 1, cells)

    @property
    def epsilon_total_micro(self) -> int:
        """The whole budget in millionths of ε."""
        return to_micro(self.epsilon_total)

    @property
    def epsilon_per_query_micro(self) -> int:
        """The ceiling per request in millionths of ε."""
        return to_micro(self.epsilon_per_query)

    def maximum_steps_per_cell(self, metric: str) -> int:
        """The clamp of one metric per customer and cell, in lattice steps."""
        return _lattice_steps(metric, self.contribution_bounds.maximum_per_cell[metric])

    def maximum_steps_per_customer(self, metric: str) -> int:
        """The most one privacy unit adds to a metric over all cells together, in lattice steps: its sensitivity."""
        bounds = self.contribution_bounds
        cells = bounds.max_records or bounds.max_cells_per_customer or 1
        unscaled = cells * self.maximum_steps_per_cell(metric)
        if metric not in bounds.maximum_per_customer:
            return unscaled
        return _lattice_steps(metric, bounds.maximum_per_customer[metric])

    def epsilon_split_micro(self, metrics: Iterable[str], epsilon_micro: int) -> dict[str, int]:
        """Divide a request's ε over its metrics by weight, rounding down so that the parts never exceed it."""
        weights = {name: self.epsilon_weights.get(name, 1) for name in metrics}
        total = sum(weights.values())
        return {name: epsilon_micro * weight // total for name, weight in weights.items()}

    def privacy_terms(self) -> dict[str, Any]:
        """What a released number depends on; a change here makes a new release, a change of ad-copy limits none."""
        terms = self.model_dump(
            mode="json",
            exclude={"version", "epsilon_total", "epsilon_per_query", "copy_limits", "blocked_fields"}
            | {"preset", "budget_refresh"},
        )
        # Keys that came later are left out at their defaults: an answer that was paid for must stay found.
        for name, default in (("contribution_unit", "customer"), ("column_classes", {})):
            if terms[name] == default:
                del terms[name]
        if terms["contribution_bounds"]["max_records"] is None:
            del terms["contribution_bounds"]["max_records"]
        return terms


def to_micro(epsilon: float) -> int:
    """Millionths of ε, rounded down, computed from the decimal the policy wrote and not from its binary neighbour."""
    return int(Fraction(repr(float(epsilon))) * MICRO)


def load_policy(path: Path | str) -> CleanRoomPolicy:
    """Read one retailer's policy file; raise `CleanRoomPolicyError` naming file and key."""
    file = Path(path)
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CleanRoomPolicyError(
            f"{file}: the policy cannot be read ({error}); give the path of a policy.yaml"
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}" if mark else "the file"
        raise CleanRoomPolicyError(
            f"{file}: {line} is not valid YAML; check indentation and quotes there"
        ) from error
    if not isinstance(content, dict):
        raise CleanRoomPolicyError(f"{file}: the policy must be a mapping of keys, starting with retailer_id")
    try:
        return CleanRoomPolicy.model_validate(content)
    except ValidationError as error:
        raise CleanRoomPolicyError(f"{file}: {_describe(error)}") from error


def _describe(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"]) or "the policy"
    if first["type"] == "extra_forbidden":
        names = [field.alias or name for name, field in CleanRoomPolicy.model_fields.items()]
        near = difflib.get_close_matches(str(first["loc"][-1]), names, n=1)
        return f"unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else "; remove it")
    if first["type"] == "missing":
        return f"the key {key!r} is missing"
    return f"key {key!r}: {first['msg']}"


def _require_known(name: str, known: Iterable[str], what: str) -> None:
    names = list(known)
    if name not in names:
        raise ValueError(f"{name!r} is not a {what} of the log; known: {', '.join(names)}")


def _lattice_steps(metric: str, value: float) -> int:
    return int(Fraction(repr(float(value))) * SUMMED_METRICS[metric].steps_per_unit)
