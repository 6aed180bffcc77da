"""Enforcement: declared keys, noise, threshold. What comes out of `privatize` may leave the room."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from rmn_pipeline.cleanroom.layout import ERROR_SUFFIX
from rmn_pipeline.cleanroom.noise import NoisyVector, add_laplace, threshold_margin
from rmn_pipeline.cleanroom.policy import CleanRoomPolicy
from rmn_pipeline.cleanroom.request import Domains, PermittedRequest
from rmn_pipeline.cleanroom.schema import COUNTS, SUMMED_METRICS


@dataclass(frozen=True)
class NoisyCells:
    """What may be released: the cells above the threshold, with the bound of their error."""

    rows: pl.DataFrame
    error_bounds: dict[str, float]
    suppressed_cells: int


def key_domain(request: PermittedRequest, domains: Domains) -> pl.DataFrame:
    """Every key the request may return, known from policy and request alone: empty cells look like all others."""
    restricted = dict(request.members)
    keys = pl.DataFrame({"_": [0]})
    for name in request.dimensions:
        if name == "date":
            values = _days(request).alias(name)
        elif name == "week":
            values = _days(request).dt.truncate("1w").unique(maintain_order=True).alias(name)
        else:
            values = pl.Series(name, restricted.get(name, domains.values[name]), dtype=pl.String)
        keys = keys.join(pl.DataFrame({name: values}), how="cross", maintain_order="left_right")
    return keys.drop("_") if request.dimensions else keys


def _days(request: PermittedRequest) -> pl.Series:
    return pl.date_range(request.first_day, request.last_day, "1d", eager=True)


def privatize(
    found: pl.DataFrame, request: PermittedRequest, policy: CleanRoomPolicy, domains: Domains
) -> NoisyCells:
    """Add noise to every declared cell and keep those whose *noisy* count passes the threshold.

    `found` holds the exact, bounded answers for the keys that occur. Nothing after the noise looks at them, so
    the answer as a whole, the suppressed cells included, costs exactly the ε that its parts add up to.
    """
    keys = key_domain(request, domains)
    cells = found
    if request.dimensions:
        cells = keys.join(found, on=list(request.dimensions), how="left", maintain_order="left")
    epsilons = policy.epsilon_split_micro(request.charged_metrics, request.epsilon_micro)
    noisy = {
        name: add_laplace(
            cells[name].fill_null(0).to_list(), _sensitivity(name, policy, cells.height), epsilons[name]
        )
        for name in request.charged_metrics
    }
    count = noisy[request.count_metric]
    threshold = policy.minimum_count(request.named_columns) + threshold_margin(count.scale, policy.delta)
    shown = pl.Series([value >= threshold for value in count.values], dtype=pl.Boolean)
    errors = {name: noisy[name].error95 / _steps_per_unit(name) for name in request.metrics}
    rows = keys.select(request.dimensions).with_columns(
        *(_in_units(name, noisy[name]) for name in request.metrics),
        *(pl.Series(f"{name}{ERROR_SUFFIX}", [error] * cells.height) for name, error in errors.items()),
    )
    return NoisyCells(
        rows=rows.filter(shown), error_bounds=errors, suppressed_cells=int(shown.len() - shown.sum())
    )


def _sensitivity(name: str, policy: CleanRoomPolicy, cells: int) -> int:
    return policy.count_sensitivity(cells) if name in COUNTS else policy.maximum_steps_per_customer(name)


def _steps_per_unit(name: str) -> int:
    return 1 if name in COUNTS else SUMMED_METRICS[name].steps_per_unit


def _in_units(name: str, noisy: NoisyVector) -> pl.Series:
    steps = pl.Series(name, noisy.values, dtype=pl.Int64)
    if name in COUNTS:
        return steps
    metric = SUMMED_METRICS[name]
    values = steps / metric.steps_per_unit
    return values.round().cast(pl.Int64) if metric.is_whole else values
