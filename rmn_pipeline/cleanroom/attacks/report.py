"""The attack report: JSON for machines, one self-contained HTML page for people, a table for terminals."""

from __future__ import annotations

import datetime
import importlib.metadata
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rmn_pipeline.cleanroom.attacks.result import AttackResult
from rmn_pipeline.cleanroom.attacks.targets import SHIPPED_TERMS

LIBRARIES = ("opendp", "duckdb", "sqlglot", "polars", "scipy")
# Blue and vermilion of Okabe and Ito's palette, distinct for every common form of colour blindness.
_ROOM_COLOUR, _CONTROL_COLOUR = "#0072B2", "#D55E00"


@dataclass(frozen=True)
class ReportFiles:
    """Where a report was written."""

    json: Path
    html: Path


def write_report(results: Sequence[AttackResult], folder: Path, size: str) -> ReportFiles:
    """Write `attacks.json` and `attacks.html`; each appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    summary = summarize(results, size)
    files = ReportFiles(json=folder / "attacks.json", html=folder / "attacks.html")
    _write(files.json, json.dumps(summary, indent=1, ensure_ascii=False))
    _write(files.html, _page(summary, _inline_svg(plot(results, "svg"))))
    return files


def summarize(results: Sequence[AttackResult], size: str) -> dict[str, Any]:
    """The report's content."""
    terms = {name: SHIPPED_TERMS[name] for name in ("k", "epsilon_total", "epsilon_per_query", "delta")}
    return {
        "size": size,
        "made_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "all_hold": all(result.holds for result in results),
        "terms": terms,
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "results": [{**asdict(result), "holds": result.holds} for result in results],
    }


def markdown_table(results: Sequence[AttackResult]) -> str:
    """The results as a Markdown table."""
    lines = [
        "| attack | measure | control | room | pass line | verdict | s |",
        "| --- | --- | ---: | ---: | --- | --- | ---: |",
    ]
    lines += [
        f"| {result.name} | {result.measure} | {result.control_success:.4g} | {result.protected_success:.4g} "
        f"| {result.pass_line} | {_verdict(result)} | {result.seconds:.0f} |"
        for result in results
    ]
    return "\n".join(lines)


def plot(results: Sequence[AttackResult], file_format: Literal["svg", "png"]) -> bytes:
    """Control, room and pass line of every attack, each row on a scale of its own."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 0.42 * len(results) + 1.0), layout="constrained")
    axis = figure.subplots()
    for row, result in enumerate(reversed(results)):
        largest = max(result.control_success, result.protected_success, result.limit) or 1.0
        control, room, limit = (
            value / largest for value in (result.control_success, result.protected_success, result.limit)
        )
        axis.plot([0, 1], [row, row], color="#d9dee3", linewidth=1, zorder=1)
        axis.plot([limit, limit], [row - 0.3, row + 0.3], color="black", linewidth=1.5, zorder=2)
        axis.scatter([control], [row], color=_CONTROL_COLOUR, marker="D", s=42, zorder=3)
        axis.scatter([room], [row], color=_ROOM_COLOUR, s=46, zorder=4)
        axis.text(
            1.03,
            row,
            f"{result.protected_success:.3g} of {result.control_success:.3g}",
            va="center",
            fontsize=8,
        )
    axis.set_yticks(
        range(len(results)), [result.name.replace("_", " ") for result in reversed(results)], fontsize=9
    )
    axis.set_xlim(-0.03, 1.22)
    axis.set_xticks([])
    axis.spines[["top", "right", "bottom", "left"]].set_visible(False)
    axis.set_title(
        "Success of the attack on the room (blue circle) and on the control (orange diamond); black: the pass line",
        loc="left",
        fontsize=9,
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format=file_format, dpi=110)
    return buffer.getvalue()


def _inline_svg(drawing: bytes) -> str:
    """The drawing without the declarations that only a file of its own may begin with."""
    text = drawing.decode()
    return text[text.index("<svg") :]


def _verdict(result: AttackResult) -> str:
    if not result.control_passed:
        return "control failed"
    return "holds" if result.passed else "BROKEN"


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(path.suffix + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _page(summary: dict[str, Any], svg: str) -> str:
    from jinja2 import Environment, select_autoescape
    from markupsafe import Markup

    environment = Environment(autoescape=select_autoescape(default_for_string=True))
    environment.filters["figure"] = lambda value: f"{value:.4g}" if isinstance(value, float) else str(value)
    # The drawing is made here from numbers and names of this package: nothing of it comes from outside.
    return environment.from_string(_TEMPLATE).render(summary=summary, plot=Markup(svg))


_TEMPLATE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Attacks on the clean room</title><style>
body { margin:0; color:#1f2933; font:15px/1.5 "Segoe UI","Helvetica Neue",Arial,sans-serif; }
main { max-width:1080px; margin:0 auto; padding:32px 26px 60px; }
h1 { font-size:27px; margin:0 0 6px; } h2 { font-size:18px; margin:34px 0 6px; }
p { max-width:100ch; margin:8px 0; } .soft { color:#52606d; font-size:13.5px; }
.verdict { border-left:6px solid {{ "#0072B2" if summary.all_hold else "#a40000" }}; background:#f5f7f9;
  padding:12px 18px; font-weight:600; font-size:17px; }
table { border-collapse:collapse; width:100%; font-size:13.5px; margin:12px 0; }
th, td { text-align:left; padding:5px 8px; border-bottom:1px solid #d9dee3; vertical-align:top; }
td.n, th.n { text-align:right; font-variant-numeric:tabular-nums; white-space:nowrap; }
.broken { color:#a40000; font-weight:650; } svg { width:100%; height:auto; } .scroll { overflow-x:auto; }
dl { display:grid; grid-template-columns:max-content 1fr; gap:2px 14px; font-size:13px; } dd { margin:0; }
</style></head><body><main>
<h1>Attacks on the clean room</h1>
<p class="soft">Made {{ summary.made_at }}, {{ summary.size }} size. Shipped terms: k {{ summary.terms.k }}, total ε
{{ summary.terms.epsilon_total }}, at most {{ summary.terms.epsilon_per_query }} per request, δ
{{ summary.terms.delta }}. {% for name, version in summary.libraries.items() %}{{ name }} {{ version }}{{ "" if
loop.last else ", " }}{% endfor %}.</p>
<p class="verdict">{% if summary.all_hold %}Every attack succeeds on its unprotected control and fails on the room.{%
else %}Not every line holds: see the table.{% endif %}</p>
<figure style="margin:18px 0">{{ plot }}</figure>
<div class="scroll"><table><thead><tr><th>Attack</th><th>Measure</th><th class="n">Control</th><th class="n">Room</th>
<th>Pass line</th><th>Verdict</th><th class="n">Seconds</th></tr></thead><tbody>
{% for result in summary.results %}<tr><td><b>{{ result.name | replace("_", " ") }}</b><br>
<span class="soft">{{ result.what }}</span></td><td>{{ result.measure }}</td>
<td class="n">{{ result.control_success | figure }}</td><td class="n">{{ result.protected_success | figure }}</td>
<td>{{ result.pass_line }}</td><td{% if not result.holds %} class="broken"{% endif %}>{{ "holds" if result.holds else
("broken" if result.control_passed else "control failed") }}</td><td class="n">{{ result.seconds | figure }}</td></tr>
{% endfor %}</tbody></table></div>
<h2>Figures behind the table</h2>
{% for result in summary.results %}<h2>{{ result.name | replace("_", " ") }}</h2><dl>
{% for name, value in result.sizes.items() %}<dt>{{ name | replace("_", " ") }}</dt><dd>{{ value | figure }}</dd>{%
endfor %}{% for name, value in result.details.items() %}<dt>{{ name }}</dt><dd>{{ value | figure }}</dd>{% endfor %}
</dl>{% endfor %}
<p class="soft">A control that fails shows nothing. What these attacks do not cover stands in docs/clean-room.md.</p>
</main></body></html>
"""
