"""The plain-words summary: sentences whose every figure is a place in comparison.json.

A sentence is a template with `{path|style}` for each figure. The report turns them into traceable numbers, the
console and Dagster metadata into plain text. Which sentence is used depends only on the computed result.
"""

import json
import re
from collections.abc import Callable, Iterator

from rmn_pipeline.comparison.detail_summary import detail_sentences
from rmn_pipeline.comparison.formats import format_value, resolve_path
from rmn_pipeline.comparison.result import ComparisonResult, ConstraintCheck, Difference

FIGURE = re.compile(r"\{([^{}|]+)\|([^{}]+)\}")

BOTH = ("full_data", "clean_room")
CONSTRAINT_WORDS = {
    "budget": "the budget",
    "min_roas": "the minimum incremental ROAS",
    "min_roas (attributed)": "the minimum attributed ROAS",
    "max_cpa": "the maximum cost per conversion",
    "max_retailer_share": "the maximum share of one retailer",
    "experiment_share": "the share set aside for experiments",
    "retailers": "the list of retailers",
    "placements": "the list of placements",
    "include_lines": "the list of product lines",
    "exclude_lines": "the excluded product lines",
    "exclude_out_of_stock": "the exclusion of out-of-stock products",
}

MODEL_BASED = (
    "Model-based: nobody knows this market's truth. Outcomes are what the full-data model expects of both plans, so "
    "the comparison leans towards the plan that this model made, and cannot show that the model is right."
)


def summarize(result: ComparisonResult) -> tuple[str, ...]:
    """The summary as templates; the first sentence is the headline."""
    return tuple(_sentences(result))


def plain_summary(result: ComparisonResult) -> tuple[str, ...]:
    """The summary as plain text."""
    document = json.loads(result.model_dump_json())
    return tuple(
        fill(sentence, lambda path, style: format_value(resolve_path(document, path), style))
        for sentence in summarize(result)
    )


def fill(template: str, figure: Callable[[str, str], str]) -> str:
    """Replace every `{path|style}` by what `figure` makes of it."""
    return FIGURE.sub(lambda match: figure(match[1], match[2]), template)


def _sentences(result: ComparisonResult) -> Iterator[str]:
    yield _headline(result)
    if result.judged_by == "model":
        yield MODEL_BASED
    if result.verdict.winner == "undecided":
        yield from _infeasible(result)
    else:
        yield _net_margin(result)
        yield from _returns(result)
        yield from _forecasts(result)
        yield _out_of_stock(result)
    yield from _references(result)
    yield from _beyond_the_oracle(result)
    yield _violations(result)
    yield from detail_sentences(result)
    if result.replicates < 50:
        yield "Caution: only {replicates|count} replicates; the intervals are rough below 50."


def _headline(result: ComparisonResult) -> str:
    verdict = result.verdict
    if verdict.winner == "undecided":
        return f"No winner: {verdict.reason}"
    metric = result.metrics[verdict.metric]
    style = "usd_short" if metric.unit == "usd" else "ratio"
    path = f"differences.{verdict.metric}"
    bounds = f"{{{path}.low|+{style}}} to {{{path}.high|+{style}}}"
    if verdict.winner == "neither":
        return (
            f"Neither plan is shown to be better. Full data minus clean room is {{{path}.value|+{style}}} of "
            f"{metric.label.lower()}, and the {{confidence_level|percent}} interval, {bounds}, includes 0."
        )
    winner = result.differences[verdict.metric].favours or BOTH[0]
    loser = BOTH[1 - BOTH.index(winner)]
    relative = result.differences[verdict.metric].relative
    in_relation = f" ({{{path}.relative||share}})" if relative is not None else ""
    opening = f"The {_name(result, winner)} plan wins:"
    if verdict.winner == "mixed":
        opening = (
            f"No clear winner. The {_name(result, loser)} plan leaves "
            "{differences.net_margin_usd.value||usd_short} more after the ads are paid for, but the "
            f"{_name(result, winner)} plan brings"
        )
    return (
        f"{opening} {{{path}.value||{style}}}{in_relation} more {metric.label.lower()} than the "
        f"{_name(result, loser)} plan, over {{weeks|count}} weeks with the same budget of up to "
        f"{{request.budget_usd|usd_short}}. The {{confidence_level|percent}} interval of full data minus clean "
        f"room, {bounds}, excludes 0.{_unfair_win(result, winner, loser)}"
    )


def _unfair_win(result: ComparisonResult, winner: str, loser: str) -> str:
    """A win that breaks the brief where the other plan keeps it must be called that in the same breath."""
    kept = {(check.constraint, check.scope) for check in result.modes[loser].constraints_kept}
    broken = [
        CONSTRAINT_WORDS[check.constraint]
        for check in result.modes[winner].constraint_violations
        if (check.constraint, check.scope) in kept
    ]
    if not broken:
        return ""
    return f" But it broke what the {_name(result, loser)} plan kept: {', '.join(dict.fromkeys(broken))}."


def _net_margin(result: ComparisonResult) -> str:
    full, clean = (f"{{modes.{mode}.realized.net_margin_usd.value|usd_short}}" for mode in BOTH)
    gap, spend = result.differences["net_margin_usd"], result.differences["spend_usd"]
    on = ""
    if spend.relative is not None and abs(spend.relative) > 0.001:
        on = " on {} and {} of ad spend".format(
            *(f"{{modes.{mode}.realized.spend_usd.value|usd_short}}" for mode in BOTH)
        )
    return (
        f"After paying for the ads, the full-data plan leaves {full} and the clean-room plan {clean}{on}: "
        f"a difference of {_interval('differences.net_margin_usd', 'usd_short')}, {_zero(gap)}."
    )


def _returns(result: ComparisonResult) -> Iterator[str]:
    if "iroas" not in result.differences:
        return
    full, clean = (f"{{modes.{mode}.realized.iroas.value|ratio}}" for mode in BOTH)
    text = f"Realized incremental ROAS is {full} with full data and {clean} with clean-room data"
    if result.request.min_roas is not None and result.request.roas_basis != "attributed":
        text += "; the brief asks for at least {request.min_roas|ratio}"
    yield text + "."


def _forecasts(result: ComparisonResult) -> Iterator[str]:
    for mode in BOTH:
        scores = result.modes[mode].prediction
        if scores is None or scores.calibration_ratio is None or scores.accuracy_by_arm is None:
            continue
        path = f"modes.{mode}"
        yield (
            f"The {_name(result, mode)} plan forecast {{{path}.predicted.incremental_revenue_usd|usd_short}} of "
            f"incremental revenue and got {{{path}.realized.incremental_revenue_usd.value|usd_short}} "
            f"({{{path}.prediction.calibration_ratio.value|percent}} of the forecast); arm by arm its forecast "
            f"is {{{path}.prediction.accuracy_by_arm.value|percent}} accurate (1 − WAPE)."
        )


def _out_of_stock(result: ComparisonResult) -> str:
    full, clean = (f"{{modes.{mode}.realized.out_of_stock_spend_usd.value|usd_short}}" for mode in BOTH)
    gap = result.differences["out_of_stock_spend_usd"]
    return (
        f"Money spent while the product could not be bought: {full} with full data, {clean} with clean-room data "
        f"(difference {_interval('differences.out_of_stock_spend_usd', 'usd_short')}, {_zero(gap)})."
    )


def _references(result: ComparisonResult) -> Iterator[str]:
    metric = result.verdict.metric
    style = "usd_short" if result.metrics[metric].unit == "usd" else "ratio"
    label = result.metrics[metric].label.lower()
    parts = [
        f"{result.modes[mode].label.lower()} {_interval(f'reference_differences.{key}.{metric}', style)}"
        for mode in BOTH
        if metric in result.reference_differences.get(key := f"{mode}_minus_status_quo", {})
    ]
    if parts:
        yield f"Against carrying on with the status-quo split, in {label}: {'; '.join(parts)}."
    losses = [
        f"{result.modes[mode].label.lower()} {{modes.{mode}.regret.regret_share.value|share}}"
        for mode in BOTH
        if (regret := result.modes[mode].regret) is not None and regret.regret_share is not None
    ]
    if losses:
        yield (
            f"Short of the oracle, which plans on the market's true response curves, in {label}: "
            f"{'; '.join(losses)}."
        )


def _beyond_the_oracle(result: ComparisonResult) -> Iterator[str]:
    """Nothing can beat the oracle on equal terms, so a plan that does makes the whole comparison doubtful."""
    for mode in BOTH:
        regret = result.modes[mode].regret
        if regret is not None and regret.regret is not None and regret.regret.high < 0:
            yield (
                f"Caution: the {_name(result, mode)} plan brings {{modes.{mode}.regret.regret.value||"
                f"{'usd_short' if result.metrics[result.verdict.metric].unit == 'usd' else 'ratio'}}} more than "
                "the oracle. It must have broken a limit or bought where the oracle may not, so the plans were not "
                "compared on equal terms."
            )


def _violations(result: ComparisonResult) -> str:
    broken = [
        _violation(result, mode, position, check)
        for mode in BOTH
        for position, check in enumerate(result.modes[mode].constraint_violations)
    ]
    if broken:
        return f"Limits of the brief that were broken in reality: {'; '.join(broken)}."
    judged = [_name(result, mode) for mode in BOTH if result.modes[mode].feasible]
    if not judged:
        return "No plan was carried out, so no limit of the brief was tested."
    at_risk = any(
        check.share_of_replicates_violated > 0
        for mode in BOTH
        for check in result.modes[mode].constraints_kept
    )
    often = " on average, though not in every replicate (see the table of limits)" if at_risk else ""
    plans = "Both plans keep" if len(judged) == len(BOTH) else f"The {judged[0]} plan keeps"
    return f"{plans} every limit of the brief{often}."


def _violation(result: ComparisonResult, mode: str, position: int, check: ConstraintCheck) -> str:
    path = f"modes.{mode}.constraint_violations.{position}"
    words = CONSTRAINT_WORDS.get(check.constraint, check.constraint)
    often = ""
    if check.varies_by_replicate:
        often = f" (in {{{path}.share_of_replicates_violated|percent}} of the replicates)"
    return f"the {_name(result, mode)} plan misses {words} by {{{path}.shortfall|{_style(check)}}}{often}"


def _style(check: ConstraintCheck) -> str:
    return {"usd": "usd", "share": "points"}.get(check.unit, check.unit)


def _infeasible(result: ComparisonResult) -> Iterator[str]:
    for mode in BOTH:
        reasons = range(len(result.modes[mode].infeasible_because))
        if reasons:
            listed = " ".join(f"{{modes.{mode}.infeasible_because.{place}|text}}" for place in reasons)
            yield f"The {_name(result, mode)} plan cannot be made: {listed}"


def _interval(path: str, style: str) -> str:
    return f"{{{path}.value|+{style}}} ({{{path}.low|+{style}}} to {{{path}.high|+{style}}})"


def _zero(gap: Difference) -> str:
    return "an interval that excludes 0" if gap.excludes_zero else "an interval that includes 0"


def _name(result: ComparisonResult, mode: str) -> str:
    return result.modes[mode].label.lower().replace(" ", "-")
