"""`Arm` and `ArmTable`: where money can go, one by one as objects or all at once as columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, get_args, overload

import numpy as np
import polars as pl

from rmn_pipeline.planning.curves import Booleans, CurveFamily, Curves, Floats, family_mask
from rmn_pipeline.planning.errors import ScenarioError

ArmKey = tuple[str, str, str | None, str]
KEY_COLUMNS = ("retailer_id", "placement_type", "audience_id", "sku_id")


@dataclass(frozen=True, slots=True)
class Arm:
    """One place where money can go, with its response per week: a concave curve of a family (see `curves`).

    `initial_iroas` is the return of the first dollar, `half_saturation_usd_per_week` the curve's scale of spend.
    `in_stock_probability` scales the response: spend in weeks without stock earns nothing.
    `attributed_per_incremental` is the network's attributed revenue per dollar of incremental revenue.
    Spend limits are for the whole horizon; no upper limit means the budget. `last_period_spend_usd` is what the
    arm got over a past period as long as the horizon; limits on change are relative to it. `stock_units` are the
    units of the SKU that the retailer can sell within the horizon (deliveries included),
    `baseline_units_per_day` what sells without advertising; both matter only where a scenario asks for days of cover.
    """

    retailer_id: str
    placement_type: str
    sku_id: str
    initial_iroas: float
    half_saturation_usd_per_week: float
    audience_id: str | None = None
    margin_rate: float = 1.0
    revenue_per_conversion_usd: float = 1.0
    attributed_per_incremental: float = 1.0
    in_stock_probability: float = 1.0
    min_spend_usd: float = 0.0
    max_spend_usd: float | None = None
    line_id: str | None = None
    curve_family: CurveFamily = "hill"
    last_period_spend_usd: float | None = None
    stock_units: float | None = None
    baseline_units_per_day: float = 0.0
    revenue_per_unit_usd: float | None = None

    @property
    def key(self) -> ArmKey:
        """The arm's identity."""
        return (self.retailer_id, self.placement_type, self.audience_id, self.sku_id)


_TEXT = {"retailer_id", "placement_type", "sku_id", "audience_id", "line_id", "curve_family"}
_DEFAULTS: dict[str, Any] = {
    field.name: field.default for field in fields(Arm) if field.default is not MISSING
}
_SCHEMA = {field.name: pl.String if field.name in _TEXT else pl.Float64 for field in fields(Arm)}


class ArmTable(Sequence[Arm]):
    """Many arms as columns named like the fields of `Arm`: a scenario of 100,000 arms without an object for each.

    Columns left out hold the field's default, nulls of optional fields mean "none". Raises `ScenarioError` for
    missing or unknown columns and for nulls where a number is needed.
    """

    def __init__(self, frame: pl.DataFrame) -> None:
        """Take the columns of a frame, one row per arm."""
        _check_columns(frame)
        missing = [
            pl.lit(value).alias(name) for name, value in _DEFAULTS.items() if name not in frame.columns
        ]
        self.frame = frame.with_columns(missing).select(
            pl.col(name).cast(dtype) for name, dtype in _SCHEMA.items()
        )
        for name in _SCHEMA:
            if _DEFAULTS.get(name, 0) is not None and self.frame[name].null_count():
                raise ScenarioError(f"column '{name}' of the arms holds nulls; every arm needs a value")

    @classmethod
    def of(cls, arms: Iterable[Arm]) -> ArmTable:
        """The same arms as columns; a table is returned as it is."""
        if isinstance(arms, ArmTable):
            return arms
        listed = list(arms)
        columns = {name: [getattr(arm, name) for arm in listed] for name in _SCHEMA}
        return cls(pl.DataFrame(columns, schema=_SCHEMA, strict=False))

    def __len__(self) -> int:
        return self.frame.height

    @overload
    def __getitem__(self, index: int) -> Arm: ...

    @overload
    def __getitem__(self, index: slice) -> ArmTable: ...

    def __getitem__(self, index: int | slice) -> Arm | ArmTable:
        if isinstance(index, slice):
            return ArmTable(self.frame[index])
        return Arm(**self.frame.row(index, named=True))

    def __iter__(self) -> Iterator[Arm]:
        return (Arm(**row) for row in self.frame.iter_rows(named=True))

    def numbers(self, column: str, missing: float = np.nan) -> Floats:
        """A numeric column, with a number in place of "none"."""
        return self.frame[column].fill_null(missing).to_numpy().astype(np.float64, copy=False)

    @property
    def is_log(self) -> Booleans | None:
        """Which arms have log curves; None where none has."""
        return family_mask(self.frame["curve_family"].to_numpy())

    def curves(self, weeks: int) -> Curves:
        """The curves of the whole horizon's spend, at the stock that is expected."""
        initial = self.numbers("initial_iroas") * self.numbers("in_stock_probability")
        return Curves(initial, self.numbers("half_saturation_usd_per_week"), self.is_log).over_weeks(weeks)

    def name(self, index: int) -> str:
        """An arm's key as text, for messages and constraint names."""
        return "/".join(str(part) for part in self[index].key if part is not None)

    def check(self) -> None:
        """Refuse impossible numbers and arms listed twice, naming the first culprit."""
        for column, low, high, what in _RANGES:
            self._check_range(column, low, high, what)
        families = ~self.frame["curve_family"].is_in(list(get_args(CurveFamily)))
        if families.any():
            first = int(families.arg_max() or 0)
            found = self.frame["curve_family"][first]
            raise ScenarioError(
                f"curve_family must be one of {list(get_args(CurveFamily))}, got '{found}' (arm {self[first].key})"
            )
        low_spend, high_spend = self.numbers("min_spend_usd"), self.numbers("max_spend_usd", np.inf)
        bad = np.flatnonzero(~(high_spend >= low_spend))
        if bad.size:
            arm = self[int(bad[0])]
            raise ScenarioError(
                f"the maximum spend {arm.max_spend_usd} lies below the minimum {arm.min_spend_usd} (arm {arm.key})"
            )
        twice = self.frame.select(KEY_COLUMNS).is_duplicated()
        if twice.any():
            raise ScenarioError(
                f"arm {self[int(twice.arg_max() or 0)].key} is listed twice; merge its two entries"
            )

    def _check_range(self, column: str, low: float, high: float, what: str) -> None:
        values = self.frame[column].drop_nulls().to_numpy()
        if values.size == 0 or (np.isfinite(values).all() and values.min() >= low and values.max() <= high):
            return
        everywhere = self.numbers(column, low)
        first = int(
            np.flatnonzero(~(np.isfinite(everywhere) & (everywhere >= low) & (everywhere <= high)))[0]
        )
        raise ScenarioError(f"{column} must be {what}, got {everywhere[first]} (arm {self[first].key})")


_POSITIVE = (5e-324, np.inf, "a positive number")
_NOT_NEGATIVE = (0.0, np.inf, "a number of at least 0")
_RANGES = (
    ("initial_iroas", *_POSITIVE),
    ("half_saturation_usd_per_week", *_POSITIVE),
    ("revenue_per_conversion_usd", *_POSITIVE),
    ("attributed_per_incremental", *_POSITIVE),
    ("margin_rate", -1.0, 1.0, "a fraction of revenue between -1 and 1"),
    ("in_stock_probability", 0.0, 1.0, "a probability between 0 and 1"),
    ("min_spend_usd", *_NOT_NEGATIVE),
    ("last_period_spend_usd", *_NOT_NEGATIVE),
    ("stock_units", *_NOT_NEGATIVE),
    ("baseline_units_per_day", *_NOT_NEGATIVE),
    ("revenue_per_unit_usd", *_POSITIVE),
)


def _check_columns(frame: pl.DataFrame) -> None:
    unknown = [name for name in frame.columns if name not in _SCHEMA]
    missing = [name for name in _SCHEMA if name not in _DEFAULTS and name not in frame.columns]
    if unknown or missing:
        raise ScenarioError(
            f"the arms' columns are named like the fields of Arm: missing {missing}, unknown {unknown}"
        )
