"""Sentences on what stands behind the comparison: field values, prices, regret by cause, and the two-by-two.

Templates with `{path|style}` for each figure, as in `summary`.
"""

from collections.abc import Iterator

from rmn_pipeline.comparison.result import Bounds, ComparisonResult, FieldValues

BOTH = ("full_data", "clean_room")
NET = "net_margin_usd"


def detail_sentences(result: ComparisonResult) -> Iterator[str]:
    """In the order of the page."""
    if result.field_values is not None:
        yield _shares(result.field_values)
        yield _prices(result.field_values)
        yield from _worthless(result.field_values)
    yield from _regret(result)
    yield from _ablation(result)


def _shares(values: FieldValues) -> str:
    game = values.games[values.objective_metric]
    path = f"field_values.games.{values.objective_metric}"
    parts = [
        f"{values.labels[name].lower()} {{{path}.shares.{name}.shapley.value|+usd_short}}"
        for name in _ranked(values, values.objective_metric)
    ]
    return (
        f"Where the difference in {game.label} comes from, field by field (exact Shapley shares; they sum to "
        f"{{{path}.gap.value|+usd_short}}): {'; '.join(parts)}."
    )


def _prices(values: FieldValues) -> str:
    sheet = "field_values.price_sheet"
    parts = [
        f"{values.labels[name].lower()} {{{sheet}.{name}.net_per_budget_dollar.value|+cents}} "
        f"({{{sheet}.{name}.net_per_budget_dollar.low|+cents}} to "
        f"{{{sheet}.{name}.net_per_budget_dollar.high|+cents}})"
        for name in _ranked(values, NET)
    ]
    return (
        "Price sheet: what a field is worth after the ads are paid for, per dollar of budget, and so the most that "
        f"the brand should give for it in this market: {'; '.join(parts)}."
    )


def _worthless(values: FieldValues) -> Iterator[str]:
    shares = values.games[NET].shares
    names = [values.labels[name].lower() for name, share in shares.items() if not _is_gain(share.shapley)]
    if len(names) == len(shares):
        yield "No withheld field is shown to be worth anything here once the ads are paid for."
    elif names:
        yield f"Not shown to be worth paying for here: {', '.join(names)}."


def _is_gain(bounds: Bounds) -> bool:
    return bounds.excludes_zero and bounds.value > 0


def _ranked(values: FieldValues, metric: str) -> list[str]:
    shares = values.games[metric].shares
    return sorted(shares, key=lambda name: -shares[name].shapley.value)


def _regret(result: ComparisonResult) -> Iterator[str]:
    parts = []
    for mode in BOTH:
        if result.modes[mode].regret_split is None:
            continue
        path = f"modes.{mode}.regret_split"
        parts.append(
            f"{result.modes[mode].label.lower()} {{{path}.total.value|usd_short}}, of which estimated curves "
            f"{{{path}.estimation.value|usd_short}}, misjudged limits "
            f"{{{path}.constraint_misjudgement.value|usd_short}}, experiments {{{path}.experiments.value|usd_short}}, "
            f"straight segments {{{path}.piecewise.value|usd_short}}"
        )
    if parts:
        yield f"What the plans miss of the oracle, by cause: {'; '.join(parts)}."


def _ablation(result: ComparisonResult) -> Iterator[str]:
    found = result.ablation
    if found is None:
        return
    refused = [place for place, cell in enumerate(found.cells) if not cell.brand_adapter and not cell.planned]
    if refused:
        yield (
            "Without the brand's own adapter the brief gives no plan "
            f"({{ablation.cells.{refused[0]}.refused_because|text}}), which counts as nothing."
        )
    elif all(cell.same_request for cell in found.cells):
        yield (
            "The brief is understood alike with and without the brand's own adapter: in this brief the adapter adds "
            "nothing, and the whole difference is the data's."
        )
        return
    yield (
        "Two by two: the data is worth {ablation.data_effect.value|+usd_short} "
        "({ablation.data_effect.low|+usd_short} to {ablation.data_effect.high|+usd_short}) whoever reads the brief, "
        "the brand's adapter {ablation.adapter_effect.value|+usd_short} "
        "({ablation.adapter_effect.low|+usd_short} to {ablation.adapter_effect.high|+usd_short}) whatever the data."
    )
