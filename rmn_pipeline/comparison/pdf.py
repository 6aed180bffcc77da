"""The report as PDF: the same figures and charts as the page, laid out for paper.

Every number is taken from the result's JSON by its path, as on the page. Type is DejaVu, which matplotlib brings along,
so that minus signs and relations print everywhere; nothing is read from the system.
"""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from rmn_pipeline.comparison.chart_style import BOTH, MODE_COLOURS
from rmn_pipeline.comparison.formats import NOTHING, difference_style, format_value, resolve_path
from rmn_pipeline.comparison.metrics import PREDICTION_METRICS, REALIZED_METRICS
from rmn_pipeline.comparison.plots import chart_pngs
from rmn_pipeline.comparison.result import ComparisonResult
from rmn_pipeline.comparison.summary import fill, summarize

CONTENT_WIDTH_MM = 182.0
CHART_DPI = 150
SECTIONS = (
    ("outcomes", "What each plan brought in"),
    ("waterfall", "What each withheld field is worth"),
    ("regret", "What the plans miss of the oracle, by cause"),
    ("differences", "Full data minus clean room"),
    ("budget", "Where the money goes"),
    ("curves", "What the planners believed"),
    ("forecast", "Forecast against reality, arm by arm"),
    ("stock", "Stock behind the money"),
    ("federation", "Who read the brief"),
)
CAPTIONS = {
    "outcomes": "Bars: realized, mean over replicates, with intervals. White diamonds: the plan's own forecast.",
    "waterfall": "Exact Shapley shares over all combinations of visible fields. Green: worth something; red: costs "
    "something; grey: the interval includes 0. The axes do not start at 0.",
    "regret": "A plan that breaks a true limit can gain by it; the violations stand in the table of limits.",
    "differences": "Paired intervals. Blue: full data does better; orange: the clean room; grey: includes 0.",
    "budget": "Ad spend over the whole horizon, experiments included.",
    "curves": "Lines: posterior mean; bands: nine tenths of the posterior; dots: what each plan spends; dashed: truth, "
    "where there is one.",
    "forecast": "One point per funded arm; on the line the forecast came true.",
    "stock": "History, week by week.",
    "federation": "Adapters on the base model when the brief was read, per plan.",
}
INK, SOFT, LINE = "#1f2933", "#52606d", "#d9dee3"


def render_pdf(result: ComparisonResult) -> bytes:
    """The whole report as one PDF file; the same result gives the same bytes."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.platypus import SimpleDocTemplate

    _register_fonts()
    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer, pagesize=A4, leftMargin=14 * mm, rightMargin=14 * mm, topMargin=15 * mm, bottomMargin=16 * mm,
        title=f"What the withheld data is worth: {result.brand_id}", author="rmn_pipeline", invariant=1,
    )  # fmt: skip
    document.build(list(_story(result)), onFirstPage=_footer, onLaterPages=_footer)
    return buffer.getvalue()


def _register_fonts() -> None:
    import matplotlib
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    if "Report" not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(TTFont("Report", str(folder / "DejaVuSans.ttf")))
        pdfmetrics.registerFont(TTFont("Report-Bold", str(folder / "DejaVuSans-Bold.ttf")))
        pdfmetrics.registerFontFamily(
            "Report", normal="Report", bold="Report-Bold", italic="Report", boldItalic="Report-Bold"
        )


def _footer(canvas: Any, document: Any) -> None:
    canvas.saveState()
    canvas.setFont("Report", 7)
    canvas.setFillColor(SOFT)
    canvas.drawString(document.leftMargin, 26, document.title)
    canvas.drawRightString(document.pagesize[0] - document.rightMargin, 26, str(document.page))
    canvas.restoreState()


def _style(size: float, **options: Any) -> Any:
    from reportlab.lib.styles import ParagraphStyle

    known = {
        "fontName": "Report",
        "textColor": INK,
        "fontSize": size,
        "leading": 1.38 * size,
        "spaceAfter": 3,
    }
    return ParagraphStyle("text", **(known | options))


def _story(result: ComparisonResult) -> Iterator[Any]:
    from reportlab.platypus import CondPageBreak, Paragraph, Spacer

    document = json.loads(result.model_dump_json())

    def figure(path: str, style: str) -> str:
        return format_value(resolve_path(document, path), style)

    yield from _heading(result, figure)
    sentences = [escape(fill(template, figure)) for template in summarize(result)]
    yield _verdict(sentences[0], result.verdict.winner)
    for sentence in sentences[1:]:
        yield Paragraph(sentence, _style(8.2, leftIndent=9, bulletIndent=0), bulletText="•")
    yield Spacer(1, 6)
    charts = chart_pngs(result, CHART_DPI)
    for name, title in SECTIONS:
        if name not in charts:
            continue
        yield _chart(title, charts[name], CAPTIONS[name])
        if name == "outcomes":
            yield from _plans_table(result, figure)
        if name == "waterfall":
            yield from _price_table(result, figure)
        if name == "differences":
            yield from _differences_table(result, figure)
    yield CondPageBreak(120)
    yield from _limits_table(result, figure)
    yield from _small_print(result)


def _heading(result: ComparisonResult, figure: Any) -> Iterator[Any]:
    from reportlab.platypus import HRFlowable, Paragraph

    kind = (
        "model-based, no truth known"
        if result.judged_by == "model"
        else "judged in a market with known truth"
    )
    yield Paragraph("RETAIL MEDIA · FULL DATA AGAINST CLEAN ROOM", _style(7, textColor=SOFT))
    yield Paragraph(
        f"What the withheld data is worth to {escape(result.brand_id)}",
        _style(18, fontName="Report-Bold", spaceAfter=4),
    )
    yield Paragraph(
        f"{figure('weeks', 'count')} weeks from {figure('start_date', 'text')} · budget up to "
        f"{figure('request.budget_usd', 'usd')} · {figure('replicates', 'count')} replicates · {kind}",
        _style(8, textColor=SOFT),
    )
    yield HRFlowable(width="100%", thickness=1.6, color=INK, spaceAfter=8)


def _verdict(text: str, winner: str) -> Any:
    from reportlab.platypus import Paragraph, Table, TableStyle

    style = _style(11, fontName="Report-Bold", spaceAfter=0)
    table = Table([[Paragraph(text, style)]], colWidths=[CONTENT_WIDTH_MM * 72 / 25.4], spaceAfter=8)
    table.setStyle(
        TableStyle(
            [
                ("BACKGROUND", (0, 0), (-1, -1), "#f5f7f9"),
                ("LINEBEFORE", (0, 0), (0, -1), 4, MODE_COLOURS.get(winner, SOFT)),
                ("LEFTPADDING", (0, 0), (-1, -1), 12),
                ("TOPPADDING", (0, 0), (-1, -1), 8),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 8),
            ]
        )
    )
    return table


def _title(text: str) -> Any:
    from reportlab.platypus import Paragraph

    return Paragraph(text, _style(12, fontName="Report-Bold", spaceBefore=10, spaceAfter=4, keepWithNext=1))


def _chart(title: str, content: bytes, caption: str) -> Any:
    from reportlab.lib.units import mm
    from reportlab.lib.utils import ImageReader
    from reportlab.platypus import Image, KeepTogether, Paragraph

    width, height = ImageReader(io.BytesIO(content)).getSize()
    shown = CONTENT_WIDTH_MM * mm
    picture = Image(io.BytesIO(content), width=shown, height=shown * height / width)
    return KeepTogether([_title(title), picture, Paragraph(caption, _style(7.5, textColor=SOFT))])


def _table(rows: list[list[str]], first_width: float) -> Any:
    from reportlab.platypus import Paragraph, Table, TableStyle

    full = CONTENT_WIDTH_MM * 72 / 25.4
    others = (full - first_width) / (len(rows[0]) - 1)
    words = _style(7, spaceAfter=0)
    numbers = _style(7, spaceAfter=0, alignment=2)
    heads = _style(7, spaceAfter=0, alignment=2, fontName="Report-Bold")
    cells = [
        [
            Paragraph(text, words if column == 0 else (heads if place == 0 else numbers))
            for column, text in enumerate(row)
        ]
        for place, row in enumerate(rows)
    ]
    table = Table(cells, colWidths=[first_width, *[others] * (len(rows[0]) - 1)], repeatRows=1, spaceAfter=4)
    table.setStyle(
        TableStyle(
            [
                ("LINEBELOW", (0, 0), (-1, 0), 1.0, INK),
                ("LINEBELOW", (0, 1), (-1, -1), 0.4, LINE),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LEFTPADDING", (0, 0), (-1, -1), 2),
                ("RIGHTPADDING", (0, 0), (-1, -1), 3),
                ("TOPPADDING", (0, 0), (-1, -1), 2),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
            ]
        )
    )
    return table


def _ranged(figure: Any, path: str, style: str, certain: bool = False) -> str:
    value = figure(f"{path}.value", style)
    if certain:
        return str(value)
    low, high = figure(f"{path}.low", style), figure(f"{path}.high", style)
    return f'{value}<br/><font size="5.6" color="{SOFT}">{low} to {high}</font>'


def _plans_table(result: ComparisonResult, figure: Any) -> Iterator[Any]:
    modes = list(result.modes.values())
    rows = [["", *(escape(mode.label) for mode in modes)]]
    for section, names in (("realized", REALIZED_METRICS), ("prediction", PREDICTION_METRICS)):
        for name in names:
            info, cells = result.metrics[name], []
            for mode in modes:
                found = getattr(getattr(mode, section), name, None)
                path = f"modes.{mode.mode}.{section}.{name}"
                cells.append(
                    NOTHING if found is None else _ranged(figure, path, info.unit, found.low == found.high)
                )
            rows.append([escape(info.label), *cells])
    yield _title("All plans side by side")
    yield _table(rows, 128)


def _price_table(result: ComparisonResult, figure: Any) -> Iterator[Any]:
    values = result.field_values
    if values is None:
        return
    objective = values.games[values.objective_metric].label
    rows = [["Field", f"Share of {objective}", "Share of net margin", "Price on average", "Alone", "Last"]]
    for name in values.fields:
        games, sheet = "field_values.games", f"field_values.price_sheet.{name}"
        rows.append(
            [
                escape(values.labels[name]),
                _ranged(figure, f"{games}.{values.objective_metric}.shares.{name}.shapley", "+usd_short"),
                _ranged(figure, f"{games}.net_margin_usd.shares.{name}.shapley", "+usd_short"),
                *(
                    _ranged(figure, f"{sheet}.{part}_per_budget_dollar", "+cents")
                    for part in ("net", "alone", "last")
                ),
            ]
        )
    yield _title("Price sheet: US cents of net margin per dollar of budget")
    yield _table(rows, 110)


def _differences_table(result: ComparisonResult, figure: Any) -> Iterator[Any]:
    rows = [["Metric", "Difference", "From", "To", "Does better"]]
    for name, gap in result.differences.items():
        style = difference_style(result.metrics[name].unit)
        better = "" if gap.favours is None else escape(result.modes[gap.favours].label)
        rows.append(
            [
                escape(result.metrics[name].label),
                *(figure(f"differences.{name}.{part}", style) for part in ("value", "low", "high")),
                better,
            ]
        )
    yield _table(rows, 190)


def _limits_table(result: ComparisonResult, figure: Any) -> Iterator[Any]:
    rows = [["Limit", "Plan", "Asked", "Realized", "Missed by", "Replicates that broke it"]]
    for mode in BOTH:
        for kind in ("constraint_violations", "constraints_kept"):
            for place, check in enumerate(getattr(result.modes[mode], kind)):
                path = f"modes.{mode}.{kind}.{place}"
                rows.append(
                    [
                        escape(f"{check.constraint} ({check.scope})"),
                        escape(result.modes[mode].label),
                        figure(f"{path}.limit", check.unit),
                        figure(f"{path}.realized", check.unit),
                        figure(f"{path}.shortfall", check.unit) if check.shortfall > 0 else "kept",
                        figure(f"{path}.share_of_replicates_violated", "percent"),
                    ]
                )
    if len(rows) > 1:
        yield _title("Limits of the brief, held against reality")
        yield _table(rows, 190)


def _small_print(result: ComparisonResult) -> Iterator[Any]:
    from reportlab.platypus import Paragraph

    small = _style(7.5, textColor=SOFT)
    yield _title("How this was measured, and what it does not prove")
    if result.judged_by == "model":
        yield Paragraph(
            "Every plan was carried out on posterior draws of the full-data model's curves: what that model gets "
            "wrong, this report gets wrong, and it leans towards the plan that the same model made.",
            small,
        )
    else:
        yield Paragraph(
            "Every plan was carried out on fresh weeks of a synthetic market whose response is known to the judge "
            "alone. The size of a difference here is no forecast for a real brand.",
            small,
        )
    yield Paragraph(
        f"{escape(result.interval_method)} Intervals cover the luck of the weeks to come in this one market, not other "
        "histories, another draw of the clean room's noise, or other markets.",
        small,
    )
    package = result.provenance.package_version
    yield Paragraph(
        f"rmn_pipeline {escape(package)} · generated {result.generated_at:%Y-%m-%d %H:%M} UTC", small
    )
