"""Costs moved from the basis that a network reports to the one that the mapping asks for."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from rmn_pipeline.rmis.mapping import CostConversion
from rmn_pipeline.rmis.models import CostBasis

# Each basis holds all that the one before it holds, and one thing more.
_LEVELS: tuple[CostBasis, ...] = ("media", "media_and_fees", "media_fees_and_tax")


def steps_crossed(conversion: CostConversion) -> frozenset[str]:
    """What lies between the two bases: 'fee', 'tax', both or neither."""
    low, high = sorted((_LEVELS.index(conversion.sent), _LEVELS.index(conversion.report)))
    return frozenset(("fee", "tax")[low:high])


def rates_named(conversion: CostConversion) -> Iterator[tuple[str, str]]:
    """The rates that stand in inputs: the key in the mapping, and the input's name."""
    for key in ("fee_rate", "fee_share", "tax_rate"):
        value = getattr(conversion, key)
        if isinstance(value, str):
            yield key, value


def _rate(value: float | str) -> pl.Expr:
    return pl.col(value) if isinstance(value, str) else pl.lit(value, pl.Float64)


def _fee_factor(conversion: CostConversion) -> pl.Expr:
    if conversion.fee_share is not None:
        return 1 / (1 - _rate(conversion.fee_share))
    return 1 + _rate(conversion.fee_rate or 0.0)


def converted_cost(conversion: CostConversion) -> pl.Expr:
    """The cost on the basis asked for; null where a rate is empty or leaves no finite amount."""
    crossed = steps_crossed(conversion)
    factor = pl.lit(1.0)
    if "fee" in crossed:
        factor = factor * _fee_factor(conversion)
    if "tax" in crossed:
        factor = factor * (1 + _rate(conversion.tax_rate or 0.0))
    upward = _LEVELS.index(conversion.report) > _LEVELS.index(conversion.sent)
    cost = pl.col("cost") * factor if upward else pl.col("cost") / factor
    return pl.when(cost.is_finite()).then(cost)
