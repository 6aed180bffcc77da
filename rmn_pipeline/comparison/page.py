"""The report's page: its template and its style sheet. What it says is computed in `summary` and `report`.

`figure(path, style)` writes one number and names its place in comparison.json in a `data-source` attribute.
"""

STYLE_SHEET = """
:root { --ink:#1f2933; --soft:#52606d; --line:#d9dee3; --wash:#f5f7f9; --full:#0072b2; --clean:#d55e00; }
* { box-sizing:border-box; }
body { margin:0; color:var(--ink); background:#fff; font:15px/1.5 "Segoe UI","Helvetica Neue",Arial,sans-serif; }
main { max-width:1080px; margin:0 auto; padding:34px 28px 60px; }
header { border-bottom:3px solid var(--ink); padding-bottom:16px; margin-bottom:22px; }
h1 { font-size:29px; line-height:1.2; margin:0 0 6px; letter-spacing:-.3px; }
h2 { font-size:19px; margin:40px 0 4px; }
h2 + p { margin-top:0; }
p { margin:8px 0; max-width:100ch; }
.kicker { text-transform:uppercase; letter-spacing:1.4px; font-size:12px; color:var(--soft); margin:0 0 6px; }
.facts, .note, figcaption, footer { color:var(--soft); font-size:13.5px; }
.facts { margin:0; max-width:none; }
.verdict { background:var(--wash); border-left:6px solid var(--soft); padding:14px 20px 12px; margin:0 0 18px; }
.verdict.full_data { border-color:var(--full); } .verdict.clean_room { border-color:var(--clean); }
.verdict p { font-size:18px; line-height:1.45; margin:0; max-width:none; font-weight:600; }
ul.summary { padding-left:20px; margin:0; } ul.summary li { margin:6px 0; max-width:112ch; }
.tiles { display:grid; grid-template-columns:repeat(4,1fr); gap:14px; margin:24px 0 6px; }
.tile { border:1px solid var(--line); border-top:3px solid var(--ink); padding:11px 14px 12px; }
.tile h3 { font-size:13px; font-weight:600; color:var(--soft); margin:0 0 6px; line-height:1.3; min-height:34px; }
.tile .both { display:flex; justify-content:space-between; gap:8px; }
.tile .both div { font-size:21px; font-weight:650; line-height:1.2; white-space:nowrap; }
.tile .both small { display:block; font-size:11.5px; font-weight:600; }
.tile .gap { margin:9px 0 0; padding-top:7px; border-top:1px solid var(--line); font-size:13px; line-height:1.4; }
.full { color:var(--full); } .clean { color:var(--clean); }
td .note { display:block; font-size:12px; margin-top:3px; }
figure { margin:14px 0 0; } figure svg { width:100%; height:auto; display:block; }
figure svg text { font-family:"Segoe UI","Helvetica Neue",Arial,sans-serif !important; }
figcaption { margin-top:4px; max-width:118ch; }
table { border-collapse:collapse; width:100%; margin:12px 0 4px; font-size:13.5px; }
th, td { padding:5px 8px; text-align:right; border-bottom:1px solid var(--line); vertical-align:top; }
th { font-weight:650; } thead th { border-bottom:2px solid var(--ink); vertical-align:bottom; }
th:first-child, td:first-child { text-align:left; padding-left:0; }
td.words, th.words { text-align:left; }
tbody tr.section th { padding-top:14px; color:var(--soft); font-size:12px; text-transform:uppercase;
  letter-spacing:1px; }
td, .n { font-variant-numeric:tabular-nums; } .n { white-space:nowrap; }
td:first-child { min-width:84px; }
td .range { display:block; color:var(--soft); font-size:11.5px; white-space:nowrap; }
.scroll { overflow-x:auto; }
.limits td .range { white-space:normal; } .limits td.words { min-width:120px; }
.broken, td .range.broken { color:#a40000; font-weight:650; } .quiet { color:var(--soft); }
.tag { display:inline-block; background:var(--wash); border:1px solid var(--line); border-radius:3px;
  padding:0 6px; margin:1px 3px 1px 0; font-size:12.5px; }
dl { display:grid; grid-template-columns:max-content 1fr; gap:3px 16px; font-size:13px; margin:8px 0; }
dt { color:var(--soft); } dd { margin:0; overflow-wrap:anywhere; }
ul.method { padding-left:20px; } ul.method li { margin:5px 0; max-width:112ch; }
footer { border-top:1px solid var(--line); margin-top:40px; padding-top:10px; }
@media (max-width:820px) { .tiles { grid-template-columns:repeat(2,1fr); } }
@media print {
  @page { size:A4; margin:14mm; }
  body { font-size:11px; } main { padding:0; max-width:none; } .scroll { overflow:visible; }
  table { font-size:9.5px; } th, td { padding:3px 5px; } td .range { font-size:8.5px; }
  .verdict p { font-size:14px; } .tile h3 { font-size:10px; min-height:26px; }
  .tile .both div { font-size:14px; } .tile .gap { font-size:10px; }
  .facts, .note, figcaption, footer, dl, .tag { font-size:9.5px; }
  .tiles { grid-template-columns:repeat(4,1fr); gap:8px; }
  h2 { break-after:avoid; margin-top:24px; } figure, tr, .tile, .verdict { break-inside:avoid; }
  thead { display:table-header-group; }
}
"""

PAGE = """{% macro tags(names, nothing) %}{% for name in names %}<span class="tag">{{ name }}</span>
{% else %}<span class="quiet">{{ nothing }}</span>{% endfor %}{% endmacro -%}
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>What the withheld data is worth: {{ result.brand_id }}</title>
<style>{{ style_sheet }}</style>
</head>
<body>
<main>
<header>
  <p class="kicker">Retail media · full data against clean room
  {%- if result.judged_by == "model" %} · model-based, no truth known{% endif %}</p>
  <h1>What the withheld data is worth to {{ result.brand_id }}</h1>
  <p class="facts">{{ figure("weeks", "count") }} weeks from {{ figure("start_date", "text") }} · budget up to
    {{ figure("request.budget_usd", "usd") }} · objective: {{ objective }} · {{ judged_in }}
    · {{ figure("replicates", "count") }} replicates</p>
</header>

<section class="verdict {{ result.verdict.winner }}"><p>{{ sentences[0] }}</p></section>
<ul class="summary">
{% for sentence in sentences[1:] %}  <li>{{ sentence }}</li>
{% endfor %}</ul>

{% if tiles %}<div class="tiles">
{% for tile in tiles %}  <div class="tile">
    <h3>{{ tile.label }}</h3>
    <div class="both"><div class="full">{{ tile.full }}<small>full data</small></div>
      <div class="clean">{{ tile.clean }}<small>clean room</small></div></div>
    <p class="gap">Difference {{ tile.gap }}<br><span class="quiet">{{ tile.low }} to {{ tile.high }},
      {{ tile.zero }}</span></p>
  </div>
{% endfor %}</div>{% endif %}

{% if charts.outcomes %}<h2>What each plan brought in</h2>
<figure>{{ charts.outcomes }}
<figcaption>Bars: realized, mean over replicates, with {{ figure("confidence_level", "percent") }} intervals;
bold numbers: the realized mean. White diamonds: what the plan itself forecast.{% if "oracle" in result.modes %} The
oracle plan was made on the market's true response curves and is no plan that anyone could make
{%- if not result.modes.oracle.experiment_spend_usd %}; it sets nothing aside for experiments{% endif %}.{% endif %}
Status quo, equal split and the split by attributed sales are what a planner does without a model.
</figcaption></figure>{% endif %}

<h2>All plans side by side</h2>
<p class="note">Realized values with their {{ figure("confidence_level", "percent") }} intervals below. Rest the
pointer on any number to see where it stands in comparison.json.</p>
<div class="scroll"><table>
<thead><tr><th></th>{% for mode in result.modes.values() %}<th>{{ mode.label }}</th>{% endfor %}</tr></thead>
<tbody>
{% for section in sections %}<tr class="section">
<th colspan="{{ result.modes | length + 1 }}">{{ section.title }}</th></tr>
{% for row in section.rows %}<tr><td title="{{ row.description }}">{{ row.label }}</td>
{%- for cell in row.cells %}<td>{{ cell.value }}{% if cell.low %}<span class="range">{{ cell.low }} to
{{ cell.high }}</span>{% endif %}</td>{% endfor %}</tr>
{% endfor %}{% endfor %}</tbody>
</table></div>

{% if differences %}<h2>Full data minus clean room</h2>
<p class="note">Each difference is taken inside a replicate, where both plans meet the same luck, and then averaged.</p>
{% if charts.differences %}<figure>{{ charts.differences }}
<figcaption>Differences with paired {{ figure("confidence_level", "percent") }} intervals. Blue: full data does
better; orange: the clean room does better; black: clear, but neither direction is better in itself; grey: the interval
includes 0.</figcaption></figure>{% endif %}
<div class="scroll"><table>
<thead><tr><th>Metric</th><th>Difference</th><th>From</th><th>To</th><th>Of the clean-room value</th>
<th class="words">Reading</th></tr></thead>
<tbody>{% for row in differences %}<tr><td title="{{ row.description }}">{{ row.label }}</td><td>{{ row.value }}</td>
<td>{{ row.low }}</td><td>{{ row.high }}</td><td>{{ row.relative }}</td><td class="words">{{ row.reading }}</td></tr>
{% endfor %}</tbody>
</table></div>{% endif %}

{% if values %}<h2>What each withheld field is worth</h2>
<figure>{{ charts.waterfall }}
<figcaption>From the clean-room plan to the full-data plan: exact Shapley shares over all combinations of visible
fields, each planned anew and carried out under the same luck, with {{ figure("confidence_level", "percent") }}
intervals. Green: worth something; red: costs something; grey: the interval includes 0. The axes do not start at 0.
</figcaption></figure>
<p><b>Price sheet.</b> US cents of margin net of ad spend per dollar of budget: the most that the field should cost
the brand, on average over the order in which fields are bought, bought alone, and bought when all others are there.</p>
<div class="scroll"><table>
<thead><tr><th>Field</th><th>Share of {{ values.label }}</th><th>Share of net margin</th><th>Price on average</th>
<th>Bought alone</th><th>Bought last</th><th class="words">Reading</th></tr></thead>
<tbody>{% for row in values.rows %}<tr><td>{{ row.label }}</td>
{%- for cell in row.cells %}<td>{{ cell.value }}<span class="range">{{ cell.low }} to {{ cell.high }}</span></td>
{%- endfor %}<td class="words">{{ row.reading }}</td></tr>
{% endfor %}</tbody></table></div>
{% if values.interactions %}<p class="note">Strongest interactions, net margin:
{% for pair in values.interactions %}{{ pair.first }} with {{ pair.second }} {{ pair.value }} ({{ pair.low }} to
{{ pair.high }}){% if not loop.last %}; {% endif %}{% endfor %}. Above 0 two fields are worth more together than
apart.</p>{% endif %}
<p class="note">A field may have a negative share: information that makes a planner keep a limit of the brief (a
minimum ROAS, stock) costs margin while it keeps the promise, and a planner whose model is wrong can be misled by more
data. Intervals are over the luck of the weeks to come in this one market; docs/comparison.md shows many markets.</p>
{% endif %}
{% if charts.regret %}<h2>What the plans miss of the oracle, by cause</h2>
<figure>{{ charts.regret }}
<figcaption>Estimated curves: the best plan on the planner's curves that keeps every limit in truth. Misjudged limits:
what is lost, or gained, because limits and stock are judged on estimated curves too. A plan that breaks a true
limit can gain by it; see the table of limits.</figcaption></figure>{% endif %}
{% if charts.budget %}<h2>Where the money goes</h2>
<figure>{{ charts.budget }}
<figcaption>Ad spend over the whole horizon, experiments included.</figcaption></figure>{% endif %}
{% if shifts %}<p><b>Products that the two plans fund most differently.</b> The last column explains many of the moves:
the margin that a dollar of this product's incremental revenue really carries.</p>
<div class="scroll"><table>
<thead><tr><th>Product</th><th class="words">Line</th><th>Spend, full data</th><th>Spend, clean room</th>
<th>Difference</th><th>Net margin, difference</th><th>Margin per dollar of revenue</th></tr></thead>
<tbody>{% for row in shifts %}<tr><td>{{ row.title }}</td><td class="words">{{ row.line }}</td><td>{{ row.full }}</td>
<td>{{ row.clean }}</td><td>{{ row.spend }}</td><td>{{ row.margin }}</td><td>{{ row.rate }}</td></tr>
{% endfor %}</tbody></table></div>{% endif %}

{% if charts.curves %}<h2>What the planners believed</h2>
<figure>{{ charts.curves }}
<figcaption>Incremental revenue per week against spend per week, for the retailer, placement and product cells that the
plans fund most differently; audiences are added up. Lines: posterior mean; bands: nine tenths of the posterior; dots:
what each plan spends{% if has_truth %}; dashed: the market's own curve, which no planner sees{% endif %}.
</figcaption></figure>{% endif %}

{% if charts.stock %}<h2>Stock behind the money</h2>
<figure>{{ charts.stock }}
<figcaption>History, week by week. The clean-room planner does not see it.</figcaption></figure>{% endif %}

{% if charts.forecast %}<h2>Forecast against reality, arm by arm</h2>
<figure>{{ charts.forecast }}
<figcaption>One point per funded arm (retailer, placement, audience, product): incremental revenue over the horizon,
logarithmic. On the line the forecast came true; below it the plan promised too much.</figcaption></figure>{% endif %}

<h2>Limits of the brief, held against reality</h2>
<div class="scroll"><table class="limits">
<thead><tr><th>Limit</th><th class="words">Checked on</th><th>Asked</th>
{%- for mode in judged %}<th>{{ mode.label }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in limits %}<tr><td>{{ row.limit }}</td><td class="words">{{ row.scope }}</td>
<td class="n">{{ row.sense }} {{ row.asked }}</td>
{%- for cell in row.cells %}<td>{% if cell %}<span{% if cell.missed %} class="broken"{% endif %}>{{ cell.value }}</span>
{%- if cell.missed %}<span class="range broken">missed by {{ cell.missed }}</span>{% endif %}
{%- if cell.often %}<span class="range">in {{ cell.often }} of replicates</span>{% endif %}
{%- else %}–{% endif %}</td>{% endfor %}</tr>
{% else %}<tr><td colspan="3">No plan was carried out.</td></tr>
{% endfor %}</tbody></table></div>
<p class="note">A limit counts as broken (red) when the mean over replicates is on the wrong side of it;
below stands in how many replicates it was broken. Experiments, lists
and stock at the time of planning are checked on the plan itself.</p>

<h2>What each plan could see, and who answered</h2>
<div class="scroll"><table>
<thead><tr><th>Plan</th><th class="words">Fields withheld from it, and what it had to assume</th>
<th class="words">Adapters that answered</th>
<th class="words">What held it back</th><th>Certified gap</th></tr></thead>
<tbody>{% for row in sources %}<tr><td>{{ row.plan }}</td>
<td class="words">{{ tags(row.blocked, "none") }}
{%- for note in row.notes %}<span class="note">{{ note }}</span>{% endfor %}</td>
<td class="words">{{ tags(row.adapters, "none") }}</td>
<td class="words">{% if row.infeasible %}<span class="broken">infeasible:</span> {{ row.infeasible | join(" ") }}
{%- else %}{{ tags(row.binding, "nothing") }}{% endif %}</td>
<td>{{ row.gap }}</td></tr>
{% endfor %}</tbody></table></div>
{% if charts.federation %}<figure>{{ charts.federation }}
<figcaption>The adapters that stood on the base model when the brief was read, per plan.</figcaption></figure>
{% endif %}
{% if cells %}<p><b>Data or adapter?</b> The same brief read with and without the manufacturer's adapter, planned on
either data.</p>
<div class="scroll"><table>
<thead><tr><th>Data</th><th class="words">Brand's adapter</th><th class="words">Brief understood</th>
<th>{{ cells.label }}</th><th>Margin net of ad spend</th></tr></thead>
<tbody>{% for row in cells.rows %}<tr><td>{{ row.data }}</td><td class="words">{{ row.adapter }}</td>
<td class="words">{{ row.understood }}</td><td>{{ row.objective }}</td><td>{{ row.net }}</td></tr>
{% endfor %}</tbody></table></div>{% endif %}
<p class="note">The certified gap bounds how far the optimizer may be from the best plan on the curves it was given; it
says nothing about whether those curves are right.</p>

<h2>How this was measured</h2>
<ul class="method">
  {% if result.judged_by == "model" %}<li><b>No truth.</b> Every plan was carried out on posterior draws of the
  full-data model's response curves. What that model gets wrong, this page gets wrong. It leans towards the plan that
  the same model made.</li>{% else %}<li><b>Truth.</b> Every plan was carried out in a synthetic market whose response
  to advertising is known. No planner sees that truth; only the judge does. Incremental means: compared with the same
  market without the ads.</li>{% endif %}
  <li><b>Replicates.</b> Each plan was carried out {{ figure("replicates", "count") }} times on fresh weeks, with
  the luck of those weeks drawn anew (seed {{ figure("seed", "text") }}).</li>
  <li><b>Common random numbers.</b> Replicate by replicate all plans meet the same luck, so it cancels from
  differences.{% if narrowing %} For {{ narrowing.label }} this makes the interval {{ narrowing.half }} wide
  to each side instead of {{ narrowing.unpaired }}.{% endif %}</li>
  <li><b>Intervals.</b> {{ result.interval_method }}</li>
  <li><b>Money.</b> Margin is gross margin on incremental revenue. Net margin is what is left after paying for the ads.
  Both planners maximize the brief's objective ({{ objective }}); the verdict is given on that metric.
  Where net margin clearly points the other way, no winner is named.</li>
</ul>
<p><b>What it does not prove.</b></p>
<ul class="method">
  {% if result.judged_by == "truth" %}<li>The market is synthetic. The size of a difference here is no forecast for a
  real brand; it depends on how much margins, stock and response vary in this market.</li>{% endif %}
  <li>The intervals cover the luck of the weeks to come, given these plans in this one market. They do not cover other
  histories that the plans could have been estimated from, another draw of the clean room's noise (which is never
  repeated, and moves the clean-room plan), nor other markets.</li>
  <li>{% if values %}The shares of the fields hold for this brief, this budget and this clean room's noise; another
  brief gives others.{% else %}The difference is that of all withheld fields together, the noise of the clean room
  included. It does not say which field it comes from.{% endif %}</li>
</ul>

<footer>
<dl>
  <dt>Generated</dt><dd>{{ figure("generated_at", "text") }}</dd>
  <dt>Software</dt><dd>rmn_pipeline {{ figure("provenance.package_version", "text") }}, judge
    {{ figure("provenance.judge", "text") }}</dd>
  {% for mode in result.modes %}<dt>Plan, {{ result.modes[mode].label | lower }}</dt>
  <dd>{{ figure("provenance.plan_ids." ~ mode, "text") }} · SHA-256
  {{ figure("provenance.plan_digests." ~ mode, "text") }}</dd>
  {% endfor %}{% for name, note in result.provenance.notes.items() %}<dt>{{ name }}</dt><dd>{{ note }}</dd>{% endfor %}
</dl>
</footer>
</main>
</body>
</html>
"""
