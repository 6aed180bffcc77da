"""comparison.html, .pdf, .json and .png: written together, or not at all.

The page is self-contained: style and charts are inside it and nothing is fetched. Every number on it is taken from
the JSON by its path, formatted, and marked with that path.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from rmn_pipeline.comparison.errors import ComparisonError
from rmn_pipeline.comparison.formats import NOTHING, difference_style, format_value, resolve_path
from rmn_pipeline.comparison.metrics import PREDICTION_METRICS, REALIZED_METRICS
from rmn_pipeline.comparison.page import PAGE, STYLE_SHEET
from rmn_pipeline.comparison.pdf import render_pdf
from rmn_pipeline.comparison.plots import chart_svgs, overview_png
from rmn_pipeline.comparison.result import Bounds, ComparisonResult, ConstraintCheck, Difference, ModeResult
from rmn_pipeline.comparison.summary import BOTH, CONSTRAINT_WORDS, FIGURE, summarize

CHARTS = (
    "outcomes", "differences", "budget", "forecast", "waterfall", "regret", "curves", "stock", "federation",
)  # fmt: skip
INTERACTIONS_SHOWN = 3
Figure = Callable[[str, str], Markup]
Row = dict[str, Any]

TILE_METRICS = ("incremental_margin_usd", "net_margin_usd", "iroas", "accuracy_by_arm")
OBJECTIVE_WORDS = {
    "incremental_margin": "incremental margin",
    "incremental_revenue": "incremental revenue",
    "roas": "return on ad spend",
}
JUDGED_IN = {
    "truth": "judged in a synthetic market with known truth",
    "model": "model-based: expected by the full-data model",
}
PREDICTED_ROWS = (
    ("spend_usd", "Ad spend", "usd"),
    ("iroas", "Incremental ROAS", "ratio"),
    ("incremental_revenue_usd", "Incremental revenue", "usd"),
    ("incremental_margin_usd", "Incremental margin", "usd"),
    ("net_margin_usd", "Margin net of ad spend", "usd"),
)


@dataclass(frozen=True)
class ReportFiles:
    """Where the files of a report lie."""

    html: Path
    json: Path
    png: Path
    pdf: Path


def render_report(result: ComparisonResult, out_dir: Path | str) -> ReportFiles:
    """Write the report into `out_dir`; existing files stay as they are until all new ones are complete."""
    folder = Path(out_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        contents = {
            "comparison.json": render_json(result).encode(),
            "comparison.png": overview_png(result),
            "comparison.html": render_html(result).encode(),
            "comparison.pdf": render_pdf(result),
        }
        _write_together(folder, contents)
    except OSError as error:
        raise ComparisonError(
            f"{folder}: the comparison report cannot be written ({error.strerror or error}); "
            "make the folder writable or choose another"
        ) from error
    return ReportFiles(
        html=folder / "comparison.html",
        json=folder / "comparison.json",
        png=folder / "comparison.png",
        pdf=folder / "comparison.pdf",
    )


def render_json(result: ComparisonResult) -> str:
    """The result as the text of comparison.json."""
    return result.model_dump_json(indent=1) + "\n"


def render_html(result: ComparisonResult) -> str:
    """The result as one self-contained page."""
    document = json.loads(result.model_dump_json())

    def figure(path: str, style: str) -> Markup:
        shown = format_value(resolve_path(document, path), style)
        template = '<span class="n" data-source="{}" data-style="{}" title="{}">{}</span>'
        if style == "text":
            template = '<span data-source="{}" data-style="{}" title="{}">{}</span>'
        return Markup(template).format(path, style, path, shown)

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=False)
    return environment.from_string(PAGE).render(
        result=result,
        figure=figure,
        style_sheet=Markup(STYLE_SHEET),
        charts=_charts(result),
        sentences=[_marked_up(sentence, figure) for sentence in summarize(result)],
        objective=OBJECTIVE_WORDS.get(result.request.objective or "incremental_margin"),
        tiles=[_tile(result, name, figure) for name in TILE_METRICS if name in result.differences],
        sections=list(_sections(result, figure)),
        differences=[_difference_row(result, name, figure) for name in result.differences],
        shifts=[_shift_row(place, figure) for place in range(len(result.sku_shifts))],
        limits=_limit_rows(result, figure),
        judged=_judged(result),
        sources=[_source_row(mode, figure) for mode in result.modes.values()],
        narrowing=_narrowing(result, figure),
        judged_in=JUDGED_IN[result.judged_by],
        values=_field_values(result, figure),
        cells=_ablation(result, figure),
        has_truth=any(panel.truth is not None for panel in result.curves),
    )


def _charts(result: ComparisonResult) -> Mapping[str, Markup | None]:
    drawn = chart_svgs(result)
    return {name: Markup(drawn[name]) if name in drawn else None for name in CHARTS}


def _marked_up(sentence: str, figure: Figure) -> Markup:
    parts, position = [], 0
    for match in FIGURE.finditer(sentence):
        parts += [escape(sentence[position : match.start()]), figure(match[1], match[2])]
        position = match.end()
    return Markup("").join([*parts, escape(sentence[position:])])


def _section_of(name: str) -> str:
    if name in REALIZED_METRICS:
        return "realized"
    return "prediction" if name in PREDICTION_METRICS else "regret"


def _tile(result: ComparisonResult, name: str, figure: Figure) -> Row:
    info, path = result.metrics[name], f"differences.{name}"
    style = "usd_short" if info.unit == "usd" else info.unit
    gap_style = "+usd_short" if info.unit == "usd" else difference_style(info.unit)
    full, clean = (figure(f"modes.{mode}.{_section_of(name)}.{name}.value", style) for mode in BOTH)
    return {
        "label": info.label,
        "full": full,
        "clean": clean,
        "gap": figure(f"{path}.value", gap_style),
        "low": figure(f"{path}.low", gap_style),
        "high": figure(f"{path}.high", gap_style),
        "zero": "excludes 0" if result.differences[name].excludes_zero else "includes 0",
    }


def _sections(result: ComparisonResult, figure: Figure) -> Iterator[Row]:
    modes = list(result.modes.values())
    yield {
        "title": "Forecast by the plan itself",
        "rows": [
            {
                "label": label,
                "description": "What the plan itself expected",
                "cells": [_plain_cell(mode, f"predicted.{name}", style, figure) for mode in modes],
            }
            for name, label, style in PREDICTED_ROWS
        ],
    }
    yield {"title": "Realized", "rows": _metric_rows(result, "realized", figure)}
    yield {"title": "Forecast against reality", "rows": _metric_rows(result, "prediction", figure)}
    yield {"title": "Against the oracle", "rows": _metric_rows(result, "regret", figure)}
    counts = (
        ("skus_funded", "Products funded", "count"),
        ("arms_funded", "Arms funded", "count"),
        ("experiment_spend_usd", "Set aside for experiments", "usd"),
    )
    yield {
        "title": "Breadth",
        "rows": [
            {
                "label": label,
                "description": "As planned",
                "cells": [_plain_cell(mode, name, style, figure) for mode in modes],
            }
            for name, label, style in counts
        ],
    }


def _plain_cell(mode: ModeResult, path: str, style: str, figure: Figure) -> Row:
    value = figure(f"modes.{mode.mode}.{path}", style) if mode.feasible else NOTHING
    return {"value": value, "low": None, "high": None}


def _metric_rows(result: ComparisonResult, section: str, figure: Figure) -> list[Row]:
    return [
        {
            "label": info.label,
            "description": info.description,
            "cells": [_cell(mode, section, name, info.unit, figure) for mode in result.modes.values()],
        }
        for name, info in result.metrics.items()
        if _section_of(name) == section
    ]


def _cell(mode: ModeResult, section: str, name: str, style: str, figure: Figure) -> Row:
    estimate = getattr(getattr(mode, section), name, None)
    if estimate is None:
        return {"value": NOTHING, "low": None, "high": None}
    path = f"modes.{mode.mode}.{section}.{name}"
    certain = estimate.low == estimate.high
    return {
        "value": figure(f"{path}.value", style),
        "low": None if certain else figure(f"{path}.low", style),
        "high": None if certain else figure(f"{path}.high", style),
    }


def _difference_row(result: ComparisonResult, name: str, figure: Figure) -> Row:
    info, gap, path = result.metrics[name], result.differences[name], f"differences.{name}"
    style = difference_style(info.unit)
    meaningful = info.unit != "share" and gap.relative is not None
    return {
        "label": info.label,
        "description": info.description,
        "value": figure(f"{path}.value", style),
        "low": figure(f"{path}.low", style),
        "high": figure(f"{path}.high", style),
        "relative": figure(f"{path}.relative", "+share") if meaningful else NOTHING,
        "reading": _reading(gap),
    }


def _reading(gap: Difference) -> Markup:
    if gap.favours is not None:
        colour, words = ("full", "full data") if gap.favours == "full_data" else ("clean", "clean room")
        return Markup('<b class="{}">{} does better</b>').format(colour, words)
    if gap.low == gap.high == 0:
        return Markup('<span class="quiet">equal</span>')
    return Markup('<span class="quiet">{}</span>').format(
        "differs; neither direction is better in itself" if gap.excludes_zero else "interval includes 0"
    )


def _shift_row(place: int, figure: Figure) -> Row:
    path = f"sku_shifts.{place}"
    return {
        "title": figure(f"{path}.title", "text"),
        "line": figure(f"{path}.line_id", "text"),
        "full": figure(f"{path}.full_data_spend_usd", "usd"),
        "clean": figure(f"{path}.clean_room_spend_usd", "usd"),
        "spend": figure(f"{path}.spend_difference_usd", "+usd"),
        "margin": figure(f"{path}.net_margin_difference_usd", "+usd"),
        "rate": figure(f"{path}.margin_per_revenue", "share"),
    }


def _limit_rows(result: ComparisonResult, figure: Figure) -> list[Row]:
    """One row per limit, one cell per plan that was carried out."""
    judged = _judged(result)
    rows: dict[tuple[str, str], Row] = {}
    for column, mode in enumerate(judged):
        for kind in ("constraint_violations", "constraints_kept"):
            for place, check in enumerate(getattr(mode, kind)):
                path = f"modes.{mode.mode}.{kind}.{place}"
                key = (check.constraint, check.scope)
                row = rows.setdefault(key, _limit_row(check, path, len(judged), figure))
                row["cells"][column] = _limit_cell(check, path, figure)
    order = list(CONSTRAINT_WORDS)
    return [rows[key] for key in sorted(rows, key=lambda key: (order.index(key[0]), key[1]))]


def _judged(result: ComparisonResult) -> list[ModeResult]:
    return [mode for mode in result.modes.values() if mode.feasible]


def _limit_row(check: ConstraintCheck, path: str, columns: int, figure: Figure) -> Row:
    cells: list[Row | None] = [None] * columns
    return {
        "limit": _capital(CONSTRAINT_WORDS[check.constraint].removeprefix("the ")),
        "scope": figure(f"{path}.scope", "text"),
        "sense": "≥" if check.sense == "at_least" else "≤",
        "asked": figure(f"{path}.limit", check.unit),
        "cells": cells,
    }


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _limit_cell(check: ConstraintCheck, path: str, figure: Figure) -> Row:
    shortfall_style = "points" if check.unit == "share" else check.unit
    uncertain = check.varies_by_replicate and check.share_of_replicates_violated > 0
    return {
        "value": figure(f"{path}.realized", check.unit),
        "missed": figure(f"{path}.shortfall", shortfall_style) if check.shortfall > 0 else None,
        "often": figure(f"{path}.share_of_replicates_violated", "percent") if uncertain else None,
    }


def _source_row(mode: ModeResult, figure: Figure) -> Row:
    return {
        "plan": mode.label,
        "blocked": mode.blocked_fields,
        "adapters": mode.adapters_used,
        "binding": mode.binding,
        "notes": [figure(f"modes.{mode.mode}.notes.{place}", "text") for place in range(len(mode.notes))],
        "infeasible": mode.infeasible_because if not mode.feasible else (),
        "gap": figure(f"modes.{mode.mode}.certified_gap", "fine_share")
        if mode.certified_gap is not None
        else NOTHING,
    }


def _narrowing(result: ComparisonResult, figure: Figure) -> Row | None:
    """How much the pairing buys on the verdict's metric."""
    name = result.verdict.metric
    gap = result.differences.get(name)
    if gap is None:
        return None
    style = "usd" if result.metrics[name].unit == "usd" else "ratio"
    return {
        "label": result.metrics[name].label.lower(),
        "half": figure(f"differences.{name}.half_width", f"|{style}"),
        "unpaired": figure(f"differences.{name}.unpaired_half_width", f"|{style}"),
    }


def _field_values(result: ComparisonResult, figure: Figure) -> Row | None:
    """The price sheet's rows and the strongest interactions."""
    values = result.field_values
    if values is None:
        return None
    net = values.games["net_margin_usd"]
    order = sorted(range(len(net.interactions)), key=lambda place: -abs(net.interactions[place].value.value))
    clear = [place for place in order if net.interactions[place].value.excludes_zero]
    return {
        "label": values.games[values.objective_metric].label,
        "rows": [
            {
                "label": values.labels[name],
                "cells": [
                    _bounds_cell(f"field_values.{path}", style, figure)
                    for path, style in (
                        (f"games.{values.objective_metric}.shares.{name}.shapley", "+usd_short"),
                        (f"games.net_margin_usd.shares.{name}.shapley", "+usd_short"),
                        (f"price_sheet.{name}.net_per_budget_dollar", "+cents"),
                        (f"price_sheet.{name}.alone_per_budget_dollar", "+cents"),
                        (f"price_sheet.{name}.last_per_budget_dollar", "+cents"),
                    )
                ],
                "reading": _price_reading(net.shares[name].shapley),
            }
            for name in values.fields
        ],
        "interactions": [
            {
                "first": values.labels[net.interactions[place].first].lower(),
                "second": values.labels[net.interactions[place].second].lower(),
                **_bounds_cell(
                    f"field_values.games.net_margin_usd.interactions.{place}.value", "+usd_short", figure
                ),
            }
            for place in clear[:INTERACTIONS_SHOWN]
        ],
    }


def _bounds_cell(path: str, style: str, figure: Figure) -> Row:
    return {part: figure(f"{path}.{part}", style) for part in ("value", "low", "high")}


def _price_reading(net: Bounds) -> Markup:
    if not net.excludes_zero:
        return Markup('<span class="quiet">interval includes 0</span>')
    return Markup("<b>worth asking for</b>") if net.value > 0 else Markup("<b>not worth its place here</b>")


def _ablation(result: ComparisonResult, figure: Figure) -> Row | None:
    if result.ablation is None:
        return None
    rows = []
    for place, cell in enumerate(result.ablation.cells):
        path = f"ablation.cells.{place}"
        understood: Markup | str = "as with the adapter" if cell.same_request else "differently"
        if not cell.planned:
            understood = Markup('<span class="broken">no plan:</span> {}').format(
                figure(f"{path}.refused_because", "text")
            )
        rows.append(
            {
                "data": result.modes[cell.data].label,
                "adapter": "with" if cell.brand_adapter else "without",
                "understood": understood,
                "objective": figure(f"{path}.objective.value", "usd_short"),
                "net": figure(f"{path}.net_margin_usd.value", "usd_short"),
            }
        )
    return {"label": result.metrics[result.ablation.metric].label, "rows": rows}


def _write_together(folder: Path, contents: Mapping[str, bytes]) -> None:
    """All files under temporary names first, then renamed: a failure before that leaves the old report whole."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".comparison-") as staging:
        for name, content in contents.items():
            (Path(staging) / name).write_bytes(content)
        for name in contents:
            (Path(staging) / name).replace(folder / name)
