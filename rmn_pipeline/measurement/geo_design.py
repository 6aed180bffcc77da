"""Plan a geo test: who is drawn, for how long, what it can find and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from rmn_pipeline.measurement.arrays import Integers
from rmn_pipeline.measurement.assignment import (
    GeoAssignment,
    chosen_assignment,
    complete_assignment,
    random_draws,
    stratified_assignment,
)
from rmn_pipeline.measurement.did import did_ar1, log_gap
from rmn_pipeline.measurement.errors import MeasurementError
from rmn_pipeline.measurement.geo_lift import LiftSettings
from rmn_pipeline.measurement.panel import Panel
from rmn_pipeline.measurement.power import PowerCurve, power_curve

DesignKind = Literal["complete", "stratified", "paired"]
DESIGN_KINDS: tuple[DesignKind, ...] = ("complete", "stratified", "paired")
TREATED_PER_STRATUM = 2
# Standard errors that a two-sided 5 % test needs for 80 % power.
ERRORS_FOR_POWER = 2.8


@dataclass(frozen=True)
class GeoDesign:
    """A drawn assignment, how long to run it, and the options it was picked from.

    `options`: kind, periods, smallest_detectable_lift (null if none), cost, smallest_detectable_iroas, size. Cost is
    in the panel's unit over the whole test; `seed` draws the same assignment again.
    """

    assignment: GeoAssignment
    periods: int
    smallest_detectable_lift: float
    cost: float
    smallest_detectable_iroas: float | None
    options: pl.DataFrame
    power: PowerCurve
    seed: int


def geo_design(
    panel: Panel,
    periods: Sequence[int] = (14, 21, 28),
    *,
    treated_share: float = 0.5,
    kinds: Sequence[DesignKind] = DESIGN_KINDS,
    spend_share_of_sales: float = 0.0,
    target_lift: float | None = None,
    runs: int = 300,
    seed: int = 1,
    settings: LiftSettings | None = None,
) -> GeoDesign:
    """Compare designs and durations on the past, and draw the treated geos of the best.

    The cheapest option that finds `target_lift` with 80 % power is taken; without a target, or where none reaches it,
    the one with the smallest detectable lift. Extra spend is `spend_share_of_sales` of the treated geos' usual sales,
    so that the smallest detectable iROAS is the smallest detectable lift over that share.

    Raises:
        MeasurementError: too few geos, a share outside (0, 1), or a past too short for every duration.
    """
    if not 0.0 < treated_share < 1.0 or len(panel.geos) < 4:
        raise MeasurementError(
            f"a design needs at least 4 geos and a treated share between 0 and 1, not {len(panel.geos)} geos and "
            f"{treated_share}"
        )
    whole = panel.completed((settings or LiftSettings()).missing)
    found: list[tuple[GeoAssignment, PowerCurve, float]] = []
    for kind in kinds:
        if kind == "paired" and treated_share != 0.5:
            continue
        assignment = draw_assignment(whole, kind, treated_share, seed)
        sales = float(whole.value[assignment.treated].sum()) / len(whole.dates)
        for length in periods:
            curve = power_curve(whole, assignment, length, (0.0,), runs=runs, settings=settings)
            found.append((assignment, curve, sales * length * spend_share_of_sales))
    options = pl.DataFrame([_option(*one, spend_share_of_sales) for one in found], infer_schema_length=None)
    at = _best(options, target_lift)
    assignment, curve, cost = found[at]
    row = options.row(at, named=True)
    if row["smallest_detectable_lift"] is None:
        raise MeasurementError(
            f"no design with {len(panel.geos)} geos finds even a sixfold rise with 80 % power; use more geos"
        )
    return GeoDesign(
        assignment,
        curve.periods,
        row["smallest_detectable_lift"],
        cost,
        row["smallest_detectable_iroas"],
        options,
        curve,
        seed,
    )


def draw_assignment(panel: Panel, kind: DesignKind, treated_share: float, seed: int) -> GeoAssignment:
    """Draw treated geos: from all, within strata of similar sales, or one of every pair of similar geos.

    With an odd number of geos the smallest one is left out of a paired design.
    """
    sales = np.nansum(panel.value, axis=1)
    order = np.argsort(-sales, kind="stable")
    if kind == "paired":
        order = order[: 2 * (order.size // 2)]
    geos = tuple(panel.geos[at] for at in np.sort(order))
    ranked = [panel.geos[at] for at in order]
    labels = _strata(len(ranked), kind, treated_share)
    label = dict(zip(ranked, labels.tolist(), strict=True))
    treated = [geo for code in np.unique(labels) for geo in _first(ranked, labels, int(code), treated_share)]
    strata = [label[geo] for geo in geos]
    plain = kind == "complete"
    start = complete_assignment(geos, treated) if plain else stratified_assignment(geos, treated, strata)
    drawn = random_draws(start, 1, np.random.default_rng(seed))[0] > 0
    return GeoAssignment(start.kind, geos, drawn, start.stratum)


def _strata(geos: int, kind: DesignKind, share: float) -> Integers:
    """Stratum codes of geos in order of sales; a short last stratum joins the one before."""
    if kind == "complete":
        return np.zeros(geos, dtype=np.int64)
    size = 2 if kind == "paired" else max(round(TREATED_PER_STRATUM / min(share, 1 - share)), 2)
    return np.minimum(np.arange(geos) // size, max(geos // size - 1, 0)).astype(np.int64)


def _first(ranked: list[str], labels: Integers, code: int, share: float) -> list[str]:
    """As many geos of a stratum as are to be treated; which ones is redrawn afterwards."""
    members = [geo for geo, label in zip(ranked, labels.tolist(), strict=True) if label == code]
    return members[: min(max(round(share * len(members)), 1), len(members) - 1)]


def _option(
    assignment: GeoAssignment, curve: PowerCurve, cost: float, spend_share: float
) -> dict[str, object]:
    smallest = curve.smallest_detectable()
    return {
        "kind": assignment.kind,
        "periods": curve.periods,
        "treated_geos": int(assignment.treated.sum()),
        "smallest_detectable_lift": smallest,
        "cost": cost,
        "smallest_detectable_iroas": smallest / spend_share if smallest and spend_share > 0 else None,
        "size": curve.power_at(0.0),
    }


def _best(options: pl.DataFrame, target_lift: float | None) -> int:
    ranked = options.with_row_index("at").with_columns(pl.col("smallest_detectable_lift").fill_null(np.inf))
    if target_lift is not None:
        reached = ranked.filter(pl.col("smallest_detectable_lift") <= target_lift)
        if reached.height:
            return int(reached.sort("cost", "periods", "smallest_detectable_lift")["at"][0])
    return int(ranked.sort("smallest_detectable_lift", "cost")["at"][0])


def select_markets(
    panel: Panel,
    count: int,
    periods: int,
    *,
    candidates: int = 200,
    largest_share_of_sales: float = 0.5,
    spend_share_of_sales: float = 0.0,
    seed: int = 1,
) -> pl.DataFrame:
    """Rank sets of `count` markets by what a DiD-AR1 read-out could find in them; best first.

    Columns: geos, noise_sd (of the log lift), smallest_detectable_lift (80 % power, by formula), aa_bias (mean placebo
    estimate), share_of_sales, cost. Placebos keep the set and move the dates. Picked markets are not randomised: draw
    among near-equal sets, or design with `geo_design`, where that can be done.

    Raises:
        MeasurementError: `count` leaves no control, or the past is too short.
    """
    if not 0 < count < len(panel.geos):
        raise MeasurementError(f"{count} of {len(panel.geos)} geos leave nothing to treat or to compare with")
    whole = panel.completed()
    names = np.array(whole.geos)
    total = whole.value.sum()
    generator = np.random.default_rng(seed)
    sets = {tuple(sorted(generator.permutation(names)[:count].tolist())) for _ in range(candidates)}
    starts = range(
        max(12, (len(whole.dates) - periods) // 2), len(whole.dates) - periods + 1, max(periods // 2, 1)
    )
    if not len(starts):
        raise MeasurementError(f"{len(whole.dates)} periods are too few to try tests of {periods} periods on")
    rows = []
    for geos in sorted(sets):
        treated = chosen_assignment(whole.geos, geos).treated
        share = float(whole.value[treated].sum() / total)
        if share > largest_share_of_sales:
            continue
        gap = log_gap(whole.value, treated)
        found = np.array([did_ar1(gap[: at + periods], at).test.estimate for at in starts])
        noise = float(np.sqrt((found**2).mean()))
        cost = share * float(total) / len(whole.dates) * periods * spend_share_of_sales
        rows.append(
            (list(geos), noise, float(np.expm1(ERRORS_FOR_POWER * noise)), float(found.mean()), share, cost)
        )
    schema = ["geos", "noise_sd", "smallest_detectable_lift", "aa_bias", "share_of_sales", "cost"]
    return pl.DataFrame(rows, schema=schema, orient="row").sort("noise_sd")
