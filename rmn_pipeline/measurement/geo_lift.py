"""`geo_lift`: what a geo test brought, by every method that applies, with what each is worth on the user's own past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl
from scipy import stats

from rmn_pipeline.measurement.aa_table import aa_table
from rmn_pipeline.measurement.arrays import Floats
from rmn_pipeline.measurement.assignment import GeoAssignment, chosen_assignment, redraw
from rmn_pipeline.measurement.did import DidFit
from rmn_pipeline.measurement.errors import MeasurementError
from rmn_pipeline.measurement.estimates import LiftEstimate, NotApplicable
from rmn_pipeline.measurement.iroas import Iroas, iroas_by_fieller, iroas_by_inversion
from rmn_pipeline.measurement.lift_methods import METHODS, LiftWindow, did_fit
from rmn_pipeline.measurement.panel import MissingCells, Panel

FEWEST_PERIODS_BEFORE = 8


@dataclass(frozen=True)
class LiftSettings:
    """How to analyse. `aa_runs` 0 leaves the A/A table out; nothing else should.

    `uses_earlier_change` adjusts the randomisation test for the geos' earlier change (CUPED on log changes).
    """

    alpha: float = 0.05
    redraws: int = 999
    seed: int = 1
    aa_runs: int = 100
    missing: MissingCells = "fill"
    uses_earlier_change: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha < 1.0 or self.redraws < 19:
            raise MeasurementError(
                f"alpha must lie between 0 and 1 and redraws be at least 19, not {self.alpha} and {self.redraws}"
            )


@dataclass(frozen=True)
class GeoLiftResult:
    """The answer (`primary`), the other methods beside it, and how far each can be trusted here.

    - `incremental`, with low and high: extra sales of the treated geos over the test, in the panel's unit.
    - `aa_size`: false-positive rates on the past (columns in `aa_table`).
    - `effect_over_time`: date, lift, low, high, cumulative (sales units) of every period, the past included.
    """

    primary: LiftEstimate
    others: tuple[LiftEstimate, ...]
    not_applicable: tuple[NotApplicable, ...]
    incremental: float
    incremental_low: float
    incremental_high: float
    iroas: Iroas | None
    iroas_fieller: Iroas | None
    aa_size: pl.DataFrame
    effect_over_time: pl.DataFrame
    notes: tuple[str, ...]

    def table(self) -> pl.DataFrame:
        """All methods in one table, the primary one first, with its size on the user's own past."""
        rows = [
            (one.method, one is self.primary, one.lift, one.low, one.high, one.p, one.note)
            for one in (self.primary, *self.others)
        ]
        names = ["method", "is_primary", "lift", "low", "high", "p", "note"]
        found = pl.DataFrame(rows, schema=names, orient="row")
        return found.join(self.aa_size.select("method", aa_size="size"), on="method", how="left")


def geo_lift(
    panel: Panel,
    treated: GeoAssignment | Sequence[str],
    start: date,
    end: date,
    settings: LiftSettings | None = None,
) -> GeoLiftResult:
    """Read out a geo test that ran from `start` to `end`, both included.

    With a `GeoAssignment` that was drawn, randomisation inference on log change is the answer. With mere names of geos
    (markets that somebody picked) it does not apply, and DiD-AR1 is. All other methods are shown beside it.

    Raises:
        MeasurementError: too short a past, unknown geos, too many missing cells, or sales that vanish in the test.
    """
    settings = settings or LiftSettings()
    assignment = (
        treated if isinstance(treated, GeoAssignment) else chosen_assignment(panel.geos, list(treated))
    )
    window, whole = lift_window(panel, assignment, start, end, settings)
    found, refused = _estimates(window, settings.alpha)
    primary = next(
        one for one in found if one.method == ("did_ar1" if assignment.kind == "chosen" else "randomisation")
    )
    sold = float(window.treated_after.sum())
    fit = did_fit(window)
    iroas, by_fieller = _iroas(window, whole.spend_usd, settings.alpha, sold, primary)
    return GeoLiftResult(
        primary=primary,
        others=tuple(one for one in found if one is not primary),
        not_applicable=refused,
        incremental=_incremental(primary.lift, sold),
        incremental_low=_incremental(primary.low, sold),
        incremental_high=_incremental(primary.high, sold),
        iroas=iroas,
        iroas_fieller=by_fieller,
        aa_size=aa_table(
            window, [one.method for one in found], settings.alpha, settings.aa_runs, settings.seed + 1
        ),
        effect_over_time=_over_time(whole, window, fit, settings.alpha),
        notes=(*whole.notes, *_notes(window, assignment, primary)),
    )


def lift_window(
    panel: Panel, assignment: GeoAssignment, start: date, end: date, settings: LiftSettings
) -> tuple[LiftWindow, Panel]:
    """The panel's part that the analysis sees, complete, with redraws of the design.

    Raises:
        MeasurementError: the test lies outside the panel or its past is too short.
    """
    if end < start:
        raise MeasurementError(f"the test ends on {end}, before it starts on {start}")
    seen = panel.of_geos(assignment.geos).between(panel.dates[0], end)
    before = sum(day < start for day in seen.dates)
    if before < FEWEST_PERIODS_BEFORE or before == len(seen.dates):
        raise MeasurementError(
            f"the panel holds {before} periods before {start} and {len(seen.dates) - before} from then to {end}; "
            f"a read-out needs {FEWEST_PERIODS_BEFORE} before and 1 during"
        )
    seen = seen.completed(settings.missing)
    window = LiftWindow(
        value=seen.value,
        before=before,
        treated=assignment.treated,
        assignment=assignment,
        redraws=redraw(assignment, settings.redraws, settings.seed),
        uses_earlier_change=settings.uses_earlier_change,
    )
    return window, seen


def _estimates(window: LiftWindow, alpha: float) -> tuple[list[LiftEstimate], tuple[NotApplicable, ...]]:
    """Every method that applies. What the primary method refuses is refused altogether."""
    found, refused = [], []
    chosen = window.assignment.kind == "chosen"
    for method, estimate in METHODS.items():
        if method == "randomisation" and chosen:
            because = "the markets were chosen, not drawn: there is no randomisation to infer from"
            refused.append(NotApplicable(method, because))
            continue
        try:
            found.append(estimate(window, alpha))
        except MeasurementError as error:
            if method == ("did_ar1" if chosen else "randomisation"):
                raise
            refused.append(NotApplicable(method, str(error)))
    return found, tuple(refused)


def _incremental(lift: float, sold: float) -> float:
    """Sales that would not have been made without the lift, out of those that were."""
    if lift <= -1.0:
        return -np.inf
    return sold if np.isinf(lift) else sold * lift / (1.0 + lift)


def _iroas(
    window: LiftWindow, spend_usd: Floats | None, alpha: float, sold: float, primary: LiftEstimate
) -> tuple[Iroas | None, Iroas | None]:
    if spend_usd is None:
        return None, None
    if primary.method == "randomisation":
        critical = float(stats.t.isf(alpha / 2, max(window.treated.size - 2, 1)))
        few = min(int(window.treated.sum()), int((~window.treated).sum())) < 2
        return (
            iroas_by_inversion(window, spend_usd, alpha),
            None if few else iroas_by_fieller(window, spend_usd, critical),
        )
    periods = window.value.shape[1] - window.before
    extra = spend_usd[:, window.before :].mean(axis=1) - spend_usd[:, : window.before].mean(axis=1)
    total = float(extra[window.treated].sum()) * periods
    if total == 0.0:
        raise MeasurementError(
            "the treated geos spent no more and no less than before; there is no ratio to estimate"
        )
    ratio, low, high = (
        _incremental(lift, sold) / total for lift in (primary.lift, primary.low, primary.high)
    )
    return Iroas(ratio, min(low, high), max(low, high), primary.p, total, "did_ar1"), None


def _over_time(panel: Panel, window: LiftWindow, fit: DidFit, alpha: float) -> pl.DataFrame:
    """The effect of each period alone, with an interval for one period's noise, and its running sum."""
    degrees = max(fit.test.degrees, 1.0)
    half = float(stats.t.isf(alpha / 2, degrees)) * fit.residual_sd * np.sqrt(1.0 + 1.0 / window.before)
    sold = window.value[window.treated].sum(axis=0)
    brought = np.where(np.arange(sold.size) < window.before, 0.0, sold * -np.expm1(-fit.gap))
    return pl.DataFrame(
        {
            "date": list(panel.dates),
            "in_test": np.arange(sold.size) >= window.before,
            "lift": np.expm1(fit.gap),
            "low": np.expm1(fit.gap - half),
            "high": np.expm1(fit.gap + half),
            "cumulative": np.cumsum(brought),
        }
    )


def _notes(window: LiftWindow, assignment: GeoAssignment, primary: LiftEstimate) -> tuple[str, ...]:
    notes = ["the interval assumes one multiplicative effect, the same for every treated geo"]
    empty = int((window.value[:, : window.before].sum(axis=1) == 0).sum())
    if empty:
        notes.append(f"{empty} geos sold nothing before the test and weigh nothing")
    if assignment.kind == "chosen":
        notes.append(
            "the markets were chosen, not drawn: the A/A table says how far the interval can be trusted"
        )
    return (*notes, primary.note) if primary.note else tuple(notes)


def without_aa_table(settings: LiftSettings) -> LiftSettings:
    """The same settings for use inside simulations, where thousands of A/A tables would tell nothing new."""
    return replace(settings, aa_runs=0)
