"""The comparison as a plain-text table for a terminal."""

from collections.abc import Iterable

from rmn_pipeline.comparison.formats import MINUS, NOTHING, difference_style, format_value
from rmn_pipeline.comparison.result import ComparisonResult, Difference, Estimate, ModeResult

COLUMNS = (
    ("spend_usd", "Spend", "usd"),
    ("iroas", "iROAS", "ratio"),
    ("incremental_revenue_usd", "Incr. revenue", "usd"),
    ("incremental_margin_usd", "Incr. margin", "usd"),
    ("net_margin_usd", "Net margin", "usd"),
    ("accuracy_by_arm", "Accuracy", "share"),
    ("out_of_stock_spend_usd", "Out-of-stock", "usd"),
)


def format_table(results: Iterable[ComparisonResult]) -> str:
    """One block per brand: a row per plan, then full data minus clean room with its 95 % interval."""
    return "\n\n".join(_block(result) for result in results)


def _block(result: ComparisonResult) -> str:
    rows = [["Plan", "iROAS plan", *(label for _, label, _ in COLUMNS), "SKUs", "Limits broken"]]
    rows.extend(_row(mode) for mode in result.modes.values())
    if result.differences:
        rows.append(_difference_row(result, f"Full {MINUS} clean", "value"))
        rows.append(_difference_row(result, "  95 % from", "low"))
        rows.append(_difference_row(result, "  95 % to", "high"))
    heading = (
        f"{result.brand_id}: {result.weeks} weeks from {result.start_date}, budget "
        f"{format_value(result.request.budget_usd, 'usd')}, {result.replicates} replicates"
    )
    winner = {
        "full_data": "full data wins",
        "clean_room": "clean room wins",
        "mixed": "mixed",
        "neither": "no difference shown",
        "undecided": "no winner",
    }[result.verdict.winner]
    notes = [f"Verdict: {winner}; {result.verdict.reason}"]
    notes.extend(
        f"{mode.label} is infeasible: {' '.join(mode.infeasible_because)}"
        for mode in result.modes.values()
        if not mode.feasible
    )
    return "\n".join([heading, *_aligned(rows), *notes])


def _row(mode: ModeResult) -> list[str]:
    if mode.realized is None or mode.predicted is None:
        return [mode.label, "infeasible", *[NOTHING] * len(COLUMNS), NOTHING, NOTHING]
    return [
        mode.label,
        format_value(mode.predicted.iroas, "ratio"),
        *(_cell(mode, name, style) for name, _, style in COLUMNS),
        str(mode.skus_funded),
        str(len(mode.constraint_violations)),
    ]


def _cell(mode: ModeResult, name: str, style: str) -> str:
    section = mode.prediction if name == "accuracy_by_arm" else mode.realized
    estimate: Estimate | None = getattr(section, name)
    return format_value(estimate.value if estimate else None, style)


def _difference_row(result: ComparisonResult, label: str, part: str) -> list[str]:
    cells = [label, ""]
    for name, _, _ in COLUMNS:
        gap: Difference | None = result.differences.get(name)
        style = difference_style(result.metrics[name].unit)
        cells.append(format_value(getattr(gap, part) if gap else None, style))
    return [*cells, "", ""]


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]
